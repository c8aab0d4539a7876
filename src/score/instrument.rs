//! Can an encoder tell the subjects of a pool apart at all? Pictures of which it is known whom they show, each against
//! every subject.

use super::identification::identification;
use super::{Pool, mean, most_similar};

/// How well pictures are told from others' of the same group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// Subjects in the group.
    pub subjects: usize,
    /// Pictures of them.
    pub pictures: usize,
    /// Share of pictures whose most similar subject of the group is their own; `None`: there is nobody else.
    pub top1: Option<f64>,
    /// Mean over the pictures of the share of other subjects of the group that are less similar than their own, ties
    /// half; 0.5 is chance. `None`: there is nobody else.
    pub auc: Option<f64>,
}

/// Pool-centred cosines of pictures with every subject, and whom each picture shows.
#[derive(Debug, Clone)]
pub struct Trial {
    subjects: usize,
    shows: Vec<usize>,
    cosines: Vec<f64>,
}

impl Trial {
    /// Of pictures: whom each shows, as a place in the pool of `subjects`, and its vector.
    pub fn new<'v>(pool: &Pool, subjects: usize, pictures: impl Iterator<Item = (usize, &'v [f32])>) -> Trial {
        let (mut shows, mut cosines) = (Vec::new(), Vec::new());
        for (subject, vector) in pictures {
            shows.push(subject);
            cosines.extend(pool.cosines(vector));
        }
        Trial { subjects, shows, cosines }
    }

    /// The pictures of a group's subjects against that group; `in_group` says of each subject whether it belongs.
    pub fn within(&self, in_group: &[bool]) -> Told {
        let subjects = in_group.iter().filter(|is| **is).count();
        let rows = self.shows.iter().zip(self.cosines.chunks_exact(self.subjects.max(1)));
        let (mut first, mut aucs, mut pictures) = (Vec::new(), Vec::new(), 0);
        for (shown, row) in rows.filter(|(shown, _)| in_group[**shown]) {
            pictures += 1;
            let group: Vec<usize> = (0..row.len()).filter(|subject| in_group[*subject]).collect();
            let others: Vec<f64> = group.iter().filter(|subject| *subject != shown).map(|subject| row[*subject]).collect();
            let Some(found) = identification(&[row[*shown]], &others) else { continue };
            aucs.push(found.auc);
            let of_group: Vec<f64> = group.iter().map(|subject| row[*subject]).collect();
            let best = most_similar(&of_group).map(|at| group[at]);
            first.push(f64::from(u8::from(best == Some(*shown))));
        }
        let known = |values: Vec<f64>| (!values.is_empty()).then(|| mean(&values));
        Told { subjects, pictures, top1: known(first), auc: known(aucs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Three subjects along the axes, and a picture of each: of the first as it is, of the second halfway to the
        // third and nearer to that, of the third as it is.
        let vectors: [&[f32]; 3] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0]];
        let pool = Pool::new(&vectors.map(|vector| vec![vector])).unwrap();
        let pictures: [(usize, &[f32]); 3] = [(0, &[2.0, 0.0, 0.0]), (1, &[0.0, 0.5, 0.6]), (2, &[0.0, 0.0, 1.0])];
        let trial = Trial::new(&pool, 3, pictures.into_iter());
        let all = trial.within(&[true; 3]);
        assert_eq!((all.subjects, all.pictures, all.top1), (3, 3, Some(2.0 / 3.0)));
        // 1, then one of two others, then 1.
        assert_eq!(all.auc, Some((1.0 + 0.5 + 1.0) / 3.0));
        let group = trial.within(&[false, true, true]);
        assert_eq!((group.subjects, group.pictures, group.top1, group.auc), (2, 2, Some(0.5), Some(0.5)));
        // Without the third the second is told.
        assert_eq!(trial.within(&[true, true, false]).top1, Some(1.0));
        let alone = trial.within(&[false, true, false]);
        assert_eq!((alone.subjects, alone.pictures, alone.top1, alone.auc), (1, 1, None, None));
    }
}

//! What is measured of the regions of one image without a threshold.
//!
//! A pair that may not be is in no comparison: a person's region is not held against an object's reference, nor a subject
//! against a region that cannot be its own. Where that leaves nothing to compare with, the value does not exist, as where
//! one subject alone is requested.

use super::super::mean_if_any;
use super::Similarities;

/// What is measured of one image without a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionMeasures {
    /// mID: (1/N) Σ max(0, s) over the paired subjects, in [0, 1]; a subject without a region counts as 0.
    pub identity: f64,
    /// The mean of s over the paired subjects alone, in [-1, 1]; `None` where there are none.
    pub matched: Option<f64>,
    /// The mean of [`Paired::top1`]: the share of the paired regions that are most similar to their own subject.
    pub top1: Option<f64>,
    /// The mean of [`Paired::margin`].
    pub margin: Option<f64>,
    /// The mean of [`Paired::bleeding`].
    pub bleeding: Option<f64>,
    /// The mean of [`Likeness::excess`] over all pairs of paired regions.
    pub homogenisation: Option<f64>,
    /// Regions that are doubled ([`doubled_regions`]).
    pub doubled: usize,
}

/// What is measured of a subject and the region that it is paired with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// The subject, in the order of the prompt.
    pub subject: usize,
    /// Its region.
    pub region: usize,
    /// s of both, in [-1, 1].
    pub similarity: f64,
    /// Whether the requested subject that the region is most similar to is its own: 1 or 0, 1/k where k are equal, so that
    /// chance is 1 by the number of subjects that may be in the region. `None` where no other may be.
    pub top1: Option<f64>,
    /// s less that of the subject with the most similar of the other regions, in [-2, 2]. `None` where the subject may be in
    /// no other.
    pub margin: Option<f64>,
    /// How much more the region is like another requested subject than this subject itself is, at most: the greatest
    /// (s_k − g_k)₊, s_k being the similarity of subject k and the region, g_k that of both subjects' references; in [0, 2].
    /// `None` where no other may be in the region.
    pub bleeding: Option<f64>,
    /// The other subject of which that is true: of equals the first; `None` where `bleeding` is 0 or does not exist.
    pub bleeds_from: Option<usize>,
}

/// Two subjects and how alike their regions are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// The two subjects, in the order of the prompt.
    pub subjects: [usize; 2],
    /// The cosine of their regions less that of their references, 0 if that is negative; in [0, 2].
    pub excess: f64,
}

/// What is measured of one image without a threshold, given [`pair`](super::pair)'s pairing; `None` where nobody is requested.
///
/// `between_references` is g of two requested subjects: the cosine of their references, of several the largest.
/// `between_regions` is the cosine of two regions.
pub fn region_measures(
    similarities: &Similarities,
    pairing: &[Option<usize>],
    between_references: impl Fn(usize, usize) -> f64,
    between_regions: impl Fn(usize, usize) -> f64,
) -> Option<RegionMeasures> {
    if similarities.subjects == 0 {
        return None;
    }
    let paired = paired(similarities, pairing, &between_references);
    let mean_of = |value: &dyn Fn(&Paired) -> Option<f64>| mean_if_any(paired.iter().filter_map(value));
    Some(RegionMeasures {
        identity: paired.iter().map(|p| p.similarity.max(0.0)).sum::<f64>() / similarities.subjects as f64,
        matched: mean_of(&|p| Some(p.similarity)),
        top1: mean_of(&|p| p.top1),
        margin: mean_of(&|p| p.margin),
        bleeding: mean_of(&|p| p.bleeding),
        homogenisation: mean_if_any(
            likenesses(similarities, pairing, between_references, between_regions).iter().map(|l| l.excess),
        ),
        doubled: doubled_regions(similarities).len(),
    })
}

/// What is measured of each subject that is paired with a region, in the order of the subjects. `between_references` as in
/// [`region_measures`].
pub fn paired(
    similarities: &Similarities,
    pairing: &[Option<usize>],
    between_references: impl Fn(usize, usize) -> f64,
) -> Vec<Paired> {
    let of_pair = |(subject, region): (usize, &Option<usize>)| {
        let region = (*region)?;
        let similarity = similarities.get(subject, region)?;
        let others = || (0..similarities.subjects).filter(|other| *other != subject);
        let other_regions = (0..similarities.regions).filter(|other| *other != region);
        let margin =
            other_regions.filter_map(|other| similarities.get(subject, other)).reduce(f64::max).map(|next| similarity - next);
        let bleeding = others()
            .filter_map(|other| Some((other, (similarities.get(other, region)? - between_references(subject, other)).max(0.0))))
            .reduce(|most, next| if next.1 > most.1 { next } else { most });
        Some(Paired {
            subject,
            region,
            similarity,
            top1: top1(similarities, subject, region),
            margin,
            bleeding: bleeding.map(|(_, excess)| excess),
            bleeds_from: bleeding.filter(|(_, excess)| *excess > 0.0).map(|(other, _)| other),
        })
    };
    pairing.iter().enumerate().filter_map(of_pair).collect()
}

fn top1(similarities: &Similarities, own: usize, region: usize) -> Option<f64> {
    let candidates: Vec<i64> = (0..similarities.subjects).filter_map(|subject| similarities.rounded(subject, region)).collect();
    let own = similarities.rounded(own, region).filter(|_| candidates.len() > 1)?;
    let equal = candidates.iter().filter(|s| **s == own).count();
    Some(if candidates.iter().any(|s| *s > own) { 0.0 } else { 1.0 / equal as f64 })
}

/// How alike the regions of each two paired subjects are, in the order of the subjects; not of two that are of different
/// kinds, one of which may not be in the other's region. The functions as in [`region_measures`].
pub fn likenesses(
    similarities: &Similarities,
    pairing: &[Option<usize>],
    between_references: impl Fn(usize, usize) -> f64,
    between_regions: impl Fn(usize, usize) -> f64,
) -> Vec<Likeness> {
    let paired: Vec<(usize, usize)> =
        pairing.iter().enumerate().filter_map(|(subject, region)| Some((subject, (*region)?))).collect();
    let mut found = Vec::new();
    for (at, (one, region)) in paired.iter().copied().enumerate() {
        for (other, other_region) in paired[at + 1..].iter().copied() {
            if similarities.get(one, other_region).is_some() && similarities.get(other, region).is_some() {
                let excess = (between_regions(region, other_region) - between_references(one, other)).max(0.0);
                found.push(Likeness { subjects: [one, other], excess });
            }
        }
    }
    found
}

/// The requested subject that each region is most similar to: of equals the first; `None` where no subject may be in it.
pub fn most_similar_subjects(similarities: &Similarities) -> Vec<Option<usize>> {
    let most = |region: usize| {
        let candidates = (0..similarities.subjects).filter_map(|i| Some((i, similarities.rounded(i, region)?)));
        candidates.reduce(|most, next| if next.1 > most.1 { next } else { most }).map(|(subject, _)| subject)
    };
    (0..similarities.regions).map(most).collect()
}

/// The regions whose most similar requested subject is also that of another region, ascending; none where fewer than two
/// subjects are requested.
pub fn doubled_regions(similarities: &Similarities) -> Vec<usize> {
    if similarities.subjects < 2 {
        return Vec::new();
    }
    let most_similar = most_similar_subjects(similarities);
    let mut regions_of = vec![0_usize; similarities.subjects];
    most_similar.iter().flatten().for_each(|subject| regions_of[*subject] += 1);
    let doubled = |region: &usize| most_similar[*region].is_some_and(|subject| regions_of[subject] > 1);
    (0..similarities.regions).filter(doubled).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::super::pair;
    use super::*;

    fn of(rows: &[&[f64]]) -> Similarities {
        Similarities::new(rows.len(), rows[0].len(), |i, j| Some(rows[i][j]))
    }

    fn close(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-12)
    }

    #[test]
    fn by_hand() {
        // Three subjects, three regions. Region 1 is more like subject 2 than subject 1, its own.
        let similarities = of(&[&[0.9, 0.2, 0.3], &[0.1, 0.5, 0.2], &[0.3, 0.6, 0.8]]);
        let pairing = pair(&similarities);
        assert_eq!(pairing, [Some(0), Some(1), Some(2)]);
        // g: 0.1 of 0 and 1, 0.2 of 0 and 2, 0.3 of 1 and 2; regions: 0.4, 0.05 and 0.7.
        let g = |a: usize, b: usize| [0.1, 0.2, 0.3][a + b - 1];
        let cosine = |a: usize, b: usize| [0.4, 0.05, 0.7][a + b - 1];
        let found = region_measures(&similarities, &pairing, g, cosine).unwrap();
        assert!(close(Some(found.identity), 2.2 / 3.0) && close(found.matched, 2.2 / 3.0), "{found:?}");
        assert!(close(found.top1, 2.0 / 3.0), "{found:?}");
        // 0.9 − 0.3, 0.5 − 0.2, 0.8 − 0.6
        assert!(close(found.margin, 1.1 / 3.0), "{found:?}");
        // Subject 0: 0.1 − 0.1 and 0.3 − 0.2; subject 1: 0.2 − 0.1 and 0.6 − 0.3; subject 2: 0.3 − 0.2 and 0.2 − 0.3.
        assert!(close(found.bleeding, 0.5 / 3.0), "{found:?}");
        let bleeds: Vec<_> = paired(&similarities, &pairing, g).iter().map(|p| p.bleeds_from).collect();
        assert_eq!(bleeds, [Some(2), Some(2), Some(0)]);
        // 0.4 − 0.1, 0.05 − 0.2 and 0.7 − 0.3.
        assert!(close(found.homogenisation, 0.7 / 3.0), "{found:?}");
        // Regions 1 and 2 are both most like subject 2.
        assert_eq!((found.doubled, doubled_regions(&similarities)), (2, vec![1, 2]));
        assert_eq!(most_similar_subjects(&similarities), [Some(0), Some(2), Some(2)]);
    }

    #[test]
    fn what_does_not_exist() {
        let zero = |_: usize, _: usize| 0.0;
        assert_eq!(region_measures(&Similarities::new(0, 2, |_, _| None), &[], zero, zero), None);
        let nothing = RegionMeasures {
            identity: 0.0,
            matched: None,
            top1: None,
            margin: None,
            bleeding: None,
            homogenisation: None,
            doubled: 0,
        };
        // Nothing found; nothing found that may be a subject.
        let nothing_found = Similarities::new(2, 0, |_, _| None);
        assert_eq!(region_measures(&nothing_found, &pair(&nothing_found), zero, zero), Some(nothing));
        let forbidden = Similarities::new(2, 2, |_, _| None);
        assert_eq!(region_measures(&forbidden, &pair(&forbidden), zero, zero), Some(nothing));
        // One subject, two regions: it has nobody to be told from. The two are not doubled.
        let alone = of(&[&[0.4, 0.7]]);
        let found = region_measures(&alone, &pair(&alone), zero, zero).unwrap();
        assert_eq!((found.identity, found.matched, found.top1, found.bleeding), (0.7, Some(0.7), None, None));
        assert!(close(found.margin, 0.3) && found.homogenisation.is_none() && found.doubled == 0);
        // Two subjects, one region: there is no margin, and nothing that it could be a clone of.
        let one_region = of(&[&[0.4], &[-0.7]]);
        let found = region_measures(&one_region, &pair(&one_region), zero, zero).unwrap();
        assert_eq!((found.identity, found.matched, found.top1), (0.2, Some(0.4), Some(1.0)));
        assert_eq!((found.margin, found.bleeding, found.homogenisation, found.doubled), (None, Some(0.0), None, 0));
        // A negative similarity is 0 in the one, itself in the other.
        let unlike = of(&[&[-0.5]]);
        let found = region_measures(&unlike, &pair(&unlike), zero, zero).unwrap();
        assert_eq!((found.identity, found.matched), (0.0, Some(-0.5)));
    }

    #[test]
    fn ties_share_the_first_place() {
        let zero = |_: usize, _: usize| 0.0;
        let similarities = of(&[&[0.5, 0.1], &[0.5, 0.6], &[0.5, 0.6]]);
        // Subject 0 has region 0, one of three; subject 1 region 1, one of two.
        let found = region_measures(&similarities, &pair(&similarities), zero, zero).unwrap();
        assert!(close(found.top1, f64::midpoint(1.0 / 3.0, 0.5)), "{found:?}");
        assert_eq!(most_similar_subjects(&similarities), [Some(0), Some(1)]);
        // Equal by the decimals.
        let sums = of(&[&[0.3], &[0.1 + 0.2]]);
        assert_eq!(most_similar_subjects(&sums), [Some(0)]);
        assert_eq!(region_measures(&sums, &pair(&sums), zero, zero).unwrap().top1, Some(0.5));
    }

    /// A person and two hats; the regions are a person and a hat, and one of unknown kind.
    #[test]
    fn forbidden_pairs_are_in_no_comparison() {
        let rows = [[Some(0.6), None, Some(0.5)], [None, Some(0.7), Some(0.2)], [None, Some(0.9), Some(0.3)]];
        let similarities = Similarities::new(3, 3, |i, j| rows[i][j]);
        let pairing = pair(&similarities);
        assert_eq!(pairing, [Some(0), Some(2), Some(1)], "0.7 + 0.3 is less than 0.9 + 0.2");
        let found = region_measures(&similarities, &pairing, |_, _| 0.1, |_, _| 0.4).unwrap();
        // Region 0 can only be subject 0; region 1 is most like subject 2, its own, region 2 is not most like subject 1.
        assert_eq!(found.top1, Some(0.5));
        // 0.6 − 0.5, 0.2 − 0.7, 0.9 − 0.3
        assert!(close(found.margin, 0.2 / 3.0), "{found:?}");
        // Region 2 is more like the person, 0.5 − 0.1; region 1 is somewhat like subject 1, 0.7 − 0.1.
        assert!(close(found.bleeding, 0.5), "{found:?}");
        // A person is no clone of a hat.
        let alike = likenesses(&similarities, &pairing, |_, _| 0.1, |_, _| 0.4);
        assert_eq!(alike.iter().map(|l| l.subjects).collect::<Vec<_>>(), [[1, 2]]);
        assert!(close(found.homogenisation, 0.3), "{found:?}");
        assert_eq!(doubled_regions(&similarities), [0, 2]);
    }

    #[test]
    fn values_are_within_their_ranges() {
        let mut draws = Random::new(19);
        let mut seen = [0; 5];
        for round in 0..3_000 {
            let (subjects, regions) = (1 + draws.below(6), draws.below(7));
            let levels = [2, 8, 1 << 40][round % 3];
            let mut cosine = || draws.below(levels + 1) as f64 / levels as f64 * 2.0 - 1.0;
            let table: Vec<f64> = (0..200).map(|_| cosine()).collect();
            let similarities =
                Similarities::new(subjects, regions, |i, j| Some(table[i * 7 + j]).filter(|_| round % 2 == 0 || (i + j) % 3 > 0));
            let pairing = pair(&similarities);
            let g = |a: usize, b: usize| table[100 + a.min(b) * 7 + a.max(b)];
            let r = |a: usize, b: usize| table[150 + a.min(b) * 7 + a.max(b)];
            let found = region_measures(&similarities, &pairing, g, r).unwrap();
            let values = [
                (Some(found.identity), 0.0, 1.0),
                (found.top1, 0.0, 1.0),
                (found.margin, -2.0, 2.0),
                (found.bleeding, 0.0, 2.0),
                (found.homogenisation, 0.0, 2.0),
            ];
            for (seen, (value, least, most)) in seen.iter_mut().zip(values) {
                *seen += usize::from(value.is_some());
                assert!(value.is_none_or(|value| (least..=most).contains(&value)), "{found:?}");
            }
            assert!(found.matched.is_none_or(|m| (-1.0..=1.0).contains(&m)) && found.doubled <= regions && found.doubled != 1);
            let threshold = table[199];
            let at = super::super::at_threshold(&similarities, threshold);
            assert_eq!((at.present + at.missing, at.present + at.extra), (subjects, regions));
            assert!(
                at.collapse_rate.is_some_and(|v| (0.0..=1.0).contains(&v))
                    && at.presence_f1.is_some_and(|v| (0.0..=1.0).contains(&v))
            );
            assert!(at.identities == 0.0 || (1.0..=subjects as f64).contains(&at.identities));
            // Without forbidden pairs the values that could exist do.
            if round % 2 == 0 {
                assert_eq!(found.top1.is_some(), subjects > 1 && regions > 0);
                assert_eq!(found.margin.is_some(), regions > 1);
                assert_eq!(found.homogenisation.is_some(), subjects > 1 && regions > 1);
                let positive = |(i, j): (usize, &Option<usize>)| j.is_some_and(|j| similarities.get(i, j) > Some(0.0));
                assert_eq!(found.identity > 0.0, pairing.iter().enumerate().any(positive));
            }
        }
        assert!(seen.iter().all(|seen| *seen > 1_000), "{seen:?}");
    }
}

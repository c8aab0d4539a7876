//! What decides whether a subject is in an image: the windows of an encoder, or region sets, kind by kind.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::report::{Decider, Deciders, LocalSnapshot, Snapshot, deciders};
use crate::vocabulary::SubjectKind;
use crate::windows::{Pattern, Rectangle};
use std::collections::{HashMap, HashSet};

/// A generation row, a subject's place among the snapshot's, a similarity, and where.
type FoundAt = (i64, usize, f32, Rectangle);

/// What one decider says of the subjects that it can decide on.
struct Said {
    /// Subjects, as places among the snapshot's.
    subjects: HashSet<usize>,
    /// By generation row, what is known of each subject; a subject without an entry is nowhere in the image.
    values: HashMap<i64, HashMap<usize, f32>>,
    /// What a subject has that is nowhere: less than any other.
    nowhere: Option<f32>,
    found: Vec<FoundAt>,
    pattern: Option<Pattern>,
    /// In words.
    by: String,
    /// Which kinds it can decide on; `None`: all.
    kinds: Option<Vec<SubjectKind>>,
}

impl Dataset {
    /// Returns what is to decide, if that is more than an encoder.
    pub(super) fn deciders(&self, identity: Option<&str>) -> Result<Option<Deciders>> {
        let Some(text) = identity else { return Ok(None) };
        let encoders = self.catalog.image_encoders()?;
        deciders(text, |name| encoders.iter().any(|(_, known)| *known == *name))
    }

    /// Returns what the windows of the encoder that decides collapse say; `None` if it searched nothing.
    pub(super) fn local_by_identity(&self, snapshot: &Snapshot) -> Result<Option<LocalSnapshot>> {
        match snapshot.encoders.iter().find(|(_, name)| *name == *snapshot.identity) {
            Some((_, name)) => self.local_by(&vec![(None, Decider::Windows(name.clone()))], snapshot),
            None => Ok(None),
        }
    }

    /// Returns what these deciders say together; `None` if that is nothing.
    pub(super) fn local_by(&self, deciders: &Deciders, snapshot: &Snapshot) -> Result<Option<LocalSnapshot>> {
        let mut said = Vec::with_capacity(deciders.len());
        for (_, decider) in deciders {
            said.push(match decider {
                Decider::Windows(encoder) => {
                    let row = snapshot.encoders.iter().find(|(_, name)| name == encoder).map(|(row, _)| *row);
                    match row.map(|row| self.said_by_windows(row, encoder.as_str(), snapshot)).transpose()?.flatten() {
                        Some(said) => said,
                        None => return Ok(None),
                    }
                }
                Decider::Regions(choice) => self.said_by_regions(choice, snapshot)?,
            });
        }
        // Which of them decides on a subject of a kind: one for the kind, else the one for all others.
        let of_kind = |kind: Option<SubjectKind>| {
            let named = deciders.iter().position(|(of, _)| of.is_some() && *of == kind);
            let at = named.or_else(|| deciders.iter().position(|(of, _)| of.is_none()))?;
            let covers = said[at].kinds.as_ref().is_none_or(|kinds| kind.is_some_and(|kind| kinds.contains(&kind)));
            covers.then_some(at)
        };
        let decider: Vec<Option<usize>> = snapshot.subjects.iter().map(|subject| of_kind(subject.kind)).collect();
        let pool: Vec<usize> = (0..decider.len())
            .filter(|subject| decider[*subject].is_some_and(|at| said[at].subjects.contains(subject)))
            .collect();
        let in_pool: HashMap<usize, usize> = pool.iter().enumerate().map(|(at, subject)| (*subject, at)).collect();
        let by = deciders.iter().zip(&said).map(|((kind, _), said)| match (kind, deciders.len()) {
            (None, 1) => said.by.clone(),
            (None, _) => format!("{} (others)", said.by),
            (Some(kind), _) => format!("{} ({kind})", said.by),
        });
        let mut local = LocalSnapshot {
            pattern: said.iter().find_map(|said| said.pattern),
            by: by.collect::<Vec<_>>().join("; "),
            outside: (0..decider.len()).filter(|subject| decider[*subject].is_none()).collect(),
            rows: HashMap::new(),
            similarities: Vec::new(),
            found: Vec::new(),
            text_only: self.catalog.text_only_models()?,
            pool,
        };
        let used: HashSet<usize> = decider.iter().flatten().copied().collect();
        for generation in snapshot.generations.iter() {
            // A generation that one of them has not looked at has no values: all of the pool, or none.
            let rows: HashMap<usize, &HashMap<usize, f32>> =
                used.iter().filter_map(|at| Some((*at, said[*at].values.get(&generation.id)?))).collect();
            if rows.len() < used.len() {
                continue;
            }
            let values: Option<Vec<f32>> = local
                .pool
                .iter()
                .map(|subject| {
                    let at = decider[*subject]?;
                    rows[&at].get(subject).copied().or(said[at].nowhere)
                })
                .collect();
            let Some(values) = values else { continue };
            local.rows.insert(generation.id, local.similarities.len());
            local.similarities.extend(values);
        }
        for (at, said) in said.into_iter().enumerate() {
            let of = |(generation, subject, similarity, place): FoundAt| {
                (decider[subject] == Some(at)).then(|| Some((generation, *in_pool.get(&subject)?, similarity, place)))?
            };
            local.found.extend(said.found.into_iter().filter_map(of));
        }
        // Of each generation and subject the best first.
        local.found.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
        Ok((!local.rows.is_empty()).then_some(local))
    }

    fn said_by_windows(&self, encoder: i64, name: &str, snapshot: &Snapshot) -> Result<Option<Said>> {
        let Some(pattern) = self.catalog.window_pattern(encoder)? else { return Ok(None) };
        let place: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
        let (mut subjects, mut values) = (HashSet::new(), HashMap::<i64, HashMap<usize, f32>>::new());
        self.catalog.each_local_score(encoder, |generation, score| {
            let subject = place[&score.subject];
            subjects.insert(subject);
            values.entry(generation).or_default().insert(subject, score.local as f32);
        })?;
        let found = self.catalog.found_places(encoder)?;
        let found = found.iter().map(|(generation, at)| (*generation, place[&at.subject], at.local as f32, at.window)).collect();
        let by = format!("{name}, {pattern} windows");
        Ok(Some(Said { subjects, values, nowhere: None, found, pattern: Some(pattern), by, kinds: None }))
    }

    fn said_by_regions(&self, choice: &crate::report::RegionChoice, snapshot: &Snapshot) -> Result<Said> {
        let chosen = self.chosen(choice)?;
        let (set, encoder) = (chosen.set, chosen.encoder);
        let place: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
        let mut values: HashMap<i64, HashMap<usize, f32>> = HashMap::new();
        self.catalog.each_region_score(set.id, encoder.id, |score| {
            values.insert(score.generation, HashMap::new());
            Ok(())
        })?;
        self.catalog.each_region_local(set.id, encoder.id, |generation, local| {
            if let (Some(of), Some(subject)) = (values.get_mut(&generation), place.get(&local.subject)) {
                of.insert(*subject, local.similarity as f32);
            }
        })?;
        // Every reference of a subject has a vector, or the subject is not compared with.
        let mut subjects: HashMap<usize, bool> = HashMap::new();
        for reference in self.catalog.region_references(set.id, encoder.id)? {
            if let Some(subject) = place.get(&reference.subject) {
                *subjects.entry(*subject).or_insert(true) &= reference.place.is_some();
            }
        }
        Ok(Said {
            subjects: subjects.into_iter().filter(|(_, whole)| *whole).map(|(subject, _)| subject).collect(),
            values,
            nowhere: Some(-1.0),
            found: self.nearest_requested(set.id, encoder.id, snapshot)?,
            pattern: None,
            by: format!("regions {} by {}", set.name, encoder.name),
            kinds: set.rules.kinds,
        })
    }

    /// Returns every region with the requested subject that it is most similar to.
    fn nearest_requested(&self, set: i64, encoder: i64, snapshot: &Snapshot) -> Result<Vec<FoundAt>> {
        let mut places: HashMap<i64, Rectangle> = HashMap::new();
        self.catalog.each_region(set, |_, region, _| {
            places.insert(region.id, whole_pixels(region.bounds));
            Ok(())
        })?;
        let requested: HashMap<i64, &Vec<usize>> =
            snapshot.generations.iter().map(|g| (g.id, &snapshot.prompts[g.prompt as usize].subjects)).collect();
        let mut nearest: HashMap<(i64, i64), (u32, f64)> = HashMap::new();
        self.catalog.each_region_pair(set, encoder, |generation, pair| {
            if let Some(similarity) = pair.similarity {
                let best = nearest.entry((generation, pair.region)).or_insert((pair.ordinal, similarity));
                if similarity > best.1 {
                    *best = (pair.ordinal, similarity);
                }
            }
            Ok(())
        })?;
        let mut found: Vec<FoundAt> = nearest
            .into_iter()
            .filter_map(|((generation, region), (ordinal, similarity))| {
                let subject = *requested.get(&generation)?.get(ordinal as usize)?;
                Some((generation, subject, similarity as f32, *places.get(&region)?))
            })
            .collect();
        found.sort_by_key(|(generation, subject, _, place)| (*generation, *subject, place.x, place.y, place.width, place.height));
        Ok(found)
    }
}

/// The pixels that a box touches.
pub(super) fn whole_pixels([x, y, width, height]: [f64; 4]) -> Rectangle {
    let (left, top) = (x.floor().max(0.0) as u32, y.floor().max(0.0) as u32);
    let (right, bottom) = ((x + width).ceil().max(1.0) as u32, (y + height).ceil().max(1.0) as u32);
    Rectangle { x: left, y: top, width: (right - left).max(1), height: (bottom - top).max(1) }
}

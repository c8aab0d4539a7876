//! What a person can check of the verdicts: of each image who is present, missing, doubled, and who is there unasked; of
//! each model whom the places resemble that were to show somebody.

use super::Snapshot;
use super::local::{Locals, Null};
use crate::catalog::{FoundPlace, SubjectPlace};
use crate::score::{Question, calibrated_collapse_rate, mean};
use crate::vocabulary::ModelName;
use crate::windows::Rectangle;
use std::collections::{BTreeMap, HashMap};

/// One image, as its windows say.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Each requested subject, in the prompt's order.
    pub subjects: Vec<SeenSubject>,
    /// Subjects of the pool that are there unasked, by subject.
    pub extras: Vec<Extra>,
}

/// One requested subject in one image.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenSubject {
    /// Its local similarity.
    pub local: f64,
    /// Whether it is present; `None`: that cannot be said.
    pub present: Option<bool>,
    /// The place that it has to itself; `None`: none.
    pub place: Option<Rectangle>,
    /// Whom of the pool this place resembles most, as a place among [`Snapshot::subjects`]; `None`: it has no place.
    pub resembles: Option<usize>,
    /// In how many separate places it is.
    pub places: u32,
    /// The null that its similarity is held against.
    pub null: Null,
}

/// A subject that was not asked for and is seen as clearly as where it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The subject, as a place among [`Snapshot::subjects`].
    pub subject: usize,
    /// Pool-centred cosine of it and its place.
    pub local: f64,
    /// Its place.
    pub place: Rectangle,
}

/// Requested against found: how often each subject's own place resembles whom, in one model's images.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// The model.
    pub model: String,
    /// By requested subject and the subject that its place resembles most, both as places among [`Snapshot::subjects`];
    /// the latter `None`: it has no place.
    pub counts: BTreeMap<(usize, Option<usize>), u32>,
}

/// Every image that was searched, by its generation's row. `places` and `found` are those of the identity encoder,
/// the latter by generation, subject and rank.
pub fn seen(snapshot: &Snapshot, places: &[(i64, SubjectPlace)], found: &[(i64, FoundPlace)], alpha: f64) -> HashMap<i64, Seen> {
    let Some(locals) = Locals::new(snapshot, alpha) else { return HashMap::new() };
    let rows: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
    let place_of: HashMap<(i64, u32), &SubjectPlace> =
        places.iter().map(|(generation, place)| ((*generation, place.ordinal), place)).collect();
    let mut images: HashMap<i64, Seen> = HashMap::with_capacity(locals.requests().generations.len());
    for (at, request) in locals.requests().generations.iter().enumerate() {
        let generation = locals.generation(at).id;
        let subject = |ordinal: u32| match locals.ordinals(at).iter().position(|known| *known == ordinal) {
            Some(position) => SeenSubject {
                local: locals.of_subject(at, position),
                present: locals.known()[at][position].verdict(Question::Present, alpha).ok(),
                place: place_of.get(&(generation, ordinal)).map(|place| place.window),
                resembles: place_of.get(&(generation, ordinal)).and_then(|place| rows.get(&place.resembles).copied()),
                places: locals.copies(at)[position],
                null: locals.null_of(request.model, request.subjects[position] as usize),
            },
            // Nothing decides on subjects of its kind.
            None => SeenSubject { local: 0.0, present: None, place: None, resembles: None, places: 0, null: Null::default() },
        };
        let asked = snapshot.prompts[request.prompt as usize].subjects.len() as u32;
        let subjects = (0..asked).map(subject).collect();
        images.insert(generation, Seen { subjects, extras: Vec::new() });
    }
    let clear: HashMap<usize, f32> =
        (0..).zip(locals.clearly(alpha)).filter_map(|(subject, least)| Some((locals.subject(subject), least?))).collect();
    let asked: HashMap<i64, &Vec<usize>> =
        snapshot.generations.iter().map(|g| (g.id, &snapshot.prompts[g.prompt as usize].subjects)).collect();
    for (generation, place) in found {
        let (Some(image), Some(subject)) = (images.get_mut(generation), rows.get(&place.subject)) else { continue };
        let unasked = !asked.get(generation).is_some_and(|asked| asked.contains(subject));
        let clear = clear.get(subject).is_some_and(|least| place.local as f32 >= *least);
        let known = image.extras.last().is_some_and(|extra| extra.subject == *subject);
        // What somebody has who was asked for and is there is theirs.
        let taken =
            image.subjects.iter().any(|s| s.present == Some(true) && s.place.is_some_and(|own| one_place(own, place.window)));
        if unasked && clear && !known && !taken {
            image.extras.push(Extra { subject: *subject, local: place.local, place: place.window });
        }
    }
    images
}

/// Whether two windows share over a third of the smaller.
fn one_place(a: Rectangle, b: Rectangle) -> bool {
    let shared = |a: u32, a_side: u32, b: u32, b_side: u32| u64::from((a + a_side).min(b + b_side).saturating_sub(a.max(b)));
    let area = |place: Rectangle| u64::from(place.width) * u64::from(place.height);
    3 * shared(a.x, a.width, b.x, b.width) * shared(a.y, a.height, b.y, b.height) > area(a).min(area(b))
}

/// Requested against found, of each model under test whose images were searched.
pub fn confusions(snapshot: &Snapshot, places: &[(i64, SubjectPlace)]) -> Vec<Confusion> {
    let Some(locals) = Locals::new(snapshot, super::ALPHA) else { return Vec::new() };
    let rows: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
    let resembles: HashMap<(i64, u32), usize> = places
        .iter()
        .filter_map(|(generation, place)| Some(((*generation, place.ordinal), *rows.get(&place.resembles)?)))
        .collect();
    let mut of_models: BTreeMap<u32, BTreeMap<(usize, Option<usize>), u32>> = BTreeMap::new();
    for (at, request) in locals.requests().generations.iter().enumerate() {
        if snapshot.models[request.model as usize].1 {
            continue;
        }
        let counts = of_models.entry(request.model).or_default();
        for (ordinal, subject) in locals.ordinals(at).iter().zip(&request.subjects) {
            let found = resembles.get(&(locals.generation(at).id, *ordinal)).copied();
            *counts.entry((locals.subject(*subject), found)).or_default() += 1;
        }
    }
    let model = |(model, counts): (u32, _)| Confusion { model: snapshot.models[model as usize].0.to_string(), counts };
    of_models.into_iter().map(model).collect()
}

/// cSCR of each model at several levels: the mean over its images that have a verdict at that level.
pub fn cscr_by_alpha(snapshot: &Snapshot, alphas: &[f64]) -> Vec<(String, Vec<(f64, f64)>)> {
    let Some(locals) = Locals::new(snapshot, super::ALPHA) else { return Vec::new() };
    let of_model = |(model, (name, _)): (usize, &(ModelName, bool))| {
        let known: Vec<_> = locals
            .requests()
            .generations
            .iter()
            .zip(locals.known())
            .filter(|(request, _)| request.model as usize == model)
            .collect();
        let at = |alpha: &f64| {
            let rates: Vec<f64> =
                known.iter().filter_map(|(_, known)| calibrated_collapse_rate(known, Question::Present, *alpha).ok()).collect();
            (!rates.is_empty()).then(|| (*alpha, mean(&rates)))
        };
        let points: Vec<(f64, f64)> = alphas.iter().filter_map(at).collect();
        (!points.is_empty()).then(|| (name.to_string(), points))
    };
    snapshot.models.iter().enumerate().filter_map(of_model).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_smaller_makes_one_place() {
        let square = |x, y, side| Rectangle { x, y, width: side, height: side };
        // 30 × 10 of 30 × 30 are shared: a third and not more; then 30 × 11.
        assert!(!one_place(square(0, 0, 30), square(0, 20, 30)));
        assert!(one_place(square(0, 0, 30), square(0, 19, 30)));
        assert!(one_place(square(0, 0, 100), square(40, 40, 10)));
        assert!(!one_place(square(0, 0, 10), square(10, 0, 10)));
    }
}

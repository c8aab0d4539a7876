//! Beyond words: what the references brought that the text alone did not.
//!
//! A text-only control got the same prompts and no reference. Paired by prompt and subject, the share of pairs in
//! which the model's local similarity is the greater says whether the *reference* was followed, not the word: 0.5
//! means that the references brought nothing.

use super::interval::{Clustered, Confidence, intervals};
use super::mean;
use super::sign_flip::sign_flip;
use std::collections::BTreeMap;

/// One requested subject in one generation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requested {
    /// The prompt, by any number.
    pub prompt: u32,
    /// The subject, by any number.
    pub subject: u32,
    /// Its local similarity, finite.
    pub similarity: f32,
}

/// How often a model is closer to the references than text alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeyondWords {
    /// Share of the pairs in which the model's similarity is the greater, ties half; in [0, 1], 0.5 is chance.
    pub share: f64,
    /// Its interval, prompts resampled; `None` where one prompt alone has pairs.
    pub interval: Option<[f64; 2]>,
    /// How likely a share so far from 0.5 is by chance: two-sided, the prompts' signs flipped.
    pub p: f64,
    /// Pairs: all pairs of seeds of each prompt and subject.
    pub pairs: usize,
    /// Prompts with a pair.
    pub prompts: usize,
    /// The model's values for whose prompt and subject the control has none.
    pub unpaired: usize,
}

/// Pairs a model's generations with a text-only control's by prompt and subject. `None` where there is no pair.
///
/// The share is the plain mean over pairs, and so is the one of each draw of prompts; with as many seeds of each prompt,
/// it is the mean over prompts weighted by their subjects. The sign flips are of the prompts' means over their pairs,
/// less one half.
pub fn beyond_words(model: &[Requested], control: &[Requested], confidence: Confidence) -> Option<BeyondWords> {
    let mut controls: BTreeMap<(u32, u32), Vec<f32>> = BTreeMap::new();
    for value in control {
        controls.entry((value.prompt, value.subject)).or_default().push(value.similarity);
    }
    let mut by_prompt: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut unpaired = 0;
    for value in model {
        let Some(controls) = controls.get(&(value.prompt, value.subject)) else {
            unpaired += 1;
            continue;
        };
        let won = |control: &f32| match value.similarity.total_cmp(control) {
            _ if value.similarity == *control => 0.5,
            order => f64::from(u8::from(order.is_gt())),
        };
        by_prompt.entry(value.prompt).or_default().extend(controls.iter().map(won));
    }
    let pairs: Vec<f64> = by_prompt.values().flatten().copied().collect();
    let differences: Vec<f64> = by_prompt.values().map(|won| mean(won) - 0.5).collect();
    let clusters = by_prompt.values().enumerate().flat_map(|(at, won)| won.iter().map(move |won| (at, Some(*won))));
    let interval = intervals(&[Clustered::new(by_prompt.len(), clusters).within(Some([0.0, 1.0]))], confidence)[0];
    Some(BeyondWords {
        p: sign_flip(&differences)?,
        share: mean(&pairs),
        interval,
        pairs: pairs.len(),
        prompts: by_prompt.len(),
        unpaired,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(u32, u32, f32)]) -> Vec<Requested> {
        values
            .iter()
            .map(|(prompt, subject, similarity)| Requested { prompt: *prompt, subject: *subject, similarity: *similarity })
            .collect()
    }

    #[test]
    fn by_hand() {
        // Prompt 0, subject 5: two seeds against two, 0.5 > 0.2, 0.5 = 0.5, 0.1 < both: 1.5 of 4. Subject 6: 1 of 1.
        // Prompt 1, subject 5: 0 of 1. Prompt 2 has no control.
        let model = of(&[(0, 5, 0.5), (0, 5, 0.1), (0, 6, -0.1), (1, 5, 0.3), (2, 5, 0.9)]);
        let control = of(&[(0, 5, 0.2), (0, 5, 0.5), (0, 6, -0.2), (1, 5, 0.4), (1, 6, 0.0)]);
        let found = beyond_words(&model, &control, Confidence::default()).unwrap();
        assert_eq!((found.share, found.pairs, found.prompts, found.unpaired), (2.5 / 6.0, 6, 2, 1));
        // The prompts' means less a half are 0 and −½; a zero has no sign, and one sign is no evidence.
        assert_eq!(found.p, 1.0);
        // Either prompt drawn twice: 2.5 of 5 and 0 of 1.
        assert_eq!(found.interval, Some([0.0, 0.5]));
    }

    #[test]
    fn a_model_that_always_wins() {
        let model: Vec<_> = (0..10).map(|prompt| (prompt, 0, 0.5)).collect();
        let control: Vec<_> = (0..10).map(|prompt| (prompt, 0, 0.4)).collect();
        let found = beyond_words(&of(&model), &of(&control), Confidence::default()).unwrap();
        assert_eq!(found.share, 1.0);
        // Prompts that are all alike bound the others: 0.025^(1/10), Clopper and Pearson.
        let [low, high] = found.interval.unwrap();
        assert!((low - 0.025_f64.powf(0.1)).abs() < 1e-9 && high == 1.0, "{low} {high}");
        assert_eq!(found.p, 2.0 / 1024.0);
        let lost = beyond_words(&of(&control), &of(&model), Confidence::default()).unwrap();
        assert_eq!((lost.share, lost.p), (0.0, found.p));
        assert_eq!(beyond_words(&of(&model), &of(&model), Confidence::default()).map(|f| (f.share, f.p)), Some((0.5, 1.0)));
    }

    #[test]
    fn without_a_pair_there_is_nothing() {
        assert_eq!(beyond_words(&of(&[(0, 0, 0.5)]), &of(&[(0, 1, 0.5)]), Confidence::default()), None);
        assert_eq!(beyond_words(&[], &[], Confidence::default()), None);
    }
}

//! A stress test of one's own: who is in which prompt, and what the prompt says; and what is wrong with any set of
//! prompts.
//!
//! | module | noun |
//! |---|---|
//! | this | [`StressTest`]: a whole stress test |
//! | [`plan`] | [`PoolSubject`], [`Design`], [`SubjectSet`]: subjects in prompts, each about equally often |
//! | [`sentence`] | [`Sentences`]: the templates, and what they make |
//! | `grammar` | a label with its article, and verbs that agree with it |
//! | [`mentions`] | [`mentions::Labels`]: which subjects a text names |
//! | [`tokens`] | [`TokenCounter`]: how long a text is to CLIP |
//! | `finding` | [`Finding`], [`Check`]: one thing that is wrong |
//! | [`lint`] | [`lint::lint`]: what is wrong with a set of prompts; [`Balance`] |
//!
//! Pure: opens no file and knows no database.

mod finding;
mod grammar;
pub mod lint;
pub mod mentions;
pub mod plan;
pub mod sentence;
pub mod tokens;

pub use crate::encoder::MAX_TOKENS;
pub use finding::{Check, Finding};
pub use lint::{Balance, balance};
pub use plan::{Design, PoolSubject, SubjectSet};
pub use sentence::Sentences;
pub use tokens::TokenCounter;

use crate::error::{Error, Result};
use crate::manifest::Prompt;
use crate::vocabulary::{PromptId, SceneType};
use mentions::Labels;
use sentence::Actor;
use std::collections::HashMap;

/// A stress test: its prompts, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct StressTest {
    /// By subject count, scene type and number; their ids say so: `04_neutral_01`.
    pub prompts: Vec<Prompt>,
    /// What the pool did not allow better, each as a sentence.
    pub warnings: Vec<String>,
}

impl Default for Design {
    /// The paper's: 2, 4, 6, 8 and 10 subjects, three scene types, five prompts each.
    fn default() -> Design {
        let scenes = SceneType::ALL.to_vec();
        Design { counts: vec![2, 4, 6, 8, 10], scenes, per_cell: 5, max_per_cell: None, random_seed: 0 }
    }
}

/// Makes the stress test of a pool; the same every time, in whatever order the pool comes.
///
/// # Errors
/// There are no sentences for a count, or the pool is too small: see [`plan::plan`].
pub fn build(mut pool: Vec<PoolSubject>, shape: &Design) -> Result<StressTest> {
    let sentences = Sentences::own()?;
    if let Some(count) = shape.counts.iter().find(|count| !sentences.counts().any(|known| known == **count)) {
        let known: Vec<String> = sentences.counts().map(|n| n.to_string()).collect();
        return Err(Error::request(
            format!("there are no sentences for {count} subjects, only for {}", known.join(", ")),
            "ask for these --counts; prompts of your own come in with `msdata ingest --prompts`",
        ));
    }
    pool.sort_by(|a, b| a.id.cmp(&b.id));
    let subject_sets = plan::plan(&pool, shape)?;
    let mut writer = Writer {
        labels: Labels::new(pool.iter().map(|s| s.label.as_str())),
        pool: &pool,
        sentences: &sentences,
        counter: TokenCounter::default(),
        seed: shape.random_seed,
        uses: HashMap::new(),
    };
    let prompts: Vec<Prompt> =
        subject_sets.iter().enumerate().map(|(i, subject_set)| writer.prompt(i, subject_set)).collect::<Result<_>>()?;
    let warnings = warnings(&pool, &prompts, &writer);
    Ok(StressTest { prompts, warnings })
}

/// Finds a sentence for each cast.
struct Writer<'a> {
    pool: &'a [PoolSubject],
    labels: Labels,
    sentences: &'a Sentences,
    counter: TokenCounter,
    seed: u64,
    /// How often each template of a cell was used.
    uses: HashMap<(usize, SceneType, usize), usize>,
}

impl Writer<'_> {
    fn prompt(&mut self, place: usize, subject_set: &SubjectSet) -> Result<Prompt> {
        let mut subjects = subject_set.subjects.clone();
        subjects.sort_by_key(|i| plan::lot(self.seed, "order", place, &self.pool[*i].id));
        let actors: Vec<Actor<'_>> =
            subjects.iter().map(|i| Actor { label: &self.pool[*i].label, kind: self.pool[*i].kind }).collect();
        let (count, scene) = (subjects.len(), subject_set.scene);
        let written = self.sentences.of(count, scene).iter().enumerate().map(|(i, template)| {
            let (text, order) = self.sentences.write(template, &actors);
            let tokens = self.counter.count(&text);
            // What fits comes first, then what was used least; of sentences that are all too long the shortest.
            let misnames = self.misnames(&text, &subjects);
            let uses = self.uses.get(&(count, scene, i)).copied().unwrap_or(0);
            ((misnames, tokens.saturating_sub(MAX_TOKENS), uses, i), text, order)
        });
        let Some(((.., template), text, order)) = written.min_by_key(|(rank, ..)| *rank) else {
            return Err(Error::Damaged(format!("the program has no sentence for {count} subjects, {scene}")));
        };
        *self.uses.entry((count, scene, template)).or_default() += 1;
        let id = format!("{count:02}_{scene}_{:02}", subject_set.number);
        Ok(Prompt {
            prompt_id: PromptId::new(id).map_err(|e| Error::Damaged(format!("a prompt's id {e}")))?,
            text,
            scene_type: scene,
            subjects: order.into_iter().map(|i| self.pool[subjects[i]].id.clone()).collect(),
        })
    }

    /// Whether a text names a subject of the pool more often than `subjects` do: the template's own words do.
    fn misnames(&self, text: &str, subjects: &[usize]) -> bool {
        let listed: Vec<usize> = subjects.iter().map(|i| self.labels.first_equal(*i)).collect();
        let named = self.labels.named(text);
        named.labels().any(|label| named.count(label) > usize::from(listed.contains(&label)))
    }
}

fn warnings(pool: &[PoolSubject], prompts: &[Prompt], writer: &Writer<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    // A line for all prompts with the same fault.
    let like = |n: usize| if n > 1 { format!(" ({n} prompts like it)") } else { String::new() };
    let counted = prompts.iter().map(|p| (p, writer.counter.count(&p.text)));
    let long: Vec<(&Prompt, usize)> = counted.filter(|(_, tokens)| *tokens > MAX_TOKENS).collect();
    if let Some((first, tokens)) = long.first() {
        let (id, like) = (&first.prompt_id, like(long.len()));
        warnings.push(format!("prompt {id} has {tokens} CLIP tokens; what is beyond {MAX_TOKENS} is cut{like}"));
    }
    let mut misnamed = Vec::new();
    let place: HashMap<&str, usize> = pool.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect();
    let members = |p: &Prompt| p.subjects.iter().filter_map(|s| place.get(s.as_str()).copied()).collect::<Vec<usize>>();
    let mut sets = HashMap::<Vec<usize>, usize>::new();
    let mut nested = Vec::new();
    for prompt in prompts {
        let mut subjects = members(prompt);
        let pair = subjects.iter().enumerate().find_map(|(n, a)| {
            let other = subjects[..n].iter().find(|b| writer.labels.overlap(*a, **b))?;
            Some((pool[*a].label.as_str(), pool[*other].label.as_str()))
        });
        nested.extend(pair);
        if writer.misnames(&prompt.text, &subjects) {
            misnamed.push(&prompt.prompt_id);
        }
        subjects.sort_unstable();
        *sets.entry(subjects).or_default() += 1;
    }
    if let Some(first) = misnamed.first() {
        let like = like(misnamed.len());
        warnings.push(format!("prompt {first} has a word of its own that is also the label of a subject{like}"));
    }
    if let Some((a, b)) = nested.first() {
        let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
        let n = nested.len();
        warnings.push(format!(
            "{n} prompts have a label within another, such as `{short}` in `{long}`: the pool has too few other labels"
        ));
    }
    let repeated: usize = sets.values().map(|n| n - 1).sum();
    if repeated > 0 {
        warnings.push(format!("{repeated} prompts have the same subjects as another: the pool has no other sets"));
    }
    let unknown = pool.iter().filter(|s| s.kind.is_none()).count();
    if unknown > 0 {
        let all = pool.len();
        warnings
            .push(format!("{unknown} of {all} subjects have no kind (human, animal, object); sentences treat them as objects"));
    }
    let subjects: Vec<Vec<usize>> = prompts.iter().map(members).collect();
    let uneven = balance(pool, &subjects).into_iter().filter(Balance::is_uneven);
    warnings.extend(uneven.map(|b| format!("{b}: the pool's labels do not allow better")));
    warnings
}

#[cfg(test)]
mod tests;

//! Finds what is wrong with a set of prompts, whoever wrote them.

use super::finding::{Check, Finding};
use super::mentions::Labels;
use super::plan::PoolSubject;
use super::tokens::TokenCounter;
use crate::encoder::MAX_TOKENS;
use crate::text::quote;
use crate::vocabulary::{SceneType, SubjectKind};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// How often the subjects of one kind are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The kind; `None`: not known.
    pub kind: Option<SubjectKind>,
    /// Subjects of that kind.
    pub subjects: usize,
    /// Uses of the one least used, and its id.
    pub least: (usize, String),
    /// Uses of the one most used, and its id.
    pub most: (usize, String),
}

impl Balance {
    /// More than twice as often as another.
    pub fn is_uneven(&self) -> bool {
        self.most.0 > 2 * self.least.0
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map_or("subjects of no known kind".into(), |k| format!("{k} subjects"));
        let ((least, rarest), (most, commonest)) = (&self.least, &self.most);
        write!(f, "{} {kind}, each in {least} ({rarest}) to {most} ({commonest}) prompts", self.subjects)
    }
}

/// The balance of each kind in the pool; `prompts` hold positions in it.
pub fn balance(pool: &[PoolSubject], prompts: &[Vec<usize>]) -> Vec<Balance> {
    let mut uses = vec![0; pool.len()];
    prompts.iter().flatten().for_each(|i| uses[*i] += 1);
    let mut kinds: BTreeMap<Option<SubjectKind>, Vec<usize>> = BTreeMap::new();
    (0..pool.len()).for_each(|i| kinds.entry(pool[i].kind).or_default().push(i));
    let of_kind = |(kind, members): (Option<SubjectKind>, Vec<usize>)| {
        let least = members.iter().min_by_key(|i| uses[**i])?;
        let most = members.iter().rev().max_by_key(|i| uses[**i])?;
        let end = |i: &usize| (uses[*i], pool[*i].id.to_string());
        Some(Balance { kind, subjects: members.len(), least: end(least), most: end(most) })
    };
    kinds.into_iter().filter_map(of_kind).collect()
}

/// The balance among the subjects that `prompts` use at all: what was left out of them was hardly meant.
pub fn balance_of_used(pool: &[PoolSubject], prompts: &[PromptDraft]) -> Vec<Balance> {
    let mut used: Vec<usize> = prompts.iter().flat_map(|p| p.subjects.iter().copied()).collect();
    used.sort_unstable();
    used.dedup();
    let place: HashMap<usize, usize> = used.iter().enumerate().map(|(place, i)| (*i, place)).collect();
    let subject_sets: Vec<Vec<usize>> = prompts.iter().map(|p| p.subjects.iter().map(|i| place[i]).collect()).collect();
    let pool: Vec<PoolSubject> = used.iter().map(|i| pool[*i].clone()).collect();
    balance(&pool, &subject_sets)
}

/// A prompt to be linted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptDraft {
    /// Its id.
    pub id: String,
    /// What the generator is told.
    pub text: String,
    /// Its scene type.
    pub scene: SceneType,
    /// Positions in the pool.
    pub subjects: Vec<usize>,
}

/// What is wrong with `prompts`, in the order of [`Check::ALL`], then of the prompts.
pub fn lint(pool: &[PoolSubject], prompts: &[PromptDraft]) -> Vec<Finding> {
    let mut findings = cells(prompts);
    for balance in balance_of_used(pool, prompts).iter().filter(|b| b.is_uneven()) {
        let kind = balance.kind.map_or("unknown kind".into(), |k| k.to_string());
        findings.push(Finding::new(Check::Balance, kind, balance.to_string()));
    }
    let labels = Labels::new(pool.iter().map(|s| s.label.as_str()));
    let counter = TokenCounter::default();
    let mut sets: HashMap<Vec<usize>, &str> = HashMap::new();
    for prompt in prompts {
        findings.extend(naming(pool, &labels, prompt));
        let tokens = counter.count(&prompt.text);
        if tokens > MAX_TOKENS {
            let says = format!("{tokens} CLIP tokens; what is beyond {MAX_TOKENS} is cut");
            findings.push(Finding::new(Check::Tokens, &prompt.id, says));
        }
        let mut set = prompt.subjects.clone();
        set.sort_unstable();
        if let Some(first) = sets.get(&set) {
            findings.push(Finding::new(Check::RepeatedSet, &prompt.id, format!("the same subjects as {first}")));
        } else {
            sets.insert(set, &prompt.id);
        }
    }
    findings.sort_by_key(|f| f.check); // stable: prompts keep their order
    findings
}

/// How many different sets of subjects `prompts` have.
pub fn distinct_sets(prompts: &[PromptDraft]) -> usize {
    let sorted = |p: &PromptDraft| {
        let mut set = p.subjects.clone();
        set.sort_unstable();
        set
    };
    prompts.iter().map(sorted).collect::<std::collections::HashSet<_>>().len()
}

/// Every subject count that occurs should come with every scene type that occurs, equally often.
fn cells(prompts: &[PromptDraft]) -> Vec<Finding> {
    let mut cells: BTreeMap<(usize, SceneType), usize> = BTreeMap::new();
    prompts.iter().for_each(|p| *cells.entry((p.subjects.len(), p.scene)).or_default() += 1);
    let fullest = cells.values().copied().max().unwrap_or(0);
    let (mut counts, mut scenes): (Vec<usize>, Vec<SceneType>) = cells.keys().copied().unzip();
    counts.dedup();
    scenes.sort_unstable();
    scenes.dedup();
    let mut findings = Vec::new();
    for cell in counts.iter().flat_map(|count| scenes.iter().map(|scene| (*count, *scene))) {
        let n = cells.get(&cell).copied().unwrap_or(0);
        if n < fullest {
            let prompts = if n == 1 { "prompt" } else { "prompts" };
            let says = format!("{n} {prompts}; other cells have up to {fullest}");
            findings.push(Finding::new(Check::Cell, format!("{} {}", cell.0, cell.1), says));
        }
    }
    findings
}

fn naming(pool: &[PoolSubject], labels: &Labels, prompt: &PromptDraft) -> Vec<Finding> {
    let mut findings = Vec::new();
    let named = labels.named(&prompt.text);
    let listed: Vec<usize> = prompt.subjects.iter().map(|i| labels.first_equal(*i)).collect();
    for label in named.labels().filter(|l| !listed.contains(l)) {
        // `the bear` may well be the `stuffed bear` that is listed.
        if !listed.iter().any(|long| labels.is_head_of(label, *long)) {
            let says = format!("names {}, which the prompt does not list", quote(&pool[label].label));
            findings.push(Finding::new(Check::Unlisted, &prompt.id, says));
        }
    }
    for (n, (label, subject)) in listed.iter().zip(&prompt.subjects).enumerate() {
        let about = |what: &str| format!("{what} {} ({})", quote(&pool[*subject].label), pool[*subject].id);
        if listed[..n].contains(label) {
            findings.push(Finding::new(Check::SameLabel, &prompt.id, about("lists another subject labelled")));
        } else if named.count(*label) == 0 && !labels.by_head(&named, *label, &listed) {
            findings.push(Finding::new(Check::Unnamed, &prompt.id, about("the text does not name")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::SubjectId;

    fn pool(labels: &[&str]) -> Vec<PoolSubject> {
        let of = |(i, label): (usize, &&str)| PoolSubject {
            id: SubjectId::new(format!("s{i}")).unwrap(),
            label: (*label).to_owned(),
            kind: None,
        };
        labels.iter().enumerate().map(of).collect()
    }

    fn found(labels: &[&str], prompts: &[(&str, &str, &[usize])]) -> Vec<String> {
        let drafts: Vec<PromptDraft> = prompts
            .iter()
            .enumerate()
            .map(|(i, (scene, text, subjects))| PromptDraft {
                id: format!("p{i}"),
                text: (*text).to_owned(),
                scene: scene.parse().unwrap(),
                subjects: subjects.to_vec(),
            })
            .collect();
        lint(&pool(labels), &drafts).into_iter().map(|f| format!("{} {}: {}", f.check, f.about, f.finding)).collect()
    }

    #[test]
    fn a_good_prompt_has_no_findings() {
        let labels = ["stuffed bear", "bear", "dragon remote", "dog"];
        let text = "A stuffed bear and the remote; the bear watches a bear and two dogs.";
        assert_eq!(found(&labels, &[("neutral", text, &[0, 1, 2, 3])]), [""; 0]);
    }

    #[test]
    fn who_is_named_and_who_is_listed() {
        let labels = ["guitar", "dog", "white dog", "motorcycle", "dog"];
        let text = "A white dog taps the guitar beam beside a motor bike.";
        assert_eq!(
            found(
                &labels,
                &[("neutral", text, &[2, 3, 1, 4]), ("neutral", "A guitar, dogs, white dogs, motorcycles.", &[0, 1, 2, 3])]
            ),
            [
                "unlisted p0: names `guitar`, which the prompt does not list",
                "unnamed p0: the text does not name `motorcycle` (s3)",
                "unnamed p0: the text does not name `dog` (s1)",
                "same-label p0: lists another subject labelled `dog` (s4)",
            ]
        );
    }

    #[test]
    fn gaps_uneven_use_repetitions_and_length() {
        let labels = ["cup", "vase", "clock"];
        let long = format!("A cup and a vase{}.", " again and again".repeat(30));
        let pair: &[usize] = &[0, 1];
        assert_eq!(
            found(
                &labels,
                &[("neutral", &long, pair), ("neutral", "A vase, a cup.", &[1, 0]), ("occlusion", "A cup, a clock.", &[0, 2])]
            ),
            [
                "cell 2 occlusion: 1 prompt; other cells have up to 2",
                "balance unknown kind: 3 subjects of no known kind, each in 1 (s2) to 3 (s0) prompts",
                "tokens p0: 98 CLIP tokens; what is beyond 77 is cut",
                "repeated-set p1: the same subjects as p0",
            ]
        );
    }
}

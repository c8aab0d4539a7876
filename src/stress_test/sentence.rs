//! Sentence templates, and the sentences that they make.

use super::grammar::{NounPhrase, agreeing, noun_phrase};
use crate::error::{Error, Result};
use crate::vocabulary::{SceneType, SubjectKind};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Our own templates; the file says how they are written.
const SENTENCES: &str = include_str!("../../dataset/sentences.toml");

/// Every template, by subject count and scene type.
#[derive(Debug)]
pub struct Sentences {
    counts: BTreeMap<usize, BTreeMap<SceneType, Vec<SentenceTemplate>>>,
    actions: BTreeMap<String, Action>,
}

/// A sentence with open places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceTemplate {
    parts: Vec<Fragment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fragment {
    Text(String),
    /// A subject, and its verb for each kind: a person, an animal, an object.
    Subject(usize, Option<[String; 3]>),
    /// One acts on another.
    Acts(usize, String, usize),
}

/// What one does to another, by what both are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Action {
    human_human: String,
    human_animal: String,
    human_object: String,
    animal_human: String,
    animal_animal: String,
    animal_object: String,
    object_object: String,
}

/// A subject as a sentence sees it.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// Class noun.
    pub label: &'a str,
    /// What it is; `None` goes where objects go.
    pub kind: Option<SubjectKind>,
}

#[derive(Deserialize)]
struct Scenes {
    neutral: Vec<String>,
    occlusion: Vec<String>,
    interaction: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    actions: BTreeMap<String, Action>,
    #[serde(flatten)]
    counts: BTreeMap<String, Scenes>,
}

impl Sentences {
    /// The templates in the program.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn own() -> Result<Sentences> {
        Sentences::parse(SENTENCES).map_err(|e| Error::Damaged(format!("the sentences in the program: {e}")))
    }

    fn parse(text: &str) -> std::result::Result<Sentences, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut counts = BTreeMap::new();
        for (count, scenes) in file.counts {
            let count: usize = count.parse().map_err(|_| format!("`{count}` is not a subject count"))?;
            let mut templates = BTreeMap::new();
            let lists = [
                (SceneType::Neutral, scenes.neutral),
                (SceneType::Occlusion, scenes.occlusion),
                (SceneType::Interaction, scenes.interaction),
            ];
            for (scene, list) in lists {
                let list: std::result::Result<Vec<SentenceTemplate>, String> =
                    list.iter().map(|t| SentenceTemplate::parse(t, count, &file.actions)).collect();
                templates.insert(scene, list?);
            }
            counts.insert(count, templates);
        }
        Ok(Sentences { counts, actions: file.actions })
    }

    /// The subject counts that there are templates for, ascending.
    pub fn counts(&self) -> impl Iterator<Item = usize> + '_ {
        self.counts.keys().copied()
    }

    /// The templates of a cell.
    pub fn of(&self, count: usize, scene: SceneType) -> &[SentenceTemplate] {
        self.counts.get(&count).and_then(|scenes| scenes.get(&scene)).map_or(&[], Vec::as_slice)
    }

    /// A sentence about `subjects`, one for each place of the template; and the order in which it names them.
    pub fn write(&self, template: &SentenceTemplate, subjects: &[Actor<'_>]) -> (String, Vec<usize>) {
        let mut text = String::new();
        let mut order = Vec::new();
        let phrase = |i: usize| noun_phrase(subjects[i].label);
        let mut put = |text: &mut String, i: usize| {
            let NounPhrase { text: words, plural } = phrase(i);
            text.push_str(&words);
            order.push(i);
            plural
        };
        for part in &template.parts {
            match part {
                Fragment::Text(words) => text.push_str(words),
                Fragment::Subject(i, verbs) => {
                    let plural = put(&mut text, *i);
                    if let Some(verbs) = verbs {
                        text.push(' ');
                        text.push_str(&agreeing(&verbs[liveliness(subjects[*i].kind)], plural));
                    }
                }
                Fragment::Acts(a, action, b) => {
                    let (a, b) = if liveliness(subjects[*a].kind) <= liveliness(subjects[*b].kind) { (*a, *b) } else { (*b, *a) };
                    let plural = put(&mut text, a);
                    let verb = self.actions.get(action).map_or("", |act| act.verb(subjects[a].kind, subjects[b].kind));
                    text.push(' ');
                    text.push_str(&agreeing(verb, plural));
                    text.push(' ');
                    put(&mut text, b);
                }
            }
        }
        let mut letters = text.chars();
        let sentence = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        (sentence, order)
    }
}

/// 0 a person, 1 an animal, 2 an object or not known.
fn liveliness(kind: Option<SubjectKind>) -> usize {
    match kind {
        Some(SubjectKind::Human) => 0,
        Some(SubjectKind::Animal) => 1,
        Some(SubjectKind::Object) | None => 2,
    }
}

impl Action {
    /// The verb; `a` is at least as lively as `b`, or both live.
    fn verb(&self, a: Option<SubjectKind>, b: Option<SubjectKind>) -> &str {
        match (liveliness(a), liveliness(b)) {
            (0, 0) => &self.human_human,
            (0, 1) => &self.human_animal,
            (0, _) => &self.human_object,
            (1, 0) => &self.animal_human,
            (1, 1) => &self.animal_animal,
            (1, _) => &self.animal_object,
            _ => &self.object_object,
        }
    }
}

impl SentenceTemplate {
    fn parse(text: &str, count: usize, actions: &BTreeMap<String, Action>) -> std::result::Result<SentenceTemplate, String> {
        let fault = |what: &str| format!("{what}: {text}");
        let mut parts = Vec::new();
        let mut rest = text;
        let mut seen = 0;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or_else(|| fault("a `{` without `}`"))?;
            if !before.is_empty() {
                parts.push(Fragment::Text(before.to_owned()));
            }
            let mut next = |number: &str| {
                seen += 1;
                if number == seen.to_string() { Ok(seen - 1) } else { Err(fault("subjects are not named once and in order")) }
            };
            let (number, says) = place.split_once(' ').unwrap_or((place, ""));
            let subject = next(number)?;
            parts.push(match says.rsplit_once(' ') {
                _ if says.is_empty() => Fragment::Subject(subject, None),
                Some((action, other)) if other.bytes().all(|b| b.is_ascii_digit()) => {
                    if !actions.contains_key(action) {
                        return Err(fault("an unknown action"));
                    }
                    Fragment::Acts(subject, action.to_owned(), next(other)?)
                }
                _ => {
                    let verbs: Vec<String> = says.split('|').map(str::to_owned).collect();
                    Fragment::Subject(
                        subject,
                        Some(match <[String; 3]>::try_from(verbs) {
                            Ok(three) => three,
                            Err(one) if one.len() == 1 => std::array::from_fn(|_| one[0].clone()),
                            Err(_) => return Err(fault("neither one verb nor three")),
                        }),
                    )
                }
            });
            rest = after;
        }
        parts.push(Fragment::Text(rest.to_owned()));
        if seen == count { Ok(SentenceTemplate { parts }) } else { Err(fault(&format!("{seen} subjects, not {count}"))) }
    }
}

//! Which labels a text names.
//!
//! Words are runs of letters and digits, case ignored; a hyphen parts words, a possessive 's belongs to its word.
//! A label is named where all its words stand side by side, the last also in the plural. Longer labels take their
//! words first: in *a white dog* no *dog* is named.

/// Labels as words, to be sought in texts.
#[derive(Debug)]
pub struct Labels {
    words: Vec<Vec<String>>,
    /// Positions in `words`, longest first.
    order: Vec<usize>,
}

/// What a text names.
#[derive(Debug)]
pub struct Mention {
    words: Vec<String>,
    /// For each word of the text the label that took it.
    taken: Vec<Option<usize>>,
    counts: Vec<usize>,
}

impl Labels {
    /// These labels, known by their positions. Equal labels are one: its first position.
    pub fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Labels {
        let words: Vec<Vec<String>> = labels.into_iter().map(words).collect();
        let mut order: Vec<usize> =
            (0..words.len()).filter(|i| !words[*i].is_empty() && !words[..*i].contains(&words[*i])).collect();
        order.sort_by_key(|i| std::cmp::Reverse(words[*i].len()));
        Labels { words, order }
    }

    /// Every label that `text` names.
    pub fn named(&self, text: &str) -> Mention {
        let text = words(text);
        let mut taken = vec![None; text.len()];
        let mut counts = vec![0; self.words.len()];
        for label in &self.order {
            let sought = &self.words[*label];
            let mut at = 0;
            while at + sought.len() <= text.len() {
                let here = at..at + sought.len();
                if taken[here.clone()].iter().all(Option::is_none) && matches(sought, &text[here.clone()]) {
                    taken[here].fill(Some(*label));
                    counts[*label] += 1;
                    at += sought.len();
                } else {
                    at += 1;
                }
            }
        }
        Mention { words: text, taken, counts }
    }

    /// The labels that stand for one: itself, or its first equal.
    pub fn first_equal(&self, label: usize) -> usize {
        self.words.iter().position(|w| *w == self.words[label]).unwrap_or(label)
    }

    /// Whether `short` is what `long` describes more closely: *bear* of *stuffed bear*.
    pub fn is_head_of(&self, short: usize, long: usize) -> bool {
        self.words[long].len() > self.words[short].len() && self.words[long].ends_with(&self.words[short])
    }

    /// Whether the words of one label stand within the other's, or both are the same.
    pub fn overlap(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.words[a], &self.words[b]);
        let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        !short.is_empty() && long.windows(short.len()).any(|part| part == short.as_slice())
    }

    /// Whether `named` mentions a label's last word without naming one of `others` by it: *the remote* for *dragon
    /// remote*.
    pub fn by_head(&self, named: &Mention, label: usize, others: &[usize]) -> bool {
        let Some(head) = self.words[label].last() else { return false };
        let free = |taken: &Option<usize>| taken.is_none_or(|by| !others.contains(&by));
        named.words.iter().zip(&named.taken).any(|(word, taken)| is_form_of(head, word) && free(taken))
    }
}

impl Mention {
    /// How often a label is named.
    pub fn count(&self, label: usize) -> usize {
        self.counts[label]
    }

    /// Positions of the labels named at all.
    pub fn labels(&self) -> impl Iterator<Item = usize> + '_ {
        self.counts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, _)| i)
    }
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace(['\u{2019}', '\u{2bc}'], "'");
    let mut words = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric() && c != '\'') {
        let word = word.strip_suffix("'s").unwrap_or(word).trim_matches('\'');
        if !word.is_empty() {
            words.push(word.to_owned());
        }
    }
    words
}

fn matches(label: &[String], text: &[String]) -> bool {
    match (label.split_last(), text.split_last()) {
        (Some((last, first)), Some((word, before))) => first == before && is_form_of(last, word),
        _ => false,
    }
}

/// Whether `word` is `grammar` or its plural.
fn is_form_of(noun: &str, word: &str) -> bool {
    if word == noun {
        return true;
    }
    match word.strip_prefix(noun) {
        Some("s") => true,
        Some("es") => ["s", "x", "z", "ch", "sh", "o"].iter().any(|e| noun.ends_with(e)),
        Some(_) => false,
        None => {
            let ies = noun.strip_suffix('y').is_some_and(|stem| word.strip_prefix(stem) == Some("ies"));
            let men = noun.strip_suffix("man").is_some_and(|stem| word.strip_prefix(stem) == Some("men"));
            ies || men
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(labels: &[&str], text: &str) -> Vec<usize> {
        let found = Labels::new(labels.iter().copied()).named(text);
        (0..labels.len()).map(|i| found.count(i)).collect()
    }

    #[test]
    fn longer_labels_take_their_words_first() {
        assert_eq!(named(&["dog", "white dog"], "A white dog barks."), [0, 1]);
        assert_eq!(named(&["dog", "white dog"], "A white dog and a dog."), [1, 1]);
        assert_eq!(named(&["bowl", "berry bowl"], "Two berry bowls"), [0, 1]);
    }

    #[test]
    fn whole_words_in_any_case_and_number() {
        assert_eq!(named(&["can", "hat", "cat"], "A candle, that scatter."), [0, 0, 0]);
        assert_eq!(named(&["T-shirt"], "a t-shirt"), [1]);
        assert_eq!(named(&["girl", "butterfly", "fox", "woman"], "The girl’s butterflies, foxes, and women"), [1, 1, 1, 1]);
        assert_eq!(named(&["girl"], "the girls' dresses"), [1]);
    }

    #[test]
    fn a_head_noun_stands_for_a_label_unless_it_is_anothers() {
        let labels = Labels::new(["dragon remote", "old man", "man"]);
        let text = labels.named("The remote and the man");
        assert!(labels.by_head(&text, 0, &[]));
        assert!(!labels.by_head(&text, 1, &[2]));
        assert!(labels.is_head_of(2, 1) && !labels.is_head_of(1, 2));
        assert!(labels.overlap(1, 2) && !labels.overlap(0, 1));
    }
}

//! Remarks of one kind, gathered into one warning: a fault of a thousand files is one line, not a thousand.

use std::collections::HashMap;

/// Places named besides the first.
const NAMED: usize = 2;

/// Reasons of one kind that have a line each; where there are more, they share one.
const MOST_REASONS: usize = 5;

/// Kinds with lines of their own; the remarks of further ones are counted.
const MOST_KINDS: usize = 30;

/// Remarks by what they say, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    kinds: Vec<Kind>,
    known: HashMap<String, usize>,
    /// Remarks of kinds beyond the last.
    further: u64,
}

/// Reasons that differ only in what they quote and count.
#[derive(Debug, Default)]
struct Kind {
    reasons: Vec<Reason>,
    /// Remarks with reasons beyond the last.
    further: u64,
}

#[derive(Debug)]
struct Reason {
    text: String,
    places: Vec<String>,
    count: u64,
}

impl Remarks {
    pub fn note(&mut self, place: &str, reason: &str) {
        let key = alike(reason);
        match self.known.get(&key) {
            Some(&at) => self.kinds[at].note(place, reason),
            None if self.kinds.len() < MOST_KINDS => {
                let mut kind = Kind::default();
                kind.note(place, reason);
                self.known.insert(key, self.kinds.len());
                self.kinds.push(kind);
            }
            None => self.further += 1,
        }
    }

    /// Returns the remarks as lines, and forgets them.
    pub fn take(&mut self) -> Vec<String> {
        let Remarks { kinds, further, .. } = std::mem::take(self);
        let mut lines: Vec<String> = kinds.into_iter().flat_map(Kind::lines).collect();
        if further > 0 {
            lines.push(format!("{further} more remarks of other kinds, not listed"));
        }
        lines
    }
}

impl Kind {
    fn note(&mut self, place: &str, text: &str) {
        if let Some(reason) = self.reasons.iter_mut().find(|reason| reason.text == text) {
            reason.count += 1;
            if reason.places.len() <= NAMED {
                reason.places.push(place.to_owned());
            }
        } else if self.reasons.len() < MOST_REASONS {
            self.reasons.push(Reason { text: text.to_owned(), places: vec![place.to_owned()], count: 1 });
        } else {
            self.further += 1;
        }
    }

    fn lines(mut self) -> Vec<String> {
        if self.further == 0 {
            return self.reasons.into_iter().map(Reason::line).collect();
        }
        let count = self.further + self.reasons.iter().map(|reason| reason.count).sum::<u64>();
        let places = self.reasons.iter().flat_map(|reason| &reason.places).take(1 + NAMED).cloned().collect();
        vec![Reason { text: self.reasons.swap_remove(0).text, places, count }.line()]
    }
}

impl Reason {
    fn line(self) -> String {
        let Reason { text, places, count } = self;
        let (first, others) = places.split_first().map_or(("", &[][..]), |(first, others)| (first.as_str(), others));
        if count == 1 {
            return format!("{first}: {text}");
        }
        let rest = if count > places.len() as u64 { ", …" } else { "" };
        format!("{first}: {text} ({count} like it: also {}{rest})", others.join(", "))
    }
}

/// Returns a reason without what it quotes and counts, which differ between remarks of one kind.
fn alike(reason: &str) -> String {
    let mut key = String::with_capacity(reason.len());
    for (i, piece) in reason.split('`').enumerate() {
        if i % 2 == 1 {
            key.push('`');
        } else {
            key.extend(piece.chars().filter(|c| !c.is_ascii_digit()));
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_remarks_that_differ_in_names_and_numbers_are_one_line() {
        let mut remarks = Remarks::default();
        remarks.note("a.png", "there is no prompt `q1`; not read");
        remarks.note("notes.txt", "is not an image");
        for n in 2..=1000 {
            remarks.note(&format!("{n}.png"), &format!("there is no prompt `q{n}`; not read"));
        }
        remarks.note("p1", "has 91 tokens");
        remarks.note("p2", "has 80 tokens");
        remarks.note("p3", "has 80 tokens");
        let lines = [
            "a.png: there is no prompt `q1`; not read (1000 like it: also 2.png, 3.png, …)",
            "notes.txt: is not an image",
            "p1: has 91 tokens",
            "p2: has 80 tokens (2 like it: also p3)",
        ];
        assert_eq!(remarks.take(), lines);
        assert_eq!(remarks.take(), [""; 0], "what was said is not said again");
    }

    #[test]
    fn kinds_without_end_are_counted() {
        let mut remarks = Remarks::default();
        let word = |n: u32| char::from_u32('一' as u32 + n).unwrap().to_string();
        (0..50).for_each(|n| remarks.note("f", &word(n)));
        let lines = remarks.take();
        assert_eq!(lines.len(), MOST_KINDS + 1);
        assert_eq!(lines[MOST_KINDS], "20 more remarks of other kinds, not listed");
    }
}

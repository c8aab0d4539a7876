//! Remarks of one kind, gathered into one warning: a fault of a thousand files is one line, not a thousand.

use std::collections::HashMap;

/// Places named besides the first.
const NAMED: usize = 2;

/// Lines written at most; the remarks of further kinds are counted.
const MOST_LINES: usize = 30;

/// Remarks by what they say, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    kinds: Vec<Kind>,
    known: HashMap<String, usize>,
    /// Remarks of kinds beyond the last line.
    further: u64,
}

#[derive(Debug)]
struct Kind {
    first: String,
    others: Vec<String>,
    count: u64,
}

impl Remarks {
    pub fn note(&mut self, place: &str, reason: &str) {
        let key = alike(reason);
        if let Some(&at) = self.known.get(&key) {
            let kind = &mut self.kinds[at];
            kind.count += 1;
            if kind.others.len() < NAMED {
                kind.others.push(place.to_owned());
            }
        } else if self.kinds.len() < MOST_LINES {
            self.known.insert(key, self.kinds.len());
            self.kinds.push(Kind { first: format!("{place}: {reason}"), others: Vec::new(), count: 1 });
        } else {
            self.further += 1;
        }
    }

    /// Returns the remarks as lines, and forgets them.
    pub fn take(&mut self) -> Vec<String> {
        let Remarks { kinds, further, .. } = std::mem::take(self);
        let mut lines: Vec<String> = kinds.into_iter().map(Kind::line).collect();
        if further > 0 {
            lines.push(format!("{further} more remarks of other kinds, not listed"));
        }
        lines
    }
}

impl Kind {
    fn line(self) -> String {
        let Kind { first, others, count } = self;
        if count == 1 {
            return first;
        }
        let rest = if count > 1 + others.len() as u64 { ", …" } else { "" };
        format!("{first} ({count} like it: also {}{rest})", others.join(", "))
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
    fn remarks_that_differ_in_names_and_numbers_are_one_line() {
        let mut remarks = Remarks::default();
        remarks.note("a.png", "there is no prompt `q1`; not read");
        remarks.note("notes.txt", "is not an image");
        for n in 2..=1000 {
            remarks.note(&format!("{n}.png"), &format!("there is no prompt `q{n}`; not read"));
        }
        remarks.note("p1", "has 91 tokens");
        remarks.note("p2", "has 80 tokens");
        let lines = [
            "a.png: there is no prompt `q1`; not read (1000 like it: also 2.png, 3.png, …)",
            "notes.txt: is not an image",
            "p1: has 91 tokens (2 like it: also p2)",
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
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines[MOST_LINES], "20 more remarks of other kinds, not listed");
    }
}

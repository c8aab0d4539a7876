//! Files that a missing path may mean: what differs from it as other systems and programs write paths.

use crate::text::{composed, quote};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The most directories whose listings are kept in memory.
const MOST_LISTINGS: usize = 64;

/// Missing paths of a manifest for which a near one is looked for.
const MOST_SEARCHES: u32 = 1000;

/// In what the path of a file differs from the path that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    UnicodeForm,
    Case,
    Blanks,
    Backslashes,
    Percents,
}

impl Difference {
    fn in_words(self) -> &'static str {
        match self {
            Difference::UnicodeForm => "in Unicode form only (NFC, NFD)",
            Difference::Case => "in upper and lower case only",
            Difference::Blanks => "in blanks at the ends only",
            Difference::Backslashes => "in backslashes only, which separate folders on Windows alone",
            Difference::Percents => "in `%` and two digits only, which stand for a character in URLs alone",
        }
    }
}

/// Looks for the files that missing paths may mean.
#[derive(Default)]
pub struct NearPaths {
    /// How many paths differ so, and the first with its file.
    found: BTreeMap<Difference, (u64, String, PathBuf)>,
    searches: u32,
    /// Entries of directories, by their names in the form in which they are compared.
    listings: HashMap<PathBuf, HashMap<String, PathBuf>>,
}

impl NearPaths {
    /// Looks for the file that `written`, relative to `home` and at `path`, may mean, and remembers it.
    pub fn search(&mut self, home: &Path, written: &str, path: &Path) {
        self.searches += 1;
        if self.searches > MOST_SEARCHES {
            return;
        }
        if let Some((difference, file)) = self.near(home, written, path) {
            self.found.entry(difference).or_insert_with(|| (0, written.to_owned(), file)).0 += 1;
        }
    }

    /// Returns a sentence for each difference, and forgets all.
    pub fn remarks(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.found).into_iter().map(|(difference, (count, written, file))| {
            let more = if count > 1 { format!("; {count} such paths in all") } else { String::new() };
            let (written, file) = (quote(&written), quote(&file.display().to_string()));
            let what = difference.in_words();
            format!("there is no file {written}, but {file} differs from it {what}: rename the file, or write the path as the file has it{more}")
        })
    }

    fn near(&mut self, home: &Path, written: &str, path: &Path) -> Option<(Difference, PathBuf)> {
        let others = [
            (Difference::Blanks, Some(written.trim().to_owned())),
            (Difference::Backslashes, Some(written.replace('\\', "/"))),
            (Difference::Percents, unescaped(written)),
        ];
        for (difference, other) in others {
            if let Some(file) = other.filter(|other| other != written).map(|other| home.join(other)).filter(|file| file.is_file())
            {
                return Some((difference, file));
            }
        }
        let file = self.alike(path)?;
        let is_form = composed(path.to_str()?) == composed(file.to_str()?);
        Some((if is_form { Difference::UnicodeForm } else { Difference::Case }, file))
    }

    /// Returns the existing path whose names differ in Unicode form and case only.
    fn alike(&mut self, path: &Path) -> Option<PathBuf> {
        path.to_str()?;
        let there = path.ancestors().find(|dir| dir.is_dir())?;
        let mut found = there.to_path_buf();
        for name in path.strip_prefix(there).ok()?.components() {
            if self.listings.len() > MOST_LISTINGS {
                self.listings.clear();
            }
            let listing = self.listings.entry(found.clone()).or_insert_with_key(|dir| listing(dir));
            found = listing.get(&compared(name.as_os_str().to_str()?))?.clone();
        }
        Some(found)
    }
}

fn compared(name: &str) -> String {
    composed(name).to_lowercase()
}

fn listing(dir: &Path) -> HashMap<String, PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((compared(entry.file_name().to_str()?), entry.path()))).collect()
}

/// A text whose `%20` and the like are the characters that they stand for in URLs; `None` if it has none.
fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok().filter(|plain| plain != text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_may_mean() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("refs")).unwrap();
        for name in ["my dog.png", "refs/Cat.PNG"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let mut near = NearPaths::default();
        for written in ["refs\\Cat.PNG", "my%20dog.png", " my dog.png ", "refs/cat.png", "refs/other.png", "refs/cat.PNG"] {
            near.search(dir.path(), written, &dir.path().join(written));
        }
        let remarks: Vec<String> = near.remarks().collect();
        assert_eq!(remarks.len(), 4, "{remarks:?}");
        assert!(remarks[0].contains("upper and lower case") && remarks[0].ends_with("; 2 such paths in all"), "{remarks:?}");
        assert!(remarks[1].contains("blanks") && remarks[2].contains("backslashes") && remarks[3].contains("`%`"), "{remarks:?}");
        assert_eq!(unescaped("100%.png"), None);
        assert_eq!(unescaped("%C3%A9%"), Some("é%".into()));
    }
}

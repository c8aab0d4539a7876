//! "Each module may use only those before it": the tables in `src/lib.rs` and `src/ops/mod.rs`, held against the paths
//! that the source names.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules whose order a table states.
struct Room {
    /// Where they lie: nothing for the crate's root.
    path: Vec<String>,
    /// The modules of the table, in order.
    order: Vec<String>,
    /// The modules that there are.
    declared: BTreeSet<String>,
    /// Which module a name is from that the room itself gives out.
    names: BTreeMap<String, String>,
}

impl Room {
    fn read(file: &str, path: &[&str]) -> Room {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let row = Regex::new(r"(?m)^//! \| \[?`(\w+)`").unwrap();
        let order = row.captures_iter(&text).map(|row| row[1].to_owned()).collect();
        let module = Regex::new(r"(?m)^(?:pub )?mod (\w+);").unwrap();
        let declared = module.captures_iter(&text).map(|module| module[1].to_owned()).collect();
        let mut names = BTreeMap::new();
        for tree in text.split("\npub use ").skip(1) {
            let mut found = Vec::new();
            paths(&format!("{};", tree.split(';').next().unwrap().trim_start_matches("crate::")), 0, &[], &mut found);
            for (_, path) in found {
                names.insert(path[path.len() - 1].clone(), path[0].clone());
            }
        }
        Room { path: path.iter().map(|s| (*s).to_owned()).collect(), order, declared, names }
    }

    /// The place in the table of the module that a path is in.
    fn place(&self, path: &[String]) -> Option<usize> {
        let name = path.strip_prefix(&self.path[..])?.first()?;
        let name = self.names.get(name).unwrap_or(name);
        self.order.iter().position(|module| module == name)
    }
}

fn rooms() -> [Room; 2] {
    [Room::read("lib.rs", &[]), Room::read("ops/mod.rs", &["ops"])]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// The path of a source file's module.
fn module_path(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root()).unwrap().with_extension("");
    relative.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "mod").collect()
}

/// A source without comments and tests, its lines where they were; and the names of the files of tests.
fn code(source: &str) -> (String, Vec<String>) {
    let (mut kept, mut tests) = (Vec::new(), Vec::new());
    let mut lines = source.lines();
    let indent = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        if !line.trim_start().starts_with("#[cfg(test)]") {
            let comment = line.find("//").filter(|at| line[..*at].trim().is_empty() || line[..*at].ends_with(' '));
            kept.push(&line[..comment.unwrap_or(line.len())]);
            continue;
        }
        // The item below goes with it, up to its semicolon or its closing brace.
        kept.push("");
        let mut braced = false;
        for item in lines.by_ref() {
            kept.push("");
            if let Some(file) = item.trim().strip_prefix("mod ").and_then(|name| name.strip_suffix(';')) {
                tests.push(file.to_owned());
            }
            braced |= item.ends_with('{');
            if (!braced && item.ends_with(';')) || (indent(item) == indent(line) && item.trim_start().starts_with('}')) {
                break;
            }
        }
    }
    (kept.join("\n"), tests)
}

/// The paths of a tree of names such as `a::{b, c::d}` that begins at `at`, each with where its last name is; where
/// the tree ends.
fn paths(text: &str, mut at: usize, before: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = before.to_vec();
    let blanks = |at: usize| at + text[at..].len() - text[at..].trim_start().len();
    loop {
        at = blanks(at);
        if text[at..].starts_with('{') {
            at = blanks(at + 1);
            while !text[at..].starts_with('}') {
                at = blanks(paths(text, at, &path, found));
                if text[at..].starts_with(',') {
                    at = blanks(at + 1);
                }
            }
            return at + 1;
        }
        let length = text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - at);
        if length > 0 {
            path.push(text[at..at + length].to_owned());
        }
        let end = at + length;
        if text[end..].starts_with("::") && !text[end + 2..].starts_with(['<', '*']) {
            at = end + 2;
            continue;
        }
        found.push((at, path));
        // Past `as another` and `::*`.
        return end + text[end..].find([',', '}']).unwrap_or(text.len() - end);
    }
}

/// Every path from the crate's root, or from above the module, with its line.
fn uses(code: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let start = Regex::new(r"\bcrate::|\b(?:super::)+").unwrap();
    let mut found = Vec::new();
    for found_at in start.find_iter(code) {
        let above = found_at.as_str().matches("super").count();
        let from = if above == 0 { &[][..] } else { &module[..module.len().saturating_sub(above)] };
        paths(code, found_at.end(), from, &mut found);
    }
    found.into_iter().map(|(at, path)| (code[..at].matches('\n').count() + 1, path)).collect()
}

#[test]
fn modules_use_only_those_before_them() {
    let rooms = rooms();
    // The command line is another crate.
    let files = sources(&root()).into_iter().filter(|file| !file.starts_with(root().join("cli")));
    let read: Vec<_> = files.map(|file| (module_path(&file), code(&fs::read_to_string(&file).unwrap()), file)).collect();
    let is_test = |module: &[String]| {
        read.iter().any(|(parent, (_, tests), _)| {
            module.split_last().is_some_and(|(name, above)| above == &parent[..] && tests.contains(name))
        })
    };
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (module, (code, _), file) in read.iter().filter(|(module, ..)| !is_test(module)) {
        for (line, path) in uses(code, module) {
            for room in &rooms {
                let (Some(user), Some(used)) = (room.place(module), room.place(&path)) else { continue };
                seen += usize::from(user != used);
                if user < used {
                    let file = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display();
                    let [user, used] = [user, used].map(|place| &room.order[place]);
                    wrong.push(format!("{file}:{line}: `{user}` uses `{used}`, which comes after it ({})", path.join("::")));
                }
            }
        }
    }
    assert!(seen > 300, "{seen} uses of other modules were found: is the source read as it is written?");
    assert!(wrong.is_empty(), "{} uses against the order of the modules:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_module_is_in_its_table_once() {
    for Room { path, order, declared, .. } in rooms() {
        assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), declared, "{path:?}");
        assert_eq!(order.len(), declared.len(), "{order:?}");
    }
}

#[test]
fn paths_are_read_as_they_are_written() {
    let source = "\
use crate::error::{Error, Result};
use crate::{Dataset, report::{Key as K, row}, table::*};
use super::super::score::mean; // crate::not::this
/// [`crate::nor::this`]
fn f() { crate::image::decode(super::here(), &super::score::<f32>()) }
#[cfg(test)]
mod tests {
    use crate::nothing;
}
#[cfg(test)]
use crate::nothing;
#[cfg(test)]
mod sample;
fn g() -> crate::Result<()> {}
";
    let (code, tests) = code(source);
    assert_eq!(tests, ["sample"]);
    let module = ["ops", "embed", "pipeline"].map(str::to_owned);
    let found: Vec<String> = uses(&code, &module).into_iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
    assert_eq!(
        found,
        [
            "1 error::Error",
            "1 error::Result",
            "2 Dataset",
            "2 report::Key",
            "2 report::row",
            "2 table",
            "3 ops::score::mean",
            "5 image::decode",
            "5 ops::embed::here",
            "5 ops::embed::score",
            "14 Result",
        ]
    );
}

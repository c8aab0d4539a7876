//! Lists: what prompt stands at a place, and, in PSR's, where each image lies.

use super::{ExportManifest, Known, OutputReader, Way};
use crate::error::{Error, Result, io_reason};
use crate::generator::export_manifest::{FILE, ManifestEntry};
use crate::generator::{System, mosaic, psr, xverse};
use crate::input;
use crate::manifest::{integer_of, is_integer};
use crate::problem::{Origin, Position, Problem};
use crate::text::{plain, quote, shell_word};
use crate::watch::Stop;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

impl OutputReader<'_> {
    /// The prompts of the generator's list, by what the names of files begin with; those that are in the data set.
    pub fn entries(&mut self, system: System) -> Result<BTreeMap<u64, ManifestEntry>> {
        let texts = Texts::new(self.known);
        let (path, prompts): (PathBuf, Vec<(u64, String)>) = if system == System::Xverse {
            let (path, list) = self.list::<xverse::XverseList>()?;
            (path, (0..).zip(list.into_iter().map(|l| l.prompt)).collect())
        } else {
            let (path, list) = self.list::<mosaic::MosaicList>()?;
            (path, list.into_iter().map(|l| (l.index, l.prompt)).collect())
        };
        let (total, first) = (prompts.len(), prompts.first().map(|(_, text)| text.clone()));
        let mut entries = BTreeMap::new();
        for (place, text) in prompts {
            let origin = Origin { file: path.as_path().into(), place: Position::Entry(place + 1) };
            match texts.id(&text) {
                Ok(Some(id)) => {
                    let name = if system == System::Xverse {
                        xverse::file_name(place as usize, &text)
                    } else {
                        format!("{place}_….jpg")
                    };
                    if entries.insert(place, ManifestEntry { prompt_id: id.to_owned(), text, name }).is_some() {
                        self.outputs.problems.push(Problem { origin, reason: format!("index {place} appears twice") });
                    }
                }
                Ok(None) => {} // a list may be longer than the data set; its files are listed as untied
                Err(reason) => self.outputs.problems.push(Problem { origin, reason }),
            }
        }
        if entries.is_empty() && self.outputs.problems.is_empty() {
            let shown = plain(&path.display().to_string()).into_owned();
            let message = match first {
                None => format!("{shown} lists no prompt"),
                Some(first) => {
                    format!("none of the {total} prompts of {shown} is in the data set; the first is {}", quote(&first))
                }
            };
            return Err(Error::request(
                message,
                "prompts are known by their texts: ingest these first, or give the list that the generator was given with `--list`",
            ));
        }
        Ok(entries)
    }

    /// The one list of the folder, or the one given.
    fn list<T: DeserializeOwned>(&mut self) -> Result<(PathBuf, Vec<T>)> {
        if let Some(path) = self.source.list {
            let shown = plain(&path.display().to_string()).into_owned();
            let list = parse(path).map_err(|reason| Error::request(format!("{shown}: {reason}"), self.wanted_list()))?;
            return Ok((path.to_path_buf(), list));
        }
        let mut lists = Lists::read(self.source.folder, self.source.stop)?;
        match lists.found.len() {
            1 => Ok(lists.found.remove(0)),
            0 => Err(self.no_list(&lists.refused)),
            n => {
                let names = lists.found.iter().map(|(path, _)| plain(&path.display().to_string()).into_owned());
                let names = names.collect::<Vec<_>>().join(", ");
                let message = format!("{} holds {n} lists of prompts: {names}", self.folder());
                Err(Error::request(message, "say which of them the generator was given with `--list FILE`"))
            }
        }
    }

    /// That there is no list: what lies there instead, and why each JSON file is not one.
    fn no_list(&mut self, refused: &[(PathBuf, String)]) -> Error {
        let images = match self.images(self.source.folder) {
            Ok(images) => images.len(),
            Err(e) => return e,
        };
        let mut message = match (images, refused.len()) {
            (0, 0) => format!("{} holds neither an image nor a list of prompts", self.folder()),
            (1, _) => format!("{} holds an image, but no list of prompts, by which it is tied to one", self.folder()),
            (images, _) if images > 0 => {
                format!("{} holds {images} images, but no list of prompts, by which they are tied to them", self.folder())
            }
            _ => format!("{} holds no list of prompts", self.folder()),
        };
        for (path, reason) in refused {
            message += &format!("\n{}: {reason}", plain(&path.display().to_string()));
        }
        let other =
            format!("images whose paths name their prompts are read with `--from layout {}`", shell_word(self.source.folder));
        Error::request(message, format!("{}; {other}", self.wanted_list()))
    }

    /// What the list looks like that a system is given.
    fn wanted_list(&self) -> String {
        let form = match self.way {
            Way::System(System::Psr) => r#"[{"instruction": "A cat…", "result_path": "outputs/0001.png"}, …]"#,
            Way::System(System::Mosaic) => r#"[{"index": 0, "prompt": "A cat…"}, …]"#,
            _ => r#"[{"prompt": "A cat…"}, …]"#,
        };
        format!("give the list that the generator was given with `--list FILE`: {form}")
    }

    /// PSR's lists, each entry with the place of its image.
    pub fn listed(&mut self, manifest: Option<ExportManifest>) -> Result<()> {
        let model = self.model(manifest.as_ref().and_then(|h| h.model.as_deref()), System::Psr);
        let lists: Lists<psr::PsrList> = match self.source.list {
            Some(_) => Lists { found: vec![self.list()?], refused: Vec::new() },
            None => Lists::read(self.source.folder, self.source.stop)?,
        };
        if lists.found.is_empty() {
            return Err(self.no_list(&lists.refused));
        }
        let known = self.known;
        let texts = Texts::new(known);
        let mut named = BTreeSet::new();
        for (list, entries) in lists.found {
            for (place, entry) in (1..).zip(entries) {
                let origin = Origin { file: list.as_path().into(), place: Position::Entry(place) };
                match self.listed_entry(&entry, &texts) {
                    Ok((prompt_id, seed, path)) => {
                        let there = path.exists();
                        self.met += usize::from(there);
                        self.put(&model, prompt_id, seed, &path, there.then_some(path.as_path()), None);
                        named.insert(path);
                    }
                    Err(reason) => self.outputs.problems.push(Problem { origin, reason }),
                }
            }
        }
        for name in self.images(&self.source.folder.join("outputs"))? {
            let path = self.source.folder.join("outputs").join(name);
            if !named.contains(&path) {
                self.met += 1;
                self.untied(&path, "no `result_path` names it");
            }
        }
        Ok(())
    }

    fn listed_entry<'t>(&self, entry: &psr::PsrList, texts: &Texts<'t>) -> std::result::Result<(&'t str, i64, PathBuf), String> {
        let prompt_id =
            texts.id(&entry.instruction)?.ok_or_else(|| format!("no prompt of the data set is {}", quote(&entry.instruction)))?;
        let written = entry.result_path.as_deref().ok_or("it has no `result_path`, which says where its image lies")?;
        let folder = self.source.folder;
        // As written, from the folder; or from the directory above it, under whatever name the folder had there.
        let below = written.split_once('/').map(|(_, rest)| folder.join(rest));
        let here = folder.join(written);
        let exported = below.as_ref().filter(|_| written.starts_with("msdata-psr/"));
        let path = match (exported, below.as_ref()) {
            (Some(path), _) => path.clone(),
            (None, Some(below)) if !here.exists() && below.exists() => below.clone(),
            _ => here,
        };
        let in_path = written.split('/').rev().find_map(|part| part.strip_prefix("seed_").filter(|digits| is_integer(digits)));
        let in_path = in_path.map(integer_of).transpose()?;
        let told = self.source.seeds.filter(|seeds| seeds.len() == 1).map(|seeds| seeds[0]);
        let seed = entry.seed.or(told).or(in_path).ok_or("nothing says its seed: say `--seeds N`, or give the entry a `seed`")?;
        Ok((prompt_id, seed, path))
    }
}

/// The prompts, keyed by their texts.
struct Texts<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Texts<'a> {
    fn new(known: Known<'a>) -> Texts<'a> {
        let mut texts: HashMap<&str, Vec<&str>> = HashMap::new();
        for (id, text) in known {
            texts.entry(text).or_default().push(id);
        }
        Texts(texts)
    }

    /// Returns the id of the prompt with that text.
    fn id(&self, text: &str) -> std::result::Result<Option<&'a str>, String> {
        match self.0.get(text).map(Vec::as_slice) {
            None => Ok(None),
            Some([id]) => Ok(Some(id)),
            Some(ids) => Err(format!("prompts {} have the same text {}", ids.join(", "), quote(text))),
        }
    }
}

/// The JSON files of a folder.
struct Lists<T> {
    /// Those that are such a list.
    found: Vec<(PathBuf, Vec<T>)>,
    /// Those that are not, and why.
    refused: Vec<(PathBuf, String)>,
}

impl<T: DeserializeOwned> Lists<T> {
    fn read(folder: &Path, stop: Stop<'_>) -> Result<Lists<T>> {
        let mut lists = Lists { found: Vec::new(), refused: Vec::new() };
        for name in input::names(folder, stop)?.into_iter().filter(|n| n.ends_with(".json") && n != FILE) {
            let path = folder.join(name);
            match parse(&path) {
                Ok(list) => lists.found.push((path, list)),
                Err(reason) => lists.refused.push((path, reason)),
            }
        }
        Ok(lists)
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> std::result::Result<Vec<T>, String> {
    let text = input::read_text(path, input::MAX_JSON).map_err(|e| io_reason(&e))?;
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

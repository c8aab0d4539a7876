//! Lists: what prompt stands at a place, and, in PSR's, where each image lies.

use super::{ExportManifest, Known, OutputReader};
use crate::error::{Error, Result, io_reason};
use crate::generator::export_manifest::{FILE, ManifestEntry};
use crate::generator::{System, mosaic, psr, xverse};
use crate::input;
use crate::manifest::{integer_of, is_integer};
use crate::problem::{Origin, Position, Problem};
use crate::text::quote;
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
        let total = prompts.len();
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
            let message = format!("none of the {total} prompts of {} is in the data set", path.display());
            return Err(Error::request(
                message,
                "ingest its prompts first, or give the list that the generator was given with `--list`",
            ));
        }
        Ok(entries)
    }

    /// The one list of the folder, or the one given.
    fn list<T: DeserializeOwned>(&self) -> Result<(PathBuf, Vec<T>)> {
        let hint = "say which list the generator was given with `--list FILE`";
        if let Some(path) = self.source.list {
            let list = parse(path).map_err(|reason| Error::request(format!("{}: {reason}", path.display()), hint))?;
            return Ok((path.to_path_buf(), list));
        }
        let mut found = lists(self.source.folder, self.source.stop)?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Error::request(format!("{} holds no list of prompts", self.source.folder.display()), hint)),
            n => Err(Error::request(format!("{} holds {n} lists of prompts", self.source.folder.display()), hint)),
        }
    }

    /// PSR's lists, each entry with the place of its image.
    pub fn listed(&mut self, manifest: Option<ExportManifest>) -> Result<()> {
        let model = self.model(manifest.as_ref().and_then(|h| h.model.as_deref()), System::Psr);
        let lists: Vec<(PathBuf, Vec<psr::PsrList>)> = match self.source.list {
            Some(_) => vec![self.list()?],
            None => lists(self.source.folder, self.source.stop)?,
        };
        if lists.is_empty() {
            let message = format!("{} holds no list with `instruction` and `result_path`", self.source.folder.display());
            return Err(Error::request(message, "say which with `--list FILE`"));
        }
        let known = self.known;
        let texts = Texts::new(known);
        let mut named = BTreeSet::new();
        for (list, entries) in lists {
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

/// Every file of a folder that is such a list.
fn lists<T: DeserializeOwned>(folder: &Path, stop: Stop<'_>) -> Result<Vec<(PathBuf, Vec<T>)>> {
    let mut found = Vec::new();
    for name in input::names(folder, stop)?.into_iter().filter(|n| n.ends_with(".json") && n != FILE) {
        let path = folder.join(name);
        if let Ok(list) = parse(&path) {
            found.push((path, list));
        }
    }
    Ok(found)
}

fn parse<T: DeserializeOwned>(path: &Path) -> std::result::Result<Vec<T>, String> {
    let text = input::read_text(path, input::MAX_JSON).map_err(|e| io_reason(&e))?;
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

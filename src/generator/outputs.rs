//! What a generator made, as rows of a generations manifest. What cannot be tied to a prompt and a seed is listed;
//! what was asked for and is not there becomes a generation whose image is missing.

mod listed;
mod nothing;
mod tiles;

use super::export_manifest::{ExportManifest, ManifestBatch, ManifestEntry};
use super::layout::{Layout, Parts, PromptNames, Reading};
use super::{Grid, System, mosaic, xverse};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::input;
use crate::input::state_of;
use crate::manifest::{Generation, ImagePath, Located, Resolver, integer_of, is_integer};
use crate::problem::{Origin, Problem};
use crate::text::{quote, safe_name, suggestion};
use crate::vocabulary::{ImageFormat, ModelName, PromptId};
use crate::watch::Stop;
use nothing::Way;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Where images are read from, and what the user says of them.
#[derive(Debug, Clone)]
pub struct OutputSource<'a> {
    /// The generator's folder.
    pub folder: &'a Path,
    /// What the images are filed under; `None`: as the folder or the format says.
    pub model: Option<&'a ModelName>,
    /// The seeds of the images; `None`: as the folder says.
    pub seeds: Option<&'a [i64]>,
    /// How the images of a file lie.
    pub grid: Grid,
    /// The list that the generator was given; `None`: the one in the folder.
    pub list: Option<&'a Path>,
    /// The only trees that images may lie in; `None`: any.
    pub roots: Option<&'a [PathBuf]>,
    /// Where the images of a grid go; `None`: nowhere, for a dry run.
    pub tiles: Option<&'a Path>,
    /// The wish to stop.
    pub stop: Stop<'a>,
}

/// What was found in a generator's folder.
#[derive(Debug, Default)]
pub struct Outputs {
    /// One for each image that was asked for or is there.
    pub generations: Vec<Located<Generation>>,
    /// Files that cannot be used.
    pub problems: Vec<Problem>,
    /// What is odd, and what could not be tied to a prompt and a seed.
    pub warnings: Vec<Problem>,
}

/// Prompts of the catalog: id and text.
pub type Known<'a> = &'a [(String, String)];

/// Reads what a system wrote.
///
/// # Errors
/// The folder cannot be read, is another system's, or holds no image at all. Faults of single files are in
/// [`Outputs::problems`].
pub fn read(system: System, source: &OutputSource, known: Known) -> Result<Outputs> {
    let mut reader = OutputReader::new(source, known, Way::System(system))?;
    let manifest = ExportManifest::find(source.folder, system)?;
    reader.exported = manifest.is_some();
    if let Some(manifest) = &manifest {
        if source.seeds.is_some() || source.list.is_some() {
            let hint = "leave `--seeds` and `--list` out, or give the folder with the images only";
            return Err(Error::request(format!("{} says its seeds and prompts itself", source.folder.display()), hint));
        }
        reader.check(manifest);
    }
    match system {
        System::Xverse | System::Mosaic => reader.numbered(system, manifest)?,
        System::Psr => reader.listed(manifest)?,
        System::Jobs => {
            let results = source.folder.join("results");
            let root = if results.is_dir() { results } else { source.folder.to_path_buf() };
            reader.tree(&"{model}/{prompt_id}/{seed}.*".parse()?, &root, manifest.as_ref())?;
        }
        System::Jsonl => {
            let hint = "use `--generations` with the folder's generations.jsonl";
            return Err(Error::request("images made from job lines are read by their manifest", hint));
        }
    }
    reader.finish()
}

/// Reads any tree of images.
///
/// # Errors
/// The same as for [`read`].
pub fn read_tree(layout: &Layout, source: &OutputSource, known: Known) -> Result<Outputs> {
    let mut reader = OutputReader::new(source, known, Way::Layout)?;
    reader.tree(layout, source.folder, None)?;
    reader.finish()
}

struct OutputReader<'a> {
    source: &'a OutputSource<'a>,
    known: Known<'a>,
    way: Way,
    /// Whether the folder is one that `msdata bench export` wrote.
    exported: bool,
    resolver: Resolver,
    outputs: Outputs,
    /// Which file each key has.
    files: HashMap<(String, String, i64), PathBuf>,
    /// Image files met.
    met: usize,
}

impl<'a> OutputReader<'a> {
    fn new(source: &'a OutputSource<'a>, known: Known<'a>, way: Way) -> Result<OutputReader<'a>> {
        input::check_directory(source.folder, way.folder())?;
        if known.is_empty() {
            return Err(Error::request(
                "the data set has no prompts, so no image can be tied to one",
                "ingest subjects and prompts first, or in the same command with `--subjects FILE --prompts FILE`",
            ));
        }
        let resolver = Resolver::for_directory(source.folder, source.roots)?;
        let (outputs, files) = (Outputs::default(), HashMap::new());
        Ok(OutputReader { source, known, way, exported: false, resolver, outputs, files, met: 0 })
    }

    fn problem(&mut self, file: &Path, reason: impl Into<String>) {
        self.outputs.problems.push(Problem { origin: Origin::whole(file), reason: reason.into() });
    }

    fn untied(&mut self, file: &Path, reason: impl std::fmt::Display) {
        self.outputs.warnings.push(Problem { origin: Origin::whole(file), reason: format!("{reason}{NOT_READ}") });
    }

    /// Checks whether the prompts are still those that were exported.
    fn check(&mut self, manifest: &ExportManifest) {
        let path = self.source.folder.join(super::export_manifest::FILE);
        let texts: HashMap<&str, &str> = self.known.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        for entry in &manifest.prompts {
            let id = quote(&entry.prompt_id);
            match texts.get(entry.prompt_id.as_str()) {
                Some(text) if *text == entry.text => {}
                Some(text) => {
                    self.problem(&path, format!("prompt {id} was exported as {} and is {} now", quote(&entry.text), quote(text)))
                }
                None => self.problem(&path, format!("there is no prompt {id} in the data set")),
            }
        }
    }

    fn model(&self, exported: Option<&str>, system: System) -> String {
        let given = self.source.model.map(ModelName::as_str);
        given.or(exported).or(system.model()).unwrap_or_default().to_owned()
    }

    /// Files whose name begins with the place of their prompt in a list.
    fn numbered(&mut self, system: System, manifest: Option<ExportManifest>) -> Result<()> {
        // Which seeds XVerse made at once, only its files can say if nobody does.
        let open = system == System::Xverse && manifest.is_none() && self.source.seeds.is_none();
        let (model, batches, entries) = match manifest {
            Some(manifest) => {
                let entries = (0..).zip(manifest.prompts).collect();
                (self.model(manifest.model.as_deref(), system), manifest.batches, entries)
            }
            None => (self.model(None, system), self.batches(system)?, self.entries(system)?),
        };
        for batch in &batches {
            self.batch(system, &model, batch, &entries, open)?;
        }
        Ok(())
    }

    /// The runs that a folder shows: one for each `seed_N` in it, or the folder itself.
    fn batches(&mut self, system: System) -> Result<Vec<ManifestBatch>> {
        let mut batches = Vec::new();
        for parent in ["", "outputs"] {
            let path = self.source.folder.join(parent);
            for name in input::names(&path, self.source.stop)?.into_iter().filter(|name| path.join(name).is_dir()) {
                let digits = name.strip_prefix("seed_").filter(|digits| is_integer(digits));
                if let Some(seed) = digits.map(integer_of) {
                    let seed = match seed {
                        Ok(seed) => seed,
                        Err(reason) => {
                            self.problem(&path.join(&name), format!("the seed {reason}"));
                            continue;
                        }
                    };
                    batches
                        .push(ManifestBatch { folder: Path::new(parent).join(&name).display().to_string(), seeds: vec![seed] });
                }
            }
        }
        if batches.is_empty() {
            let seed = if system == System::Xverse { xverse::FIRST_SEED } else { mosaic::SEED };
            let seeds = self.source.seeds.map_or_else(|| vec![seed], <[i64]>::to_vec);
            if self.source.seeds.is_none() {
                let reason = format!("taken for seed {seed} and those after it, the script's own; `--seeds` says otherwise");
                self.outputs.warnings.push(Problem { origin: Origin::whole(self.source.folder), reason });
            }
            batches.push(ManifestBatch { folder: String::new(), seeds });
        } else if self.source.seeds.is_some() {
            let hint = "leave `--seeds` out, or give one of them";
            return Err(Error::request(format!("the folders in {} name their seeds", self.source.folder.display()), hint));
        }
        // XVerse makes several seeds at once; which of them are there, the files show.
        if system == System::Xverse && self.source.seeds.is_none() {
            for batch in &mut batches {
                batch.seeds = (0..xverse::TILES).map(|i| batch.seeds[0].saturating_add(i)).collect();
            }
        }
        Ok(batches)
    }

    /// A run: each file tied to its prompt, each prompt without a file missing. `open`: its seeds are a guess.
    fn batch(
        &mut self,
        system: System,
        model: &str,
        batch: &ManifestBatch,
        entries: &BTreeMap<u64, ManifestEntry>,
        open: bool,
    ) -> Result<()> {
        let dir = self.source.folder.join(&batch.folder);
        let mut claimed: BTreeMap<u64, (PathBuf, String)> = BTreeMap::new();
        for name in self.images(&dir)? {
            let path = dir.join(&name);
            if system == System::Mosaic && stem(&name).ends_with("_compared") {
                continue; // the references and the image on one sheet
            }
            self.met += 1;
            let digits = name.split_once('_').and_then(|(digits, rest)| Some((digits.parse::<u64>().ok()?, rest)));
            let Some((place, rest)) = digits else {
                self.untied(&path, "its name does not begin with a place in the list and `_`");
                continue;
            };
            let Some(entry) = entries.get(&place) else {
                self.untied(&path, format!("the prompt at place {place} is missing from the list or from the data set"));
                continue;
            };
            if system == System::Xverse && stem(rest) != xverse::beginning(&entry.text) {
                let text = quote(&xverse::beginning(&entry.text));
                self.problem(
                    &path,
                    format!("place {place} of the list is a prompt that begins {text}: it was made from another list"),
                );
                continue;
            }
            match claimed.get(&place) {
                Some((_, first)) => {
                    let reason = format!("two files for prompt {}: {} is there too", quote(&entry.prompt_id), quote(first));
                    self.problem(&path, reason);
                }
                None => drop(claimed.insert(place, (path, name))),
            }
        }
        let told = if system == System::Mosaic && self.source.grid == Grid::Auto { Grid::Single } else { self.source.grid };
        let door = Door::to(self.source.roots)?;
        let grid = tiles::grid(told, &door, claimed.values().map(|(path, _)| path.as_path()))?;
        let seeds = match grid {
            Grid::Single if open => &batch.seeds[..1], // a folder of single images is one seed
            _ => &batch.seeds,
        };
        if grid == Grid::Single && seeds.len() > 1 && !claimed.is_empty() {
            let reason = format!(
                "{} seeds were asked for, but these files hold one image each; `--grid 2x2` says that they are grids",
                seeds.len()
            );
            self.problem(&dir, reason);
            return Ok(());
        }
        let cut = tiles::cut(grid, self.source.tiles, &door, claimed.values().map(|(path, _)| path.as_path()));
        let mut cut: HashMap<u64, std::result::Result<Vec<PathBuf>, String>> = claimed.keys().copied().zip(cut).collect();
        for (place, entry) in entries {
            let expected = dir.join(&entry.name);
            let file = claimed.get(place).map(|(path, _)| path.clone());
            let tiles = match cut.remove(place) {
                Some(Err(reason)) => {
                    self.problem(&file.unwrap_or(expected), reason);
                    continue;
                }
                Some(Ok(tiles)) => tiles,
                None => Vec::new(),
            };
            for seed in seeds {
                let tile = seed.wrapping_sub(seeds[0]);
                let at = usize::try_from(tile).unwrap_or(usize::MAX);
                let (path, meta) = match (&file, tiles.get(at)) {
                    (Some(file), _) if grid == Grid::Single => (file.clone(), None),
                    (Some(file), Some(path)) => {
                        let name = file.strip_prefix(self.source.folder).unwrap_or(file).display().to_string();
                        (path.clone(), Some(serde_json::json!({"grid": name, "tile": tile}).to_string()))
                    }
                    (Some(file), None) => {
                        let reason = format!("a {grid} grid of seeds from {} on has no image of seed {seed}", seeds[0]);
                        self.problem(file, reason);
                        continue;
                    }
                    (None, _) if seeds.len() == 1 => (expected.clone(), None),
                    // No file can ever lie at such a path: it says which image of which file is missing.
                    (None, _) => (expected.join(format!("tile {tile}")), None),
                };
                self.put(model, &entry.prompt_id, *seed, &path, file.as_deref(), meta);
            }
        }
        Ok(())
    }

    /// A tree whose paths say everything.
    fn tree(&mut self, layout: &Layout, root: &Path, manifest: Option<&ExportManifest>) -> Result<()> {
        let known = self.known;
        let prompts = PromptNames::new(known.iter().map(|(id, _)| id.as_str()));
        let exported = manifest.and_then(|h| h.model.as_deref());
        let mut models = BTreeSet::new();
        for name in self.images(root)? {
            let path = root.join(&name);
            self.met += 1;
            let readings = match layout.read(&name, |prompt| prompts.id(prompt).is_some()) {
                Reading::None => {
                    self.untied(&path, format!("its path does not match {}", quote(&layout.to_string())));
                    continue;
                }
                Reading::Unknown(Parts { prompt, .. }) => {
                    let near = suggestion(&prompt, known.iter().map(|(id, _)| id.as_str()));
                    self.untied(&path, format!("there is no prompt {}{near}", quote(&prompt)));
                    continue;
                }
                Reading::Endless => {
                    self.problem(&path, "the layout can be read in too many ways here; write it with fewer `*`");
                    continue;
                }
                Reading::Known(readings) => readings,
            };
            let readings = self.of_the_model(readings);
            let [parts] = &readings[..] else {
                let ways = readings.iter().map(Parts::to_string).collect::<Vec<_>>().join("; or ");
                let way = match &readings[..] {
                    [a, b, ..] if a.model != b.model => "say `--model NAME`, or write more of the path into the layout",
                    [a, b, ..] if a.prompt == b.prompt => {
                        "write what comes before and after the seed into the layout, as in `*-{seed}.png` or `*_{seed}.png`"
                    }
                    _ => "write more of the path into the layout",
                };
                self.problem(&path, format!("by {} it can be {ways}: {way}", quote(&layout.to_string())));
                continue;
            };
            let Some(prompt_id) = prompts.id(&parts.prompt) else { continue };
            let seed = match parts.seed() {
                Ok(seed) => seed,
                Err(reason) => {
                    self.problem(&path, reason);
                    continue;
                }
            };
            // A folder's name may be the safe form of the model's.
            let named = parts.model.clone();
            let named = named.map(|name| exported.filter(|model| safe_name(model) == name).map_or(name.clone(), str::to_owned));
            let Some(model) = self.source.model.map(|m| m.as_str().to_owned()).or(named) else {
                return Err(Error::request(
                    "nothing says which model made these images",
                    "say `--model NAME`, or put `{model}` into the layout",
                ));
            };
            let seed = match (seed, self.source.seeds) {
                (Some(seed), _) => seed,
                (None, Some([seed])) => *seed,
                _ => {
                    return Err(Error::request(
                        "nothing says which seed made these images",
                        "say `--seeds N`, or put `{seed}` into the layout",
                    ));
                }
            };
            models.insert(model.clone());
            self.put(&model, prompt_id, seed, &path, Some(&path), None);
        }
        for (manifest, model) in manifest.iter().flat_map(|h| models.iter().map(move |m| (h, m))) {
            for entry in &manifest.prompts {
                for seed in manifest.batches.iter().flat_map(|b| &b.seeds) {
                    if !self.files.contains_key(&(model.clone(), entry.prompt_id.clone(), *seed)) {
                        let path = root.join(safe_name(model)).join(entry.name.replace("{seed}", &seed.to_string()));
                        self.put(model, &entry.prompt_id, *seed, &path, None, None);
                    }
                }
            }
        }
        Ok(())
    }

    /// Of several ways to read a path, those in which it names the model that the user says.
    fn of_the_model(&self, readings: Vec<Parts>) -> Vec<Parts> {
        let Some(told) = self.source.model.map(ModelName::as_str).filter(|_| readings.len() > 1) else { return readings };
        let is_told = |parts: &&Parts| parts.model.as_deref().is_some_and(|name| name == told || name == safe_name(told));
        let named: Vec<Parts> = readings.iter().filter(is_told).cloned().collect();
        if named.is_empty() { readings } else { named }
    }

    /// The image files below a directory, by their paths in it, in order; none if it is not there.
    fn images(&mut self, dir: &Path) -> Result<Vec<String>> {
        let mut walk = input::files_below(dir, self.source.stop)?;
        for circle in walk.circles {
            self.untied(&dir.join(circle), "a link to a directory that holds it");
        }
        walk.files.retain(|path| ImageFormat::is_named(Path::new(path)));
        Ok(walk.files)
    }

    /// A generation; `file` is there, or else its image is missing.
    fn put(&mut self, model: &str, prompt_id: &str, seed: i64, path: &Path, file: Option<&Path>, meta: Option<String>) {
        let at = file.unwrap_or(path);
        let ids = ModelName::new(model).map_err(|e| format!("the model's name {e}"));
        let ids = ids.and_then(|model| Ok((model, PromptId::new(prompt_id).map_err(|e| format!("the prompt's id {e}"))?)));
        let (model, prompt_id) = match ids {
            Ok(ids) => ids,
            Err(reason) => return self.problem(at, reason),
        };
        let key = (model.to_string(), prompt_id.to_string(), seed);
        if let Some(first) = self.files.insert(key, at.to_path_buf()) {
            let key = format!("{model}, {prompt_id}, {seed}");
            return self.problem(at, format!("two files for {}: {} is there too", quote(&key), first.display()));
        }
        match self.image(path, file) {
            Ok(image) => {
                let row = Generation { model, prompt_id, seed, path: image, meta, regions: None };
                self.outputs.generations.push(Located { origin: Origin::whole(at), row });
            }
            Err(reason) => self.problem(at, reason),
        }
    }

    /// A path as the catalog keeps it. What is there must lie in the trees that may be read.
    fn image(&mut self, path: &Path, file: Option<&Path>) -> std::result::Result<ImagePath, String> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|e| e.to_string());
        if let Some(file) = file {
            let written = absolute(file)?;
            let image = self.resolver.resolve(written.to_str().ok_or("its path is not UTF-8, which the catalog cannot keep")?)?;
            if file == path {
                return Ok(image);
            }
        }
        let path = absolute(path)?;
        if file.is_none() && self.source.roots.is_some() {
            return self.resolver.resolve(path.to_str().ok_or("its path is not UTF-8, which the catalog cannot keep")?);
        }
        Ok(ImagePath { state: state_of(&path), path })
    }

    fn finish(mut self) -> Result<Outputs> {
        let nothing = self.outputs.generations.is_empty() || self.met == 0;
        if nothing && self.outputs.problems.is_empty() {
            return Err(match self.outputs.warnings.iter().find(|warning| warning.reason.ends_with(NOT_READ)) {
                Some(first) if self.met > 0 => Error::request(self.untied_in_words(first), self.how_to_tie()),
                _ => self.no_image(),
            });
        }
        let remarks = self.resolver.remarks().into_iter();
        self.outputs.warnings.extend(remarks.map(|reason| Problem { origin: Origin::whole(self.source.folder), reason }));
        Ok(self.outputs)
    }
}

/// What a remark on a file ends with that nothing ties to a prompt.
const NOT_READ: &str = "; not read";

/// Returns a path without its last extension.
fn stem(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((stem, extension)) if !extension.contains('/') => stem,
        _ => path,
    }
}

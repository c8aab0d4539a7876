//! The repository of the paper's authors: `results/{model}/{prompt_id}/meta.json` ties prompts, subjects
//! and images together; `val_dataset/prompts_50.txt` says which subjects are people, animals, objects.

use crate::problem::{Origin, Position, Problem};

use super::{Generation, ImagePath, Located, Prompt, Resolver, Subject};
use crate::error::{Error, Result};
use crate::input;
use crate::text::{plain, quote, shell_word};
use crate::vocabulary::{ModelName, PromptId, SceneType, SubjectId, SubjectKind};
use crate::watch::Stop;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the repository holds, as rows of the three manifests.
pub struct StressTestRepo {
    /// In the order first used.
    pub subjects: Vec<Located<Subject>>,
    /// In the order of their directories.
    pub prompts: Vec<Located<Prompt>>,
    /// One for each entry of each `meta.json`.
    pub generations: Vec<Located<Generation>>,
    /// Entries that cannot be used.
    pub problems: Vec<Problem>,
    /// Entries that look odd.
    pub warnings: Vec<Problem>,
}

/// One entry of a `meta.json`.
#[derive(Deserialize)]
struct PromptEntry {
    model: String,
    prompt_id: String,
    seed: i64,
    prompt: String,
    subjects: Vec<EntrySubject>,
    output_path: Option<String>,
    /// `skipped`, `time`, `error`: kept as the generation's `meta`.
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize, Clone, PartialEq)]
struct EntrySubject {
    image: String,
    name: String,
    caption: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MetaFile {
    Many(Vec<PromptEntry>),
    One(Box<PromptEntry>),
}

impl StressTestRepo {
    /// Reads the repository at `root`; image paths may be restricted to `roots`.
    ///
    /// # Errors
    /// There is no `results` directory, a directory cannot be read, or the caller wants to stop. Faults of single files are in
    /// [`StressTestRepo::problems`].
    pub fn read(root: &Path, roots: Option<&[PathBuf]>, stop: Stop<'_>) -> Result<StressTestRepo> {
        const WANTED: &str = "give the directory that holds `results` and `val_dataset`";
        input::check_directory(root, WANTED)?;
        let results = root.join("results");
        if !results.is_dir() {
            let hint = match near(root) {
                Some(near) => format!("{WANTED}: `--from stress-test-repo {}`", shell_word(&near)),
                None => WANTED.to_owned(),
            };
            let shown = plain(&root.display().to_string()).into_owned();
            return Err(Error::request(format!("{shown} is not a stress-test repository: it has no `results` directory"), hint));
        }
        let mut reader = RepositoryReader {
            root,
            resolver: Resolver::for_directory(root, roots)?,
            kinds: HashMap::new(),
            subjects: HashMap::new(),
            prompts: HashMap::new(),
            repo: StressTestRepo { subjects: vec![], prompts: vec![], generations: vec![], problems: vec![], warnings: vec![] },
        };
        reader.read_kinds();
        for model in directories(&results)? {
            for prompt in directories(&model)? {
                stop.check()?;
                reader.read_prompt_directory(&prompt)?;
            }
        }
        let mut repo = reader.repo;
        if repo.generations.is_empty() && repo.problems.is_empty() {
            return Err(Error::request(
                format!("{} holds no MODEL/PROMPT_ID/meta.json", plain(&results.display().to_string())),
                "the results come with a clone of the repository; images of your own are read with `--from jobs` or `--from layout`",
            ));
        }
        let remarks = reader.resolver.remarks().into_iter();
        repo.warnings.extend(remarks.map(|reason| Problem { origin: Origin::whole(root), reason }));
        Ok(repo)
    }
}

struct RepositoryReader<'a> {
    root: &'a Path,
    resolver: Resolver,
    kinds: HashMap<String, SubjectKind>,
    subjects: HashMap<String, (EntrySubject, Origin)>,
    prompts: HashMap<String, (Prompt, Origin)>,
    repo: StressTestRepo,
}

impl RepositoryReader<'_> {
    /// Reads the header of `prompts_50.txt`: `  People  (7):  black woman, …`.
    fn read_kinds(&mut self) {
        let path = self.root.join("val_dataset/prompts_50.txt");
        let text = match input::read_text(&path, input::MAX_JSON) {
            Ok(text) => text,
            Err(e) => {
                let reason = format!("{}; subjects have no kind (human, animal, object)", crate::error::io_reason(&e));
                self.repo.warnings.push(Problem { origin: Origin::whole(&path), reason });
                return;
            }
        };
        // A list goes on in the next line where its line ends with a comma.
        let mut open: Option<SubjectKind> = None;
        for line in text.lines() {
            let (kind, names) = match line.split_once("):") {
                Some((head, names)) => match head.split_whitespace().next() {
                    Some("People") => (SubjectKind::Human, names),
                    Some("Animals") => (SubjectKind::Animal, names),
                    Some("Objects") => (SubjectKind::Object, names),
                    _ => continue,
                },
                None => match open {
                    Some(kind) => (kind, line),
                    None => continue,
                },
            };
            self.kinds.extend(names.split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| (n.to_owned(), kind)));
            open = names.trim_end().ends_with(',').then_some(kind);
        }
    }

    fn read_prompt_directory(&mut self, dir: &Path) -> Result<()> {
        let meta = dir.join("meta.json");
        let mut listed = BTreeSet::new();
        match input::read_text(&meta, input::MAX_JSON).map_err(|e| crate::error::io_reason(&e)).and_then(|text| parse(&text)) {
            Err(reason) => self.repo.problems.push(Problem { origin: Origin::whole(&meta), reason }),
            Ok(entries) => {
                let file: Arc<Path> = meta.as_path().into();
                for (i, entry) in entries.into_iter().enumerate() {
                    let origin = Origin { file: file.clone(), place: Position::Entry(i as u64 + 1) };
                    match self.read_entry(entry, dir, &origin) {
                        Ok(path) => drop(listed.insert(path.path)),
                        Err(reason) => self.repo.problems.push(Problem { origin, reason }),
                    }
                }
            }
        }
        let real = dir.canonicalize().map_err(Error::io("resolve", dir))?;
        for file in sorted_entries(&real)? {
            if file.file_name().is_some_and(|n| n != "meta.json") && !listed.contains(&file) {
                let reason = "no meta.json entry names it; not read".into();
                self.repo.warnings.push(Problem { origin: Origin::whole(&file), reason });
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, entry: PromptEntry, dir: &Path, origin: &Origin) -> std::result::Result<ImagePath, String> {
        let model = ModelName::new(entry.model).map_err(|e| format!("`model` {e}"))?;
        let prompt_id = PromptId::new(entry.prompt_id).map_err(|e| format!("`prompt_id` {e}"))?;
        let (_, scene) = prompt_id.as_str().split_once('_').ok_or_else(|| {
            format!("prompt_id {} has no scene type (expected as in 11_interaction)", quote(prompt_id.as_str()))
        })?;
        let scene_type = SceneType::from_manifest(scene).map_err(|e| e.to_string())?;
        let mut subjects = Vec::new();
        for subject in entry.subjects {
            subjects.push(self.read_subject(subject, origin)?);
        }
        if subjects.is_empty() {
            return Err("`subjects` is an empty list".into());
        }
        let prompt = Prompt { prompt_id: prompt_id.clone(), text: entry.prompt, scene_type, subjects };
        match self.prompts.get(prompt_id.as_str()) {
            Some((known, _)) if *known == prompt => {}
            Some((_, first)) => return Err(format!("prompt {} is not as in {first}", quote(prompt_id.as_str()))),
            None => {
                self.prompts.insert(prompt_id.to_string(), (prompt.clone(), origin.clone()));
                self.repo.prompts.push(Located { origin: origin.clone(), row: prompt });
            }
        }
        let path = match &entry.output_path {
            Some(path) => in_repository(path, "results/").to_owned(),
            None => {
                let dir = dir.strip_prefix(self.root).unwrap_or(dir);
                format!("{}/{}.png", dir.display(), entry.seed)
            }
        };
        let path = self.resolver.resolve(&path)?;
        let meta = (!entry.rest.is_empty()).then(|| serde_json::Value::Object(entry.rest).to_string());
        let row = Generation { model, prompt_id, seed: entry.seed, path: path.clone(), meta, regions: None };
        self.repo.generations.push(Located { origin: origin.clone(), row });
        Ok(path)
    }

    fn read_subject(&mut self, subject: EntrySubject, origin: &Origin) -> std::result::Result<SubjectId, String> {
        let id = SubjectId::new(subject.name.clone()).map_err(|e| format!("subject name {e}"))?;
        let image = in_repository(&subject.image, "val_dataset/").to_owned();
        let subject = EntrySubject { image, ..subject };
        match self.subjects.get(id.as_str()) {
            Some((known, _)) if *known == subject => {}
            Some((known, first)) => {
                return Err(format!(
                    "subject {} has image {} here and {} in {first}",
                    quote(id.as_str()),
                    quote(&subject.image),
                    quote(&known.image)
                ));
            }
            None => {
                let row = Subject {
                    subject_id: id.clone(),
                    label: subject.name.clone(),
                    references: vec![self.resolver.resolve(&subject.image)?],
                    source: None,
                    kind: self.kinds.get(&subject.name).copied(),
                    caption: subject.caption.clone(),
                    license: None,
                };
                self.subjects.insert(id.to_string(), (subject, origin.clone()));
                self.repo.subjects.push(Located { origin: origin.clone(), row });
            }
        }
        Ok(id)
    }
}

/// A directory above or just below this one that does hold `results`.
fn near(root: &Path) -> Option<PathBuf> {
    let holds = |dir: &PathBuf| dir.join("results").is_dir();
    let mut above = root.ancestors().skip(1).take(3).map(|dir| if dir.as_os_str().is_empty() { ".".into() } else { dir.into() });
    let below = || directories(root).unwrap_or_default();
    above.find(holds).or_else(|| below().into_iter().find(holds))
}

fn parse(text: &str) -> std::result::Result<Vec<PromptEntry>, String> {
    // Untagged enums lose the reason; ask again for the form that the file has.
    match serde_json::from_str(text) {
        Ok(MetaFile::Many(entries)) => Ok(entries),
        Ok(MetaFile::One(entry)) => Ok(vec![*entry]),
        Err(_) if text.trim_start().starts_with('[') => serde_json::from_str::<Vec<PromptEntry>>(text).map_err(|e| e.to_string()),
        Err(_) => serde_json::from_str::<PromptEntry>(text).map(|e| vec![e]).map_err(|e| e.to_string()),
    }
}

/// Returns the part of a path that lies in the repository: `/results/…`, `./results/…` and
/// `/Some-Repository/results/…` are all `results/…`.
fn in_repository<'a>(path: &'a str, part: &str) -> &'a str {
    path.match_indices(part).find(|(i, _)| *i == 0 || path.as_bytes()[i - 1] == b'/').map_or(path, |(i, _)| &path[i..])
}

fn sorted_entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        entries.insert(entry.file_name(), entry.path());
    }
    Ok(entries.into_values().collect())
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(sorted_entries(dir)?.into_iter().filter(|p| p.is_dir()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_before_the_repository() {
        assert_eq!(in_repository("/results/m/1/42.png", "results/"), "results/m/1/42.png");
        assert_eq!(in_repository("./results/m/1/42.png", "results/"), "results/m/1/42.png");
        assert_eq!(in_repository("/Multi-Subject-X/results/m/1/42.png", "results/"), "results/m/1/42.png");
        assert_eq!(in_repository("myresults/x.png", "results/"), "myresults/x.png");
    }
}

//! What the page shows, gathered from the catalog and its reports.

use crate::catalog::FileRow;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::image::{Door, Transparency};
use crate::ops::report::figures::{FigureOptions, HEAT_MAP_ROWS};
use crate::page::{
    Figures, PageData, PageEncoder, PageGeneration, PageOptions, PageOutput, PagePlace, PagePlaces, PagePrompt, PageSubject,
    PageWritten, Picture,
};
use crate::plot::{self, ModelStyles};
use crate::report::{ALPHA, Key};
use crate::vocabulary::ImageStatus;
use crate::watch::Watch;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Generations that a gallery holds at most: beyond it a browser's memory is full of what nobody looks at.
const GALLERY: usize = 20_000;

impl Dataset {
    /// Writes the page: tables, figures, and every image.
    ///
    /// # Errors
    /// As [`Dataset::report`]; the place holds something else, the disk is full, or the caller wants to stop.
    pub fn write_page(&self, options: &PageOptions, output: &PageOutput, watch: &mut Watch<'_>) -> Result<PageWritten> {
        crate::page::write(&self.page_data(options)?, output, watch)
    }

    fn page_data(&self, options: &PageOptions) -> Result<PageData> {
        let drawn = FigureOptions { thresholds: options.thresholds.clone(), identity: options.identity.clone() };
        let styles = ModelStyles::new(self.catalog.models()?);
        let by_model = drawn.report(self, &[Key::Model])?;
        let by_count = drawn.report(self, &[Key::Model, Key::SubjectCount])?;
        let labels: HashMap<String, String> = self.subject_labels()?.into_iter().collect();
        let label = |id: &str| labels.get(id).cloned().unwrap_or_else(|| id.to_owned());
        let figures = Figures {
            trend: plot::trend(&by_count, &styles, drawn.middle()),
            scene: plot::scene(&drawn.report(self, &[Key::Model, Key::SceneType])?, &styles, drawn.middle()),
            curve: plot::curve(&drawn.curve(self)?, &styles, &drawn.thresholds),
            tradeoff: plot::tradeoff(&by_count, &styles),
            radar: plot::radar(&by_model, &styles),
            profile: plot::profile(&by_model, &styles),
            heat_map: plot::heat_map(&drawn.report(self, &[Key::SubjectId, Key::Model])?, &styles, label, HEAT_MAP_ROWS),
        };
        let mut shown = self.shown(&by_model.identity, &styles)?;
        shown.pictures.name();
        Ok(PageData {
            options: options.clone(),
            correlation: plot::tradeoff_correlation(&by_count, &styles),
            digest: self.page_digest(&by_model.identity)?,
            encoders: self
                .catalog
                .encoders()?
                .into_iter()
                .map(|e| PageEncoder { name: e.name.to_string(), fingerprint: e.fingerprint, dimension: e.dimension })
                .collect(),
            styles,
            subjects: shown.subjects,
            prompts: shown.prompts,
            generations: shown.generations,
            generations_left_out: shown.left_out,
            pictures: shown.pictures.all,
            by_model,
            by_count,
            figures,
        })
    }

    /// The pool, the prompts, the generations and their images.
    fn shown(&self, identity: &str, styles: &ModelStyles) -> Result<ShownRows> {
        let mut pictures = Pictures { door: self.door.clone(), transparency: self.transparency()?, all: Vec::new() };
        let snapshot = self.catalog.subjects()?;
        let place: HashMap<i64, usize> = snapshot.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let mut subjects: Vec<PageSubject> = snapshot
            .into_iter()
            .map(|s| PageSubject { id: s.subject_id, label: s.label, kind: s.kind, references: Vec::new() })
            .collect();
        for (subject, file) in self.catalog.reference_files()? {
            subjects[place[&subject]].references.push(pictures.add(&file));
        }
        let prompts: Vec<PagePrompt> = self
            .catalog
            .prompts()?
            .into_iter()
            .map(|p| PagePrompt { id: p.prompt_id, text: p.text, scene_type: p.scene_type, subjects: p.subjects })
            .collect();
        let mut similarities: HashMap<i64, Vec<f64>> = HashMap::new();
        let encoders = self.catalog.image_encoders()?;
        if let Some((encoder, _)) = encoders.iter().find(|(_, name)| name == identity) {
            let mut scores = self.catalog.subject_scores(*encoder)?;
            scores.sort_unstable_by_key(|s| (s.generation, s.ordinal));
            scores.into_iter().for_each(|s| similarities.entry(s.generation).or_default().push(s.similarity));
        }
        let mut clip_t: HashMap<i64, f64> = HashMap::new();
        for score in self.catalog.image_scores()? {
            if let Some(value) = score.clip_t {
                clip_t.entry(score.generation).or_insert(value);
            }
        }
        let places = match encoders.iter().find(|(_, name)| name == identity) {
            Some((encoder, _)) => self.places(*encoder, identity)?,
            None => HashMap::new(),
        };
        let models = self.catalog.models()?;
        let model_places: HashMap<&str, usize> = styles.all().enumerate().map(|(i, (name, _))| (name, i)).collect();
        let place_of = |model: u32| model_places.get(models[model as usize].0.as_str()).copied();
        let snapshot: Vec<_> = self.catalog.generations()?.into_iter().filter(|g| place_of(g.model).is_some()).collect();
        let kept = sample(&prompts, snapshot.iter().map(|g| g.prompt as usize));
        let mut files = self.catalog.generation_files()?;
        let mut generations = Vec::new();
        for fact in snapshot.iter().filter(|g| kept.as_ref().is_none_or(|kept| kept.contains(&(g.prompt as usize)))) {
            let (Some(model), Some(file)) = (place_of(fact.model), files.remove(&fact.id)) else { continue };
            generations.push(PageGeneration {
                model,
                prompt: fact.prompt as usize,
                seed: fact.seed,
                picture: pictures.add(&file),
                similarities: similarities.remove(&fact.id),
                clip_t: clip_t.get(&fact.id).copied(),
                places: fact.size.and_then(|size| {
                    let subjects = prompts[fact.prompt as usize].subjects.len();
                    places
                        .get(&fact.id)
                        .map(|places| PagePlaces { size, subjects: (0..subjects).map(|o| places.get(&o).cloned()).collect() })
                }),
            });
        }
        let left_out = snapshot.len() - generations.len();
        Ok(ShownRows { subjects, prompts, generations, pictures, left_out })
    }

    /// The place of each requested subject by generation row and position in the prompt.
    fn places(&self, encoder: i64, identity: &str) -> Result<HashMap<i64, HashMap<usize, PagePlace>>> {
        let (encoders, _) = self.encoders_and_identity(Some(identity))?;
        let mut snapshot = self.snapshot(encoders, |_| false)?;
        snapshot.local = self.local_snapshot(&snapshot, identity)?;
        let verdicts = crate::report::verdicts(&snapshot, ALPHA);
        let mut places: HashMap<i64, HashMap<usize, PagePlace>> = HashMap::new();
        // An image that was looked through and in which nobody has a place is known to have none.
        for generation in verdicts.keys() {
            places.entry(*generation).or_default();
        }
        for (generation, place) in self.catalog.subject_places(encoder)? {
            let ordinal = place.ordinal as usize;
            let present = verdicts.get(&generation).and_then(|verdicts| verdicts.get(ordinal).copied().flatten());
            let place = PagePlace { window: place.window, local: place.local, present };
            places.entry(generation).or_default().insert(ordinal, place);
        }
        Ok(places)
    }

    /// What the page's numbers rest on: BLAKE3 over the rows of subjects, prompts, generations and encoders, and the
    /// similarities by the identity encoder, one JSON array a line, sorted by key. Images count by their content,
    /// not by where they lie.
    fn page_digest(&self, identity: &str) -> Result<String> {
        let mut digest = PageDigest(blake3::Hasher::new());
        let mut references: HashMap<i64, Vec<Option<String>>> = HashMap::new();
        for (subject, file) in self.catalog.reference_files()? {
            references.entry(subject).or_default().push(file.blake3);
        }
        let subjects = self.catalog.subjects()?;
        for s in &subjects {
            digest.row(&("subject", &s.subject_id, &s.label, s.kind, references.get(&s.id)));
        }
        let prompts = self.catalog.prompts()?;
        for p in &prompts {
            let requested: Vec<&str> = p.subjects.iter().map(|s| subjects[*s].subject_id.as_str()).collect();
            digest.row(&("prompt", &p.prompt_id, &p.text, p.scene_type, requested));
        }
        for encoder in self.catalog.encoders()? {
            digest.row(&("encoder", encoder.name.as_str(), &encoder.fingerprint));
        }
        let mut scores: HashMap<i64, Vec<(u32, f64)>> = HashMap::new();
        if let Some((encoder, _)) = self.catalog.image_encoders()?.iter().find(|(_, name)| name == identity) {
            for s in self.catalog.subject_scores(*encoder)? {
                scores.entry(s.generation).or_default().push((s.ordinal, s.similarity));
            }
        }
        let (models, files) = (self.catalog.models()?, self.catalog.generation_files()?);
        for g in self.catalog.generations()? {
            let (model, control) = &models[g.model as usize];
            let file = files.get(&g.id);
            let mut similarities = scores.remove(&g.id).unwrap_or_default();
            similarities.sort_unstable_by_key(|(ordinal, _)| *ordinal);
            let similarities: Vec<f64> = similarities.into_iter().map(|(_, similarity)| similarity).collect();
            let prompt = &prompts[g.prompt as usize].prompt_id;
            digest.row(&(
                "generation",
                model,
                control,
                prompt,
                g.seed,
                file.map(|f| f.status),
                file.map(|f| &f.blake3),
                similarities,
            ));
        }
        Ok(digest.0.finalize().to_hex().to_string())
    }
}

struct ShownRows {
    subjects: Vec<PageSubject>,
    prompts: Vec<PagePrompt>,
    generations: Vec<PageGeneration>,
    pictures: Pictures,
    left_out: usize,
}

struct PageDigest(blake3::Hasher);

impl PageDigest {
    fn row(&mut self, row: &impl Serialize) {
        // Strings, numbers and lists: JSON has them all.
        let line = serde_json::to_vec(row).unwrap_or_default();
        self.0.update(&line).update(b"\n");
    }
}

/// The prompts that a gallery shows, where not all generations have room: whole prompts, so that models can be
/// compared, in an order that neither their ids nor their scores decide. `None`: all.
fn sample(prompts: &[PagePrompt], generations: impl Iterator<Item = usize>) -> Option<HashSet<usize>> {
    let mut counts = vec![0; prompts.len()];
    generations.for_each(|prompt| counts[prompt] += 1);
    if counts.iter().sum::<usize>() <= GALLERY {
        return None;
    }
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|i| *blake3::hash(prompts[*i].id.as_bytes()).as_bytes());
    let mut room = GALLERY;
    order.retain(|i| room.checked_sub(counts[*i]).inspect(|rest| room = *rest).is_some());
    Some(order.into_iter().collect())
}

/// The image files of a page.
struct Pictures {
    door: Door,
    transparency: Transparency,
    all: Vec<Picture>,
}

impl Pictures {
    fn add(&mut self, file: &FileRow) -> usize {
        let content = match (file.status, &file.blake3) {
            (ImageStatus::Ok, Some(hash)) => Ok(hash.clone()),
            (ImageStatus::Pending, _) => Err("not looked at yet: `msdata ingest` was interrupted".to_owned()),
            _ => Err(file.reason.clone().unwrap_or_else(|| file.status.to_string())),
        };
        let (path, transparency, door) = (PathBuf::from(&file.path), self.transparency, self.door.clone());
        self.all.push(Picture { path, name: String::new(), content, transparency, door });
        self.all.len() - 1
    }

    /// Names each file by its path below the directory that holds them all: a page that is passed on does not tell
    /// whose machine it was made on.
    fn name(&mut self) {
        let parents = || self.all.iter().filter_map(|p| p.path.parent());
        let Some(mut common) = parents().next().map(Path::to_path_buf) else { return };
        for parent in parents() {
            while !parent.starts_with(&common) && common.pop() {}
        }
        for picture in &mut self.all {
            picture.name = picture.path.strip_prefix(&common).unwrap_or(&picture.path).display().to_string();
        }
    }
}

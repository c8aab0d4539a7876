//! Gathers what the page shows from the catalog and its reports.

use crate::catalog::{EncoderRow, FileRow, GenerationRow, RowBlock};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::image::{Door, Transparency};
use crate::ops::report::figures::{FigureOptions, HEAT_MAP_ROWS, cscr_curve, subject_labels};
use crate::ops::report::histograms::local_histogram;
use crate::ops::report::local::whole_pixels;
use crate::ops::report::verdict::{VerdictReports, verdict};
use crate::page::{
    BoxState, Figures, PageBox, PageData, PageEncoder, PageGeneration, PageOptions, PageOutput, PagePrompt, PageSubject,
    PageWindows, PageWritten, Picture,
};
use crate::plot::{self, ModelStyles};
use crate::report::{
    ALPHA, Extra, Key, RegionChoice, RegionMeasure, Report, ReportOptions, Seen, SeenSubject, Snapshot, auc_in_kind, confusions,
    seen, thresholds_mean_something,
};
use crate::score::Confidence;
use crate::vocabulary::{Better, ImageStatus};
use crate::watch::Watch;
use crate::windows::Rectangle;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Generations that are read at a time.
const BLOCK: usize = 16_384;

/// Most generations in a gallery: with more, a browser's memory fills up with images that nobody looks at.
const GALLERY: usize = 20_000;

impl Dataset {
    /// Writes the page: tables, figures, and every image.
    ///
    /// # Errors
    /// Same as [`Dataset::report`]; something else is at the place, the disk is full, or the caller wants to stop.
    pub fn write_page(&self, options: &PageOptions, output: &PageOutput, watch: &mut Watch<'_>) -> Result<PageWritten> {
        crate::page::write(&self.page_data(options)?, output, watch)
    }

    fn page_data(&self, options: &PageOptions) -> Result<PageData> {
        let drawn = FigureOptions {
            thresholds: options.thresholds.clone(),
            identity: options.identity.clone(),
            ..FigureOptions::default()
        };
        // Who leads is told by SCR of every image.
        let reading = drawn.reading()?.with_collapse(&drawn.thresholds);
        let snapshot = &self.snapshot(options.identity.as_deref(), &reading)?;
        let styles = ModelStyles::new(&snapshot.models);
        let of_cells = &[Key::Model, Key::SubjectCount, Key::SceneType];
        let meant = thresholds_mean_something(&snapshot.identity, &drawn.thresholds);
        let tables = [
            drawn.whole(&[Key::Model]),
            drawn.cells(&[Key::Model, Key::SubjectCount]),
            drawn.cells(&[Key::Model, Key::SceneType]),
            // The figure of presence alone shows intervals of these.
            if snapshot.local.is_some() { drawn.cells(of_cells) } else { drawn.means(of_cells) },
            drawn.means(&[Key::SubjectId, Key::Model]),
            // Where thresholds mean nothing no curve is drawn.
            if meant { drawn.curve()? } else { drawn.means(&[Key::Model]) },
        ];
        let [by_model, by_count, by_scene, by_cell, by_subject, curve] = self.figure_tables(snapshot, tables)?;
        let marks: &[f64] = if meant { drawn.thresholds.values() } else { &[] };
        let labels: HashMap<String, String> = subject_labels(snapshot).into_iter().collect();
        let label = |id: &str| labels.get(id).cloned().unwrap_or_else(|| id.to_owned());
        let figures = Figures {
            trend: plot::trend(&by_count, &styles, drawn.middle()),
            scene: plot::scene(&by_scene, &styles, drawn.middle()),
            curve: if meant { plot::curve(&curve, &by_model, &styles) } else { None },
            tradeoff: plot::tradeoff(&by_count, &styles),
            radar: plot::radar(&by_model, &styles),
            profile: plot::profile(&by_model, &styles),
            heat_map: plot::heat_map(&by_subject, &styles, label, HEAT_MAP_ROWS),
            histograms: self.histogram(snapshot, marks, &styles)?.into_iter().chain(local_histogram(snapshot, &styles)).collect(),
            metrics: snapshot.metrics.iter().filter_map(|m| plot::metric_trend(&by_count, &styles, m.name.as_str())).collect(),
            ..figures_by_windows(snapshot, &by_count, &by_scene, &by_cell, &styles)
        };
        let reports = VerdictReports { by_model: &by_model, by_cell: &by_cell, by_subject: &by_subject };
        let verdict = verdict(snapshot, &drawn, options.threshold(), &reports, label)?;
        let references = self.catalog.reference_files()?;
        let encoders = self.catalog.encoders()?;
        let digest = self.page_digest(snapshot, &references, &encoders, &by_model.identity)?;
        let mut shown = self.shown(snapshot, &references, &by_model.identity, &styles)?;
        shown.pictures.name();
        let (mut box_sets, mut by_regions) = (vec![WINDOWS.to_owned()], Vec::new());
        for choice in self.sets_on_page(options)? {
            let report = ReportOptions {
                by: vec![Key::Model],
                regions: vec![choice.clone()],
                tau: options.tau,
                identity: options.identity.clone(),
                confidence: Some(Confidence::default()),
                controls: true,
                ..ReportOptions::default()
            };
            by_regions.push(self.report(&report)?);
            let mut boxes = self.boxes_of_regions(&choice, options.tau, box_sets.len(), snapshot)?;
            for generation in shown.generations.iter_mut().filter(|generation| generation.size.is_some()) {
                generation.boxes.extend(boxes.remove(&generation.id).unwrap_or_default());
            }
            box_sets.push(choice.set.to_string());
        }
        Ok(PageData {
            options: options.clone(),
            correlation: plot::tradeoff_correlation(&by_count, &styles),
            digest,
            encoders: encoders
                .into_iter()
                .map(|e| PageEncoder { name: e.name.to_string(), fingerprint: e.fingerprint, dimension: e.dimension })
                .collect(),
            styles,
            subjects: shown.subjects,
            prompts: shown.prompts,
            generations: shown.generations,
            generations_left_out: shown.left_out,
            pictures: shown.pictures.all,
            verdict,
            box_sets,
            by_regions,
            metrics: snapshot.metrics.iter().map(|m| (m.name.to_string(), m.rule.better == Better::Lower)).collect(),
            windows: PageWindows { notes: by_model.notes.clone(), ..shown.windows },
            by_model,
            by_count,
            figures,
        })
    }

    /// Returns the pool, the prompts, the generations and their images.
    fn shown(
        &self,
        snapshot: &Snapshot,
        references: &[(i64, FileRow)],
        identity: &str,
        styles: &ModelStyles,
    ) -> Result<ShownRows> {
        let mut pictures = Pictures { door: self.door.clone(), transparency: self.transparency()?, all: Vec::new() };
        let place: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let mut subjects: Vec<PageSubject> = snapshot
            .subjects
            .iter()
            .map(|s| PageSubject { id: s.subject_id.to_string(), label: s.label.clone(), kind: s.kind, references: Vec::new() })
            .collect();
        for (subject, file) in references {
            subjects[place[subject]].references.push(pictures.add(file));
        }
        let prompts: Vec<PagePrompt> = snapshot
            .prompts
            .iter()
            .map(|p| PagePrompt {
                id: p.prompt_id.to_string(),
                text: p.text.clone(),
                scene_type: p.scene_type,
                subjects: p.subjects.clone(),
            })
            .collect();
        let (mut looked, windows) = self.looked_through(snapshot)?;
        let model_places: HashMap<&str, usize> = styles.all().enumerate().map(|(i, (name, _))| (name, i)).collect();
        let place_of = |model: u32| model_places.get(snapshot.models[model as usize].0.as_str()).copied();
        let known = || snapshot.generations.iter().enumerate().filter(|(_, g)| place_of(g.model).is_some());
        let kept = sample(&prompts, known().map(|(_, g)| g.prompt as usize));
        let is_kept = |(_, g): &(usize, GenerationRow)| kept.as_ref().is_none_or(|kept| kept.contains(&(g.prompt as usize)));
        // Of what is not shown nothing is held besides the snapshot.
        let rows: Vec<(usize, GenerationRow)> = known().filter(is_kept).collect();
        let places: Vec<usize> = rows.iter().map(|(at, _)| *at).collect();
        let similarities = self.similarities_at(snapshot, snapshot.encoder_place(identity), &places)?;
        let mut generations = Vec::with_capacity(rows.len());
        for ((at, row), similarities) in rows.iter().zip(similarities) {
            let (Some(model), Some(file)) = (place_of(row.model), self.catalog.generation_file(row.id)?) else { continue };
            let seen = looked.remove(&row.id).filter(|_| row.size.is_some());
            generations.push(PageGeneration {
                id: row.id,
                model,
                prompt: row.prompt as usize,
                seed: row.seed,
                picture: pictures.add(&file),
                similarities: Some(similarities).filter(|all| !all.is_empty()),
                // By the first encoder with texts.
                clip_t: (0..snapshot.encoders.len()).find_map(|encoder| snapshot.scores.clip_t(encoder, *at)),
                metrics: of_metrics(snapshot, row),
                size: row.size,
                boxes: seen.iter().flat_map(|seen| boxes(seen, &prompts[row.prompt as usize].subjects)).collect(),
                seen,
            });
        }
        let left_out = known().count() - rows.len();
        Ok(ShownRows { subjects, prompts, generations, pictures, windows, left_out })
    }

    /// What the windows of the identity encoder say: of each image, by its generation's row, and of the whole.
    fn looked_through(&self, snapshot: &Snapshot) -> Result<(HashMap<i64, Seen>, PageWindows)> {
        let Some((encoder, _)) = snapshot.encoders.iter().find(|(_, name)| name.as_str() == snapshot.identity) else {
            return Ok((HashMap::new(), PageWindows::default()));
        };
        let instrument = self.catalog.instrument_figures(*encoder)?;
        let Some(local) = &snapshot.local else {
            return Ok((HashMap::new(), PageWindows { instrument, ..PageWindows::default() }));
        };
        let places = self.catalog.subject_places(*encoder)?;
        let found = self.catalog.found_places(*encoder)?;
        let windows = PageWindows {
            pattern: local.pattern,
            confusions: confusions(snapshot, &places),
            in_kind: auc_in_kind(snapshot),
            instrument,
            notes: Vec::new(),
        };
        Ok((seen(snapshot, &places, &found, ALPHA), windows))
    }
}

impl Dataset {
    /// Returns the region sets of the page: those that were asked for, else every set of which an encoder has vectors.
    fn sets_on_page(&self, options: &PageOptions) -> Result<Vec<RegionChoice>> {
        if !options.regions.is_empty() {
            return Ok(options.regions.clone());
        }
        let encoders = self.catalog.encoders()?;
        let mut sets = Vec::new();
        for set in self.catalog.region_sets()? {
            let first = self.catalog.encoders_of_regions(set.id)?.into_iter().next();
            let encoder = encoders.iter().find(|row| Some(row.id) == first).map(|row| row.name.clone());
            let choice = RegionChoice { set: set.name, encoder };
            // A set of which too little is known to choose τ is left to `report --regions`, which says why.
            let is_known = choice.encoder.is_some() && (options.tau.is_some() || self.default_tau(&choice)?.is_some());
            sets.extend(is_known.then_some(choice));
        }
        Ok(sets)
    }

    /// Returns the frames of a region set, by generation row: who has a region of their own, who has none, and whose regions are
    /// nobody's.
    fn boxes_of_regions(
        &self,
        choice: &RegionChoice,
        tau: Option<f64>,
        set: usize,
        snapshot: &Snapshot,
    ) -> Result<HashMap<i64, Vec<PageBox>>> {
        let said = self.region_snapshot(choice, tau, false, snapshot)?;
        let chosen = self.chosen(choice)?;
        // Of each region: the generation, its place, how sure its origin was.
        let mut regions: BTreeMap<(i64, i64), (Rectangle, Option<f64>)> = BTreeMap::new();
        self.catalog.each_region(chosen.set.id, |generation, region, counts| {
            if let (Some(generation), true) = (generation, counts) {
                regions.insert((generation, region.id), (whole_pixels(region.bounds), region.score));
            }
            Ok(())
        })?;
        // Who has it, or whom it resembles most.
        let mut owners: HashMap<i64, (u32, f64)> = HashMap::new();
        let mut nearest: HashMap<i64, (u32, f64)> = HashMap::new();
        self.catalog.each_region_pair(chosen.set.id, chosen.encoder.id, |_, pair| {
            let Some(similarity) = pair.similarity else { return Ok(()) };
            if pair.assigned {
                owners.insert(pair.region, (pair.ordinal, similarity));
            }
            let best = nearest.entry(pair.region).or_insert((pair.ordinal, similarity));
            if similarity > best.1 {
                *best = (pair.ordinal, similarity);
            }
            Ok(())
        })?;
        let prompts: HashMap<i64, &Vec<usize>> =
            snapshot.generations.iter().map(|g| (g.id, &snapshot.prompts[g.prompt as usize].subjects)).collect();
        let mut boxes: HashMap<i64, Vec<PageBox>> = HashMap::new();
        let mut with_region: HashMap<i64, Vec<u32>> = HashMap::new();
        for ((generation, region), (place, score)) in regions {
            let (Some(facts), Some(subjects)) = (said.of.get(&generation), prompts.get(&generation)) else { continue };
            let subject = |ordinal: u32| subjects.get(ordinal as usize).copied();
            let one = match owners.get(&region) {
                Some((ordinal, similarity)) => {
                    with_region.entry(generation).or_default().push(*ordinal);
                    let at = facts.ordinals.iter().position(|known| known == ordinal);
                    let missing = at.and_then(|at| facts.of_subjects[at][RegionMeasure::Collapse as usize]) != Some(0.0);
                    let state = if missing { BoxState::Missing } else { BoxState::Present };
                    PageBox { set, place: Some(place), subject: subject(*ordinal), state, similarity: Some(*similarity), score }
                }
                // One that is like a requested subject is a clone of it; else it is nobody's.
                None => {
                    let like = nearest.get(&region).filter(|(_, similarity)| *similarity >= said.tau);
                    let (subject, similarity) = (like.and_then(|(ordinal, _)| subject(*ordinal)), like.map(|like| like.1));
                    PageBox { set, place: Some(place), subject, state: BoxState::Extra, similarity, score }
                }
            };
            boxes.entry(generation).or_default().push(one);
        }
        for (generation, facts) in &said.of {
            let known = with_region.get(generation).map_or(&[][..], Vec::as_slice);
            let nowhere = facts.ordinals.iter().filter(|ordinal| !known.contains(ordinal));
            let subjects = prompts.get(generation).map_or(&[][..], |subjects| subjects.as_slice());
            boxes.entry(*generation).or_default().extend(nowhere.map(|ordinal| PageBox {
                set,
                place: None,
                subject: subjects.get(*ordinal as usize).copied(),
                state: BoxState::Missing,
                similarity: None,
                score: None,
            }));
        }
        Ok(boxes)
    }
}

/// What each metric says of a generation.
fn of_metrics(snapshot: &Snapshot, generation: &GenerationRow) -> Vec<Option<f64>> {
    let requested = &snapshot.prompts[generation.prompt as usize].subjects;
    snapshot.metrics.iter().map(|metric| metric.of_image(generation.id, requested)).collect()
}

/// The way of looking that the windows are.
const WINDOWS: &str = "windows";

/// The frames of an image that was searched: the place of each subject, then of those who are there unasked.
fn boxes(seen: &Seen, requested: &[usize]) -> Vec<PageBox> {
    let place = |(subject, of): (&usize, &SeenSubject)| {
        let state = match of.present {
            Some(true) => BoxState::Present,
            Some(false) => BoxState::Missing,
            None => BoxState::Unknown,
        };
        of.place?;
        Some(PageBox { set: 0, place: of.place, subject: Some(*subject), state, similarity: None, score: None })
    };
    let extra = |extra: &Extra| PageBox {
        set: 0,
        place: Some(extra.place),
        subject: Some(extra.subject),
        state: BoxState::Extra,
        similarity: Some(extra.local),
        score: None,
    };
    requested.iter().zip(&seen.subjects).filter_map(place).chain(seen.extras.iter().map(extra)).collect()
}

/// The figures that need windows; none of them where no image was searched.
fn figures_by_windows(
    snapshot: &Snapshot,
    by_count: &Report,
    by_scene: &Report,
    by_cell: &Report,
    styles: &ModelStyles,
) -> Figures {
    if snapshot.local.is_none() {
        return Figures::default();
    }
    Figures {
        cscr: plot::cscr(by_count, styles, ALPHA),
        cscr_scene: plot::cscr_scene(by_scene, styles, ALPHA),
        cscr_curve: plot::cscr_curve(&cscr_curve(snapshot), styles, ALPHA),
        presence: plot::presence_by_cell(by_cell, styles),
        ..Figures::default()
    }
}

impl Dataset {
    /// Returns the digest of what the page's numbers rest on: BLAKE3 over the rows of subjects, prompts, generations and
    /// encoders, the similarities by the identity encoder, and the values of metrics where there are some, one JSON array per line,
    /// sorted by key. Images count by their content, not by their paths.
    fn page_digest(
        &self,
        snapshot: &Snapshot,
        files: &[(i64, FileRow)],
        encoders: &[EncoderRow],
        identity: &str,
    ) -> Result<String> {
        let mut digest = PageDigest(blake3::Hasher::new());
        let mut references: HashMap<i64, Vec<Option<&String>>> = HashMap::new();
        for (subject, file) in files {
            references.entry(*subject).or_default().push(file.blake3.as_ref());
        }
        for s in &snapshot.subjects {
            digest.row(&("subject", &s.subject_id, &s.label, s.kind, references.get(&s.id)));
        }
        for p in &snapshot.prompts {
            let requested: Vec<_> = p.subjects.iter().map(|s| &snapshot.subjects[*s].subject_id).collect();
            digest.row(&("prompt", &p.prompt_id, &p.text, p.scene_type, requested));
        }
        for metric in &snapshot.metrics {
            digest.row(&("metric", &metric.name, metric.rule.better, metric.rule.range, metric.of_subjects));
        }
        for encoder in encoders {
            digest.row(&("encoder", encoder.name.as_str(), &encoder.fingerprint));
        }
        let identity = snapshot.encoder_place(identity);
        let all: Vec<usize> = (0..snapshot.generations.len()).collect();
        for places in all.chunks(BLOCK) {
            let rows = RowBlock::of(places.iter().map(|at| snapshot.generations.id(*at)));
            let similarities = self.similarities_at(snapshot, identity, places)?;
            for (place, state) in self.catalog.states_of(&rows)? {
                let (g, similarities) = (snapshot.generations.get(places[place as usize]), &similarities[place as usize]);
                let (model, control) = &snapshot.models[g.model as usize];
                let prompt = &snapshot.prompts[g.prompt as usize].prompt_id;
                let hash = state.blake3.map(|bytes| blake3::Hash::from(bytes).to_string());
                digest.row(&("generation", model, control, prompt, g.seed, state.status, hash, similarities));
                if !snapshot.metrics.is_empty() {
                    digest.row(&("metrics", model, prompt, g.seed, of_metrics(snapshot, &g)));
                }
            }
        }
        Ok(digest.0.finalize().to_hex().to_string())
    }
}

impl Dataset {
    /// Returns the similarities of the subjects of some generations by an encoder; of one that is not scored none.
    fn similarities_at(&self, snapshot: &Snapshot, encoder: Option<usize>, places: &[usize]) -> Result<Vec<Vec<f64>>> {
        let mut all = vec![Vec::new(); places.len()];
        let Some(encoder) = encoder else { return Ok(all) };
        let rows = RowBlock::of(places.iter().map(|at| snapshot.generations.id(*at)));
        for (place, (_, similarity)) in self.catalog.subject_scores_in(&rows, snapshot.encoders[encoder].0)? {
            all[place as usize].push(similarity);
        }
        for (at, of_one) in places.iter().zip(&mut all) {
            let requested = snapshot.prompts[snapshot.generations.prompt(*at) as usize].subjects.len();
            if of_one.len() < requested || snapshot.scores.similarity(encoder, *at).is_none() {
                of_one.clear();
            }
        }
        Ok(all)
    }
}

struct ShownRows {
    subjects: Vec<PageSubject>,
    prompts: Vec<PagePrompt>,
    generations: Vec<PageGeneration>,
    pictures: Pictures,
    windows: PageWindows,
    left_out: usize,
}

struct PageDigest(blake3::Hasher);

impl PageDigest {
    fn row(&mut self, row: &impl Serialize) {
        // Cannot fail: JSON has strings, numbers and lists.
        let line = serde_json::to_vec(row).unwrap_or_default();
        self.0.update(&line).update(b"\n");
    }
}

/// Returns the prompts that a gallery shows if not all generations fit: whole prompts, so that models can be
/// compared, in an order that depends neither on their ids nor on their scores. `None`: all.
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
            (ImageStatus::Pending, _) => Err("not read yet: `msdata ingest` was interrupted".to_owned()),
            _ => Err(file.reason.clone().unwrap_or_else(|| file.status.to_string())),
        };
        let (path, transparency, door) = (PathBuf::from(&file.path), self.transparency, self.door.clone());
        self.all.push(Picture { path, name: String::new(), content, transparency, door });
        self.all.len() - 1
    }

    /// Names each file by its path below the directory that holds them all, so that a page that is passed on does not
    /// reveal the machine it was made on.
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

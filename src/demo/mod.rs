//! Runs the whole tool on drawn images: a cast of characters, a stress test, three simulated generators whose faults are
//! known, and then what a user does with such images. They go through the same code as a user's files.
//!
//! | module | noun |
//! |---|---|
//! | this | [`make`]: a project in a directory, from an empty directory to its page |
//! | `cast` | the characters |
//! | `figure` | a character: its recipe, and how it is drawn |
//! | `shape` | the shapes of recipes |
//! | `scene` | a picture of several characters |
//! | `agreement` | how well the scores agree with what was drawn |
//! | `winners` | which measures see who is best, and which are fooled |
//! | `generator` | what happens to the requested subjects |

mod agreement;
mod cast;
mod figure;
mod generator;
mod scene;
mod shape;
mod winners;

use crate::durable::write_directory;
use crate::encoder::{Home, Runtime};
use crate::error::{Error, Result};
use crate::image::{Rgb, png};
use crate::manifest::{Prompt, json_lines};
use crate::ops::{EmbedOptions, RegionOptions, StressTestOptions, WindowChoice};
use crate::page::{PageOptions, PageOutput};
use crate::report::Report;
use crate::stress_test::Design;
use crate::vocabulary::RegionSetName;
use crate::watch::Watch;
use crate::windows::Pattern;
use crate::{Dataset, IngestOptions, ReportOptions};
pub use agreement::Agreement;
use cast::CAST;
use generator::{Fate, Generator};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
pub use winners::Winner;

/// What to draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoOptions {
    /// Prompts for each subject count and scene type.
    pub per_cell: usize,
    /// Seeds for every prompt.
    pub seeds: Vec<i64>,
}

impl Default for DemoOptions {
    /// The paper's shape: 75 prompts, three seeds.
    fn default() -> DemoOptions {
        DemoOptions { per_cell: 5, seeds: vec![42, 43, 44] }
    }
}

/// The region set of the boxes in which characters were drawn.
pub const DRAWN: &str = "drawn";

/// The sentence below the page's heading.
const NOTE: &str = "Simulated: drawn characters, and three generators that are programs with known faults. Similarity is \
    by builtin-texture, which sees colour and texture and knows nothing of identity.";

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    /// The paper's table, with controls.
    pub report: Report,
    /// How well the similarity of the whole image agrees with what was drawn.
    pub by_image: Option<Agreement>,
    /// How well local similarity does; `None`: the images were not searched.
    pub by_windows: Option<Agreement>,
    /// How well the similarity of each subject and the region that it is paired with does, where regions are the boxes in
    /// which characters were drawn.
    pub by_boxes: Option<Agreement>,
    /// The best generator by every measure.
    pub winners: Vec<Winner>,
    /// The page to look at.
    pub page: PathBuf,
}

/// Makes a project in `dir`, which must be new or empty: `subjects/`, `generated/`, their manifests, a data set with
/// everything embedded by the built-in encoder and scored, and the page in `page/`. What happened to every subject is in
/// each generation's `meta`.
///
/// # Errors
/// `dir` is not empty, there is no ONNX Runtime, the disk is full, or the caller wants to stop.
pub fn make(dir: &Path, options: &DemoOptions, watch: &mut Watch<'_>) -> Result<Demo> {
    Runtime::load(&Home::from_env()?, None)?; // fail before a minute of drawing, not after it
    let subjects = write_directory(dir, draw_cast)?;
    let mut data = Dataset::init(dir)?;
    data.ingest(&IngestOptions { subjects: vec![dir.join(subjects)], ..IngestOptions::default() }, watch)?;
    let shape = Design { per_cell: options.per_cell, ..Design::default() };
    let bench = StressTestOptions {
        shape,
        seeds: options.seeds.clone(),
        out: Some(dir.join("prompts.jsonl")),
        ..StressTestOptions::default()
    };
    let prompts = data.build_stress_test(&bench, watch)?.prompts;
    let [first, all, boxes] = draw_generations(dir, &prompts, options, watch)?;
    // Searching every image takes minutes without optimisation; the images of one seed show as much.
    for (manifest, windows) in [(first, WindowChoice::Pattern(Pattern::Full)), (all, WindowChoice::None)] {
        let embed = Some(EmbedOptions { windows, ..EmbedOptions::default() });
        data.ingest(&IngestOptions { generations: vec![manifest], embed, ..IngestOptions::default() }, watch)?;
    }
    // Where each character was drawn is known, as a perfect detector would know it.
    let drawn = RegionSetName::new(DRAWN).map_err(Error::Damaged)?;
    let regions = RegionOptions { files: vec![boxes], set: Some(drawn.clone()), ..RegionOptions::default() };
    data.ingest(&IngestOptions { regions, ..IngestOptions::default() }, watch)?;
    data.embed(&EmbedOptions { regions: vec![drawn], ..EmbedOptions::default() }, watch)?;
    let report = data.report(&ReportOptions { controls: true, ..ReportOptions::default() })?;
    let winners = winners::winners(&data)?;
    let title = Some("A demonstration".to_owned());
    let command = Some("msdata report --html page".to_owned());
    let page = PageOptions { title, note: Some(note(&winners)), command, ..PageOptions::default() };
    let page = data.write_page(&page, &PageOutput::Directory(dir.join("page")), watch)?.path;
    let [by_image, by_windows, by_boxes] = agreement::agreement(&mut data)?;
    Ok(Demo { report, by_image, by_windows, by_boxes, winners, page })
}

/// Returns the sentences below the page's heading: what the data are, and which measures they fool.
fn note(winners: &[Winner]) -> String {
    let fooled: Vec<String> = winners
        .iter()
        .filter(|winner| winner.is_fooled())
        .map(|Winner { measure, best, values: [value, faithful], .. }| {
            format!("{measure} puts {best} ({value}) before the faithful one ({faithful})")
        })
        .collect();
    match fooled.is_empty() {
        true => NOTE.to_owned(),
        false => format!(
            "{NOTE} Whole-image measures can be fooled, since a subject fills little of its image: {}.",
            fooled.join("; ")
        ),
    }
}

/// Writes a reference of every character and the subjects manifest; returns the manifest's name.
fn draw_cast(dir: &Path) -> Result<&'static str> {
    let lines = (0..CAST.len()).into_par_iter().map(|who| {
        let path = format!("subjects/{}.png", id_of(who));
        save(scene::reference(who), &dir.join(&path))?;
        let (label, kind) = (CAST[who].label, CAST[who].kind);
        Ok(json!({"subject_id": id_of(who), "label": label, "kind": kind, "source": "drawn by msdata demo", "references": [path]}))
    });
    write_manifest(&dir.join("subjects.jsonl"), &lines.collect::<Result<Vec<_>>>()?)?;
    Ok("subjects.jsonl")
}

/// Writes every image of every generator, the manifests of the first seed and of all seeds, and the boxes of the first
/// seed's characters; returns the paths.
fn draw_generations(dir: &Path, prompts: &[Prompt], options: &DemoOptions, watch: &mut Watch<'_>) -> Result<[PathBuf; 3]> {
    let mut lines = Vec::new();
    for (done, prompt) in (1..).zip(prompts) {
        watch.check()?;
        let jobs: Vec<(Generator, i64)> =
            Generator::ALL.iter().flat_map(|generator| options.seeds.iter().map(|seed| (*generator, *seed))).collect();
        let drawn = jobs.into_par_iter().map(|(generator, seed)| draw_generation(dir, prompt, generator, seed));
        lines.extend(drawn.collect::<Result<Vec<_>>>()?);
        watch.report("prompts", done, Some(prompts.len() as u64));
    }
    let manifests = ["generations-first-seed.jsonl", "generations.jsonl", "boxes-first-seed.jsonl"].map(|name| dir.join(name));
    let first: Vec<Value> =
        lines.iter().filter(|line| line["seed"].as_i64() == options.seeds.first().copied()).cloned().collect();
    write_manifest(&manifests[0], &first)?;
    write_manifest(&manifests[1], &lines)?;
    let boxes = |line: &Value| {
        let drawn = line["meta"]["subjects"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let regions: Vec<Value> = drawn.map(|subject| json!({"box": subject["box"], "label": "character"})).collect();
        json!({"model": line["model"], "prompt_id": line["prompt_id"], "seed": line["seed"], "regions": regions})
    };
    write_manifest(&manifests[2], &first.iter().map(boxes).collect::<Vec<_>>())?;
    Ok(manifests)
}

/// Draws one image; returns its line of the manifest. The generators put all characters in the same spots, so that they
/// differ in little but what happened to the subjects.
fn draw_generation(dir: &Path, prompt: &Prompt, generator: Generator, seed: i64) -> Result<Value> {
    let place = prompt.prompt_id.as_str();
    let key = format!("{place}/{seed}");
    let who = prompt.subjects.iter().map(|id| (0..CAST.len()).find(|who| id_of(*who) == id.as_str()));
    let who: Vec<usize> = who.collect::<Option<_>>().ok_or_else(|| Error::Damaged(format!("{place} asks for a stranger")))?;
    // Who stands where is drawn by lot each time.
    let mut spots = scene::spots(who.len(), prompt.scene_type, &key);
    spots.sort_by_key(|spot| roll(&format!("{key}/{}/{}", spot.x, spot.y), u32::MAX));
    let fates = generator.fates(&who, &spots, &key);
    let members: Vec<_> = spots.into_iter().zip(who).zip(fates).map(|((spot, who), fate)| (spot, who, fate)).collect();
    let path = format!("generated/{generator}/{place}/{seed}.png");
    save(scene::scene(&members, place, &format!("{key}/{generator}")), &dir.join(&path))?;
    let truth: Vec<Value> = members
        .iter()
        .map(|(spot, who, fate)| {
            let (id, box_) = (id_of(*who), spot.frame());
            match fate {
                Fate::Kept => json!({"subject_id": id, "fate": "kept", "box": box_}),
                Fate::Bled { from, percent } => {
                    json!({"subject_id": id, "fate": "bled", "from": id_of(*from), "percent": percent, "box": box_})
                }
                Fate::Replaced { by } => json!({"subject_id": id, "fate": "replaced", "by": id_of(*by), "box": box_}),
            }
        })
        .collect();
    let meta = json!({"simulated": true, "subjects": truth});
    Ok(json!({"model": generator, "prompt_id": place, "seed": seed, "path": path, "meta": meta}))
}

/// Returns the label, changed so that it can be an id and a file name.
fn id_of(who: usize) -> String {
    CAST[who].label.replace(' ', "-")
}

/// Returns a number below `below` that looks random and is the same every time, everywhere.
fn roll(key: &str, below: u32) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..4]);
    ((u64::from(u32::from_le_bytes(four)) * u64::from(below)) >> 32) as u32
}

fn save(picture: Option<Rgb>, path: &Path) -> Result<()> {
    let picture = picture.ok_or_else(|| Error::io("draw", path)(std::io::ErrorKind::OutOfMemory.into()))?;
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    png(&picture).and_then(|bytes| fs::write(path, bytes)).map_err(Error::io("write", path))
}

fn write_manifest(path: &Path, lines: &[Value]) -> Result<()> {
    fs::write(path, json_lines(lines)).map_err(Error::io("write", path))
}

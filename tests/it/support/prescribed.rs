//! A data set whose every cosine is prescribed: manifests, tiny images, and vectors built so that their
//! cosines are the numbers wanted.
//!
//! The vectors: reference i is a·c + b·eᵢ (a² + b² = 1) with a common direction c, because generations
//! that resemble all of ten references at once cannot be built over orthogonal ones. A generation is
//! x·c + Σ yᵢ·eᵢ + w·t + z·u, where t is every prompt's direction, u is nobody's, and z makes it a
//! unit vector; its cosine with reference i is a·x + b·yᵢ, and with a prompt w.

#![allow(dead_code)] // each user takes what it needs

use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use msdata::{Dataset, IngestOptions, IngestSummary, Watch};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub const SCENES: [&str; 3] = ["neutral", "occlusion", "interaction"];
pub const COUNTS: [usize; 5] = [2, 4, 6, 8, 10];

/// A prompt: its id, scene type, and the subjects' places in the pool.
#[derive(Clone)]
pub struct Prompt {
    pub id: String,
    pub scene: &'static str,
    pub subjects: Vec<usize>,
}

/// One image: which model, prompt (by place) and seed.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    pub model: &'a str,
    pub prompt: usize,
    pub seed: i64,
}

/// What is to be written.
pub struct Prescribed {
    pub models: Vec<&'static str>,
    pub pool: usize,
    pub prompts: Vec<Prompt>,
    pub seeds: Vec<i64>,
}

/// Where it was written.
pub struct Written {
    pub subjects: PathBuf,
    pub prompts: PathBuf,
    pub generations: PathBuf,
    pub embeddings: Vec<PathBuf>,
}

impl Written {
    pub fn options(&self) -> IngestOptions {
        IngestOptions {
            subjects: vec![self.subjects.clone()],
            prompts: vec![self.prompts.clone()],
            generations: vec![self.generations.clone()],
            embeddings: self.embeddings.clone(),
            ..IngestOptions::default()
        }
    }
}

/// Ingests what was written; a warning is a failure.
pub fn ingest(data: &mut Dataset, files: &Written) -> IngestSummary {
    let (summary, warnings) = ingest_with_warnings(data, &files.options());
    assert_eq!(warnings, Vec::<String>::new());
    summary
}

/// Ingests and gives the warnings.
pub fn ingest_with_warnings(data: &mut Dataset, options: &IngestOptions) -> (IngestSummary, Vec<String>) {
    let mut warnings = Vec::new();
    let summary = data.ingest(options, &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned()))).unwrap();
    (summary, warnings)
}

impl Prescribed {
    /// The paper's shape: 75 prompts = 5 subject counts × 3 scene types × 5, three models, three seeds, a
    /// pool of 30.
    pub fn paper() -> Prescribed {
        let mut prompts = Vec::new();
        for count in COUNTS {
            for scene in SCENES {
                for k in 0..5 {
                    let n = prompts.len();
                    let subjects = (0..count).map(|i| (n * 7 + i * 3 + k) % 30).collect();
                    prompts.push(Prompt { id: format!("{:02}_{scene}", n + 1), scene, subjects });
                }
            }
        }
        Prescribed { models: vec!["MOSAIC", "XVerse", "PSR"], pool: 30, prompts, seeds: vec![42, 43, 44] }
    }

    pub fn subject_id(i: usize) -> String {
        format!("S{:04}", i + 1)
    }

    /// Every image, model by model, prompt by prompt, seed by seed.
    pub fn images(&self) -> impl Iterator<Item = Image<'_>> + '_ {
        let of_model = move |model: &'static str| {
            (0..self.prompts.len())
                .flat_map(move |prompt| self.seeds.iter().map(move |seed| Image { model, prompt, seed: *seed }))
        };
        self.models.iter().flat_map(move |model| of_model(model))
    }

    /// Writes manifests and images into `dir`; no vectors yet.
    pub fn write(&self, dir: &Path) -> Written {
        fs::create_dir_all(dir.join("references")).unwrap();
        let mut subjects = String::new();
        for i in 0..self.pool {
            let (id, kind) = (Self::subject_id(i), ["human", "animal", "object"][i % 3]);
            tiny_image(&dir.join(format!("references/{id}.png")), i as u32);
            writeln!(
                subjects,
                r#"{{"subject_id": "{id}", "label": "thing {i}", "kind": "{kind}", "references": ["references/{id}.png"]}}"#
            )
            .unwrap();
        }
        let mut prompts = String::new();
        for p in &self.prompts {
            let ids: Vec<String> = p.subjects.iter().map(|s| format!("\"{}\"", Self::subject_id(*s))).collect();
            writeln!(
                prompts,
                r#"{{"prompt_id": "{}", "text": "A scene of {} things.", "scene_type": "{}", "subjects": [{}]}}"#,
                p.id,
                ids.len(),
                p.scene,
                ids.join(", ")
            )
            .unwrap();
        }
        let mut generations = String::new();
        for (n, image) in self.images().enumerate() {
            let prompt = &self.prompts[image.prompt].id;
            let path = format!("images/{}/{prompt}/{}.png", image.model, image.seed);
            fs::create_dir_all(dir.join(&path).parent().unwrap()).unwrap();
            tiny_image(&dir.join(&path), 1_000_000 + n as u32);
            let Image { model, seed, .. } = image;
            writeln!(generations, r#"{{"model": "{model}", "prompt_id": "{prompt}", "seed": {seed}, "path": "{path}"}}"#)
                .unwrap();
        }
        let file = |name: &str, text: String| {
            let path = dir.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Written {
            subjects: file("subjects.jsonl", subjects),
            prompts: file("prompts.jsonl", prompts),
            generations: file("generations.jsonl", generations),
            embeddings: Vec::new(),
        }
    }

    /// Writes one encoder's vectors: the cosine of an image with each subject of its prompt, in order, is
    /// `similarities`; with `clip_t` also one vector a prompt.
    pub fn write_vectors(
        &self,
        path: &Path,
        encoder: &str,
        similarities: impl Fn(Image<'_>) -> Vec<f64>,
        clip_t: Option<&dyn Fn(Image<'_>) -> f64>,
    ) {
        let dimension = self.pool + 3;
        let (common, text, nobody) = (self.pool, self.pool + 1, self.pool + 2);
        let mut out = ExportWriter::create(path, encoder, "imported", "imported", dimension).unwrap();
        let vector = |entries: &[(usize, f64)]| {
            let mut v = vec![0.0_f32; dimension];
            entries.iter().for_each(|(i, x)| v[*i] = *x as f32);
            v
        };
        let wanted: Vec<(Image<'_>, Vec<f64>, f64)> =
            self.images().map(|i| (i, similarities(i), clip_t.map_or(0.0, |f| f(i)))).collect();
        // How much the references have in common is free: the first value for which every image can be built.
        let mixtures = (0..20).map(|k| f64::from(k) * 0.05).map(|a| (a, (1.0 - a * a).sqrt()));
        let (a, b) = mixtures
            .into_iter()
            .find(|mixture| wanted.iter().all(|(_, cosines, w)| Coordinates::of(cosines, *w, *mixture).is_some()))
            .expect("no unit vectors have these cosines");
        for i in 0..self.pool {
            let key = VectorKey::Reference(Self::subject_id(i).parse().unwrap(), 0);
            out.push(key, &vector(&[(common, a), (i, b)])).unwrap();
        }
        for (image, cosines, w) in &wanted {
            let prompt = &self.prompts[image.prompt];
            assert_eq!(cosines.len(), prompt.subjects.len());
            let Coordinates { x, y, z } = Coordinates::of(cosines, *w, (a, b)).unwrap();
            let mut entries = vec![(common, x), (text, *w), (nobody, z)];
            entries.extend(prompt.subjects.iter().copied().zip(y));
            let key = VectorKey::Generation(image.model.parse().unwrap(), prompt.id.parse().unwrap(), image.seed);
            out.push(key, &vector(&entries)).unwrap();
        }
        if clip_t.is_some() {
            for p in &self.prompts {
                out.push(VectorKey::Prompt(p.id.parse().unwrap()), &vector(&[(text, 1.0)])).unwrap();
            }
        }
        out.finish().unwrap();
    }
}

/// A generation's share of each direction.
struct Coordinates {
    x: f64,
    y: Vec<f64>,
    z: f64,
}

impl Coordinates {
    /// With the x for which x² + Σ yᵢ² is least, which leaves the most room; `None` if that is too little.
    fn of(cosines: &[f64], w: f64, (a, b): (f64, f64)) -> Option<Coordinates> {
        let x = a / (b * b) * cosines.iter().sum::<f64>() / (1.0 + cosines.len() as f64 * a * a / (b * b));
        let y: Vec<f64> = cosines.iter().map(|cosine| (cosine - a * x) / b).collect();
        let rest = 1.0 - x * x - w * w - y.iter().map(|y| y * y).sum::<f64>();
        (rest >= 0.0).then(|| Coordinates { x, y, z: rest.sqrt() })
    }
}

/// A PNG of 2 × 2 pixels whose bytes no other number gives.
pub fn tiny_image(path: &Path, number: u32) {
    let [a, b, c, d] = number.to_le_bytes();
    image::RgbImage::from_raw(2, 2, vec![a, b, c, d, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap().save(path).unwrap();
}

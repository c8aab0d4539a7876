//! A data set whose every cosine is prescribed: manifests, tiny images, and vectors built so that their
//! cosines are the numbers wanted. Used by the tests and by the demonstration.
//!
//! The vectors: reference i is 0.8·c + 0.6·eᵢ with a common direction c, because generations that
//! resemble all of ten references at once cannot be built over orthogonal ones. A generation is
//! x·c + Σ yᵢ·eᵢ + w·t + z·u, where t is every prompt's direction, u is nobody's, and z makes it a
//! unit vector; its cosine with reference i is 0.8·x + 0.6·yᵢ, and with a prompt w.

#![allow(dead_code)] // each user takes what it needs

use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
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
        for i in 0..self.pool {
            let key = VectorKey::Reference(Self::subject_id(i).parse().unwrap(), 0);
            out.push(key, &vector(&[(common, 0.8), (i, 0.6)])).unwrap();
        }
        for image in self.images() {
            let prompt = &self.prompts[image.prompt];
            let wanted = similarities(image);
            assert_eq!(wanted.len(), prompt.subjects.len());
            let w = clip_t.map_or(0.0, |f| f(image));
            // The x for which x² + Σ yᵢ² is least, which leaves the most room for unequal cosines.
            let x = (0.8 / 0.36) * wanted.iter().sum::<f64>() / (1.0 + wanted.len() as f64 * 0.64 / 0.36);
            let mut entries = vec![(common, x), (text, w)];
            entries.extend(prompt.subjects.iter().zip(&wanted).map(|(s, cosine)| (*s, (cosine - 0.8 * x) / 0.6)));
            let squared: f64 = entries.iter().map(|(_, e)| e * e).sum();
            assert!(squared <= 1.0, "no unit vector has these cosines: {wanted:?}");
            entries.push((nobody, (1.0 - squared).sqrt()));
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

/// A PNG of 2 × 2 pixels whose bytes no other number gives.
pub fn tiny_image(path: &Path, number: u32) {
    let [a, b, c, d] = number.to_le_bytes();
    image::RgbImage::from_raw(2, 2, vec![a, b, c, d, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap().save(path).unwrap();
}

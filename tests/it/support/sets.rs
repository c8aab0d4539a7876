//! Small data sets whose page is looked at: drawn images, and vectors with the cosines that are wanted.

use image::{Rgb, RgbImage};
use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use msdata::{Dataset, IngestOptions, Watch};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// What is to be drawn.
pub struct Set {
    /// Id, label, kind, file name of the reference.
    pub subjects: Vec<[String; 4]>,
    /// Id, text, scene type, subjects.
    pub prompts: Vec<(String, String, &'static str, Vec<usize>)>,
    pub models: Vec<String>,
    pub seeds: Vec<i64>,
    /// The cosine of an image of a model with the k-th subject of its prompt.
    pub similarity: fn(model: usize, k: usize) -> f64,
    /// Of an image's file, without extension: model, prompt, seed.
    pub file_name: fn(usize, usize, i64) -> String,
    /// Images that are not there, and have no vector: model, prompt, seed.
    pub missing: Vec<(usize, usize, i64)>,
}

impl Set {
    /// Two models, six prompts of two and four subjects, three seeds; one image is not there.
    pub fn plain() -> Set {
        let subjects = (0..8).map(|i| {
            let kind = ["human", "animal", "object"][i % 3];
            [format!("s{i}"), format!("figure {i}"), kind.to_owned(), format!("s{i}.png")]
        });
        let cells = [2, 4].into_iter().flat_map(|n| ["neutral", "occlusion", "interaction"].map(|scene| (n, scene)));
        let prompts = (1..).zip(cells).map(|(p, (n, scene))| {
            (format!("p{p}"), format!("{n} figures, {scene}."), scene, (0..n).map(|k| (p + k) % 8).collect())
        });
        Set {
            subjects: subjects.collect(),
            prompts: prompts.collect(),
            models: vec!["alpha".into(), "beta & co".into()],
            seeds: vec![1, 2, 3],
            similarity: |model, k| if model == 1 { 0.45 } else { [0.305, 0.6][k % 2] },
            file_name: |model, prompt, seed| format!("{model}-{prompt}-{seed}"),
            missing: vec![(0, 0, 2)],
        }
    }

    /// Everything that a page could take for markup, script, an address or a change of direction.
    pub fn hostile() -> Set {
        let subject =
            |i: usize, id: &str, label: &str| [id.to_owned(), label.to_owned(), "object".to_owned(), format!("{i}#?%22.png")];
        let subjects = vec![
            subject(0, "<script>window.__pwned=1</script>", "</script><script>window.__pwned=2</script>"),
            subject(1, "\"onerror=\"window.__pwned=3", "<img src=x onerror=window.__pwned=4>"),
            subject(2, "javascript:window.__pwned=5", "\u{202e}esrever\u{202c} \u{7}bell"),
            subject(3, "__proto__", "'; window.__pwned=6; '&lt;"),
        ];
        let text = "<!--<script>window.__pwned=7</script>--> ]]> </title></style></script><svg onload=window.__pwned=8> \u{2028}{{7*7}} ${7*7}";
        let prompts = vec![
            ("\"><img src=x onerror=alert(1)>".to_owned(), text.to_owned(), "neutral", vec![0, 1, 2, 3]),
            ("constructor".to_owned(), "שלום <b>bold</b> &amp; \u{200f}mark".to_owned(), "occlusion", vec![3, 2]),
        ];
        Set {
            subjects,
            prompts,
            models: vec!["<script>alert('model')</script>".into(), "__proto__".into(), "model\" onclick=\"alert(1)".into()],
            seeds: vec![i64::MAX, -1],
            similarity: |model, k| [0.3, 0.45, 0.5][model] - 0.01 * k as f64,
            file_name: |model, prompt, seed| format!("{model} {prompt} {seed}#frag?query=%2e%2e&\"<script>"),
            missing: vec![(1, 0, -1)],
        }
    }

    /// Writes and ingests it into `dir`/data.
    pub fn ingest(&self, dir: &Path) -> Dataset {
        fs::create_dir_all(dir.join("images")).unwrap();
        let nobody = self.subjects.len();
        let vectors = dir.join("vectors.parquet");
        let mut out = ExportWriter::create(&vectors, "dinov2-small", "imported", "imported", nobody + 1).unwrap();
        let mut lines = [String::new(), String::new(), String::new()];
        let mut line = |file: usize, row: serde_json::Value| lines[file] += &format!("{row}\n");
        for (i, [id, label, kind, file]) in self.subjects.iter().enumerate() {
            draw(&dir.join("images").join(file), &[i], 300);
            line(0, json!({"subject_id": id, "label": label, "kind": kind, "references": [format!("images/{file}")]}));
            let mut vector = vec![0.0; nobody + 1];
            vector[i] = 1.0;
            out.push(VectorKey::Reference(id.parse().unwrap(), 0), &vector).unwrap();
        }
        for (p, (id, text, scene, subjects)) in self.prompts.iter().enumerate() {
            let ids: Vec<&String> = subjects.iter().map(|s| &self.subjects[*s][0]).collect();
            line(1, json!({"prompt_id": id, "text": text, "scene_type": scene, "subjects": ids}));
            for (m, model) in self.models.iter().enumerate() {
                for seed in &self.seeds {
                    let file = format!("images/{}.png", (self.file_name)(m, p, *seed));
                    line(2, json!({"model": model, "prompt_id": id, "seed": seed, "path": file}));
                    if self.missing.contains(&(m, p, *seed)) {
                        continue;
                    }
                    draw(&dir.join(&file), subjects, 320 + m as u32);
                    let mut vector = vec![0.0_f32; nobody + 1];
                    let wanted: Vec<f64> = (0..subjects.len()).map(|k| (self.similarity)(m, k)).collect();
                    subjects.iter().zip(&wanted).for_each(|(s, similarity)| vector[*s] = *similarity as f32);
                    vector[nobody] = (1.0 - wanted.iter().map(|s| s * s).sum::<f64>()).sqrt() as f32;
                    out.push(VectorKey::Generation(model.parse().unwrap(), id.parse().unwrap(), *seed), &vector).unwrap();
                }
            }
        }
        out.finish().unwrap();
        let file = |name: &str, text: &str| -> Vec<PathBuf> {
            fs::write(dir.join(name), text).unwrap();
            vec![dir.join(name)]
        };
        let options = IngestOptions {
            subjects: file("subjects.jsonl", &lines[0]),
            prompts: file("prompts.jsonl", &lines[1]),
            generations: file("generations.jsonl", &lines[2]),
            embeddings: vec![vectors],
            ..IngestOptions::default()
        };
        let mut data = Dataset::init(&dir.join("data")).unwrap();
        data.ingest(&options, &mut Watch::silent()).unwrap();
        data
    }
}

/// Stripes, a colour a figure; noisy, so that a JPEG of it has some size.
fn draw(path: &Path, figures: &[usize], side: u32) {
    RgbImage::from_fn(side, side, |x, y| {
        let figure = figures[(x as usize * figures.len()) / side as usize] as u32;
        let noise = (x * 31 + y * 17 + x * y) % 40;
        Rgb([(figure * 53 % 200 + noise) as u8, (figure * 97 % 200 + noise) as u8, (y * 200 / side + noise) as u8])
    })
    .save(path)
    .unwrap();
}

//! Images to vectors, from the command line: what is embedded, what is not done twice, what happens to
//! files that cannot be used, to a killed run, to a changed model. With the built-in encoder.

use crate::support::lab::{Lab, contents, err, shared};
use crate::support::pictures::picture;
use msdata::encoder::Home;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

impl Lab {
    /// With the input of a data set: two subjects, two prompts, `images` generations a prompt.
    pub fn with_images(images: u32) -> Lab {
        let lab = Lab::empty();
        let (mut subjects, mut prompts, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        fs::create_dir(lab.path("input")).unwrap();
        for s in 0..2 {
            picture(s, 96, 64).save(lab.path(&format!("input/r{s}.png"))).unwrap();
            subjects.push(json!({"subject_id": format!("s{s}"), "label": "thing", "references": [format!("r{s}.png")]}));
        }
        for p in 0..2 {
            prompts.push(
                json!({"prompt_id": format!("p{p}"), "text": "Two things.", "scene_type": "neutral", "subjects": ["s0", "s1"]}),
            );
            for seed in 0..images {
                let path = format!("g{p}_{seed}.png");
                picture(100 + p * images + seed, 96, 64).save(lab.path("input").join(&path)).unwrap();
                generations.push(json!({"model": "M", "prompt_id": format!("p{p}"), "seed": seed, "path": path}));
            }
        }
        lab.manifests("input", &subjects, &prompts, &generations);
        lab
    }

    /// Every exported file with its bytes.
    fn exported(&self, data: &str) -> BTreeMap<String, Vec<u8>> {
        let tables = format!("{data}-tables");
        self.ok(&["-d", data, "export", &tables]);
        contents(&self.path(&tables))
    }
}

#[test]
fn a_first_run_needs_no_encoder_and_a_second_does_nothing() {
    let lab = Lab::with_images(3);
    let first = lab.ingest("data", &[]);
    assert_eq!(first.status.code(), Some(0), "{}", err(&first));
    assert!(err(&first).contains("builtin-texture: 8 images") && err(&first).contains("scores: 6 new"), "{}", err(&first));
    let report = lab.run(&["-d", "data", "report"]);
    assert!(err(&report).contains("warning: the thresholds were chosen for DINOv2"), "{}", err(&report));
    // A reference with itself would be 1; a generation is near neither.
    assert_eq!(lab.sql("SELECT min(similarity) > -1 AND max(similarity) < 1, count(*) FROM subject_scores"), ["1,12"]);
    let before = fs::read(lab.path("data/catalog.sqlite")).unwrap();
    let second = lab.ingest("data", &[]);
    assert!(!err(&second).contains("embedded with"), "{}", err(&second));
    assert_eq!(fs::read(lab.path("data/catalog.sqlite")).unwrap(), before);
    assert!(err(&lab.run(&["-d", "data", "embed"])).contains("nothing left to embed"));
    assert_eq!(lab.run(&["-d", "data", "verify", "--deep"]).status.code(), Some(0));
}

#[test]
fn the_same_content_is_embedded_once() {
    let lab = Lab::with_images(3);
    fs::copy(lab.path("input/g0_0.png"), lab.path("input/g1_2.png")).unwrap();
    let run = lab.ingest("data", &[]);
    assert!(err(&run).contains("7 images, 1 more with the same content"), "{}", err(&run));
    assert!(err(&run).contains("warning: generations with the same bytes"), "{}", err(&run));
    let query =
        "SELECT count(*), count(DISTINCT similarity) FROM image_scores WHERE (prompt_id, seed) IN (VALUES ('p0', 0), ('p1', 2))";
    assert_eq!(lab.sql(query), ["2,1"]);
}

#[test]
fn images_that_cannot_be_used_are_kept_with_their_reason_and_tried_again() {
    let lab = Lab::with_images(3);
    let cut = lab.path("input/g0_1.png");
    let whole = fs::read(&cut).unwrap();
    let mut spoiled = whole.clone();
    spoiled[whole.len() / 2] ^= 1;
    fs::write(&cut, spoiled).unwrap();
    fs::write(lab.path("input/g1_1.png"), "no image at all").unwrap();
    fs::remove_file(lab.path("input/g1_0.png")).unwrap();
    let run = lab.ingest("data", &[]);
    assert_eq!(run.status.code(), Some(3), "{}", err(&run));
    assert!(err(&run).contains("5 images, 1 failed"), "the head of the spoiled image is whole: {}", err(&run));
    let reasons = lab.sql("SELECT prompt_id, seed, status, reason FROM generations WHERE status <> 'ok' ORDER BY 1, 2");
    let reasons = reasons.join("\n");
    assert!(reasons.contains("p0,1,unreadable,\"a broken PNG file"), "{reasons}");
    assert!(reasons.contains("p1,0,missing,no such file") && reasons.contains("p1,1,unreadable,\"not an image"), "{reasons}");
    let report = lab.run(&["-d", "data", "report", "--by", "model", "--format", "jsonl"]);
    assert!(String::from_utf8_lossy(&report.stdout).contains(r#""images":3,"subjects":6,"missing":3"#));
    // A file that is mended is read again by itself.
    fs::write(&cut, &whole).unwrap();
    assert!(err(&lab.ingest("data", &[])).contains("builtin-texture: 1 images"));
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores"), ["4"]);
    // What has not changed is tried again when asked.
    let again = lab.run(&["-d", "data", "embed", "--retry-failed"]);
    assert_eq!(again.status.code(), Some(3), "{}", err(&again));
    assert_eq!(lab.sql("SELECT count(*) FROM generations WHERE status = 'unreadable'"), ["1"]);
}

#[test]
fn a_changed_image_is_embedded_again() {
    let lab = Lab::with_images(2);
    lab.ingest("data", &[]);
    let before = lab.sql("SELECT similarity FROM image_scores WHERE prompt_id = 'p0' AND seed = 1");
    picture(999, 96, 64).save(lab.path("input/g0_1.png")).unwrap();
    let run = lab.ingest("data", &[]);
    assert!(err(&run).contains("builtin-texture: 1 images") && err(&run).contains("scores: 1 new"), "{}", err(&run));
    assert_ne!(lab.sql("SELECT similarity FROM image_scores WHERE prompt_id = 'p0' AND seed = 1"), before);
}

#[test]
fn a_killed_run_goes_on_and_gives_the_same_bytes() {
    let lab = Lab::with_images(40);
    let whole = lab.ingest("whole", &[]);
    assert_eq!(whole.status.code(), Some(0), "{}", err(&whole));
    lab.ok(&["init", "killed"]);
    let mut kills = 0;
    for delay in [60, 90, 120, 180, 250, 350, 500, 800] {
        let manifests = [
            "--subjects",
            "input/subjects.jsonl",
            "--prompts",
            "input/prompts.jsonl",
            "--generations",
            "input/generations.jsonl",
        ];
        let mut child = lab.command(&[&["-d", "killed", "ingest"], &manifests[..]].concat()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap(); // SIGKILL: nothing is tidied up
        child.wait().unwrap();
        assert_eq!(lab.run(&["-d", "killed", "verify"]).status.code(), Some(0), "after {delay} ms");
    }
    assert!(kills > 0, "every run ended before it was killed");
    let last = lab.ingest("killed", &["--threads", "1"]);
    assert_eq!(last.status.code(), Some(0), "{}", err(&last));
    for ((name, killed), (_, whole)) in lab.exported("killed").iter().zip(&lab.exported("whole")) {
        assert!(killed == whole, "{} has other bytes than after an undisturbed run", name);
    }
}

/// A copy of the built-in encoder, under a name of its own.
pub fn own_encoder(lab: &Lab, settings: &str) -> PathBuf {
    let own = lab.path("own");
    fs::create_dir_all(&own).unwrap();
    for file in ["model.onnx", "preprocessor_config.json"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("dataset/builtin-texture").join(file), own.join(file)).unwrap();
    }
    fs::write(own.join("msdata.toml"), settings).unwrap();
    own
}

#[test]
fn a_changed_model_never_mixes_with_the_old_one() {
    let lab = Lab::with_images(2);
    own_encoder(&lab, "name = \"mine\"\n");
    let first = lab.ingest("data", &["--encoder", "own"]);
    assert!(err(&first).contains("mine: 6 images"), "{}", err(&first));
    own_encoder(&lab, "name = \"mine\"\ncrop_offset = \"half_even\"\n");
    // The data set knows where its encoder is; ingest refuses to mix, embed does everything anew.
    let refused = lab.ingest("data", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("encoder `mine` is not the one that made the vectors"), "{}", err(&refused));
    let embed = lab.told(&["-d", "data", "embed"]);
    assert!(embed.contains("warning: encoder mine has changed") && embed.contains("mine: 6 images"), "{embed}");
    assert!(embed.contains("scores: 4 new"), "no score of the old model is left: {embed}");
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores"), ["4"]);
}

#[test]
fn what_is_not_there_is_said_before_anything_is_written() {
    let lab = Lab::with_images(1);
    let mut cases = vec![
        (
            vec!["--encoder", "dinov2-small"],
            "error: encoder `dinov2-small` is not on this machine",
            "msdata encoders pull dinov2-small",
        ),
        (vec!["--encoder", "nowhere/at/all"], "error: `nowhere/at/all` is neither an encoder", "msdata encoders list"),
        (vec!["--onnxruntime", "input"], "error: input: no library of ONNX Runtime there", "make setup"),
    ];
    if !msdata::encoder::Runtime::load(&Home::from_env().unwrap(), None).unwrap().offers_cuda() {
        cases.push((vec!["--device", "cuda"], "error: no cuda: ", "--device cpu"));
    }
    for (arguments, error, hint) in cases {
        let run = lab.ingest("data", &arguments);
        assert_eq!(run.status.code(), Some(1), "{arguments:?}");
        assert!(err(&run).starts_with(error) && err(&run).contains("\nhint: ") && err(&run).contains(hint), "{}", err(&run));
    }
    assert_eq!(lab.sql("SELECT count(*) FROM subjects"), ["0"]);
    assert_eq!(lab.run(&["-d", "data", "embed", "--device", "gpu"]).status.code(), Some(2));
    assert_eq!(lab.run(&["-d", "data", "embed", "--batch", "3"]).status.code(), Some(2));
}

#[test]
fn encoders_are_added_listed_and_found() {
    let lab = Lab::with_images(1);
    own_encoder(&lab, "name = \"mine\"\n");
    lab.ok(&["encoders", "add", "own"]);
    let list = lab.run(&["encoders", "list", "--format", "csv"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(
        list.contains("builtin-texture,built in,\n") && list.contains("mine,added,") && list.contains("dinov2-small,"),
        "{list}"
    );
    let path = lab.run(&["encoders", "path", "mine"]);
    let expected = lab.path("own").canonicalize().unwrap();
    assert_eq!(String::from_utf8_lossy(&path.stdout).trim_end(), expected.display().to_string());
    assert!(err(&lab.ingest("data", &["--encoder", "mine"])).contains("mine: 4 images"));
}

#[test]
fn progress_for_job_logs_is_a_line_of_json() {
    let lab = Lab::with_images(4);
    let run = lab.ingest("data", &["--progress", "json"]);
    let text = err(&run);
    let lines: Vec<serde_json::Value> =
        text.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect();
    let last = lines.iter().rfind(|l| l["stage"] == "embedding").unwrap();
    assert_eq!((last["done"].as_u64(), last["total"].as_u64()), (Some(10), Some(10)), "{text}");
}

/// The parity fixtures' CLIP: a text network with a real tokenizer.
#[test]
fn prompts_are_embedded_and_cut_ones_are_flagged() {
    let Some(clip) = shared("parity/encoders/clip_tiny") else { return };
    let lab = Lab::with_images(2);
    let long = "a red ball beside a blue cup, ".repeat(20);
    let prompts = fs::read_to_string(lab.path("input/prompts.jsonl")).unwrap().replacen("Two things.", &long, 1);
    fs::write(lab.path("input/prompts.jsonl"), prompts).unwrap();
    let run = lab.ingest("data", &["--encoder", clip.to_str().unwrap()]);
    assert!(err(&run).contains("clip_tiny: 6 images, 2 prompts"), "{}", err(&run));
    assert!(err(&run).contains("warning: encoder clip_tiny: 1 prompts are longer than it takes"), "{}", err(&run));
    assert_eq!(lab.sql("SELECT prompt_id, truncated FROM embeddings WHERE kind = 'prompt' ORDER BY 1"), ["p0,1", "p1,0"]);
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores WHERE clip_t BETWEEN -1 AND 1"), ["4"]);
    let report = lab.run(&["-d", "data", "report", "--format", "json"]);
    assert!(err(&report).contains("warning: 1 prompts are longer than clip_tiny takes"), "{}", err(&report));
    let json: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert!(json["rows"][0]["clip_t"]["clip_tiny"].is_f64(), "{json}");
    let by_cut = lab.run(&["-d", "data", "report", "--by", "cut", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&by_cut.stdout).unwrap();
    assert_eq!((&json["rows"][0]["cut"], &json["rows"][1]["cut"]), (&"whole".into(), &"cut".into()), "{json}");
}

#[test]
fn imported_vectors_need_no_encoder_beside_them() {
    let lab = Lab::with_images(1);
    lab.ingest("data", &[]);
    lab.exported("data");
    let vectors = "data-tables/embeddings/builtin-texture/part-0001.parquet";
    let run = lab.ingest("imported", &["--embeddings", vectors]);
    assert!(!err(&run).contains("embedded with") && err(&run).contains("scores: 2 new"), "{}", err(&run));
    // An export carries its encoder's fingerprint: what is new can be embedded by the same encoder.
    picture(999, 96, 64).save(lab.path("input/g0_0.png")).unwrap();
    let run = lab.ingest("imported", &["--encoder", "builtin-texture"]);
    assert!(err(&run).contains("builtin-texture: 1 images") && err(&run).contains("scores: 1 new"), "{}", err(&run));
}

//! The hostile corpus, where it is at hand: manifests, embeddings and images that are wrong in every way.

use crate::support::lab::{cells, shared};
use crate::support::prescribed;
use msdata::{Dataset, Watch};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The hostile corpus, unpacked; and what is expected of each case.
fn corpus() -> Option<(tempfile::TempDir, PathBuf, serde_json::Value)> {
    let archive = shared("hostile/corpus.tar.zst")?;
    let dir = tempfile::tempdir().unwrap();
    let tar = dir.path().join("corpus.tar");
    zstd::stream::copy_decode(std::fs::File::open(archive).unwrap(), std::fs::File::create(&tar).unwrap()).unwrap();
    assert!(Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(dir.path()).status().unwrap().success());
    let corpus = dir.path().join("corpus");
    let expected = serde_json::from_slice(&std::fs::read(corpus.join("expected.json")).unwrap()).unwrap();
    Some((dir, corpus, expected))
}

/// Runs `msdata ingest`; the outcome class of the corpus, what was said, and what is left in the catalog.
fn drive(data: &Path, arguments: impl FnOnce(&mut Command)) -> (&'static str, String) {
    Dataset::init(data).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
    command.arg("-d").arg(data).arg("ingest");
    arguments(&mut command);
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let outcome = match output.status.code() {
        Some(0) if said.contains("warning:") => "ok_with_warning",
        Some(0) => "ok",
        Some(1 | 3) => "reject_with_error",
        _ => "a crash",
    };
    let sound = Dataset::open_to_read(data).unwrap().verify(true, &mut Watch::silent()).unwrap();
    assert!(sound.faults.is_empty(), "{said}\n{sound:?}");
    (outcome, said)
}

fn is_honest(case: &serde_json::Value, outcome: &str) -> bool {
    case["outcome"] == outcome || case["also_acceptable"].as_array().unwrap().iter().any(|a| a == outcome)
}

#[test]
fn hostile_manifests_and_embeddings() {
    let Some((dir, corpus, expected)) = corpus() else { return };
    let good: Vec<(&str, String)> =
        ["subjects", "prompts", "generations"].map(|kind| (kind, format!("manifests/good_{kind}.jsonl"))).to_vec();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for case in expected["manifests"].as_array().unwrap().iter().chain(expected["embeddings"].as_array().unwrap()) {
        let mut files = good.clone();
        match case["load_with"].as_object() {
            Some(load) => files.iter_mut().for_each(|(kind, file)| *file = load[*kind].as_str().unwrap().to_owned()),
            None => files.push(("embeddings", case["path"].as_str().unwrap().to_owned())),
        }
        let data = dir.path().join(format!("data-{cases}"));
        let (outcome, said) = drive(&data, |command| {
            command.arg("--no-embed");
            for (kind, file) in &files {
                command.arg(format!("--{kind}")).arg(corpus.join(file));
            }
        });
        if !is_honest(case, outcome) {
            wrong.push(format!("{}: {outcome}\n{said}", case["id"]));
        }
        cases += 1;
        std::fs::remove_dir_all(data).unwrap();
    }
    assert!(cases > 150, "{cases} cases");
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn hostile_images() {
    let Some((dir, corpus, expected)) = corpus() else { return };
    let input = dir.path().join("input");
    std::fs::create_dir(&input).unwrap();
    prescribed::tiny_image(&input.join("reference.png"), 1);
    std::fs::write(input.join("s.jsonl"), r#"{"subject_id": "s", "label": "thing", "references": ["reference.png"]}"#).unwrap();
    std::fs::write(
        input.join("p.jsonl"),
        r#"{"prompt_id": "p", "text": "A thing.", "scene_type": "neutral", "subjects": ["s"]}"#,
    )
    .unwrap();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for case in expected["images"].as_array().unwrap() {
        // A name that is not UTF-8 cannot be written in JSON.
        let Some(path) = case["path"].as_str() else { continue };
        let image = corpus.join(path);
        if image.symlink_metadata().is_err() {
            continue;
        }
        let generation = serde_json::json!({"model": "M", "prompt_id": "p", "seed": 1, "path": image.to_str().unwrap()});
        std::fs::write(input.join("g.jsonl"), generation.to_string()).unwrap();
        let data = dir.path().join(format!("data-{cases}"));
        let (outcome, said) = drive(&data, |command| {
            command.args(["--encoder", "builtin-texture", "--root"]).arg(&corpus).arg("--root").arg(&input);
            for (kind, file) in [("subjects", "s"), ("prompts", "p"), ("generations", "g")] {
                command.arg(format!("--{kind}")).arg(input.join(file).with_extension("jsonl"));
            }
        });
        if !is_honest(case, outcome) {
            wrong.push(format!("{}: {outcome}\n{said}", case["id"]));
        }
        let mut set = Dataset::open_to_read(&data).unwrap();
        let size = cells(&mut set, "SELECT width, height FROM generations WHERE status = 'ok'")
            .pop()
            .map(|row| format!("{row:?}"))
            .unwrap_or_default();
        if let (Some(width), Some(height), true) = (case["width"].as_u64(), case["height"].as_u64(), outcome.starts_with("ok")) {
            assert_eq!(size, format!("[Integer({width}), Integer({height})]"), "{}", case["id"]);
        }
        cases += 1;
        std::fs::remove_dir_all(data).unwrap();
    }
    assert!(cases > 100, "{cases} cases");
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
}

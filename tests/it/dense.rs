//! Dense windows, by random networks made by dense.py, held to what it computes of them with Pillow and NumPy alone.

use crate::support::encoder_lab::{images, plain_processor, sample};
use crate::support::lab::{Lab, err, out, python};
use crate::support::pictures::picture;
use sample::{FLOAT, node};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// References of each subject: the first has two.
const REFERENCES: [&[(&str, [u32; 2])]; 4] =
    [&[("r0.png", [64, 64]), ("r0b.png", [90, 50])], &[("r1.png", [40, 64])], &[("r2.png", [64, 48])], &[("r3.png", [33, 33])]];

/// Generated images, none of which has the shape of another.
const IMAGES: [(&str, [u32; 2]); 5] =
    [("i0.png", [150, 100]), ("i1.png", [90, 160]), ("i2.png", [448, 448]), ("i3.png", [600, 120]), ("i4.png", [9, 31])];

fn script(arguments: &[&Path], command: &str) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dense.py");
    let output = Command::new(python()?).arg(script).arg(command).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Pictures, their manifests, a data set of them without vectors, and the encoders `vit` and `map`; `None` without
/// Python.
fn lab() -> Option<Lab> {
    let lab = Lab::empty();
    script(&[lab.dir()], "make")?;
    let [mut subjects, mut prompts, mut generations] = [const { String::new() }; 3];
    for (at, references) in REFERENCES.iter().enumerate() {
        let names: Vec<&str> = references.iter().map(|(name, _)| *name).collect();
        subjects += &format!("{}\n", json!({"subject_id": format!("s{at}"), "label": "thing", "references": names}));
    }
    for (at, (name, _)) in IMAGES.iter().enumerate() {
        let asked = [format!("s{}", at % 4), format!("s{}", (at + 1) % 4)];
        let prompt = json!({"prompt_id": format!("p{at}"), "text": "b c", "scene_type": "neutral", "subjects": asked});
        prompts += &format!("{prompt}\n");
        let generation = json!({"model": "M", "prompt_id": format!("p{at}"), "seed": 1, "path": name});
        generations += &format!("{generation}\n");
    }
    for (at, (name, [width, height])) in REFERENCES.concat().iter().chain(&IMAGES).enumerate() {
        smooth(*width, *height, at as u32).save(lab.path(name)).unwrap();
    }
    lab.write("subjects.jsonl", subjects);
    lab.write("prompts.jsonl", prompts);
    lab.write("generations.jsonl", generations);
    ingest(&lab, "data", &["subjects.jsonl"]);
    Some(lab)
}

/// Blots of colour, so that one part of a picture is unlike another.
fn smooth(width: u32, height: u32, number: u32) -> image::RgbImage {
    let blots = picture(number, 5, 4);
    image::imageops::resize(&blots, width, height, image::imageops::FilterType::Triangle)
}

fn ingest(lab: &Lab, data: &str, subjects: &[&str]) {
    ok(lab, &["init", data]);
    let mut words = vec!["-d", data, "ingest", "--no-embed", "--prompts", "prompts.jsonl", "--generations", "generations.jsonl"];
    subjects.iter().for_each(|file| words.extend(["--subjects", *file]));
    ok(lab, &words);
}

/// What it printed and what it said.
fn ok(lab: &Lab, arguments: &[&str]) -> (String, String) {
    let output = lab.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
    (out(&output), err(&output))
}

fn sql(lab: &Lab, query: &str) -> String {
    lab.sql(query).join("\n")
}

fn embed(lab: &Lab, data: &str, more: &[&str]) -> String {
    ok(lab, &[&["-d", data, "embed", "--encoder", "./vit", "--encoder", "./map"], more].concat()).1
}

fn digest(lab: &Lab, data: &str) -> String {
    ok(lab, &["-d", data, "digest"]).0
}

#[test]
fn dense_windows_are_those_of_numpy() {
    let Some(lab) = lab() else { return };
    let said = embed(&lab, "data", &["--windows", "dense"]);
    assert!(said.contains("vit: searched 5 images, 415 windows (dense)"), "{said}");
    let names: Vec<Vec<&str>> = REFERENCES.iter().map(|all| all.iter().map(|(name, _)| *name).collect()).collect();
    lab.write("work.json", json!({"subjects": names, "images": IMAGES.map(|(name, _)| name)}).to_string());
    let expected: Vec<Value> = serde_json::from_str(&script(&[lab.dir()], "expect").unwrap()).unwrap();
    let rows = sql(
        &lab,
        "SELECT encoder, prompt_id, subject_id, local, uncentred, x, y, width, height FROM local_scores
         WHERE windows = 'dense' ORDER BY encoder DESC, prompt_id, subject_id",
    );
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!((rows.len(), expected.len()), (2 * 5 * 4, 2 * 5 * 4));
    let (mut worst, mut places) = (0.0_f64, 0);
    for (row, expected) in rows.iter().zip(&expected) {
        let fields: Vec<&str> = row.split(',').collect();
        let number = |at: usize| fields[at].parse::<f64>().unwrap();
        let image = expected["image"].as_str().unwrap();
        assert_eq!((fields[0], &fields[1][1..]), (expected["encoder"].as_str().unwrap(), &image[1..2]));
        assert_eq!(fields[2], format!("s{}", expected["subject"]));
        for (at, key) in [(3, "local"), (4, "uncentred")] {
            worst = worst.max((number(at) - expected[key].as_f64().unwrap()).abs());
        }
        if let Some(place) = expected["place"].as_array() {
            let place: Vec<f64> = place.iter().map(|n| n.as_f64().unwrap()).collect();
            assert_eq!((5..9).map(number).collect::<Vec<_>>(), place, "{row}");
            places += 1;
        }
    }
    assert!(worst < 1e-5, "{worst}");
    assert!(places > 30, "{places} of {} places have no rival", rows.len());
    // Local similarities that all are alike would prove little.
    let spread = sql(&lab, "SELECT max(local) - min(local) > 0.3 FROM local_scores GROUP BY encoder");
    assert_eq!(spread, "1\n1");
    ok(&lab, &["-d", "data", "verify", "--deep"]);
}

#[test]
fn the_same_bytes_whatever_the_threads_and_however_they_came_about() {
    let Some(lab) = lab() else { return };
    embed(&lab, "data", &["--windows", "dense", "--threads", "1"]);
    let once = digest(&lab, "data");
    for threads in ["2", "8"] {
        ingest(&lab, threads, &["subjects.jsonl"]);
        embed(&lab, threads, &["--windows", "dense", "--threads", threads]);
        assert_eq!(digest(&lab, threads), once);
    }
    // One image after another.
    ok(&lab, &["init", "slow"]);
    ok(&lab, &["-d", "slow", "ingest", "--no-embed", "--subjects", "subjects.jsonl", "--prompts", "prompts.jsonl"]);
    let rows = std::fs::read_to_string(lab.path("generations.jsonl")).unwrap();
    for row in rows.lines() {
        lab.write("one.jsonl", row);
        ok(&lab, &["-d", "slow", "ingest", "--no-embed", "--generations", "one.jsonl"]);
        embed(&lab, "slow", &["--windows", "dense"]);
    }
    assert_eq!(digest(&lab, "slow"), once);
}

#[test]
fn killed_and_resumed_it_finds_the_same() {
    let Some(lab) = lab() else { return };
    let words = ["embed", "--encoder", "./vit", "--encoder", "./map", "--windows", "dense"];
    ingest(&lab, "killed", &["subjects.jsonl"]);
    let begun = Instant::now();
    embed(&lab, "data", &["--windows", "dense"]);
    let whole = begun.elapsed();
    let mut killed = 0;
    for sixth in 1..=5 {
        let mut child =
            lab.command(&[&["-d", "killed"], &words[..]].concat()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * sixth / 6);
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(killed > 0, "none was killed at work");
    embed(&lab, "killed", &["--windows", "dense"]);
    assert_eq!(digest(&lab, "killed"), digest(&lab, "data"));
    ok(&lab, &["-d", "killed", "verify", "--deep"]);
}

#[test]
fn references_of_dense_windows_follow_their_images() {
    let Some(lab) = lab() else { return };
    embed(&lab, "data", &["--windows", "dense"]);
    let kept = "SELECT count(*) FROM dense_reference";
    assert_eq!(sql(&lab, kept), "10", "five references by two encoders");
    // Another subject changes the pool; what is found then is what a new data set finds. `auto` goes on with dense.
    smooth(50, 50, 77).save(lab.path("r4.png")).unwrap();
    lab.write("more.jsonl", r#"{"subject_id": "s4", "label": "thing", "references": ["r4.png"]}"#);
    ok(&lab, &["-d", "data", "ingest", "--no-embed", "--subjects", "more.jsonl"]);
    assert_eq!(sql(&lab, "SELECT count(*) FROM local_scores"), "0", "nothing stale is left");
    embed(&lab, "data", &[]);
    let fresh = |name: &str| {
        ingest(&lab, name, &["subjects.jsonl", "more.jsonl"]);
        embed(&lab, name, &["--windows", "dense"]);
        digest(&lab, name)
    };
    assert_eq!(digest(&lab, "data"), fresh("fresh"));
    // Other bytes in the place of a reference.
    smooth(70, 40, 78).save(lab.path("r1.png")).unwrap();
    embed(&lab, "data", &[]);
    assert_eq!((sql(&lab, kept), digest(&lab, "data")), ("12".into(), fresh("other")));
    // An unchanged run does nothing.
    let said = embed(&lab, "data", &[]);
    assert!(said.contains("nothing left to embed"), "{said}");
    // One that does not decode any more takes its subject out of the pool.
    lab.write("r4.png", "no picture");
    let output = lab.run(&["-d", "data", "embed", "--encoder", "./vit", "--encoder", "./map"]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert_eq!(sql(&lab, "SELECT count(DISTINCT subject_id) FROM local_scores"), "4");
}

#[test]
fn dense_windows_and_crops_are_never_mixed() {
    let Some(lab) = lab() else { return };
    let said = embed(&lab, "data", &["--windows", "fast"]);
    assert!(!said.contains("goes"), "{said}");
    let said = embed(&lab, "data", &["--windows", "dense"]);
    assert!(said.contains("encoder vit: what was found in fast windows is removed"), "{said}");
    assert_eq!(sql(&lab, "SELECT DISTINCT encoder, windows FROM local_scores ORDER BY 1"), "map,dense\nvit,dense");
    let said = embed(&lab, "data", &["--windows", "fast"]);
    assert!(said.contains("encoder map: what was found in dense windows is removed"), "{said}");
    assert_eq!(sql(&lab, "SELECT DISTINCT windows FROM local_scores"), "fast");
    assert_eq!(sql(&lab, "SELECT count(*) FROM dense_reference"), "0");
    // What cannot run does not cost what is there.
    lab.write("vit/msdata.toml", "spatial = \"last_hidden_state\"\nprefix_tokens = 2\n");
    lab.write("other/preprocessor_config.json", std::fs::read(lab.path("vit/preprocessor_config.json")).unwrap());
    let output = lab.run(&["-d", "data", "embed", "--encoder", "./vit", "--windows", "dense"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("787 tokens") && err(&output).contains("`prefix_tokens = 3`"), "{}", err(&output));
    assert_eq!(sql(&lab, "SELECT DISTINCT windows FROM local_scores"), "fast");
}

#[test]
fn an_encoder_that_has_no_cells_is_told_what_to_add() {
    let lab = Lab::for_encoders();
    let refused = |encoder: &str| {
        let output = lab.run(&["-d", "data", "embed", "--encoder", encoder, "--windows", "dense"]);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        err(&output)
    };
    let map = |size: i64| {
        sample::Model::default()
            .with_input("pixel_values", FLOAT, &[-1, 3, size, size])
            .with_node(node("GlobalAveragePool", &["pixel_values"], "pooled", &[]))
            .with_node(node("Flatten", &["pooled"], "image_embeds", &[("axis", sample::Number(1))]))
            .with_output("image_embeds", FLOAT, &[-1, 3])
            .with_node(node("Relu", &["pixel_values"], "map", &[]))
            .with_output("map", FLOAT, &[-1, 3, size, size])
            .bytes()
    };
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    lab.write("net/model.onnx", images("pixel_values", "image_embeds").bytes());
    lab.works("./net");
    let before = sql(&lab, "SELECT count(*), min(windows) FROM local_scores");
    let said = refused("./net");
    assert!(said.contains("names no spatial output") && said.contains("export it with its patch tokens"), "{said}");
    let said = refused("builtin-texture");
    assert!(said.contains("names no spatial output") && said.contains("`--windows full`"), "{said}");
    assert_eq!(sql(&lab, "SELECT count(*), min(windows) FROM local_scores"), before);
    // Following what is said leads on.
    lab.write("map/preprocessor_config.json", plain_processor().to_string());
    lab.write("map/model.onnx", map(-1));
    let said = refused("./map");
    assert!(said.contains("`map` [?, 3, ?, ?] is its feature map") && said.contains("`spatial = \"map\"`"), "{said}");
    lab.write("map/msdata.toml", "spatial = \"map\"");
    let output = lab.run(&["-d", "data", "embed", "--encoder", "./map", "--windows", "dense"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    lab.write("fixed/preprocessor_config.json", plain_processor().to_string());
    lab.write("fixed/msdata.toml", "spatial = \"map\"");
    lab.write("fixed/model.onnx", map(8));
    let said = refused("./fixed");
    assert!(said.contains("takes images of 8 × 8 only, and dense windows need 448 × 448"), "{said}");
    assert!(said.contains("images of any size"), "{said}");
    lab.write("map/msdata.toml", "spatial = \"map\"\nprefix_tokens = 1");
    assert!(refused("./map").contains("take `prefix_tokens` out of msdata.toml"));
}

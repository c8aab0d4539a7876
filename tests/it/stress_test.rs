//! `bench build`, `bench check` and `subjects check` as their users meet them.

use crate::support::lab::{err, msdata, out};
use crate::support::pictures::picture;
use image::{Rgb, RgbImage};
use msdata::ops::StressTestOptions;
use msdata::stress_test::{Check, Design};
use msdata::vocabulary::SubjectId;
use msdata::{Dataset, IngestOptions, Watch};
use std::fs;
use std::path::Path;
use std::process::Output;

fn run(dir: &Path, arguments: &[&str]) -> Output {
    msdata(dir, arguments).output().unwrap()
}

fn draw(path: &Path, number: u32, side: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(number, side, side).save(path).unwrap();
}

const LABELS: [&str; 6] = ["man", "old_man", "dog", "owl", "hourglass", "pink_sunglasses"];

/// A directory of six subjects, two of each kind.
fn folder(dir: &Path) {
    for (i, label) in LABELS.iter().enumerate() {
        let kind = ["people", "animals", "objects"][i / 2];
        draw(&dir.join(format!("{kind}/{i:02}_{label}.png")), i as u32, 160);
    }
}

fn made(dir: &Path) -> tempfile::TempDir {
    let at = tempfile::tempdir_in(dir).unwrap();
    folder(&at.path().join("images"));
    assert_eq!(run(at.path(), &["init", "data"]).status.code(), Some(0));
    at
}

const BUILD: [&str; 8] = ["bench", "build", "-d", "data", "--images", "images", "--counts", "2,4"];

#[test]
fn a_stress_test_from_a_directory_of_images() {
    let tmp = tempfile::tempdir().unwrap();
    let at = made(tmp.path());
    let dir = at.path();
    let dry = run(dir, &[&BUILD[..], &["--dry-run", "--format", "jsonl"]].concat());
    assert_eq!((dry.status.code(), out(&dry).lines().count()), (Some(0), 30), "{}", err(&dry));
    assert!(err(&dry).contains("prompts: 30 would be added") && err(&dry).contains("nothing was changed"), "{}", err(&dry));
    assert_eq!(out(&run(dir, &["-d", "data", "sql", "SELECT count(*) AS n FROM subjects", "--format", "csv"])), "n\n0\n");

    let build = run(dir, &[&BUILD[..], &["--out", "prompts.jsonl"]].concat());
    assert_eq!((build.status.code(), out(&build)), (Some(0), String::new()), "{}", err(&build));
    assert!(err(&build).contains("subjects: 6 added\nprompts: 30 added\n3 seeds: 90 images per model"), "{}", err(&build));
    let query = "SELECT label, kind FROM subjects";
    assert_eq!(
        out(&run(dir, &["-d", "data", "sql", query, "--format", "csv"])),
        "label,kind\ndog,animal\nowl,animal\nhourglass,object\npink sunglasses,object\nman,human\nold man,human\n"
    );
    let prompts = fs::read_to_string(dir.join("prompts.jsonl")).unwrap();
    assert!(prompts.contains("an hourglass") && prompts.contains("a pair of pink sunglasses"));

    // The manifest is what is in the catalog, and the same command again changes nothing.
    let again = run(dir, &["ingest", "-d", "data", "--prompts", "prompts.jsonl", "--no-embed"]);
    assert!(err(&again).contains("prompts: 30 unchanged"), "{}", err(&again));
    let again = run(dir, &[&BUILD[..], &["--out", "again.jsonl"]].concat());
    assert!(err(&again).contains("subjects: 6 unchanged\nprompts: 30 unchanged\n"), "{}", err(&again));
    assert_eq!(fs::read_to_string(dir.join("again.jsonl")).unwrap(), prompts);
    let verify = run(dir, &["-d", "data", "verify", "--deep"]);
    assert_eq!(verify.status.code(), Some(0), "{}", out(&verify));

    // Another plan, or other seeds, do not take their place unasked.
    let other = run(dir, &[&BUILD[..], &["--random-seed", "1", "--out", "other.jsonl"]].concat());
    assert_eq!(other.status.code(), Some(1));
    assert!(err(&other).contains("is known with other content: text is") && err(&other).contains("--replace"), "{}", err(&other));
    assert!(!dir.join("other.jsonl").exists());
    let seeds = run(dir, &[&BUILD[..], &["--seeds", "1,-2"]].concat());
    assert_eq!(seeds.status.code(), Some(1));
    assert!(err(&seeds).contains("the seeds are 42, 43, 44 in the catalog but 1, -2 here"), "{}", err(&seeds));
    let replaced = run(dir, &[&BUILD[..], &["--random-seed", "1", "--seeds", "1,-2", "--replace"]].concat());
    assert_eq!(replaced.status.code(), Some(0), "{}", err(&replaced));
    assert_eq!(out(&run(dir, &["-d", "data", "sql", "SELECT seed FROM seed", "--format", "csv"])), "seed\n-2\n1\n");

    // What was built passes its own check; its labels are nested, which was said.
    let check = run(dir, &["-d", "data", "bench", "check"]);
    assert_eq!((check.status.code(), out(&check)), (Some(0), String::new()), "{}", err(&check));
    assert!(err(&check).contains("30 prompts") && err(&check).contains("0 findings"), "{}", err(&check));
}

#[test]
fn what_cannot_be_built_leaves_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let at = made(tmp.path());
    let dir = at.path();
    fs::write(dir.join("images/objects/broken.png"), "no image").unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    let refused = |arguments: &[&str], says: &str| {
        let output = run(dir, &[&["bench", "build", "-d", "data"], arguments].concat());
        assert!(output.status.code() == Some(1) && err(&output).contains(says), "{arguments:?}: {}", err(&output));
    };
    refused(&[], "there is no subject to make prompts of");
    refused(&["--images", "empty"], "there is no subject to make prompts of");
    refused(&["--images", "nowhere"], "nowhere: no such file");
    refused(&["--images", "images", "--counts", "2"], "a reference of subject `objects/broken`: not an image");
    let images = ["--images", "images", "--exclude", "objects/broken"];
    let with = |more: &[&'static str]| [&images[..], more].concat();
    refused(&images, "the pool has 6 subjects; a prompt of 10 needs as many");
    refused(&with(&["--counts", "2", "--exclude", "people/00_man2"]), "did you mean `people/00_man`?");
    refused(&with(&["--counts", "3"]), "there are no sentences for 3 subjects, only for 2, 4, 6, 8, 10");
    refused(&with(&["--counts", "0"]), "there are no sentences for 0 subjects");
    refused(&with(&["--counts", "2", "--per-cell", "0"]), "a stress test has at least");
    refused(&with(&["--counts", "2", "--seeds", "1,1"]), "the seed 1 is given twice");
    refused(&with(&["--counts", "4", "--kinds", "animal"]), "the pool has 2 subjects; a prompt of 4 needs as many");
    refused(&with(&["--counts", "2", "--max-per-cell", "1"]), "with --max-per-cell 1 the pool fills 6");
    assert_eq!(run(dir, &["bench", "build", "-d", "data", "--counts", "two"]).status.code(), Some(2));
    assert_eq!(run(dir, &["bench", "build", "-d", "data", "--kinds", "plant"]).status.code(), Some(2));
    for table in ["subject", "prompt", "seed", "image"] {
        let count = format!("SELECT count(*) AS n FROM {table}");
        assert_eq!(out(&run(dir, &["-d", "data", "sql", &count, "--format", "csv"])), "n\n0\n", "{table}");
    }
    let check = run(dir, &["-d", "data", "bench", "check"]);
    assert!(check.status.code() == Some(1) && err(&check).contains("there are no prompts to check"), "{}", err(&check));
    let check = run(dir, &["-d", "data", "subjects", "check"]);
    assert!(check.status.code() == Some(1) && err(&check).contains("there are no subjects to check"), "{}", err(&check));
}

/// Subjects with the given labels and pictures, ingested.
fn ingested(dir: &Path, subjects: &[(&str, &[&str])]) -> Dataset {
    let rows = subjects.iter().enumerate().map(|(i, (label, references))| {
        serde_json::json!({"subject_id": format!("s{i}"), "label": label, "references": references}).to_string() + "\n"
    });
    fs::write(dir.join("s.jsonl"), rows.collect::<String>()).unwrap();
    let mut data = Dataset::init(&dir.join("data")).unwrap();
    let options = IngestOptions { subjects: vec![dir.join("s.jsonl")], ..IngestOptions::default() };
    data.ingest(&options, &mut Watch::silent()).unwrap();
    data
}

#[test]
fn a_manifest_is_checked_against_the_pool() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    draw(&dir.join("a.png"), 1, 160);
    draw(&dir.join("b.png"), 2, 160);
    fs::copy(dir.join("a.png"), dir.join("copy.png")).unwrap();
    let data = ingested(dir, &[("white dog", &["a.png"]), ("dog", &["b.png"]), ("guitar", &["copy.png"])]);
    let prompt = |id: &str, text: &str, subjects: &[&str]| {
        serde_json::json!({"prompt_id": id, "text": text, "scene_type": "neutral", "subjects": subjects}).to_string() + "\n"
    };
    let rows = [
        prompt("p1", "A white dog taps the guitar beam.", &["s0"]),
        prompt("p2", "A dog sits on a lawn.", &["s1"]),
        prompt("p3", "An animal sits on a lawn.", &["s1"]),
    ];
    fs::write(dir.join("p.jsonl"), rows.concat()).unwrap();
    let found = data.check_stress_test(Some(&dir.join("p.jsonl")), &mut Watch::silent()).unwrap();
    let says: Vec<String> = found.findings.iter().map(|f| format!("{} {}: {}", f.check, f.about, f.finding)).collect();
    let copy = format!("same-image s2: {0}/copy.png has the same bytes as s0, {0}/a.png", dir.canonicalize().unwrap().display());
    assert_eq!(
        says,
        [
            "unlisted p1: names `guitar`, which the prompt does not list",
            "unnamed p3: the text does not name `dog` (s1)",
            "repeated-set p3: the same subjects as p2",
            copy.as_str(),
        ]
    );
    assert_eq!((found.prompts, found.distinct_sets, found.unused), (3, 2, 1));

    fs::write(dir.join("bad.jsonl"), prompt("p1", "A cat.", &["s9"]) + &prompt("p1", "A dog.", &["s1"])).unwrap();
    let error = data.check_stress_test(Some(&dir.join("bad.jsonl")), &mut Watch::silent()).unwrap_err().to_string();
    assert!(error.contains("bad.jsonl:1: there is no subject `s9`"), "{error}");
    assert!(error.contains("bad.jsonl:2: prompt `p1` appears twice"), "{error}");
}

#[test]
fn references_that_will_not_do() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    draw(&dir.join("good.png"), 1, 300);
    draw(&dir.join("second.png"), 2, 300);
    draw(&dir.join("small.png"), 3, 100);
    RgbImage::from_pixel(200, 200, Rgb([250, 250, 250])).save(dir.join("blank.png")).unwrap();
    let soft = |x: u32| (127.0 + 100.0 * (f64::from(x) / 60.0).sin()) as u8;
    RgbImage::from_fn(300, 300, |x, y| Rgb([soft(x), soft(y), soft(x + y)])).save(dir.join("blurred.png")).unwrap();
    fs::copy(dir.join("good.png"), dir.join("copy.png")).unwrap();
    // The same picture at half the size, as JPEG.
    let half = image::open(dir.join("second.png")).unwrap().resize(150, 150, image::imageops::FilterType::Triangle);
    half.to_rgb8().save(dir.join("half.jpg")).unwrap();
    fs::write(dir.join("broken.png"), "no image").unwrap();
    let references: [(&str, &[&str]); 6] = [
        ("a", &["good.png", "small.png"]),
        ("b", &["second.png"]),
        ("c", &["copy.png"]),
        ("d", &["half.jpg", "blank.png"]),
        ("e", &["blurred.png"]),
        ("f", &["broken.png", "gone.png"]),
    ];
    let data = ingested(dir, &references);
    let found = data.subjects_check(&mut Watch::silent()).unwrap();
    let home = format!("{}/", dir.canonicalize().unwrap().display());
    let says: Vec<(Check, String, String)> =
        found.findings.iter().map(|f| (f.check, f.about.clone(), f.finding.replace(&home, ""))).collect();
    let of = |check: Check| says.iter().filter(|s| s.0 == check).map(|s| format!("{}: {}", s.1, s.2)).collect::<Vec<_>>();
    assert_eq!(of(Check::SameImage), ["s2: copy.png has the same bytes as s0, reference 0: good.png"]);
    let similar = of(Check::SimilarImage);
    assert!(similar.len() == 1 && similar[0].starts_with("s3: reference 0: half.jpg looks like ("), "{similar:?}");
    assert_eq!(of(Check::Small), ["s0: reference 1: small.png: 100 × 100 pixels, below 128 on the short side"]);
    assert_eq!(of(Check::Blank), ["s3: reference 1: blank.png: the standard deviation of its greys is 0.0 of 255, below 8"]);
    assert_eq!(of(Check::Blurred).len(), 1, "{says:?}");
    assert!(of(Check::Blurred)[0].starts_with("s4: blurred.png: sharpness "), "{says:?}");
    assert_eq!(of(Check::Licence), ["pool: 6 of 6 subjects have no `license`: s0, s1, s2, s3, s4, …"]);
    let unusable = of(Check::Unusable);
    assert_eq!(unusable.len(), 2);
    assert!(unusable[0].starts_with("s5: reference 0: broken.png: not an image"), "{unusable:?}");
    assert_eq!(unusable[1], "s5: reference 1: gone.png: no such file");
    assert_eq!((found.subjects, found.references, says.len()), (6, 9, 8), "{says:?}");
}

#[test]
fn the_library_makes_the_same_stress_test() {
    let tmp = tempfile::tempdir().unwrap();
    folder(&tmp.path().join("images"));
    let mut data = Dataset::init(&tmp.path().join("data")).unwrap();
    let options = StressTestOptions {
        images: Some(tmp.path().join("images")),
        shape: Design { counts: vec![2], per_cell: 2, max_per_cell: Some(1), ..Design::default() },
        exclude: vec![SubjectId::new("people/01_old_man").unwrap()],
        ..StressTestOptions::default()
    };
    let summary = data.build_stress_test(&options, &mut Watch::silent()).unwrap();
    assert_eq!((summary.prompts.len(), summary.subject_rows.added, summary.prompt_rows.added), (6, 5, 6));
    let ids: Vec<&str> = summary.prompts.iter().map(|p| p.prompt_id.as_str()).collect();
    assert_eq!(
        ids,
        ["02_neutral_01", "02_neutral_02", "02_occlusion_01", "02_occlusion_02", "02_interaction_01", "02_interaction_02"]
    );
    let uses: Vec<String> = summary.balance.iter().map(ToString::to_string).collect();
    assert_eq!(uses.len(), 3, "{uses:?}");
}

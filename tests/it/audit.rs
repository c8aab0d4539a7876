//! What a reader should know before a table is believed: cells that mix what should not be mixed, images that CLIP
//! takes for good, copies. On drawn input.

use crate::support::prescribed::{self, Prescribed, Prompt, ingest, ingest_with_warnings};
use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use msdata::ops::{AuditOptions, Flag, FlagKind};
use msdata::report::{CompareOptions, Key, KeyValue};
use msdata::{Dataset, ReportOptions, Watch};
use std::fs;

fn prompts(n: usize) -> Vec<Prompt> {
    (0..n).map(|i| Prompt { id: format!("p{i}"), scene: "neutral", subjects: vec![i % 4, (i + 1) % 4] }).collect()
}

fn audit(data: &Dataset, options: &AuditOptions) -> (Vec<Flag>, Vec<String>) {
    let audit = data.audit(options, &mut Watch::silent()).unwrap();
    (audit.flags, audit.warnings)
}

#[test]
fn cells_that_mix_are_told_apart_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A", "B"], pool: 4, prompts: prompts(6), seeds: vec![1, 2] };
    let mut files = set.write(&dir.path().join("input"));
    // One image of A is larger. Two subjects are from one source, one from another, one from nowhere.
    image::RgbImage::new(3, 2).save(dir.path().join("input/images/A/p0/1.png")).unwrap();
    let text = fs::read_to_string(&files.subjects).unwrap();
    let sources = ["x", "y", "x"].map(|source| format!(r#", "source": "{source}"}}"#));
    let lines = text.lines().enumerate().map(|(i, line)| match sources.get(i) {
        Some(source) => line.trim_end_matches('}').to_owned() + source,
        None => line.to_owned(),
    });
    fs::write(&files.subjects, lines.collect::<Vec<_>>().join("\n")).unwrap();
    set.write_vectors(
        &dir.path().join("v.parquet"),
        "dinov2-small",
        |i| if i.model == "A" { vec![0.2, 0.7] } else { vec![0.5, 0.7] },
        None,
    );
    files.embeddings = vec![dir.path().join("v.parquet")];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let report = |by: &[Key]| data.report(&ReportOptions { by: by.to_vec(), ..ReportOptions::default() }).unwrap();
    let keys = |report: &msdata::Report| report.rows.iter().map(|row| row.keys[0].1.clone()).collect::<Vec<_>>();
    let text = |text: &str| KeyValue::Text(Some(text.into()));

    let whole = report(&[Key::Model]);
    assert_eq!(whole.warnings.len(), 1, "{:?}", whole.warnings);
    assert!(
        whole.warnings[0].starts_with("cells that mix image sizes")
            && whole.warnings[0].ends_with("1, the first model A: 2x2, 3x2")
    );
    let sizes = report(&[Key::Size]);
    assert_eq!((keys(&sizes), sizes.rows[1].images), (vec![text("2x2"), text("3x2")], 1));
    assert!(sizes.warnings.iter().all(|r| r.contains("fewer than five prompts")), "{:?}", sizes.warnings);
    let sources = report(&[Key::Source]);
    assert_eq!(keys(&sources), [text("x"), text("y"), KeyValue::Text(None)]);
    assert_eq!(sources.rows.iter().map(|row| row.subjects).sum::<u64>(), 48, "every pair once");
    // No text encoder has said how long the prompts are.
    assert_eq!(keys(&report(&[Key::Cut])), [KeyValue::Text(None)]);
    // One subject of two is left in each of A's images, both in B's; by source they are told apart.
    assert_eq!(report(&[Key::Model]).rows.iter().map(|row| row.uncollapsed[0].1).collect::<Vec<_>>(), [Some(1.0), Some(2.0)]);
    let scenes = report(&[Key::Model, Key::PromptId]);
    assert_eq!(scenes.warnings.len(), 1, "a cell of one prompt, asked for, is no surprise: {:?}", scenes.warnings);
}

#[test]
fn few_prompts_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A"], pool: 4, prompts: prompts(4), seeds: vec![1] };
    let mut files = set.write(&dir.path().join("input"));
    set.write_vectors(&dir.path().join("v.parquet"), "dinov2-small", |_| vec![0.5, 0.5], None);
    files.embeddings = vec![dir.path().join("v.parquet")];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let warnings = data.report(&ReportOptions::default()).unwrap().warnings;
    // One model: nobody to be compared with, and first of its own board.
    assert_eq!(data.compare(None, &CompareOptions::default()).unwrap().rows, []);
    let board = data.leaderboard(&CompareOptions::default()).unwrap();
    assert_eq!((board.rows.len(), board.rows[0].rank, board.rows[0].groups.as_str()), (1, Some(1), "a"));
    // So few prompts say nothing of thresholds.
    assert_eq!(warnings, ["cells that have images of fewer than five prompts: 1, the first model A, subject_count 2: 4"]);
}

#[test]
fn what_clip_does_not_see() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A"], pool: 4, prompts: prompts(8), seeds: vec![1] };
    let mut files = set.write(&dir.path().join("input"));
    // CLIP-I rises with the prompt: the upper quartile of 0.1 … 0.8 is 0.625, so the last two are in it. By DINOv2 the
    // sixth and the eighth have lost everybody, the seventh one of two.
    let path = |name: &str| dir.path().join(name);
    set.write_vectors(&path("clip.parquet"), "clip-vit-base-patch32", |i| vec![(i.prompt + 1) as f64 / 10.0; 2], None);
    let dino = |i: prescribed::Image<'_>| if matches!(i.prompt, 5 | 7) { vec![0.2, 0.3] } else { vec![0.2, 0.5] };
    set.write_vectors(&path("dino.parquet"), "dinov2-small", dino, None);
    files.embeddings = vec![path("clip.parquet"), path("dino.parquet")];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let near = 1.0; // the vectors of one prompt's images are made alike
    let (flags, warnings) = audit(&data, &AuditOptions { near, ..AuditOptions::default() });
    let blind: Vec<&Flag> = flags.iter().filter(|flag| flag.flag == FlagKind::BlindSpot).collect();
    assert_eq!(blind.len(), 1, "{flags:?}");
    assert_eq!((blind[0].image.prompt_id.as_str(), blind[0].encoder.as_deref()), ("p7", Some("clip-vit-base-patch32")));
    assert!((blind[0].value.unwrap() - 0.8).abs() < 1e-6 && (blind[0].bound.unwrap() - 0.625).abs() < 1e-6);
    assert!(warnings[0].starts_with("4 of 4 subjects have only one reference"), "{warnings:?}");
    // At 0.6 the seventh has lost both, too.
    let (flags, _) = audit(&data, &AuditOptions { threshold: Some(0.6), near, ..AuditOptions::default() });
    assert_eq!(flags.iter().filter(|flag| flag.flag == FlagKind::BlindSpot).count(), 2);
    let clip = Some("clip".to_owned());
    assert!(data.audit(&AuditOptions { clip, ..AuditOptions::default() }, &mut Watch::silent()).is_err());
}

/// Two subjects in the plane: the first with references at 0° and 30°, the second with one at 90°.
#[test]
fn copies_and_what_is_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    fs::create_dir(&input).unwrap();
    let file = |name: &str, text: &str| {
        fs::write(input.join(name), text).unwrap();
        input.join(name)
    };
    for (number, name) in ["r0", "r1", "r2", "g0", "g1", "g2", "g3"].iter().enumerate() {
        prescribed::tiny_image(&input.join(name).with_extension("png"), number as u32);
    }
    fs::copy(input.join("g2.png"), input.join("g4.png")).unwrap(); // another generation
    fs::copy(input.join("r2.png"), input.join("g5.png")).unwrap(); // a reference
    let subjects = r#"{"subject_id": "two", "label": "x", "references": ["r0.png", "r1.png"]}
{"subject_id": "one", "label": "x", "references": ["r2.png"]}"#;
    let prompt = r#"{"prompt_id": "p", "text": "X.", "scene_type": "neutral", "subjects": ["two", "one"]}"#;
    let generations: Vec<String> =
        (0..6).map(|i| format!(r#"{{"model": "M", "prompt_id": "p", "seed": {i}, "path": "g{i}.png"}}"#)).collect();
    let vectors = dir.path().join("v.parquet");
    let mut out = ExportWriter::create(&vectors, "dinov2-small", "imported", "imported", 2).unwrap();
    let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
    for (subject, index, degrees) in [("two", 0, 0.0), ("two", 1, 30.0), ("one", 0, 90.0)] {
        out.push(VectorKey::Reference(subject.parse().unwrap(), index), &at(degrees)).unwrap();
    }
    // Between the references; just outside of their distance; a copy of the second; hardly off that; and the two copied files.
    for (seed, degrees) in [15.0, -31.0, 50.0, 52.0, 50.0, 90.0].into_iter().enumerate() {
        out.push(VectorKey::Generation("M".parse().unwrap(), "p".parse().unwrap(), seed as i64), &at(degrees)).unwrap();
    }
    out.finish().unwrap();
    let files = prescribed::Written {
        subjects: file("s.jsonl", subjects),
        prompts: file("p.jsonl", prompt),
        generations: file("g.jsonl", &generations.join("\n")),
        embeddings: vec![vectors],
    };
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    let (_, warnings) = ingest_with_warnings(&mut data, &files.options());
    assert_eq!(warnings.len(), 2, "{warnings:?}");

    let (flags, warnings) = audit(&data, &AuditOptions::default());
    let seeds =
        |flags: &[Flag], kind: FlagKind| flags.iter().filter(|f| f.flag == kind).map(|f| f.image.seed).collect::<Vec<_>>();
    // 30° is how far the first subject's references are apart: 15°, 50°, 52° (of 30°) are nearer, −31° (of 0°) is not,
    // nor 90°. The other subject has nothing to compare with.
    assert_eq!(seeds(&flags, FlagKind::Copy), [0, 2, 3, 4]);
    let copy = flags.iter().find(|f| f.flag == FlagKind::Copy && f.image.seed == 2).unwrap();
    assert_eq!(copy.reference, Some(("two".into(), 1)));
    assert!((copy.value.unwrap() - 20_f64.to_radians().cos()).abs() < 1e-6, "{copy:?}");
    assert!((copy.bound.unwrap() - 30_f64.to_radians().cos()).abs() < 1e-6, "{copy:?}");
    assert!(warnings.iter().any(|r| r.starts_with("1 of 2 subjects have only one reference")), "{warnings:?}");
    // The same bytes as generation 2; the same bytes as a reference.
    let same: Vec<&Flag> = flags.iter().filter(|f| f.flag == FlagKind::SameBytes).collect();
    assert_eq!(same.iter().map(|f| f.image.seed).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((same[0].other.as_ref().map(|k| k.seed), &same[0].reference), (Some(2), &None));
    assert_eq!((&same[1].other, same[1].reference.as_ref()), (&None, Some(&("one".to_owned(), 0))));
    // cos 2° = 0.9994; what has the same bytes is not listed again.
    assert_eq!(seeds(&flags, FlagKind::NearDuplicate), [3]);

    // A given bound is for every subject: cos 10° = 0.985.
    let (flags, warnings) = audit(&data, &AuditOptions { copy: Some(0.985), ..AuditOptions::default() });
    assert_eq!(seeds(&flags, FlagKind::Copy), [5]);
    assert!(warnings.iter().all(|r| !r.contains("one reference")), "{warnings:?}");
    let (flags, _) = audit(&data, &AuditOptions { near: 0.9999, ..AuditOptions::default() });
    assert_eq!(seeds(&flags, FlagKind::NearDuplicate), Vec::<i64>::new());
    // Controls are copies on purpose.
    let control = msdata::IngestOptions { controls: vec!["M".parse().unwrap()], ..Default::default() };
    data.ingest(&control, &mut Watch::silent()).unwrap();
    assert_eq!(audit(&data, &AuditOptions::default()).0, []);
}

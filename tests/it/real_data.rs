//! Real and hostile data, where it is at hand: `MSDATA_SHARED`, or `../shared` beside the checkout. Without
//! it these tests say so and pass.

use crate::support::lab::{cells, shared};
use crate::support::prescribed::{self, ingest_with_warnings};
use msdata::catalog::QueryRows;
use msdata::encoder::Tokenizer;
use msdata::ops::{AuditOptions, EmbedOptions, FlagKind, SourceFormat, StressTestOptions};
use msdata::report::{CompareOptions, Key, KeyValue};
use msdata::score::Confidence;
use msdata::stress_test::{Check, MAX_TOKENS, TokenCounter};
use msdata::table::Cell;
use msdata::{Dataset, IngestOptions, ReportOptions, Watch};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

#[test]
fn the_authors_repository() {
    let Some(repository) = shared("stress-test-repo") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut data = Dataset::init(dir.path()).unwrap();
    let options = IngestOptions { from: vec![(SourceFormat::StressTestRepo, repository)], ..IngestOptions::default() };
    let (summary, warnings) = ingest_with_warnings(&mut data, &options);
    assert_eq!((summary.subjects.added, summary.prompts.added, summary.generations.added), (30, 75, 675));
    assert_eq!((summary.images.ok, summary.images.missing, summary.images.unusable), (30 + 225, 450, 0));
    assert_eq!(warnings, Vec::<String>::new());
    let kinds: Vec<_> = cells(&mut data, "SELECT kind || ' ' || count(*) FROM subjects GROUP BY kind ORDER BY kind")
        .iter()
        .map(|row| format!("{row:?}"))
        .collect();
    assert_eq!(kinds, ["[Text(\"animal 5\")]", "[Text(\"human 7\")]", "[Text(\"object 18\")]"]);
    let counts: Vec<_> =
        cells(&mut data, "SELECT scene_type, subject_count, count(*) FROM prompts GROUP BY 1, 2 HAVING count(*) <> 5")
            .iter()
            .map(|row| format!("{row:?}"))
            .collect();
    assert_eq!(counts, Vec::<String>::new(), "5 prompts in each of 15 cells");
    let (again, _) = ingest_with_warnings(&mut data, &options);
    assert_eq!((again.generations.unchanged, again.images_read), (675, 0));
}

#[test]
fn the_canonical_manifests() {
    let Some(real) = shared("real") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut data = Dataset::init(dir.path()).unwrap();
    let options = IngestOptions {
        subjects: vec![real.join("subjects.jsonl")],
        prompts: vec![real.join("prompts.jsonl")],
        generations: vec![real.join("generations.jsonl")],
        ..IngestOptions::default()
    };
    let (summary, warnings) = ingest_with_warnings(&mut data, &options);
    assert_eq!((summary.subjects.added, summary.generations.added, warnings.len()), (64, 30, 0), "{warnings:?}");
    assert_eq!((summary.images.missing, summary.images.unusable), (0, 0));
}

/// The authors' published scores of seed 42, from vectors whose cosines are those scores.
#[test]
fn the_published_scores_of_seed_42() {
    let Some(repository) = shared("stress-test-repo") else { return };
    // model, prompt_id → subject count, CLIP-T, CLIP-I, DINO, DINOv2, SCR at three thresholds
    let published: HashMap<(String, String), [f64; 8]> = csv::Reader::from_path(repository.join("published_seed42.csv"))
        .unwrap()
        .records()
        .map(|record| {
            let record = record.unwrap();
            let numbers = std::array::from_fn(|i| record[i + 3].parse().unwrap());
            ((record[0].to_owned(), record[1].to_owned()), numbers)
        })
        .collect();
    assert_eq!(published.len(), 225);
    let mut ids: Vec<&String> = published.keys().map(|(_, prompt)| prompt).collect();
    ids.sort();
    ids.dedup();
    let prompts = ids
        .iter()
        .map(|id| {
            let count = published[&("mosaic".to_owned(), (*id).clone())][0] as usize;
            let scene = prescribed::SCENES.iter().find(|s| id.ends_with(*s)).unwrap();
            let scene = if id.ends_with("no_interaction") { "neutral" } else { scene };
            prescribed::Prompt { id: (*id).clone(), scene, subjects: (0..count).collect() }
        })
        .collect();
    let set = prescribed::Prescribed { models: vec!["mosaic", "xverse", "psr"], pool: 10, prompts, seeds: vec![42] };
    let row = |i: prescribed::Image<'_>| published[&(i.model.to_owned(), set.prompts[i.prompt].id.clone())];
    let dir = tempfile::tempdir().unwrap();
    let mut files = set.write(&dir.path().join("input"));
    let path = |name: &str| dir.path().join(name);
    // Similarities with the published mean and as many below each threshold as published.
    set.write_vectors(&path("dinov2.parquet"), "dinov2-small", |i| with_counts(&row(i)), None);
    set.write_vectors(&path("dino.parquet"), "dino-vits16", |i| vec![row(i)[3]; row(i)[0] as usize], None);
    let clip = "clip-vit-large-patch14";
    let clip_t = |i: prescribed::Image<'_>| row(i)[1];
    set.write_vectors(&path("clip.parquet"), clip, |i| vec![row(i)[2]; row(i)[0] as usize], Some(&clip_t));
    files.embeddings = vec![path("dinov2.parquet"), path("dino.parquet"), path("clip.parquet")];
    let mut data = Dataset::init(&path("data")).unwrap();
    prescribed::ingest(&mut data, &files);
    let by = vec![Key::Model, Key::SubjectCount, Key::SceneType];
    let report = data.report(&ReportOptions { by, ..ReportOptions::default() }).unwrap();
    assert_eq!(report.rows.len(), 45);
    for cell in &report.rows {
        let [KeyValue::Text(Some(model)), KeyValue::Integer(count), KeyValue::Text(Some(scene))] =
            [0, 1, 2].map(|k| cell.keys[k].1.clone())
        else {
            panic!("{cell:?}")
        };
        let ends = if scene == "neutral" { "no_interaction".to_owned() } else { format!("_{scene}") };
        let rows: Vec<&[f64; 8]> = published
            .iter()
            .filter(|((m, p), row)| {
                *m == model
                    && row[0] as i64 == count
                    && p.ends_with(&ends)
                    && p.ends_with("no_interaction") == (scene == "neutral")
            })
            .map(|(_, row)| row)
            .collect();
        assert_eq!((rows.len(), cell.images), (5, 5));
        let mean = |column: usize| rows.iter().map(|r| r[column]).sum::<f64>() / 5.0;
        let close = |what: &str, value: f64, column: usize| {
            assert!((value - mean(column)).abs() < 1e-6, "{model} {count} {scene} {what}: {value}, published {}", mean(column));
        };
        let similarity = |encoder: &str| cell.similarity.iter().find(|(e, _)| e == encoder).unwrap().1.unwrap();
        close("CLIP-T", cell.clip_t[0].1.unwrap(), 1);
        close("CLIP-I", similarity(clip), 2);
        close("DINO", similarity("dino-vits16"), 3);
        close("DINOv2", similarity("dinov2-small"), 4);
        (0..3).for_each(|t| close("SCR", cell.scr[t].1.unwrap(), 5 + t));
    }
    what_one_seed_can_say(&data);
}

/// Intervals, comparisons and the blind spot of the published scores of seed 42: 15 prompts a subject count, one
/// image each. The intervals by numpy, 200,000 draws; p by all sign patterns in Python; the rest by pandas.
fn what_one_seed_can_say(data: &Dataset) {
    let options =
        ReportOptions { confidence: Some(Confidence::default()), identity: Some("dinov2-small".into()), ..Default::default() };
    let report = data.report(&options).unwrap();
    let ends = |row: &msdata::report::Row| row.ci.as_ref().unwrap().scr[0].1.unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 0.015;
    let expected = [[0.3333, 0.6667], [0.7333, 0.9333], [0.8333, 0.9778], [0.9, 1.0], [0.9133, 0.9933]];
    for (row, [low, high]) in report.rows[..5].iter().zip(expected) {
        assert_eq!(row.keys[0].1, KeyValue::Text(Some("mosaic".into())));
        assert!(near(ends(row)[0], low) && near(ends(row)[1], high), "{:?}: {:?}", row.keys, ends(row));
    }
    let by = vec![Key::Model, Key::SceneType];
    let scenes = data.report(&ReportOptions { by, identity: Some("dinov2-small".into()), ..Default::default() }).unwrap();
    let percent: Vec<f64> = scenes.rows.iter().map(|row| (row.scr[0].1.unwrap() * 1e4).round() / 100.0).collect();
    // mosaic, psr, xverse: neutral, occlusion, interaction.
    assert_eq!(percent, [87.2, 82.6, 79.97, 89.33, 87.77, 83.6, 90.17, 82.43, 80.9]);

    let options = CompareOptions { measure: Some("scr@0.4".into()), identity: Some("dinov2-small".into()), ..Default::default() };
    let rows = data.compare(Some([&"mosaic".parse().unwrap(), &"psr".parse().unwrap()]), &options).unwrap().rows;
    let expected = [
        (-0.1333, [-0.3333, 0.0], 0.25),
        (-0.0167, [-0.0667, 0.0], 1.0),
        (-0.0222, [-0.0889, 0.0333], 0.75),
        (0.0167, [-0.025, 0.0583], 0.6875),
        (-0.0267, [-0.0667, 0.0], 0.5),
    ];
    for (row, (difference, [low, high], p)) in rows.iter().zip(expected) {
        assert_eq!((row.pairs, row.prompts, row.only_a, row.only_b), (15, 15, 0, 0));
        assert!((row.difference.unwrap() - difference).abs() < 1e-4 && row.p == Some(p), "{row:?}");
        assert!(near(row.ci.unwrap()[0], low) && near(row.ci.unwrap()[1], high), "{row:?}");
    }

    let options = AuditOptions { identity: Some("dinov2-small".into()), near: 1.0, ..AuditOptions::default() };
    let flags = data.audit(&options, &mut Watch::silent()).unwrap().flags;
    let blind = |model: &str| flags.iter().filter(|f| f.flag == FlagKind::BlindSpot && f.image.model == model).count();
    assert_eq!((blind("mosaic"), blind("psr"), blind("xverse")), (4, 7, 9));
}

/// N similarities with a given mean, of which given shares lie below 0.4, 0.5 and 0.6.
fn with_counts(row: &[f64; 8]) -> Vec<f64> {
    let n = row[0] as usize;
    let below: [usize; 3] = std::array::from_fn(|t| (row[5 + t] * n as f64).round() as usize);
    let range = |i: usize| match i {
        i if i < below[0] => (-0.35, 0.399),
        i if i < below[1] => (0.4001, 0.499),
        i if i < below[2] => (0.5001, 0.599),
        _ => (0.6001, 0.999),
    };
    // As equal as the ranges allow: one level, clamped into each range, such that the sum is right.
    let at = |level: f64| (0..n).map(range).map(|(low, high)| level.clamp(low, high)).collect::<Vec<f64>>();
    let (mut low, mut high) = (-1.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at(middle).iter().sum::<f64>() < row[4] * n as f64 { low = middle } else { high = middle }
    }
    at(low)
}

/// The ranks of values, ties sharing theirs, from 1.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |v: &f64| {
        let below = values.iter().filter(|w| *w < v).count() as f64;
        let equal = values.iter().filter(|w| *w == v).count() as f64;
        below + (equal + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() as f64 + 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

fn copies_are_the_ceiling_and_strangers_the_floor(data: &mut Dataset, dir: &Path) {
    let made = data.make_controls(&EmbedOptions::default(), &mut Watch::silent()).unwrap();
    assert_eq!((made.composites, made.lacking, made.scored), (75, 0, 75 + 450));
    let report = data.report(&ReportOptions { controls: true, ..ReportOptions::default() }).unwrap();
    let similarity = |row: &msdata::report::Row| row.similarity[0].1.unwrap();
    let of =
        |model: &str| report.rows.iter().filter(|row| row.keys[0].1 == KeyValue::Text(Some(model.into()))).collect::<Vec<_>>();
    let (composites, crops) = (of("control:composite"), of("control:crop"));
    assert_eq!((composites.len(), crops.len(), report.rows.len()), (5, 5, 25));
    for model in ["mosaic", "psr", "xverse"] {
        for (row, composite) in of(model).iter().zip(&composites) {
            assert_eq!(row.keys[1], composite.keys[1]);
            assert!(similarity(row) < similarity(composite), "{:?}", row.keys);
            let controls = row.controls.as_ref().unwrap();
            // The one is added up exactly, the other in float64.
            assert!((controls.ceiling[0].1.unwrap() - similarity(composite)).abs() < 1e-12);
            assert!(controls.single[0].1 > controls.ceiling[0].1);
            assert!((0.0..1.0).contains(&controls.normalised[0].1.unwrap()), "{:?}", row.keys);
        }
    }
    eprintln!("ceiling by subject count: {:.3?}", composites.iter().map(|row| similarity(row)).collect::<Vec<_>>());

    // Every prompt asks for others than it was drawn with: nobody is told from anybody.
    let mut prompts = Vec::new();
    let mut row = |cells: &[Cell]| {
        let [Cell::Text(id), Cell::Text(text), Cell::Text(scene), Cell::Integer(count)] = cells else { panic!("{cells:?}") };
        prompts.push((id.clone(), text.clone(), scene.clone(), *count as usize));
        Ok(())
    };
    let query = "SELECT prompt_id, text, scene_type, subject_count FROM prompts";
    data.query(query, QueryRows { columns: &mut |_| Ok(()), row: &mut row }).unwrap();
    let mut subjects: Vec<String> = Vec::new();
    let mut row = |cells: &[Cell]| {
        let [Cell::Text(id)] = cells else { panic!("{cells:?}") };
        subjects.push(id.clone());
        Ok(())
    };
    data.query("SELECT subject_id FROM subjects", QueryRows { columns: &mut |_| Ok(()), row: &mut row }).unwrap();
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % n
    };
    let mut aucs = Vec::new();
    for _ in 0..20 {
        let mut manifest = String::new();
        for (id, text, scene, count) in &prompts {
            // The first of a shuffle (Fisher and Yates).
            for i in 0..*count {
                let other = i + below(subjects.len() - i);
                subjects.swap(i, other);
            }
            let asked = &subjects[..*count];
            manifest += &serde_json::json!({"prompt_id": id, "text": text, "scene_type": scene, "subjects": asked}).to_string();
            manifest.push('\n');
        }
        let path = dir.join("drawn.jsonl");
        std::fs::write(&path, manifest).unwrap();
        let options = IngestOptions { prompts: vec![path], replace: true, ..IngestOptions::default() };
        data.ingest(&options, &mut Watch::silent()).unwrap();
        let report = data.report(&ReportOptions { by: vec![], controls: true, ..ReportOptions::default() }).unwrap();
        assert_eq!(report.rows[0].images, 225);
        aucs.push(report.rows[0].controls.as_ref().unwrap().identification.unwrap().auc);
    }
    let mean = aucs.iter().sum::<f64>() / 20.0;
    eprintln!("mean AUC of requests drawn from the pool: {mean:.4}");
    assert!((mean - 0.5).abs() < 0.02, "{mean}: {aucs:?}");
}

/// The main job on real input, against published figures and against an independent run.
#[test]
fn the_authors_images_by_a_real_encoder() {
    let (Some(repository), Some(encoder)) = (shared("stress-test-repo"), shared("encoders/efficientnet-lite0")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut data = Dataset::init(dir.path()).unwrap();
    let embed = EmbedOptions { encoders: vec![encoder.display().to_string()], ..EmbedOptions::default() };
    let from = vec![(SourceFormat::StressTestRepo, repository.clone())];
    let (summary, _) = ingest_with_warnings(&mut data, &IngestOptions { from, embed: Some(embed), ..IngestOptions::default() });
    assert_eq!((summary.embedded.encoders[0].1.images, summary.scored), (225 + 30, 225));

    let mut ours: HashMap<(String, String, i64, String), f64> = HashMap::new();
    let mut row = |cells: &[Cell]| {
        let [Cell::Text(model), Cell::Text(prompt), Cell::Integer(seed), Cell::Text(subject), Cell::Real(similarity)] = cells
        else {
            panic!("{cells:?}")
        };
        ours.insert((model.clone(), prompt.clone(), *seed, subject.clone()), *similarity);
        Ok(())
    };
    let query = "SELECT model, prompt_id, seed, subject_id, similarity FROM subject_scores";
    data.query(query, QueryRows { columns: &mut |_| Ok(()), row: &mut row }).unwrap();
    assert_eq!(ours.len(), 1350);
    let mean = ours.values().sum::<f64>() / 1350.0;
    assert!((mean - 0.2955).abs() < 0.0005, "mean over all pairs {mean}");

    let mut of_image: HashMap<(String, String), Vec<f64>> = HashMap::new();
    for ((model, prompt, ..), similarity) in &ours {
        of_image.entry((model.clone(), prompt.clone())).or_default().push(*similarity);
    }
    let (mut published, mut means) = (Vec::new(), Vec::new());
    for record in csv::Reader::from_path(repository.join("published_seed42.csv")).unwrap().records() {
        let record = record.unwrap();
        let similarities = &of_image[&(record[0].to_owned(), record[1].to_owned())];
        means.push(similarities.iter().sum::<f64>() / similarities.len() as f64);
        published.push(record[7].parse().unwrap());
    }
    let correlation = spearman(&published, &means);
    eprintln!("mean over all pairs {mean:.4}, Spearman with the published DINOv2 {correlation:.3}");
    assert!((correlation - 0.73).abs() < 0.01, "{correlation}");

    // Are the requested subjects told from the rest of the pool? The denser the scene, the less.
    let report = data.report(&ReportOptions { controls: true, ..ReportOptions::default() }).unwrap();
    let of_mosaic = report.rows.iter().filter(|row| row.keys[0].1 == KeyValue::Text(Some("mosaic".into())));
    let aucs: Vec<f64> = of_mosaic.map(|row| row.controls.as_ref().unwrap().identification.unwrap().auc).collect();
    for (auc, expected) in aucs.iter().zip([0.938, 0.789, 0.715, 0.659, 0.602]) {
        assert!((auc - expected).abs() < 0.005, "{aucs:?}");
    }
    assert_eq!(aucs.len(), 5);

    copies_are_the_ceiling_and_strangers_the_floor(&mut data, dir.path());

    let Ok(python) = std::env::var("MSDATA_PYTHON") else {
        eprintln!("skipped the independent run: MSDATA_PYTHON is not set");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference_run.py");
    let output = Command::new(python).arg(script).arg(&repository).arg(&encoder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut worst, mut sum, mut pairs) = (0.0_f64, 0.0, 0);
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (model, prompt, seed, subject, theirs): (String, String, i64, String, f64) = serde_json::from_str(line).unwrap();
        let difference = (ours[&(model, prompt, seed, subject)] - theirs).abs();
        (worst, sum, pairs) = (worst.max(difference), sum + difference, pairs + 1);
    }
    eprintln!("{pairs} pairs against Pillow and onnxruntime: largest difference {worst:.5}, mean {:.5}", sum / f64::from(pairs));
    assert_eq!(pairs, 1350);
    // The references are JPEG files, and decoders differ by a few units.
    assert!(worst < 1.5e-2 && sum / f64::from(pairs) < 1e-3, "{worst} {sum}");
}

#[test]
fn the_authors_prompts_are_checked() {
    let Some(repository) = shared("stress-test-repo") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut data = Dataset::init(dir.path()).unwrap();
    let options = IngestOptions { from: vec![(SourceFormat::StressTestRepo, repository)], ..IngestOptions::default() };
    ingest_with_warnings(&mut data, &options);
    let found = data.check_stress_test(None, &mut Watch::silent()).unwrap();
    let of = |check: Check| found.findings.iter().filter(move |f| f.check == check);
    let numbers = |check: Check| of(check).map(|f| f.about.split('_').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(Check::Tokens), ["55", "61", "62", "66", "67", "70"]);
    assert_eq!((found.prompts, found.distinct_sets, numbers(Check::RepeatedSet).len()), (75, 54, 21));
    let unlisted: Vec<(&str, &str)> = of(Check::Unlisted).map(|f| (f.about.as_str(), f.finding.as_str())).collect();
    assert_eq!(unlisted, [("42_interaction", "names `guitar`, which the prompt does not list")]);
    let uses = |pick: fn(&msdata::stress_test::Balance) -> usize| found.balance.iter().map(pick).collect::<Vec<usize>>();
    assert_eq!((uses(|b| b.most.0).into_iter().max(), uses(|b| b.least.0).into_iter().min()), (Some(28), Some(1)));
    assert!(of(Check::Balance).count() > 0);
    // Nothing else: every finding was read, and none is a false alarm.
    for check in [Check::Cell, Check::Unnamed, Check::SameLabel, Check::SameImage, Check::SimilarImage] {
        assert_eq!(of(check).map(|f| &f.finding).collect::<Vec<_>>(), [""; 0], "{check}");
    }
    // One picture of the pool is soft; it has no licences.
    let pool = data.subjects_check(&mut Watch::silent()).unwrap();
    let found: Vec<(Check, &str)> = pool.findings.iter().map(|f| (f.check, f.about.as_str())).collect();
    assert_eq!(found, [(Check::Blurred, "cup"), (Check::Licence, "pool")]);
}

#[test]
fn a_stress_test_of_the_canonical_subjects() {
    let Some(real) = shared("real") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut data = Dataset::init(dir.path()).unwrap();
    let options = IngestOptions { subjects: vec![real.join("subjects.jsonl")], ..IngestOptions::default() };
    ingest_with_warnings(&mut data, &options);
    let mut warnings = Vec::new();
    let mut watch = Watch::silent().on_warning(|w| warnings.push(w.to_owned()));
    let made = data.build_stress_test(&StressTestOptions::default(), &mut watch).unwrap();
    drop(watch);
    assert_eq!((made.prompts.len(), warnings), (75, Vec::new()));
    let mut cells: HashMap<(usize, &str), usize> = HashMap::new();
    made.prompts.iter().for_each(|p| *cells.entry((p.subjects.len(), p.scene_type.as_str())).or_default() += 1);
    assert!(cells.len() == 15 && cells.values().all(|n| *n == 5), "{cells:?}");
    assert!(made.balance.len() == 3 && made.balance.iter().all(|b| !b.is_uneven()), "{:?}", made.balance);
    let found = data.check_stress_test(None, &mut Watch::silent()).unwrap();
    assert_eq!((found.findings, found.distinct_sets, found.unused), (Vec::new(), 75, 0));
    let pool = data.subjects_check(&mut Watch::silent()).unwrap();
    assert_eq!(pool.findings.iter().map(|f| f.check).collect::<Vec<_>>(), [Check::Licence], "{:?}", pool.findings);
}

/// The tokens of the crate in the program against those of the tokenizer that CLIP's exports carry.
#[test]
fn tokens_are_counted_as_clip_counts_them() {
    let (Some(clip), Some(repository)) = (shared("parity/encoders/clip_tiny/tokenizer.json"), shared("stress-test-repo")) else {
        return;
    };
    let tokenizer = Tokenizer::open(&clip).unwrap();
    let counter = TokenCounter::default();
    let list = std::fs::read_to_string(repository.join("val_dataset/prompts_50.txt")).unwrap();
    let mut texts: Vec<&str> = list.lines().filter(|line| !line.is_empty()).collect();
    assert!(texts.len() > 150, "{}", texts.len());
    texts.extend([
        "",
        "   spaces \t and\nlines  ",
        "An écru scarf, naïve façade, Ünïcödé; straße, İstanbul.",
        "日本語の文章、犬と猫。",
        "\u{1f436} a dog \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} and 3\u{20e3}",
        "it's the dogs' t-shirt; we'll see—they've 1,234.56 \u{201c}quotes\u{201d}!!! (#1) a/b \\ c_d <b> & %",
        "MRI scanner X-ray R2D2 8-ball",
        "Привет, мир! שלום مرحبا नमस्ते",
    ]);
    for text in texts {
        let theirs = tokenizer.tokens(text).unwrap();
        let ours = counter.count(text);
        assert_eq!((ours.min(MAX_TOKENS), ours > MAX_TOKENS), (theirs.ids.len(), theirs.truncated), "{text}");
    }
}

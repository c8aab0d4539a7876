//! What becomes of transparent pixels and blank images, and what is said of them and by whom. On images that the tests
//! make.

use crate::support::lab::{Lab, err};
use crate::support::pictures::{encoded, picture};
use crate::support::prescribed::{Prescribed, Prompt, ingest};
use msdata::Watch;
use msdata::image::decode;
use msdata::ops::{AuditOptions, FlagKind};
use serde_json::{Value, json};
use std::fs;

impl Lab {
    /// With references, each a subject's, and generations of one prompt, by file name and bytes.
    fn with_files(references: &[(&str, Vec<u8>)], generations: &[(&str, Vec<u8>)]) -> Lab {
        let lab = Lab::empty();
        for (name, bytes) in references.iter().chain(generations) {
            lab.write(name, bytes);
        }
        let subject = |(n, (name, _)): (usize, &(&str, Vec<u8>))| json!({"subject_id": format!("s{n}"), "label": "thing", "license": "CC0", "references": [name]});
        let subjects: Vec<Value> = references.iter().enumerate().map(subject).collect();
        let ids: Vec<&Value> = subjects.iter().map(|subject| &subject["subject_id"]).collect();
        let prompt = json!({"prompt_id": "p", "text": "Things.", "scene_type": "neutral", "subjects": ids});
        let generation =
            |(n, (name, _)): (usize, &(&str, Vec<u8>))| json!({"model": "M", "prompt_id": "p", "seed": n, "path": name});
        let generations: Vec<Value> = generations.iter().enumerate().map(generation).collect();
        lab.manifests("", &subjects, &[prompt], &generations);
        lab
    }
}

fn warnings(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("warning: ") && !line.contains("DINOv2")).collect()
}

/// A cut-out before nothing: the same to the eye, whatever lies beneath.
fn cut_out(beneath: [u8; 3]) -> Vec<u8> {
    let picture = picture(5, 160, 140);
    let cut = image::RgbaImage::from_fn(160, 140, |x, y| {
        let inside = (40..120).contains(&x) && (30..110).contains(&y);
        let [r, g, b] =
            if inside { picture.get_pixel(x, y).0 } else { [beneath[0] ^ (x as u8 & beneath[1]), beneath[1], beneath[2]] };
        image::Rgba([r, g, b, if inside { 255 } else { 0 }])
    });
    encoded(cut, image::ImageFormat::Png)
}

fn png(number: u32) -> Vec<u8> {
    encoded(picture(number, 160, 140), image::ImageFormat::Png)
}

#[test]
fn hidden_pixels_are_told_and_a_ground_ends_them() {
    let references = [("a.png", cut_out([0, 0, 0])), ("b.png", cut_out([255, 255, 255])), ("c.png", cut_out([90, 255, 10]))];
    let lab = Lab::with_files(&references, &[("g.png", png(1))]);
    let said = err(&lab.ingest("data", &[]));
    let said = warnings(&said);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("3 images have transparent pixels") && said[0].contains("reference 0 of subject s0"), "{said:?}");
    let similarities = "SELECT DISTINCT similarity FROM subject_scores";
    assert_eq!(lab.sql(similarities).len(), 3, "what nobody sees decides");
    assert_eq!(err(&lab.ingest("data", &[])).lines().filter(|l| l.contains("transparent")).count(), 0, "said once");
    let check = lab.run(&["subjects", "check", "--format", "csv"]);
    let found = String::from_utf8(check.stdout).unwrap();
    assert_eq!((check.status.code(), found.matches("transparent,s").count()), (Some(1), 3), "{found}");
    assert!(found.contains("71.4 % of its pixels"), "{found}");
    let before = lab.sql("SELECT fingerprint FROM encoder");

    // Another choice is not made in passing, and the advice does it.
    let refused = lab.ingest("data", &["--transparency", "white", "--replace"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("made with `--transparency drop`"), "{}", err(&refused));
    assert!(err(&refused).contains("msdata embed --transparency white"), "{}", err(&refused));
    let said = lab.told(&["embed", "--transparency", "white"]);
    assert!(warnings(&said)[0].contains("`white` instead of `drop`: everything is embedded again"), "{said}");
    assert_eq!(warnings(&said).len(), 1, "{said}");
    lab.ok(&["score"]);
    assert_eq!(lab.sql(similarities).len(), 1, "the same to the eye is the same");
    assert_ne!(lab.sql("SELECT fingerprint FROM encoder"), before, "vectors of two choices never mix");
    lab.ok(&["verify", "--deep"]);

    // It stays chosen, for everybody who reads pixels.
    fs::write(lab.path("d.png"), cut_out([1, 2, 3])).unwrap();
    fs::write(
        lab.path("subjects.jsonl"),
        "{\"subject_id\": \"new\", \"label\": \"thing\", \"license\": \"CC0\", \"references\": [\"d.png\"]}\n",
    )
    .unwrap();
    lab.ok(&["ingest", "--subjects", "subjects.jsonl"]);
    assert!(lab.told(&["embed", "--transparency", "white"]).contains("nothing left to embed"));
    let check = lab.run(&["subjects", "check", "--format", "csv"]);
    let found = String::from_utf8(check.stdout).unwrap();
    assert!(!found.contains("transparent,"), "{found}");
    assert!(found.contains("similar-image,"), "what looks the same on white is the same picture: {found}");
    lab.ok(&["controls", "make"]);
    for crop in fs::read_dir(lab.path("data/controls/crop")).unwrap() {
        let crop = decode(&fs::read(crop.unwrap().path()).unwrap()).unwrap().rgb;
        let white = crop.pixels.as_chunks::<3>().0.iter().filter(|p| **p == [255; 3]).count();
        assert!(white * 10 > crop.pixels.len() / 3, "{white} of {}", crop.pixels.len() / 3);
    }
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores WHERE model = 'control:composite'"), ["1"]);

    // A choice made anew makes the composites those of another ground.
    lab.ok(&["embed", "--transparency", "black"]);
    lab.ok(&["score"]);
    let report = err(&lab.run(&["report", "--controls"]));
    assert!(report.contains("`msdata controls make` makes them again"), "{report}");
    lab.ok(&["controls", "make"]);
    assert!(!err(&lab.run(&["report", "--controls"])).contains("makes them again"));
    let page = |_: ()| {
        lab.ok(&["report", "--html", "page"]);
        let mut names: Vec<_> = fs::read_dir(lab.path("page/thumbs")).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let on_black = page(());
    lab.ok(&["embed", "--transparency", "white"]);
    lab.ok(&["score"]);
    assert_ne!(page(()), on_black, "the page shows what is scored");
}

#[test]
fn imported_vectors_say_how_transparent_pixels_were_seen() {
    let lab = Lab::with_files(&[("a.png", cut_out([0, 0, 0]))], &[("g.png", png(1))]);
    assert_eq!(lab.ingest("data", &["--transparency", "white"]).status.code(), Some(0));
    lab.ok(&["export", "tables"]);
    lab.ok(&["init", "other"]);
    let files = ["--subjects", "subjects.jsonl", "--prompts", "prompts.jsonl", "--embeddings"];
    let vectors = "tables/embeddings/builtin-texture/part-0001.parquet";
    lab.ok(&[&["-d", "other", "ingest"], &files[..4], &["--generations", "generations.jsonl", "--embeddings", vectors]].concat());
    fs::write(lab.path("b.png"), cut_out([9, 9, 9])).unwrap();
    fs::write(lab.path("more.jsonl"), "{\"subject_id\": \"new\", \"label\": \"thing\", \"references\": [\"b.png\"]}\n").unwrap();
    lab.ok(&["-d", "other", "ingest", "--subjects", "more.jsonl", "--no-embed"]);
    let refused = lab.run(&["-d", "other", "embed", "--encoder", "builtin-texture"]);
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(err(&refused).contains("`--transparency white` keeps them"), "{}", err(&refused));
    lab.ok(&["-d", "other", "embed", "--encoder", "builtin-texture", "--transparency", "white"]);
}

#[test]
fn an_interrupted_or_impossible_change_of_the_ground_loses_nothing() {
    let lab = Lab::with_files(&[("a.png", cut_out([0, 0, 0]))], &[("g.png", png(1))]);
    assert_eq!(lab.ingest("data", &["--transparency", "white"]).status.code(), Some(0));
    let vectors = lab.sql("SELECT count(*) FROM image_vector");
    let failed = lab.run(&["embed", "--transparency", "black", "--onnxruntime", "nowhere"]);
    assert_eq!(failed.status.code(), Some(1), "{}", err(&failed));
    assert_eq!(lab.sql("SELECT count(*) FROM image_vector"), vectors);
    assert_eq!(lab.sql("SELECT transparency FROM pixel_choice"), ["white"]);
    assert_eq!(lab.run(&["embed", "--transparency", "grey"]).status.code(), Some(2));
}

#[test]
fn blank_images_are_told_flagged_and_remarked() {
    let black = encoded(image::RgbImage::new(64, 64), image::ImageFormat::Png);
    let grey = encoded(image::RgbImage::from_pixel(64, 64, image::Rgb([128, 130, 127])), image::ImageFormat::Jpeg);
    let nothing = encoded(
        image::RgbaImage::from_fn(64, 64, |x, y| image::Rgba([(x * 4) as u8, (y * 4) as u8, 9, 0])),
        image::ImageFormat::Png,
    );
    let lab = Lab::with_files(
        &[("a.png", png(0))],
        &[("black.png", black), ("fine.png", png(1)), ("grey.jpg", grey), ("nothing.png", nothing)],
    );
    let said = err(&lab.ingest("data", &[]));
    let blank: Vec<&str> = warnings(&said).into_iter().filter(|line| line.contains("blank")).collect();
    assert_eq!(blank.len(), 1, "{said}");
    assert!(blank[0].contains("3 images are blank") && blank[0].contains("generation M p 0"), "{blank:?}");
    let audit = lab.run(&["audit", "--format", "csv"]);
    let listed = String::from_utf8(audit.stdout).unwrap();
    let listed: Vec<&str> = listed.lines().filter(|line| line.starts_with("blank,")).collect();
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(
        listed[0].starts_with("blank,M,p,0,") && listed[1].starts_with("blank,M,p,2,") && listed[2].starts_with("blank,M,p,3,")
    );
    let report = err(&lab.run(&["report"]));
    assert!(report.contains("3 images are blank") && report.contains("the first M p 0"), "{report}");

    // A wrong record is found, and the advice looks again.
    let catalog = rusqlite::Connection::open(lab.path("data/catalog.sqlite")).unwrap();
    catalog.execute("UPDATE appearance SET blank = 1 - blank", []).unwrap();
    drop(catalog);
    let verify = lab.run(&["verify", "--deep"]);
    let found = String::from_utf8_lossy(&verify.stdout).into_owned() + &err(&verify);
    assert_eq!((verify.status.code(), found.contains("pixels of 5 images")), (Some(1), true), "{found}");
    lab.ok(&["embed", "--retry-failed"]);
    lab.ok(&["verify", "--deep"]);
    assert!(err(&lab.run(&["report"])).contains("3 images are blank"));

    // Another picture under the name of a blank one ends it.
    fs::write(lab.path("black.png"), png(2)).unwrap();
    lab.ok(&["ingest"]);
    let report = err(&lab.run(&["report"]));
    assert!(report.contains("2 images are blank") && report.contains("the first M p 2"), "{report}");
}

#[test]
fn an_audit_decodes_what_nobody_has_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let prompts = (0..3).map(|i| Prompt { id: format!("p{i}"), scene: "neutral", subjects: vec![0, 1] }).collect();
    let set = Prescribed { models: vec!["A"], pool: 2, prompts, seeds: vec![1] };
    let mut files = set.write(&dir.path().join("input"));
    image::RgbImage::new(40, 40).save(dir.path().join("input/images/A/p1/1.png")).unwrap();
    set.write_vectors(&dir.path().join("v.parquet"), "dinov2-small", |_| vec![0.5, 0.5], None);
    files.embeddings = vec![dir.path().join("v.parquet")];
    let mut data = msdata::Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let audit = data.audit(&AuditOptions::default(), &mut Watch::silent()).unwrap();
    let blank: Vec<&str> = audit.flags.iter().filter(|f| f.flag == FlagKind::Blank).map(|f| f.image.prompt_id.as_str()).collect();
    assert_eq!(blank, ["p1"]);
}

//! Controls as users meet them: composites of the references, the ceiling they give, a control of the user's
//! own. With the built-in encoder and drawn pictures.

use crate::support::lab::{Lab, contents, err};
use crate::support::pictures::picture;
use serde_json::{Value, json};
use std::fs;

impl Lab {
    /// With six subjects; prompts of one, two and three of them; a model and a control, one image each a prompt.
    fn with_a_control() -> Lab {
        let lab = Lab::empty();
        fs::create_dir(lab.path("input")).unwrap();
        let (mut subjects, mut prompts, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        for s in 0..6 {
            picture(s, 96, 64).save(lab.path(&format!("input/r{s}.png"))).unwrap();
            subjects.push(json!({"subject_id": format!("s{s}"), "label": "thing", "references": [format!("r{s}.png")]}));
        }
        for (p, asked) in [&["s0"][..], &["s1", "s2"], &["s2", "s3", "s4"]].iter().enumerate() {
            prompts.push(json!({"prompt_id": format!("p/{p}"), "text": "Things.", "scene_type": "neutral", "subjects": asked}));
            for (m, model) in ["M", "text only"].iter().enumerate() {
                let path = format!("g{m}_{p}.png");
                picture(100 + 10 * m as u32 + p as u32, 96, 64).save(lab.path("input").join(&path)).unwrap();
                generations.push(json!({"model": model, "prompt_id": format!("p/{p}"), "seed": 42, "path": path}));
            }
        }
        lab.manifests("input", &subjects, &prompts, &generations);
        let ingest = lab.ingest("data", &["--control", "text only"]);
        assert_eq!(ingest.status.code(), Some(0), "{}", err(&ingest));
        lab
    }

    fn make_controls(&self) -> String {
        let made = self.run(&["controls", "make"]);
        assert_eq!((made.status.code(), made.stdout.len()), (Some(0), 0), "{}", err(&made));
        err(&made)
    }

    fn report_rows(&self, more: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["report", "--format", "json", "--controls"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["rows"].as_array().unwrap().clone()
    }
}

const TEXTURE: &str = "builtin-texture";

#[test]
fn the_ceiling_of_every_cell() {
    let lab = Lab::with_a_control();
    let before = lab.report_rows(&[]);
    assert!(before[0]["ceiling"][TEXTURE].is_null() && before[0]["normalised"][TEXTURE].is_null(), "{}", before[0]);
    let said = lab.make_controls();
    // Three prompts; s0 alone at the size for one, s1 to s4 at the size for two or three.
    assert!(said.contains("composites: 3; 8 image files written"), "{said}");
    assert_eq!((contents(&lab.path("data/controls/composite")).len(), contents(&lab.path("data/controls/crop")).len()), (3, 5));
    assert_eq!(lab.sql("SELECT count(*) FROM generations WHERE model = 'control:crop' AND control = 1"), ["6"]);

    let rows = lab.report_rows(&[]);
    let models: Vec<&str> = rows.iter().map(|row| row["model"].as_str().unwrap()).collect();
    let expected = ["M", "control:composite", "control:crop", "text only"].map(|model| [model; 3]).concat();
    assert_eq!(models, expected, "the models, then the controls, each by name");
    for row in &rows {
        assert_eq!(row.get("control"), (row["model"] != "M").then_some(&json!(true)), "{row}");
        let of = |key: &str| row[key][TEXTURE].as_f64();
        let (similarity, chance, ceiling) = (of("similarity").unwrap(), of("chance").unwrap(), of("ceiling").unwrap());
        match ceiling > chance {
            true => assert!((of("normalised").unwrap() - (similarity - chance) / (ceiling - chance)).abs() < 1e-9, "{row}"),
            false => assert!(row["normalised"][TEXTURE].is_null(), "copies that do no better than chance are no ceiling: {row}"),
        }
        if row["model"] == "control:composite" {
            assert_eq!(similarity, ceiling);
        }
        assert!(of("single").unwrap() >= ceiling - 1e-9, "sharing the canvas costs something: {row}");
    }
    // One subject has the canvas to itself: the composite is the crop.
    assert!((rows[0]["single"][TEXTURE].as_f64().unwrap() - rows[0]["ceiling"][TEXTURE].as_f64().unwrap()).abs() < 1e-12);
    assert!(rows.iter().any(|row| row["normalised"][TEXTURE].is_f64()));
    // By pairs there is a ceiling for every subject.
    assert!(lab.report_rows(&["--by", "model,subject_id"]).iter().all(|row| row["ceiling"][TEXTURE].is_f64()));

    // Where models are not told apart controls are left out.
    let counts = lab.report_rows(&["--by", "subject_count"]);
    assert!(counts.iter().all(|row| row["images"] == 1 && row.get("control").is_none()), "{counts:?}");
    let table = lab.run(&["report"]);
    // Where a model exceeds the composite, it is not called a ceiling.
    let similarity = |model: &str, count: &Value| {
        let row = rows.iter().find(|row| row["model"] == model && row["subject_count"] == *count).unwrap();
        row["similarity"][TEXTURE].as_f64().unwrap()
    };
    let counts = rows.iter().filter(|row| row["model"] == "M").map(|row| &row["subject_count"]);
    let above = counts.filter(|count| similarity("M", count) > similarity("control:composite", count)).count();
    let said = String::from_utf8(table.stderr).unwrap();
    assert_eq!(said.contains("the composite of the references is no ceiling here"), above > 0, "{above}: {said}");
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.contains("\ncontrol:composite (control)  ") && text.contains("\ntext only (control)  "), "{text}");
    let csv = lab.run(&["report", "--format", "csv"]);
    assert!(String::from_utf8(csv.stdout).unwrap().lines().next().unwrap().ends_with(",control"));
}

#[test]
fn made_once_and_anew_where_a_reference_changes() {
    let lab = Lab::with_a_control();
    lab.make_controls();
    let first = contents(&lab.path("data/controls/composite"));
    let again = lab.make_controls();
    assert!(again.contains("; 0 image files written") && again.contains("scores: 0 new"), "{again}");
    assert_eq!(contents(&lab.path("data/controls/composite")), first);

    // A composite of a reference that is no more is no ceiling, until it is made anew.
    picture(77, 96, 64).save(lab.path("input/r0.png")).unwrap();
    assert_eq!(lab.ingest("data", &[]).status.code(), Some(0));
    let ceilings = |rows: Vec<Value>| rows[..3].iter().map(|row| row["ceiling"][TEXTURE].is_f64()).collect::<Vec<_>>();
    assert_eq!(ceilings(lab.report_rows(&[])), [false, true, true]);
    assert!(lab.make_controls().contains("; 2 image files written"));
    assert_eq!(ceilings(lab.report_rows(&[])), [true, true, true]);

    // A prompt that asks for one subject less has one crop less.
    let prompts = fs::read_to_string(lab.path("input/prompts.jsonl")).unwrap().replace(r#","s4"]"#, "]");
    fs::write(lab.path("input/prompts.jsonl"), prompts).unwrap();
    assert_eq!(lab.ingest("data", &["--replace"]).status.code(), Some(0));
    assert_eq!(ceilings(lab.report_rows(&["--by", "model,prompt_id"])), [true, true, false]);
    lab.make_controls();
    assert_eq!(lab.sql("SELECT count(*) FROM generations WHERE model = 'control:crop'"), ["5"]);
    assert_eq!(ceilings(lab.report_rows(&["--by", "model,prompt_id"])), [true, true, true]);
    assert_eq!(lab.run(&["verify", "--deep"]).status.code(), Some(0));
}

#[test]
fn what_cannot_be_made_is_said() {
    let lab = Lab::with_a_control();
    fs::write(lab.path("input/r3.png"), "no picture").unwrap();
    let made = lab.run(&["controls", "make"]);
    assert_eq!(made.status.code(), Some(3));
    assert!(
        err(&made).contains("warning: subject `s3`: ") && err(&made).contains("composites: 2, none for 1 prompts"),
        "{}",
        err(&made)
    );
    let unknown = lab.run(&["ingest", "--control", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).starts_with("error: there is no model `nobody` to mark as a control\nhint: "), "{}", err(&unknown));
}

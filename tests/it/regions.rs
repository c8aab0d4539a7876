//! Region sets: one subject, one place. The pictures are drawn, so that it is known who is where; and real pictures with the
//! values of an independent implementation.

use crate::support::lab::{contents, shared};
use crate::windows::{Lab, scene};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Side of a quarter of an image.
const SIDE: u32 = 64;

/// The box of a quarter.
fn quarter(at: u32) -> [u32; 4] {
    [at % 2 * SIDE, at / 2 * SIDE, SIDE, SIDE]
}

fn row(model: &str, prompt: usize, boxes: &[[u32; 4]]) -> String {
    let regions: Vec<Value> = boxes.iter().map(|b| json!({"box": b, "score": 0.9})).collect();
    format!("{}\n", json!({"model": model, "prompt_id": format!("p{prompt}"), "seed": 1, "regions": regions}))
}

impl Lab {
    /// The true boxes of every image; the last one of `wrong` was not looked at, and in the one before nothing was found.
    fn write_boxes(&self, name: &str) {
        let mut text = String::new();
        for prompt in 0..6 {
            text += &row("right", prompt, &[quarter(0), quarter(3)]);
            match prompt {
                4 => text += &row("wrong", prompt, &[]),
                5 => {}
                _ => text += &row("wrong", prompt, &[quarter(1)]),
            }
        }
        fs::write(self.path(name), text).unwrap();
    }

    fn with_boxes() -> Lab {
        let lab = Lab::new();
        lab.ingest(&["--windows", "none"]);
        lab.write_boxes("boxes.jsonl");
        lab.ok(&["ingest", "--no-embed", "--regions", "boxes.jsonl", "--set", "true"]);
        lab.ok(&["embed", "--regions", "true"]);
        lab
    }

    fn told_of(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        said
    }

    /// A report of regions in JSON, by model.
    fn by_model(&self, more: &[&str]) -> BTreeMap<String, Value> {
        let all = self.ok(&[&["report", "--by", "model", "--format", "json"], more].concat());
        let all: Value = serde_json::from_str(&all).unwrap();
        let rows = all["rows"].as_array().unwrap().iter();
        rows.map(|row| (row["model"].as_str().unwrap().to_owned(), row["regions"]["true"].clone())).collect()
    }

    fn vectors(&self) -> usize {
        self.sql("SELECT * FROM region_vector").lines().count() - 1
    }

    fn scores(&self) -> usize {
        self.sql("SELECT * FROM region_scores").lines().count() - 1
    }
}

#[test]
fn each_subject_has_the_region_in_which_it_was_drawn() {
    let lab = Lab::with_boxes();
    let pairs = lab.sql(
        "SELECT prompt_id, ordinal, region_index FROM region_pairs WHERE model = 'right' AND assigned ORDER BY prompt_id, ordinal",
    );
    let expected: String = (0..6).map(|p| format!("p{p},0,0\np{p},1,1\n")).collect();
    assert_eq!(pairs, format!("prompt_id,ordinal,region_index\n{expected}"));
    // What was cut out is the reference, pixel for pixel.
    assert_eq!(
        lab.sql("SELECT count(*) FROM region_pairs WHERE model = 'right' AND assigned AND similarity > 0.999999"),
        "count(*)\n12\n"
    );
    let found = lab.by_model(&["--regions", "true", "--controls"]);
    let (right, wrong) = (&found["right"], &found["wrong"]);
    for (name, value) in
        [("r_scr", 0.0), ("presence_f1", 1.0), ("top1", 1.0), ("count_accuracy", 1.0), ("bleeding", 0.0), ("auc", 1.0)]
    {
        assert_eq!(right[name].as_f64(), Some(value), "{name}: {right}");
    }
    assert!((right["identity"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{right}");
    // Nobody whom `wrong` drew was asked for.
    assert_eq!(wrong["r_scr"].as_f64(), Some(1.0), "{wrong}");
    // Ran and found nothing is not the same as did not run.
    let counts = |cell: &Value| ["images", "not_run", "asking", "requested", "regions"].map(|name| cell[name].as_u64().unwrap());
    assert_eq!(counts(right), [6, 0, 6, 12, 12]);
    assert_eq!(counts(wrong), [5, 1, 5, 10, 4]);
    assert_eq!(
        lab.sql("SELECT regions, identity FROM region_scores WHERE model = 'wrong' AND prompt_id = 'p4'"),
        "regions,identity\n0,0.0\n"
    );
    let said = lab.told_of(&["report", "--regions", "true"], 0);
    assert!(said.contains("1 of 12 generations are in no file of the set"), "{said}");
    assert!(said.contains("the 99th percentile of the cosines of references of different subjects"), "{said}");
    assert!(lab.ok(&["verify", "--deep"]).contains("sound"));
}

#[test]
fn what_changes_takes_with_it_what_was_made_of_it_and_nothing_else() {
    let lab = Lab::with_boxes();
    let (vectors, scores) = (lab.vectors(), lab.scores());
    assert_eq!((vectors, scores), (12 + 4 + 6, 11));
    let digest = lab.ok(&["digest"]);
    // The detector ran again and says the same.
    let said = lab.told_of(&["ingest", "--no-embed", "--regions", "boxes.jsonl", "--set", "true"], 0);
    assert!(said.contains("images with regions: 11 unchanged"), "{said}");
    assert!(!lab.told_of(&["embed", "--windows", "none"], 0).contains("embedded with"), "nothing is left to do");
    assert_eq!(lab.ok(&["digest"]), digest);
    // It says something else of one image.
    fs::write(lab.path("other.jsonl"), row("right", 2, &[quarter(0)])).unwrap();
    let said = lab.told_of(&["ingest", "--no-embed", "--regions", "other.jsonl", "--set", "true"], 1);
    assert!(said.contains("other.jsonl:1: the image has other regions in `true`: 2 there, 1 here"), "{said}");
    lab.ok(&["ingest", "--no-embed", "--regions", "other.jsonl", "--set", "true", "--replace"]);
    assert_eq!((lab.vectors(), lab.scores()), (vectors - 2, scores - 1));
    lab.ok(&["embed", "--windows", "none"]);
    assert_eq!((lab.vectors(), lab.scores()), (vectors - 1, scores));
    fs::write(lab.path("other.jsonl"), row("right", 2, &[quarter(0), quarter(3)])).unwrap();
    lab.ok(&["ingest", "--no-embed", "--regions", "other.jsonl", "--set", "true", "--replace"]);
    lab.ok(&["embed", "--windows", "none"]);
    assert_eq!(lab.ok(&["digest"]), digest, "the way back leads to the same");
    // A reference gets a box: its vector goes, and every score of the set, which holds each image against the whole pool.
    fs::write(
        lab.path("r.jsonl"),
        json!({"subject_id": "s3", "reference_index": 0, "regions": [{"box": [0, 0, 40, 40]}]}).to_string(),
    )
    .unwrap();
    lab.ok(&["ingest", "--no-embed", "--regions", "r.jsonl", "--set", "true"]);
    // Those that do not ask for its subject were scored without it at once.
    assert_eq!((lab.vectors(), lab.scores()), (vectors - 1, scores - 4));
    lab.ok(&["embed", "--windows", "none"]);
    assert_eq!((lab.vectors(), lab.scores()), (vectors, scores));
    assert_ne!(lab.ok(&["digest"]), digest);
    // An image is another one: its regions are of what it was.
    scene([Some(1), None, None, Some(2)]).save(lab.path("right_1.png")).unwrap();
    let bytes = fs::read(lab.path("right_1.png")).unwrap();
    scene([None, None, Some(4), None]).save(lab.path("right_1.png")).unwrap();
    lab.told_of(&["ingest", "--windows", "none"], 0);
    assert_eq!((lab.vectors(), lab.scores()), (vectors - 2, scores - 1));
    assert_eq!(lab.sql("SELECT DISTINCT stale FROM regions WHERE model = 'right' AND prompt_id = 'p1'"), "stale\n1\n");
    let said = lab.told_of(&["report", "--regions", "true"], 0);
    assert!(said.contains("2 of 12 generations are in no file of the set, as it is for their images now"), "{said}");
    // It is what it was again.
    fs::write(lab.path("right_1.png"), bytes).unwrap();
    lab.ok(&["ingest", "--windows", "none"]);
    assert_eq!((lab.vectors(), lab.scores()), (vectors, scores));
    // Other crops: every vector that was computed is made again.
    let said = lab.told_of(&["ingest", "--no-embed", "--set", "true", "--crop", "margin=0.1,fit=pad"], 0);
    assert!(said.contains("cut out otherwise"), "{said}");
    assert_eq!((lab.vectors(), lab.scores()), (0, 0));
    lab.ok(&["embed", "--windows", "none"]);
    assert_eq!((lab.vectors(), lab.scores()), (vectors, scores));
    // What counts changes scores alone.
    lab.ok(&["ingest", "--no-embed", "--set", "true", "--least-side", "65"]);
    assert_eq!((lab.vectors(), lab.scores()), (vectors, scores));
    assert_eq!(lab.sql("SELECT sum(regions) FROM region_scores"), "sum(regions)\n0\n");
    assert!(lab.ok(&["verify", "--deep"]).contains("sound"));
    // The set goes, and takes its vectors and their file along.
    let said = lab.told_of(&["remove", "--set", "true"], 0);
    assert!(said.contains("removed a region set with"), "{said}");
    assert_eq!((lab.vectors(), lab.scores()), (0, 0));
    assert!(lab.told_of(&["remove", "--set", "true"], 1).contains("there is no region set `true`"));
    assert!(lab.ok(&["verify", "--deep"]).contains("sound"));
}

#[test]
fn vectors_of_regions_go_out_and_come_back() {
    let lab = Lab::with_boxes();
    lab.ok(&["export", "out"]);
    let tables = contents(&lab.path("out"));
    for table in ["regions", "region_scores", "region_pairs"] {
        assert!(tables.contains_key(&format!("{table}.parquet")), "{:?}", tables.keys());
    }
    lab.ok(&["init", "again"]);
    let files = ["--subjects", "subjects.jsonl", "--prompts", "prompts.jsonl", "--generations", "generations.jsonl"];
    let embeddings = "out/embeddings/builtin-texture/part-0001.parquet";
    // In one command: rows first, then regions, then the vectors that name them.
    let all = [
        &["-d", "again", "ingest", "--no-embed", "--regions", "boxes.jsonl", "--set", "true", "--embeddings", embeddings],
        &files[..],
    ]
    .concat();
    lab.ok(&all);
    let pairs = "SELECT model, prompt_id, ordinal, region_index, similarity, assigned FROM region_pairs ORDER BY 1, 2, 3, 4";
    // References that are used whole have no region of the user's, so only a set with boxes of its own comes back whole.
    let computed = lab.sql("SELECT count(*) FROM embeddings");
    assert!(computed.len() > 9);
    assert_eq!(lab.ok(&["-d", "again", "sql", "SELECT count(*) FROM region_vector", "--format", "csv"]), "count(*)\n16\n");
    assert_eq!(lab.ok(&["-d", "again", "sql", pairs, "--format", "csv"]).lines().count(), 1, "references have no vectors yet");
    let unknown = lab.told_of(&["-d", "data", "ingest", "--no-embed", "--embeddings", embeddings, "--set", "true"], 0);
    assert!(unknown.contains("unchanged"), "{unknown}");
    lab.ok(&["remove", "--set", "true"]);
    let unknown = lab.told_of(&["ingest", "--no-embed", "--embeddings", embeddings], 1);
    assert!(unknown.contains("there is no region 0 of `true` in generation `right p0 1` in the catalog"), "{unknown}");
}

#[test]
fn who_decides_by_kind() {
    let lab = Lab::with_boxes();
    lab.ok(&["embed", "--windows", "fast"]);
    let report = |spec: &str| -> (Value, String) {
        let output = lab.run(&["report", "--by", "kind,model", "--identity", spec, "--alpha", "0.5", "--format", "json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{spec}: {said}")), said)
    };
    let (by_kind, said) = report("animal=true:builtin-texture,*=builtin-texture");
    assert!(said.contains("regions true by builtin-texture (animal); builtin-texture, fast windows (others)"), "{said}");
    let (windows, _) = report("builtin-texture");
    let local = |all: &Value, kind: &str| -> Vec<Value> {
        let of_kind = all["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == kind && row["model"] == "right");
        of_kind.map(|row| row["local"].clone()).collect()
    };
    assert_eq!(local(&by_kind, "object"), local(&windows, "object"), "objects are decided by windows");
    assert_ne!(local(&by_kind, "animal"), local(&windows, "animal"), "animals are decided by regions");
    // One kind alone: the others are in no count.
    let (alone, _) = report("animal=true:builtin-texture");
    assert_eq!(local(&alone, "animal"), local(&by_kind, "animal"));
    assert!(
        alone["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == "object").all(|row| row["cscr"]["0.5"].is_null())
    );
    for (spec, why) in [
        ("robot=true:builtin-texture", "human, animal, object"),
        ("animal=nobody:builtin-texture", "there is no region set `nobody`"),
        ("animal=true:nobody", "encoder `nobody` has no vectors of the regions of true"),
    ] {
        let said = lab.told_of(&["report", "--identity", spec], 1);
        assert!(said.contains(why), "{spec}: {said}");
    }
}

#[test]
fn a_person_is_no_object_and_only_a_sets_kinds_are_asked_for() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "none"]);
    let text = r#"{"model": "right", "prompt_id": "p2", "seed": 1, "regions": [{"box": [0, 0, 64, 64], "label": "person"}, {"box": [64, 64, 64, 64], "label": "cup"}]}"#;
    fs::write(lab.path("boxes.jsonl"), text).unwrap();
    lab.ok(&["ingest", "--no-embed", "--regions", "boxes.jsonl", "--set", "labels", "--label-kinds", "person=human,*=object"]);
    lab.ok(&["embed", "--regions", "labels"]);
    // s2 is an animal and s3 an object: neither can be the person, both can be the cup.
    assert_eq!(
        lab.sql("SELECT ordinal, region_index, similarity IS NULL AS forbidden, assigned FROM region_pairs ORDER BY 1, 2"),
        "ordinal,region_index,forbidden,assigned\n0,0,1,0\n0,1,0,0\n1,0,1,0\n1,1,0,1\n"
    );
    lab.ok(&["ingest", "--no-embed", "--set", "labels", "--scope", "animal"]);
    assert_eq!(lab.sql("SELECT requested, regions FROM region_scores"), "requested,regions\n1,2\n");
    assert!(lab.ok(&["verify", "--deep"]).contains("sound"));
}

#[test]
fn what_is_wrong_with_a_set_is_said_and_how_to_help() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "none"]);
    assert!(lab.told_of(&["report", "--regions", "faces"], 1).contains("`msdata ingest --regions FILE --set NAME` makes one"));
    assert!(lab.told_of(&["embed", "--regions", "faces"], 1).contains("there is no region set `faces`"));
    fs::write(
        lab.path("bad.jsonl"),
        row("right", 0, &[[200, 0, 5, 5]])
            + &row("right", 1, &[quarter(0)])
            + &row("nobody", 1, &[quarter(0)])
            + &row("right", 1, &[]),
    )
    .unwrap();
    let said = lab.told_of(&["ingest", "--no-embed", "--regions", "bad.jsonl", "--set", "faces"], 1);
    for part in [
        "bad.jsonl:1: region 1: the box [200, 0, 5, 5] lies outside the image, which has 128 × 128 pixels",
        "bad.jsonl:3: there is no generation `nobody p1 1` in the catalog",
        "bad.jsonl:4: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(lab.sql("SELECT count(*) FROM region_sets"), "count(*)\n0\n", "all or nothing");
    // Two files of one set must not speak of the same image.
    fs::write(lab.path("one.jsonl"), row("right", 1, &[quarter(0)])).unwrap();
    fs::write(lab.path("two.jsonl"), row("right", 1, &[quarter(3)])).unwrap();
    let said = lab.told_of(&["ingest", "--no-embed", "--regions", "one.jsonl", "--regions", "two.jsonl", "--set", "faces"], 1);
    assert!(said.contains("two.jsonl:1: the regions of this image are in one.jsonl:1 already"), "{said}");
    lab.ok(&["ingest", "--no-embed", "--regions", "one.jsonl", "--set", "faces"]);
    let said = lab.told_of(&["report", "--regions", "faces"], 1);
    assert!(
        said.contains("no encoder has vectors of the regions of `faces`") && said.contains("msdata embed --regions faces"),
        "{said}"
    );
}

/// The cosines, pairs and counts of an independent implementation, through the commands that a user gives.
#[test]
fn real_regions_give_what_an_independent_implementation_gives() {
    let (Some(repository), Some(regions), Some(encoders)) = (shared("stress-test-repo"), shared("regions"), shared("encoders"))
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], status: i32| {
        let output = crate::support::lab::msdata(dir.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let references: String = fs::read_to_string(regions.join("reference_faces.jsonl"))
        .unwrap()
        .lines()
        .filter(|line| line.contains("\"set\": \"stress-test-repo\""))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(dir.path().join("references.jsonl"), references).unwrap();
    run(&["init", "data"], 0);
    run(&["ingest", "--from", "stress-test-repo", &text(&repository), "--no-embed"], 3);
    let faces = text(&regions.join("stress-test-repo.regions.jsonl"));
    let set = ["--set", "faces", "--scope", "human", "--crop", "fit=encoder"];
    run(&[&["ingest", "--no-embed", "--regions", &faces, "--regions", "references.jsonl"], &set[..]].concat(), 3);
    let objects = text(&regions.join("stress-test-repo.objects.jsonl"));
    run(&["ingest", "--no-embed", "--regions", &objects, "--set", "objects", "--crop", "fit=encoder"], 3);
    for (set, name, encoder) in [
        ("faces", "faceres-1024", regions.join("faceres-1024")),
        ("faces", "face-128", regions.join("face-128")),
        ("objects", "efficientnet-lite0", encoders.join("efficientnet-lite0")),
    ] {
        run(&["embed", "--regions", set, "--encoder", &text(&encoder)], 3);
        let expected = fs::read(regions.join(format!("expected/{set}-{name}/expected.json"))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let query = format!(
            "SELECT model, prompt_id, seed, subject_id, region_index, similarity, assigned FROM region_pairs
             WHERE region_set = '{set}' AND encoder = '{name}'"
        );
        let found = run(&["sql", &query, "--format", "jsonl"], 0);
        let mut pairs: BTreeMap<(String, String, u64), (f64, bool)> = BTreeMap::new();
        for line in found.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let image = format!("{} {} {}", row["model"], row["prompt_id"], row["seed"]);
            let key = (image, row["subject_id"].as_str().unwrap().to_owned(), row["region_index"].as_u64().unwrap());
            pairs.insert(key, (row["similarity"].as_f64().unwrap(), row["assigned"] == 1));
        }
        let (mut compared, mut largest, mut equal) = (0, 0.0_f64, 0);
        for image in expected["generations"].as_array().unwrap() {
            let key = format!("{} {} {}", image["model"], image["prompt_id"], image["seed"]);
            let requested: Vec<&str> = image["requested"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
            for (region, row) in (0..).zip(image["cosine"].as_array().unwrap()) {
                for (subject, cosine) in requested.iter().zip(row.as_array().unwrap()) {
                    let (similarity, _) = pairs[&(key.clone(), (*subject).to_owned(), region)];
                    largest = largest.max((similarity - cosine.as_f64().unwrap()).abs());
                    compared += 1;
                }
            }
            if image["margin"].as_f64().is_some_and(|margin| margin > 5e-4) {
                for pair in image["assignment"].as_array().unwrap() {
                    let subject = pair["subject_id"].as_str().unwrap().to_owned();
                    assert!(pairs[&(key.clone(), subject, pair["region"].as_u64().unwrap())].1, "{key}: {pair}");
                    equal += 1;
                }
            }
        }
        println!("{set} by {name}: {compared} cosines, largest difference {largest:.1e}, {equal} pairs equal");
        assert_eq!(compared, pairs.len());
        assert!(largest < 1e-4, "{set} by {name}: {largest}");
        // Without a floor, as there: every subject that has a region at all is present.
        let report = run(&["report", "--regions", &format!("{set}:{name}"), "--tau", "-1", "--format", "json"], 0);
        let report: Value = serde_json::from_str(&report).unwrap();
        let mut cells = 0;
        for row in report["rows"].as_array().unwrap() {
            let cell = &row["regions"][set];
            let known = expected["cells"].as_array().unwrap();
            let known = known.iter().find(|c| c["model"] == row["model"] && c["subject_count"] == row["subject_count"]).unwrap();
            let count = |name: &str| cell[name].as_u64().unwrap();
            for (ours, theirs) in [
                ("images", "generations"),
                ("asking", "with_requested"),
                ("requested", "requested"),
                ("regions", "regions"),
                ("elsewhere", "regions_elsewhere"),
                ("paired", "matched"),
                ("regions_of_two", "regions_with_two"),
            ] {
                assert_eq!(count(ours), known[theirs].as_u64().unwrap(), "{ours}: {row}");
            }
            let share = |part: &str, of: &str| count(part) as f64 / count(of) as f64;
            for (ours, theirs) in [
                (share("missing_subjects", "requested"), "missing_share"),
                (share("extra_regions", "regions"), "extra_share"),
                (share("doubled_regions", "regions_of_two"), "double_share"),
            ] {
                assert!((ours - known[theirs].as_f64().unwrap()).abs() < 1e-6, "{theirs}: {row}");
            }
            assert!((cell["pair_similarity"].as_f64().unwrap() - known["similarity"].as_f64().unwrap()).abs() < 1e-4, "{row}");
            cells += 1;
        }
        assert_eq!(cells, 15);
    }
    // Requested against decoys, by the better face encoder: a generator that saw no reference is at 0.75 all the same.
    let report = run(&["report", "--by", "model", "--regions", "faces:faceres-1024", "--controls", "--format", "json"], 0);
    let report: Value = serde_json::from_str(&report).unwrap();
    for (row, auc) in report["rows"].as_array().unwrap().iter().zip([0.859, 0.753, 0.760]) {
        assert!((row["regions"]["faces"]["auc"].as_f64().unwrap() - auc).abs() < 0.003, "{row}");
    }
}

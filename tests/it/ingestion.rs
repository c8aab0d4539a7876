//! What a run of `ingest` says and refuses as a whole: rows that disagree, encoders at fault, long lists; and the advice
//! that comes with it.

use crate::embedding::own_encoder;
use crate::staleness::Small;
use crate::support::lab::{Lab, err};
use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use msdata::ops::EmbedOptions;
use msdata::{Dataset, Error, IngestOptions, Watch};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn an_encoder_at_fault_is_found_before_anything_is_written() {
    let lab = Lab::with_images(1);
    let own = own_encoder(&lab, "name = \"mine\"\n");
    assert_eq!(lab.ingest("data", &["--encoder", "own"]).status.code(), Some(0));
    lab.ok(&["-d", "data", "export", "tables"]);
    let generations = fs::read_to_string(lab.path("input/generations.jsonl")).unwrap();
    let subjects = "{\"subject_id\": \"new\", \"label\": \"x\", \"references\": [\"r0.png\"]}\n";
    fs::write(lab.path("input/new.jsonl"), subjects).unwrap();
    let refused = |data: &str, arguments: &[&str], error: &str| {
        let before = lab.sql_of(data, "SELECT count(*) FROM subjects");
        let run = lab.run(&[&["-d", data, "ingest"], arguments].concat());
        assert_eq!(run.status.code(), Some(1), "{arguments:?}: {}", err(&run));
        assert!(err(&run).contains(error), "{}", err(&run));
        assert_eq!(lab.sql_of(data, "SELECT count(*) FROM subjects"), before, "{arguments:?}");
        err(&run)
    };
    own_encoder(&lab, "name = \"mine\"\ncrop_offset = \"half_even\"\n");
    let new = ["--subjects", "input/new.jsonl"];
    let said = refused("data", &new, "encoder `mine` is not the one that made the vectors");
    // The same encoder, known by its vectors alone, or brought by the same run.
    lab.ok(&["init", "imported"]);
    let vectors = ["--embeddings", "tables/embeddings/mine/part-0001.parquet"];
    let all =
        ["--subjects", "input/subjects.jsonl", "--prompts", "input/prompts.jsonl", "--generations", "input/generations.jsonl"];
    refused("imported", &[&all[..], &vectors, &["--encoder", "own"]].concat(), "two encoders are named `mine`");
    assert_eq!(lab.run(&[&["-d", "imported", "ingest"], &all[..], &vectors].concat()).status.code(), Some(0));
    refused("imported", &[&new[..], &["--encoder", "own"]].concat(), "two encoders are named `mine`");
    // The advice is good as it stands.
    let advice = said.split('`').find(|words| words.starts_with("msdata embed")).unwrap();
    let arguments: Vec<&str> = advice.split(' ').skip(1).collect();
    assert!(lab.told(&[&["-d", "data"], &arguments[..]].concat()).contains("scores: 2 new"));
    // A model that cannot be opened.
    fs::write(own.join("model.onnx"), "no model").unwrap();
    fs::write(own.join("msdata.toml"), "name = \"broken\"\n").unwrap();
    refused("data", &[&new[..], &["--encoder", "own"]].concat(), "model.onnx");
    assert_eq!(fs::read_to_string(lab.path("input/generations.jsonl")).unwrap(), generations);
}

#[test]
fn the_rows_of_a_run_do_not_disagree_in_whatever_order() {
    let small = Small::new();
    let line = |path: &str| format!("{{\"model\": \"B\", \"prompt_id\": \"p1\", \"seed\": 7, \"path\": \"{path}\"}}\n");
    let manifest = small.path("input/twice.jsonl");
    let run = |rows: [&str; 2], replace| {
        fs::write(&manifest, rows.map(line).concat()).unwrap();
        let options = IngestOptions { generations: vec![manifest.clone()], replace, ..IngestOptions::default() };
        match small.open().ingest(&options, &mut Watch::silent()) {
            Err(Error::Manifest(problems)) => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert!(problems[0].to_string().contains("generation `B p1 7` appears twice"), "{problems:?}");
                false
            }
            outcome => outcome.is_ok(),
        }
    };
    let both_ways = |a: &str, b: &str, replace, expected| {
        assert_eq!((run([a, b], replace), run([b, a], replace)), (expected, expected), "{a} and {b}");
    };
    let (one, other, copy) = ("images/A/p1/1.png", "images/A/p1/2.png", "copy.png");
    fs::copy(small.path("input").join(one), small.path("input").join(copy)).unwrap();
    for replace in [false, true] {
        both_ways("nowhere.png", one, replace, false);
        both_ways("nowhere.png", "neither.png", replace, false);
        both_ways(one, other, replace, false);
    }
    // Known before the run, by a file that is there no more: the same rows, the same outcome.
    both_ways(one, copy, false, true);
    assert!(run([copy, copy], false));
    fs::remove_file(small.path("input").join(copy)).unwrap();
    both_ways(one, copy, false, false);
    both_ways(one, copy, true, false);
    // What a row of the run has left as it is, no other row replaces.
    both_ways(copy, other, true, false);
    assert!(run([one, one], false), "a file that moved is no conflict");
}

#[test]
fn bad_rows_are_counted_to_the_end() {
    let lab = Lab::with_images(1);
    lab.ok(&["init", "data"]);
    let rows: String = (0..10_050).map(|i| format!("{{\"subject_id\": \"s{i}\"}}\n")).collect();
    fs::write(lab.path("input/bad.jsonl"), rows).unwrap();
    let vectors = lab.path("input/bad.parquet");
    let mut out = ExportWriter::create(&vectors, "e", "imported", "imported", 2).unwrap();
    for i in 0..10_007 {
        // Of others than the bad rows name: what follows from a bad row is not said again.
        out.push(VectorKey::Reference(format!("t{i}").parse().unwrap(), 0), &[1.0, 0.0]).unwrap();
    }
    out.finish().unwrap();
    // Vectors of what bad rows may have named are no fault of their own.
    let rows = ["--subjects", "input/bad.jsonl", "--embeddings", "input/bad.parquet"];
    for (given, all, further) in [(&rows[..], "10050", "bad.jsonl: 50"), (&rows[2..], "10007", "bad.parquet: 7")] {
        let run = lab.run(&[&["-d", "data", "ingest", "--no-embed"], given].concat());
        assert_eq!(run.status.code(), Some(1));
        let text = err(&run);
        assert!(text.starts_with(&format!("error: {all} bad rows; nothing was written\n")), "{}", &text[..200]);
        assert!(text.contains(&format!("\ninput/{further} more bad rows, not listed\n")));
        assert_eq!(text.lines().filter(|line| line.starts_with("input/")).count(), 10_001);
    }
}

#[test]
fn the_report_says_why_a_generation_is_missing_and_what_to_do() {
    let lab = Lab::with_images(2);
    lab.ok(&["init", "data"]);
    let hint = |run: &std::process::Output| {
        let text = err(run);
        let hint = text.lines().find(|line| line.starts_with("hint: ")).unwrap().to_owned();
        hint.split('`').nth(1).unwrap().to_owned()
    };
    let report = || lab.run(&["-d", "data", "report"]);
    assert_eq!(report().status.code(), Some(1));
    assert_eq!(hint(&report()), "msdata ingest --subjects FILE --prompts FILE --generations FILE");
    assert_eq!(lab.ingest("data", &["--no-embed"]).status.code(), Some(0));
    let advice = hint(&report());
    assert_eq!(advice, "msdata embed");
    lab.ok(&["-d", "data", "embed"]);
    assert_eq!((report().status.code(), err(&report()).contains("missing")), (Some(0), false));

    // Embedded and not yet scored, as a run leaves it that was stopped between the two.
    own_encoder(&lab, "name = \"mine\"\n");
    let stop = AtomicBool::new(false);
    let hear = |p: msdata::Progress| {
        stop.fetch_or(p.stage == "embedding" && p.total == Some(p.done), Ordering::Relaxed);
    };
    let mut data = Dataset::open_to_write(&lab.path("data")).unwrap();
    let options = EmbedOptions { encoders: vec![lab.path("own").display().to_string()], ..EmbedOptions::default() };
    let mut watch = Watch::silent().on_progress(hear).until(&stop);
    assert!(matches!(data.embed(&options, &mut watch), Err(Error::Interrupted)));
    drop((watch, data));
    let report = || err(&lab.run(&["-d", "data", "report", "--identity", "mine"]));
    assert!(
        report().contains("4 of 4 generations are missing and not in the means: not scored yet: `msdata score`"),
        "{}",
        report()
    );
    fs::remove_file(lab.path("input/g0_0.png")).unwrap();
    fs::write(lab.path("input/g0_0.png"), "no image").unwrap();
    lab.run(&["-d", "data", "ingest", "--no-embed"]);
    assert!(report().contains("1 of 4 generations are missing and not in the means: without a usable image, or"), "{}", report());
}

#[test]
fn closed_pipes_are_no_crash() {
    let lab = Lab::with_images(2);
    lab.ok(&["init", "data"]);
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let run = |arguments: &[&str]| {
        let mut command = lab.command(&[&["-d", "data"], arguments].concat());
        command.stdout(closed()).stderr(closed()).status().unwrap().code()
    };
    // Nobody hears the summary, the warnings and the progress; the work is done all the same.
    let files =
        ["--subjects", "input/subjects.jsonl", "--prompts", "input/prompts.jsonl", "--generations", "input/generations.jsonl"];
    assert_eq!(run(&[&["ingest", "--progress", "json"], &files[..]].concat()), Some(0));
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores"), ["4"]);
    for arguments in
        [&["report"][..], &["report", "--html", "page"], &["sql", "SELECT 1"], &["completions", "bash"], &["verify"], &["--help"]]
    {
        assert_eq!(run(arguments), Some(0), "{arguments:?}");
    }
    assert_eq!(run(&["ingest", "--subjects", "nowhere.jsonl"]), Some(1));
    assert_eq!(run(&["ingest", "--nonsense"]), Some(2));
}

#[test]
fn thousands_of_identical_images_are_as_many_images() {
    let lab = Lab::with_images(1);
    let rows: String = (0..8000)
        .map(|seed| format!("{{\"model\": \"same\", \"prompt_id\": \"p0\", \"seed\": {seed}, \"path\": \"g0_0.png\"}}\n"))
        .collect();
    fs::write(lab.path("input/generations.jsonl"), rows).unwrap();
    let run = lab.ingest("data", &[]);
    assert_eq!(run.status.code(), Some(0), "{}", err(&run));
    assert!(
        err(&run).contains("3 images, 7999 more with the same content") && err(&run).contains("scores: 8000 new"),
        "{}",
        err(&run)
    );
    assert_eq!(lab.sql("SELECT count(*), count(DISTINCT similarity) FROM image_scores"), ["8000,1"]);
    let again = lab.told(&["-d", "data", "ingest"]);
    assert!(again.contains("0 read now") && !again.contains("embedded with"), "{again}");
}

#[test]
fn csv_as_excel_and_json_leave_it() {
    let lab = Lab::with_images(1);
    lab.ok(&["init", "d"]);
    lab.ok(&["-d", "d", "ingest", "-q", "--subjects", "input/subjects.jsonl", "--no-embed"]);
    let subject = lab.sql_of("d", "SELECT subject_id FROM subjects LIMIT 1").remove(0);
    let ingest = |separator: char, scene: &str, subject: &str| {
        let header = ["prompt_id", "text", "scene_type", "subjects"].join(&separator.to_string());
        let row = ["x1", "A", scene, subject].join(&separator.to_string());
        lab.write("excel.csv", format!("sep={separator}\r\n{header}\r\n{row}\r\n"));
        err(&lab.run(&["-d", "d", "ingest", "--prompts", "excel.csv", "--no-embed"]))
    };
    // The line in which Excel says what separates.
    assert!(ingest(';', "neutral", &subject).contains("prompts: 1 added"));
    for separator in [';', ',', '\t', '|'] {
        assert!(ingest(separator, "neutral", &subject).contains("prompts: 1 unchanged"), "{separator}");
    }
    let said = ingest(';', "odd", &subject);
    assert!(said.contains("excel.csv:3: "), "lines are counted from the file's first: {said}");
    // A list as `json.dumps` writes it.
    let said = ingest('|', "neutral", "\"[\"\"\\ud83d\\ude42\"\"]\"");
    assert!(said.contains("there is no subject `🙂`"), "{said}");
}

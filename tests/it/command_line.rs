//! The program as its users meet it: exit statuses, what goes to which stream, messages, documentation.

use crate::support::lab::{self, err, out};
use crate::support::prescribed::{self, Prescribed};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Without a data set in the environment.
fn msdata(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = lab::msdata(dir, arguments);
    command.env_remove("MSDATA_DATASET");
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    msdata(dir, arguments).output().unwrap()
}

/// The paper's data set, its files in `input`, ingested into `data`.
fn ingested(encoder: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed::paper();
    set.write(&dir.path().join("input"));
    let similarities = |i: prescribed::Image<'_>| {
        let n = set.prompts[i.prompt].subjects.len();
        vec![if i.model == "PSR" { 0.45 } else { 0.35 }; n]
    };
    set.write_vectors(&dir.path().join("input/v.parquet"), encoder, similarities, None);
    assert_eq!(run(dir.path(), &["init", "data"]).status.code(), Some(0));
    let ingest = run(dir.path(), &INGEST);
    assert_eq!((ingest.status.code(), out(&ingest)), (Some(0), String::new()), "{}", err(&ingest));
    dir
}

const INGEST: [&str; 12] = [
    "ingest",
    "-d",
    "data",
    "--no-embed",
    "--subjects",
    "input/subjects.jsonl",
    "--prompts",
    "input/prompts.jsonl",
    "--generations",
    "input/generations.jsonl",
    "--embeddings",
    "input/v.parquet",
];

/// What was said besides that thresholds separate nothing: every subject of MOSAIC's images is as far from its references
/// as from everybody else's.
fn beside_saturation(said: &str) -> String {
    said.lines().filter(|line| !line.contains("separates nothing here; read AUC")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_report_in_every_format() {
    let dir = ingested("dinov2-small");
    let report = |format: &str| {
        let output = run(dir.path(), &["-d", "data", "report", "--format", format]);
        assert_eq!((output.status.code(), beside_saturation(&err(&output))), (Some(0), String::new()));
        out(&output).to_owned()
    };
    let json: serde_json::Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(json["rows"][0]["scr"], serde_json::json!({"0.4": 1.0, "0.5": 1.0, "0.6": 1.0}));
    assert_eq!(json["by"], serde_json::json!(["model", "subject_count"]));
    assert_eq!(report("jsonl").lines().count(), 15);
    assert!(report("csv").starts_with(
        "model,subject_count,images,subjects,missing,similarity_dinov2-small,scr_0.4,scr_0.5,scr_0.6,\
         uncollapsed_0.4,uncollapsed_0.5,uncollapsed_0.6\nMOSAIC,2,45,90,0,"
    ));
    let markdown = report("md");
    assert!(markdown.starts_with("| subject\\_count | MOSAIC DINOv2 ↑ | MOSAIC SCR@0.4 % ↓ |"), "{markdown}");
    assert!(markdown.contains("| 0.350 | 100.0 | 100.0 | 100.0 | **0.450** | **0.0** | 100.0 |"), "{markdown}");
    let latex = report("latex");
    assert!(latex.contains("\\multicolumn{4}{c}{PSR}") && latex.contains("SCR@0.4 \\% $\\downarrow$"), "{latex}");
    let said = run(dir.path(), &["-d", "data", "report"]);
    let saturated = "warning: SCR@0.4: this threshold separates nothing here; read AUC (`--controls`): a model is no further from \
                     chance than its interval is wide, in 5 cells, the first model MOSAIC, subject_count 2: 100.0 %, by chance \
                     100.0 %\n";
    assert!(err(&said).starts_with(saturated), "{}", err(&said));
    let table = report("table");
    assert!(table.starts_with("model   subject_count  images  DINOv2  SCR@0.4 %  SCR@0.5 %  SCR@0.6 %  kept@0.4"), "{table}");
    let file = run(dir.path(), &["-d", "data", "report", "--format", "csv", "--out", "t.csv"]);
    assert_eq!((out(&file), std::fs::read_to_string(dir.path().join("t.csv")).unwrap()), (String::new(), report("csv")));
}

#[test]
fn the_same_bytes_whatever_the_thread_count() {
    let dir = ingested("dinov2-small");
    let report = |threads: &str| {
        let arguments =
            ["-d", "data", "report", "--by", "subject_id,kind", "--thresholds", "0:1:0.05", "--ci", "--format", "json"];
        let output = msdata(dir.path(), &arguments).env("POLARS_MAX_THREADS", threads).env("RAYON_NUM_THREADS", threads).output();
        output.unwrap().stdout
    };
    assert!(!report("1").is_empty());
    assert_eq!(report("1"), report("5"));
    for command in [&["compare", "--all", "--format", "json"][..], &["audit", "--near", "0.9", "--format", "csv"]] {
        let by = |threads: &str| {
            let mut msdata = msdata(dir.path(), &[&["-d", "data"], command].concat());
            msdata.env("RAYON_NUM_THREADS", threads).output().unwrap().stdout
        };
        assert!(by("1").len() > 1000);
        assert_eq!(by("1"), by("5"), "{command:?}");
    }
}

#[test]
fn intervals_in_every_format() {
    let dir = ingested("dinov2-small");
    let report = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["-d", "data", "report", "--ci"], arguments].concat());
        assert_eq!((output.status.code(), beside_saturation(&err(&output))), (Some(0), String::new()));
        out(&output).to_owned()
    };
    let json: serde_json::Value = serde_json::from_str(&report(&["--format", "json"])).unwrap();
    // All 15 prompts of the cell are the same, which bounds the others: 0.025^(1/15). Of cosines nothing can be said.
    let scr = &json["rows"][0]["ci"]["scr"]["0.4"];
    assert!((scr[0].as_f64().unwrap() - 0.7820).abs() < 1e-4 && scr[1] == 1.0, "{scr}");
    assert!(json["rows"][0]["ci"]["similarity"]["dinov2-small"].is_null());
    assert!(report(&["--format", "csv"]).lines().next().unwrap().contains("scr_0.6_low,scr_0.6_high"));
    assert!(report(&[]).contains("100.0 [78, 100]"));
    let one = report(&["--by", "prompt_id", "--format", "jsonl"]);
    assert!(one.lines().next().unwrap().contains(r#""ci":{"scr":{"0.4":null"#), "one prompt has no spread: {one}");
    assert!(report(&["--by", "prompt_id"]).contains("66.7 [–]"));
    for wrong in ["--ci=100", "--ci=x", "--ci=20"] {
        assert_eq!(run(dir.path(), &["-d", "data", "report", wrong]).status.code(), Some(2));
    }
}

#[test]
fn another_identity_encoder_is_said() {
    let dir = ingested("efficientnet-lite0");
    let report = run(dir.path(), &["-d", "data", "report"]);
    assert_eq!(report.status.code(), Some(0));
    assert!(err(&report).starts_with("warning: the thresholds were chosen for DINOv2 and mean nothing for efficientnet-lite0"));
    // No table has SCR by it; what needs no threshold leads. JSON keeps its keys.
    let table = out(&report);
    assert!(table.starts_with("model   subject_count  images  efficientnet-lite0    AUC  R-precision"), "{table}");
    for format in ["table", "md", "latex", "csv"] {
        let table = run(dir.path(), &["-d", "data", "report", "--format", format]);
        let table = out(&table).to_ascii_lowercase();
        assert!(!table.contains("scr") && !table.contains("kept") && !table.contains("uncollapsed"), "{table}");
        assert!(table.contains("auc"), "{table}");
    }
    let json = run(dir.path(), &["-d", "data", "report", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["rows"][0]["scr"], serde_json::json!({"0.4": 1.0, "0.5": 1.0, "0.6": 1.0}));
    assert_eq!(json["rows"][0]["identification"]["auc"], 1.0);
    // Thresholds that somebody chose mean what that one says.
    let report = run(dir.path(), &["-d", "data", "report", "--thresholds", "0.4"]);
    assert!(err(&report).starts_with("warning: the thresholds were chosen for DINOv2; this SCR is by efficientnet-lite0"));
    assert!(out(&report).contains("SCR@0.4 %") && !out(&report).contains("AUC"), "{}", out(&report));
    for kind in ["trend", "scene"] {
        let drawn = run(dir.path(), &["-d", "data", "plot", kind]);
        assert!(out(&drawn).contains("AUC") && !out(&drawn).contains("SCR@"), "{kind}: {}", &out(&drawn)[..400]);
    }
    let report = run(dir.path(), &["-d", "data", "report", "--identity", "dinov2"]);
    assert_eq!(report.status.code(), Some(1));
    assert_eq!(err(&report), "error: the data set has no image encoder `dinov2`\nhint: it has efficientnet-lite0\n");
}

#[test]
fn missing_images_are_exit_status_3_and_named() {
    let dir = ingested("dinov2-small");
    std::fs::remove_file(dir.path().join("input/images/PSR/01_neutral/42.png")).unwrap();
    let ingest = run(dir.path(), &INGEST);
    assert_eq!((ingest.status.code(), out(&ingest)), (Some(3), String::new()));
    assert!(err(&ingest).contains("generation PSR 01_neutral 42: ") && err(&ingest).contains("no such file"), "{}", err(&ingest));
    assert_eq!(run(dir.path(), &["-d", "data", "verify"]).status.code(), Some(0), "the catalog knows of it");
    let quiet = run(dir.path(), &["-q", "-d", "data", "score"]);
    assert_eq!((quiet.status.code(), err(&quiet)), (Some(3), String::new()));
}

#[test]
fn wrong_usage_is_2_and_failures_are_1_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["report", "--by", "weather"][..],
        &["report", "--thresholds", "2"],
        &["nonsense"],
        &["remove"],
        &["remove", "--model", "A", "--prompt", "p"],
        &["ingest", "--from", "nonsense", "."],
    ] {
        assert_eq!(run(dir.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
    let none = run(dir.path(), &["report"]);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(err(&none), "error: . is not a data set: it has no catalog.sqlite\nhint: make one with `msdata init .`\n");
    assert_eq!(run(dir.path(), &["init"]).status.code(), Some(0));
    let again = run(dir.path(), &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).starts_with("error: . already holds a data set\nhint: "), "{}", err(&again));
    let empty = run(dir.path(), &["report"]);
    assert!(empty.status.code() == Some(1) && err(&empty).contains("hint: "), "{}", err(&empty));
}

#[test]
fn sql_reads_and_only_reads() {
    let dir = ingested("dinov2-small");
    let sql = |query: &str| run(dir.path(), &["-d", "data", "sql", query, "--format", "jsonl"]);
    assert_eq!(out(&sql("SELECT count(*) AS n FROM image_scores;")), "{\"n\":675}\n");
    for query in [
        "DELETE FROM generation",
        "ATTACH 'other.sqlite' AS other",
        "PRAGMA journal_mode = delete",
        "PRAGMA user_version = 7",
        "CREATE TEMP TABLE t (x)",
        "VACUUM INTO 'copy.sqlite'",
        "SELECT 1; SELECT 2",
        "SELECT load_extension('x')",
        "BEGIN IMMEDIATE",
        "",
        "SELEC 1",
    ] {
        let output = sql(query);
        assert_eq!((output.status.code(), out(&output)), (Some(1), String::new()), "{query}");
        assert!(err(&output).starts_with("error: query refused: "), "{query}: {}", err(&output));
    }
    assert!(!dir.path().join("copy.sqlite").exists() && !dir.path().join("other.sqlite").exists());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = ingested("dinov2-small");
    let query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i FROM n";
    let mut child = msdata(dir.path(), &["-d", "data", "sql", query, "--format", "csv"]).spawn().unwrap();
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and closed here
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
}

#[test]
fn every_command_is_in_the_readme_and_has_help() {
    let readme = include_str!("../../README.md");
    let help = run(Path::new("."), &["--help"]);
    let help = out(&help);
    let listed = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| l.starts_with("  "));
    let mut commands = 0;
    for command in listed.filter(|l| !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next()) {
        assert!(readme.contains(&format!("`msdata {command}")), "README.md does not show `msdata {command}`");
        assert_eq!(run(Path::new("."), &[command, "--help"]).status.code(), Some(0));
        commands += 1;
    }
    assert!(commands >= 10, "{commands} commands in the help");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let dir = tempfile::tempdir().unwrap();
    assert!(out(&run(dir.path(), &["completions", "bash"])).contains("_msdata"));
    assert_eq!(run(dir.path(), &["man", "man1"]).status.code(), Some(0));
    let page = std::fs::read_to_string(dir.path().join("man1/msdata-report.1")).unwrap();
    assert!(page.contains("thresholds"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_sound_data_set() {
    let dir = ingested("dinov2-small");
    assert_eq!(run(dir.path(), &["init", "again"]).status.code(), Some(0));
    let mut arguments = INGEST;
    arguments[2] = "again";
    let mut child = msdata(dir.path(), &arguments).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    assert_eq!(run(dir.path(), &["-d", "again", "verify"]).status.code(), Some(0));
    assert_eq!(run(dir.path(), &arguments).status.code(), Some(0));
    let report = |data: &str| run(dir.path(), &["-d", data, "report", "--format", "json"]).stdout;
    assert_eq!(report("again"), report("data"));
}

#[test]
fn flagged_images_in_every_format() {
    let dir = ingested("dinov2-small");
    // Every image of a prompt and model has the same vector, whatever its seed.
    let audit = |arguments: &[&str]| run(dir.path(), &[&["-d", "data", "audit"], arguments].concat());
    let table = audit(&[]);
    assert_eq!(table.status.code(), Some(0));
    assert!(out(&table).starts_with("flag            model   prompt_id"), "{}", out(&table));
    assert!(err(&table).starts_with("blind_spot 0, copy 0, same_bytes 0, near_duplicate "), "{}", err(&table));
    assert!(err(&table).contains("warning: there is no CLIP encoder"), "{}", err(&table));
    let json: serde_json::Value = serde_json::from_str(&out(&audit(&["--format", "json"]))).unwrap();
    let first = &json.as_array().unwrap()[0];
    assert_eq!(
        (&first["flag"], &first["other_seed"], &first["subject_id"]),
        (&"near_duplicate".into(), &42.into(), &serde_json::Value::Null)
    );
    assert_eq!(out(&audit(&["--format", "csv", "--copy", "1", "--near", "1"])).lines().next().unwrap().split(',').count(), 12);
    assert_eq!(audit(&["--near", "2"]).status.code(), Some(2));
    assert_eq!(audit(&["--clip", "none"]).status.code(), Some(1));
}

#[test]
fn comparisons_in_every_format() {
    let dir = ingested("dinov2-small");
    let compare = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["-d", "data", "compare"], arguments].concat());
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{arguments:?}");
        out(&output).to_owned()
    };
    // The interval is a bound (Clopper and Pearson): 2 · 0.025^(1/15) − 1.
    // MOSAIC is at 0.35 everywhere, PSR at 0.45: of 15 prompts all differ the same way, 2 of 2¹⁵ sign patterns.
    let json: serde_json::Value = serde_json::from_str(&compare(&["MOSAIC", "PSR", "--format", "json"])).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 4 * 5, "three thresholds and a similarity, five subject counts");
    let first = serde_json::json!({"measure": "scr@0.4", "a": "MOSAIC", "b": "PSR", "subject_count": 2, "pairs": 45, "prompts": 15,
        "only_a": 0, "only_b": 0, "mean_a": 1.0, "mean_b": 0.0, "difference": 1.0, "low": 0.563961278178932, "high": 1.0,
        "p": 2.0_f64.powi(-14), "p_holm": 5.0 * 2.0_f64.powi(-14)});
    assert_eq!(rows[0], first);
    let columns: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert!(
        compare(&["MOSAIC", "PSR", "--format", "csv"])
            .starts_with(&columns.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(","))
    );
    let table = compare(&["MOSAIC", "PSR", "--measure", "scr@0.4", "--whole"]);
    assert!(table.contains("scr@0.4 % ↓  MOSAIC  PSR    225       75  100.0     0.0   100.0 [90.4, 100.0]*  5.3e-23"), "{table}");
    assert_eq!(compare(&["--all", "--whole", "--format", "jsonl"]).lines().count(), 3 * 4);
    let board = run(dir.path(), &["-d", "data", "compare", "--leaderboard", "--format", "csv"]);
    assert!(err(&board).contains("no image was searched for each subject"), "{}", err(&board));
    let board = out(&board);
    assert!(
        // PSR against the two others: 1 better on every prompt; each of those against PSR and one that is as good: −½.
        board.starts_with(
            "subject_count,rank,model,groups,margin,images,mean,low,high\n2,1,PSR,a,1.0,45,0.0,0.0,0.218\
             "
        ) && board.contains("\n2,2,MOSAIC,b,-0.5,45,1.0,"),
        "{board}"
    );
    for wrong in [&["MOSAIC"][..], &[], &["A", "B", "--all"], &["--all", "--leaderboard"], &["A", "B", "--whole", "--by", "seed"]]
    {
        let output = run(dir.path(), &[&["-d", "data", "compare"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let unknown = run(dir.path(), &["-d", "data", "compare", "MOSAIC", "NONE"]);
    assert_eq!((unknown.status.code(), out(&unknown)), (Some(1), String::new()));
}

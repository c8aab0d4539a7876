//! Text from outside (ids, labels, paths, reasons, cells of SQL, what a generator printed) on its way to a terminal, a
//! table, a figure or a page: it is shown, and does nothing.

use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Colours, a C1 control, a bell, DEL, a carriage return, overrides of direction, a tag.
const HOSTILE: &str = "x\u{1b}[31m\u{9b}5m\u{7}\u{7f}\r\u{202e}\u{2066}\u{e0041}y";

fn msdata(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_msdata"))
        .args(args)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .env_remove("MSDATA_DATASET")
        .output()
        .unwrap()
}

/// Both outputs, of which neither may hold what a terminal obeys.
fn shown(dir: &Path, args: &[&str]) -> String {
    let Output { stdout, stderr, .. } = msdata(dir, args);
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    let harmful = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
    };
    assert!(!text.contains(harmful), "{args:?}: {text:?}");
    text
}

/// A data set in which every text that may be anything is hostile; its directory.
fn hostile(dir: &Path) {
    let named = |what: &str| format!("{what}{HOSTILE}");
    let images = dir.join("in").join(named("images"));
    fs::create_dir_all(&images).unwrap();
    image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([x as u8 * 5, y as u8 * 5, 9])).save(images.join("r.png")).unwrap();
    image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([y as u8 * 5, x as u8, 90])).save(images.join("g.png")).unwrap();
    let place = |name: &str| format!("{}/{name}", named("images"));
    let subjects = [1, 2].map(|k| {
        json!({"subject_id": named(&format!("s{k}")), "label": named("dog"), "source": named("web"), "caption": named("a dog"),
               "license": named("free"), "references": [place(["r.png", "r2.png"][k - 1])], named("column"): 1})
    });
    fs::copy(images.join("g.png"), images.join("r2.png")).unwrap();
    let prompt = json!({"prompt_id": named("p"), "text": named("A dog."), "scene_type": "neutral", "subjects": [named("s1"), named("s2")]});
    let generations = [(1, "g.png"), (2, "none.png"), (3, "broken.png")].map(|(seed, name)| {
        json!({"model": named("m"), "prompt_id": named("p"), "seed": seed, "path": place(name), "meta": {named("key"): named("value")}})
    });
    let other = json!({"model": "=1+1", "prompt_id": named("p"), "seed": 1, "path": place("g.png")});
    fs::write(images.join("broken.png"), b"\x1b[31mno image").unwrap();
    let write = |name: &str, rows: &[serde_json::Value]| {
        fs::write(dir.join("in").join(name), rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    };
    write("s.jsonl", &subjects);
    write("p.jsonl", &[prompt]);
    write("g.jsonl", &[&generations[..], &[other]].concat());
    assert!(msdata(dir, &["init", "data"]).status.success());
}

const INGEST: [&str; 7] =
    ["ingest", "--subjects", "../in/s.jsonl", "--prompts", "../in/p.jsonl", "--generations", "../in/g.jsonl"];

#[test]
fn no_command_sends_it_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    hostile(dir.path());
    let data = dir.path().join("data");
    let said = shown(&data, &INGEST);
    assert!(said.contains("\\u{1b}[31m") && said.contains("images: 4 usable, 1 missing, 1 unusable"), "{said}");
    let commands: [&[&str]; 14] = [
        &["report", "--by", "model,subject_id,source,prompt_id"],
        &["report", "--ci", "--controls", "--curve"],
        &["compare", "--all"],
        &["compare", "--all", "--by", "prompt_id"],
        &["compare", "--leaderboard", "--by", "subject_id"],
        &["audit"],
        &["bench", "check"],
        &["bench", "build", "--counts", "2", "--per-cell", "1", "--dry-run"],
        &["subjects", "check"],
        &["sql", "SELECT * FROM generations"],
        &["sql", "SELECT * FROM subjects"],
        &["sql", "SELECT * FROM worst_subjects"],
        &["sql", "SELECT char(27) || '[2J' AS \"a\u{1b}[31m\", x'1b5b326a', '\u{9b}' || char(8238)"],
        &["encoders", "list"],
    ];
    for command in commands {
        for format in ["table", "json", "jsonl", "csv", "md", "latex"] {
            let text = shown(&data, &[command, &["--format", format]].concat());
            assert!(!text.contains("panicked"), "{command:?}: {text}");
            if command[0] == "sql" && command[1].contains("generations") {
                let escaped = match format {
                    "json" | "jsonl" => "\\u001b[31m\\u009b5m",
                    "md" => "\\\\u{1b}\\[31m",
                    "latex" => "\\textbackslash{}u\\{1b\\}[31m",
                    _ => "\\u{1b}[31m",
                };
                assert!(text.contains(escaped), "{format}: {text}");
            }
        }
    }
    shown(&data, &["verify", "--deep"]);
    // A parser reads what was written.
    let json = shown(&data, &["sql", "SELECT subject_id FROM subjects ORDER BY 1", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(rows[0]["subject_id"], format!("s1{HOSTILE}"));
}

#[test]
fn no_refusal_sends_it_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    hostile(dir.path());
    let data = dir.path().join("data");
    shown(&data, &INGEST);
    let path = format!("no{HOSTILE}/where");
    let row = dir.path().join("in/bad.jsonl");
    fs::write(&row, format!("{}\n", json!({"subject_id": HOSTILE, "label": "x", "references": [HOSTILE], "kind": HOSTILE})))
        .unwrap();
    let cells = dir.path().join("in/bad.csv");
    fs::write(&cells, format!("prompt_id,text,scene_type,subjects\n{HOSTILE},x,{HOSTILE},{HOSTILE}\n")).unwrap();
    let refused: [&[&str]; 28] = [
        &["report", "--identity", HOSTILE],
        &["report", "--by", HOSTILE],
        &["report", "--thresholds", HOSTILE],
        &["report", "--format", HOSTILE],
        &["report", "--html", &path, "--identity", HOSTILE],
        &["compare", HOSTILE, "b"],
        &["compare", "--all", "--measure", HOSTILE],
        &["audit", "--identity", HOSTILE],
        &["audit", "--clip", HOSTILE],
        &["plot", HOSTILE],
        &["plot", "trend", "--identity", HOSTILE],
        &["sql", HOSTILE],
        &["sql", "SELECT '\u{1b}[31m' FROM \"nothing\u{1b}[31m\""],
        &["bench", "check", &path],
        &["bench", "check", "../in/bad.csv"],
        &["bench", "build", "--images", &path],
        &["bench", "build", "--exclude", HOSTILE],
        &["bench", "export", "--for", HOSTILE, "../in"],
        &["ingest", "--subjects", "../in/bad.jsonl"],
        &["ingest", "--prompts", "../in/bad.csv"],
        &["ingest", "--embeddings", &path],
        &["ingest", "--from", HOSTILE, &path],
        &["ingest", "--from", "layout", &path, "--layout", HOSTILE],
        &["embed", "--encoder", HOSTILE],
        &["embed", "--device", HOSTILE],
        &["remove", "--model", HOSTILE],
        &["-d", &path, "report"],
        &[HOSTILE],
    ];
    for command in refused {
        let text = shown(&data, command);
        assert!(!text.contains("panicked") && text.contains("error: "), "{command:?}: {text}");
    }
    // The advice is one line, and a shell makes the path of it again.
    let said = shown(dir.path(), &["-d", "a\u{1b}'b", "report"]);
    assert!(said.contains("hint: make one with `msdata init $'a\\x1b\\'b'`"), "{said}");
}

#[test]
#[cfg(unix)]
fn nor_does_what_a_generator_printed() {
    let dir = tempfile::tempdir().unwrap();
    hostile(dir.path());
    let data = dir.path().join("data");
    shown(&data, &INGEST);
    let command = "true {output}; printf '\\033[31m\\302\\2335m\\r\\342\\200\\256 out of memory' >&2; exit 7";
    let model = format!("new{HOSTILE}");
    let run = ["run", "--model", &model, "--command", command, "--shell", "--seeds", "1", "--retries", "0", "--no-embed"];
    let said = shown(&data, &run);
    assert!(said.contains("out of memory") && said.contains("\\u{1b}[31m"), "{said}");
    for format in ["table", "csv", "md", "latex", "jsonl"] {
        assert!(shown(&data, &["sql", "SELECT model, tail FROM jobs", "--format", format]).contains("out of memory"));
    }
}

#[test]
fn figures_and_pages_show_it() {
    let dir = tempfile::tempdir().unwrap();
    hostile(dir.path());
    let data = dir.path().join("data");
    shown(&data, &INGEST);
    for kind in ["trend", "scene", "curve", "heatmap"] {
        shown(&data, &["plot", kind]);
    }
    let page = dir.path().join(format!("page{HOSTILE}"));
    let title = format!("title{HOSTILE}");
    let written = msdata(&data, &["report", "--html", page.to_str().unwrap(), "--title", &title, "--note", HOSTILE]);
    assert!(written.status.success(), "{written:?}");
    // A program is given exactly the path.
    let path = String::from_utf8(written.stdout).unwrap();
    let html = fs::read_to_string(path.strip_suffix('\n').unwrap()).unwrap();
    let obeyed =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!html.contains(obeyed), "{:?}", html.find(obeyed).map(|at| &html[at.saturating_sub(80)..at + 20]));
}

/// Everything that tables of ours say is ASCII in LaTeX, whatever the command; what the user wrote stays.
#[test]
fn latex_is_ascii_but_for_what_the_user_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    image::RgbImage::from_fn(20, 16, |x, y| image::Rgb([x as u8, y as u8, 9])).save(place("r.png")).unwrap();
    image::RgbImage::from_fn(200, 160, |x, y| image::Rgb([y as u8, x as u8, 90])).save(place("g.png")).unwrap();
    let subject = |id: &str, path: &str| json!({"subject_id": id, "label": "dog", "references": [path]}).to_string() + "\n";
    fs::write(place("s.jsonl"), subject("s_1", "r.png") + &subject("s%2", "g.png") + &subject("s&3", "g.png")).unwrap();
    let prompt = json!({"prompt_id": "#1", "text": "A cat.", "scene_type": "neutral", "subjects": ["s_1", "s%2"]});
    fs::write(place("p.jsonl"), format!("{prompt}\n")).unwrap();
    let generation = |model: &str| json!({"model": model, "prompt_id": "#1", "seed": 1, "path": "g.png"}).to_string() + "\n";
    fs::write(place("g.jsonl"), generation("a_b") + &generation("c^d~{}")).unwrap();
    assert!(msdata(dir.path(), &["init", "data"]).status.success());
    let data = place("data");
    shown(&data, &["ingest", "--subjects", "../s.jsonl", "--prompts", "../p.jsonl", "--generations", "../g.jsonl"]);
    let commands: [&[&str]; 10] = [
        &["report"],
        &["report", "--ci"],
        &["report", "--controls", "--by", "model"],
        &["compare", "--all"],
        &["compare", "a_b", "c^d~{}"],
        &["compare", "--leaderboard"],
        &["audit"],
        &["bench", "check"],
        &["subjects", "check"],
        &["encoders", "list"],
    ];
    for command in commands {
        let output = msdata(&data, &[command, &["--format", "latex"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\\begin{tabular}") && text.is_ascii(), "{command:?}: {text}");
        // Every special character of what the user wrote is a command.
        let bare = text
            .lines()
            .filter(|line| !line.starts_with("% needs"))
            .any(|line| line.replace("\\%", "").contains('%') || line.contains("a_b"));
        assert!(!bare, "{command:?}: {text}");
    }
    let kept = shown(&data, &["sql", "SELECT 'é − 猫' AS name", "--format", "latex"]);
    assert!(kept.contains("é $-$ 猫"), "{kept}");
}

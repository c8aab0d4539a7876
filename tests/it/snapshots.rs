//! What the program says, word for word, against the files in `snapshots/`: its help, reports in every format, the
//! errors that people meet. Where a text was changed on purpose, `INSTA_UPDATE=always cargo test --locked --test it
//! snapshots::` writes the new one, for `git diff` to show.

use image::RgbImage;
use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use msdata::{Dataset, IngestOptions, Watch};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn assert_unchanged(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // Shown where the test fails.
    println!("to accept the new text: INSTA_UPDATE=always cargo test --locked --test it snapshots::");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A directory in which commands are run, and what they said there.
struct Transcript {
    dir: tempfile::TempDir,
    text: String,
}

impl Transcript {
    fn new() -> Transcript {
        Transcript { dir: tempfile::tempdir().unwrap(), text: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command line, as wide as the help is at most, and gives what it wrote to both streams, and its exit
    /// status if that was not 0.
    fn run(&self, line: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args(shlex::split(line).unwrap().iter().skip(1)).current_dir(self.dir.path()).env("COLUMNS", "100");
        for variable in ["MSDATA_DATASET", "ORT_DYLIB_PATH", "HF_HOME", "HF_HUB_CACHE"] {
            command.env_remove(variable);
        }
        let output = command.env("MSDATA_HOME", self.path("home")).env("HOME", self.path("user")).output().unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap() + std::str::from_utf8(&output.stderr).unwrap();
        if let Some(status @ 1..) = output.status.code() {
            writeln!(text, "[exit status {status}]").unwrap();
        }
        // macOS gives temporary directories by a link.
        let real = self.dir.path().canonicalize().unwrap();
        text.replace(real.to_str().unwrap(), "[dir]").replace(self.dir.path().to_str().unwrap(), "[dir]")
    }

    /// Notes a command line and what it said.
    fn tell(&mut self, line: &str) {
        let said = self.run(line);
        writeln!(self.text, "$ {line}\n{said}").unwrap();
    }
}

#[test]
fn help() {
    let mut told = Transcript::new();
    let mut commands = vec!["msdata".to_owned()];
    while let Some(command) = commands.pop() {
        let line = format!("{command} --help");
        let help = told.run(&line);
        told.tell(&line);
        let lines = help.lines().count();
        assert!(lines <= 40, "`{line}` takes {lines} lines:\n{help}");
        let headings = ["Arguments:", "Options:", "Global options:"].map(|heading| help.find(&format!("\n{heading}\n")));
        assert!(headings.iter().flatten().is_sorted() && headings[2].is_some(), "its own options come first:\n{help}");
        let below = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // A name stands two columns in; a longer indentation goes on with what was said above.
        let names = below.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
        commands.extend(names.collect::<Vec<_>>().into_iter().rev().map(|name| format!("{command} {name}")));
    }
    assert!(told.text.matches("\n$ msdata ").count() > 24, "not all commands were found");
    assert_unchanged("help", &told.text);
}

/// A vector of the given numbers, made a unit vector by eighths in as many further directions as that takes: so that
/// cosines with the first directions are these numbers, exactly, on every machine.
fn vector(numbers: [f32; 4]) -> Vec<f32> {
    let rest = 64.0 * (1.0 - numbers.iter().map(|x| x * x).sum::<f32>());
    let mut vector = numbers.to_vec();
    vector.extend((0..64).map(|i| if (i as f32) < rest { 0.125 } else { 0.0 }));
    vector
}

/// Three subjects, four prompts, two models, two seeds, into `dir`/data; one image is not there.
fn data_set(dir: &Path) {
    fs::create_dir_all(dir.join("images")).unwrap();
    let mut number = 0;
    let mut picture = |path: &str| {
        number += 1;
        RgbImage::from_fn(8, 8, |x, y| image::Rgb([number * 8, (x * 32) as u8, (y * 32) as u8])).save(dir.join(path)).unwrap();
    };
    let mut out = ExportWriter::create(&dir.join("v.parquet"), "dinov2-small", "imported", "imported", 68).unwrap();
    let (mut subjects, mut prompts, mut generations) = (String::new(), String::new(), String::new());
    for (s, (id, kind)) in [("cat", "animal"), ("dog", "animal"), ("teapot", "object")].into_iter().enumerate() {
        let path = format!("images/{id}.png");
        picture(&path);
        writeln!(subjects, "{}", json!({"subject_id": id, "label": id, "kind": kind, "references": [path]})).unwrap();
        let mut direction = [0.0; 4];
        direction[s] = 1.0;
        out.push(VectorKey::Reference(id.parse().unwrap(), 0), &vector(direction)).unwrap();
    }
    let all = ["cat", "dog", "teapot"];
    for (p, (scene, count)) in [("neutral", 2), ("occlusion", 2), ("interaction", 2), ("neutral", 3)].into_iter().enumerate() {
        let ids: Vec<&str> = (0..count).map(|k| all[(p + k) % 3]).collect();
        let prompt = format!("p{p}");
        let text = format!("A scene with the {}.", ids.join(" and the "));
        writeln!(prompts, "{}", json!({"prompt_id": prompt, "text": text, "scene_type": scene, "subjects": ids})).unwrap();
        out.push(VectorKey::Prompt(prompt.parse().unwrap()), &vector([0.0, 0.0, 0.0, 1.0])).unwrap();
        for (m, model) in ["alpha", "beta_2"].into_iter().enumerate() {
            for seed in [1, 2] {
                let path = format!("images/{model}-{prompt}-{seed}.png");
                writeln!(generations, "{}", json!({"model": model, "prompt_id": prompt, "seed": seed, "path": path})).unwrap();
                if (model, p, seed) == ("beta_2", 2, 2) {
                    continue;
                }
                picture(&path);
                // How well each subject was kept: the first one always, others by model and seed.
                let mut numbers = [0.125, 0.125, 0.125, 0.25 + 0.125 * m as f32];
                numbers[p % 3] = 0.625;
                numbers[(p + 1) % 3] = [[0.5, 0.25], [0.375, 0.125]][m][seed as usize - 1];
                out.push(VectorKey::Generation(model.parse().unwrap(), prompt.parse().unwrap(), seed), &vector(numbers)).unwrap();
            }
        }
    }
    out.finish().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        vec![dir.join(name)]
    };
    let options = IngestOptions {
        subjects: file("subjects.jsonl", &subjects),
        prompts: file("prompts.jsonl", &prompts),
        generations: file("generations.jsonl", &generations),
        embeddings: vec![dir.join("v.parquet")],
        ..IngestOptions::default()
    };
    Dataset::init(&dir.join("data")).unwrap().ingest(&options, &mut Watch::silent()).unwrap();
}

#[test]
fn reports() {
    let told = Transcript::new();
    data_set(told.dir.path());
    for format in ["table", "json", "jsonl", "csv", "md", "latex"] {
        assert_unchanged(&format!("report_{format}"), &told.run(&format!("msdata -d data report --format {format}")));
    }
}

#[test]
fn results() {
    let mut told = Transcript::new();
    data_set(told.dir.path());
    for line in [
        "report --by model --ci --controls",
        "report --by subject_id --thresholds 0.25,0.5 --format md",
        "compare alpha beta_2",
        "compare --all --format md",
        "audit",
        "verify --deep",
        "sql 'SELECT model, prompt_id, seed, similarity FROM image_scores LIMIT 3'",
        "subjects check",
    ] {
        told.tell(&format!("msdata -d data {line}"));
    }
    assert_unchanged("results", &told.text);
}

#[test]
fn errors() {
    let mut told = Transcript::new();
    data_set(told.dir.path());

    // Where a data set is looked for.
    told.tell("msdata report");
    told.tell("msdata -d nowhere score");
    told.tell("msdata init data");
    told.run("msdata init empty");
    told.tell("msdata -d empty report");

    // Rows that cannot be taken.
    let row = |p: &str, subject: &str| {
        format!("{}\n", json!({"prompt_id": p, "text": "A scene.", "scene_type": "neutral", "subjects": [subject]}))
    };
    fs::write(
        told.path("prompts.jsonl"),
        row("q1", "cat") + &row("q2", "horse") + "{\"prompt_id\": \"q3\",\n[]\n{}\n" + &row("q1", "dog"),
    )
    .unwrap();
    told.tell("msdata -d data ingest --prompts prompts.jsonl");
    fs::write(told.path("subjects.csv"), "subject_id,label,references\ncat,cat,\n,dog,nowhere.png\n").unwrap();
    told.tell("msdata -d data ingest --subjects subjects.csv");
    let generation = json!({"model": "alpha", "prompt_id": "p9", "seed": "one", "path": 7});
    fs::write(told.path("generations.jsonl"), format!("{generation}\n")).unwrap();
    told.tell("msdata -d data ingest --generations generations.jsonl");
    told.tell("msdata -d data ingest --generations nowhere.jsonl");
    told.tell("msdata -d data ingest --embeddings generations.jsonl");

    // Names of what is not there.
    told.tell("msdata -d data compare alpha gamma");
    told.tell("msdata -d data report --identity clip-vit-b32");
    told.tell("msdata -d data embed --encoder nowhere");
    told.tell("msdata -d data embed --encoder images");
    told.tell("msdata -d data remove --model gamma");
    told.tell("msdata -d data remove --subject cat");

    // Words that are not understood.
    told.tell("msdata frobnicate");
    told.tell("msdata -d data report --format pdf");
    told.tell("msdata -d data report --by nonsense");
    told.tell("msdata -d data report --thresholds 0.4,high");
    told.tell("msdata -d data report --html page --single-file --max-size huge");
    told.tell("msdata -d data sql 'SELECT nonsense'");
    told.tell("msdata -d data sql 'DELETE FROM prompt'");

    // What stands in the way.
    let writer = Dataset::open_to_write(&told.path("data")).unwrap();
    told.tell("msdata -d data score");
    drop(writer);
    told.tell("msdata -d data report --out images");
    told.tell("msdata -d data export images");

    // What became of the data set.
    fs::remove_file(told.path("images/alpha-p0-1.png")).unwrap();
    told.tell("msdata -d data verify");
    fs::remove_file(told.path("data/embeddings/part-000001.parquet")).unwrap();
    told.tell("msdata -d data verify");
    told.tell("msdata -d data export tables");
    fs::write(told.path("data/catalog.sqlite"), "text").unwrap();
    told.tell("msdata -d data report");
    assert_unchanged("errors", &told.text);
}

//! What users hand in: manifests, embeddings, trees of images, links, pipes, devices. Read as it is meant, or refused
//! with the reason; never guessed, never without a bound.

use arrow::array::{ArrayRef, Float64Array, Int32Array, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Field, Float32Type, Schema};
use msdata::{Dataset, Error, IngestOptions, Watch};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A data set `d` with the subjects `s1`, `s2` and the prompts given, which ask for both; and a place to put files.
pub struct Place {
    pub dir: tempfile::TempDir,
}

/// How a command ended: its status, what it said, what it gave.
pub type Told = (Option<i32>, String, String);

impl Place {
    pub fn new(prompts: &[&str]) -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        place.image("refs/dog.png", 1);
        place.image("refs/cat.png", 2);
        let subject =
            |id: &str, file: &str| format!(r#"{{"subject_id": "{id}", "label": "thing", "references": ["refs/{file}.png"]}}"#);
        place.file("s.jsonl", format!("{}\n{}\n", subject("s1", "dog"), subject("s2", "cat")));
        let lines: String = prompts.iter().map(|id| prompt(id) + "\n").collect();
        place.file("p.jsonl", lines);
        assert_eq!(place.run(&["init", "d"]).0, Some(0));
        let (status, said, _) = place.ingest(&["--subjects", "s.jsonl", "--prompts", "p.jsonl"]);
        assert_eq!(status, Some(0), "{said}");
        place
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    pub fn image(&self, name: &str, colour: u8) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        let picture = |x: u32, y: u32| image::Rgb([colour.wrapping_mul(40), (x * 9) as u8, (y * 5) as u8]);
        image::RgbImage::from_fn(24, 24, picture).save_with_format(self.at(name), image::ImageFormat::Png).unwrap();
    }

    fn gzip(&self, name: &str, write: impl FnOnce(&mut dyn Write)) {
        let mut out = flate2::write::GzEncoder::new(fs::File::create(self.at(name)).unwrap(), flate2::Compression::fast());
        write(&mut out);
        out.finish().unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args(arguments).current_dir(self.dir.path()).env_remove("MSDATA_DATASET").stdin(Stdio::null());
        let output: Output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stderr), text(output.stdout))
    }

    pub fn ingest(&self, arguments: &[&str]) -> Told {
        self.run(&[&["-d", "d", "ingest", "--no-embed"], arguments].concat())
    }

    fn layout(&self, tree: &str, pattern: &str, more: &[&str]) -> Told {
        self.ingest(&[&["--from", "layout", tree, "--layout", pattern], more].concat())
    }

    /// The generations' keys, a line each.
    pub fn keys(&self) -> String {
        self.run(&["-d", "d", "sql", "SELECT model, prompt_id, seed FROM generations ORDER BY 1, 2, 3", "--format", "csv"]).2
    }
}

pub fn prompt(id: &str) -> String {
    format!(r#"{{"prompt_id": "{id}", "text": "A dog and a cat.", "scene_type": "neutral", "subjects": ["s1", "s2"]}}"#)
}

/// What was refused: exit status 1, and a text that holds all of these.
#[track_caller]
pub fn refused((status, said, _): Told, parts: &[&str]) {
    assert_eq!(status, Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[track_caller]
pub fn taken((status, said, _): Told) -> String {
    assert_eq!(status, Some(0), "{said}");
    said
}

#[test]
fn a_star_does_not_take_digits_of_the_seed() {
    let place = Place::new(&["p1", "p2"]);
    place.image("t/p1/seed42.png", 1);
    place.image("t/p2/2025-08-02_699712853630613.PNG", 2);
    taken(place.layout("t", "{prompt_id}/*{seed}.png", &["--model", "m"]));
    assert_eq!(place.keys(), "model,prompt_id,seed\nm,p1,42\nm,p2,699712853630613\n");
    // A minus, or a dash? Nobody but the user knows.
    place.image("u/p1/00039-3172825024.png", 3);
    let told = place.layout("u", "{prompt_id}/*{seed}.png", &["--model", "n"]);
    refused(told, &["00039-3172825024.png", "seed -3172825024; or", "seed 3172825024", "as in `*-{seed}.png`"]);
    taken(place.layout("u", "{prompt_id}/*-{seed}.png", &["--model", "n"]));
    assert!(place.keys().ends_with("n,p1,3172825024\n"));
}

#[test]
fn underscores_are_parted_by_the_known_prompts() {
    let (pattern, file) = ("{model}_{prompt_id}_{seed}.png", "t/flux_dev_neutral_2_01_7.png");
    let place = Place::new(&["neutral_2_01"]);
    place.image(file, 1);
    taken(place.layout("t", pattern, &[]));
    assert_eq!(place.keys(), "model,prompt_id,seed\nflux_dev,neutral_2_01,7\n");
    let place = Place::new(&["neutral_2_01", "01"]);
    place.image(file, 1);
    let said =
        ["model `flux_dev`, prompt `neutral_2_01`, seed 7", "model `flux_dev_neutral_2`, prompt `01`, seed 7", "--model NAME"];
    refused(place.layout("t", pattern, &[]), &said);
    taken(place.layout("t", pattern, &["--model", "flux_dev"]));
    assert_eq!(place.keys(), "model,prompt_id,seed\nflux_dev,neutral_2_01,7\n");
}

#[test]
fn a_seed_that_is_too_great_is_called_so() {
    let place = Place::new(&["p1"]);
    place.image("t/p1/18446744073709551615.png", 1);
    let reason = "`18446744073709551615` is greater than 9223372036854775807";
    refused(place.layout("t", "{prompt_id}/{seed}.png", &["--model", "m"]), &[reason]);
    place.file(
        "g.csv",
        "model,prompt_id,seed,path\r\nm,p1,1,t/p1/18446744073709551615.png\r\nm,p1,18446744073709551615,x.png\r\n",
    );
    refused(place.ingest(&["--generations", "g.csv"]), &["g.csv:3: `seed` ", reason]);
    place.file("g.jsonl", r#"{"model": "m", "prompt_id": "p1", "seed": -9223372036854775809, "path": "x.png"}"#);
    refused(place.ingest(&["--generations", "g.jsonl"]), &["less than -9223372036854775808"]);
    place.image("x/seed_9223372036854775808/0_A.png", 1);
    place.file("x/list.json", r#"[{"index": 0, "prompt": "A dog and a cat."}]"#);
    refused(place.ingest(&["--from", "mosaic", "x"]), &["`9223372036854775808` is greater than"]);
}

#[test]
fn links_in_circles_are_not_followed() {
    let place = Place::new(&["p1"]);
    place.image("t/p1/1.png", 1);
    std::os::unix::fs::symlink(".", place.at("t/a")).unwrap();
    std::os::unix::fs::symlink(".", place.at("t/b")).unwrap();
    std::os::unix::fs::symlink("..", place.at("t/p1/c")).unwrap();
    let began = Instant::now();
    let said = taken(place.layout("t", "{prompt_id}/{seed}.png", &["--model", "m"]));
    assert!(said.contains("a link to a directory that holds it; not read"), "{said}");
    assert_eq!(place.keys(), "model,prompt_id,seed\nm,p1,1\n");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_root_holds_whenever_a_file_is_opened() {
    let place = Place::new(&["p1"]);
    place.image("data/in/a.png", 3); // a content of its own, or else its vector is known
    place.image("data/in/b.png", 4);
    fs::create_dir(place.at("outside")).unwrap();
    fs::copy(place.at("data/in/b.png"), place.at("outside/b.png")).unwrap();
    // With its time, too.
    let copied = Command::new("cp").arg("-p").args([place.at("data/in/a.png"), place.at("outside/a.png")]).status().unwrap();
    assert!(copied.success());
    std::os::unix::fs::symlink("a.png", place.at("data/in/link.png")).unwrap();
    let subject =
        |id: &str, file: &str| format!(r#"{{"subject_id": "{id}", "label": "thing", "references": ["in/{file}.png"]}}"#);
    place.file("data/s.jsonl", format!("{}\n{}\n", subject("a", "a"), subject("link", "link")));
    place.file("data/g.jsonl", r#"{"model": "m", "prompt_id": "p1", "seed": 1, "path": "in/b.png"}"#);
    taken(place.ingest(&["--subjects", "data/s.jsonl", "--generations", "data/g.jsonl", "--root", "data"]));
    // The same bytes, outside: by its content nobody could tell. First the file is a link, then its directory.
    fs::remove_file(place.at("data/in/a.png")).unwrap();
    std::os::unix::fs::symlink(place.at("outside/a.png"), place.at("data/in/a.png")).unwrap();
    let reason = "a link leads outside the directories given with --root";
    let (status, said, _) = place.run(&["-d", "d", "embed", "--encoder", "builtin-texture"]);
    assert_eq!(status, Some(3), "{said}");
    let (status, said, _) = place.ingest(&["--subjects", "s.jsonl"]);
    assert!(status == Some(3) && said.contains(reason), "{said}");
    fs::rename(place.at("data/in"), place.at("data/was")).unwrap();
    std::os::unix::fs::symlink(place.at("outside"), place.at("data/in")).unwrap();
    let (status, said, _) = place.ingest(&["--prompts", "p.jsonl"]);
    assert!(status == Some(3) && said.contains(reason) && said.contains("generation m p1 1"), "{said}");
}

#[test]
fn no_manifest_is_read_without_a_bound() {
    let place = Place::new(&["p1"]);
    place.gzip("blank.jsonl.gz", |out| {
        let lines = vec![b'\n'; 1 << 20];
        (0..200).for_each(|_| out.write_all(&lines).unwrap());
    });
    refused(place.ingest(&["--prompts", "blank.jsonl.gz"]), &["blank lines of more than 16 MiB"]);
    place.gzip("quote.csv.gz", |out| {
        out.write_all(b"prompt_id,text,scene_type,subjects\np2,\"A dog,neutral,s1\n").unwrap();
        let lines = b"p3,A cat,neutral,s2\n".repeat(1 << 15);
        (0..40).for_each(|_| out.write_all(&lines).unwrap());
    });
    refused(place.ingest(&["--prompts", "quote.csv.gz"]), &["quote.csv.gz:2: ", "is a quote left open?"]);
    place.gzip("array.json.gz", |out| {
        out.write_all(b"[\n{\"prompt_id\": \"").unwrap();
        let text = vec![b'x'; 1 << 20];
        (0..40).for_each(|_| out.write_all(&text).unwrap());
    });
    refused(place.ingest(&["--prompts", "array.json.gz"]), &["array.json.gz:2: ", "longer than 16 MiB"]);
    place.file("open.csv", "prompt_id,text,scene_type,subjects\np2,A,neutral,\"s1\np3,B,neutral,s2\n");
    refused(place.ingest(&["--prompts", "open.csv"]), &["open.csv:2: ", "a quote that is never closed"]);
}

#[test]
fn pipes_devices_and_directories_are_refused() {
    let place = Place::new(&["p1"]);
    for name in ["pipe.jsonl", "pipe.parquet"] {
        assert!(Command::new("mkfifo").arg(place.at(name)).status().unwrap().success());
    }
    refused(place.ingest(&["--prompts", "pipe.jsonl"]), &["it is a pipe, not a regular file"]);
    refused(place.ingest(&["--embeddings", "pipe.parquet"]), &["it is a pipe, not a regular file"]);
    fs::create_dir_all(place.at("dir.parquet")).unwrap();
    refused(place.ingest(&["--embeddings", "dir.parquet"]), &["a directory without any Parquet file"]);
    refused(place.ingest(&["--prompts", "dir.parquet"]), &["a directory without any Parquet, CSV or JSON file"]);
    std::os::unix::fs::symlink("/dev/zero", place.at("zero.jsonl")).unwrap();
    refused(place.ingest(&["--prompts", "zero.jsonl"]), &["it is a device, not a regular file"]);
    // An encoder of which each file in turn has no end.
    for file in ["msdata.toml", "preprocessor_config.json"] {
        let encoder = place.at(&format!("encoder-{file}"));
        fs::create_dir(&encoder).unwrap();
        fs::write(encoder.join("model.onnx"), "").unwrap();
        fs::write(encoder.join("preprocessor_config.json"), "{}").unwrap();
        let _ = fs::remove_file(encoder.join(file));
        std::os::unix::fs::symlink("/dev/zero", encoder.join(file)).unwrap();
        let told = place.run(&["-d", "d", "embed", "--encoder", encoder.to_str().unwrap()]);
        assert_eq!(told.0, Some(1), "{}", told.1);
    }
    // Lists of generators.
    for (format, list) in
        [("xverse", "msdata-export.json"), ("mosaic", "list.json"), ("stress-test-repo", "results/m/1_x/meta.json")]
    {
        let folder = place.at(format);
        fs::create_dir_all(folder.join(list).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join(list)).unwrap();
        refused(place.ingest(&["--from", format, format]), &[]);
    }
}

#[test]
fn a_reader_stops_when_it_is_asked_to() {
    let place = Place::new(&["p1"]);
    place.image("t/p1/1.png", 1);
    place.file("more.jsonl", prompt("p2"));
    let stop = AtomicBool::new(true);
    let mut data = Dataset::open_to_write(&place.at("d")).unwrap();
    let interrupted = |data: &mut Dataset, options: &IngestOptions| {
        let error = data.ingest(options, &mut Watch::silent().until(&stop)).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
    };
    interrupted(&mut data, &IngestOptions { prompts: vec![place.at("more.jsonl")], ..IngestOptions::default() });
    let outputs = msdata::ops::OutputOptions {
        layout: Some("{prompt_id}/{seed}.png".parse().unwrap()),
        model: Some("m".parse().unwrap()),
        ..Default::default()
    };
    let from = vec![(msdata::ops::SourceFormat::Layout, place.at("t"))];
    interrupted(&mut data, &IngestOptions { from, outputs, ..IngestOptions::default() });
}

#[test]
fn manifests_as_other_programs_write_them() {
    let place = Place::new(&["p1"]);
    // pandas and Hugging Face datasets: lists as Python text.
    place.file("s.csv", "subject_id,label,references\nx,dog,\"['refs/dog.png', 'refs/cat.png']\"\n");
    taken(place.ingest(&["--subjects", "s.csv"]));
    let (_, _, references) =
        place.run(&["-d", "d", "sql", "SELECT json_array_length(\"references\") FROM subjects WHERE subject_id = 'x'"]);
    assert!(references.contains('2'), "{references}");
    place.file("p.csv", "prompt_id,text,scene_type,subjects\nq,A,neutral,\"[s1, s2]\"\n");
    refused(place.ingest(&["--prompts", "p.csv"]), &["p.csv:2: ", "separate items by `;`"]);
    // One JSON array, over several lines; a bad element is named by its line.
    let array = format!("[\n  {},\n  {{\"prompt_id\": \"q2\"}}\n]\n", prompt("q1"));
    place.file("p.json", &array);
    refused(place.ingest(&["--prompts", "p.json"]), &["error: 1 bad row;", "p.json:3: "]);
    place.file("p.json", array.replace("{\"prompt_id\": \"q2\"}", &prompt("q2").replace(", ", ",\n ")));
    taken(place.ingest(&["--prompts", "p.json"]));
    place.file("pretty.json", prompt("q3").replace(", ", ",\n ").replace('{', "{\n"));
    refused(place.ingest(&["--prompts", "pretty.json"]), &["error: 1 bad row;", "one object per line", "jq -c"]);
    // Excel in Europe, and tabs; integers that were floats for a while; line numbers with CRLF.
    place.image("o.png", 3);
    place.file("g.csv", "\u{feff}model;prompt_id;seed;path\r\nM;p1;1.0;o.png\r\n");
    taken(place.ingest(&["--generations", "g.csv"]));
    place.file("g.csv", "model\tprompt_id\tseed\tpath\r\nM\tp1\t1\to.png\r\nM\tp1\t1.5\to.png\r\n");
    refused(place.ingest(&["--generations", "g.csv"]), &["error: 1 bad row;", "g.csv:3: `seed` must be an integer"]);
    place.file("g.csv", "model;prompt_id;seed;file\r\nM;p1;1;o.png\r\n");
    refused(place.ingest(&["--generations", "g.csv"]), &["the header has no column `path`; it has `model,prompt_id,seed,file`"]);
    place.file("g.csv", "model;file\r\nM;o.png\r\n");
    refused(place.ingest(&["--generations", "g.csv"]), &["columns are separated by `,`"]);
    assert_eq!(place.keys(), "model,prompt_id,seed\nM,p1,1\n");
    for (bytes, what) in [(&b"PK\x03\x04"[..], "Excel"), (b"\xff\xfem\0", "UTF-16"), (b"PAR1", "cannot be read as Parquet")] {
        place.file("g.csv", bytes);
        refused(place.ingest(&["--generations", "g.csv"]), &[what]);
    }
}

#[test]
fn what_differs_in_unicode_form_only_is_told_so() {
    let (nfc, nfd) = ("caf\u{e9}", "cafe\u{301}");
    let place = Place::new(&[nfc]);
    place.image(&format!("o/{nfd}.png"), 1);
    place.file("g.jsonl", format!(r#"{{"model": "m", "prompt_id": "{nfd}", "seed": 1, "path": "o/{nfd}.png"}}"#));
    refused(place.ingest(&["--generations", "g.jsonl"]), &["differs only in Unicode form"]);
    place.file("g.jsonl", format!(r#"{{"model": "m", "prompt_id": "{nfc}", "seed": 1, "path": "o/{nfc}.png"}}"#));
    let (status, said, _) = place.ingest(&["--generations", "g.jsonl"]);
    assert!(status == Some(3) && said.contains("differs from it in Unicode form only"), "{said}");
    place.image(&format!("t/{nfd}/1.png"), 1);
    place.image(&format!("t/{nfc}/2.png"), 1);
    let (_, said, _) = place.layout("t", "{prompt_id}/{seed}.png", &["--model", "m2"]);
    assert!(said.contains("differs only in Unicode form"), "{said}");
}

#[test]
fn one_file_under_two_subjects_is_said() {
    let place = Place::new(&["p1"]);
    place.file("s.jsonl", r#"{"subject_id": "twin", "label": "thing", "references": ["refs/dog.png"]}"#);
    let said = taken(place.ingest(&["--subjects", "s.jsonl"]));
    assert!(said.contains("warning: one file is a reference of two subjects"), "{said}");
    assert!(said.contains("of subject s1") && said.contains("of subject twin"), "{said}");
}

/// A Parquet file with one vector of a reference and one of a generation; more columns as given.
pub fn vectors(path: &Path, compression: Compression, seed: ArrayRef, more: &[(&str, ArrayRef)]) {
    let text = |values: [Option<&str>; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let lists = [Some(vec![Some(1.0), Some(0.0)]), Some(vec![Some(0.6), Some(0.8)])];
    let mut columns = vec![
        ("encoder", text([Some("e"), Some("e")])),
        ("kind", text([Some("reference"), Some("generation")])),
        ("subject_id", text([Some("s1"), None])),
        ("reference_index", Arc::new(Int32Array::from(vec![Some(0), None])) as ArrayRef),
        ("model", text([None, Some("m")])),
        ("prompt_id", text([None, Some("p1")])),
        ("seed", seed),
        ("embedding", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists)) as ArrayRef),
    ];
    columns.extend(more.iter().cloned());
    let fields: Vec<Field> = columns.iter().map(|(name, a)| Field::new(*name, a.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|c| c.1).collect()).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut out = ArrowWriter::try_new(fs::File::create(path).unwrap(), schema, Some(properties)).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
}

#[test]
fn embeddings_in_every_compression_and_form() {
    let place = Place::new(&["p1"]);
    place.image("o.png", 3);
    place.file("g.jsonl", r#"{"model": "m", "prompt_id": "p1", "seed": 42, "path": "o.png"}"#);
    taken(place.ingest(&["--generations", "g.jsonl"]));
    let seed = |value: Option<f64>| Arc::new(Float64Array::from(vec![None, value])) as ArrayRef;
    let known = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ];
    for (i, compression) in known.into_iter().enumerate() {
        vectors(&place.at("e.parquet"), compression, seed(Some(42.0)), &[]);
        let said = taken(place.ingest(&["--embeddings", "e.parquet"]));
        let counted = if i == 0 { "vectors: 2 added" } else { "vectors: 2 unchanged" };
        assert!(said.contains(counted), "{compression}: {said}");
    }
    for (value, reason) in
        [(42.5, "row 2: `seed` 42.5 is not an integer"), (1e17, "row 2: `seed` 100000000000000000 was a float")]
    {
        vectors(&place.at("e.parquet"), Compression::SNAPPY, seed(Some(value)), &[]);
        refused(place.ingest(&["--embeddings", "e.parquet"]), &["error: 1 bad row;", reason]);
    }
    let great = Arc::new(UInt64Array::from(vec![None, Some(u64::MAX)])) as ArrayRef;
    vectors(&place.at("e.parquet"), Compression::SNAPPY, great, &[]);
    refused(place.ingest(&["--embeddings", "e.parquet"]), &["row 2: `seed` `18446744073709551615` is greater than"]);
    let model = Arc::new(StringArray::from(vec![None, Some("other")])) as ArrayRef;
    vectors(&place.at("e.parquet"), Compression::SNAPPY, seed(Some(42.0)), &[("model", model)]);
    refused(place.ingest(&["--embeddings", "e.parquet"]), &["column `model` appears twice"]);
    let wide = ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(0.0); 200_000]), Some(vec![Some(1.0)])]);
    let columns: Vec<(&str, ArrayRef)> = ["encoder", "kind"]
        .into_iter()
        .map(|name| (name, Arc::new(StringArray::from(vec![if name == "kind" { "prompt" } else { "e" }; 2])) as ArrayRef))
        .chain([("embedding", Arc::new(wide) as ArrayRef)])
        .collect();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut out = ArrowWriter::try_new(fs::File::create(place.at("w.parquet")).unwrap(), batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
    refused(place.ingest(&["--embeddings", "w.parquet"]), &["vectors are longer than 65536 numbers"]);
}

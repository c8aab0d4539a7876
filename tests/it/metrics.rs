//! Metrics that were computed elsewhere: which files are read and which are refused, what reports, comparisons and the page
//! make of them, and what becomes of them when what they are of changes.

use crate::support::lab::{Lab, ok, python, refused, rows};
use crate::support::prescribed::{self, Image, Prescribed};
use crate::support::small;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use msdata::Dataset;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The paper's 675 images, of which nothing is known but their DINOv2 similarities.
fn paper(dir: &Path) -> Prescribed {
    let set = Prescribed::paper();
    let mut files = set.write(&dir.join("input"));
    let vectors = dir.join("dinov2.parquet");
    set.write_vectors(&vectors, "dinov2-small", |i| vec![0.5; set.prompts[i.prompt].subjects.len()], None);
    files.embeddings = vec![vectors];
    prescribed::ingest(&mut Dataset::init(&dir.join("data")).unwrap(), &files);
    set
}

/// 0.5, 0.4 or 0.3, by the model, and a hundredth more for each prompt of five; the first four prompts of MOSAIC have none.
fn hpsv2(i: Image<'_>) -> Option<f64> {
    let base = [("MOSAIC", 0.5), ("XVerse", 0.4), ("PSR", 0.3)].iter().find(|(model, _)| *model == i.model).unwrap().1;
    (i.model != "MOSAIC" || i.prompt >= 4).then(|| base + (i.prompt % 5) as f64 / 100.0)
}

/// The mean of [`hpsv2`] over the prompts 4 to 14 of MOSAIC, those of two subjects: by hand.
const MOSAIC_2: f64 = 0.5 + 0.24 / 11.0;

fn near(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-12)
}

/// What 675 values, of which 12 are missing, must give.
fn check_table(dir: &Path) {
    let report: Value = serde_json::from_str(&ok(dir, &["report", "--ci", "--format", "json"])).unwrap();
    let row = |model: &str, n: i64| {
        let rows = report["rows"].as_array().unwrap();
        rows.iter().find(|row| row["model"] == model && row["subject_count"] == n).unwrap().clone()
    };
    let (few, many) = (row("MOSAIC", 2), row("XVerse", 2));
    assert!(near(&few["metrics"]["hpsv2"], MOSAIC_2), "{few}");
    assert_eq!((&few["images"], &few["missing"], &few["scored"]), (&json!(45), &json!(0), &json!({"metrics/hpsv2": 33})));
    assert!(near(&many["metrics"]["hpsv2"], 0.42) && many["scored"].is_null(), "{many}");
    let ends = many["metrics_ci"]["hpsv2"].as_array().unwrap();
    assert!(ends[0].as_f64().unwrap() < 0.42 && ends[1].as_f64().unwrap() > 0.42, "{ends:?}");

    let csv = ok(dir, &["report", "--by", "model", "--format", "csv"]);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let at = lines[0].iter().position(|column| *column == "metric_hpsv2").unwrap();
    assert_eq!(lines[0][at + 1], "metric_hpsv2_images");
    assert_eq!(lines.iter().skip(1).map(|line| line[at + 1]).collect::<Vec<_>>(), ["213", "225", "225"]);

    let compared: Value =
        serde_json::from_str(&ok(dir, &["compare", "MOSAIC", "XVerse", "--whole", "--format", "json"])).unwrap();
    let row = compared.as_array().unwrap().iter().find(|row| row["measure"] == "hpsv2").unwrap();
    assert_eq!((&row["pairs"], &row["only_a"], &row["only_b"]), (&json!(213), &json!(0), &json!(12)));
    assert!(near(&row["difference"], 0.1) && row["p_holm"].as_f64().unwrap() < 1e-6, "{row}");

    let board = ok(dir, &["compare", "--leaderboard", "--whole", "--measure", "hpsv2"]);
    let ranked: Vec<Vec<&str>> = board.lines().skip(2).map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(ranked, [["1", "MOSAIC"], ["2", "XVerse"], ["3", "PSR"]]);
    assert!(board.contains("hpsv2 ↑"), "{board}");
}

#[test]
fn a_metric_of_675_rows_with_12_missing_and_one_unknown_key() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, set) = (dir.path(), paper(dir.path()));
    let mut csv = "model,prompt_id,seed,hpsv2\n".to_owned();
    for (at, i) in set.images().enumerate() {
        // As pandas writes it, and as it writes it with na_rep.
        let value = hpsv2(i).map_or_else(|| ["", "NaN"][at % 2].to_owned(), |value| value.to_string());
        let prompt = if at == 300 { "76_neutral" } else { &set.prompts[i.prompt].id };
        csv += &format!("{},{prompt},{},{value}\n", i.model, i.seed);
    }
    fs::write(dir.join("hpsv2.csv"), &csv).unwrap();
    let ingest = ["ingest", "--no-embed", "--scores", "hpsv2.csv", "--metric", "hpsv2:higher:0:1"];
    let before = ok(dir, &["digest"]);
    let said = refused(dir, &ingest);
    assert!(said.contains("1 bad row; nothing was written\nhpsv2.csv:302: there is no prompt `76_neutral`"), "{said}");
    assert_eq!(ok(dir, &["digest"]), before);

    let right = &set.prompts[set.images().nth(300).unwrap().prompt].id;
    fs::write(dir.join("hpsv2.csv"), csv.replace("76_neutral", right)).unwrap();
    let lab_said = |arguments: &[&str]| {
        let done = crate::support::lab::msdata(dir, arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(0));
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let said = lab_said(&ingest);
    assert!(said.contains("values of metrics: 675 added\nmetric hpsv2: 663 values, 12 missing\n"), "{said}");
    check_table(dir);
    let said = lab_said(&["report", "--by", "model"]);
    let note = "metric hpsv2: 663 of 675 images have a value, and the means are over these; 12 values were imported as missing";
    assert!(said.contains(note), "{said}");
    assert_eq!(rows(dir, "data", "SELECT count(*), count(value), min(better) FROM metrics"), ["675,663,higher"]);

    // The same again changes nothing; a page shows it; removed, it leaves the data set as it was.
    let with = ok(dir, &["digest"]);
    assert_ne!(with, before);
    assert!(lab_said(&ingest).contains("values of metrics: 675 unchanged\n"));
    assert_eq!(ok(dir, &["digest"]), with);
    ok(dir, &["verify", "--deep"]);
    ok(dir, &["report", "--html", "page"]);
    let page = fs::read_to_string(dir.join("page/index.html")).unwrap();
    for part in
        ["hpsv2\u{a0}<span aria-label=\"more is better\"", "Metrics from elsewhere", note, "\"metrics\":[[\"hpsv2\",false]]"]
    {
        assert!(page.contains(part), "{part}");
    }
    for (figure, name) in [("trend", "hpsv2 against"), ("scene", "hpsv2 by scene type")] {
        let svg = ok(dir, &["plot", figure, "--metric", "hpsv2"]);
        assert!(svg.contains(name), "{figure}");
    }
    assert!(refused(dir, &["plot", "trend", "--metric", "hpsv3"]).contains("did you mean `hpsv2`?"));
    assert!(lab_said(&["remove", "--metric", "hpsv2"]).contains("removed a metric with 675 values"));
    assert_eq!(ok(dir, &["digest"]), before);
}

#[test]
fn a_metric_from_pandas() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (dir, set) = (dir.path(), paper(dir.path()));
    let mut lines = String::new();
    for i in set.images() {
        let row = json!([i.model, set.prompts[i.prompt].id, i.seed, hpsv2(i)]);
        lines += &format!("{row}\n");
    }
    fs::write(dir.join("rows.jsonl"), lines).unwrap();
    let script = "
import json, pandas
rows = [json.loads(line) for line in open('rows.jsonl')]
table = pandas.DataFrame(rows, columns=['model', 'prompt_id', 'seed', 'hpsv2'])
assert table.hpsv2.isna().sum() == 12
table.to_parquet('good.parquet')
table[table.model != ''].set_index('hpsv2').reset_index().to_csv('good.csv', index=False)
table.loc[300, 'seed'] = 45
table.to_parquet('bad.parquet')
";
    assert!(Command::new(python).args(["-c", script]).current_dir(dir).status().unwrap().success());
    let ingest = |file| ["ingest", "--no-embed", "--scores", file, "--metric", "hpsv2:higher"];
    let said = refused(dir, &ingest("bad.parquet"));
    let i = set.images().nth(300).unwrap();
    let reason = format!(
        "there is no image of model `{}` for prompt `{}` with seed 45; the model has seeds 42, 43, 44",
        i.model, set.prompts[i.prompt].id
    );
    assert!(said.contains(&format!("bad.parquet: row 301: {reason}\n")), "{said}");
    ok(dir, &ingest("good.parquet"));
    check_table(dir);
    let known = ok(dir, &["digest"]);
    ok(dir, &ingest("good.csv"));
    assert_eq!(ok(dir, &["digest"]), known);
}

/// A data set of two subjects, two prompts and the seeds 1 and 2 of the model M, without vectors.
fn small_lab() -> Lab {
    let lab = Lab::empty();
    small::made(lab.dir(), &["init", "data"]);
    lab
}

const INGEST: [&str; 3] = ["ingest", "--no-embed", "--scores"];

fn ingest<'a>(lab: &Lab, file: &'a str, more: &[&'a str]) -> String {
    lab.told(&[&INGEST[..], &[file], more].concat())
}

#[test]
fn what_cannot_be_taken_in_is_said_all_at_once() {
    let lab = small_lab();
    lab.write("first.csv", "# msdata: hps higher 0 1\nmodel,prompt_id,seed,hps\nM,p1,1,0.5\n");
    ingest(&lab, "first.csv", &[]);
    lab.write(
        "bad.csv",
        "model,prompt_id,seed,hps,x\n\
         N,p1,1,0.5,1\n\
         M,p11,1,0.5,1\n\
         M,p1,7,0.5,1\n\
         M,p1,2,1.5,1\n\
         M,p2,1,inf,1\n\
         M,p2,2,NA,1\n\
         M,p1,2,0.5,2\n\
         M,p1,1,0.6,1\n",
    );
    lab.write(
        "bad.jsonl",
        "{\"metrics\": {\"hps\": {\"better\": \"lower\"}}}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1, \"metric\": \"hps\", \"value\": NaN}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1, \"metric\": \"hps\", \"value\": \"0.5\"}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1, \"metric\": \"clip_t\", \"value\": 0.5}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1, \"metric\": \"hps\"}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1, \"subject_id\": \"cat\", \"metric\": \"hps\", \"value\": 0.5}\n\
         {\"model\": \"M\", \"prompt_id\": \"p2\", \"seed\": 1, \"subject_id\": \"cow\", \"metric\": \"hps\", \"value\": 0.5}\n\
         {\"metrics\": {}}\n",
    );
    lab.write("encoder.csv", "# msdata: builtin-texture lower\nmodel,prompt_id,seed,builtin-texture\nM,p1,1,3\n");
    let before = lab.ok(&["digest"]);
    let said = refused(lab.dir(), &[&INGEST[..], &["bad.csv", "--scores", "bad.jsonl", "--scores", "encoder.csv"]].concat());
    let expected = "\
error: 20 bad rows; nothing was written
bad.csv:2: there is no model `N`; did you mean `M`?
bad.csv:3: there is no prompt `p11`; did you mean `p1`?
bad.csv:4: there is no image of model `M` for prompt `p1` with seed 7; the model has seeds 1, 2
bad.csv:5: hps is 1.5, outside its range from 0 to 1
bad.csv:6: `hps` must be finite, not `inf`
bad.csv:7: `hps` must be a number, not `NA`; a missing value is null, an empty cell or NaN
bad.csv:8: the value of hps appears twice, first in bad.csv:5: 1.5 there and 0.5 here
bad.csv:8: the value of x appears twice, first in bad.csv:5: 1 there and 2 here
bad.csv:9: hps is 0.5 in the catalog and 0.6 here (`--replace` takes the value given here)
bad.csv: nothing says which way metric x is better: add `--metric x:higher` or `--metric x:lower`
bad.jsonl: of metric hps the data set says that higher is better, from 0 to 1, and the file that lower is better, from 0 to 1 (`--replace` takes what is given here)
bad.jsonl:2: not valid JSON: expected value at column 72 (JSON has no NaN or Infinity: write null)
bad.jsonl:3: `value` must be a number, not `\"0.5\"`
bad.jsonl:4: `metric` `clip_t` is the name of something else here; give the metric another name
bad.jsonl:5: `metric` needs `value` beside it
bad.jsonl:6: no metric: expected `metric` and `value`, or a column for each metric
bad.jsonl:7: hps has a value for each image, but this row has a `subject_id`
bad.jsonl:8: subject `cow` is not in prompt `p2`
bad.jsonl:9: a header; it is the first object of its file
encoder.csv:3: builtin-texture is the name of an encoder of the data set; give the metric another name
";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(lab.ok(&["digest"]), before);
    for (name, text, reason) in [
        ("no.csv", "model,prompt_id,seed\n", "no.csv:1: no metric: expected `metric` and `value`, or a column for each metric"),
        ("no.csv", "model,prompt_id,hps\n", "no.csv:1: the header has no column `seed`"),
        (
            "no.csv",
            "# msdata: hps up\nmodel,prompt_id,seed,hps\n",
            "no.csv:1: the header line is not like `# msdata: hpsv2 higher 0 1`",
        ),
        ("no.csv", "model,prompt_id,seed,HPS v2\n", "`HPS v2` cannot name a metric"),
        (
            "no.txt",
            "model,prompt_id,seed,hps\n",
            "no.txt: it is not a Parquet file, and its name ends in neither .jsonl, .json, .csv nor .tsv (.gz and .zst may follow)",
        ),
        ("no.parquet", "PAR1 and nothing else", "no.parquet: the file cannot be read as Parquet"),
    ] {
        lab.write(name, text);
        let said = refused(lab.dir(), &[&INGEST[..], &[name]].concat());
        assert!(said.contains(reason), "{said}");
    }
    let said = refused(lab.dir(), &["ingest", "--no-embed", "--metric", "hsp:lower"]);
    assert!(
        said.contains("`--metric` names `hsp`, which neither the files nor the data set have; did you mean `hps`?"),
        "{said}"
    );
}

#[test]
fn a_file_may_be_long_or_wide_and_say_its_rules_itself() {
    let rule = "{\"hps\": {\"better\": \"higher\", \"min\": 0, \"max\": 1}, \"loss\": {\"better\": \"lower\"}}";
    let (hps, loss) = ([Some(0.25), None, Some(1.0), Some(0.0)], [3.5, 1e-7, 0.1, 2.0]);
    let keys = [("p1", 1), ("p1", 2), ("p2", 1), ("p2", 2)];
    let mut wide = "# msdata: hps higher 0 1\r\n# msdata: loss lower\r\nmodel;prompt_id;seed;hps;loss\r\n".to_owned();
    let mut long = format!("{{\"metrics\": {rule}}}\n");
    for (at, (prompt, seed)) in keys.into_iter().enumerate() {
        wide += &format!("M;{prompt};{seed};{};{}\r\n", hps[at].map_or(String::new(), |x| x.to_string()), loss[at]);
        for (metric, value) in [("hps", json!(hps[at])), ("loss", json!(loss[at]))] {
            long += &format!("{}\n", json!({"model": "M", "prompt_id": prompt, "seed": seed, "metric": metric, "value": value}));
        }
    }
    let array = format!("[{}]", long.trim_end().replace('\n', ",\n"));
    let digests: Vec<String> = ["wide.csv", "long.jsonl", "array.json", "wide.parquet"]
        .into_iter()
        .map(|name| {
            let lab = small_lab();
            lab.write("wide.csv", &wide);
            lab.write("long.jsonl", &long);
            lab.write("array.json", &array);
            let columns: [(&str, ArrayRef); 5] = [
                ("model", Arc::new(StringArray::from(vec!["M"; 4]))),
                ("prompt_id", Arc::new(StringArray::from_iter_values(keys.map(|k| k.0)))),
                ("seed", Arc::new(Int64Array::from_iter_values(keys.map(|k| k.1)))),
                // NaN is a missing value, as null is.
                ("hps", Arc::new(Float64Array::from_iter_values(hps.map(|x| x.unwrap_or(f64::NAN))))),
                ("loss", Arc::new(Float64Array::from_iter_values(loss))),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let header = KeyValue::new("msdata.metrics".to_owned(), rule.to_owned());
            let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![header])).build();
            let file = fs::File::create(lab.path("wide.parquet")).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let said = ingest(&lab, name, &[]);
            assert!(
                said.contains("values of metrics: 8 added\nmetric hps: 3 values, 1 missing\nmetric loss: 4 values\n"),
                "{name}: {said}"
            );
            assert_eq!(
                lab.sql("SELECT DISTINCT metric, better, least, most FROM metrics ORDER BY 1"),
                ["hps,higher,0.0,1.0", "loss,lower,,"]
            );
            // Less is better, and is said to be.
            let md = lab.ok(&["report", "--by", "model", "--format", "md"]);
            assert!(md.contains("hps ↑ | loss ↓"), "{md}");
            lab.ok(&["digest"])
        })
        .collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_value_of_each_subject_becomes_a_mean_of_the_image() {
    let lab = small_lab();
    lab.write(
        "face.csv",
        "model,prompt_id,seed,subject_id,face\nM,p1,1,cat,0.5\nM,p1,1,dog,0.25\nM,p1,2,cat,0.75\nM,p1,2,dog,\nM,p2,1,dog,1\n",
    );
    ingest(&lab, "face.csv", &["--metric", "face:higher"]);
    let mean = |by: &str| -> Vec<(Value, Value)> {
        let report: Value = serde_json::from_str(&lab.ok(&["report", "--by", by, "--format", "json"])).unwrap();
        let rows = report["rows"].as_array().unwrap().clone();
        rows.into_iter().map(|row| (row["metrics"]["face"].clone(), row["scored"]["metrics/face"].clone())).collect()
    };
    // (0.375 + 0.75 + 1) / 3, over three of the four images.
    assert_eq!(mean("model"), [(json!(2.125 / 3.0), json!(3))]);
    // The cat's are 0.5 and 0.75, the dog's 0.25 and 1.
    assert_eq!(mean("subject_id"), [(json!(0.625), json!(2)), (json!(0.625), json!(2))]);
    let said = lab.told(&["report", "--by", "model"]);
    assert!(
        said.contains(
            "metric face: 3 of 4 images have a value, and the means are over these; 1 values were imported as missing; the value of an \
             image is the mean over those of its subjects that have one (2 images have values of only some subjects)"
        ),
        "{said}"
    );
    // A prompt that loses a subject loses what is said of it.
    let prompts = fs::read_to_string(lab.path("prompts.jsonl")).unwrap();
    lab.write("prompts.jsonl", prompts.replacen("\"subjects\":[\"cat\",\"dog\"]", "\"subjects\":[\"cat\"]", 1));
    let said = lab.told(&["ingest", "--no-embed", "--prompts", "prompts.jsonl", "--replace"]);
    assert!(
        said.contains("2 values of metrics were about subjects that their prompts no longer have, and are removed"),
        "{said}"
    );
    assert_eq!(lab.sql("SELECT count(*) FROM metrics"), ["3"]);
    lab.ok(&["verify"]);
}

#[test]
fn a_value_is_of_the_image_that_was_there() {
    let lab = small_lab();
    lab.write("hps.csv", "model,prompt_id,seed,hps\nM,p1,1,0.5\nM,p1,2,0.25\nM,p2,1,\n");
    ingest(&lab, "hps.csv", &["--metric", "hps:higher"]);
    let mean = || -> Value {
        let report: Value = serde_json::from_str(&lab.ok(&["report", "--by", "model", "--format", "json"])).unwrap();
        report["rows"][0]["metrics"]["hps"].clone()
    };
    assert_eq!(mean(), json!(0.375));
    fs::write(lab.path("images/p1-1.png"), small::png(77)).unwrap();
    lab.told(&["ingest", "--encoder", "builtin-texture"]);
    assert_eq!(mean(), json!(0.25));
    assert_eq!(lab.sql("SELECT seed, value, stale FROM metrics WHERE prompt_id = 'p1' ORDER BY seed"), ["1,0.5,1", "2,0.25,0"]);
    let said = lab.told(&["report", "--by", "model"]);
    assert!(said.contains("1 values are of images that have changed since and do not count"), "{said}");
    // The judge is asked again: the stale value is replaced, the missing one filled, and nothing else may change unasked.
    lab.write("again.csv", "model,prompt_id,seed,hps\nM,p1,1,0.75\nM,p1,2,0.25\nM,p2,1,0.5\n");
    assert!(ingest(&lab, "again.csv", &[]).contains("values of metrics: 2 replaced, 1 unchanged"));
    assert_eq!(mean(), json!(0.5));
    lab.write("other.csv", "model,prompt_id,seed,hps\nM,p1,1,0.125\n");
    let said = refused(lab.dir(), &[&INGEST[..], &["other.csv"]].concat());
    assert!(said.contains("other.csv:2: hps is 0.75 in the catalog and 0.125 here (`--replace`"), "{said}");
    assert!(ingest(&lab, "other.csv", &["--replace"]).contains("values of metrics: 1 replaced"));
    // A rule is changed only when it is said, and only to one that the values fit.
    assert!(
        refused(lab.dir(), &["ingest", "--no-embed", "--metric", "hps:lower"]).contains("(`--replace` takes what is given here)")
    );
    let said = refused(lab.dir(), &["ingest", "--no-embed", "--replace", "--metric", "hps:lower:0:0.25"]);
    assert!(said.contains("the data set has 1 values outside that, such as 0.5"), "{said}");
    let said = lab.told(&["ingest", "--no-embed", "--replace", "--metric", "hps:lower:0:1"]);
    assert!(said.contains("metric hps: lower is better, from 0 to 1 from now on (before, higher is better)"), "{said}");
    assert!(lab.ok(&["compare", "--leaderboard", "--measure", "hps"]).contains("hps ↓"));
}

#[test]
fn metrics_alone_make_a_report() {
    let lab = Lab::empty();
    small::write(lab.dir());
    lab.ok(&["init", "data"]);
    let more = fs::read_to_string(lab.path("generations.jsonl")).unwrap().replace("\"model\":\"M\"", "\"model\":\"N\"");
    lab.write("more.jsonl", more);
    let args: Vec<&str> = small::INGEST[..7].iter().copied().chain(["--generations", "more.jsonl", "--no-embed"]).collect();
    lab.told(&args);
    assert!(refused(lab.dir(), &["report"]).contains("the data set has no image vectors yet"));
    lab.write(
        "hps.csv",
        "# msdata: hps higher\nmodel,prompt_id,seed,hps\nM,p1,1,0.5\nM,p1,2,0.25\nM,p2,1,\nN,p1,1,1\nN,p2,1,1\n",
    );
    ingest(&lab, "hps.csv", &[]);
    let csv = lab.ok(&["report", "--by", "model", "--format", "csv"]);
    assert_eq!(
        csv,
        "model,images,subjects,missing,r_precision,mean_rank,auc_,metric_hps,metric_hps_images\nM,2,4,2,,,,0.375,2\nN,2,4,2,,,,1.0,2\n"
    );
    let said = lab.told(&["report", "--by", "model"]);
    assert!(said.contains("4 of 8 generations are missing and not in the means: without a value of any metric"), "{said}");
    assert!(lab.ok(&["compare", "M", "N", "--whole"]).contains("0.500"));
    let board = lab.ok(&["compare", "--leaderboard", "--whole"]);
    assert!(board.lines().next().unwrap().contains("hps ↑"), "{board}");
    lab.ok(&["report", "--html", "page"]);
    assert!(fs::read_to_string(lab.path("page/index.html")).unwrap().contains("Metrics from elsewhere"));
}

#[test]
fn an_exported_metric_comes_back_as_it_was() {
    let (lab, other) = (small_lab(), small_lab());
    lab.write("hps.csv", "# msdata: hps higher 0 1\nmodel,prompt_id,seed,hps\nM,p1,1,0.1\nM,p1,2,\n");
    lab.write("face.csv", "# msdata: face lower\nmodel,prompt_id,seed,subject_id,metric,value\nM,p1,1,dog,face,-2.5\n");
    ingest(&lab, "hps.csv", &["--scores", "face.csv"]);
    lab.ok(&["export", "tables"]);
    let file = lab.path("tables/metrics.parquet");
    let said = ingest(&other, file.to_str().unwrap(), &[]);
    assert!(said.contains("values of metrics: 3 added") && !said.contains("warning"), "{said}");
    assert_eq!(lab.ok(&["digest"]), other.ok(&["digest"]));
    // What had changed is not taken for what is there.
    fs::write(lab.path("images/p1-1.png"), small::png(78)).unwrap();
    lab.told(&["ingest", "--encoder", "builtin-texture"]);
    lab.ok(&["export", "again"]);
    let said = ingest(&other, lab.path("again/metrics.parquet").to_str().unwrap(), &[]);
    assert!(
        said.contains("2 rows are marked as stale and were not read") && said.contains("values of metrics: 1 unchanged"),
        "{said}"
    );
}

#[test]
fn verify_finds_values_that_cannot_be() {
    let lab = small_lab();
    lab.write("hps.csv", "# msdata: hps higher 0 1\nmodel,prompt_id,seed,hps\nM,p1,1,0.5\nM,p1,2,0.25\n");
    ingest(&lab, "hps.csv", &[]);
    lab.ok(&["verify"]);
    let db = Connection::open(lab.path("data/catalog.sqlite")).unwrap();
    db.execute("UPDATE metric_value SET value = 7 WHERE value = 0.5", []).unwrap();
    db.execute("UPDATE metric_value SET subject = (SELECT min(id) FROM subject) WHERE value = 0.25", []).unwrap();
    drop(db);
    let done = lab.run(&["verify"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1));
    assert!(said.contains("1 values of metrics are outside the range of their metric"), "{said}");
    assert!(said.contains("1 values of metrics are about a subject where the metric is about images"), "{said}");
    // The advice works.
    lab.ok(&["remove", "--metric", "hps"]);
    ingest(&lab, "hps.csv", &[]);
    assert!(!String::from_utf8_lossy(&lab.run(&["verify"]).stderr).contains("values of metrics"));
}

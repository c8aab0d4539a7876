//! `msdata worker --stdio`: batches in, batches out, over pipes; the vectors are those of `msdata embed`.

use crate::support::lab::{Lab, err};
use crate::support::pictures::{encoded, picture};
use crate::support::small;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, DictionaryArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array,
    LargeBinaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampSecondArray, UInt16Array,
};
use arrow::datatypes::{DataType, Float32Type, Int8Type, Int32Type, Int64Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, ChildStdout, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENCODER: &str = "builtin-texture";

/// A worker of a lab, without the option of a data set that there is none of.
fn worker(lab: &Lab, more: &[&str]) -> Child {
    let mut command = lab.command(&[&["worker", "--stdio", "--encoder", ENCODER], more].concat());
    command.env_remove("MSDATA_DATASET").stdin(Stdio::piped()).spawn().unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// What a worker makes of an input.
fn given(lab: &Lab, more: &[&str], input: &[u8]) -> Output {
    let mut child = worker(lab, more);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Whoever is refused need not read on.
    let writer = std::thread::spawn(move || stdin.write_all(&input).map(|()| drop(stdin)));
    let done = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    done
}

fn answers(lab: &Lab, more: &[&str], batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let done = given(lab, more, &stream(batches));
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    StreamReader::try_new(&done.stdout[..], None).unwrap().map(Result::unwrap).collect()
}

fn answer(lab: &Lab, more: &[&str], batch: RecordBatch) -> RecordBatch {
    let [answer] = &answers(lab, more, &[batch])[..] else { panic!() };
    answer.clone()
}

fn strings(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    batch.column_by_name(name).unwrap().as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn vectors(batch: &RecordBatch, name: &str) -> Vec<Option<Vec<f32>>> {
    let column = batch.column_by_name(name).unwrap().as_fixed_size_list();
    column.iter().map(|vector| vector.map(|v| v.as_primitive::<Float32Type>().values().to_vec())).collect()
}

/// The vectors of a data set as it exports them, by the columns that tell them apart.
fn exported(lab: &Lab) -> BTreeMap<String, Vec<f32>> {
    lab.ok(&["export", "tables"]);
    let file = File::open(lab.path("tables/embeddings/builtin-texture/part-0001.parquet")).unwrap();
    let mut found = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let number = |name: &str, row: usize| {
            let column = batch.column_by_name(name)?;
            let column = arrow::compute::cast(column, &DataType::Int64).unwrap();
            column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row))
        };
        for (row, vector) in vectors(&batch, "embedding").into_iter().enumerate() {
            let text = |name: &str| strings(&batch, name)[row].clone().unwrap_or_default();
            let key = format!(
                "{} {}{} {} {}",
                text("kind"),
                text("subject_id"),
                text("prompt_id"),
                number("seed", row).or(number("reference_index", row)).unwrap(),
                number("region_index", row).map_or(String::new(), |at| at.to_string())
            );
            found.insert(key.trim().to_owned(), vector.unwrap());
        }
    }
    found
}

#[test]
fn a_worker_gives_the_vectors_and_hashes_of_a_data_set() {
    let lab = Lab::empty();
    small::made(lab.dir(), &["init", "data"]);
    let known = exported(&lab);
    let files =
        [("generation p1 1", "p1-1"), ("generation p1 2", "p1-2"), ("generation p2 1", "p2-1"), ("reference cat 0", "cat")];
    let paths: Vec<String> =
        files.iter().map(|(_, file)| lab.path(&format!("images/{file}.png")).display().to_string()).collect();
    let bytes: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let keys = || texts(&files.map(|(key, _)| Some(key)));
    let by_path = batch(vec![("key", keys()), ("path", texts(&paths.iter().map(|p| Some(p.as_str())).collect::<Vec<_>>()))]);
    let by_bytes = batch(vec![
        ("key", keys()),
        ("bytes", Arc::new(LargeBinaryArray::from_iter_values(&bytes))),
        // Bytes count where both are given.
        ("path", texts(&[Some("/nowhere"); 4])),
    ]);
    let relative = files.map(|(_, file)| format!("images/{file}.png"));
    let relative = batch(vec![("key", keys()), ("path", texts(&relative.each_ref().map(|path| Some(path.as_str()))))]);
    for (batch, more) in [(by_path, &[][..]), (by_bytes, &["--threads", "1"]), (relative, &["--threads", "3", "--batch", "8"])] {
        let answer = answer(&lab, more, batch);
        for (row, vector) in vectors(&answer, ENCODER).into_iter().enumerate() {
            assert_eq!(vector.as_ref(), known.get(files[row].0), "{}", files[row].0);
        }
        let hashes = bytes.iter().map(|bytes| Some(blake3::hash(bytes).to_hex().to_string()));
        assert!(strings(&answer, "blake3").into_iter().eq(hashes));
        assert_eq!(strings(&answer, "status"), vec![Some("ok".to_owned()); 4]);
        assert_eq!(strings(&answer, "format"), vec![Some("png".to_owned()); 4]);
        for side in ["width", "height"] {
            assert_eq!(answer.column_by_name(side).unwrap().as_primitive::<Int32Type>().values(), &[32; 4]);
        }
        let metadata = answer.schema().metadata().clone();
        let encoders: Value = serde_json::from_str(&metadata["msdata.encoders"]).unwrap();
        let fingerprint = lab.sql("SELECT fingerprint, dimension FROM encoder").remove(0);
        let (fingerprint, dimension) = fingerprint.split_once(',').unwrap();
        let dimension: usize = dimension.parse().unwrap();
        assert_eq!(encoders, json!([{"name": ENCODER, "fingerprint": fingerprint, "dimension": dimension}]));
        assert_eq!(metadata["msdata.pixel_rule"], msdata::image::PIXEL_RULE.to_string());
        assert_eq!(metadata["msdata.version"], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn each_batch_is_answered_at_once_and_streams_may_follow_each_other() {
    let lab = Lab::empty();
    small::write(lab.dir());
    let mut child = worker(&lab, &[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout: ChildStdout = child.stdout.take().unwrap();
    for round in 0..2 {
        let path = |n: usize| {
            batch(vec![("path", texts(&vec![Some("images/cat.png"); n])), ("n", Arc::new(Int64Array::from(vec![round; n])))])
        };
        let mut writer = StreamWriter::try_new(&mut stdin, &path(1).schema()).unwrap();
        writer.flush().unwrap();
        let mut reader = StreamReader::try_new(&mut stdout, None).unwrap();
        for n in [1, 3, 0, 2] {
            writer.write(&path(n)).unwrap();
            writer.flush().unwrap();
            let answer = reader.next().unwrap().unwrap();
            assert_eq!((answer.num_rows(), answer.num_columns()), (n, 11));
            assert!(vectors(&answer, ENCODER).windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1]));
        }
        writer.finish().unwrap();
        assert!(reader.next().is_none());
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!lab.path("data").exists() && !lab.path("catalog.sqlite").exists());
}

#[test]
fn columns_of_any_type_come_back_unchanged() {
    let lab = Lab::empty();
    small::write(lab.dir());
    let element = Arc::new(arrow::datatypes::Field::new("item", DataType::Float32, true));
    let keys: Vec<(&str, ArrayRef)> = vec![
        ("word", Arc::new(vec![Some("a"), None, Some("a")].into_iter().collect::<DictionaryArray<Int8Type>>())),
        ("large", Arc::new(LargeStringArray::from(vec![Some("é"), None, Some("")]))),
        ("view", Arc::new(StringViewArray::from(vec![None, Some("a text that is longer than twelve bytes"), Some("b")]))),
        ("raw", Arc::new(BinaryViewArray::from(vec![Some(&b"\0"[..]), None, Some(b"x")]))),
        ("seed", Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX]))),
        ("time", Arc::new(TimestampSecondArray::from(vec![1, 2, 3]).with_timezone("+01:00"))),
        ("own", Arc::new(FixedSizeListArray::new(element, 2, Arc::new(Float32Array::from(vec![0.5; 6])), None))),
        ("small", Arc::new(UInt16Array::from(vec![Some(7), None, Some(9)]))),
    ];
    let path: Vec<Option<&str>> = vec![Some("images/cat.png"), Some("images/dog.png"), Some("images/cat.png")];
    // Two batches whose dictionaries differ; paths of every type of text.
    let other: ArrayRef = Arc::new(vec![Some("c"), Some("b"), None].into_iter().collect::<DictionaryArray<Int8Type>>());
    let paths: [ArrayRef; 3] = [
        Arc::new(path.iter().copied().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(LargeStringArray::from(path.clone())),
        Arc::new(StringViewArray::from(path)),
    ];
    for path in paths {
        let mut columns = keys.clone();
        columns.insert(3, ("path", path));
        let first = batch(columns.clone());
        columns[0].1 = other.clone();
        let second = batch(columns);
        for (given, answer) in [&first, &second].into_iter().zip(answers(&lab, &[], &[first.clone(), second.clone()])) {
            let columns: Vec<usize> = (0..given.num_columns()).collect();
            let kept = answer.project(&columns).unwrap();
            assert_eq!(kept.columns(), given.columns());
            assert_eq!(kept.schema().fields(), given.schema().fields());
            assert_eq!(strings(&answer, "status"), vec![Some("ok".to_owned()); 3]);
        }
    }
}

#[test]
fn images_that_cannot_be_used_are_rows_that_say_why() {
    let lab = Lab::empty();
    small::write(lab.dir());
    let whole = encoded(picture(3, 90, 60), image::ImageFormat::Jpeg);
    lab.write("cut.jpg", &whole[..whole.len() / 2]);
    lab.write("text.png", "no image");
    fs::create_dir(lab.path("directory")).unwrap();
    let large = {
        // The head of a picture of 20,000 × 20,000 pixels.
        let mut bmp = encoded(picture(1, 8, 8), image::ImageFormat::Bmp);
        bmp[18..22].copy_from_slice(&20_000_u32.to_le_bytes());
        bmp[22..26].copy_from_slice(&20_000_u32.to_le_bytes());
        bmp
    };
    lab.write("large.bmp", &large);
    type Row<'a> = (Option<&'a str>, Option<&'a [u8]>, &'a str, &'a str);
    let rows: [Row<'_>; 9] = [
        (Some("images/cat.png"), None, "ok", ""),
        (Some("gone.png"), None, "missing", "no such file"),
        (
            Some("s3://bucket/a.png"),
            None,
            "missing",
            "is a URL, which is not expanded or fetched; write a file path, or give its bytes",
        ),
        (None, None, "missing", "neither a path nor bytes were given"),
        (Some("cut.jpg"), None, "unreadable", ""),
        (Some("text.png"), None, "unreadable", "not an image: its content is none of"),
        (Some("directory"), None, "unreadable", "directory"),
        (Some("large.bmp"), None, "oversized", "20000×20000 is over the limit of 100 megapixels"),
        (Some("images/cat.png"), Some(b""), "unreadable", "the file is empty"),
    ];
    let input = batch(vec![
        ("path", texts(&rows.map(|row| row.0))),
        ("bytes", Arc::new(BinaryViewArray::from_iter(rows.map(|row| row.1)))),
    ]);
    let answer = answer(&lab, &[], input);
    let (status, reason) = (strings(&answer, "status"), strings(&answer, "reason"));
    for (at, (path, _, expected, why)) in rows.iter().copied().enumerate() {
        assert_eq!(status[at].as_deref(), Some(expected), "{path:?}");
        assert_eq!(reason[at].is_none(), expected == "ok", "{path:?}");
        assert!(reason[at].as_deref().unwrap_or_default().contains(why), "{path:?}: {:?}", reason[at]);
        assert_eq!(vectors(&answer, ENCODER)[at].is_some(), expected == "ok");
    }
    // What could be read has a hash.
    let hashes: Vec<bool> = strings(&answer, "blake3").iter().map(Option::is_some).collect();
    assert_eq!(hashes, [true, false, false, false, true, true, false, true, true]);
    // As `ingest` says it.
    let generation = |(seed, path): (usize, &str)| json!({"model": "M", "prompt_id": "p", "seed": seed, "path": path});
    let generations = ["gone.png", "cut.jpg", "text.png", "directory", "large.bmp"].into_iter().enumerate().map(generation);
    let subject = json!({"subject_id": "cat", "label": "cat", "references": ["images/cat.png"]});
    let prompt = json!({"prompt_id": "p", "text": "A cat.", "scene_type": "neutral", "subjects": ["cat"]});
    lab.manifests("", &[subject], &[prompt], &generations.collect::<Vec<_>>());
    assert_eq!(lab.ingest("data", &["--encoder", ENCODER]).status.code(), Some(3));
    let facts = ["status", "reason", "blake3", "width", "height", "format"];
    let known = lab.ok(&[
        "sql",
        &format!("SELECT {} FROM generations ORDER BY seed", facts.join(", ").replace("blake3", "nullif(blake3, '') AS blake3")),
        "--format",
        "json",
    ]);
    let known: Vec<Value> = serde_json::from_str(&known).unwrap();
    for (known, at) in known.iter().zip([1, 4, 5, 6, 7]) {
        for fact in facts {
            let column = arrow::compute::cast(answer.column_by_name(fact).unwrap(), &DataType::Utf8).unwrap();
            let found = column.is_valid(at).then(|| column.as_string::<i32>().value(at).to_owned());
            let known = known[fact].as_str().map(str::to_owned).or(known[fact].as_i64().map(|number| number.to_string()));
            assert_eq!(found, known, "{fact} of {:?}", rows[at].0);
        }
    }
}

#[test]
fn boxes_give_the_vectors_of_regions() {
    let lab = Lab::empty();
    small::made(lab.dir(), &["init", "data"]);
    let boxes = [[0.0, 0.0, 16.0, 16.0], [3.5, 2.25, 20.0, 9.0], [20.0, 20.0, 40.0, 40.0], [-4.0, 8.0, 12.0, 12.0]];
    let regions: Vec<Value> = boxes.iter().map(|numbers| json!({"box": numbers})).collect();
    lab.write("boxes.jsonl", format!("{}\n", json!({"model": "M", "prompt_id": "p1", "seed": 1, "regions": regions})));
    for rule in ["fit=squash", "margin=0.2,square,fit=pad", "fit=encoder"] {
        lab.ok(&["ingest", "--no-embed", "--regions", "boxes.jsonl", "--set", "parts", "--crop", rule]);
        lab.ok(&["embed", "--regions", "parts", "--encoder", ENCODER]);
        let known = exported(&lab);
        fs::remove_dir_all(lab.path("tables")).unwrap();
        // One whole image, one box outside, one without area, one that lacks a number.
        let outside = [[40.0, 0.0, 5.0, 5.0], [1.0, 1.0, 0.0, 5.0], [1.0, 1.0, 5.0, f64::NAN]];
        let number = |at: usize| -> ArrayRef {
            let numbers = boxes.iter().chain(&outside).map(|numbers| Some(numbers[at]).filter(|n| !n.is_nan()));
            Arc::new(Float64Array::from_iter(std::iter::once(None).chain(numbers)))
        };
        let input = batch(vec![
            ("path", texts(&[Some("images/p1-1.png"); 8])),
            ("box_x", arrow::compute::cast(&number(0), &DataType::Float32).unwrap()),
            ("box_y", number(1)),
            ("box_width", number(2)),
            ("box_height", number(3)),
        ]);
        let answer = answer(&lab, &["--crop", rule], input);
        assert!(answer.schema().metadata()["msdata.crop"].ends_with(rule.rsplit(',').next().unwrap()));
        let found = vectors(&answer, ENCODER);
        assert_eq!(found[0].as_ref(), known.get("generation p1 1"), "{known:?}");
        for at in 0..4 {
            assert_eq!(found[at + 1].as_ref(), known.get(&format!("region p1 1 {at}")), "{rule} {at}");
            assert!(found[at + 1].is_some());
        }
        assert_eq!(strings(&answer, "status"), vec![Some("ok".to_owned()); 8]);
        let reasons = strings(&answer, "reason");
        for (at, why) in [(5, "the box [40, 0, 5, 5] lies outside the image"), (6, "has no area"), (7, "is not finite")] {
            assert!(found[at].is_none() && reasons[at].as_ref().unwrap().contains(why), "{:?}", reasons[at]);
        }
    }
    let masks = given(&lab, &["--crop", "outside=black"], b"");
    assert_eq!(masks.status.code(), Some(1));
    assert!(err(&masks).contains("boxes have no masks"), "{}", err(&masks));
}

#[test]
fn columns_that_do_not_fit_are_refused_all_at_once() {
    let lab = Lab::empty();
    let text = || texts(&[Some("a")]);
    let number = || -> ArrayRef { Arc::new(Int64Array::from(vec![1])) };
    let path = || ("path", text());
    for (columns, said) in [
        (
            vec![("file", text())],
            vec!["no column says where the images are: `path` (text) or `bytes` (binary); there are `file`"],
        ),
        (
            vec![("path", number()), ("bytes", text())],
            vec!["column `path` is Int64, not text", "column `bytes` is Utf8, not binary"],
        ),
        (
            vec![path(), ("status", text()), (ENCODER, number())],
            vec!["a column `status` of its own", "a column `builtin-texture` of its own"],
        ),
        (vec![path(), ("k", text()), ("k", number())], vec!["two columns are named `k`"]),
        (
            vec![path(), ("box_x", number()), ("box_y", text())],
            vec!["column `box_y` is Utf8, not a number", "box_width, box_height is missing"],
        ),
    ] {
        let done = given(&lab, &[], &stream(&[batch(columns)]));
        assert_eq!((done.status.code(), done.stdout.len()), (Some(1), 0));
        for said in said {
            assert!(err(&done).contains(said), "{}", err(&done));
        }
        assert!(err(&done).contains("\nhint: docs/worker.md"), "{}", err(&done));
    }
}

#[test]
fn what_is_no_stream_is_refused_and_an_end_is_an_end() {
    let lab = Lab::empty();
    small::write(lab.dir());
    let whole = stream(&[batch(vec![("path", texts(&[Some("images/cat.png"); 50]))])]);
    let nothing = given(&lab, &[], b"");
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(0), 0));
    for (input, said) in [
        (&b"garbage, and more of it"[..], "standard input is not an Arrow IPC stream"),
        (b"ARROW1\0\0", "standard input is an Arrow IPC file, not a stream"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7fgarbage", "standard input "),
        (&whole[..whole.len() - 100], "standard input ends within a batch"),
    ] {
        let done = given(&lab, &[], input);
        assert_eq!(done.status.code(), Some(1), "{}", err(&done));
        let said_so = err(&done);
        assert!(said_so.contains(&format!("error: {said}")) && said_so.contains("\nhint: "), "{said_so}");
    }
    for wrong in [&["worker", "--stdio"][..], &["worker", "--encoder", ENCODER]] {
        assert_eq!(lab.run(wrong).status.code(), Some(2));
    }
    let unknown = lab.run(&["worker", "--stdio", "--encoder", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("`nobody` is neither an encoder"), "{}", err(&unknown));
}

#[test]
fn a_worker_leaves_when_nobody_listens_or_it_is_told_to() {
    let lab = Lab::empty();
    small::write(lab.dir());
    let rows = batch(vec![("path", texts(&[Some("images/cat.png"); 20]))]);
    // The reader is gone.
    let mut child = worker(&lab, &[]);
    drop(child.stdout.take());
    let _ = child.stdin.take().unwrap().write_all(&stream(&[rows.clone(), rows.clone()]));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(!said.contains("error"), "{said}");
    // A scheduler ends it while it waits.
    let mut child = worker(&lab, &[]);
    let mut writer = StreamWriter::try_new(child.stdin.take().unwrap(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.flush().unwrap();
    let mut reader = StreamReader::try_new(child.stdout.take().unwrap(), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().num_rows(), 20);
    rustix::process::kill_process(rustix::process::Pid::from_raw(child.id() as i32).unwrap(), rustix::process::Signal::TERM)
        .unwrap();
    let began = Instant::now();
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it does not leave");
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15));
}

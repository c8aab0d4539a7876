//! Shards give what one machine gives, whatever happens to them; and images in tars and Parquet files are what they are as
//! loose files.

use crate::support::chance::Draw;
use crate::support::lab::{Lab, contents, err, out, python};
use crate::support::small::{png, temporary};
use arrow::array::{ArrayRef, BinaryArray, LargeBinaryArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The images of a set: the name of each and its bytes.
type Images = Vec<(String, Vec<u8>)>;

/// Three subjects, six prompts, two models, two seeds: the manifests, whose generations are where `place` says.
fn set(lab: &Lab, images: &Images, place: impl Fn(usize, &str) -> String) {
    fs::create_dir_all(lab.path("input/refs")).unwrap();
    let subject = |s: u32| {
        let path = |r: u32| format!("refs/{s}-{r}.png");
        (0..2).for_each(|r| lab.write(&format!("input/{}", path(r)), png(500 + 10 * s + r)));
        json!({"subject_id": format!("s{s}"), "label": "cat", "references": [path(0), path(1)]})
    };
    let prompt = |p: usize| {
        let subjects = [format!("s{}", p % 3), format!("s{}", (p + 1) % 3)];
        json!({"prompt_id": format!("p{p}"), "text": format!("Two cats, {p}."), "scene_type": "neutral", "subjects": subjects})
    };
    let generation = |(at, (name, _)): (usize, &(String, Vec<u8>))| {
        let model = if at % 2 == 0 { "A" } else { "B" };
        json!({"model": model, "prompt_id": format!("p{}", at / 4), "seed": at / 2 % 2, "path": place(at, name)})
    };
    let rows: [Vec<Value>; 3] =
        [(0..3).map(subject).collect(), (0..6).map(prompt).collect(), images.iter().enumerate().map(generation).collect()];
    lab.manifests("input", &rows[0], &rows[1], &rows[2]);
}

/// The 24 images of a set: good ones.
fn images() -> Images {
    (0..24).map(|at| (format!("{at}.png"), png(at))).collect()
}

/// Loose files, of which one is missing, one is no image, and one is cut off behind its head.
fn loose(lab: &Lab) {
    let images = images();
    for (at, (name, bytes)) in images.iter().enumerate() {
        match at {
            5 => {}
            6 => lab.write(&format!("input/out/{name}"), "no image"),
            7 => lab.write(&format!("input/out/{name}"), &bytes[..bytes.len() / 2]),
            _ => lab.write(&format!("input/out/{name}"), bytes),
        }
    }
    set(lab, &images, |_, name| format!("out/{name}"));
}

const PLAN: [&str; 12] = [
    "shard",
    "plan",
    "--subjects",
    "input/subjects.jsonl",
    "--prompts",
    "input/prompts.jsonl",
    "--generations",
    "input/generations.jsonl",
    "--encoder",
    "builtin-texture",
    "--shards",
    "7",
];

fn plan(lab: &Lab, dir: &str) {
    lab.ok(&[&PLAN[..], &[dir]].concat());
}

/// What the results of a data set are, in every form.
fn results(lab: &Lab, data: &str) -> BTreeMap<String, Vec<u8>> {
    let tables = format!("tables-{data}");
    lab.ok(&["-d", data, "export", &tables]);
    let mut all = contents(&lab.path(&tables));
    for (name, command) in [
        ("digest", &["digest"][..]),
        ("report", &["report", "--by", "model,scene_type", "--format", "json"]),
        ("failures", &["sql", "SELECT * FROM embedding_failures", "--format", "csv"]),
        (
            "images",
            &[
                "sql",
                "SELECT path, status, reason, bytes, mtime_ns, hex(blake3), format, width, height FROM image ORDER BY id",
                "--format",
                "csv",
            ],
        ),
        ("pixels", &["sql", "SELECT hex(content), translucent, blank FROM appearance ORDER BY content", "--format", "csv"]),
    ] {
        all.insert(name.to_owned(), lab.ok(&[&["-d", data], command].concat()).into_bytes());
    }
    all
}

fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in one {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]).into_owned();
        assert!(other[name] == *bytes, "{name}: {}\n{}", shown(bytes), shown(&other[name]));
    }
}

/// The scripts of docs/clusters.md.
fn documented(with: &str) -> String {
    let page = include_str!("../../docs/clusters.md");
    let mut scripts = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    scripts.find(|script| script.contains(with)).unwrap().to_owned()
}

/// Runs a script with the program on its path.
fn shell(lab: &Lab, script: &str) -> Command {
    let bin = lab.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("msdata");
    fs::write(&program, format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_msdata"))).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let like = lab.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(lab.dir());
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    command
}

fn run_script(lab: &Lab, script: &str) {
    let done = shell(lab, script).output().unwrap();
    assert!(done.status.success(), "{script}: {}{}", out(&done), err(&done));
}

#[test]
fn merged_shards_are_what_one_machine_gives() {
    let lab = Lab::empty();
    loose(&lab);
    let one = lab.ingest("one", &["--encoder", "builtin-texture", "--windows", "none"]);
    assert_eq!(one.status.code(), Some(3), "{}", err(&one));

    // As the page says, with fewer shards and the encoder that every machine has.
    let smaller = |script: String| {
        let script = script.replace("dinov2-small", "builtin-texture").replace(" subjects.", " input/subjects.");
        let script = script.replace(" prompts.", " input/prompts.").replace(" generations.", " input/generations.");
        script.replace("--shards 64", "--shards 7").replace("0 63", "0 6").replace("--device cuda", "--device cpu")
    };
    run_script(&lab, &smaller(documented("shard plan")));
    let mut random = Draw::new();
    for shard in ["1", "4"] {
        let mut killed = lab.command(&["shard", "run", "shards", shard]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis((random.fraction() * 400.0) as u64));
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    let mut of_array = shell(&lab, &smaller(documented("SLURM_ARRAY_TASK_ID")));
    assert!(of_array.env("SLURM_ARRAY_TASK_ID", "6").output().unwrap().status.success());
    let twice: Vec<_> = (0..2).map(|_| lab.command(&["shard", "run", "shards", "2"]).spawn().unwrap()).collect();
    twice.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    run_script(&lab, &smaller(documented("seq 0 63")));
    assert_eq!(temporary(&lab.path("shards")), Vec::<String>::new());

    let script = smaller(documented("shard merge"));
    let merged = shell(&lab, &script).output().unwrap();
    let said = err(&merged);
    assert_eq!(merged.status.code(), Some(3), "{said}");
    assert!(said.contains("7, of 30 images") && said.contains("1 missing, 2 unusable; 0 read now"), "{said}");
    let (expected, found) = (results(&lab, "one"), results(&lab, "data"));
    assert_same(&expected, &found);
    lab.ok(&["verify", "--deep"]);

    // Nothing is left to read, to embed or to decode, and the same merge is no change.
    let again = lab.run(&["embed", "--windows", "none"]);
    assert!(!err(&again).contains("embedded") && !err(&again).contains("on the CPU"), "{}", err(&again));
    assert_eq!(lab.run(&["shard", "merge", "shards"]).status.code(), Some(3));
    assert_same(&expected, &results_again(&lab));
}

#[test]
fn scores_of_shards_are_those_of_a_data_set() {
    let lab = Lab::empty();
    loose(&lab);
    plan(&lab, "shards");
    let refused = lab.run(&["shard", "score", "shards", "scores"]);
    assert!(err(&refused).contains("shard-00000.parquet: not there") && !lab.path("scores").exists(), "{}", err(&refused));
    (0..7).for_each(|shard| drop(lab.ok(&["shard", "run", "shards", &shard.to_string()])));
    assert!(lab.told(&["shard", "score", "shards", "scores"]).contains("21 scores of 24 generations"));
    lab.ok(&["init", "data"]);
    assert_eq!(lab.run(&["-d", "data", "shard", "merge", "shards"]).status.code(), Some(3));
    for wish in [&["--by", "model,scene_type", "--ci"][..], &["--by", "subject_id"], &["--by", "prompt_id,seed"]] {
        let report = |of: &[&str]| -> Value {
            let text = lab.ok(&[of, &["report", "--format", "json", "--thresholds", "0.3,0.5,0.9"], wish].concat());
            serde_json::from_str(&text).unwrap()
        };
        let mut of_data = report(&["-d", "data"]);
        // What needs the pool is in no table.
        for row in of_data["rows"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("identification");
        }
        let of_tables: Value = {
            let text =
                lab.ok(&[&["report", "--tables", "scores", "--format", "json", "--thresholds", "0.3,0.5,0.9"], wish].concat());
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(of_tables, of_data, "{wish:?}");
    }
}

fn results_again(lab: &Lab) -> BTreeMap<String, Vec<u8>> {
    fs::remove_dir_all(lab.path("tables-data")).unwrap();
    results(lab, "data")
}

#[test]
fn a_shard_has_the_same_bytes_whoever_makes_it() {
    let lab = Lab::empty();
    loose(&lab);
    plan(&lab, "shards");
    lab.ok(&["shard", "run", "shards", "3"]);
    let made = fs::read(lab.path("shards/shard-00003.parquet")).unwrap();
    assert!(lab.told(&["shard", "run", "shards", "3"]).contains("finished before"));
    fs::write(lab.path("shards/shard-00003.parquet"), &made[..made.len() / 2]).unwrap();
    let said = lab.told(&["shard", "run", "shards", "3", "--threads", "1"]);
    assert!(
        said.contains("warning: shard-00003.parquet: not a whole Parquet file") && said.contains("it is made again"),
        "{said}"
    );
    assert!(fs::read(lab.path("shards/shard-00003.parquet")).unwrap() == made);

    // The order of the rows makes no difference to the tasks.
    for kind in ["subjects", "prompts", "generations"] {
        let path = lab.path(&format!("input/{kind}.jsonl"));
        let backwards: String = fs::read_to_string(&path).unwrap().lines().rev().map(|line| format!("{line}\n")).collect();
        fs::write(path, backwards).unwrap();
    }
    plan(&lab, "backwards");
    for (name, bytes) in contents(&lab.path("backwards")).into_iter().filter(|(name, _)| name.starts_with("tasks")) {
        assert!(fs::read(lab.path("shards").join(&name)).unwrap() == bytes, "{name}");
    }
    let said = err(&lab.run(&["shard", "run", "shards", "7"]));
    assert!(said.contains("there is no shard 7: the plan has 7"), "{said}");
}

#[test]
fn bad_rows_of_a_plan_are_listed() {
    let lab = Lab::empty();
    loose(&lab);
    let path = lab.path("input/generations.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text += "{\"model\": \"A\", \"prompt_id\": \"p9\", \"seed\": 1, \"path\": \"x.png\"}\n";
    text += "{\"model\": \"A\", \"prompt_id\": \"p0\", \"seed\": 0, \"path\": \"other.png\"}\n{\"model\": \"A\"}\n";
    fs::write(path, text).unwrap();
    let refused = lab.run(&[&PLAN[..], &["shards"]].concat());
    let said = err(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("generations.jsonl:25: there is no prompt `p9`"), "{said}");
    assert!(said.contains("generations.jsonl:26: generation `A p0 0` appears twice"), "{said}");
    assert!(said.contains("generations.jsonl:27: ") && said.contains("3 bad rows; nothing was written"), "{said}");
    assert!(!lab.path("shards").exists());
}

#[test]
fn shards_that_are_not_what_was_planned_are_named() {
    let lab = Lab::empty();
    loose(&lab);
    plan(&lab, "shards");
    lab.ok(&[&PLAN[..], &["--transparency", "white", "others"]].concat());
    for shard in 0..7 {
        lab.ok(&["shard", "run", "shards", &shard.to_string()]);
    }
    lab.ok(&["shard", "run", "others", "4"]);
    lab.ok(&["init", "data"]);
    let before = contents(&lab.path("data"));
    let at = |shard: usize| lab.path(&format!("shards/shard-{shard:05}.parquet"));
    let whole = fs::read(at(0)).unwrap();
    let mut rotten = whole.clone();
    rotten[1000] ^= 1;
    fs::write(at(0), rotten).unwrap();
    let one = fs::read(at(1)).unwrap();
    fs::write(at(1), &one[..one.len() - 100]).unwrap();
    fs::copy(at(2), at(3)).unwrap();
    fs::copy(lab.path("others/shard-00004.parquet"), at(4)).unwrap();
    fs::remove_file(at(5)).unwrap();
    fs::copy(at(6), lab.path("shards/shard-00099.parquet")).unwrap();
    fs::write(lab.path("input/prompts.jsonl"), fs::read_to_string(lab.path("input/prompts.jsonl")).unwrap() + "\n").unwrap();
    let refused = lab.run(&["shard", "merge", "shards"]);
    let said = err(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for line in [
        "7 files are not what the plan asks for; nothing was written",
        "input/prompts.jsonl` has changed since the plan was made",
        "shard-00000.parquet: its bytes are not those that were written",
        "shard-00001.parquet: not a whole Parquet file",
        "shard-00003.parquet: 5 images of this shard are not in it, the first is generation",
        "4 images do not belong to this shard, the first is generation",
        "shard-00004.parquet: made by other encoders",
        "made with transparency `white`, `drop` is planned",
        "shard-00005.parquet: not there",
        "shard-00099.parquet: of no shard of this plan",
        "`msdata shard run DIR N`",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("shard-00002") && !said.contains("shard-00006"), "{said}");
    assert!(contents(&lab.path("data")) == before);

    fs::remove_file(lab.path("shards/shard-00099.parquet")).unwrap();
    let text = fs::read_to_string(lab.path("input/prompts.jsonl")).unwrap();
    fs::write(lab.path("input/prompts.jsonl"), text.trim_end().to_owned() + "\n").unwrap();
    for shard in 0..7 {
        lab.ok(&["shard", "run", "shards", &shard.to_string()]);
    }
    assert!(fs::read(at(0)).unwrap() == whole);
    let merged = lab.run(&["shard", "merge", "shards"]);
    assert_eq!(merged.status.code(), Some(3), "{}", err(&merged));
}

#[test]
fn what_the_data_set_has_read_itself_stays() {
    let lab = Lab::empty();
    loose(&lab);
    plan(&lab, "shards");
    (0..7).for_each(|shard| drop(lab.ok(&["shard", "run", "shards", &shard.to_string()])));
    lab.write("input/out/0.png", png(900));
    assert_eq!(lab.ingest("data", &["--no-embed"]).status.code(), Some(3));
    let said = err(&lab.run(&["shard", "merge", "shards"]));
    assert!(said.contains("warning: 1 images have changed between the shards and this data set"), "{said}");
    let lacking =
        "SELECT count(*) FROM image i WHERE status = 'ok' AND NOT EXISTS (SELECT 1 FROM image_vector v WHERE v.image = i.id)";
    assert_eq!(lab.sql(lacking), ["1"]);
    assert_eq!(lab.run(&["embed", "--windows", "none"]).status.code(), Some(3));
    assert_eq!(lab.ingest("one", &["--encoder", "builtin-texture", "--windows", "none"]).status.code(), Some(3));
    assert_eq!(lab.ok(&["digest"]), lab.ok(&["-d", "one", "digest"]));
}

/// A tar in its plainest form.
fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, bytes) in members {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        all.extend_from_slice(&header);
        all.extend_from_slice(bytes);
        all.resize(all.len().next_multiple_of(512), 0);
    }
    all.resize(all.len() + 1024, 0);
    all
}

/// A Parquet file with a column of images, as Hugging Face writes it or plain.
fn parquet(path: &Path, images: &[Option<&[u8]>], nested: bool) {
    let bytes: ArrayRef = match nested {
        true => {
            let names = StringArray::from_iter_values((0..images.len()).map(|at| format!("{at}.png")));
            let fields = vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
            let columns: Vec<ArrayRef> = vec![Arc::new(BinaryArray::from_iter(images.iter().copied())), Arc::new(names)];
            Arc::new(StructArray::new(fields.into(), columns, None))
        }
        false => Arc::new(LargeBinaryArray::from_iter(images.iter().copied())),
    };
    let number = Arc::new(arrow::array::Int64Array::from_iter_values(0..images.len() as i64));
    let batch =
        RecordBatch::try_from_iter_with_nullable([("number", number as ArrayRef, false), ("image", bytes, true)]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(5)).build();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn images_in_containers_are_what_they_are_as_files() {
    let images = images();
    let bytes: Vec<Option<&[u8]>> = images.iter().map(|(_, bytes)| Some(&bytes[..])).collect();
    let digest = |place: &dyn Fn(usize, &str) -> String, make: &dyn Fn(&Lab)| {
        let lab = Lab::empty();
        set(&lab, &images, place);
        make(&lab);
        let done = lab.ingest("data", &["--encoder", "builtin-texture", "--windows", "none"]);
        assert_eq!(done.status.code(), Some(0), "{}", err(&done));
        assert!(!err(&done).contains("warning: "), "{}", err(&done));
        lab.ok(&["verify", "--deep"]);
        let backup = lab.told(&["backup", "data.tar"]);
        assert!(!backup.contains("missing"), "{backup}");
        (lab.ok(&["digest"]), lab)
    };
    let all_loose = |lab: &Lab| images.iter().for_each(|(name, bytes)| lab.write(&format!("input/{name}"), bytes));
    let (loose, _) = digest(&|_, name| name.to_owned(), &all_loose);
    let in_tar: Images = images.iter().map(|(name, bytes)| (format!("./part/{name}"), bytes.clone())).collect();
    let (tarred, lab) = digest(&|_, name| format!("a.tar#part/{name}"), &|lab| lab.write("input/a.tar", tar(&in_tar)));
    assert_eq!(tarred, loose);
    for nested in [true, false] {
        let make = |lab: &Lab| parquet(&lab.path("input/a.parquet"), &bytes, nested);
        assert_eq!(digest(&|at, _| format!("a.parquet#{at}"), &make).0, loose, "nested: {nested}");
    }
    // By URL, and a file that has the name of a member.
    let url = |_: usize, name: &str| format!("a.tar%23{name}");
    let as_url = |lab: &Lab| {
        images.iter().for_each(|(name, bytes)| lab.write(&format!("input/a.tar#{name}"), bytes));
        lab.write("input/a.tar", tar(&[("0.png".to_owned(), png(99))]));
        let path = lab.path("input/generations.jsonl");
        let home = lab.path("input").canonicalize().unwrap();
        let text = fs::read_to_string(&path).unwrap().replace("a.tar%23", &format!("file://{}/a.tar%23", home.display()));
        fs::write(&path, text).unwrap();
    };
    assert_eq!(digest(&url, &as_url).0, loose);

    // A tar that has changed is looked at again, one that has not is not.
    assert!(lab.told(&["embed"]).is_empty() || !lab.told(&["embed"]).contains("embedded"));
    let mut other = in_tar;
    other[3].1 = png(77);
    other.push(("more.png".to_owned(), png(78)));
    lab.write("input/a.tar", tar(&other));
    let said = err(&lab.ingest("data", &["--windows", "none"]));
    assert!(said.contains("24 read now"), "{said}");
    let hash = blake3::hash(&png(77)).to_hex().to_string();
    assert_eq!(lab.sql("SELECT blake3 FROM generations WHERE path LIKE '%/a.tar#part/3.png'"), [hash]);
}

#[test]
fn what_is_wrong_in_a_container_is_a_row_with_its_reason() {
    let lab = Lab::empty();
    let images = images();
    let mut members: Images = images[..20].to_vec();
    members[1].1 = b"no image".to_vec();
    members[2].1.truncate(60);
    let whole = tar(&members);
    lab.write("input/a.tar", &whole);
    // Cut within the last member.
    lab.write("input/cut.tar", &whole[..whole.len() - 1024 - members[19].1.len().next_multiple_of(512) + 10]);
    parquet(&lab.path("input/a.parquet"), &[Some(&images[20].1), None, Some(b"no image")], true);
    lab.write("input/broken.parquet", "PAR1 and no more");
    let place = |at: usize, name: &str| match at {
        0..=2 => format!("a.tar#{name}"),
        3 => "a.tar#none.png".to_owned(),
        4 => format!("cut.tar#{}", members[4].0),
        5 => format!("cut.tar#{}", members[19].0),
        6 => "cut.tar#none.png".to_owned(),
        7 => "none.tar#0.png".to_owned(),
        8..=10 => format!("a.parquet#{}", at - 8),
        11 => "a.parquet#3".to_owned(),
        12 => "a.parquet#one".to_owned(),
        13 => "broken.parquet#0".to_owned(),
        _ => format!("a.tar#{name}"),
    };
    set(&lab, &images[..20].to_vec(), place);
    let done = lab.ingest("data", &["--encoder", "builtin-texture", "--windows", "none"]);
    assert_eq!(done.status.code(), Some(3), "{}", err(&done));
    let state = |name: &str| {
        let query = format!("SELECT status || ': ' || coalesce(reason, '') FROM generations WHERE path LIKE '%/{name}'");
        lab.sql(&query).join("|").trim_matches('"').to_owned()
    };
    for (name, expected) in [
        ("a.tar#0.png", "ok: "),
        ("a.tar#1.png", "unreadable: "),
        ("a.tar#2.png", "unreadable: "),
        ("a.tar#none.png", "missing: no such member in the tar"),
        ("cut.tar#4.png", "ok: "),
        ("cut.tar#19.png", "unreadable: the tar ends within it"),
        ("cut.tar#none.png", "missing: no such member in the tar (the tar ends at byte"),
        ("none.tar#0.png", "missing: no such file"),
        ("a.parquet#0", "ok: "),
        ("a.parquet#1", "missing: row 1 holds no image (null)"),
        ("a.parquet#2", "unreadable: "),
        ("a.parquet#3", "missing: no row 3: the Parquet file has 3 rows"),
        ("a.parquet#one", "missing: what follows `#` is not the number of a row"),
        ("broken.parquet#0", "unreadable: "),
    ] {
        let found = state(name);
        assert!(found.starts_with(expected), "{name}: {found}");
    }
    lab.ok(&["verify"]);

    // Shards say the same.
    plan(&lab, "shards");
    (0..7).for_each(|shard| drop(lab.ok(&["shard", "run", "shards", &shard.to_string()])));
    lab.ok(&["init", "merged"]);
    assert_eq!(lab.run(&["-d", "merged", "shard", "merge", "shards"]).status.code(), Some(3));
    let query = "SELECT path, status, reason, blake3 FROM generations ORDER BY model, prompt_id, seed";
    assert_eq!(lab.sql_of("merged", query), lab.sql(query));
    assert_eq!(lab.ok(&["-d", "merged", "digest"]), lab.ok(&["digest"]));
}

#[test]
fn containers_lie_in_the_roots_too() {
    let lab = Lab::empty();
    lab.write("elsewhere/a.tar", tar(&images()));
    set(&lab, &images(), |_, name| format!("../elsewhere/a.tar#{name}"));
    let refused = lab.ingest("data", &["--root", "input", "--no-embed"]);
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(err(&refused).contains("is outside the directories given with --root"), "{}", err(&refused));
    set(&lab, &images(), |_, name| format!("b.tar#{name}"));
    lab.write("input/b.tar", tar(&images()));
    assert_eq!(lab.ingest("data", &["--root", "input", "--no-embed"]).status.code(), Some(0));
    fs::remove_file(lab.path("input/b.tar")).unwrap();
    std::os::unix::fs::symlink(lab.path("elsewhere/a.tar"), lab.path("input/b.tar")).unwrap();
    assert_eq!(lab.run(&["ingest", "--rehash", "--no-embed"]).status.code(), Some(3));
    let reasons = lab.sql("SELECT DISTINCT reason FROM generations");
    assert_eq!(reasons, ["a link leads outside the directories given with --root"]);
}

#[test]
fn tars_of_other_programs_are_read() {
    let Some(python) = python() else { return };
    let lab = Lab::empty();
    let images = images();
    images.iter().for_each(|(name, bytes)| lab.write(&format!("input/{name}"), bytes));
    let long = |name: &str| format!("{}/{}/ä {name}", "x".repeat(90), "y".repeat(90));
    let script = "import sys, tarfile\nfor form in ('PAX', 'GNU'):\n  with tarfile.open(f'input/{form}.tar', 'w', format=getattr(tarfile, form + '_FORMAT')) as tar:\n    for n in range(24): tar.add(f'input/{n}.png', 'x' * 90 + '/' + 'y' * 90 + f'/ä {n}.png')\n";
    let made = Command::new(python).args(["-c", script]).current_dir(lab.dir()).status().unwrap();
    assert!(made.success());
    let mut digests = Vec::new();
    for form in ["", "PAX", "GNU"] {
        set(&lab, &images, |_, name| if form.is_empty() { name.to_owned() } else { format!("{form}.tar#{}", long(name)) });
        let data = format!("data{form}");
        let done = lab.ingest(&data, &["--encoder", "builtin-texture", "--windows", "none"]);
        assert_eq!(done.status.code(), Some(0), "{form}: {}", err(&done));
        digests.push(lab.ok(&["-d", &data, "digest"]));
    }
    assert!(digests[1] == digests[0] && digests[2] == digests[0], "{digests:?}");
}

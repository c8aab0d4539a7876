//! Files as people have them: directories of parts, tables in Parquet, folders of images, other names of columns, and CSV
//! and paths as other programs and systems write them.

use crate::readers::{Place, prompt, refused, taken, vectors};
use arrow::array::{
    Array, ArrayRef, DictionaryArray, FixedSizeListArray, Float64Array, Int64Array, ListArray, MapArray, RecordBatch,
    StringArray, StringViewArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn table(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut out = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
}

fn text(cells: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(cells.to_vec()))
}

fn lists(rows: &[&[&str]]) -> ArrayRef {
    let items = StringArray::from(rows.concat());
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.len()));
    Arc::new(ListArray::new(Arc::new(Field::new("item", DataType::Utf8, true)), offsets, Arc::new(items), None))
}

fn sql(place: &Place, query: &str) -> String {
    place.run(&["-d", "d", "sql", query, "--format", "csv"]).2
}

#[test]
fn a_directory_of_parts_is_one_table() {
    let place = Place::new(&["p1"]);
    place.image("o.png", 3);
    place.file("g.jsonl", r#"{"model": "m", "prompt_id": "p1", "seed": 42, "path": "o.png"}"#);
    taken(place.ingest(&["--generations", "g.jsonl"]));
    let seed = || Arc::new(Int64Array::from(vec![None, Some(42)])) as ArrayRef;
    fs::create_dir(place.at("e")).unwrap();
    for name in ["e/part-00000.snappy.parquet", "e/part-00001"] {
        vectors(&place.at(name), Compression::SNAPPY, seed(), &[]);
    }
    for name in ["e/_SUCCESS", "e/._SUCCESS.crc", "e/.part-00000.snappy.parquet.crc", "e/_metadata"] {
        place.file(name, "");
    }
    let said = taken(place.ingest(&["--embeddings", "e"]));
    assert!(said.contains("vectors: 2 added, 2 unchanged"), "{said}");
    place.file("e/notes.txt", "");
    fs::create_dir_all(place.at("e/kind=prompt")).unwrap();
    let told = place.ingest(&["--embeddings", "e"]);
    refused(told, &["2 bad rows", "e/notes.txt: not a part of a table", "e/kind=prompt: a partition: its column `kind`"]);
    fs::create_dir(place.at("empty")).unwrap();
    refused(place.ingest(&["--embeddings", "empty"]), &["empty: a directory without any Parquet file"]);
    // Manifests in parts, whatever their form; but all of one.
    place.file("p/part-0.csv", "prompt_id,text,scene_type,subjects\nq1,A,neutral,s1;s2\n");
    place.file("p/part-1.csv", "prompt_id,text,scene_type,subjects\nq2,A,neutral,s1;s3\n");
    refused(place.ingest(&["--prompts", "p"]), &["p/part-1.csv:2: there is no subject `s3`"]);
    place.file("p/part-1.csv", "prompt_id,text,scene_type,subjects\nq2,A,neutral,s1;s2\n");
    assert!(taken(place.ingest(&["--prompts", "p"])).contains("prompts: 2 added"));
    place.file("p/part-2.json", prompt("q3"));
    refused(place.ingest(&["--prompts", "p"]), &["p/part-2.json: JSON, but `part-0.csv` beside it is CSV"]);
}

#[test]
fn manifests_in_parquet() {
    let place = Place::new(&["p1"]);
    let label = DictionaryArray::<Int32Type>::from_iter(["dog", "cat"]);
    let id = Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef;
    table(
        &place.at("refs/s.parquet"),
        vec![
            ("subject_id", id),
            ("label", Arc::new(label)),
            ("references", lists(&[&["dog.png", "cat.png"], &["cat.png"]])),
            ("caption", Arc::new(StringViewArray::from(vec![Some("a dog that is certainly longer than twelve"), None]))),
            ("__index_level_0__", Arc::new(Int64Array::from(vec![0, 1]))),
        ],
    );
    let said = taken(place.ingest(&["--subjects", "refs/s.parquet"]));
    assert!(said.contains("subjects: 2 added") && !said.contains("__index"), "{said}");
    table(
        &place.at("p.parquet"),
        vec![
            ("prompt_id", Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0)]))),
            ("text", text(&[Some("A"), Some("B")])),
            ("scene_type", text(&[Some("neutral"), Some("occlusion")])),
            ("subjects", lists(&[&["7", "8"], &["8"]])),
        ],
    );
    assert!(taken(place.ingest(&["--prompts", "p.parquet"])).contains("prompts: 2 added"));
    place.image("o.png", 3);
    place.image("o2.png", 4);
    let seeds = |second: Option<f64>| Arc::new(Float64Array::from(vec![Some(42.0), second])) as ArrayRef;
    let struct_fields: Fields = vec![Field::new("steps", DataType::Int64, true), Field::new("tags", DataType::Utf8, true)].into();
    let meta = StructArray::new(
        struct_fields,
        vec![Arc::new(Int64Array::from(vec![Some(30), None])), text(&[None, Some("a\"b")])],
        None,
    );
    let generations = |seed: ArrayRef, meta: ArrayRef| {
        let columns = vec![
            ("model", text(&[Some("m"), Some("m")])),
            ("prompt_id", text(&[Some("1"), Some("2")])),
            ("seed", seed),
            ("path", text(&[Some("o.png"), Some("o2.png")])),
            ("meta", meta),
            ("extra", text(&[None, None])),
        ];
        table(&place.at("g.parquet"), columns);
    };
    generations(seeds(None), Arc::new(meta.clone()));
    refused(place.ingest(&["--generations", "g.parquet"]), &["g.parquet: row 2: `seed` is empty"]);
    generations(seeds(Some(9007199254740994.0)), Arc::new(meta.clone()));
    refused(place.ingest(&["--generations", "g.parquet"]), &["g.parquet: row 2: `seed` `9007199254740994.0` was a float"]);
    generations(seeds(Some(43.0)), Arc::new(meta));
    let said = taken(place.ingest(&["--generations", "g.parquet"]));
    assert!(said.contains("g.parquet: unknown column `extra`, not read"), "{said}");
    let kept = sql(
        &place,
        "SELECT seed, json_extract(meta, '$.steps') AS s, json_extract(meta, '$.tags') AS t FROM generations ORDER BY 1",
    );
    assert_eq!(kept, "seed,s,t\n42,30,\n43,,\"a\"\"b\"\n");
    // A map is an object too.
    let entries = StructArray::from(vec![
        (Arc::new(Field::new("keys", DataType::Utf8, false)), text(&[Some("cfg")])),
        (Arc::new(Field::new("values", DataType::Float64, true)), Arc::new(Float64Array::from(vec![7.5])) as ArrayRef),
    ]);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let map = MapArray::new(field, OffsetBuffer::from_lengths([1, 0]), entries, None, false);
    generations(seeds(Some(43.0)), Arc::new(map));
    taken(place.ingest(&["--generations", "g.parquet", "--replace"]));
    assert_eq!(sql(&place, "SELECT meta FROM generations ORDER BY seed"), "meta\n\"{\"\"cfg\"\":7.5}\"\n{}\n");
    table(&place.at("p.parquet"), vec![("prompt_id", text(&[Some("3")])), ("caption", text(&[Some("C")]))]);
    let told = place.ingest(&["--prompts", "p.parquet"]);
    refused(told, &["p.parquet: it has no column `text`, `scene_type`, `subjects`; it has `prompt_id,caption`"]);
    table(&place.at("p.parquet"), vec![("path", Arc::new(arrow::array::BinaryArray::from(vec![&b"\xff\xd8"[..]])))]);
    refused(place.ingest(&["--prompts", "p.parquet"]), &["p.parquet: it has no column"]);
}

#[test]
fn regions_in_parquet() {
    let place = Place::new(&["p1"]);
    place.image("o.png", 3);
    place.file("g.jsonl", r#"{"model": "m", "prompt_id": "p1", "seed": 42, "path": "o.png"}"#);
    taken(place.ingest(&["--generations", "g.jsonl"]));
    let numbers = Float64Array::from(vec![1.0, 2.0, 10.0, 12.0]);
    let boxes = FixedSizeListArray::new(Arc::new(Field::new("item", DataType::Float64, true)), 4, Arc::new(numbers), None);
    let region = StructArray::from(vec![
        (Arc::new(Field::new("box", boxes.data_type().clone(), true)), Arc::new(boxes) as ArrayRef),
        (Arc::new(Field::new("score", DataType::Float64, true)), Arc::new(Float64Array::from(vec![None])) as ArrayRef),
    ]);
    let field = Arc::new(Field::new("item", region.data_type().clone(), true));
    let regions = ListArray::new(field, OffsetBuffer::from_lengths([1]), Arc::new(region), None);
    let columns = vec![
        ("model", text(&[Some("m")])),
        ("prompt_id", text(&[Some("p1")])),
        ("seed", Arc::new(Int64Array::from(vec![42])) as ArrayRef),
        ("regions", Arc::new(regions) as ArrayRef),
    ];
    table(&place.at("r/part-0.parquet"), columns);
    place.file("r/_SUCCESS", "");
    let said = taken(place.ingest(&["--regions", "r"]));
    assert!(said.contains("regions: 1;"), "{said}");
    assert!(taken(place.ingest(&["--regions", "r/part-0.parquet"])).contains("images with regions: 1 unchanged"));
    place.file("r/notes.txt", "");
    refused(place.ingest(&["--regions", "r"]), &["r/notes.txt: not a part of a table"]);
}

#[test]
fn subjects_as_folders_of_images() {
    let place = Place::new(&["p1"]);
    place.image("pool/01_red_teapot/b.png", 3);
    place.image("pool/01_red_teapot/a.jpg", 4);
    place.image("pool/loose cat.png", 5);
    place.file("pool/01_red_teapot/licence.txt", "");
    let said = taken(place.ingest(&["--subjects", "pool"]));
    assert!(said.contains("subjects of pool: 1 folder and 1 loose image, a subject each, with 3 images in all"), "{said}");
    assert!(said.contains("licence.txt: does not have the name of an image, and was left out"), "{said}");
    let kept = sql(
        &place,
        "SELECT subject_id, label, json_array_length(\"references\") AS n FROM subjects WHERE subject_id > '0' ORDER BY 1 LIMIT 2",
    );
    assert_eq!(kept, "subject_id,label,n\n01_red_teapot,red teapot,2\nloose cat,loose cat,1\n");
    fs::create_dir_all(place.at("pool/nothing")).unwrap();
    place.image("pool/train/dog/1.png", 6);
    let told = place.ingest(&["--subjects", "pool"]);
    refused(told, &["2 bad rows", "pool/nothing: a folder without images", "pool/train: holds folders, but no image of its own"]);
    // Told apart from the parts of a table by what is in it.
    place.file("mixed/metadata.csv", "subject_id,label,references\n");
    place.image("mixed/dog/1.png", 7);
    refused(place.ingest(&["--subjects", "mixed"]), &["mixed: a directory with images and with `metadata.csv`"]);
    fs::create_dir_all(place.at("bare/deep")).unwrap();
    refused(place.ingest(&["--subjects", "bare"]), &["bare: a directory with neither images nor the parts of a table"]);
    table(
        &place.at("parts/part-0.parquet"),
        vec![("subject_id", text(&[Some("t")])), ("label", text(&[Some("tea")])), ("references", lists(&[&["o.png"]]))],
    );
    place.image("o.png", 8);
    assert!(taken(place.ingest(&["--subjects", "parts"])).contains("subjects: 1 added"));
    refused(
        place.ingest(&["--subjects", "pool/01_red_teapot", "--root", "refs"]),
        &["outside the directories given with --root"],
    );
}

#[test]
fn prompts_without_a_scene_type() {
    let place = Place::new(&["p1"]);
    place.file("p.csv", "prompt_id,text,subjects\nq1,A,s1;s2\n");
    let hint = "`ingest --scene-type neutral` gives it to every prompt that has none";
    refused(place.ingest(&["--prompts", "p.csv"]), &["p.csv:1: the header has no column `scene_type`", hint]);
    place.file("p.jsonl", r#"{"prompt_id": "q2", "text": "A", "subjects": ["s1"], "scene_type": null}"#);
    refused(place.ingest(&["--prompts", "p.jsonl"]), &["p.jsonl:1: `scene_type` is empty", hint]);
    place.file("own.jsonl", r#"{"prompt_id": "q3", "text": "A", "subjects": ["s1"], "scene_type": "occlusion"}"#);
    let all = ["--prompts", "p.csv", "--prompts", "p.jsonl", "--prompts", "own.jsonl", "--scene-type", "no_interaction"];
    let said = taken(place.ingest(&all));
    assert!(said.contains("2 prompts have no scene type, and are neutral (--scene-type)"), "{said}");
    let kept = sql(&place, "SELECT prompt_id, scene_type FROM prompts WHERE prompt_id LIKE 'q%' ORDER BY 1");
    assert_eq!(kept, "prompt_id,scene_type\nq1,neutral\nq2,neutral\nq3,occlusion\n");
    assert_eq!(place.ingest(&["--prompts", "p.csv", "--scene-type", "calm"]).0, Some(2));
}

#[test]
fn columns_with_other_names() {
    let place = Place::new(&["p1"]);
    place.file("s.csv", "id,class,images,caption\nx,dog,refs/dog.png,a brown dog\n");
    place.file("p.jsonl", r#"{"id": "q1", "caption": "A dog.", "scene_type": "neutral", "subjects": ["x"]}"#);
    let both = ["--subjects", "s.csv", "--prompts", "p.jsonl", "--columns"];
    let names = "subject_id=id,label=class,references=images,prompt_id=id,text=caption";
    let said = taken(place.ingest(&[&both[..], &[names]].concat()));
    assert!(said.contains("subjects: 1 added") && said.contains("prompts: 1 added") && !said.contains("unknown"), "{said}");
    let kept = sql(&place, "SELECT s.caption, p.text FROM subjects s, prompts p WHERE s.subject_id = 'x' AND p.prompt_id = 'q1'");
    assert_eq!(kept, "caption,text\na brown dog,A dog.\n");
    let told = place.ingest(&[&both[..], &[&names.replace("=class", "=clas")]].concat());
    refused(told, &["--columns: no manifest of this run has a column `clas` that could be `label`; did you mean `class`?"]);
    refused(place.ingest(&[&both[..], &["label=class,label=id"]].concat()), &["`class` and `id` would both be `label`"]);
    refused(place.ingest(&[&both[..], &["lable=class"]].concat()), &["no manifest has a column `lable`", "`label=class`?"]);
    place.file("p.csv", "id,prompt_id,text,scene_type,subjects\n1,q9,A,neutral,x\n");
    let told = place.ingest(&["--prompts", "p.csv", "--columns", "prompt_id=id"]);
    refused(told, &["p.csv:1: `id` would be `prompt_id` (`--columns`), and there is a column of that name already"]);
    place.file("s.csv", "subject_id,lable,references\nx,dog,refs/dog.png\n");
    let told = place.ingest(&["--subjects", "s.csv"]);
    refused(told, &["no column `label`", "did you mean `lable`? `ingest --columns label=lable` reads it so"]);
    taken(place.ingest(&["--subjects", "s.csv", "--columns", "label=lable", "--replace"]));
}

#[test]
fn csv_as_other_programs_write_it() {
    let place = Place::new(&["p1"]);
    place.image("o.png", 3);
    // pandas with its index, and after another round.
    for header in [",model,prompt_id,seed,path", "Unnamed: 0,model,prompt_id,seed,path"] {
        place.file("g.csv", format!("{header}\n0,M,p1,1,o.png\n"));
        let said = taken(place.ingest(&["--generations", "g.csv"]));
        assert!(said.contains("not read: an index that pandas wrote (`to_csv(index=False)` leaves it out)"), "{said}");
    }
    // A spreadsheet with an empty column at the end.
    place.file("g.csv", "model,prompt_id,seed,path,\nM,p1,1,o.png,\n");
    let said = taken(place.ingest(&["--generations", "g.csv"]));
    assert!(said.contains("g.csv:1: column 5 of the header has no name, not read"), "{said}");
    // Blanks after the commas, quotes after the blanks.
    place.file("g.csv", "model, prompt_id, seed, path\r\nM, p1 , 1, \"o.png\"\r\n");
    let said = taken(place.ingest(&["--generations", "g.csv"]));
    assert!(said.contains("blanks around the names and the cells are not read") && said.contains("1 unchanged"), "{said}");
    for (name, text) in
        [("g.tsv", "model\tprompt_id\tseed\tpath\nM\tp1\t1\to.png\n"), ("g.csv", "model|prompt_id|seed|path\nM|p1|1|o.png\n")]
    {
        place.file(name, text);
        assert!(taken(place.ingest(&["--generations", name])).contains("1 unchanged"), "{name}");
    }
    // Line numbers after line breaks in quotes.
    place.file("p.csv", "\u{feff}prompt_id,text,scene_type,subjects\r\nq1,\"A\r\ndog\",neutral,s1\r\nq2,B,neutral,s9\r\n");
    refused(place.ingest(&["--prompts", "p.csv"]), &["1 bad row", "p.csv:4: there is no subject `s9`"]);
    // Everything in quotes, with the row names of R.
    place.file("g.csv", "\"\";\"model\";\"prompt_id\";\"seed\";\"path\"\n\"1\";\"M\";\"p1\";1;\"o.png\"\n");
    assert!(taken(place.ingest(&["--generations", "g.csv"])).contains("1 unchanged"));
    place.file("g.csv", "Model,Prompt_ID,Seed,Path\nM,p1,1,o.png\n");
    let names = "model=Model,prompt_id=Prompt_ID,seed=Seed,path=Path";
    refused(place.ingest(&["--generations", "g.csv"]), &[&format!("`ingest --columns {names}` reads it so")]);
    assert!(taken(place.ingest(&["--generations", "g.csv", "--columns", names])).contains("1 unchanged"));
    place.file("p.csv", "# made by a script\nprompt_id,text,scene_type,subjects\n");
    refused(place.ingest(&["--prompts", "p.csv"]), &["p.csv:1: ", "lines before the header are not read: take them out"]);
    place.file("p.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
    refused(place.ingest(&["--prompts", "p.jsonl"]), &["`git lfs pull` fetches it"]);
    fs::copy(place.at("p.jsonl"), place.at("e.parquet")).unwrap();
    refused(place.ingest(&["--embeddings", "e.parquet"]), &["`git lfs pull` fetches it"]);
}

#[test]
fn what_is_no_manifest_is_called_by_its_name() {
    let place = Place::new(&["p1"]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("g.csv", utf16("model,prompt_id"), "UTF-16 text; save it as UTF-8"),
        ("g.csv", b"model,prompt_id,seed,path\nM\xf6,p1,1,o.png\n".to_vec(), "g.csv:2: not valid UTF-8; save the file as UTF-8"),
        ("g.jsonl.gz", b"{}".to_vec(), "not .gz data, although its name ends so; rename it"),
        ("g.parquet", Vec::new(), "an empty file; was it written to the end?"),
        ("g.json", br#"{"model": {"0": "M"}, "seed": {"0": 1}}"#.to_vec(), "a table by its columns"),
        ("g.json", br#"{"columns": ["model"], "index": [0], "data": [["M"]]}"#.to_vec(), "a table by its columns"),
        ("g.json", br#"{"generations": [{"model": "M"}]}"#.to_vec(), "write that list alone, as one JSON array"),
        ("g.jsonl", b"{'model': 'M'}\n".to_vec(), "the text of a Python dict"),
        ("g.jsonl", b"{\"model\": \"M\"},\n".to_vec(), "a comma after the object"),
    ];
    for (name, bytes, what) in cases {
        place.file(name, bytes);
        refused(place.ingest(&["--generations", name]), &["1 bad row", what]);
    }
    place.file("p.jsonl", r#"{"prompt_id": "q", "text": "A", "scene_type": "neutral", "subjects": [["s1"]]}"#);
    refused(place.ingest(&["--prompts", "p.jsonl"]), &["`subjects` must be a list of texts"]);
}

#[test]
fn paths_of_other_systems() {
    let place = Place::new(&["p1"]);
    place.image("out/My dog.png", 3);
    let generation = |path: &str| {
        let row = serde_json::json!({"model": "m", "prompt_id": "p1", "seed": 1, "path": path});
        place.file("g.jsonl", row.to_string());
        place.ingest(&["--generations", "g.jsonl", "--dry-run"])
    };
    for (path, what) in [
        ("out\\My dog.png", "in backslashes only"),
        ("out/My%20dog.png", "in URLs alone"),
        ("out/my dog.PNG", "in upper and lower case only"),
        (" out/My dog.png", "in blanks at the ends only"),
    ] {
        let (_, said, _) = generation(path);
        assert!(said.contains("differs from it") && said.contains(what) && said.contains("out/My dog.png"), "{path}: {said}");
    }
    refused(generation("C:\\Users\\me\\dog.png"), &["a path of Windows, which leads nowhere here"]);
    refused(generation("file://server/dog.png"), &["is not the URL of a file here: write `file:///` and its path"]);
    refused(generation("~/dog.png"), &["a path from `~`"]);
}

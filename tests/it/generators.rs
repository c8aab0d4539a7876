//! Out to generators and back: folders exported, images put where each generator would put them, read back.

use crate::support::lab::{cells, shared};
use msdata::generator::{Grid, System};
use msdata::image::{Rgb, decode, png};
use msdata::ops::{EmbedOptions, OutputOptions, SourceFormat};
use msdata::table::Cell;
use msdata::{Dataset, Error, IngestOptions, ReportOptions, Watch};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Prompts that are hard to name a file after: id, text, subjects by place in the pool.
const PROMPTS: &[(&str, &str, &[usize])] = &[
    ("plain", "A dog and a cat on a beach.", &[0, 1]),
    ("a/b", "A dog and/or a cat in a field, \"at dusk\".", &[0, 1]),
    ("ünï", "Ein Hügel: a cat, a white dog, 'n an old clock & a dog, crème brûlée.", &[1, 2, 3, 0]),
    ("long 1", "In the very same quiet and empty square stands a dog next to a cat, first.", &[0, 1]),
    ("long 2", "In the very same quiet and empty square stands a dog next to a cat, second.", &[0, 1]),
    ("five", "A dog, a cat, a white dog, a clock and a man.", &[0, 1, 2, 3, 4]),
];

const POOL: [(&str, &str); 5] =
    [("dog", "animal"), ("cat", "animal"), ("white dog", "animal"), ("clock", "object"), ("man", "human")];

/// Soft noise, another for every key: like a photograph, it has no straight edge in its middle.
fn picture(key: &str) -> Rgb {
    const SIDE: u32 = 64;
    let hash = blake3::hash(key.as_bytes());
    let knot = |x: u32, y: u32, c: u32| u32::from(hash.as_bytes()[((y * 5 + x + c * 11) % 32) as usize]);
    let value = |x: u32, y: u32, c: u32| {
        let (left, top, right, down) = (x / 16, y / 16, x % 16, y % 16);
        let row = |y: u32| knot(left, y, c) * (16 - right) + knot(left + 1, y, c) * right;
        ((row(top) * (16 - down) + row(top + 1) * down) / 256) as u8
    };
    let pixels = (0..SIDE).flat_map(|y| (0..SIDE).flat_map(move |x| (0..3).map(move |c| (x, y, c))));
    Rgb { width: SIDE, height: SIDE, pixels: pixels.map(|(x, y, c)| value(x, y, c)).collect() }
}

/// A prompt's part of a file's name, as XVerse writes it.
fn beginning(text: &str) -> String {
    text.chars().take(40).collect::<String>().replace(' ', "_")
}

fn key(system: System, prompt_id: &str, seed: i64) -> String {
    format!("{system} {prompt_id} {seed}")
}

/// A data set with the pool and the prompts.
fn data_set(dir: &Path) -> Dataset {
    let mut subjects = String::new();
    for (label, kind) in POOL {
        fs::write(dir.join(format!("{label}.png")), png(&picture(label)).unwrap()).unwrap();
        let row =
            json!({"subject_id": format!("S {label}"), "label": label, "kind": kind, "references": [format!("{label}.png")]});
        subjects.push_str(&format!("{row}\n"));
    }
    let mut prompts = String::new();
    for (id, text, who) in PROMPTS {
        let who: Vec<String> = who.iter().map(|i| format!("S {}", POOL[*i].0)).collect();
        prompts.push_str(&format!("{}\n", json!({"prompt_id": id, "text": text, "scene_type": "neutral", "subjects": who})));
    }
    fs::write(dir.join("s.jsonl"), subjects).unwrap();
    fs::write(dir.join("p.jsonl"), prompts).unwrap();
    let mut data = Dataset::init(&dir.join("data")).unwrap();
    let options =
        IngestOptions { subjects: vec![dir.join("s.jsonl")], prompts: vec![dir.join("p.jsonl")], ..IngestOptions::default() };
    data.ingest(&options, &mut Watch::silent()).unwrap();
    data
}

fn export(data: &Dataset, system: System, to: &Path, seeds: &[i64]) -> msdata::generator::Exported {
    data.export_stress_test(system, to, None, Some(seeds), &mut Watch::silent()).unwrap()
}

fn from(format: SourceFormat, path: &Path, outputs: OutputOptions) -> IngestOptions {
    IngestOptions { from: vec![(format, path.to_path_buf())], outputs, ..IngestOptions::default() }
}

/// Every row of a query, as text.
fn rows(data: &mut Dataset, sql: &str) -> Vec<Vec<String>> {
    let text = |cell: Cell| match cell {
        Cell::Text(text) => text,
        other => format!("{other:?}"),
    };
    cells(data, sql).into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

/// Writes what the generator would, into the folders that the export has made for it.
fn stand_in(system: System, folder: &Path, models: &[&str]) {
    let handover: Value = serde_json::from_slice(&fs::read(folder.join("msdata-export.json")).unwrap()).unwrap();
    let strings = |v: &Value| v.as_str().unwrap().to_owned();
    for batch in handover["batches"].as_array().unwrap() {
        let seeds: Vec<i64> = batch["seeds"].as_array().unwrap().iter().map(|s| s.as_i64().unwrap()).collect();
        let dir = folder.join(strings(&batch["folder"]));
        for (place, prompt) in handover["prompts"].as_array().unwrap().iter().enumerate() {
            let (id, text) = (strings(&prompt["prompt_id"]), strings(&prompt["text"]));
            match system {
                System::Xverse => {
                    let tiles: Vec<Rgb> = (0..4).map(|i| picture(&key(system, &id, seeds[0] + i))).collect();
                    let whole = if seeds.len() == 1 { tiles[0].clone() } else { grid(&tiles) };
                    fs::write(dir.join(format!("{place}_{}.png", beginning(&text))), png(&whole).unwrap()).unwrap();
                }
                System::Mosaic => {
                    let image = png(&picture(&key(system, &id, seeds[0]))).unwrap();
                    fs::write(dir.join(format!("{place}_cfg_3.5_512x512.jpg")), image).unwrap();
                    fs::write(dir.join(format!("{place}_512x512_compared.jpg")), png(&picture("sheet")).unwrap()).unwrap();
                }
                System::Psr => {
                    let image = png(&picture(&key(system, &id, seeds[0]))).unwrap();
                    fs::write(dir.join(strings(&prompt["name"])), image).unwrap();
                }
                System::Jobs | System::Jsonl => {
                    for (model, seed) in models.iter().flat_map(|m| seeds.iter().map(move |s| (m, s))) {
                        let path = dir.join(model).join(strings(&prompt["name"]).replace("{seed}", &seed.to_string()));
                        fs::create_dir_all(path.parent().unwrap()).unwrap();
                        fs::write(path, png(&picture(&key(system, &id, *seed))).unwrap()).unwrap();
                    }
                }
            }
        }
    }
}

fn grid(tiles: &[Rgb]) -> Rgb {
    let (side, mut pixels) = (tiles[0].width as usize, Vec::new());
    for y in 0..2 * side {
        for tile in &tiles[y / side * 2..y / side * 2 + 2] {
            pixels.extend_from_slice(&tile.pixels[y % side * side * 3..(y % side + 1) * side * 3]);
        }
    }
    Rgb { width: 2 * side as u32, height: 2 * side as u32, pixels }
}

#[test]
fn every_image_comes_back_once_as_it_was_made() {
    for seeds in [&[42_i64][..], &[42, 43, 44], &[42, 43, 44, 45]] {
        let dir = tempfile::tempdir().unwrap();
        let mut data = data_set(dir.path());
        for (system, format, prompts) in [
            (System::Xverse, SourceFormat::Xverse, 6),
            (System::Mosaic, SourceFormat::Mosaic, 6),
            (System::Psr, SourceFormat::Psr, 5),
            (System::Jobs, SourceFormat::Jobs, 6),
        ] {
            let folder = dir.path().join(system.as_str());
            let exported = export(&data, system, &folder, seeds);
            assert_eq!((exported.prompts, exported.images), (prompts, prompts * seeds.len()));
            stand_in(system, &folder, &["My Model"]);
            let summary = data.ingest(&from(format, &folder, OutputOptions::default()), &mut Watch::silent()).unwrap();
            assert_eq!(summary.generations.added, (prompts * seeds.len()) as u64, "{system}");
            let again = data.ingest(&from(format, &folder, OutputOptions::default()), &mut Watch::silent()).unwrap();
            assert_eq!((again.generations.unchanged, again.images_read), (summary.generations.added, 0), "{system}");
            let model = system.model().unwrap_or("My Model");
            let found = rows(
                &mut data,
                &format!("SELECT prompt_id, CAST(seed AS TEXT), path, status FROM generations WHERE model = '{model}'"),
            );
            assert_eq!(found.len(), prompts * seeds.len());
            for row in found {
                assert_eq!(row[3], "ok", "{row:?}");
                let made = picture(&key(system, &row[0], row[1].parse().unwrap()));
                let bytes = fs::read(&row[2]).unwrap();
                assert!(decode(&bytes).unwrap().rgb == made, "{system} {row:?}");
                let is_tile = system == System::Xverse && seeds.len() > 1;
                assert!(is_tile || bytes == png(&made).unwrap(), "{system} {row:?}");
            }
        }
    }
}

#[test]
fn a_round_trip_ends_in_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = data_set(dir.path());
    let folder = dir.path().join("x");
    export(&data, System::Xverse, &folder, &[42, 43, 44]);
    stand_in(System::Xverse, &folder, &[]);
    let embed = Some(EmbedOptions::default());
    let options = IngestOptions { embed, ..from(SourceFormat::Xverse, &folder, OutputOptions::default()) };
    data.ingest(&options, &mut Watch::silent()).unwrap();
    let report = data.report(&ReportOptions::default()).unwrap();
    let cells: Vec<(u64, u64)> = report.rows.iter().map(|row| (row.images, row.missing)).collect();
    assert_eq!(cells, [(12, 0), (3, 0), (3, 0)], "2, 4 and 5 subjects");
}

#[test]
fn the_list_for_xverse_is_as_xverse_expects() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_set(dir.path());
    let folder = dir.path().join("x");
    export(&data, System::Xverse, &folder, &[42, 43, 44]);
    let list: Value = serde_json::from_slice(&fs::read(folder.join("xverse.json")).unwrap()).unwrap();
    let mut people = 0;
    for sample in list.as_array().unwrap() {
        let (prompt, modulation) = (sample["prompt"].as_str().unwrap(), &sample["modulation"][0]);
        let inputs = modulation["src_inputs"].as_array().unwrap();
        for (place, words) in modulation["use_words"].as_array().unwrap().iter().enumerate() {
            assert_eq!(words[0], place);
            let (path, caption) = (inputs[place]["image_path"].as_str().unwrap(), inputs[place]["caption"].as_str().unwrap());
            assert!(caption.contains(words[1].as_str().unwrap()), "{words} in {caption}");
            assert!(prompt.contains(words[2].as_str().unwrap()), "{words} in {prompt}");
            assert!(folder.join(path.strip_prefix("msdata-xverse/").unwrap()).is_file(), "{path}");
            let is_person = words[1] == "man";
            people += usize::from(is_person);
            assert_eq!(path.contains("human"), is_person, "{path}");
        }
    }
    assert_eq!(people, 1);
    // "dog" stands in "white dog" first, so the dog is the second.
    let words = &list[5]["modulation"][0]["use_words"];
    let of = |label: &str| words.as_array().unwrap().iter().find(|w| w[1] == label).unwrap().clone();
    assert_eq!((of("dog"), of("white dog")), (json!([3, "dog", "dog", 2]), json!([1, "white dog", "white dog"])));
}

#[test]
fn what_a_generator_cannot_do_is_said_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_set(dir.path());
    let folder = dir.path().join("p");
    let exported = export(&data, System::Psr, &folder, &[42]);
    let left_out: Vec<&str> = exported.left_out.iter().map(|l| l.prompt_id.as_str()).collect();
    assert_eq!(left_out, ["five"]);
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.contains("- `five`: 5 subjects; PSR takes at most 4"), "{readme}");
    // One that asks for nobody by name.
    let mut data = data;
    fs::write(
        dir.path().join("q.jsonl"),
        r#"{"prompt_id":"q","text":"A hound and a cat.","scene_type":"neutral","subjects":["S dog","S cat"]}"#,
    )
    .unwrap();
    let prompts = IngestOptions { prompts: vec![dir.path().join("q.jsonl")], ..IngestOptions::default() };
    data.ingest(&prompts, &mut Watch::silent()).unwrap();
    let exported = export(&data, System::Xverse, &dir.path().join("x"), &[42]);
    assert_eq!(exported.left_out.len(), 1);
    assert_eq!(exported.left_out[0].reason, "its text does not name `dog` (`S dog`)");
}

#[test]
fn a_folder_is_written_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_set(dir.path());
    let refused =
        |to: &Path| data.export_stress_test(System::Mosaic, to, None, Some(&[1]), &mut Watch::silent()).unwrap_err().to_string();
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("x"), "").unwrap();
    assert!(refused(&full).contains("not empty"));
    let cut = fs::read(dir.path().join("cat.png")).unwrap();
    fs::write(dir.path().join("cat.png"), &cut[..cut.len() / 2]).unwrap();
    let error = refused(&dir.path().join("new"));
    assert!(error.starts_with("1 references cannot be read") && error.contains("S cat"), "{error}");
    assert!(!dir.path().join("new").exists() && !dir.path().join("new.partial").exists());
}

/// The problems of an ingest, each without its folder.
fn problems(data: &mut Dataset, options: &IngestOptions) -> Vec<String> {
    match data.ingest(options, &mut Watch::silent()) {
        Err(Error::Manifest(problems)) => problems.into_iter().map(|p| p.reason).collect(),
        Err(other) => vec![other.to_string()],
        Ok(summary) => panic!("{summary:?}"),
    }
}

#[test]
fn wrong_outputs_are_refused_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = data_set(dir.path());
    let folder = dir.path().join("x");
    export(&data, System::Xverse, &folder, &[42, 43, 44]);
    let options = from(SourceFormat::Xverse, &folder, OutputOptions::default());
    assert!(problems(&mut data, &options)[0].ends_with("holds no image yet"));
    stand_in(System::Xverse, &folder, &[]);
    let out = folder.join("outputs/seed_42");
    // Two files for one prompt; a file of another list; a grid that cannot be cut.
    fs::copy(out.join("4_A_dog_and_a_cat_on_a_beach..png"), out.join("4_A_dog_and_a_cat_on_a_beach..webp")).unwrap();
    fs::rename(out.join(format!("2_{}.png", beginning(PROMPTS[3].1))), out.join("2_Another_prompt.png")).unwrap();
    let odd = Rgb { width: 65, height: 64, pixels: vec![9; 65 * 64 * 3] };
    fs::write(out.join(format!("3_{}.png", beginning(PROMPTS[4].1))), png(&odd).unwrap()).unwrap();
    let found = problems(&mut data, &options).join("\n");
    for part in ["two files for prompt `plain`", "it was made from another list", "65×64 pixels cannot be cut into 2x2 images"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert_eq!(rows(&mut data, "SELECT model FROM generations"), Vec::<Vec<String>>::new());

    // Two images in a file do for two seeds, not for three.
    for entry in fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    let mut pair = grid(&[picture("a"), picture("b"), picture("c"), picture("d")]);
    pair.pixels.truncate(pair.pixels.len() / 2);
    pair.height /= 2;
    fs::write(out.join(format!("1_{}.png", beginning(PROMPTS[5].1))), png(&pair).unwrap()).unwrap();
    let found = problems(&mut data, &options);
    assert_eq!(found, ["a 1x2 grid of seeds from 42 on has no image of seed 44"]);

    // A prompt that is another now.
    let text = fs::read_to_string(dir.path().join("p.jsonl")).unwrap().replace("on a beach", "on a rock");
    fs::write(dir.path().join("p.jsonl"), text).unwrap();
    let replace = IngestOptions { prompts: vec![dir.path().join("p.jsonl")], replace: true, ..IngestOptions::default() };
    data.ingest(&replace, &mut Watch::silent()).unwrap();
    assert!(problems(&mut data, &options).join("\n").contains("was exported as `A dog and a cat on a beach.`"));
    let other = from(SourceFormat::Mosaic, &folder, OutputOptions::default());
    assert!(problems(&mut data, &other)[0].contains("was exported for `xverse`"));
}

#[test]
fn what_was_not_made_is_missing_and_what_cannot_be_tied_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = data_set(dir.path());
    let folder = dir.path().join("m");
    export(&data, System::Mosaic, &folder, &[42]);
    stand_in(System::Mosaic, &folder, &[]);
    fs::remove_file(folder.join("outputs/seed_42/0_cfg_3.5_512x512.jpg")).unwrap();
    fs::write(folder.join("outputs/seed_42/77_cfg_3.5_512x512.jpg"), png(&picture("x")).unwrap()).unwrap();
    fs::write(folder.join("outputs/seed_42/best.jpg"), png(&picture("x")).unwrap()).unwrap();
    let mut warnings = Vec::new();
    let options = from(SourceFormat::Mosaic, &folder, OutputOptions::default());
    let summary = data.ingest(&options, &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned()))).unwrap();
    assert_eq!((summary.generations.added, summary.images.missing), (6, 1));
    let untied: String = warnings.iter().filter(|w| w.contains("; not read")).map(String::as_str).collect();
    assert!(untied.contains("77_cfg_3.5_512x512.jpg") && untied.contains("best.jpg"), "{warnings:?}");
    // It is there later.
    fs::write(folder.join("outputs/seed_42/0_cfg_3.5_512x512.jpg"), png(&picture("late")).unwrap()).unwrap();
    let summary = data.ingest(&options, &mut Watch::silent()).unwrap();
    assert_eq!((summary.images.missing, summary.images_read), (0, 1));
}

#[test]
fn outputs_without_our_export() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = data_set(dir.path());
    // XVerse's own list and folder, here of four seeds that it chose itself.
    let folder = dir.path().join("x");
    export(&data, System::Xverse, &folder, &[42, 43, 44, 45]);
    stand_in(System::Xverse, &folder, &[]);
    let out = folder.join("outputs/seed_42");
    fs::remove_file(folder.join("msdata-export.json")).unwrap();
    let list = OutputOptions { list: Some(folder.join("xverse.json")), ..OutputOptions::default() };
    let mut warnings = Vec::new();
    let summary = data
        .ingest(&from(SourceFormat::Xverse, &out, list), &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned())))
        .unwrap();
    assert_eq!((summary.generations.added, summary.images.missing), (24, 0));
    assert!(warnings.iter().any(|w| w.contains("taken for seed 42")), "{warnings:?}");
    // Any tree.
    let tree = dir.path().join("tree");
    for (id, ..) in PROMPTS {
        let path = tree.join(format!("run1/{id}/s7.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png(&picture(id)).unwrap()).unwrap();
    }
    let layout = |pattern: &str| OutputOptions {
        model: Some("Mine".parse().unwrap()),
        layout: Some(pattern.parse().unwrap()),
        ..OutputOptions::default()
    };
    let summary =
        data.ingest(&from(SourceFormat::Layout, &tree, layout("run1/{prompt_id}/s{seed}.png")), &mut Watch::silent()).unwrap();
    assert_eq!(summary.generations.added, 6);
    let found = problems(&mut data, &from(SourceFormat::Layout, &tree, layout("run1/{prompt_id}/*.png")));
    assert!(found[0].contains("which seed"), "{found:?}");
    let found = problems(&mut data, &from(SourceFormat::Layout, &tree, layout("{prompt_id}.png")));
    assert!(found[0].contains("none of the 6 images can be tied to a prompt"), "{found:?}");
}

#[test]
fn real_images_are_not_taken_for_grids_and_grids_of_them_are() {
    let Some(results) = shared("stress-test-repo/results") else { return };
    let (mut single, mut grids, mut all, mut fours) = (0, 0, 0, 0);
    for model in fs::read_dir(&results).unwrap() {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(model.unwrap().path()).unwrap().map(|p| p.unwrap().path().join("42.png")).collect();
        paths.sort();
        let images: Vec<Rgb> = paths.iter().step_by(5).map(|p| decode(&fs::read(p).unwrap()).unwrap().rgb).collect();
        for four in images.chunks_exact(4) {
            single += four.iter().filter(|i| Grid::detect(i) == Grid::Single).count();
            grids += usize::from(Grid::detect(&grid(four)) == Grid::TwoByTwo);
            (all, fours) = (all + 4, fours + 1);
        }
    }
    eprintln!("{single} of {all} images taken for single, {grids} of {fours} grids for grids");
    assert!(single == all && grids == fours, "{single} of {all}, {grids} of {fours}");
}

#[test]
fn safe_names_keep_ids_apart() {
    let names: BTreeSet<String> = PROMPTS.iter().map(|(id, ..)| msdata::text::safe_name(id)).collect();
    assert_eq!(names.len(), PROMPTS.len());
}

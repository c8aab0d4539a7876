//! What is fuzzed: everything that reads bytes of others. Each target writes its input below a directory of its own,
//! reads it as the program does, and fails by a panic.

use msdata::embeddings::Import;
use msdata::generator::{Grid, Layout, OutputSource, Reading, System, read};
use msdata::image::{decode, probe, read as read_image};
use msdata::manifest::{ImageFolder, Manifest, ManifestSettings, RegionFormat, RowKind, StressTestRepo, read_regions};
use msdata::problem::{Position, Problem};
use msdata::{Error, Stop, Watch};
use std::fs;
use std::path::Path;

/// A target: a directory that it may write to, and its input.
pub type Target = fn(&Path, &[u8]);

/// Every target, by the name of its seeds.
pub const TARGETS: [(&str, Target); 7] = [
    ("manifest", manifest),
    ("embeddings", embeddings),
    ("image", image),
    ("layout", layout),
    ("native", native),
    ("regions", regions),
    ("container", container),
];

/// The first byte says what the manifest lists, and how it is written: from 128 on it lists scores.
pub fn manifest(dir: &Path, data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let (kind, name) = match first {
        128.. => (RowKind::Scores, ["m.jsonl", "m.csv", "m.json.gz", "m.csv.zst", "m.parquet"][usize::from(first % 5)]),
        _ => (
            [RowKind::Subjects, RowKind::Prompts, RowKind::Generations][usize::from(first % 3)],
            ["m.jsonl", "m.csv", "m.json.gz", "m.csv.zst", "m.parquet"][usize::from(first / 3 % 5)],
        ),
    };
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    let Ok(mut manifest) = Manifest::open(&path, kind, &ManifestSettings::default(), Stop::default()) else { return };
    let mut last = 0;
    loop {
        let next: Option<Result<Position, Problem>> = match kind {
            RowKind::Subjects => manifest.next_subject().map(|row| row.map(|r| r.origin.place)),
            RowKind::Prompts => manifest.next_prompt().map(|row| row.map(|r| r.origin.place)),
            RowKind::Generations => manifest.next_generation().map(|row| row.map(|r| r.origin.place)),
            RowKind::Scores => manifest.next_score().map(|row| row.map(|r| r.origin.place)),
        };
        let place = match next {
            None => break,
            Some(Ok(place)) => place,
            Some(Err(problem)) => {
                assert!(!problem.to_string().contains('\u{1b}'), "a raw escape in {problem}");
                problem.origin.place
            }
        };
        let (Position::Line(line) | Position::Row(line)) = place else { panic!("a row without a line: {place:?}") };
        assert!(line >= last, "line {line} after line {last}");
        last = line;
    }
    manifest.into_warnings();
}

/// The input is a Parquet file.
pub fn embeddings(dir: &Path, data: &[u8]) {
    let path = dir.join("e.parquet");
    fs::write(&path, data).unwrap();
    let Ok(mut import) = Import::open(&path, Stop::default()) else { return };
    let check = |rows: &[msdata::embeddings::ImportRow<'_>]| {
        for (_, _, vector) in rows.iter().filter_map(|row| row.content.as_ref().ok()) {
            assert!(!vector.is_empty() && vector.iter().all(|x| x.is_finite()));
        }
        Ok(())
    };
    while import.rows() < 1_000_000 && import.next_batch(check).is_ok_and(|more| more) {}
}

/// The input is an image file.
pub fn image(dir: &Path, data: &[u8]) {
    let path = dir.join("i.png");
    fs::write(&path, data).unwrap();
    probe(&path);
    if let Ok(decoded) = decode(data) {
        let rgb = decoded.rgb;
        assert_eq!(rgb.pixels.len() as u64, u64::from(rgb.width) * u64::from(rgb.height) * 3);
    }
}

/// Lines: a pattern, a path, and prompts that are known.
pub fn layout(_: &Path, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let (Some(pattern), Some(path)) = (lines.next(), lines.next()) else { return };
    let known: Vec<&str> = lines.collect();
    let Ok(layout) = pattern.parse::<Layout>() else { return };
    if let Reading::Known(readings) = layout.read(path, |prompt| known.contains(&prompt)) {
        assert!(!readings.is_empty());
        for parts in readings {
            assert!(known.contains(&parts.prompt.as_str()) && path.contains(&parts.prompt), "{parts}");
            let _ = parts.seed();
        }
    }
}

/// The first byte says whose folder it is; the rest is its JSON file.
pub fn native(dir: &Path, data: &[u8]) {
    let Some((first, json)) = data.split_first() else { return };
    let known = [("p1".to_owned(), "A dog and a cat.".to_owned()), ("p2".to_owned(), "A cat.".to_owned())];
    let repository = dir.join("results/m/1_neutral");
    fs::create_dir_all(&repository).unwrap();
    let export = dir.join("msdata-export.json");
    let system = match first % 6 {
        0 => System::Xverse,
        1 => System::Mosaic,
        2 => System::Psr,
        3 => System::Jobs,
        4 => {
            fs::write(repository.join("meta.json"), json).unwrap();
            let _ = StressTestRepo::read(dir, None, Stop::default());
            return;
        }
        _ => {
            let _ = ImageFolder::read(dir, None, Stop::default());
            return;
        }
    };
    let as_export = first / 6 % 2 == 0;
    let _ = fs::remove_file(&export);
    fs::write(if as_export { export } else { dir.join("list.json") }, json).unwrap();
    for image in ["0_A_dog_and_a_cat.png", "results/m/p1/42.png", "outputs/a.png"] {
        let path = dir.join(image);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let source = OutputSource {
        folder: dir,
        model: None,
        seeds: None,
        grid: Grid::Auto,
        list: None,
        roots: None,
        tiles: None,
        stop: Stop::default(),
    };
    // An export says itself which prompts it is of; whether the data set has them is found when the rows are put in.
    if let (Ok(outputs), false) = (read(system, &source, &known), as_export) {
        for generation in outputs.generations {
            assert!(known.iter().any(|(id, _)| id == generation.row.prompt_id.as_str()));
        }
    }
}

/// The first byte says which format of regions it is, if any, and what the file's name is; the rest is the file.
pub fn regions(dir: &Path, data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let format = usize::from(first % 9).checked_sub(1).map(|i| RegionFormat::ALL[i]);
    let name = ["r.jsonl", "r.json", "r.csv", "labels/r.txt", "data.yaml", "images.json"][usize::from(first / 9 % 6)];
    fs::create_dir_all(dir.join("labels")).unwrap();
    for (name, content) in [
        ("data.yaml", "names: [cat, dog]"),
        ("labels/a.txt", "1 0.5 0.5 0.25 0.25"),
        ("images.json", r#"{"images": [{"id": 7, "file_name": "a.png"}]}"#),
        ("r.json", r#"[{"image_id": 7, "bbox": [1, 2, 3, 4]}]"#),
    ] {
        fs::write(dir.join(name), content).unwrap();
    }
    fs::write(dir.join(name), text).unwrap();
    let path = if name == "images.json" { dir.join("r.json") } else { dir.join(name) };
    match read_regions(&path, format, &mut Watch::silent()) {
        Ok(images) => {
            for image in images {
                assert!(!image.origin.contains('\u{1b}'));
                for region in image.regions {
                    assert!(region.score.is_none_or(|score| (0.0..=1.0).contains(&score)));
                    if let Ok([x, y, w, h]) = region.bounds.clip(64, 48) {
                        assert!(x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 64.0 && y + h <= 48.0, "{region:?}");
                    }
                    if let Ok(Some(mask)) = region.mask_in(64, 48) {
                        assert!(mask.area() > 0 && mask.pixels().iter().filter(|inside| **inside).count() as u64 == mask.area());
                    }
                }
            }
        }
        Err(Error::Manifest(problems)) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.to_string().contains('\u{1b}'), "a raw escape in {problem}");
            }
        }
        Err(_) => {}
    }
}

/// A tar or a Parquet file, whose members are read as images are.
pub fn container(dir: &Path, data: &[u8]) {
    let name = if data.starts_with(b"PAR1") { "c.parquet" } else { "c.tar" };
    let path = dir.join(name);
    fs::write(&path, data).unwrap();
    for member in ["a.png", "0", "1", "2"].map(str::to_owned).into_iter().chain(["x".repeat(120) + "/a.png"]) {
        if let Ok(bytes) = read_image(&dir.join(format!("{name}#{member}")))
            && name == "c.tar"
        {
            assert!(bytes.len() <= data.len(), "a member of {} bytes in a tar of {}", bytes.len(), data.len());
        }
    }
}

//! `make demo`: the main job on drawn input. A pool of simple figures, the paper's 75 prompts in shape, two
//! simulated generators; then what a user does: ingest, embed, score, report.

#![allow(clippy::unwrap_used)]

use image::{Rgb, RgbImage};
use msdata::dataset::EmbedOptions;
use msdata::table::Format;
use msdata::{Dataset, IngestOptions, ReportOptions, Watch};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const POOL: usize = 20;
const SIDE: u32 = 96;

/// A number that looks random and is the same every time.
fn noise(a: usize, b: usize) -> usize {
    let mixed = (a as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b as u64 + 1).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize
}

/// Draws a figure: a shape filled with a pattern in two colours, on grey.
fn draw(canvas: &mut RgbImage, figure: usize, left: u32, top: u32, side: u32) {
    let colour = |k: usize| Rgb([0, 1, 2].map(|channel| (noise(figure, 10 * k + channel) % 256) as u8));
    let (first, second) = (colour(0), colour(1));
    for y in 0..side {
        for x in 0..side {
            let (u, v) = (f64::from(x) / f64::from(side) - 0.5, f64::from(y) / f64::from(side) - 0.5);
            let inside = match figure % 4 {
                0 => u * u + v * v < 0.2,
                1 => u.abs().max(v.abs()) < 0.4,
                2 => u.abs() + v.abs() < 0.48,
                _ => v > -0.4 && u.abs() < (v + 0.45) * 0.5,
            };
            if !inside {
                continue;
            }
            let angle = (noise(figure, 50) % 180) as f64;
            let stripe = (u * angle.to_radians().cos() + v * angle.to_radians().sin()) * (4.0 + (figure % 7) as f64);
            canvas.put_pixel(left + x, top + y, if stripe.rem_euclid(1.0) < 0.5 { first } else { second });
        }
    }
}

/// The figures of a scene in a grid, each where a faithful generator puts it.
fn scene(figures: &[usize]) -> RgbImage {
    let columns = (figures.len() as f64).sqrt().ceil() as u32;
    let rows = (figures.len() as u32).div_ceil(columns);
    let mut canvas = RgbImage::from_pixel(columns * SIDE, rows * SIDE, Rgb([128, 128, 128]));
    for (i, figure) in (0..).zip(figures) {
        draw(&mut canvas, *figure, i % columns * SIDE, i / columns * SIDE, SIDE);
    }
    canvas
}

fn write_input(dir: &Path) -> IngestOptions {
    let (mut subjects, mut prompts, mut generations) = (String::new(), String::new(), String::new());
    let id = |figure: usize| format!("figure-{figure:02}");
    for figure in 0..POOL {
        scene(&[figure]).save(dir.join(format!("{}.png", id(figure)))).unwrap();
        writeln!(
            subjects,
            r#"{{"subject_id": "{0}", "label": "figure", "kind": "object", "references": ["{0}.png"]}}"#,
            id(figure)
        )
        .unwrap();
    }
    let cells = [2, 4, 6, 8, 10].into_iter().flat_map(|n| ["neutral", "occlusion", "interaction"].map(|s| (n, s)));
    for (p, (count, scene_type)) in cells.flat_map(|cell| [cell; 5]).enumerate() {
        let wanted: Vec<usize> = (0..count).map(|i| (p * 7 + i * 3) % POOL).collect();
        let names: Vec<String> = wanted.iter().map(|f| format!("\"{}\"", id(*f))).collect();
        let (prompt, names) = (format!("{:02}", p + 1), names.join(", "));
        writeln!(
            prompts,
            r#"{{"prompt_id": "{prompt}", "text": "{count} figures.", "scene_type": "{scene_type}", "subjects": [{names}]}}"#
        )
        .unwrap();
        // The forgetful one draws a stranger in the place of a figure, the oftener the denser.
        let kept = |i: usize| noise(p, i) % 12 >= count;
        let forgetful: Vec<usize> = (0..count).map(|i| if kept(i) { wanted[i] } else { POOL + noise(p, i) % 100 }).collect();
        for (model, drawn) in [("faithful", &wanted), ("forgetful", &forgetful)] {
            let path = format!("{model}-{prompt}.png");
            scene(drawn).save(dir.join(&path)).unwrap();
            writeln!(generations, r#"{{"model": "{model}", "prompt_id": "{prompt}", "seed": 42, "path": "{path}"}}"#).unwrap();
        }
    }
    let file = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        vec![path]
    };
    IngestOptions {
        subjects: file("subjects.jsonl", subjects),
        prompts: file("prompts.jsonl", prompts),
        generations: file("generations.jsonl", generations),
        embed: Some(EmbedOptions::default()),
        ..IngestOptions::default()
    }
}

fn main() -> Result<(), msdata::Error> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "demo".into()));
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(dir.join("input")).unwrap();
    let options = write_input(&dir.join("input"));
    let mut data = Dataset::init(&dir.join("data"))?;
    data.ingest(&options, &mut Watch::silent().on_warning(|text| eprintln!("warning: {text}")))?;
    println!("Drawn figures and two simulated generators; similarity by builtin-texture, which is not DINOv2,");
    println!("so the thresholds are lower than the paper's and SCR means something only within this table:\n");
    let thresholds = "0.05,0.1".parse().unwrap();
    data.report(&ReportOptions { thresholds, ..ReportOptions::default() })?.write(std::io::stdout(), Format::Table).unwrap();
    println!("\nThe images are in {}, the data set in {}. Try", dir.join("input").display(), dir.join("data").display());
    println!("  target/debug/msdata -d {} report --by model,scene_type --format md", dir.join("data").display());
    println!("  target/debug/msdata -d {} sql 'SELECT * FROM worst_subjects LIMIT 5'", dir.join("data").display());
    Ok(())
}

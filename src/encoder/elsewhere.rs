//! Directories that are not encoders as they are, and what makes one of them: models of timm and OpenCLIP, which keep
//! their preprocessing elsewhere, and directories of encoders.

use super::directory::read_json;
use crate::image::{CLIP, CropOffset, Filter, IMAGENET, Normalize, Preprocessing, Resize};
use crate::text::shell_word;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Directories within one that are named.
const MAX_LISTED: usize = 6;

/// Directories within one that are looked into.
const MAX_LOOKED: usize = 1000;

/// Returns how to write the `preprocessor_config.json` of a model of timm or OpenCLIP, from what these libraries keep in a
/// file of their own: that file's name, and a command. `None` where there is no such file, or it says something else than
/// a resize, a crop around the centre and a normalisation.
pub(super) fn recipe(dir: &Path) -> Option<(&'static str, String)> {
    let read = |file: &str| Some(dir.join(file)).filter(|path| path.is_file()).and_then(|path| read_json(&path).ok());
    let timm = || Some(("config.json", of_timm(read("config.json")?.get("pretrained_cfg")?)?));
    let open_clip = || Some(("open_clip_config.json", of_open_clip(&read("open_clip_config.json")?)?));
    let (file, preprocessing) = open_clip().or_else(timm)?;
    let dir = shell_word(dir);
    // A JSON of numbers and names: no quotes within it end the shell's.
    let config = preprocessing.to_config();
    let mut command = format!("echo '{config}' > {dir}/preprocessor_config.json");
    if preprocessing.crop_offset != CropOffset::default() {
        command.push_str(&format!(" && echo 'crop_offset = \"{}\"' >> {dir}/msdata.toml", preprocessing.crop_offset.as_str()));
    }
    Some((file, command))
}

/// What timm does to an image before a network sees it: the shortest edge to `size / crop_pct`, a crop of `size`.
fn of_timm(config: &Value) -> Option<Preprocessing> {
    if !matches!(config.get("crop_mode").map_or(Some("center"), Value::as_str)?, "center") {
        return None;
    }
    let [3, height, width] = integers(config.get("input_size")?)?[..] else { return None };
    if height != width || width == 0 {
        return None;
    }
    let share = config.get("crop_pct").map_or(Some(0.875), Value::as_f64).filter(|share| (0.01..=1.0).contains(share))?;
    let edge = (f64::from(width) / share).floor() as u32;
    centred(Resize::ShortestEdge(edge), width, config, IMAGENET)
}

/// What OpenCLIP does: the shortest edge to the image's size, a crop of it; or both sides, which it calls `squash`.
fn of_open_clip(config: &Value) -> Option<Preprocessing> {
    let none = Value::Object(serde_json::Map::new());
    let said = config.get("preprocess_cfg").unwrap_or(&none);
    let vision = config.get("model_cfg")?.get("vision_cfg")?;
    let size = match said.get("size").or(vision.get("image_size"))? {
        Value::Array(sides) => match integers(&Value::Array(sides.clone()))?[..] {
            [height, width] if height == width => width,
            _ => return None,
        },
        side => u32::try_from(side.as_u64()?).ok()?,
    };
    match said.get("resize_mode").map_or(Some("shortest"), Value::as_str)? {
        "shortest" => centred(Resize::ShortestEdge(size), size, said, CLIP),
        "squash" => {
            let made = centred(Resize::Exact { width: size, height: size }, size, said, CLIP)?;
            Some(Preprocessing { crop: None, crop_offset: CropOffset::default(), ..made })
        }
        _ => None,
    }
}

/// Resize, crop as torchvision does, normalise with the mean and deviation that are said, else with the library's own.
fn centred(resize: Resize, crop: u32, config: &Value, otherwise: Normalize) -> Option<Preprocessing> {
    let filter = match config.get("interpolation").map_or(Some("bicubic"), Value::as_str)? {
        "bicubic" => Filter::Bicubic,
        "bilinear" => Filter::Bilinear,
        "nearest" => Filter::Nearest,
        "lanczos" => Filter::Lanczos,
        _ => return None,
    };
    let normalize = match (config.get("mean"), config.get("std")) {
        (Some(mean), Some(std)) => Normalize { mean: channels(mean)?, std: channels(std)? },
        (None, None) => otherwise,
        _ => return None,
    };
    let made = Preprocessing::shortest_edge(crop, crop, CropOffset::HalfEven, normalize);
    Some(Preprocessing { resize, filter, ..made })
}

fn channels(json: &Value) -> Option<[f32; 3]> {
    let numbers: Vec<f32> = json.as_array()?.iter().map(|x| Some(x.as_f64()? as f32)).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn integers(json: &Value) -> Option<Vec<u32>> {
    json.as_array()?.iter().map(|x| u32::try_from(x.as_u64()?).ok()).collect()
}

/// Returns the directories below one, one or two levels down, that do look like encoders, to be named in a hint.
pub(super) fn encoders_below(dir: &Path) -> Vec<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for inner in directories(dir) {
        match is_like_encoder(&inner) {
            true => found.push(inner),
            false => found.extend(directories(&inner.join("snapshots")).into_iter().filter(|snapshot| is_like_encoder(snapshot))),
        }
    }
    found.truncate(MAX_LISTED);
    found.iter().map(|path| path.display().to_string()).collect()
}

/// The files without which there is no encoder.
const NETWORKS: [&str; 2] = ["model.onnx", "vision_model.onnx"];
const PROCESSORS: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];

fn holds(dir: &Path, file: &str) -> bool {
    [dir.join(file), dir.join("onnx").join(file)].iter().any(|path| path.symlink_metadata().is_ok())
}

fn is_like_encoder(dir: &Path) -> bool {
    NETWORKS.iter().any(|file| holds(dir, file)) && PROCESSORS.iter().any(|file| holds(dir, file))
}

/// Whether any file of an encoder is in a directory: it is then meant as one, and what it lacks is said.
pub(super) fn has_encoder_file(dir: &Path) -> bool {
    NETWORKS.iter().chain(&PROCESSORS).chain(&["msdata.toml"]).any(|file| holds(dir, file))
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut inner: Vec<PathBuf> =
        entries.flatten().take(MAX_LOOKED).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    inner.sort();
    inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn timm_resizes_to_more_than_it_crops() {
        let config = json!({
            "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "classifier": "head",
        });
        let made = of_timm(&config).unwrap();
        assert_eq!((made.resize, made.crop), (Resize::ShortestEdge(248), Some((224, 224))));
        assert_eq!((made.filter, made.crop_offset), (Filter::Bicubic, CropOffset::HalfEven));
        // What is written is read as the same, but for the offset, which is in msdata.toml.
        let read = Preprocessing::from_config(&made.to_config()).unwrap();
        assert_eq!(Preprocessing { crop_offset: CropOffset::HalfEven, ..read }, made);
        for (key, value) in
            [("crop_mode", json!("squash")), ("interpolation", json!("random")), ("input_size", json!([3, 224, 196]))]
        {
            let mut other = config.clone();
            other[key] = value;
            assert_eq!(of_timm(&other), None, "{key}");
        }
    }

    #[test]
    fn open_clip_crops_the_shortest_edge_or_squashes() {
        let config = |said: Value| json!({"model_cfg": {"vision_cfg": {"image_size": 256}}, "preprocess_cfg": said});
        let made = of_open_clip(&config(json!({}))).unwrap();
        assert_eq!((made.resize, made.crop, made.normalize), (Resize::ShortestEdge(256), Some((256, 256)), Some(CLIP)));
        let said = json!({"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"});
        let made = of_open_clip(&config(said)).unwrap();
        assert_eq!(
            (made.resize, made.crop, made.normalize),
            (Resize::Exact { width: 256, height: 256 }, None, Some(crate::image::HALF))
        );
        assert_eq!(of_open_clip(&config(json!({"resize_mode": "longest"}))), None);
    }
}

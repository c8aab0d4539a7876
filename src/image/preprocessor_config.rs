//! `preprocessor_config.json`, as Hugging Face's image processors write it.
//!
//! What a file does not say is the default of its processor in transformers (read from version 5.24); what it
//! says and is not understood is refused, not skipped.

use crate::image::filter::Filter;
use crate::image::preprocess::{CLIP, CropOffset, HALF, IMAGENET, Normalize, Preprocessing, Resize, Samples};
use crate::text::{plain, quote};
use serde_json::{Map, Value, json};

/// The defaults of an image processor.
#[derive(Clone, Copy)]
struct Defaults {
    filter: Filter,
    /// What a `size` of one number means: both sides instead of the shortest edge.
    square: bool,
    size: Resize,
    crop: Option<(u32, u32)>,
    normalize: Normalize,
    samples: Samples,
}

/// The processors that are known, as files name them.
const KNOWN: &str = "BitImageProcessor, CLIPImageProcessor, DINOv3ViTImageProcessor, SiglipImageProcessor and ViTImageProcessor, \
                     also with Fast or Pil behind them";

/// By the processor's name, without `Fast`, `Pil`, or the older `FeatureExtractor`.
fn defaults(kind: &str) -> Option<Defaults> {
    const SQUARE: Resize = Resize::Exact { width: 224, height: 224 };
    let clip = |normalize| Defaults {
        filter: Filter::Bicubic,
        square: false,
        size: Resize::ShortestEdge(224),
        crop: Some((224, 224)),
        normalize,
        samples: Samples::Bytes,
    };
    let square = |filter, square, normalize, samples| Defaults { filter, square, size: SQUARE, crop: None, normalize, samples };
    match kind {
        // Both have CLIP's mean and deviation.
        "CLIP" | "Bit" => Some(clip(CLIP)),
        "ViT" => Some(square(Filter::Bilinear, true, HALF, Samples::Bytes)),
        "Siglip" => Some(square(Filter::Bicubic, false, HALF, Samples::Bytes)),
        // It rescales before it resizes, so that nothing is rounded to bytes.
        "DINOv3ViT" => Some(square(Filter::Bilinear, true, IMAGENET, Samples::Floats)),
        _ => None,
    }
}

/// Keys that change no pixel of an RGB image.
const WITHOUT_EFFECT: [&str; 11] = [
    "processor_class",
    "auto_map",
    "transformers_version",
    "image_processor_type",
    "feature_extractor_type",
    "do_convert_rgb",
    "_valid_processor_keys",
    "return_tensors",
    "device",
    "disable_grouping",
    "input_data_format",
];

/// Keys that are read.
const READ: [&str; 12] = [
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "default_to_square",
    "data_format",
];

impl Preprocessing {
    /// The same as `preprocessor_config.json`; the crop offset has no place there.
    pub fn to_config(&self) -> Value {
        let size = match self.resize {
            Resize::None => Value::Null,
            Resize::ShortestEdge(edge) => json!({"shortest_edge": edge}),
            Resize::Exact { width, height } => json!({"height": height, "width": width}),
        };
        let normalize = self.normalize.map(|n| (n.mean.map(shortest), n.std.map(shortest)));
        json!({
            "do_convert_rgb": true,
            "do_resize": self.resize != Resize::None,
            "size": size,
            "resample": self.filter as u8,
            "do_center_crop": self.crop.is_some(),
            "crop_size": self.crop.map(|(width, height)| json!({"height": height, "width": width})),
            "do_rescale": self.rescale.is_some(),
            "rescale_factor": self.rescale,
            "do_normalize": normalize.is_some(),
            "image_mean": normalize.map(|(mean, _)| mean),
            "image_std": normalize.map(|(_, std)| std),
            "image_processor_type": (self.samples == Samples::Floats).then_some("DINOv3ViTImageProcessor"),
        })
    }

    /// Reads a `preprocessor_config.json`, or a `processor_config.json` with the same as its `image_processor`.
    /// Crops start where Hugging Face's do ([`CropOffset::Floor`]).
    ///
    /// # Errors
    /// Says all that cannot be honoured: an unknown image processor, key or form of `size`, or a value out of
    /// range; or, in a file that names no processor, what is missing.
    pub fn from_config(json: &Value) -> Result<Preprocessing, String> {
        let config = own_part(json).as_object().ok_or("is not a JSON object")?;
        let mut faults = Vec::new();
        let named = processor(config);
        let defaults = named.clone().map_err(|fault| faults.push(fault)).ok().flatten();
        // Of a processor that is not known, nothing but its name is at fault where the file leaves steps to it.
        let lenient = named.is_err();
        let config = Config { config, defaults, lenient };
        faults.extend(config.unknown());
        let mut note = |fault: String| {
            if !fault.is_empty() && !faults.contains(&fault) {
                faults.push(fault);
            }
        };
        let resizes = config.flag("do_resize", true).unwrap_or_else(|fault| {
            note(fault);
            false
        });
        let resize = if resizes { config.size() } else { Ok(Resize::None) }.map_err(&mut note);
        let filter = if resizes { config.filter() } else { Ok(Filter::Bicubic) }.map_err(&mut note);
        let crops = config.defaults.is_some_and(|defaults| defaults.crop.is_some());
        let crop = config.step("do_center_crop", crops, Config::crop).map_err(&mut note);
        let rescale = config.step("do_rescale", true, Config::rescale).map_err(&mut note);
        let normalize = config.step("do_normalize", true, Config::normalize).map_err(&mut note);
        let samples = config.samples(&filter).map_err(&mut note);
        match (resize, filter, crop, rescale, normalize, samples) {
            (Ok(resize), Ok(filter), Ok(crop), Ok(rescale), Ok(normalize), Ok(samples)) if faults.is_empty() => {
                Ok(Preprocessing { resize, samples, filter, crop, crop_offset: CropOffset::Floor, rescale, normalize })
            }
            _ => Err(faults.join("; ")),
        }
    }
}

/// Whether a `preprocessor_config.json`, or a `processor_config.json`, is that of SigLIP.
pub fn is_siglip(json: &Value) -> bool {
    own_part(json).as_object().and_then(|config| kind(config).ok().flatten()).is_some_and(|(_, kind)| kind == Some("Siglip"))
}

/// Newer files hold the processors of images and of texts.
fn own_part(json: &Value) -> &Value {
    json.get("image_processor").filter(|part| part.is_object()).unwrap_or(json)
}

/// The processor's name and what kind it is, without `Fast`, `Pil` and the like; nothing if it names none.
fn kind(config: &Map<String, Value>) -> Result<Option<(&str, Option<&str>)>, String> {
    let named =
        ["image_processor_type", "feature_extractor_type"].iter().find_map(|key| config.get(*key).filter(|v| !v.is_null()));
    let Some(named) = named else { return Ok(None) };
    let name = named.as_str().ok_or("`image_processor_type` is not a text")?;
    let kind = name.strip_suffix("Fast").or_else(|| name.strip_suffix("Pil")).unwrap_or(name);
    let kind = kind.strip_suffix("ImageProcessor").or_else(|| kind.strip_suffix("FeatureExtractor"));
    Ok(Some((name, kind)))
}

/// Defaults of the processor that the file names; nothing if it names none.
fn processor(config: &Map<String, Value>) -> Result<Option<Defaults>, String> {
    let Some((name, kind)) = kind(config)? else { return Ok(None) };
    match kind.and_then(defaults) {
        Some(defaults) => Ok(Some(defaults)),
        None if kind == Some("Siglip2") => Err(format!(
            "image processor {} cuts images into a varying number of patches (NaFlex), which is not supported: take a \
             SigLIP 2 of one resolution, such as google/siglip2-base-patch16-224; or, if the network does take whole images, \
             write `SiglipImageProcessor` here",
            quote(name)
        )),
        None => Err(format!(
            "image processor {} is not known ({KNOWN} are): if this file spells out all that it does, take \
             `image_processor_type` out",
            quote(name)
        )),
    }
}

struct Config<'a> {
    config: &'a Map<String, Value>,
    defaults: Option<Defaults>,
    /// What is missing is not a fault.
    lenient: bool,
}

impl Config<'_> {
    /// A value that is there and not null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.config.get(key).filter(|value| !value.is_null())
    }

    /// What is said and not understood.
    fn unknown(&self) -> Vec<String> {
        let known = |key: &str| WITHOUT_EFFECT.contains(&key) || READ.contains(&key);
        // A step that is switched off does nothing, known or not.
        let idle = |value: &Value| value.is_null() || *value == Value::Bool(false);
        let unknown = self.config.iter().filter(|(key, value)| !known(key) && !idle(value));
        let mut faults: Vec<String> =
            unknown.map(|(key, value)| format!("`{}`: {} is not understood", plain(key), shown(value))).collect();
        match self.get("data_format").map(|format| format.as_str()) {
            None | Some(Some("channels_first" | "FIRST")) => {}
            _ => faults.push("`data_format` other than `channels_first` is not supported".into()),
        }
        faults
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.get(key) {
            Some(value) => value.as_bool().ok_or_else(|| format!("`{key}` is neither true nor false")),
            None if self.defaults.is_some() || self.lenient => Ok(default),
            None => Err(self.missing(key)),
        }
    }

    /// A step, if it is done.
    fn step<T>(&self, key: &str, default: bool, read: impl Fn(&Self) -> Result<T, String>) -> Result<Option<T>, String> {
        if self.flag(key, default)? { read(self).map(Some) } else { Ok(None) }
    }

    /// What the file's own default is, if it names its processor.
    fn default<T>(&self, key: &str, pick: impl Fn(&Defaults) -> T) -> Result<T, String> {
        self.defaults.as_ref().map(pick).ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> String {
        if self.lenient { String::new() } else { format!("it names no image processor known here, and `{key}` is missing") }
    }

    /// What is resized; of numbers, PyTorch knows two filters.
    fn samples(&self, filter: &Result<Filter, ()>) -> Result<Samples, String> {
        let samples = self.defaults.map_or(Samples::Bytes, |defaults| defaults.samples);
        match (samples, filter) {
            (Samples::Floats, Ok(filter)) if !matches!(filter, Filter::Bilinear | Filter::Bicubic) => {
                Err("`resample` is neither 2 (bilinear) nor 3 (bicubic), which this processor takes".into())
            }
            _ => Ok(samples),
        }
    }

    fn size(&self) -> Result<Resize, String> {
        let Some(size) = self.get("size") else { return self.default("size", |defaults| defaults.size) };
        if size.is_number() {
            let edge = side(size, "size")?;
            let square = match self.get("default_to_square") {
                Some(value) => value.as_bool().ok_or("`default_to_square` is neither true nor false")?,
                None => self.default("default_to_square", |defaults| defaults.square)?,
            };
            return Ok(if square { Resize::Exact { width: edge, height: edge } } else { Resize::ShortestEdge(edge) });
        }
        let given = fields(size, "size")?;
        match given.as_slice() {
            [("shortest_edge", edge)] => Ok(Resize::ShortestEdge(side(edge, "size")?)),
            [("height", height), ("width", width)] => {
                Ok(Resize::Exact { width: side(width, "size")?, height: side(height, "size")? })
            }
            _ => Err(format!("`size`: {} is not supported (a shortest_edge, or height and width, is)", shown(size))),
        }
    }

    fn crop(&self) -> Result<(u32, u32), String> {
        let Some(size) = self.get("crop_size") else {
            return self.default("crop_size", |defaults| defaults.crop)?.ok_or_else(|| "`crop_size` is missing".into());
        };
        if size.is_number() {
            return side(size, "crop_size").map(|side| (side, side));
        }
        match fields(size, "crop_size")?.as_slice() {
            [("height", height), ("width", width)] => Ok((side(width, "crop_size")?, side(height, "crop_size")?)),
            _ => Err(format!("`crop_size`: {} is not supported (height and width are)", shown(size))),
        }
    }

    fn filter(&self) -> Result<Filter, String> {
        match self.get("resample") {
            None => self.default("resample", |defaults| defaults.filter),
            Some(value) => value
                .as_u64()
                .and_then(Filter::from_number)
                .ok_or_else(|| format!("`resample`: {} is not one of Pillow's filters, 0 to 5", shown(value))),
        }
    }

    fn rescale(&self) -> Result<f64, String> {
        match self.get("rescale_factor") {
            None => self.default("rescale_factor", |_| 1.0 / 255.0),
            Some(value) => value.as_f64().ok_or_else(|| "`rescale_factor` is not a number".into()),
        }
    }

    fn normalize(&self) -> Result<Normalize, String> {
        let channels = |key: &str, pick: fn(&Normalize) -> [f32; 3]| {
            let Some(value) = self.get(key) else { return self.default(key, |defaults| pick(&defaults.normalize)) };
            let numbers = match value {
                Value::Number(_) => vec![value; 3],
                Value::Array(values) => values.iter().collect(),
                _ => Vec::new(),
            };
            let numbers: Option<Vec<f32>> = numbers.iter().map(|number| number.as_f64().map(|n| n as f32)).collect();
            numbers
                .and_then(|numbers| numbers.try_into().ok())
                .ok_or_else(|| format!("`{key}`: {} is not three numbers", shown(value)))
        };
        let normalize = Normalize {
            mean: channels("image_mean", |normalize| normalize.mean)?,
            std: channels("image_std", |normalize| normalize.std)?,
        };
        if normalize.std.contains(&0.0) {
            return Err("`image_std` has a zero".into());
        }
        Ok(normalize)
    }
}

/// A value of the file, as much of it as tells what it is.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(80).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", plain(&cut))
}

fn side(value: &Value, key: &str) -> Result<u32, String> {
    /// Far above any network's, and small enough that no tensor overflows the memory.
    const MAX: u64 = 8192;
    value
        .as_u64()
        .filter(|side| (1..=MAX).contains(side))
        .map(|side| side as u32)
        .ok_or_else(|| format!("`{key}`: {} is not a side of 1 to {MAX} pixels", shown(value)))
}

/// The fields of a size that are not null, by name.
fn fields<'a>(value: &'a Value, key: &str) -> Result<Vec<(&'a str, &'a Value)>, String> {
    let object = value.as_object().ok_or_else(|| format!("`{key}`: {} is neither a number nor an object", shown(value)))?;
    let mut fields: Vec<_> = object.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.as_str(), v)).collect();
    fields.sort_by_key(|(name, _)| *name);
    Ok(fields)
}

/// The float64 that is written as the float32 is: 0.485, not 0.4850000143.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dinov2_as_the_hub_has_it() {
        let config = json!({
            "crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
            "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "BitImageProcessor", "image_std": [0.229, 0.224, 0.225], "resample": 3,
            "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256}
        });
        let expected = Preprocessing::shortest_edge(256, 224, CropOffset::Floor, IMAGENET);
        assert_eq!(Preprocessing::from_config(&config), Ok(expected));
    }

    #[test]
    fn old_files_leave_much_to_the_defaults() {
        let clip = json!({
            "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
            "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224
        });
        let expected = Preprocessing::shortest_edge(224, 224, CropOffset::Floor, CLIP);
        assert_eq!(Preprocessing::from_config(&clip), Ok(expected.clone()));
        assert_eq!(Preprocessing::from_config(&json!({"image_processor_type": "CLIPImageProcessorFast"})), Ok(expected));
        let vit = Preprocessing::from_config(&json!({"feature_extractor_type": "ViTFeatureExtractor", "size": 384})).unwrap();
        assert_eq!(
            (vit.resize, vit.filter, vit.crop, vit.normalize),
            (Resize::Exact { width: 384, height: 384 }, Filter::Bilinear, None, Some(HALF))
        );
    }

    #[test]
    fn dinov3_and_siglip_2_as_the_hub_has_them() {
        let dinov3 = json!({
            "image_processor_type": "DINOv3ViTImageProcessorFast", "crop_size": null, "data_format": "channels_first",
            "default_to_square": true, "device": null, "disable_grouping": null, "do_center_crop": null, "do_convert_rgb": null,
            "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225], "input_data_format": null, "resample": 2, "rescale_factor": 0.00392156862745098,
            "return_tensors": null, "size": {"height": 224, "width": 224}
        });
        let read = Preprocessing::from_config(&dinov3).unwrap();
        let square = Resize::Exact { width: 224, height: 224 };
        assert_eq!((read.resize, read.samples, read.filter, read.crop), (square, Samples::Floats, Filter::Bilinear, None));
        assert_eq!(Preprocessing::from_config(&json!({"image_processor_type": "DINOv3ViTImageProcessor"})), Ok(read.clone()));
        assert_eq!(Preprocessing::from_config(&json!({"image_processor": dinov3})), Ok(read.clone()));
        assert_eq!(Preprocessing::from_config(&read.to_config()), Ok(read.clone()));
        assert!(read.canonical().ends_with(" samples=floats"));
        let boxed = json!({"image_processor_type": "DINOv3ViTImageProcessor", "resample": 4});
        assert!(Preprocessing::from_config(&boxed).unwrap_err().contains("`resample`"));

        let siglip2 = json!({
            "do_convert_rgb": null, "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5], "processor_class": "SiglipProcessor",
            "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"height": 256, "width": 256}
        });
        let read = Preprocessing::from_config(&siglip2).unwrap();
        assert_eq!((read.samples, read.filter, read.fixed_size()), (Samples::Bytes, Filter::Bilinear, Some((256, 256))));
        assert!(is_siglip(&siglip2) && is_siglip(&json!({"image_processor": siglip2})) && !is_siglip(&dinov3));
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let config =
            json!({"image_processor_type": "OddImageProcessor", "crop_pct": 0.9, "x": 1, "resample": 9, "size": {"a": 1}});
        let said = Preprocessing::from_config(&config).unwrap_err();
        for part in ["`OddImageProcessor`", "`crop_pct`", "`x`", "`resample`", "`size`"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = Preprocessing::from_config(&json!({"do_resize": true, "do_normalize": true})).unwrap_err();
        for key in ["size", "resample", "do_center_crop", "do_rescale", "image_mean"] {
            assert!(said.contains(&format!("`{key}` is missing")), "{key}: {said}");
        }
        let naflex = json!({"image_processor_type": "Siglip2ImageProcessor", "patch_size": 16, "max_num_patches": 256});
        assert!(Preprocessing::from_config(&naflex).unwrap_err().contains("NaFlex"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for preprocessing in [
            Preprocessing::shortest_edge(256, 224, CropOffset::Floor, crate::image::IMAGENET),
            Preprocessing::shortest_edge(224, 224, CropOffset::Floor, CLIP),
            Preprocessing {
                resize: Resize::Exact { width: 3, height: 4 },
                crop: None,
                ..Preprocessing::shortest_edge(1, 1, CropOffset::Floor, HALF)
            },
        ] {
            assert_eq!(Preprocessing::from_config(&preprocessing.to_config()), Ok(preprocessing));
        }
        let config = Preprocessing::shortest_edge(256, 224, CropOffset::Floor, crate::image::IMAGENET).to_config();
        assert_eq!(config["image_mean"].to_string(), "[0.485,0.456,0.406]");
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let refusal = |extra: Value| {
            let mut config = json!({"image_processor_type": "ViTImageProcessor"});
            config.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
            Preprocessing::from_config(&config).unwrap_err()
        };
        assert_eq!(refusal(json!({"crop_pct": 0.875})), "`crop_pct`: 0.875 is not understood");
        assert!(refusal(json!({"size": {"shortest_edge": 224, "longest_edge": 448}})).contains("longest_edge"));
        assert!(refusal(json!({"image_processor_type": "ConvNextImageProcessor"})).contains("ConvNextImageProcessor"));
        assert!(refusal(json!({"do_pad": true})).contains("do_pad"));
        assert!(refusal(json!({"resample": 9})).contains("resample"));
        assert!(refusal(json!({"image_std": [1.0, 0.0, 1.0]})).contains("image_std"));
        assert!(Preprocessing::from_config(&json!({"do_resize": true})).unwrap_err().contains("`size` is missing"));
        let idle = json!({"image_processor_type": "ViTImageProcessor", "do_pad": false, "pad_size": null});
        assert!(Preprocessing::from_config(&idle).is_ok());
    }
}

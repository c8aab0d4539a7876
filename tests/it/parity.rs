//! Pixels, crops, tensors, tokens and vectors against Pillow, Hugging Face's processors and PyTorch: the
//! fixtures in `parity/` of the shared data. Without them these tests say so and pass.

use crate::support::lab::shared;
use msdata::encoder::{
    Batch, Described, Device, Encoder, EncoderDirectory, Home, ImageModel, Options, Runtime, TextModel, Tokenizer,
};
use msdata::image::{CLIP, CropOffset, IMAGENET, Preprocessing, Rgb, decode};
use msdata::score::cosine;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

/// ONNX Runtime and PyTorch differ by 1e-5 at most.
const TOLERANCE: f64 = 2e-5;

/// Least cosine between our vector of an image file and theirs.
const LEAST: f64 = 0.999_999;

fn json(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect()
}

fn pixels(path: &Path) -> Rgb {
    decode(&std::fs::read(path).unwrap()).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())).rgb
}

fn runtime() -> &'static Runtime {
    Runtime::load(&Home::from_env().unwrap(), None).unwrap_or_else(|e| panic!("{e}; {}", e.hint().unwrap_or_default()))
}

const OPTIONS: Options = Options { device: Device::Cpu, threads: 2, batch: Batch::CPU };

fn encoder(parity: &Path, name: &str) -> Encoder {
    let path = parity.join("encoders").join(name);
    Described::find(path.to_str().unwrap(), &Home::from_env().unwrap()).unwrap()[0].open(runtime(), OPTIONS).unwrap()
}

fn largest_difference(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

/// From the images' own files; of the one of 16 bits, whose range Pillow cuts off, from Pillow's decode.
#[test]
fn crops_are_equal() {
    let Some(parity) = shared("parity") else { return };
    let pipelines = [
        ("dinov2", Preprocessing::shortest_edge(256, 224, CropOffset::Floor, IMAGENET)),
        ("dino_tv", Preprocessing::shortest_edge(256, 224, CropOffset::HalfEven, IMAGENET)),
        ("clip", Preprocessing::shortest_edge(224, 224, CropOffset::Floor, CLIP)),
    ];
    let mut checked = 0;
    for entry in json(&parity.join("refs/images.json")) {
        let name = entry["image"].as_str().unwrap();
        let image = pixels(&parity.join(if name == "x_gray16.png" { "decoded" } else { "images" }).join(name));
        for (pipeline, preprocessing) in &pipelines {
            let crop = preprocessing.crop(&image).unwrap();
            let hash: String = Sha256::digest(&crop.pixels).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(entry["crop_sha256"][pipeline], hash, "{name} {pipeline}");
            checked += 1;
        }
    }
    assert!(checked >= 30 * 3, "{checked}");
}

#[test]
fn a_grey_ramp_of_16_bits_keeps_its_range_where_pillow_makes_it_white() {
    let Some(parity) = shared("parity") else { return };
    let image = pixels(&parity.join("images/x_gray16.png"));
    let (least, most) = (image.pixels.iter().min(), image.pixels.iter().max());
    assert!(least < Some(&40) && most > Some(&200), "{least:?} to {most:?}");
}

#[test]
fn vectors_from_the_given_crops() {
    let Some(parity) = shared("parity") else { return };
    let rows = json(&parity.join("refs/image_embeddings.json"));
    for (directory, model, pipelines) in [
        ("dinov2_tiny", "dinov2_tiny", &["hf_256_224"][..]),
        // Where the two roundings agree, there is one crop for both.
        ("dino_tiny", "dino_tiny", &["tv_256_224", "hf_256_224"]),
        ("clip_tiny", "clip_vision_tiny", &["clip_224"]),
    ] {
        let files = EncoderDirectory::read(&parity.join("encoders").join(directory)).unwrap();
        let mut network = ImageModel::open(&files, [224, 224], runtime(), OPTIONS).unwrap();
        // A crop goes through the encoder's own preprocessing, which leaves 224 × 224 as it is.
        let config = serde_json::from_slice(&std::fs::read(&files.preprocessor).unwrap()).unwrap();
        let whole = Preprocessing { resize: msdata::image::Resize::None, ..Preprocessing::from_config(&config).unwrap() };
        let (mut checked, mut worst) = (0, 0.0_f64);
        for row in rows.iter().filter(|r| r["model"] == model && r["variant"] == "pil_convert_rgb") {
            let stem = Path::new(row["image"].as_str().unwrap()).file_stem().unwrap().to_str().unwrap();
            let crops = pipelines.iter().map(|p| parity.join(format!("crops/{stem}.{p}.png")));
            let Some(crop) = crops.into_iter().find(|path| path.is_file()) else { continue };
            let vectors = network.embed(&whole.tensor(&pixels(&crop)).unwrap()).unwrap();
            worst = worst.max(largest_difference(vectors[0].as_ref().unwrap(), &numbers(&row["embedding"])));
            checked += 1;
        }
        eprintln!("{model}: {checked} crops, largest difference {worst:e}");
        assert!(checked >= 15, "{model}: {checked} crops");
        assert!(worst <= TOLERANCE, "{model}: {worst}");
    }
}

/// From the files themselves, JPEG decoder and all. The photographs are those that were not made up to be
/// difficult (`x_…`).
#[test]
fn vectors_from_the_files() {
    let Some(parity) = shared("parity") else { return };
    let rows = json(&parity.join("refs/image_embeddings.json"));
    for (directory, model) in [("dinov2_tiny", "dinov2_tiny"), ("dino_tiny", "dino_tiny"), ("clip_tiny", "clip_vision_tiny")] {
        let mut encoder = encoder(&parity, directory);
        let (mut photographs, mut least, mut exceptions) = (0, 1.0_f64, Vec::new());
        for row in rows.iter().filter(|r| r["model"] == model && r["variant"] == "pil_convert_rgb") {
            let name = row["image"].as_str().unwrap();
            let tensor = encoder.preprocessing().tensor(&pixels(&parity.join("images").join(name))).unwrap();
            let vector = encoder.embed_images(&tensor).unwrap().remove(0).unwrap();
            let cosine = cosine(&vector, &numbers(&row["embedding"]));
            if name.starts_with("x_") {
                if cosine < LEAST {
                    exceptions.push(format!("{name} {cosine:.5}"));
                }
            } else {
                photographs += 1;
                least = least.min(cosine);
                assert!(cosine >= LEAST, "{model} {name}: {cosine}");
            }
        }
        eprintln!("{model}: {photographs} photographs, least cosine {least:.9}; others below {LEAST}: {exceptions:?}");
        assert_eq!(photographs, 24);
        // 16 bits are scaled on purpose; nothing else may be far off.
        assert!(exceptions.iter().all(|e| e.starts_with("x_gray16")), "{exceptions:?}");
    }
}

#[test]
fn token_ids_and_text_vectors() {
    let Some(parity) = shared("parity") else { return };
    let files = EncoderDirectory::read(&parity.join("encoders/clip_tiny")).unwrap();
    let tokenizer = Tokenizer::open(&files.text.as_ref().unwrap().tokenizer).unwrap();
    let mut network = TextModel::open(&files, runtime(), OPTIONS).unwrap().unwrap();
    let prompts = json(&parity.join("refs/text.json"));
    let (mut cut, mut worst) = (0, 0.0_f64);
    for prompt in &prompts {
        let text = prompt["prompt"].as_str().unwrap();
        let tokens = tokenizer.tokens(text).unwrap();
        let expected: Vec<i64> = prompt["input_ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
        assert_eq!((tokens.ids.as_slice(), tokens.truncated), (&expected[..], prompt["truncated"].as_bool().unwrap()), "{text}");
        cut += u32::from(tokens.truncated);
        let vectors = network.embed(&[tokens.ids]).unwrap();
        worst = worst.max(largest_difference(vectors[0].as_ref().unwrap(), &numbers(&prompt["text_embeds"])));
    }
    eprintln!("clip_text_tiny: {} prompts, largest difference {worst:e}", prompts.len());
    assert_eq!((prompts.len(), cut), (20, 2));
    assert!(worst <= TOLERANCE, "{worst}");
}

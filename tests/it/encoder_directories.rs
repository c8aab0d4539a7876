//! Encoder directories as people have them: from the hub's cache, from exporters, of families whose networks
//! and processors differ. Either they work, with vectors that an independent computation gives too, or one
//! refusal says all that is wrong, and what it advises works.
//!
//! The networks are made here. `MSDATA_PYTHON` names an interpreter with Pillow, NumPy and onnx (`make test`
//! sets it); what needs it says so and passes where it is not set.

use crate::support::encoder_lab::sample::{FLOAT, Model, Number, integers, node, tensor_outside};
use crate::support::encoder_lab::{close, images, means, plain_processor, text_vector, texts, tokenizer};
use crate::support::lab::{Lab, err, python};
use crate::support::pictures::picture;
use msdata::encoder::{Described, Home};
use msdata::image::{Preprocessing, decode};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

// ---- the hub's cache

/// A repository of the cache with one snapshot: links into `blobs/`, weights beside the network.
#[cfg(unix)]
fn cached(lab: &Lab, repository: &str, commit: &str) -> String {
    let weights: Vec<u8> = [1.0_f32, 2.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let network = Model::default()
        .with_input("pixel_values", FLOAT, &[-1, 3, -1, -1])
        .with_initializer(tensor_outside("w", "model.onnx_data", 0, 12))
        .with_node(node("GlobalAveragePool", &["pixel_values"], "pooled", &[]))
        .with_node(node("Flatten", &["pooled"], "means", &[("axis", Number(1))]))
        .with_node(node("Mul", &["means", "w"], "image_embeds", &[]))
        .with_output("image_embeds", FLOAT, &[-1, 3]);
    let snapshot = format!("hub/{repository}/snapshots/{commit}");
    for (file, up, content) in [
        ("onnx/model.onnx", "../../..", network.bytes()),
        ("onnx/model.onnx_data", "../../..", weights),
        ("preprocessor_config.json", "../..", plain_processor().to_string().into_bytes()),
    ] {
        let blob = blake3::hash(&content).to_hex();
        lab.write(&format!("hub/{repository}/blobs/{blob}"), content);
        let link = lab.path(&snapshot).join(file);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(format!("{up}/blobs/{blob}"), link).unwrap();
    }
    snapshot
}

#[test]
#[cfg(unix)]
fn a_snapshot_of_the_hubs_cache_is_called_by_its_repository() {
    let lab = Lab::for_encoders();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let snapshot = cached(&lab, "models--lab--dinov2-tiny", commit);
    lab.works(&snapshot);
    assert_eq!(lab.sql("SELECT name FROM encoder"), ["dinov2-tiny"]);
    let again = lab.run(&["-d", "data", "embed"]);
    assert!(err(&again).contains("nothing left to embed"), "it is found again by itself: {}", err(&again));
    assert_eq!(lab.sql("SELECT name FROM encoder"), ["dinov2-tiny"]);

    let seen = picture(3, 8, 8);
    let expected: Vec<f32> = means(&seen).iter().zip([1.0, 2.0, 4.0]).map(|(mean, w)| mean * w).collect();
    close(&lab.image_vector(&snapshot, &seen), &expected, 1e-3);

    // However it is reached.
    let name = |path: &str| lab.open(path).0.name.to_string();
    assert_eq!(name(&format!("{snapshot}/onnx/..")), "dinov2-tiny");
    assert_eq!(name("hub/models--lab--dinov2-tiny"), "dinov2-tiny", "the repository itself, with its only snapshot");
    std::os::unix::fs::symlink(lab.path("hub/models--lab--dinov2-tiny/snapshots"), lab.path("short")).unwrap();
    assert_eq!(name(&format!("short/{commit}")), "dinov2-tiny", "through a link");
    std::os::unix::fs::symlink(lab.path(&snapshot), lab.path("mine")).unwrap();
    assert_eq!(name("mine"), "mine", "a link to it has its own name");

    // Of several snapshots, that of the main branch.
    let other = cached(&lab, "models--lab--dinov2-tiny", "fedcba9876543210fedcba9876543210fedcba98");
    let said = lab.refusal("hub/models--lab--dinov2-tiny");
    assert!(said.contains("with 2 snapshots") && said.contains(&other), "{said}");
    lab.write("hub/models--lab--dinov2-tiny/refs/main", commit);
    assert!(lab.open("hub/models--lab--dinov2-tiny").0.directory().ends_with(commit));
}

#[test]
#[cfg(unix)]
fn an_encoder_that_is_a_link_is_the_same_one_the_next_time() {
    let lab = Lab::for_encoders();
    lab.write("v17/model.onnx", images("pixel_values", "image_embeds").bytes());
    lab.write("v17/preprocessor_config.json", plain_processor().to_string());
    std::os::unix::fs::symlink(lab.path("v17"), lab.path("current")).unwrap();
    lab.works("current");
    assert!(lab.run(&["-d", "data", "embed"]).status.success());
    assert_eq!(lab.sql("SELECT name FROM encoder"), ["current"], "not a second one by the name of the directory");
}

// ---- processors

/// The configuration, and Pillow's arithmetic for it: the numbers of the tensor, channel by channel.
const PILLOW: &str = r#"
import json, sys
import numpy as np
from PIL import Image
image, config, out = Image.open(sys.argv[1]).convert("RGB"), json.load(open(sys.argv[2])), sys.argv[3]
config = config.get("image_processor", config)
size = (config["size"]["width"], config["size"]["height"])
if "DINOv3" in config["image_processor_type"]:
    # Rescaled first; Pillow resizes planes of float32 without rounding them.
    planes = [Image.fromarray(np.asarray(c, np.float32) * np.float32(1 / 255)) for c in image.split()]
    pixels = np.stack([np.asarray(p.resize(size, config["resample"])) for p in planes])
else:
    pixels = np.asarray(image.resize(size, config["resample"])).transpose(2, 0, 1)
    pixels = (pixels.astype(np.float64) / 255).astype(np.float32)
mean, std = (np.array(config[k], np.float32)[:, None, None] for k in ("image_mean", "image_std"))
((pixels - mean) / std).astype("<f4").tofile(out)
"#;

#[test]
fn processors_that_squash_give_pillows_numbers() {
    let Some(python) = python() else { return };
    let lab = Lab::for_encoders();
    lab.write("pillow.py", PILLOW);
    let imagenet = (json!([0.485, 0.456, 0.406]), json!([0.229, 0.224, 0.225]));
    let half = (json!([0.5, 0.5, 0.5]), json!([0.5, 0.5, 0.5]));
    let config = |kind: &str, resample: u8, (height, width): (u32, u32), (mean, std): &(Value, Value)| {
        json!({
            "image_processor_type": kind, "resample": resample, "size": {"height": height, "width": width}, "do_resize": true,
            "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true, "image_mean": mean, "image_std": std,
            "do_convert_rgb": true, "data_format": "channels_first", "default_to_square": true, "device": null,
            "disable_grouping": null, "do_center_crop": null, "crop_size": null, "do_pad": null, "return_tensors": null
        })
    };
    let dinov3 = config("DINOv3ViTImageProcessorFast", 2, (224, 224), &imagenet);
    // Pillow's weights are float64, PyTorch's and ours float32.
    let cases = [
        (dinov3.clone(), 1e-4),
        (config("DINOv3ViTImageProcessor", 3, (48, 96), &imagenet), 1e-4),
        (json!({"image_processor": dinov3, "processor_class": "DINOv3ViTProcessor"}), 1e-4),
        // SigLIP 2 of one resolution; SigLIP; and every other filter.
        (config("SiglipImageProcessor", 2, (256, 256), &half), 0.0),
        (config("SiglipImageProcessorFast", 3, (64, 32), &half), 0.0),
        (config("SiglipImageProcessorPil", 0, (50, 60), &half), 0.0),
        (config("ViTImageProcessor", 1, (60, 50), &imagenet), 0.0),
        (config("ViTImageProcessor", 4, (60, 50), &imagenet), 0.0),
        (config("ViTImageProcessor", 5, (60, 50), &imagenet), 0.0),
    ];
    for (number, (width, height)) in [(320, 213), (150, 250), (224, 224), (50, 17), (300, 224)].into_iter().enumerate() {
        let image = lab.path("image.png");
        picture(number as u32, width, height).save(&image).unwrap();
        let rgb = decode(&fs::read(&image).unwrap()).unwrap().rgb;
        for (config, tolerance) in &cases {
            lab.write("config.json", config.to_string());
            let arguments = ["pillow.py", "image.png", "config.json", "out.f32"];
            let output = Command::new(&python).args(arguments).current_dir(lab.dir()).output().unwrap();
            assert!(output.status.success(), "{}", err(&output));
            let bytes = fs::read(lab.path("out.f32")).unwrap();
            let theirs: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let ours = Preprocessing::from_config(config).unwrap_or_else(|e| panic!("{e}")).tensor(&rgb).unwrap();
            close(&ours, &theirs, *tolerance);
        }
    }
}

#[test]
fn a_processor_config_alone_is_enough_and_two_must_agree() {
    let lab = Lab::for_encoders();
    lab.write("net/model.onnx", images("pixel_values", "image_embeds").bytes());
    let nested = json!({"image_processor": plain_processor(), "processor_class": "SomeProcessor"});
    lab.write("net/processor_config.json", nested.to_string());
    lab.works("net");
    let alone = lab.open("net").0.fingerprint;
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    assert_eq!(lab.open("net").0.fingerprint, alone, "the same said twice");

    let mut other = plain_processor();
    other["size"] = json!({"height": 16, "width": 16});
    lab.write("net/preprocessor_config.json", other.to_string());
    let said = lab.refusal("net");
    assert!(said.contains("processor_config.json beside it"), "{said}");

    lab.write("texts/model.onnx", images("pixel_values", "image_embeds").bytes());
    lab.write("texts/processor_config.json", r#"{"processor_class": "SomeProcessor"}"#);
    let said = lab.refusal("texts");
    assert!(said.contains("says nothing about images"), "{said}");
}

#[test]
fn a_processor_that_is_not_known_is_refused_with_advice_that_works() {
    let lab = Lab::for_encoders();
    lab.write("net/model.onnx", images("pixel_values", "image_embeds").bytes());
    let mut config = plain_processor();
    config["image_processor_type"] = json!("NewImageProcessor");
    config["resample"] = json!(2);
    config["do_resize"] = json!(true);
    config["do_center_crop"] = json!(false);
    lab.write("net/preprocessor_config.json", config.to_string());
    let said = lab.refusal("net");
    assert!(said.contains("`NewImageProcessor` is not known") && said.contains("take `image_processor_type` out"), "{said}");
    config.as_object_mut().unwrap().remove("image_processor_type");
    lab.write("net/preprocessor_config.json", config.to_string());
    lab.works("net");

    // NaFlex: the network takes patches; here it takes whole images, and the advice for that is followed.
    config["image_processor_type"] = json!("Siglip2ImageProcessorFast");
    lab.write("naflex/model.onnx", images("pixel_values", "image_embeds").bytes());
    lab.write("naflex/preprocessor_config.json", config.to_string());
    let said = lab.refusal("naflex");
    assert!(said.contains("NaFlex") && said.contains("write `SiglipImageProcessor` here"), "{said}");
    config["image_processor_type"] = json!("SiglipImageProcessor");
    lab.write("naflex/preprocessor_config.json", config.to_string());
    lab.works("naflex");
}

// ---- networks by other names

#[test]
fn inputs_and_outputs_by_other_names_are_told_together_and_can_be_said() {
    let lab = Lab::for_encoders();
    lab.write("net/model.onnx", images("input", "output").bytes());
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    let said = lab.refusal("net");
    for part in ["has no input `pixel_values`; it takes `input` [?, 3, ?, ?]", "it has `output` [?, 3]"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The advice, as it stands there.
    let lines: Vec<&str> = ["input = \"input\"", "output = \"output\""].into_iter().filter(|line| said.contains(line)).collect();
    assert_eq!(lines.len(), 2, "{said}");
    lab.write("net/msdata.toml", lines.join("\n"));
    lab.works("net");
    let seen = picture(4, 8, 8);
    close(&lab.image_vector("net", &seen), &means(&seen), 1e-3);

    lab.write("net/msdata.toml", "input = \"images\"\noutput = \"features\"\nspatial = \"map\"");
    let said = lab.refusal("net");
    for part in ["has no input `images`", "has no output `features`", "has no output `map`, which `spatial` names"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_text_network_by_other_names() {
    let lab = Lab::for_encoders();
    lab.write("net/vision_model.onnx", images("image", "image_features").bytes());
    lab.write("net/text_model.onnx", texts(Model::default(), "text", "text_features").bytes());
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    lab.write("net/tokenizer.json", tokenizer(true, Value::Null).to_string());
    let said = lab.refusal("net");
    let advice = ["input = \"image\"", "output = \"image_features\"", "text_input = \"text\"", "text_output = \"text_features\""];
    assert!(advice.iter().all(|line| said.contains(&format!("`{line}`"))), "{said}");
    lab.write("net/msdata.toml", advice.join("\n"));
    lab.works("net");
    let text = lab.open("net").1.embed_text("b c").unwrap().unwrap();
    close(&text.vector, &text_vector(&[4, 1, 2, 5]), 1e-6);
}

#[test]
fn spatial_and_prefix_tokens_are_read_and_count_only_where_they_are_set() {
    let lab = Lab::for_encoders();
    let network = images("pixel_values", "image_embeds").with_output("image_pooled", FLOAT, &[-1, 3, 1, 1]);
    lab.write("net/model.onnx", network.bytes());
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    let (plain, _) = lab.open("net");
    assert_eq!((plain.spatial(), plain.prefix_tokens()), (None, None));
    lab.write("net/msdata.toml", "spatial = \"image_pooled\"\nprefix_tokens = 5\n");
    let (set, _) = lab.open("net");
    assert_eq!((set.spatial(), set.prefix_tokens()), (Some("image_pooled"), Some(5)));
    assert_ne!(set.fingerprint, plain.fingerprint);
    lab.write("net/msdata.toml", "# nothing\n");
    assert_eq!(lab.open("net").0.fingerprint, plain.fingerprint);
    lab.write("net/msdata.toml", "spatial = \"\"\nprefix_tokens = 1.5\ninput = 3\n");
    let said = lab.refusal("net");
    assert!(["`spatial`", "`prefix_tokens`", "`input`"].iter().all(|key| said.contains(key)), "{said}");
}

#[test]
fn half_precision_and_quantised_files_are_listed_and_can_be_named() {
    let lab = Lab::for_encoders();
    let network = images("pixel_values", "image_embeds").bytes();
    for file in ["onnx/model_quantized.onnx", "onnx/model_fp16.onnx"] {
        lab.write(&format!("net/{file}"), &network);
    }
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    let said = lab.refusal("net");
    assert!(said.contains("only onnx/model_fp16.onnx, onnx/model_quantized.onnx"), "{said}");
    assert!(said.contains("`image_model = \"onnx/model_fp16.onnx\"`"), "{said}");
    lab.write("net/msdata.toml", "image_model = \"onnx/model_fp16.onnx\"");
    lab.works("net");

    // A text network of another name is not passed over in silence.
    lab.write("net/onnx/text_model_quantized.onnx", texts(Model::default(), "input_ids", "text_embeds").bytes());
    let said = lab.refusal("net");
    assert!(said.contains("has no text_model.onnx, only onnx/text_model_quantized.onnx"), "{said}");
    lab.write("net/msdata.toml", "image_model = \"onnx/model_fp16.onnx\"\ntext_model = \"none\"");
    lab.works("net");
    lab.write("net/msdata.toml", "image_model = \"onnx/model_q4.onnx\"");
    let said = lab.refusal("net");
    assert!(said.contains("`onnx/model_q4.onnx`, and there is no such file") && said.contains("onnx/model_fp16.onnx"), "{said}");

    // The folder alone lacks what lies above it.
    let said = lab.refusal("net/onnx");
    assert!(said.contains("the directory above has one"), "{said}");
}

#[test]
fn clip_in_one_file_is_refused_once_and_can_be_cut_in_two() {
    let lab = Lab::for_encoders();
    lab.write("clip/model.onnx", texts(images("pixel_values", "image_embeds"), "input_ids", "text_embeds").bytes());
    lab.write("clip/preprocessor_config.json", plain_processor().to_string());
    let said = lab.refusal("clip");
    assert!(said.contains("is one network for images and texts") && said.contains("has no tokenizer.json"), "{said}");
    assert!(!said.contains("several outputs"), "{said}");
    lab.write("clip/tokenizer.json", tokenizer(true, Value::Null).to_string());
    let said = lab.refusal("clip");
    let Some(python) = python() else { return };
    let command = said[said.find("cd ").unwrap()..].lines().next().unwrap().replacen("python3", &python, 1);
    let output = Command::new("sh").arg("-c").arg(&command).current_dir(lab.dir()).output().unwrap();
    assert!(output.status.success(), "{command}: {}", err(&output));
    lab.works("clip");
    let seen = picture(5, 8, 8);
    close(&lab.image_vector("clip", &seen), &means(&seen), 1e-3);
    close(&lab.open("clip").1.embed_text("d").unwrap().unwrap().vector, &text_vector(&[4, 3, 5]), 1e-6);
}

// ---- SigLIP

fn siglip(lab: &Lab) {
    // Its class token would be the first patch: `last_hidden_state` is there, and not to be taken.
    let vision = images("pixel_values", "pooler_output")
        .with_initializer(integers("shape", &[0, 3, -1]))
        .with_node(node("Reshape", &["pixel_values", "shape"], "last_hidden_state", &[]))
        .with_output("last_hidden_state", FLOAT, &[-1, 3, 64]);
    lab.write("siglip/onnx/vision_model.onnx", vision.bytes());
    lab.write("siglip/onnx/text_model.onnx", texts(Model::default(), "input_ids", "pooler_output").bytes());
    let mut processor = plain_processor();
    processor["image_processor_type"] = json!("SiglipImageProcessor");
    lab.write("siglip/preprocessor_config.json", processor.to_string());
}

#[test]
fn siglips_texts_are_padded_to_their_one_length() {
    let lab = Lab::for_encoders();
    siglip(&lab);
    let padding = json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 5, "pad_type_id": 0,
                         "pad_token": "</s>"});
    lab.write("siglip/tokenizer.json", tokenizer(false, padding).to_string());
    lab.works("siglip");
    let (described, mut encoder) = lab.open("siglip");
    let padded = |ids: &[usize], with: usize, to: usize| {
        text_vector(&ids.iter().copied().chain(std::iter::repeat(with)).take(to).collect::<Vec<_>>())
    };
    let text = encoder.embed_text("b c").unwrap().unwrap();
    close(&text.vector, &padded(&[1, 2, 5], 5, 64), 1e-5);
    let long = encoder.embed_text(&"d ".repeat(70)).unwrap().unwrap();
    assert!(long.truncated && !text.truncated);
    close(&long.vector, &padded(&[3; 63], 5, 64), 1e-5);
    let seen = picture(6, 8, 8);
    close(&lab.image_vector("siglip", &seen), &means(&seen), 1e-3);

    // tokenizer_config.json has the last word, as with transformers; another padding is another encoder.
    lab.write("siglip/tokenizer_config.json", r#"{"pad_token": {"content": "c"}, "model_max_length": 16}"#);
    let (other, mut encoder) = lab.open("siglip");
    assert_ne!(other.fingerprint, described.fingerprint);
    close(&encoder.embed_text("b").unwrap().unwrap().vector, &padded(&[1, 5], 2, 16), 1e-5);
}

#[test]
fn a_tokenizer_that_does_not_say_its_padding_is_refused_with_advice_that_works() {
    let lab = Lab::for_encoders();
    siglip(&lab);
    lab.write("siglip/tokenizer.json", tokenizer(false, Value::Null).to_string());
    let said = lab.refusal("siglip");
    assert!(said.contains("does not say what it pads texts with") && said.contains("`text_model = \"none\"`"), "{said}");
    lab.write("siglip/msdata.toml", "text_model = \"none\"");
    lab.works("siglip");
    fs::remove_file(lab.path("siglip/msdata.toml")).unwrap();
    lab.write("siglip/tokenizer_config.json", r#"{"pad_token": "</s>"}"#);
    let text = lab.open("siglip").1.embed_text("b").unwrap().unwrap();
    close(&text.vector, &text_vector(&[&[1, 5][..], &[5; 62]].concat()), 1e-5);
}

// ---- everything at once, and nothing without end

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let lab = Lab::for_encoders();
    lab.write("net/vision_model.onnx", images("images", "features").bytes());
    lab.write("net/text_model.onnx", texts(Model::default(), "tokens", "sentence").bytes());
    lab.write(
        "net/preprocessor_config.json",
        json!({"image_processor_type": "OddImageProcessor", "crop_pct": 0.9, "resample": 77, "size": {"longest_edge": 8}})
            .to_string(),
    );
    lab.write("net/msdata.toml", "colour = 1\npooling = \"max\"");
    let said = lab.refusal("net");
    for part in [
        "`OddImageProcessor`",
        "`crop_pct`",
        "`resample`",
        "longest_edge",
        "`colour`",
        "`pooling` is `max`",
        "has no tokenizer.json",
        "`images` [?, 3, ?, ?]",
        "`features` [?, 3]",
        "`tokens` [?, ?]",
        "`sentence` [?, 3]",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
#[cfg(unix)]
fn no_file_of_a_directory_is_read_without_end() {
    use std::os::unix::fs::symlink;
    let began = Instant::now();
    let zero = |path: PathBuf| symlink("/dev/zero", path).unwrap();
    let pipe = |path: PathBuf| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let huge = |path: PathBuf| fs::File::create(path).unwrap().set_len(400 << 20).unwrap();
    let makers: [&dyn Fn(PathBuf); 3] = [&zero, &pipe, &huge];
    let files = [
        "msdata.toml",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer.json",
        "model.onnx",
        "tokenizer_config.json",
    ];
    for (file, make) in files.iter().flat_map(|file| makers.iter().map(move |make| (*file, make))) {
        let lab = Lab::for_encoders();
        siglip(&lab);
        lab.write("siglip/tokenizer.json", tokenizer(false, Value::Null).to_string());
        let network = lab.path("siglip/onnx/vision_model.onnx");
        match file {
            "model.onnx" => fs::rename(&network, lab.path("siglip/other.onnx")).unwrap(),
            "processor_config.json" => fs::remove_file(lab.path("siglip/preprocessor_config.json")).unwrap(),
            _ => {}
        }
        let path = lab.path("siglip").join(file);
        let _ = fs::remove_file(&path);
        make(path);
        let said = Described::find(lab.path("siglip").to_str().unwrap(), &Home::from_env().unwrap()).unwrap_err().to_string();
        assert!(said.contains(file) || said.contains("model.onnx"), "{file}: {said}");
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

// ---- texts that cannot be embedded

#[test]
fn a_text_without_a_usable_vector_is_a_recorded_failure_and_the_rest_is_embedded() {
    // An infinite vector; a word that the tokenizer does not know; a token that the network does not know.
    for (bad, said_of_it) in [("a b", "not finite"), ("zebra", "cannot turn a text into tokens"), ("far", "ONNX Runtime failed")]
    {
        let lab = Lab::with_texts([bad, "c d"]);
        lab.write("net/vision_model.onnx", images("pixel_values", "image_embeds").bytes());
        lab.write("net/text_model.onnx", texts(Model::default(), "input_ids", "text_embeds").bytes());
        lab.write("net/preprocessor_config.json", plain_processor().to_string());
        lab.write("net/tokenizer.json", tokenizer(true, Value::Null).to_string());
        let (status, said) = lab.embed("net");
        assert_eq!(status, 3, "{bad}: {said}");
        assert!(said.contains("3 images, 1 prompts, 1 failed") && said.contains("prompt `p0`: "), "{said}");
        assert!(said.contains(said_of_it), "{said}");
        assert_eq!(lab.sql("SELECT kind, prompt_id FROM embedding_failures"), ["prompt,p0"]);
        assert_eq!(lab.sql("SELECT prompt_id FROM embeddings WHERE kind = 'prompt'"), ["p1"]);

        // It is not forgotten, nor tried again without need.
        let (status, said) = lab.embed("net");
        assert_eq!(status, 3, "{said}");
        assert!(said.contains("1 images or prompts could not be embedded") && said.contains("prompt `p0`: "), "{said}");
        let output = lab.run(&["-d", "data", "embed", "--encoder", "net", "--retry-failed"]);
        assert!(err(&output).contains("1 failed") && output.status.code() == Some(3), "{}", err(&output));
        assert!(lab.run(&["-d", "data", "verify"]).status.success());

        // Another text makes up for it.
        let prompts = fs::read_to_string(lab.path("prompts.jsonl")).unwrap();
        lab.write("prompts.jsonl", prompts.replacen(bad, "b d", 1));
        let output = lab.run(&["-d", "data", "ingest", "--prompts", "prompts.jsonl", "--replace", "--encoder", "net"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert_eq!(lab.sql("SELECT count(*) FROM embedding_failures"), ["0"]);
        assert_eq!(lab.sql("SELECT count(*) FROM embeddings WHERE kind = 'prompt'"), ["2"]);
    }
}

#[test]
fn a_text_network_that_takes_no_text_at_all_ends_the_run() {
    let lab = Lab::for_encoders();
    lab.write("net/vision_model.onnx", images("pixel_values", "image_embeds").bytes());
    lab.write("net/text_model.onnx", texts(Model::default(), "input_ids", "text_embeds").bytes());
    lab.write("net/preprocessor_config.json", plain_processor().to_string());
    // Its end token is none that the network knows.
    let odd = tokenizer(true, Value::Null).to_string().replace("[5]", "[9]");
    lab.write("net/tokenizer.json", odd);
    let (status, said) = lab.embed("net");
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("ONNX Runtime failed"), "{said}");
}

// ---- what is meant by a word or a directory that is no encoder

#[test]
fn what_is_not_an_encoder_says_what_is_meant() {
    let lab = Lab::for_encoders();
    let network = images("pixel_values", "image_embeds").bytes();
    // A model of timm: its preprocessing is in a file that other libraries do not read. The command of the hint works.
    lab.write("timm/model.onnx", &network);
    let config = json!({"architecture": "vit", "pretrained_cfg": {
        "input_size": [3, 8, 8], "crop_pct": 0.9, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear"
    }});
    lab.write("timm/config.json", config.to_string());
    let said = lab.refusal("timm");
    let command = said.split_once("write it from what its config.json says: ").unwrap_or_else(|| panic!("{said}")).1;
    assert!(Command::new("sh").current_dir(lab.dir()).args(["-c", command.trim()]).status().unwrap().success());
    lab.works("timm");
    let read = Preprocessing::from_config(
        &serde_json::from_slice(&fs::read(lab.path("timm/preprocessor_config.json")).unwrap()).unwrap(),
    );
    assert_eq!(read.unwrap().to_config()["size"], json!({"shortest_edge": 8}));
    assert_eq!(fs::read_to_string(lab.path("timm/msdata.toml")).unwrap(), "crop_offset = \"half_even\"\n");

    // A directory of encoders, and a file of one.
    lab.write("all/first/onnx/model.onnx", &network);
    lab.write("all/first/preprocessor_config.json", plain_processor().to_string());
    assert!(
        lab.refusal("all/")
            .contains("is not an encoder, but a directory of encoders\nhint: give one of the directories in it: all/first")
    );
    lab.works("all/first");
    let said = lab.refusal("all/first/onnx/model.onnx");
    assert!(said.contains("is a file") && said.contains("`--encoder all/first/onnx`"), "{said}");

    // The hub's name, and a slip.
    assert!(lab.refusal("facebook/dinov2-small").contains("here it is called `dinov2-small`"));
    assert!(lab.refusal("dinov2-smal").contains("did you mean `dinov2-small`?"));
}

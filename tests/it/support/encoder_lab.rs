//! Encoder directories made here, and a data set to embed with them: networks that are so small that what they give
//! can be computed beside them.

use super::lab::{Lab, err};
use super::pictures::picture;
use msdata::encoder::{Batch, Described, Device, Encoder, Home, Options, Runtime};
use sample::{FLOAT, INT64, List, Model, Number, integers, node};
use serde_json::{Value, json};

#[allow(dead_code)]
#[path = "../../../src/encoder/onnx/sample.rs"]
pub mod sample;

impl Lab {
    /// With input for a data set: a subject, two prompts, a generation of each.
    pub fn for_encoders() -> Lab {
        Lab::with_texts(["b c", "c d"])
    }

    /// The same, with the texts of the prompts.
    pub fn with_texts(texts: [&str; 2]) -> Lab {
        let lab = Lab::empty();
        let (mut prompts, mut generations) = (Vec::new(), Vec::new());
        for (p, text) in texts.iter().enumerate() {
            let path = format!("g{p}.png");
            picture(p as u32, 8, 8).save(lab.path(&path)).unwrap();
            prompts.push(json!({"prompt_id": format!("p{p}"), "text": text, "scene_type": "neutral", "subjects": ["s"]}));
            generations.push(json!({"model": "M", "prompt_id": format!("p{p}"), "seed": 1, "path": path}));
        }
        picture(9, 8, 8).save(lab.path("r.png")).unwrap();
        lab.manifests("", &[json!({"subject_id": "s", "label": "thing", "references": ["r.png"]})], &prompts, &generations);
        lab
    }

    /// A data set with the input in it, embedded by an encoder; how that ended, and what was said.
    pub fn embed(&self, encoder: &str) -> (i32, String) {
        if !self.path("data").exists() {
            let output = self.ingest("data", &["--no-embed"]);
            assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        }
        let output = self.run(&["-d", "data", "embed", "--encoder", encoder]);
        (output.status.code().unwrap(), err(&output))
    }

    /// What `embed` says to a directory that it refuses.
    pub fn refusal(&self, encoder: &str) -> String {
        let (status, said) = self.embed(encoder);
        assert_eq!(status, 1, "{said}");
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
        assert!(said.contains("hint: "), "{said}");
        said
    }

    pub fn works(&self, encoder: &str) {
        let (status, said) = self.embed(encoder);
        assert_eq!(status, 0, "{said}");
    }

    pub fn open(&self, encoder: &str) -> (Described, Encoder) {
        let home = Home::from_env().unwrap();
        let described = Described::find(self.path(encoder).to_str().unwrap(), &home).unwrap().remove(0);
        let runtime = Runtime::load(&home, None).unwrap_or_else(|e| panic!("{e}"));
        let options = Options { device: Device::Cpu, threads: 1, batch: Batch::CPU };
        let encoder = described.open(runtime, options).unwrap_or_else(|e| panic!("{e}"));
        (described, encoder)
    }

    /// The vector that an encoder gives a picture.
    pub fn image_vector(&self, encoder: &str, picture: &image::RgbImage) -> Vec<f32> {
        let (_, mut encoder) = self.open(encoder);
        let (width, height) = picture.dimensions();
        let rgb = msdata::image::Rgb { width, height, pixels: picture.as_raw().clone() };
        let tensor = encoder.preprocessing().tensor(&rgb).unwrap();
        encoder.embed_images(&tensor).unwrap().remove(0).unwrap()
    }
}

pub fn close(ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len());
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{worst}");
}

/// The whole image, 8 × 8, as bytes.
pub fn plain_processor() -> Value {
    json!({
        "image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}, "do_rescale": false, "do_normalize": false
    })
}

/// The means of a picture's channels: what the image networks here give.
pub fn means(picture: &image::RgbImage) -> Vec<f32> {
    let count = f64::from(picture.width() * picture.height());
    (0..3).map(|c| (picture.pixels().map(|p| f64::from(p.0[c])).sum::<f64>() / count) as f32).collect()
}

/// Images to the means of their channels.
pub fn images(input: &str, output: &str) -> Model {
    Model::default()
        .with_input(input, FLOAT, &[-1, 3, -1, -1])
        .with_node(node("GlobalAveragePool", &[input], "image_pooled", &[]))
        .with_node(node("Flatten", &["image_pooled"], output, &[("axis", Number(1))]))
        .with_output(output, FLOAT, &[-1, 3])
}

/// What stands for the token ids 0 to 7 in the text networks here; other ids are not known to them.
pub const TABLE: [i64; 8] = [0, 1, 2, 3, 5, 8, 13, 21];

/// Token ids to greatest by least, mean, and greatest of what stands for them. An id 0 makes that infinite.
pub fn texts(model: Model, input: &str, output: &str) -> Model {
    let reduce = |operator, output| node(operator, &["numbers"], output, &[("axes", List(&[1])), ("keepdims", Number(1))]);
    model
        .with_input(input, INT64, &[-1, -1])
        .with_initializer(integers("table", &TABLE))
        .with_node(node("Gather", &["table", input], "looked_up", &[]))
        .with_node(node("Cast", &["looked_up"], "numbers", &[("to", Number(1))]))
        .with_node(reduce("ReduceMax", "greatest"))
        .with_node(reduce("ReduceMin", "least"))
        .with_node(reduce("ReduceMean", "mean"))
        .with_node(node("Div", &["greatest", "least"], "ratio", &[]))
        .with_node(node("Concat", &["ratio", "mean", "greatest"], output, &[("axis", Number(1))]))
        .with_output(output, FLOAT, &[-1, 3])
}

/// The same, computed here.
pub fn text_vector(ids: &[usize]) -> Vec<f32> {
    let numbers: Vec<f32> = ids.iter().map(|id| TABLE[*id] as f32).collect();
    let (least, greatest) = numbers.iter().fold((f32::MAX, 0.0_f32), |(least, most), n| (least.min(*n), most.max(*n)));
    vec![greatest / least, numbers.iter().sum::<f32>() / numbers.len() as f32, greatest]
}

/// A tokenizer of words: `a` 0, `b` 1, `c` 2, `d` 3, start 4, end 5, `far` 9; other words it cannot take.
pub fn tokenizer(start: bool, padding: Value) -> Value {
    let special = |word: &str, id: i64| (word.to_owned(), json!({"id": word, "ids": [id], "tokens": [word]}));
    let mut single = vec![json!({"Sequence": {"id": "A", "type_id": 0}}), json!({"SpecialToken": {"id": "</s>", "type_id": 0}})];
    if start {
        single.insert(0, json!({"SpecialToken": {"id": "<s>", "type_id": 0}}));
    }
    let specials: serde_json::Map<String, Value> = [special("<s>", 4), special("</s>", 5)].into_iter().collect();
    json!({
        "version": "1.0", "truncation": null, "padding": padding, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": specials},
        "decoder": null,
        "model": {"type": "WordLevel", "unk_token": "<unk>",
                  "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "<s>": 4, "</s>": 5, "far": 9}}
    })
}

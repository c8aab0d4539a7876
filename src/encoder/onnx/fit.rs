//! Whether a network can be used: its inputs against what can be given, its outputs against what is wanted.
//! All that does not fit is said at once, with the line of `msdata.toml` or the command that helps.

use super::declared::{Declared, FLOAT, FLOAT16, INT32, INT64, list};
use super::outline::Signature;
use super::outputs::{Chosen, Wish, choose};
use crate::encoder::directory::{EncoderDirectory, Pooling};
use crate::error::Error;
use crate::text::plain;
use crate::text::shell_word;
use std::path::Path;

/// What `msdata.toml` and the processor say of an encoder's networks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants<'a> {
    /// The image network's input.
    pub input: Option<&'a str>,
    /// The output that is the embedding.
    pub output: Option<&'a str>,
    /// The text network's input of token ids.
    pub text_input: Option<&'a str>,
    /// The text network's output that is the embedding.
    pub text_output: Option<&'a str>,
    /// How the output becomes one vector.
    pub pooling: Option<Pooling>,
    /// An output of the image network that must be there.
    pub spatial: Option<&'a str>,
    /// See [`EncoderDirectory::siglip`].
    pub siglip: bool,
}

/// How an image network is used.
pub struct ImageFit {
    /// Where pixels go.
    pub input: Declared,
    /// Where the vector comes from.
    pub output: Chosen,
}

/// How a text network is used.
pub struct TextFit {
    /// Where token ids go.
    pub ids: Declared,
    /// Where it is said which tokens are there, if the network wants to know.
    pub mask: Option<Declared>,
    /// Where the vector comes from.
    pub output: Chosen,
}

const PIXELS: &str = "pixel_values";
const IDS: &str = "input_ids";
const MASK: &str = "attention_mask";

impl EncoderDirectory {
    /// What it wants of its networks.
    pub(in crate::encoder) fn wants(&self) -> Wants<'_> {
        Wants {
            input: self.input.as_deref(),
            output: self.output.as_deref(),
            text_input: self.text_input.as_deref(),
            text_output: self.text_output.as_deref(),
            pooling: self.pooling,
            spatial: self.spatial.as_deref(),
            siglip: self.siglip,
        }
    }
}

/// How the image network at `path` is used on images of `size` (height and width), where that is known.
///
/// # Errors
/// All that does not fit.
pub fn image_fit(path: &Path, network: &Signature, wants: Wants<'_>, size: Option<[usize; 2]>) -> Result<ImageFit, Vec<Error>> {
    let mut faults = Faults { path, list: Vec::new() };
    let named = wants.input.unwrap_or(PIXELS);
    let input = network.inputs.iter().find(|input| input.name == named);
    if input.is_some() && network.inputs.iter().any(|input| input.name == IDS) {
        faults.add(
            "is one network for images and texts, and two are needed: vision_model.onnx and text_model.onnx",
            split_hint(path, network, named),
        );
        return Err(faults.list);
    }
    match input {
        Some(input) => {
            faults.of_image_input(input, size);
            let others: Vec<Declared> = network.inputs.iter().filter(|other| other.name != named).cloned().collect();
            if !others.is_empty() {
                let hint = format!("export the network again with `{named}` as its only input");
                faults.add(format!("takes {} besides `{named}`, which cannot be given", list(&others)), hint);
            }
        }
        None => {
            let reason = format!("has no input `{named}`; it takes {}", list(&network.inputs));
            faults.add(reason, input_hint("input", network.inputs.iter().find(|input| input.has_rank(4))));
        }
    }
    let wish = Wish::of_images(wants);
    let output = choose(wish, &network.outputs);
    if let Err(reason) = &output {
        faults.add(reason, output_hint("output", network, wants.output));
    }
    if let Some(spatial) = wants.spatial.filter(|name| network.outputs.iter().all(|output| output.name != *name)) {
        let reason = format!("has no output `{spatial}`, which `spatial` names; it has {}", list(&network.outputs));
        faults.add(reason, "in msdata.toml, let `spatial` name one of these, or take it out");
    }
    match (input, output) {
        (Some(input), Ok(output)) if faults.list.is_empty() => Ok(ImageFit { input: input.clone(), output }),
        _ => Err(faults.list),
    }
}

/// How the text network at `path` is used.
///
/// # Errors
/// All that does not fit.
pub fn text_fit(path: &Path, network: &Signature, wants: Wants<'_>) -> Result<TextFit, Vec<Error>> {
    let mut faults = Faults { path, list: Vec::new() };
    let find = |name: &str| network.inputs.iter().find(|input| input.name == name);
    // `input` is the image network's; a text network follows it only where it has nothing better.
    let ids = match wants.text_input {
        Some(named) => find(named),
        None => find(IDS).or_else(|| find(wants.input?)),
    };
    let mask = find(MASK).filter(|mask| ids.is_none_or(|ids| ids.name != mask.name));
    match ids {
        Some(ids) => {
            faults.of_text_input(ids);
            let known = |input: &&Declared| input.name != ids.name && input.name != MASK;
            let others: Vec<Declared> = network.inputs.iter().filter(known).cloned().collect();
            if !others.is_empty() {
                let hint = format!("export the network again with `{}` and `{MASK}` as its only inputs", ids.name);
                faults.add(format!("takes {} besides `{}`, which cannot be given", list(&others), ids.name), hint);
            }
        }
        None => {
            let reason = format!("has no input `{}`; it takes {}", wants.text_input.unwrap_or(IDS), list(&network.inputs));
            faults.add(reason, input_hint("text_input", network.inputs.iter().find(|input| input.name != MASK)));
        }
    }
    if let Some(mask) = mask {
        faults.of_text_input(mask);
    }
    let output = choose(Wish::of_texts(wants), &network.outputs);
    if let Err(reason) = &output {
        faults.add(reason, output_hint("text_output", network, wants.text_output));
    }
    match (ids, output) {
        (Some(ids), Ok(output)) if faults.list.is_empty() => Ok(TextFit { ids: ids.clone(), mask: mask.cloned(), output }),
        _ => Err(faults.list),
    }
}

/// What is wrong with one network.
struct Faults<'a> {
    path: &'a Path,
    list: Vec<Error>,
}

impl Faults<'_> {
    fn add(&mut self, reason: impl Into<String>, hint: impl Into<String>) {
        self.list.push(Error::encoder(self.path, reason, hint));
    }

    fn of_image_input(&mut self, input: &Declared, size: Option<[usize; 2]>) {
        let name = &input.name;
        if !input.is_of(&[FLOAT, FLOAT16]) {
            let reason = format!("its input `{name}` is {}, not float32 or float16", input.element_name());
            self.add(reason, "export the network again with float32 or float16 images");
        }
        if !input.has_rank(4) || input.fixed(1).is_some_and(|channels| channels != 3) {
            let reason = format!("its input {} is not batch × 3 channels × height × width", input.described());
            self.add(reason, "export the network again for such images");
        } else if let Some([height, width]) = size
            && [(2, height), (3, width)].iter().any(|(axis, wanted)| input.fixed(*axis).is_some_and(|fixed| fixed != *wanted))
        {
            let side = |axis| input.fixed(axis).map_or("any".to_owned(), |fixed| fixed.to_string());
            let reason = format!("takes images of {} × {}, and the preprocessing makes {height} × {width}", side(2), side(3));
            self.add(reason, "take model and preprocessor_config.json from the same place");
        }
    }

    fn of_text_input(&mut self, input: &Declared) {
        let name = &input.name;
        if !input.is_of(&[INT64, INT32]) {
            let reason = format!("its input `{name}` is {}, not int64 or int32", input.element_name());
            self.add(reason, "export the network again with integer token ids");
        }
        if !input.has_rank(2) {
            let reason = format!("its input {} is not batch × tokens", input.described());
            self.add(reason, "export the network again with such token ids");
        }
    }
}

fn input_hint(key: &str, candidate: Option<&Declared>) -> String {
    match candidate {
        Some(input) => format!("if that is its input, say so in msdata.toml: `{key} = \"{}\"`", plain(&input.name)),
        None => format!("name its input in msdata.toml: `{key} = \"…\"`"),
    }
}

fn output_hint(key: &str, network: &Signature, said: Option<&str>) -> String {
    let flat: Vec<&Declared> = network.outputs.iter().filter(|o| o.has_rank(2) && said != Some(&*o.name)).collect();
    match (flat.as_slice(), network.outputs.as_slice()) {
        ([one], _) => format!("if that is the embedding, say so in msdata.toml: `{key} = \"{}\"`", plain(&one.name)),
        ([], [one]) => format!(
            "name the output and its pooling in msdata.toml: `{key} = \"{}\"` and `pooling = \"mean\"`, or `\"cls\"`",
            plain(&one.name)
        ),
        _ => format!(
            "name the output, and its pooling, in msdata.toml: `{key} = \"…\"`, `pooling = \"cls\"`, `\"mean\"` or `\"none\"`"
        ),
    }
}

/// How to make two networks of one.
fn split_hint(path: &Path, network: &Signature, pixels: &str) -> String {
    let name = |name: &str| network.outputs.iter().any(|output| output.name == name);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (has_mask, has_both) = (network.inputs.iter().any(|i| i.name == MASK), name("image_embeds") && name("text_embeds"));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !has_both || !plain(file) || !plain(pixels) {
        return "export it as two: vision_model.onnx and text_model.onnx, beside tokenizer.json".into();
    }
    let ids = if has_mask { format!("'{IDS}', '{MASK}'") } else { format!("'{IDS}'") };
    format!(
        "cut it in two (with the Python package onnx): cd {} && python3 -c \"from onnx.utils import extract_model as e; \
         e('{file}', 'vision_model.onnx', ['{pixels}'], ['image_embeds']); \
         e('{file}', 'text_model.onnx', [{ids}], ['text_embeds'])\"",
        shell_word(dir)
    )
}

//! The outline of an ONNX file, read without loading it: whether it is whole, which other files hold its
//! weights, and what goes in and comes out.
//!
//! ONNX Runtime has crashed the process on damaged models; a file that ends too early, a pointer of
//! Git LFS, or weights that are not there are told here, by name, before it sees them.

use super::declared::Declared;
use crate::error::{Error, Result, io_reason};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// A file of weights beside a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFile {
    /// As the model names it, relative to the model's directory.
    pub location: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// What goes into a network and what comes out, as its file declares it.
#[derive(Debug, Default)]
pub struct Signature {
    /// Inputs, without those that the file gives a value.
    pub inputs: Vec<Declared>,
    /// Outputs.
    pub outputs: Vec<Declared>,
}

/// Checks that a model file is a whole ONNX file and that its weight files are there; the weight
/// files, ordered by name.
///
/// # Errors
/// The file cannot be read, is not ONNX, is cut short; a weight file is missing, too short, or
/// outside the model's directory.
pub fn weight_files(model: &Path) -> Result<Vec<WeightFile>> {
    read(model).map(|(weights, _)| weights)
}

/// Reads what a model file declares of its inputs and outputs.
///
/// # Errors
/// As [`weight_files`].
pub fn signature(model: &Path) -> Result<Signature> {
    read(model).map(|(_, signature)| signature)
}

fn read(model: &Path) -> Result<(Vec<WeightFile>, Signature)> {
    let regular = std::fs::metadata(model).map_err(Error::io("read", model))?.is_file();
    if !regular {
        return Err(Error::encoder(model, "is not a regular file", "put the model in its place, or a link to it"));
    }
    let file = File::open(model).map_err(Error::io("read", model))?;
    let length = file.metadata().map_err(Error::io("read", model))?.len();
    let mut reader = GraphOutline {
        model,
        input: BufReader::new(file),
        at: 0,
        weights: BTreeMap::new(),
        signature: Signature::default(),
        initial: BTreeSet::new(),
    };
    if length == 0 {
        return Err(reader.damaged("is empty"));
    }
    reader.refuse_pointer()?;
    if !reader.message(Message::Model, length, 0)? {
        return Err(reader.damaged("is not an ONNX model: it has no graph"));
    }
    let GraphOutline { weights, mut signature, initial, .. } = reader;
    signature.inputs.retain(|input| !initial.contains(&input.name));
    let weights: Result<_> = weights.into_iter().map(|(location, needed)| weight_file(model, location, needed)).collect();
    Ok((weights?, signature))
}

fn weight_file(model: &Path, location: String, needed: u64) -> Result<WeightFile> {
    let inside = Path::new(&location).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside {
        let reason = format!("its weights are in `{location}`, outside its directory");
        return Err(Error::encoder(model, reason, "save the model again with its weights beside it"));
    }
    let path = model.parent().unwrap_or(Path::new("")).join(&location);
    let found = std::fs::metadata(&path).map_err(|e| {
        let reason = format!("holds weights of {}, and cannot be read: {}", model.display(), io_reason(&e));
        Error::encoder(&path, reason, "fetch that file, too, from where the model comes from, into the same directory")
    })?;
    if !found.is_file() {
        return Err(Error::encoder(&path, "holds weights, and is not a regular file", "fetch it again"));
    }
    let length = found.len();
    if length < needed {
        let reason = format!("holds {length} bytes, and {} needs {needed}", model.display());
        return Err(Error::encoder(&path, reason, "the file is cut short: fetch it again"));
    }
    Ok(WeightFile { location, path })
}

/// The messages of ONNX's protobuf schema on the way to a tensor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Sparse,
    Tensor,
}

impl Message {
    /// The message in a field of this one, where tensors can be in it.
    fn child(self, field: u64) -> Option<Message> {
        use Message::*;
        match (self, field) {
            (Model, 7) => Some(Graph),
            (Model, 25) => Some(Function),
            (Graph, 1) | (Function, 7) => Some(Node),
            (Graph, 5) => Some(Tensor),
            (Graph, 15) => Some(Sparse),
            (Node, 5) => Some(Attribute),
            (Attribute, 5 | 10) => Some(Tensor),
            (Attribute, 6 | 11) => Some(Graph),
            (Attribute, 22 | 23) => Some(Sparse),
            (Sparse, 1 | 2) => Some(Tensor),
            _ => None,
        }
    }
}

/// `TensorProto.external_data`, entries of key (1) and value (2).
const EXTERNAL_DATA: u64 = 13;
/// `TensorProto.name`.
const TENSOR_NAME: u64 = 8;
/// `GraphProto.input` and `output`.
const GRAPH_INPUT: u64 = 11;
const GRAPH_OUTPUT: u64 = 12;
/// How deep the model's own graph is nested, and its tensors; those of branches and loops are deeper.
const GRAPH_DEPTH: u32 = 1;
const TENSOR_DEPTH: u32 = 2;
/// As protobuf itself limits it.
const MAX_DEPTH: u32 = 100;
/// No external-data entry is longer; longer ones are damage and are not read into memory.
const MAX_ENTRY: u64 = 64 * 1024;

struct GraphOutline<'m> {
    model: &'m Path,
    input: BufReader<File>,
    at: u64,
    /// Location, and how many bytes of it are used.
    weights: BTreeMap<String, u64>,
    signature: Signature,
    /// Names of the graph's own tensors: old files list them among the inputs.
    initial: BTreeSet<String>,
}

impl GraphOutline<'_> {
    fn damaged(&self, reason: &str) -> Error {
        Error::encoder(self.model, reason, "fetch or export the model again")
    }

    fn cut_short(&self) -> Error {
        self.damaged(&format!("is not a whole ONNX model: its parts do not fit together at byte {}", self.at))
    }

    fn refuse_pointer(&mut self) -> Result<()> {
        let head = self.input.fill_buf().map_err(Error::io("read", self.model))?;
        if head.starts_with(b"version https://git-lfs") {
            let reason = "is a pointer of Git LFS, not the model";
            return Err(Error::encoder(self.model, reason, "fetch the model itself with `git lfs pull`"));
        }
        if head.starts_with(b"../") {
            let reason = "is a link that was copied as text, not the model";
            return Err(Error::encoder(
                self.model,
                reason,
                "copy the hub's cache with its links (`cp -a`), or fetch the model again",
            ));
        }
        Ok(())
    }

    /// Walks a message that ends at `end`; whether the whole had a graph in it.
    fn message(&mut self, message: Message, end: u64, depth: u32) -> Result<bool> {
        if depth > MAX_DEPTH {
            return Err(self.damaged("is nested too deeply"));
        }
        let mut graph = false;
        let mut external = External::default();
        while self.at < end {
            let key = self.varint(end)?;
            if key >> 3 == 0 {
                return Err(self.cut_short()); // no field has that number: zeros, however many
            }
            match key & 7 {
                0 => drop(self.varint(end)?),
                1 => self.skip(8, end)?,
                5 => self.skip(4, end)?,
                2 => {
                    let length = self.varint(end)?;
                    let part_end = self.at.checked_add(length).filter(|e| *e <= end).ok_or_else(|| self.cut_short())?;
                    let field = key >> 3;
                    if let Some(child) = message.child(field) {
                        self.message(child, part_end, depth + 1)?;
                        graph |= child == Message::Graph;
                    } else if message == Message::Tensor && field == EXTERNAL_DATA {
                        external.take(&self.bytes(length)?);
                    } else if message == Message::Tensor && field == TENSOR_NAME && depth == TENSOR_DEPTH {
                        let name = self.bytes(length)?;
                        self.initial.insert(String::from_utf8_lossy(&name).into_owned());
                    } else if message == Message::Graph && depth == GRAPH_DEPTH && field == GRAPH_INPUT {
                        let input = Declared::parse(&self.bytes(length)?);
                        self.signature.inputs.extend(input);
                    } else if message == Message::Graph && depth == GRAPH_DEPTH && field == GRAPH_OUTPUT {
                        let output = Declared::parse(&self.bytes(length)?);
                        self.signature.outputs.extend(output);
                    } else {
                        self.skip(length, end)?;
                    }
                }
                _ => return Err(self.cut_short()),
            }
        }
        if let Some(location) = external.location {
            let used = self.weights.entry(location).or_default();
            *used = (*used).max(external.offset.saturating_add(external.length));
        }
        Ok(graph)
    }

    fn varint(&mut self, end: u64) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if self.at >= end {
                break;
            }
            self.input.read_exact(&mut byte).map_err(Error::io("read", self.model))?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(self.cut_short())
    }

    fn skip(&mut self, length: u64, end: u64) -> Result<()> {
        let next = self.at.checked_add(length).filter(|next| *next <= end).ok_or_else(|| self.cut_short())?;
        let step = i64::try_from(length).map_err(|_| self.cut_short())?;
        self.input.seek_relative(step).map_err(Error::io("read", self.model))?;
        self.at = next;
        Ok(())
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > MAX_ENTRY {
            return Err(self.cut_short());
        }
        let mut bytes = vec![0; length as usize];
        self.input.read_exact(&mut bytes).map_err(Error::io("read", self.model))?;
        self.at += length;
        Ok(bytes)
    }
}

/// One tensor's reference to a weight file.
#[derive(Default)]
struct External {
    location: Option<String>,
    offset: u64,
    length: u64,
}

impl External {
    /// Takes in an entry: key (field 1) and value (field 2), both short texts.
    fn take(&mut self, entry: &[u8]) {
        let mut rest = entry;
        let (mut key, mut value) = (String::new(), String::new());
        while let Some((tag, length, after)) = text_header(rest) {
            let Some((text, next)) = after.split_at_checked(length) else { return };
            let text = String::from_utf8_lossy(text).into_owned();
            match tag {
                0x0a => key = text,
                0x12 => value = text,
                _ => {}
            }
            rest = next;
        }
        match key.as_str() {
            "location" => self.location = Some(value),
            "offset" => self.offset = value.parse().unwrap_or_default(),
            "length" => self.length = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
}

/// Tag and length of a text, and what follows.
fn text_header(bytes: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 || shift > 28 {
            return Some((*tag, length, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{FLOAT, INT64, Model, integers, tensor_outside};
    use super::*;

    fn saved(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.onnx");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn a_whole_model_without_other_files() {
        let (_dir, path) = saved(&Model::channel_means().bytes());
        assert_eq!(weight_files(&path).unwrap(), []);
    }

    #[test]
    fn inputs_and_outputs_are_those_of_the_file() {
        let model = Model::channel_means().with_initializer(integers("w", &[1])).with_input("w", INT64, &[1]);
        let (_dir, path) = saved(&model.bytes());
        let Signature { inputs, outputs } = signature(&path).unwrap();
        let declared = |name: &str, shape: &[i64]| Declared { name: name.into(), element: FLOAT, shape: shape.to_vec() };
        assert_eq!(inputs, [declared("pixel_values", &[-1, 3, -1, -1])], "what has a value is not an input");
        assert_eq!(outputs, [declared("image_embeds", &[-1, 3])]);
    }

    #[test]
    #[cfg(unix)]
    fn weights_without_an_end_are_refused() {
        let model = Model::channel_means().with_initializer(tensor_outside("w", "endless", 0, 0));
        let (dir, path) = saved(&model.bytes());
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("endless")).unwrap();
        assert!(weight_files(&path).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn every_cut_of_a_model_is_refused_by_name() {
        let bytes = Model::channel_means().bytes();
        for length in 0..bytes.len() {
            let (_dir, path) = saved(&bytes[..length]);
            let error = weight_files(&path).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{length}: {error}");
        }
    }

    #[test]
    fn what_is_no_model_is_refused() {
        for (bytes, said) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0"[..], "Git LFS"),
            (b"../../../blobs/0123", "a link that was copied as text"),
            (b"<!DOCTYPE html><html>", "not a whole ONNX"),
            (b"\x08\x08", "no graph"),
            (b"", "is empty"),
            (&[0; 100], "not a whole ONNX model: its parts do not fit together at byte 1"),
        ] {
            let (_dir, path) = saved(bytes);
            let error = weight_files(&path).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn weight_files_are_found_and_must_be_whole() {
        let model = Model::channel_means().with_initializer(tensor_outside("w", "model.onnx_data", 16, 8));
        let (dir, path) = saved(&model.bytes());
        let data = dir.path().join("model.onnx_data");
        assert!(weight_files(&path).unwrap_err().to_string().contains("model.onnx_data: "));
        std::fs::write(&data, [0; 23]).unwrap();
        assert!(weight_files(&path).unwrap_err().to_string().contains("holds 23 bytes"));
        std::fs::write(&data, [0; 24]).unwrap();
        assert_eq!(weight_files(&path).unwrap(), [WeightFile { location: "model.onnx_data".into(), path: data }]);
    }

    #[test]
    fn weights_outside_the_directory_are_refused() {
        for location in ["../secret", "/etc/passwd", "a/../../b"] {
            let model = Model::channel_means().with_initializer(tensor_outside("w", location, 0, 4));
            let (_dir, path) = saved(&model.bytes());
            assert!(weight_files(&path).unwrap_err().to_string().contains("outside its directory"), "{location}");
        }
    }
}

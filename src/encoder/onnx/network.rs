//! A network opened with ONNX Runtime: its declared tensors, and running it.

use super::outline::weight_files;
use super::outputs::{Chosen, Declared, Side, choose, declared_dimension, pool};
use super::runtime::Runtime;
use super::session::Options;
use crate::encoder::directory::EncoderDirectory;
use crate::error::{Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{DynValue, Outlet, PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef, ValueType};
use std::path::{Path, PathBuf};

/// What an input of a known name is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Input {
    pub element: TensorElementType,
    /// Its sizes by axis, where the network fixes them; `None` if even their number is dynamic.
    axes: [Option<usize>; 4],
    rank: Option<usize>,
}

impl Input {
    /// The size of an axis, if the network fixes it.
    pub(super) fn fixed(&self, axis: usize) -> Option<usize> {
        self.axes.get(axis).copied().flatten()
    }

    /// Whether it may have so many axes.
    pub(super) fn has_rank(&self, rank: usize) -> bool {
        self.rank.is_none_or(|r| r == rank)
    }
}

pub(super) struct Network {
    session: Session,
    path: PathBuf,
    runtime: &'static Runtime,
    output: Chosen,
    /// Computes and copies the chosen output alone.
    run_options: RunOptions<HasSelectedOutputs>,
    /// Numbers in a vector, if the network declares them.
    pub(super) dimension: Option<usize>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("path", &self.path).field("output", &self.output).finish_non_exhaustive()
    }
}

impl Network {
    pub(super) fn open(
        side: Side,
        path: &Path,
        encoder: &EncoderDirectory,
        runtime: &'static Runtime,
        options: Options,
    ) -> Result<Network> {
        weight_files(path)?;
        let session =
            runtime.session(path, options.device, options.threads).map_err(Error::model(path, "ONNX Runtime cannot open it"))?;
        let declared: Vec<Declared> = session.outputs().iter().map(declared).collect();
        let hint =
            "name the output, and its pooling, in msdata.toml: `output = \"…\"`, `pooling = \"cls\"`, `\"mean\"` or `\"none\"`";
        let output = choose(side, &declared, encoder.output.as_deref(), encoder.pooling)
            .map_err(|reason| Error::encoder(path, reason, hint))?;
        let chosen = declared.iter().find(|o| o.name == output.name);
        let dimension = chosen.and_then(|o| declared_dimension(o, output.pooling));
        let run_options = RunOptions::new()
            .map(|o| o.with_outputs(OutputSelector::no_default().with(&output.name)))
            .map_err(|e| Error::model(path, "ONNX Runtime cannot run it")(runtime.explained(&e)))?;
        Ok(Network { session, path: path.to_owned(), runtime, output, run_options, dimension })
    }

    /// The output that is taken.
    pub(super) fn output(&self) -> &Chosen {
        &self.output
    }

    pub(super) fn refused(&self, reason: impl Into<String>) -> Error {
        Error::encoder(&self.path, reason, "export the network again; README says which inputs and outputs it may have")
    }

    /// The input of this name, if the network has it.
    ///
    /// # Errors
    /// It is no tensor.
    pub(super) fn input(&self, name: &str) -> Result<Option<Input>> {
        let Some(outlet) = self.session.inputs().iter().find(|i| i.name() == name) else { return Ok(None) };
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
            return Err(self.refused(format!("its input `{name}` is no tensor")));
        };
        let mut axes = [None; 4];
        for (axis, size) in axes.iter_mut().zip(shape.iter()) {
            *axis = usize::try_from(*size).ok();
        }
        Ok(Some(Input { element: *ty, axes, rank: (!shape.is_empty()).then_some(shape.len()) }))
    }

    /// # Errors
    /// The network has inputs of other names.
    pub(super) fn refuse_inputs_but(&self, known: &[&str]) -> Result<()> {
        let all: Vec<&str> = self.session.inputs().iter().map(Outlet::name).collect();
        let other: Vec<String> = all.iter().filter(|name| !known.contains(name)).map(|name| format!("`{name}`")).collect();
        if other.is_empty() {
            return Ok(());
        }
        if all.contains(&"pixel_values") && all.contains(&"input_ids") {
            let reason = "is one network for images and texts (it takes both `pixel_values` and `input_ids`)";
            return Err(Error::encoder(&self.path, reason, "export it as two: vision_model.onnx and text_model.onnx"));
        }
        Err(self.refused(format!("takes {}, and only {} can be given", other.join(", "), known.join(", "))))
    }

    /// A tensor that owns its numbers.
    pub(super) fn owned<T: PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static>(
        &self,
        shape: &[usize],
        values: Vec<T>,
    ) -> Result<SessionInputValue<'static>> {
        Tensor::from_array((shape.to_vec(), values)).map(Into::into).map_err(|e| self.failed(&e))
    }

    /// A float32 tensor over numbers that lie elsewhere.
    pub(super) fn borrowed<'v>(&self, shape: &[usize], values: &'v [f32]) -> Result<SessionInputValue<'v>> {
        TensorRef::from_array_view((shape.to_vec(), values)).map(Into::into).map_err(|e| self.failed(&e))
    }

    fn failed<R>(&self, error: &ort::Error<R>) -> Error {
        Error::model(&self.path, "ONNX Runtime failed")(self.runtime.explained(error))
    }

    /// Runs the network on a batch of `items`; a vector each, of equal lengths.
    pub(super) fn run(&mut self, inputs: Vec<(&'static str, SessionInputValue<'_>)>, items: usize) -> Result<Vec<Vec<f32>>> {
        let outputs = match self.session.run_with_options(inputs, &self.run_options) {
            Ok(outputs) => outputs,
            Err(e) => return Err(Error::model(&self.path, "ONNX Runtime failed")(self.runtime.explained(&e))),
        };
        let value = outputs.get(&self.output.name).ok_or("the output is not there".to_owned());
        value.and_then(numbers).and_then(|(shape, values)| pool(self.output.pooling, &shape, &values, items)).map_err(|reason| {
            let reason = format!("its output `{}` {reason}", self.output.name);
            Error::encoder(&self.path, reason, "name another output, or a pooling, in msdata.toml")
        })
    }
}

fn declared(outlet: &Outlet) -> Declared {
    let shape = match outlet.dtype() {
        ValueType::Tensor { shape, .. } => shape.to_vec(),
        _ => Vec::new(),
    };
    Declared { name: outlet.name().to_owned(), shape }
}

/// The sizes and numbers of a float tensor.
fn numbers(value: &DynValue) -> std::result::Result<(Vec<i64>, Vec<f32>), String> {
    match value.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, .. } => {
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(|e| e.to_string())?;
            Ok((shape.to_vec(), values.to_vec()))
        }
        ValueType::Tensor { ty: TensorElementType::Float16, .. } => {
            let (shape, values) = value.try_extract_tensor::<f16>().map_err(|e| e.to_string())?;
            Ok((shape.to_vec(), values.to_f32_vec()))
        }
        other => Err(format!("is of type {other}, not float32 or float16")),
    }
}

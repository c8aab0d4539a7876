//! A network opened with ONNX Runtime: its declared tensors, and running it.

use super::declared::Declared;
use super::outline::{Signature, weight_files};
use super::outputs::{Chosen, declared_dimension, pool};
use super::runtime::Runtime;
use super::session::Options;
use crate::error::{Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef, ValueType};
use std::path::{Path, PathBuf};

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

/// A model that ONNX Runtime has loaded, and what it takes and gives.
pub(super) struct Loaded {
    session: Session,
    pub(super) signature: Signature,
}

impl Loaded {
    /// # Errors
    /// Not a whole model, or ONNX Runtime refuses it.
    pub(super) fn of(path: &Path, runtime: &'static Runtime, options: Options) -> Result<Loaded> {
        weight_files(path)?;
        let session =
            runtime.session(path, options.device, options.threads).map_err(Error::model(path, "ONNX Runtime cannot open it"))?;
        let signature = Signature {
            inputs: session.inputs().iter().map(Declared::of).collect(),
            outputs: session.outputs().iter().map(Declared::of).collect(),
        };
        Ok(Loaded { session, signature })
    }
}

impl Network {
    pub(super) fn new(loaded: Loaded, path: &Path, output: Chosen, runtime: &'static Runtime) -> Result<Network> {
        let Loaded { session, signature } = loaded;
        let chosen = signature.outputs.iter().find(|o| o.name == output.name);
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
        Error::encoder(&self.path, reason, "export the network again; docs/encoders.md says which inputs and outputs it may have")
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

    /// The file of the model.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs the network for another output than the embedding: its sizes and its numbers.
    pub(super) fn run_for(&mut self, output: &str, inputs: Vec<(&str, SessionInputValue<'_>)>) -> Result<(Vec<i64>, Vec<f32>)> {
        let failed = |e| Error::model(&self.path, "ONNX Runtime failed")(self.runtime.explained(&e));
        let options = RunOptions::new()
            .map(|o| o.with_outputs(OutputSelector::no_default().with(output)))
            .map_err(|e| Error::model(&self.path, "ONNX Runtime cannot run it")(self.runtime.explained(&e)))?;
        let outputs = self.session.run_with_options(inputs, &options).map_err(failed)?;
        let value = outputs.get(output).ok_or("is not there".to_owned());
        value.and_then(numbers).map_err(|reason| {
            let reason = format!("its output `{output}` {reason}");
            Error::encoder(&self.path, reason, "let `spatial` in msdata.toml name another output")
        })
    }

    /// Runs the network on a batch of `items`; a vector each, of equal lengths.
    pub(super) fn run(&mut self, inputs: Vec<(&str, SessionInputValue<'_>)>, items: usize) -> Result<Vec<Vec<f32>>> {
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

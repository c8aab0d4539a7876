//! Networks, run with ONNX Runtime. No other module speaks to it.
//!
//! | module | does |
//! |---|---|
//! | `runtime` | finds and loads ONNX Runtime |
//! | `library` | where its library lies |
//! | `device` | where networks run |
//! | `outline` | the outline of a model file: is it whole, which weight files belong to it |
//! | `network` | an opened network and its tensors |
//! | `outputs` | which output is the embedding, and how it becomes one vector |
//! | `session` | pixels or token ids in, vectors out |

mod device;
mod library;
mod network;
mod outline;
mod outputs;
mod runtime;
#[cfg(test)]
pub(super) mod sample;
mod session;

pub use device::{Device, DeviceChoice};
pub use outline::{WeightFile, weight_files};
pub use outputs::CHOICE_RULE;
pub use runtime::Runtime;
pub use session::{Batch, ImageModel, Options, TextModel, Vector, VectorFault};

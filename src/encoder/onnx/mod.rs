//! Networks, run with ONNX Runtime. No other module speaks to it.
//!
//! | module | does |
//! |---|---|
//! | `runtime` | finds and loads ONNX Runtime |
//! | `library` | where its library lies |
//! | `device` | where networks run |
//! | `outline` | the outline of a model file: is it whole, which weight files belong to it, what it takes and gives |
//! | `declared` | an input or an output, as it is declared |
//! | `fit` | whether a network can be used, and how |
//! | `network` | an opened network and its tensors |
//! | `crew` | sessions of one network that run side by side |
//! | `outputs` | which output is the embedding, and how it becomes one vector |
//! | `session` | pixels or token ids in, vectors out |
//! | `cells` | pixels in, a vector for each place out |

mod cells;
mod crew;
mod declared;
mod device;
mod fit;
mod library;
mod network;
mod outline;
mod outputs;
mod runtime;
#[cfg(test)]
pub(super) mod sample;
mod session;

pub use cells::{ANY_SIZE, Cells};
pub(super) use declared::Declared;
pub use device::{Device, DeviceChoice};
pub(super) use fit::{Wants, image_fit, text_fit};
pub(super) use outline::signature;
pub use outline::{WeightFile, weight_files};
pub use outputs::CHOICE_RULE;
pub use runtime::Runtime;
pub use session::{Batch, ImageModel, Options, TextModel, Vector, VectorFault};

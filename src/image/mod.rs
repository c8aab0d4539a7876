//! Images: what a file is, told by its content.
//!
//! | module | noun |
//! |---|---|
//! | `probe` | [`probe()`]: hash, format and size of a file, or why it cannot be used |

mod probe;

pub use probe::{MAX_FILE_BYTES, MAX_PIXELS, probe};

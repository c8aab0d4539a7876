//! Vectors in Parquet: the parts inside a data set, and the tables that go in and out of it.
//!
//! | module | noun |
//! |---|---|
//! | `columns` | names and types of the embeddings format |
//! | `part` | [`PartWriter`], [`PartReader`]: immutable files of vectors inside the data set |
//! | `kept` | [`WindowWriter`], [`WindowReader`]: the same, of the windows' vectors of images |
//! | `store` | [`Store`]: the directory of the parts; [`Hold`]: the right to read them |
//! | `ahead` | batches of a Parquet file, decoded ahead of their use |
//! | `behind` | a Parquet file, written while the next rows are gathered |
//! | `import` | [`Import`]: rows of a file that a user gives |
//! | `export` | [`ExportWriter`]: the same format, outwards |

mod ahead;
mod behind;
mod columns;
mod export;
mod import;
mod kept;
mod part;
mod store;

pub(crate) use columns::element;
pub use columns::{EMBEDDING, MAX_DIMENSION};
pub use export::ExportWriter;
pub(crate) use export::text_column;
pub(crate) use import::guarded;
pub use import::{Import, ImportRow};
pub use kept::{KeptWindows, Layout, WindowReader, WindowWriter};
pub use part::{FinishedPart, PartReader, PartWriter};
pub use store::{Hold, Parts, Store};

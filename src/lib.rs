//! `msdata`: did each requested identity survive? An embedded-database dataset toolkit for
//! multi-subject text-to-image evaluation.
//!
//! Data flows one way, and each module may use only those above it in this table:
//!
//! | module | noun | does |
//! |---|---|---|
//! | [`text`] | text from outside | makes it safe to print and to use in file names |
//! | [`vocabulary`] | ids, closed sets | defines the words that manifests, tables and the catalog use |
//! | [`problem`] | [`problem::Problem`] | says what is wrong with a row, and where |
//! | [`error`] | [`Error`] | says what is wrong, and what to do next |
//! | [`watch`] | [`Watch`] | passes on progress and warnings, and the wish to stop |
//! | [`input`] | files from outside | reads them within bounds |
//! | [`durable`] | files, directories | writes them completely or not at all |
//! | `layout` | names | names the files and folders of a data set |
//! | [`table`] | rows | writes rows, as text, Arrow or Parquet |
//! | [`windows`](mod@windows) | [`windows::Rectangle`] | lays windows over an image, to look for subjects in |
//! | [`crop`] | [`crop::CropRule`] | says how regions are cut out of images |
//! | [`score`] | similarities | computes scores, intervals and tests; pure functions of vectors and numbers |
//! | [`manifest`] | rows of manifests | reads what users and generators write |
//! | [`image`] | image files | hashes and decodes them, and makes the tensors that networks take |
//! | [`generator`] | [`generator::Case`] | writes a generator's inputs; reads its outputs |
//! | [`encoder`] | [`encoder::Encoder`] | turns images and texts into vectors |
//! | [`stress_test`] | [`stress_test::StressTest`] | makes prompts from subjects; finds what is wrong with prompts |
//! | [`catalog`] | [`catalog::Catalog`] | records what is there, where its vectors are and what was scored, in SQLite |
//! | [`embeddings`] | vectors in Parquet | writes and reads parts; imports and exports vectors |
//! | [`report`] | [`report::Report`] | turns scores into tables and comparisons |
//! | [`plot`] | [`plot::Figure`] | turns reports into figures, SVG and PNG |
//! | [`page`] | [`page::PageData`] | turns reports, figures and images into one HTML page |
//! | [`dataset`] | [`Dataset`] | makes, opens, locks and queries a data set |
//! | [`ops`] | options, summaries | does things with a data set: a file or folder for each use case |
//! | [`demo`] | characters, scenes | runs the whole tool on drawn images |
//!
//! ```no_run
//! use msdata::{Dataset, IngestOptions, ReportOptions, Watch};
//!
//! let mut data = Dataset::init("stress-test".as_ref())?;
//! let options = IngestOptions { subjects: vec!["subjects.jsonl".into()], ..IngestOptions::default() };
//! data.ingest(&options, &mut Watch::silent().on_warning(|warning| eprintln!("{warning}")))?;
//! let report = data.report(&ReportOptions::default())?;
//! println!("{}", serde_json::to_string(&report)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Library;

pub mod catalog;
pub mod crop;
pub mod dataset;
pub mod demo;
pub mod durable;
pub mod embeddings;
pub mod encoder;
pub mod error;
pub mod generator;
pub mod image;
pub mod input;
mod layout;
pub mod manifest;
pub mod ops;
pub mod page;
pub mod plot;
pub mod problem;
pub mod report;
pub mod score;
pub mod stress_test;
pub mod table;
pub mod text;
pub mod vocabulary;
pub mod watch;
pub mod windows;

pub use dataset::{Dataset, Removal, Removed};
pub use error::{Error, Result};
pub use ops::{IngestOptions, IngestSummary, Verification};
pub use report::{Report, ReportOptions};
pub use watch::{Progress, Stop, Watch};

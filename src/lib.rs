//! `msdata`: did each requested identity survive? An embedded-database dataset toolkit for
//! multi-subject text-to-image evaluation.
//!
//! Data flows one way, and each module may use only those before it:
//!
//! | module | noun | does |
//! |---|---|---|
//! | [`vocabulary`] | ids, closed sets | the words of the contract |
//! | [`windows`](mod@windows) | [`windows::Square`] | squares laid over an image, to look for subjects in |
//! | [`manifest`] | rows of manifests | reads what users and generators write |
//! | [`catalog`] | [`catalog::Catalog`] | the SQLite file: what is there, where its vectors lie, what was scored |
//! | [`image`] | image files | hash, format, size; pixels, and the tensors that networks take |
//! | [`generator`] | [`generator::Case`] | a generator's own files: written for it, read back |
//! | [`encoder`] | [`encoder::Encoder`] | networks that turn images and texts into vectors |
//! | [`embeddings`] | vectors in Parquet | parts, import, export |
//! | [`score`] | similarities | pure functions of vectors |
//! | [`report`] | [`report::Report`] | scores into tables |
//! | [`stress_test`] | [`stress_test::StressTest`] | a stress test of one's own, and what is wrong with any |
//! | [`plot`] | [`plot::Figure`] | reports into figures, SVG and PNG |
//! | [`page`] | [`page::PageData`] | facts, reports and figures into one HTML page |
//! | [`dataset`] | [`Dataset`] | the handle: made, opened, locked, queried |
//! | [`ops`] | options, summaries | what one does with a data set: a file or folder for each use case |
//! | [`demo`] | characters, scenes | the whole tool on drawn input |
//!
//! Beside them: [`error`], [`durable`] (files and directories whole or not at all), [`input`] (files of others,
//! read within bounds), [`table`] (rows as text), [`watch`]
//! (progress, warnings, interruption).
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

pub mod catalog;
pub mod dataset;
pub mod demo;
pub mod durable;
pub mod embeddings;
pub mod encoder;
pub mod error;
pub mod generator;
pub mod image;
pub mod input;
pub mod manifest;
pub mod ops;
pub mod page;
pub mod plot;
pub mod report;
pub mod score;
pub mod stress_test;
pub mod table;
pub mod vocabulary;
pub mod watch;
pub mod windows;

pub use dataset::{Dataset, Removal, Removed};
pub use error::{Error, Result};
pub use ops::{IngestOptions, IngestSummary, Verification};
pub use report::{Report, ReportOptions};
pub use watch::{Progress, Stop, Watch};

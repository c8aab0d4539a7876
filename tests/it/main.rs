//! Every integration test, in one program: one module a topic, and what they share in `support`.
//!
//! Help, reports and errors are compared word for word with the files in `snapshots`. After a change of a text,
//! `INSTA_UPDATE=always cargo test --locked --test it snapshots::` writes them anew; look at them with `git diff`.

#![allow(clippy::unwrap_used)]

mod audit;
mod changes;
mod command_line;
mod comparison;
mod controls;
mod demo;
mod dense;
mod documentation;
#[cfg(unix)]
mod durability;
mod embedding;
mod encoder_directories;
#[cfg(target_os = "linux")]
mod files;
mod full_disk;
mod fuzz;
mod generators;
mod hostile;
mod hub;
mod image_files;
mod ingestion;
mod interop;
mod kept_windows;
#[cfg(target_os = "linux")]
mod kills;
mod many_rows;
mod messages;
mod metrics;
mod module_order;
mod outside_text;
mod page;
mod paper;
mod parity;
mod pixels;
mod publish;
mod published;
mod python;
#[cfg(target_os = "linux")]
mod ray;
mod readers;
mod real_data;
mod region_faults;
mod region_files;
mod region_measures;
mod regions;
#[cfg(unix)]
mod run;
mod seen;
#[cfg(unix)]
mod shards;
mod shell;
mod snapshots;
mod soundness;
mod staleness;
mod stress_test;
mod support;
#[cfg(target_os = "linux")]
mod sweep;
mod tables;
#[cfg(unix)]
mod tools;
mod upgrade;
mod windows;
#[cfg(unix)]
mod worker;

//! Every integration test, in one program: one module a topic, and what they share in `support`.

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
mod full_disk;
mod fuzz;
mod generators;
mod hub;
mod interop;
mod kept_windows;
#[cfg(target_os = "linux")]
mod kills;
mod outside_text;
mod page;
mod paper;
mod parity;
mod pixels;
mod readers;
mod real_data;
#[cfg(unix)]
mod run;
mod soundness;
mod staleness;
mod stress_test;
mod support;
#[cfg(target_os = "linux")]
mod sweep;
#[cfg(unix)]
mod tools;
mod windows;

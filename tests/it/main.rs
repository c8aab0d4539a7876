//! Every integration test, in one program: one module a topic, and what they share in `support`.

#![allow(clippy::unwrap_used)]

mod audit;
mod bench;
mod changes;
mod command_line;
mod comparison;
mod controls;
mod demo;
mod documentation;
#[cfg(unix)]
mod durability;
mod embedding;
mod generators;
mod hub;
mod interop;
mod page;
mod paper;
mod parity;
mod real_data;
#[cfg(unix)]
mod run;
mod support;
#[cfg(target_os = "linux")]
mod sweep;
#[cfg(unix)]
mod tools;

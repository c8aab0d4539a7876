//! What the tests share: data sets with prescribed cosines, drawn data sets, a small HTTP server.

pub mod encoder_lab;
pub mod prescribed;
pub mod server;
pub mod sets;

//! What the tests share: data sets with prescribed cosines, drawn data sets, a small one that the program makes, a
//! small HTTP server.

pub mod encoder_lab;
pub mod lab;
pub mod pictures;
pub mod prescribed;
pub mod server;
pub mod sets;
pub mod small;

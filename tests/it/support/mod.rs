//! What the tests share: the program and a directory to run it in, pictures, data sets, a small HTTP server.

pub mod chance;
pub mod encoder_lab;
pub mod lab;
pub mod pictures;
pub mod prescribed;
pub mod server;
pub mod sets;
pub mod small;

//! What the tests share: data sets with prescribed cosines, drawn data sets, a small HTTP server.

pub mod prescribed;
pub mod server;
pub mod sets;

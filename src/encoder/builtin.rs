//! The encoder in the program itself, so that a first run needs no download: colour and oriented texture,
//! pooled over a grid. It knows nothing of identities; `scripts/build_builtin_texture.py` builds it.

use super::directory::read_bounded;
use super::home::Home;
use crate::durable::write_whole;
use crate::error::Result;
use std::path::PathBuf;

/// Its name, which no table mistakes for DINOv2.
pub const BUILTIN: &str = "builtin-texture";

const FILES: [(&str, &[u8]); 2] = [
    ("model.onnx", include_bytes!("../../dataset/builtin-texture/model.onnx")),
    ("preprocessor_config.json", include_bytes!("../../dataset/builtin-texture/preprocessor_config.json")),
];

/// Its directory, written into the data directory where it is not there yet or differs.
pub fn directory(home: &Home) -> Result<PathBuf> {
    let dir = home.data.join(BUILTIN);
    for (name, bytes) in FILES {
        let path = dir.join(name);
        if read_bounded(&path, bytes.len() as u64).ok().as_deref() != Some(bytes) {
            write_whole(&path, bytes)?;
        }
    }
    Ok(dir)
}

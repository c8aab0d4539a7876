//! The embeddings format of the contract: column names beside their Arrow fields.

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use std::sync::Arc;

pub const ENCODER: &str = "encoder";
pub const KIND: &str = "kind";
pub const SUBJECT_ID: &str = "subject_id";
pub const REFERENCE_INDEX: &str = "reference_index";
pub const MODEL: &str = "model";
pub const PROMPT_ID: &str = "prompt_id";
pub const SEED: &str = "seed";
pub const REGION_SET: &str = "region_set";
pub const REGION_INDEX: &str = "region_index";
/// The column of the vectors.
pub const EMBEDDING: &str = "embedding";
/// In parts: BLAKE3 of the image bytes or the text a vector was made from.
pub const SOURCE: &str = "source";

/// Metadata keys of an exported file.
pub const FINGERPRINT: &str = "msdata.fingerprint";
pub const PROVENANCE: &str = "msdata.provenance";

/// Longest vector, in numbers.
pub const MAX_DIMENSION: usize = 65_536;

/// The child of a vector: named as every reader of Parquet expects, never null.
pub fn element() -> FieldRef {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn vector(dimension: usize) -> Field {
    Field::new(EMBEDDING, DataType::FixedSizeList(element(), dimension as i32), false)
}

/// The schema of a part: where each vector came from, and the vector.
pub fn part_schema(dimension: usize) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(SOURCE, DataType::FixedSizeBinary(32), true), vector(dimension)]))
}

/// The schema of an exported table; the columns of regions are there only where the encoder has vectors of some.
pub fn export_schema(dimension: usize, regions: bool) -> SchemaRef {
    let mut fields = vec![
        Field::new(ENCODER, DataType::Utf8, false),
        Field::new(KIND, DataType::Utf8, false),
        Field::new(SUBJECT_ID, DataType::Utf8, true),
        Field::new(REFERENCE_INDEX, DataType::Int32, true),
        Field::new(MODEL, DataType::Utf8, true),
        Field::new(PROMPT_ID, DataType::Utf8, true),
        Field::new(SEED, DataType::Int64, true),
    ];
    if regions {
        fields.extend([Field::new(REGION_SET, DataType::Utf8, true), Field::new(REGION_INDEX, DataType::Int32, true)]);
    }
    fields.push(vector(dimension));
    Arc::new(Schema::new(fields))
}

/// In parts of windows: x, y, width and height of each window, 32-bit, little-endian.
pub const SQUARES: &str = "squares";
/// In parts of windows: the windows' vectors one after another, float16, little-endian.
pub const WINDOWS: &str = "windows";

/// The schema of a part of windows: BLAKE3 of the image's file, its squares and their vectors, so many bytes each.
pub fn window_schema(squares: usize, vectors: usize) -> SchemaRef {
    let bytes = |name: &str, width: usize| Field::new(name, DataType::FixedSizeBinary(width as i32), false);
    Arc::new(Schema::new(vec![bytes(SOURCE, 32), bytes(SQUARES, squares), bytes(WINDOWS, vectors)]))
}

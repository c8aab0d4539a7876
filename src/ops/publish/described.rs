//! What the dataset card and the metadata say about a table, read from its files.

use super::shards::IMAGE;
use crate::error::{Error, Result};
use crate::layout::{PUBLISHED_TABLES, PUBLISHED_WHOLE};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

/// A table, in one file or several.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedTable {
    /// Its name.
    pub name: String,
    /// What its rows are.
    pub about: String,
    /// Its files, from the published directory, by name.
    pub files: Vec<String>,
    /// A pattern that matches them and no others.
    pub pattern: String,
    /// Its columns.
    pub columns: Vec<PublishedColumn>,
    /// Rows.
    pub rows: u64,
    /// Bytes of all columns, decompressed.
    pub bytes: u64,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// Lists of texts.
    Texts,
    /// Integers of 32 bits.
    Int32,
    /// Integers of 64 bits.
    Int64,
    /// Numbers of 64 bits.
    Float64,
    /// True or false.
    Flag,
    /// Vectors of so many float32.
    Vector(usize),
    /// Images.
    Image,
}

/// The tables that come first, and what their rows are; others come after them, by name.
const KNOWN: [(&str, &str); 15] = [
    ("generations", "generated images, with their model, prompt and seed"),
    ("references", "reference images, with their subject"),
    ("subjects", "subjects, with their kind, licence and references"),
    ("prompts", "prompts, with their scene type and the subjects that they ask for"),
    ("subject_scores", "similarity of each requested subject with its image, by encoder"),
    ("image_scores", "similarity of each image with its subjects and its prompt, by encoder"),
    ("metrics", "values of metrics from elsewhere, of images and of subjects in them"),
    ("local_scores", "similarity of each subject with its best window of each image"),
    ("subject_places", "the window that each requested subject has to itself"),
    ("found_places", "windows that resemble a subject more than any other, best first"),
    ("regions", "regions that detectors found"),
    ("region_images", "images that were searched for regions"),
    ("region_scores", "measures of each image by its regions"),
    ("region_pairs", "similarity of requested subjects and regions"),
    ("cut_prompts", "whether an encoder had to cut a prompt"),
];

impl PublishedTable {
    /// Returns every table of the published data set in `dir`.
    pub fn all(dir: &Path) -> Result<Vec<PublishedTable>> {
        let mut files: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
        for file in parquet_files(dir, PUBLISHED_TABLES)? {
            let stem = file.trim_start_matches(PUBLISHED_TABLES).trim_start_matches('/').trim_end_matches(".parquet");
            let name = match stem.rsplit_once('/') {
                Some((of, _)) => of.replace('/', "-").replace(PUBLISHED_WHOLE, "region-references"),
                None => match stem.rsplit_once('-') {
                    Some((name, number)) if number.len() == 5 && number.bytes().all(|b| b.is_ascii_digit()) => name.to_owned(),
                    _ => stem.to_owned(),
                },
            };
            let rank =
                KNOWN.iter().position(|(known, _)| *known == name).unwrap_or(KNOWN.len() + usize::from(stem.contains('/')));
            files.entry((rank, name)).or_default().push(file);
        }
        files.into_iter().map(|((rank, name), files)| PublishedTable::read(dir, rank, name, files)).collect()
    }

    fn read(dir: &Path, rank: usize, name: String, files: Vec<String>) -> Result<PublishedTable> {
        let (mut columns, mut rows, mut bytes) = (Vec::new(), 0, 0);
        for file in &files {
            let path = dir.join(file);
            let opened = File::open(&path).map_err(Error::io("read", &path))?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(Error::parquet(&path))?;
            if columns.is_empty() {
                let described = |field| PublishedColumn::of(field).ok_or_else(|| undescribed(&name, field));
                columns = builder.schema().fields().iter().map(|field| described(field)).collect::<Result<Vec<_>>>()?;
            }
            rows += builder.metadata().file_metadata().num_rows() as u64;
            bytes += builder.metadata().row_groups().iter().map(|group| group.total_byte_size() as u64).sum::<u64>();
        }
        let about = match (KNOWN.get(rank), name.split_once('-')) {
            (Some((_, about)), _) => (*about).to_owned(),
            (None, Some(("embeddings", encoder))) => format!("vectors of images, prompts and regions by {encoder}"),
            (None, Some(("region", _))) => "vectors of references that a region set uses whole".to_owned(),
            _ => name.replace('_', " "),
        };
        let pattern = match files.as_slice() {
            [only] if only.matches('/').count() == 1 && !only.ends_with("-00000.parquet") => only.clone(),
            [first, ..] if first.matches('/').count() == 1 => format!("{PUBLISHED_TABLES}/{name}-*.parquet"),
            [first, ..] => format!("{}/*.parquet", literal(first.rsplit_once('/').map_or("", |(dir, _)| dir))),
            [] => String::new(),
        };
        Ok(PublishedTable { name: safe_config(&name), about, files, pattern, columns, rows, bytes })
    }
}

impl PublishedColumn {
    fn of(field: &Field) -> Option<PublishedColumn> {
        let kind = match field.data_type() {
            _ if field.name() == IMAGE => ColumnKind::Image,
            DataType::Utf8 | DataType::LargeUtf8 => ColumnKind::Text,
            DataType::Int32 => ColumnKind::Int32,
            DataType::Int64 => ColumnKind::Int64,
            DataType::Float64 => ColumnKind::Float64,
            DataType::Boolean => ColumnKind::Flag,
            DataType::List(item) if *item.data_type() == DataType::Utf8 => ColumnKind::Texts,
            DataType::FixedSizeList(item, n) if *item.data_type() == DataType::Float32 => ColumnKind::Vector(*n as usize),
            _ => return None,
        };
        Some(PublishedColumn { name: field.name().clone(), kind })
    }
}

fn undescribed(table: &str, field: &Field) -> Error {
    Error::Damaged(format!(
        "column `{}` of the table {table} has a type that cannot be described: {}",
        field.name(),
        field.data_type()
    ))
}

/// The Parquet files below a folder of `dir`, by name.
fn parquet_files(dir: &Path, folder: &str) -> Result<Vec<String>> {
    let at = dir.join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&at).map_err(Error::io("read", &at))? {
        let entry = entry.map_err(Error::io("read", &at))?;
        let Some(name) = entry.file_name().to_str().map(|name| format!("{folder}/{name}")) else { continue };
        match entry.path().is_dir() {
            true => files.extend(parquet_files(dir, &name)?),
            false if name.ends_with(".parquet") => files.push(name),
            false => {}
        }
    }
    files.sort();
    Ok(files)
}

/// A path as a pattern that matches it alone.
fn literal(path: &str) -> String {
    path.chars().map(|c| if matches!(c, '*' | '?' | '[') { format!("[{c}]") } else { c.to_string() }).collect()
}

/// A name without the characters that names of configurations may not have.
fn safe_config(name: &str) -> String {
    name.chars().map(|c| if r#"<>:/\|?*""#.contains(c) { '_' } else { c }).collect()
}

//! Which columns of a batch say where images are, and which columns the answer has.

use super::Worker;
use super::engine::{ImageSource, WorkerImage, WorkerTask};
use crate::embeddings::{element, text_column};
use crate::error::{Error, Result};
use crate::image::PIXEL_RULE;
use crate::text::{plain, quote};
use crate::vocabulary::ImageFormat;
use crate::watch::Watch;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array,
    LargeStringArray, RecordBatch,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// The column of file paths.
pub(crate) const PATH: &str = "path";
/// The column of files' bytes.
pub(crate) const BYTES: &str = "bytes";
/// The columns of a box, in pixels of the upright image.
pub(crate) const BOX: [&str; 4] = ["box_x", "box_y", "box_width", "box_height"];
/// The columns of the answer between the input's own and the vectors.
pub(crate) const FACTS: [&str; 8] = ["status", "reason", "blake3", "width", "height", "format", "blank", "translucent"];

/// Metadata keys of the answer's schema: the version of msdata, the pixel rule, what becomes of transparent pixels, how
/// boxes are cut out, and the encoders as a list of name, fingerprint and dimension in JSON.
pub(crate) const VERSION: &str = "msdata.version";
pub(crate) const RULE: &str = "msdata.pixel_rule";
pub(crate) const TRANSPARENCY: &str = "msdata.transparency";
pub(crate) const CROP: &str = "msdata.crop";
pub(crate) const ENCODERS: &str = "msdata.encoders";

/// What to do where the columns are not what a worker takes.
const HINT: &str = "docs/worker.md lists the columns that a worker takes and gives";

/// The columns of a stream of batches.
#[derive(Debug)]
pub(crate) struct Columns {
    path: Option<usize>,
    bytes: Option<usize>,
    region: Option<[usize; 4]>,
    answer: SchemaRef,
}

impl Columns {
    /// Finds them in the schema of the input.
    ///
    /// # Errors
    /// A column is missing, of another type, or has the name of one of the answer's: all such faults.
    pub(crate) fn of(input: &Schema, worker: &Worker) -> Result<Columns> {
        let mut faults = Vec::new();
        let names: Vec<&str> = input.fields().iter().map(|field| field.name().as_str()).collect();
        let place = |name: &str| names.iter().position(|other| *other == name);
        let (path, bytes) = (place(PATH), place(BYTES));
        if path.is_none() && bytes.is_none() {
            let there = names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
            let there = if there.is_empty() { "no columns".to_owned() } else { there };
            faults.push(format!("no column says where the images are: `path` (text) or `bytes` (binary); there are {there}"));
        }
        let mut check = |at: Option<usize>, is_right: fn(&DataType) -> bool, wanted: &str| {
            if let Some(field) = at.map(|at| input.field(at)).filter(|field| !is_right(field.data_type())) {
                faults.push(format!("column {} is {}, not {wanted}", quote(field.name()), field.data_type()));
            }
        };
        check(path, is_text, "text");
        check(bytes, is_bytes, "binary");
        let region = BOX.map(place);
        region.iter().for_each(|at| check(*at, is_number, "a number"));
        let missing: Vec<&str> = BOX.into_iter().zip(region).filter(|(_, at)| at.is_none()).map(|(name, _)| name).collect();
        if !missing.is_empty() && missing.len() < BOX.len() {
            faults.push(format!("a box needs four columns, and {} is missing", missing.join(", ")));
        }
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for name in &names {
            if !taken.insert(name) {
                faults.push(format!("two columns are named {}", quote(name)));
            }
        }
        let encoders = worker.encoders().iter().map(|encoder| encoder.name.as_str());
        for name in FACTS.into_iter().chain(encoders) {
            if name == BYTES || !taken.insert(name) {
                faults.push(format!("the answer has a column {} of its own: give that of the input another name", quote(name)));
            }
        }
        if !faults.is_empty() {
            return Err(Error::request(faults.join("\n"), HINT));
        }
        let region = match region {
            [Some(x), Some(y), Some(width), Some(height)] => Some([x, y, width, height]),
            _ => None,
        };
        let answer = answer(input, bytes, region.is_some(), worker)?;
        Ok(Columns { path, bytes, region, answer })
    }

    /// The schema of the answers, with the facts of the encoders in its metadata.
    pub(crate) fn answer(&self) -> &SchemaRef {
        &self.answer
    }

    /// Embeds the images of a batch: the answer has a row for each of its rows, in their order.
    ///
    /// # Errors
    /// A network fails as a whole, or the caller wants to stop.
    pub(crate) fn embed(&self, batch: &RecordBatch, worker: &mut Worker, watch: &mut Watch<'_>) -> Result<RecordBatch> {
        let paths = self.path.map(|at| cast(batch.column(at), &DataType::LargeUtf8)).transpose().map_err(unusable)?;
        let paths: Option<&LargeStringArray> = paths.as_ref().map(|paths| paths.as_string());
        let bytes = self.bytes.map(|at| batch.column(at));
        let region =
            |at: usize| cast(batch.column(at), &DataType::Float64).map(|values| values.as_primitive::<Float64Type>().clone());
        let region = self.region.map(|[x, y, width, height]| Ok([region(x)?, region(y)?, region(width)?, region(height)?]));
        let region = region.transpose().map_err(unusable)?;
        let task = |row: usize| {
            let path = paths.filter(|paths| paths.is_valid(row)).map(|paths| ImageSource::File(Path::new(paths.value(row))));
            let bytes = bytes.and_then(|bytes| bytes_at(bytes, row)).map(ImageSource::Bytes);
            let image = bytes.or(path).unwrap_or(ImageSource::Nowhere);
            WorkerTask { image, region: region.as_ref().and_then(|columns| region_at(columns, row)) }
        };
        let tasks: Vec<WorkerTask<'_>> = (0..batch.num_rows()).map(task).collect();
        let images = worker.embed(&tasks, watch)?;
        let input = batch.columns().iter().enumerate().filter(|(at, _)| Some(*at) != self.bytes);
        let mut columns: Vec<ArrayRef> = input.map(|(_, column)| column.clone()).collect();
        columns.extend(facts(&images, worker));
        for (at, encoder) in worker.encoders().iter().enumerate() {
            columns
                .push(vectors(images.iter().map(|image| image.vectors[at].as_ref().ok()), encoder.dimension).map_err(unusable)?);
        }
        RecordBatch::try_new(self.answer.clone(), columns).map_err(unusable)
    }
}

fn unusable(e: ArrowError) -> Error {
    Error::request(format!("a batch cannot be used: {}", plain(&e.to_string())), HINT)
}

/// All columns but the bytes, then ours.
fn answer(input: &Schema, bytes: Option<usize>, regions: bool, worker: &Worker) -> Result<SchemaRef> {
    let text = |name: &str, nullable| Arc::new(Field::new(name, DataType::Utf8, nullable));
    let number = |name: &str| Arc::new(Field::new(name, DataType::Int32, true));
    let mut fields: Vec<_> =
        input.fields().iter().enumerate().filter(|(at, _)| Some(*at) != bytes).map(|(_, field)| field.clone()).collect();
    let [status, reason, blake3, width, height, format, blank, translucent] = FACTS;
    fields.extend([text(status, false), text(reason, true), text(blake3, true)]);
    fields.extend([number(width), number(height), text(format, true)]);
    fields.push(Arc::new(Field::new(blank, DataType::Boolean, true)));
    fields.push(Arc::new(Field::new(translucent, DataType::Int64, true)));
    for encoder in worker.encoders() {
        let vector = DataType::FixedSizeList(element(), encoder.dimension as i32);
        fields.push(Arc::new(Field::new(encoder.name.as_str(), vector, true)));
    }
    let encoders = serde_json::to_string(worker.encoders())
        .map_err(|e| Error::request(format!("the encoders cannot be described: {e}"), HINT))?;
    let mut metadata = HashMap::from([
        (VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        (RULE.to_owned(), PIXEL_RULE.to_string()),
        (TRANSPARENCY.to_owned(), worker.transparency.to_string()),
        (ENCODERS.to_owned(), encoders),
    ]);
    if regions {
        metadata.insert(CROP.to_owned(), worker.crop.to_string());
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata)))
}

fn is_text(of: &DataType) -> bool {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_bytes(of: &DataType) -> bool {
    matches!(of, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null)
}

fn is_number(of: &DataType) -> bool {
    of.is_integer() || of.is_floating() || matches!(of, DataType::Null)
}

/// The bytes of a row's file, which are not copied; `None`: null.
fn bytes_at(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(column.as_binary_view().value(row)),
        _ => None, // a column of nothing but null
    }
}

/// A box; `None`: the whole image, where none of its numbers is given. A number that is missing alone is none that an image
/// has.
fn region_at(columns: &[Float64Array; 4], row: usize) -> Option<[f64; 4]> {
    let numbers = columns.each_ref().map(|column| column.is_valid(row).then(|| column.value(row)));
    numbers.iter().any(Option::is_some).then(|| numbers.map(|number| number.unwrap_or(f64::NAN)))
}

fn facts(images: &[WorkerImage], worker: &Worker) -> [ArrayRef; 8] {
    let reasons: Vec<Option<String>> = images.iter().map(|image| image.why(worker)).collect();
    let hashes: Vec<Option<_>> = images.iter().map(|image| image.blake3.map(|hash| blake3::Hash::from(hash).to_hex())).collect();
    let side = |pick: fn((ImageFormat, u32, u32)) -> u32| -> ArrayRef {
        Arc::new(Int32Array::from_iter(images.iter().map(|image| image.size.map(|size| pick(size) as i32))))
    };
    [
        text_column(images.iter().map(|image| Some(image.status.as_str()))),
        text_column(reasons.iter().map(Option::as_deref)),
        text_column(hashes.iter().map(|hash| hash.as_ref().map(|hash| hash.as_str()))),
        side(|(_, width, _)| width),
        side(|(_, _, height)| height),
        text_column(images.iter().map(|image| image.size.map(|(format, ..)| format.as_str()))),
        Arc::new(BooleanArray::from_iter(images.iter().map(|image| image.appearance.map(|seen| seen.blank)))),
        Arc::new(Int64Array::from_iter(images.iter().map(|image| image.appearance.map(|seen| seen.translucent as i64)))),
    ]
}

/// A column of vectors; one that is missing is null, over zeros.
fn vectors<'a>(
    vectors: impl ExactSizeIterator<Item = Option<&'a Vec<f32>>>,
    dimension: usize,
) -> std::result::Result<ArrayRef, ArrowError> {
    let mut values = Vec::with_capacity(vectors.len() * dimension);
    let mut there = Vec::with_capacity(vectors.len());
    for vector in vectors {
        there.push(vector.is_some());
        match vector {
            Some(vector) => values.extend_from_slice(vector),
            None => values.resize(values.len() + dimension, 0.0),
        }
    }
    let values = Arc::new(Float32Array::from(values));
    Ok(Arc::new(FixedSizeListArray::try_new(element(), dimension as i32, values, Some(NullBuffer::from(there)))?))
}

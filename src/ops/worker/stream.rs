//! A stream of batches in, a stream of batches out: each batch is answered by one, at once.

use super::Worker;
use super::columns::Columns;
use crate::error::{Error, Result};
use crate::text::plain;
use crate::vocabulary::ImageStatus;
use crate::watch::Watch;
use arrow::array::{AsArray, RecordBatch};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// How a stream begins: the mark that the length of a message follows.
const BEGINNING: [u8; 4] = [0xFF; 4];

const HINT: &str = "give it what `pyarrow.ipc.new_stream` writes, without compression; docs/worker.md has an example";

/// What came of the images of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Rows answered.
    pub rows: u64,
    /// Those among them with a vector by every encoder.
    pub embedded: u64,
    /// Files that are missing.
    pub missing: u64,
    /// Files that cannot be used: unreadable or oversized.
    pub unusable: u64,
}

impl Worker {
    /// Answers each batch of an Arrow IPC stream with one batch, until the stream ends; another stream, perhaps of other
    /// columns, may follow it. Errors call the two ends `standard input` and `standard output`.
    ///
    /// # Errors
    /// The input is no such stream, or lacks a column; it ends within a batch; a network fails as a whole; the output cannot
    /// be written, or its reader is gone.
    pub fn serve(&mut self, input: impl Read, mut output: impl Write, watch: &mut Watch<'_>) -> Result<Served> {
        let mut served = Served::default();
        let mut input = BufReader::new(input);
        loop {
            let beginning = input.fill_buf().map_err(Error::io("read", INPUT))?;
            if beginning.is_empty() {
                return Ok(served);
            }
            if !beginning.starts_with(&BEGINNING[..beginning.len().min(4)]) {
                let what =
                    if beginning.starts_with(b"ARROW1") { "an Arrow IPC file, not a stream" } else { "not an Arrow IPC stream" };
                return Err(Error::request(format!("standard input is {what}"), HINT));
            }
            self.serve_one(&mut input, &mut output, &mut served, watch)?;
        }
    }

    fn serve_one(
        &mut self,
        input: &mut impl Read,
        output: &mut impl Write,
        served: &mut Served,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let reader = StreamReader::try_new(input, None).map_err(unreadable)?;
        let columns = Columns::of(&reader.schema(), self)?;
        let mut writer = StreamWriter::try_new(output, columns.answer()).map_err(unwritable)?;
        writer.flush().map_err(unwritable)?;
        for batch in reader {
            let answer = columns.embed(&batch.map_err(unreadable)?, self, watch)?;
            served.count(&answer, self.facts.len());
            writer.write(&answer).and_then(|()| writer.flush()).map_err(unwritable)?;
            watch.say_remarks();
        }
        writer.finish().and_then(|()| writer.flush()).map_err(unwritable)
    }
}

impl Served {
    fn count(&mut self, answer: &RecordBatch, encoders: usize) {
        let columns = answer.columns();
        let vectors = &columns[columns.len() - encoders..];
        self.rows += answer.num_rows() as u64;
        self.embedded += (0..answer.num_rows()).filter(|row| vectors.iter().all(|vector| vector.is_valid(*row))).count() as u64;
        let Some(status) = answer.column_by_name("status") else { return };
        for status in status.as_string::<i32>().iter().flatten() {
            match status.parse() {
                Ok(ImageStatus::Missing) => self.missing += 1,
                Ok(ImageStatus::Unreadable | ImageStatus::Oversized) => self.unusable += 1,
                _ => {}
            }
        }
    }
}

const INPUT: &str = "standard input";
const OUTPUT: &str = "standard output";

fn unreadable(e: ArrowError) -> Error {
    match e {
        ArrowError::IoError(_, source) if source.kind() != std::io::ErrorKind::UnexpectedEof => Error::io("read", INPUT)(source),
        ArrowError::IoError(..) => {
            Error::request("standard input ends within a batch", "send whole batches; the batches before it were answered")
        }
        other => Error::request(format!("standard input is not an Arrow IPC stream: {}", plain(&other.to_string())), HINT),
    }
}

fn unwritable(e: ArrowError) -> Error {
    match e {
        ArrowError::IoError(_, source) => Error::io("write", Path::new(OUTPUT))(source),
        other => Error::request(format!("a batch cannot be written: {}", plain(&other.to_string())), HINT),
    }
}

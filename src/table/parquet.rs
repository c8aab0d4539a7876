//! Parquet files that the readers people have can open, not only those of this month.
//!
//! The library notes the order of every column of floats as IEEE 754's total order, which the format has had since 2.12:
//! column order 2 in the footer. Readers that know order 1 alone refuse the whole file (Polars before 1.43, DataFusion 43).
//! So [`Footer`] writes order 1, "as the type defines", in its place. Nothing else depends on it: there is no NaN in these
//! files, and readers that know order 1 treat zeros of both signs alike. Encodings are those of the format's first version, and
//! there are no page indices: DataFusion 43 cannot read those of this library, and row groups have statistics of their own.

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use std::io::{self, Write};

/// Most bytes of a footer's end in which the column orders lie: those of more than five thousand columns.
const HELD: usize = 16 << 10;

/// The length of the footer and the magic, which end a file.
const END: usize = 8;

/// Bytes of a column order: a union's one field, an empty struct, the union's end.
const ORDER: usize = 3;

/// How Parquet files for users are written: zstd, texts in dictionaries, nothing that varies from run to run.
pub fn writer_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        .set_created_by(concat!("msdata ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_write_page_header_statistics(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
}

/// Passes a Parquet file on to `W`, and gives its footer the column order that every reader knows.
#[derive(Debug)]
pub struct Footer<W> {
    inner: W,
    /// The last bytes so far, which may be the end of the footer.
    held: Vec<u8>,
}

impl<W: Write> Footer<W> {
    /// Begins a file.
    pub fn new(inner: W) -> Footer<W> {
        Footer { inner, held: Vec::with_capacity(2 * HELD) }
    }

    /// Ends the file, which must be whole; returns where it was written.
    ///
    /// # Errors
    /// `W` cannot be written, or what was written does not end as a Parquet file.
    pub fn finish(mut self) -> io::Result<W> {
        order_as_types_do(&mut self.held)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the footer has no column orders where they should be"))?;
        self.inner.write_all(&self.held)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Footer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() > 2 * HELD {
            let passed = self.held.len() - HELD;
            self.inner.write_all(&self.held[..passed])?;
            self.held.drain(..passed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Sets all column orders to 1, "as the type defines", in a file that ends with `tail`; `None`: they are not there.
///
/// The footer is Thrift's compact protocol. The orders are a list, in the last field that it has: the field's header, the
/// list's, an [`ORDER`] for each column, and the footer's end. Sources: Thrift's specification of the protocol, parquet.thrift.
fn order_as_types_do(tail: &mut [u8]) -> Option<()> {
    const LIST: u8 = 9;
    const STRUCT: u8 = 12;
    let footer = tail.len().checked_sub(END)?;
    let end = footer.checked_sub(1).filter(|end| tail[*end] == 0 && tail.ends_with(b"PAR1"))?;
    let (orders, _) = tail.split_at_mut(end);
    let is_order = |bytes: &[u8]| matches!(bytes, [field, 0, 0] if field & 0xF == STRUCT && (1..=3).contains(&(field >> 4)));
    for columns in 1.. {
        let start = orders.len().checked_sub(ORDER * columns)?;
        if !is_order(&orders[start..start + ORDER]) {
            return None;
        }
        // Few elements are counted in the header itself, more behind it.
        let header = match u8::try_from(columns) {
            Ok(few @ ..=14) => vec![LIST | 1 << 4, few << 4 | STRUCT],
            _ => [&[LIST | 1 << 4, 0xF0 | STRUCT][..], &varint(columns)].concat(),
        };
        if orders[..start].ends_with(&header) {
            orders[start..]
                .chunks_exact_mut(ORDER)
                .filter(|order| order[0] >> 4 == 2)
                .for_each(|order| order[0] = 1 << 4 | STRUCT);
            return Some(());
        }
    }
    None
}

/// A number in sevens of bits, the least first.
fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7F {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::{ColumnOrder, SortOrder};
    use std::sync::Arc;

    /// A file of `columns` columns, integers, texts and floats in turn, and what was written.
    fn written(columns: usize) -> (Vec<u8>, RecordBatch) {
        let column = |at: usize| -> ArrayRef {
            match at % 3 {
                0 => Arc::new(Int64Array::from_iter_values(0..100)),
                1 => Arc::new(StringArray::from_iter_values((0..100).map(|i| format!("text {i}")))),
                _ => Arc::new(Float64Array::from_iter_values((0..100).map(|i| f64::from(i) - 50.0))),
            }
        };
        let batch = RecordBatch::try_from_iter((0..columns).map(|at| (format!("column {at}"), column(at)))).unwrap();
        let properties = writer_properties().build();
        let mut writer = ArrowWriter::try_new(Footer::new(Vec::new()), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        (writer.into_inner().unwrap().finish().unwrap(), batch)
    }

    #[test]
    fn every_column_has_the_order_of_its_type() {
        for columns in [1, 3, 14, 15, 16, 127, 128, 600] {
            let (file, batch) = written(columns);
            let mut whole = tempfile::tempfile().unwrap();
            whole.write_all(&file).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(whole).unwrap();
            let orders = reader.metadata().file_metadata().column_orders().unwrap();
            assert!(orders.iter().all(|order| matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))), "{columns}: {orders:?}");
            if columns > 2 {
                assert_eq!(orders[2], ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED));
            }
            assert_eq!(reader.build().unwrap().next().unwrap().unwrap(), batch, "{columns}");
        }
    }

    #[test]
    fn what_is_no_parquet_file_is_refused() {
        let (file, _) = written(3);
        for wrong in [&b""[..], b"PAR1", &file[..file.len() - 1], &[0; 40]] {
            let mut footer = Footer::new(Vec::new());
            footer.write_all(wrong).unwrap();
            assert!(footer.finish().is_err());
        }
    }
}

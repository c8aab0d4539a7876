//! A tensor that goes into a network or comes out, as it is declared.

use crate::text::quote;
use ort::value::{Outlet, TensorElementType, ValueType};

/// An input or an output of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// The type of its numbers, by ONNX's code; 0 where that is not known.
    pub element: u64,
    /// Its sizes, negative where they are dynamic; empty if even their number is.
    pub shape: Vec<i64>,
}

/// ONNX's code of float32.
pub const FLOAT: u64 = 1;
/// ONNX's code of int32.
pub const INT32: u64 = 6;
/// ONNX's code of int64.
pub const INT64: u64 = 7;
/// ONNX's code of float16.
pub const FLOAT16: u64 = 10;

impl Declared {
    /// As ONNX Runtime declares it, once the model is loaded.
    pub fn of(outlet: &Outlet) -> Declared {
        let (element, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => (code(*ty), shape.to_vec()),
            _ => (u64::MAX, Vec::new()),
        };
        Declared { name: outlet.name().to_owned(), element, shape }
    }

    /// As the model's file declares it: a `ValueInfoProto`. `None` if it has no name.
    pub(super) fn parse(bytes: &[u8]) -> Option<Declared> {
        let name = String::from_utf8_lossy(message(bytes, 1)?).into_owned();
        // ValueInfoProto.type → TypeProto.tensor_type
        let tensor = message(bytes, 2).and_then(|kind| message(kind, 1));
        let element = tensor.and_then(|tensor| number(tensor, 1)).unwrap_or(0);
        let shape = tensor.and_then(|tensor| message(tensor, 2)).unwrap_or_default();
        let dimensions = fields(shape).filter_map(|field| match field {
            ProtoField { number: 1, value: ProtoValue::Bytes(dimension) } => Some(dimension),
            _ => None,
        });
        let size = |dimension| number(dimension, 1).and_then(|n| i64::try_from(n).ok()).unwrap_or(-1);
        Some(Declared { name, element, shape: dimensions.map(size).collect() })
    }

    /// The size of an axis, if it is fixed.
    pub fn fixed(&self, axis: usize) -> Option<usize> {
        self.shape.get(axis).and_then(|size| usize::try_from(*size).ok())
    }

    /// Whether it may have so many axes.
    pub fn has_rank(&self, rank: usize) -> bool {
        self.shape.is_empty() || self.shape.len() == rank
    }

    /// Whether its numbers may be of one of these types.
    pub fn is_of(&self, elements: &[u64]) -> bool {
        self.element == 0 || elements.contains(&self.element)
    }

    /// Its name and its sizes.
    pub fn described(&self) -> String {
        let sizes: Vec<_> = self.shape.iter().map(|d| if *d < 0 { "?".to_owned() } else { d.to_string() }).collect();
        format!("{} [{}]", quote(&self.name), sizes.join(", "))
    }

    /// The type of its numbers, in words.
    pub fn element_name(&self) -> &'static str {
        const NAMES: [&str; 17] = [
            "of an unknown type",
            "float32",
            "uint8",
            "int8",
            "uint16",
            "int16",
            "int32",
            "int64",
            "text",
            "bool",
            "float16",
            "float64",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "bfloat16",
        ];
        usize::try_from(self.element).ok().and_then(|code| NAMES.get(code)).unwrap_or(&"not a tensor of numbers")
    }
}

/// All of them, for a message.
pub fn list(declared: &[Declared]) -> String {
    declared.iter().map(Declared::described).collect::<Vec<_>>().join(", ")
}

fn code(element: TensorElementType) -> u64 {
    use TensorElementType as T;
    match element {
        T::Float32 => FLOAT,
        T::Uint8 => 2,
        T::Int8 => 3,
        T::Uint16 => 4,
        T::Int16 => 5,
        T::Int32 => INT32,
        T::Int64 => INT64,
        T::String => 8,
        T::Bool => 9,
        T::Float16 => FLOAT16,
        T::Float64 => 11,
        T::Uint32 => 12,
        T::Uint64 => 13,
        T::Complex64 => 14,
        T::Complex128 => 15,
        T::Bfloat16 => 16,
        _ => u64::MAX,
    }
}

struct ProtoField<'a> {
    number: u64,
    value: ProtoValue<'a>,
}

enum ProtoValue<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message, as far as it can be read.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = ProtoField<'_>> {
    std::iter::from_fn(move || {
        loop {
            let key = varint(&mut rest)?;
            let value = match key & 7 {
                0 => ProtoValue::Number(varint(&mut rest)?),
                1 => {
                    rest = rest.get(8..)?;
                    continue;
                }
                5 => {
                    rest = rest.get(4..)?;
                    continue;
                }
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    let (bytes, after) = rest.split_at_checked(length)?;
                    rest = after;
                    ProtoValue::Bytes(bytes)
                }
                _ => return None,
            };
            return Some(ProtoField { number: key >> 3, value });
        }
    })
}

fn message(bytes: &[u8], wanted: u64) -> Option<&[u8]> {
    fields(bytes).find_map(|field| match field.value {
        ProtoValue::Bytes(bytes) if field.number == wanted => Some(bytes),
        _ => None,
    })
}

fn number(bytes: &[u8], wanted: u64) -> Option<u64> {
    fields(bytes).find_map(|field| match field.value {
        ProtoValue::Number(number) if field.number == wanted => Some(number),
        _ => None,
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

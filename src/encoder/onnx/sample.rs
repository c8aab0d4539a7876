//! Tiny ONNX models for tests, written as protobuf by hand: no binary file is checked in.

/// A protobuf field with a length before it.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = varint(number << 3 | 2);
    out.extend(varint(content.len() as u64));
    out.extend_from_slice(content);
    out
}

/// A protobuf field that is a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = varint(field << 3);
    out.extend(varint(value));
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Element types of ONNX.
pub const FLOAT: u64 = 1;
pub const INT32: u64 = 6;
pub const INT64: u64 = 7;
pub const FLOAT16: u64 = 10;

/// An input or output; a negative size is dynamic.
fn value(name: &str, element: u64, shape: &[i64]) -> Vec<u8> {
    let dims: Vec<u8> = shape
        .iter()
        .enumerate()
        .flat_map(|(i, d)| field(1, &if *d < 0 { field(2, format!("{name}_{i}").as_bytes()) } else { number(1, *d as u64) }))
        .collect();
    let tensor = [number(1, element), field(2, &dims)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

/// An attribute of a node.
pub enum Attribute {
    Number(i64),
    List(&'static [i64]),
}
pub use Attribute::{List, Number};

/// A node with one output.
pub fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|i| field(1, i.as_bytes())).collect();
    out.extend(field(2, output.as_bytes()));
    out.extend(field(4, operator.as_bytes()));
    for (name, value) in attributes {
        let value = match value {
            Number(one) => [number(3, *one as u64), number(20, 2)].concat(),
            List(many) => [many.iter().flat_map(|v| number(8, *v as u64)).collect(), number(20, 7)].concat(),
        };
        out.extend(field(5, &[field(1, name.as_bytes()), value].concat()));
    }
    out
}

/// An int64 vector in the model.
pub fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    [number(1, values.len() as u64), number(2, INT64), field(8, name.as_bytes()), field(9, &raw)].concat()
}

/// A float32 vector whose numbers are in another file.
pub fn tensor_outside(name: &str, location: &str, offset: u64, length: u64) -> Vec<u8> {
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    [
        number(1, length / 4),
        number(2, FLOAT),
        field(8, name.as_bytes()),
        entry("location", location),
        entry("offset", &offset.to_string()),
        entry("length", &length.to_string()),
        number(14, 1),
    ]
    .concat()
}

/// A model under construction.
#[derive(Default, Clone)]
pub struct Model {
    nodes: Vec<Vec<u8>>,
    initializers: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

impl Model {
    pub fn with_node(mut self, node: Vec<u8>) -> Model {
        self.nodes.push(node);
        self
    }

    pub fn with_initializer(mut self, tensor: Vec<u8>) -> Model {
        self.initializers.push(tensor);
        self
    }

    pub fn with_input(mut self, name: &str, element: u64, shape: &[i64]) -> Model {
        self.inputs.push(value(name, element, shape));
        self
    }

    pub fn with_output(mut self, name: &str, element: u64, shape: &[i64]) -> Model {
        self.outputs.push(value(name, element, shape));
        self
    }

    /// Images to the means of their three channels: `pixel_values` [b, 3, h, w] → `image_embeds` [b, 3].
    pub fn channel_means() -> Model {
        Model::default()
            .with_input("pixel_values", FLOAT, &[-1, 3, -1, -1])
            .with_node(node("GlobalAveragePool", &["pixel_values"], "pooled", &[]))
            .with_node(node("Flatten", &["pooled"], "image_embeds", &[("axis", Number(1))]))
            .with_output("image_embeds", FLOAT, &[-1, 3])
    }

    /// An ONNX file, opset 13, IR 8.
    pub fn bytes(&self) -> Vec<u8> {
        let all = |number: u64, parts: &[Vec<u8>]| parts.iter().flat_map(|p| field(number, p)).collect::<Vec<u8>>();
        let graph =
            [all(1, &self.nodes), field(2, b"sample"), all(5, &self.initializers), all(11, &self.inputs), all(12, &self.outputs)]
                .concat();
        // The graph last: every cut of the file is then a cut of the graph.
        [number(1, 8), field(8, &number(2, 13)), field(7, &graph)].concat()
    }
}

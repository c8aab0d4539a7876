//! What a point or a cell shows in the page's gallery, as the gallery's address has it.

use crate::report::{Key, KeyValue};

/// The gallery's query for the images that a report's cell is over: `model=A&n=4&scene=neutral`. Keys by which the
/// gallery has no filter are left out.
pub fn query_of(keys: &[(Key, KeyValue)]) -> String {
    let pair = |(key, value): &(Key, KeyValue)| {
        let name = match key {
            Key::Model => "model",
            Key::SubjectCount => "n",
            Key::SceneType => "scene",
            Key::SubjectId => "subject",
            _ => return None,
        };
        let value = match value {
            KeyValue::Integer(n) => n.to_string(),
            KeyValue::Text(text) => text.clone()?,
        };
        Some((name, value))
    };
    let pairs: Vec<(&str, String)> = keys.iter().filter_map(pair).collect();
    query(&pairs.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

/// Names and values as a query of an address.
pub fn query(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_query() {
        let text = |text: &str| KeyValue::Text(Some(text.into()));
        let keys =
            [(Key::Model, text("beta & \"co\"")), (Key::SubjectCount, KeyValue::Integer(4)), (Key::Seed, KeyValue::Integer(1))];
        assert_eq!(query_of(&keys), "model=beta%20%26%20%22co%22&n=4");
        assert_eq!(query(&[("subject", "猫")]), "subject=%E7%8C%AB");
    }
}

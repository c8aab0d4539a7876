//! Rows of score files: what a metric says of a generation, or of a subject in it; and the header that says which way
//! each metric is better.
//!
//! A file is long (`metric`, `value`) or wide (one column per metric). Its header, where it has one: before the columns of
//! a CSV lines such as `# msdata: hpsv2 higher 0 1`; as the first object of JSON `{"metrics": {"hpsv2": {"better":
//! "higher", "min": 0, "max": 1}}}`; in Parquet the inner object, as the metadata [`METADATA`].

use super::fields::{Field, Fields, number_of};
use super::file::RowKind;
use super::paths::Resolver;
use super::row::ManifestRow;
use crate::text::quote;
use crate::vocabulary::{Better, MetricDeclaration, MetricName, MetricRule, ModelName, PromptId, SubjectId};
use serde_json::Value;

/// Key of the Parquet metadata that hold the header.
pub const METADATA: &str = "msdata.metrics";

/// What begins a header line of a CSV.
const COMMENT: &str = "# msdata:";

const KEYS: [&str; 4] = ["model", "prompt_id", "seed", "subject_id"];
const METRIC: &str = "metric";
const VALUE: &str = "value";
const STALE: &str = "stale";

/// Columns of exported tables that repeat what the data set knows.
const REPEATED: [&str; 6] = ["control", "scene_type", "subject_count", "better", "least", "most"];

/// What metrics say of a generation, or of a subject in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The generator.
    pub model: ModelName,
    /// What it was asked for.
    pub prompt_id: PromptId,
    /// Its seed.
    pub seed: i64,
    /// The subject that the values are about; `None`: the image as a whole.
    pub subject_id: Option<SubjectId>,
    /// Metrics with their values; `None`: missing.
    pub values: Vec<(MetricName, Option<f64>)>,
    /// Whether it is a row of an exported table that says that the image had changed.
    pub stale: bool,
}

/// A row of a score file.
pub enum ScoreLine {
    /// The header, in JSON.
    Header(Vec<MetricDeclaration>),
    /// A row.
    Row(Scores),
}

impl ManifestRow for ScoreLine {
    const KIND: RowKind = RowKind::Scores;
    const REQUIRED: &'static [&'static str] = &["model", "prompt_id", "seed"];
    const FIELDS: &'static [&'static str] = &["model", "prompt_id", "seed", "subject_id", METRIC, VALUE];

    fn is_known(column: &str, is_long: bool) -> bool {
        !is_long || Self::FIELDS.contains(&column) || column == STALE || REPEATED.contains(&column)
    }
}

impl ScoreLine {
    pub(super) fn from_fields(fields: &Fields<'_>, _: &mut Resolver, _: &mut Vec<String>) -> Result<ScoreLine, String> {
        if let [(name, Field::Json(header))] = &fields.0[..]
            && name == "metrics"
        {
            return header_of(header.get()).map(ScoreLine::Header);
        }
        let is_given = |name: &str| fields.optional_raw(name).is_some();
        let subject_id = match is_given("subject_id") {
            true => Some(SubjectId::new(fields.id("subject_id")?).map_err(|e| format!("`subject_id` {e}"))?),
            false => None,
        };
        let names = || fields.0.iter().map(|(name, _)| name.as_ref());
        check_columns(names())?;
        let values = match is_long(names()) {
            true => {
                let name = MetricName::new(fields.text(METRIC)?).map_err(|e| format!("`metric` {e}"))?;
                vec![(name, value(fields, VALUE)?)]
            }
            false => names()
                .filter(|name| is_metric(name))
                .map(|name| Ok((MetricName::new(name).map_err(|e| format!("the column {e}"))?, value(fields, name)?)))
                .collect::<Result<_, String>>()?,
        };
        let stale = is_long(names()) && fields.optional_raw(STALE).is_some_and(|stale| matches!(stale, "1" | "true" | "True"));
        Ok(ScoreLine::Row(Scores {
            model: ModelName::new(fields.text("model")?).map_err(|e| format!("`model` {e}"))?,
            prompt_id: PromptId::new(fields.id("prompt_id")?).map_err(|e| format!("`prompt_id` {e}"))?,
            seed: fields.integer("seed")?,
            subject_id,
            values,
            stale,
        }))
    }
}

/// Returns whether a row with these columns names its metric.
pub(super) fn is_long<'c>(mut columns: impl Iterator<Item = &'c str>) -> bool {
    columns.any(|column| column == METRIC)
}

/// Returns whether a column of a wide file is a metric.
pub(super) fn is_metric(column: &str) -> bool {
    !KEYS.contains(&column) && !REPEATED.contains(&column) && !is_index(column)
}

/// Returns whether a column is an index that pandas wrote.
pub(super) fn is_index(column: &str) -> bool {
    column.starts_with("__index_level_") || column.starts_with("Unnamed: ")
}

/// Checks that the columns of a row say what it measures.
///
/// # Errors
/// They do not; says what is missing, or which column cannot be a metric.
pub(super) fn check_columns<'c>(columns: impl Iterator<Item = &'c str> + Clone) -> Result<(), String> {
    let has = |name: &str| columns.clone().any(|column| column == name);
    match (has(METRIC), has(VALUE)) {
        (true, true) => return Ok(()),
        (true, false) => return Err("`metric` needs `value` beside it".into()),
        (false, true) => return Err("`value` needs `metric` beside it, which names what was measured".into()),
        (false, false) => {}
    }
    let mut metrics = columns.filter(|column| is_metric(column)).peekable();
    if metrics.peek().is_none() {
        return Err("no metric: expected `metric` and `value`, or a column for each metric".into());
    }
    let faults: Vec<String> = metrics.filter_map(|name| MetricName::new(name).err()).collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!(
        "every column but {} is a metric: {}; rename the column (`--columns` does), or leave it out",
        KEYS.map(|key| format!("`{key}`")).join(", "),
        faults.join("; ")
    ))
}

/// Returns a value; `None` where it is missing: null, an empty cell, NaN.
fn value(fields: &Fields<'_>, name: &str) -> Result<Option<f64>, String> {
    let Some(text) = fields.optional_raw(name) else { return Ok(None) };
    if text.eq_ignore_ascii_case("nan") {
        return Ok(None); // as pandas writes what is missing
    }
    number_of(text).map(Some).map_err(|e| {
        let missing = ["null", "none", "na", "n/a", "<na>", "-", "\"\"", "\"nan\""].contains(&text.to_ascii_lowercase().as_str());
        format!("`{name}` {e}{}", if missing { "; a missing value is null, an empty cell or NaN" } else { "" })
    })
}

/// Returns what a line before the columns of a CSV says; `None`: it is not such a line.
pub(super) fn comment<'c>(cells: &[&'c str]) -> Option<Result<MetricDeclaration, String>> {
    let words = cells.first()?.strip_prefix(COMMENT)?;
    let words: Vec<&'c str> = words.split_whitespace().collect();
    let declared = match cells {
        [_] => MetricDeclaration::of_words(&words),
        // What a spreadsheet wrote has empty cells up to the number of columns.
        [_, rest @ ..] if rest.iter().all(|cell| cell.is_empty()) => MetricDeclaration::of_words(&words),
        _ => Err("its words are separated by blanks, not by commas".to_owned()),
    };
    Some(declared.map_err(|e| format!("the header line is not like `{COMMENT} hpsv2 higher 0 1`: {e}")))
}

/// Reads the header of a JSON or Parquet file: an object with an entry for each metric.
///
/// # Errors
/// It is something else; says what.
pub fn header_of(json: &str) -> Result<Vec<MetricDeclaration>, String> {
    let wrong = |what: String| {
        format!("the header is not like {{\"hpsv2\": {{\"better\": \"higher\", \"min\": 0, \"max\": 1}}}}: {what}")
    };
    let Ok(Value::Object(metrics)) = serde_json::from_str(json) else {
        return Err(wrong(format!("it is {}", quote(json))));
    };
    let declared = |(name, rule): (&String, &Value)| -> Result<MetricDeclaration, String> {
        let name = MetricName::new(name.as_str())?;
        let Value::Object(rule) = rule else { return Err(format!("{name} has no object")) };
        if let Some(unknown) = rule.keys().find(|key| !["better", "min", "max"].contains(&key.as_str())) {
            return Err(format!("{name} has {}, which is not one of better, min, max", quote(unknown)));
        }
        let better = rule.get("better").and_then(Value::as_str).ok_or_else(|| format!("{name} lacks `better`"))?;
        let better: Better = better.parse().map_err(|e| format!("{name}: {e}"))?;
        let range = match [rule.get("min"), rule.get("max")] {
            [None, None] => None,
            ends => match ends.map(|end| end.and_then(Value::as_f64)) {
                [Some(least), Some(most)] => Some([least, most]),
                _ => return Err(format!("{name}: `min` and `max` are two numbers, or neither is there")),
            },
        };
        MetricDeclaration::checked(name, MetricRule { better, range })
    };
    metrics.iter().map(declared).collect::<Result<_, String>>().map_err(wrong)
}

/// Returns the header of a Parquet file with these metrics, in the form in which the reader of score files takes it.
pub fn header<'m>(metrics: impl IntoIterator<Item = (&'m MetricName, &'m MetricRule)>) -> String {
    let entry = |(name, rule): (&MetricName, &MetricRule)| {
        let mut entry = serde_json::Map::new();
        entry.insert("better".into(), rule.better.as_str().into());
        if let Some([least, most]) = rule.range {
            entry.insert("min".into(), least.into());
            entry.insert("max".into(), most.into());
        }
        (name.to_string(), Value::Object(entry))
    };
    Value::Object(metrics.into_iter().map(entry).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_the_rule_of_each_metric() {
        let json = r#"{"hpsv2": {"better": "higher", "min": 0, "max": 1}, "fid": {"better": "lower"}}"#;
        let declared = header_of(json).unwrap();
        assert_eq!(declared, ["hpsv2:higher:0:1", "fid:lower"].map(|text| text.parse().unwrap()));
        assert_eq!(header_of(&header(declared.iter().map(|d| (&d.name, &d.rule)))).unwrap(), declared);
        for wrong in [
            r#"{"a": "higher"}"#,
            r#"{"a": {"better": "up"}}"#,
            r#"{"a": {"better": "lower", "min": 0}}"#,
            "[]",
            r#"{"a": {"better": "lower", "mix": 0}}"#,
        ] {
            assert!(header_of(wrong).unwrap_err().contains("the header is not like"), "{wrong}");
        }
        assert_eq!(comment(&["# msdata: hpsv2 higher 0 1", "", ""]).unwrap().unwrap(), "hpsv2:higher:0:1".parse().unwrap());
        assert!(comment(&["# msdata: hpsv2 higher 0", "1"]).unwrap().unwrap_err().contains("commas"));
        assert!(comment(&["model", "seed"]).is_none());
    }

    #[test]
    fn columns_that_are_no_metric_are_named() {
        let check = |columns: &[&str]| check_columns(columns.iter().copied());
        assert_eq!(check(&["model", "prompt_id", "seed", "hpsv2", "__index_level_0__"]), Ok(()));
        assert_eq!(check(&["model", "prompt_id", "seed", "metric", "value", "HPS v2"]), Ok(()));
        assert!(check(&["model", "prompt_id", "seed"]).unwrap_err().contains("no metric"));
        assert!(check(&["model", "value"]).unwrap_err().contains("`metric`"));
        let said = check(&["model", "prompt_id", "seed", "HPS v2", "clip_t", "control"]).unwrap_err();
        assert!(
            said.contains("`HPS v2` cannot name a metric") && said.contains("`clip_t` is the name of something else"),
            "{said}"
        );
    }
}

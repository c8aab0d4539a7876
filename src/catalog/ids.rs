//! Reads ids and closed sets from SQLite columns: any other text is damage, and an error.

use crate::crop::{Fit, Outside};
use crate::vocabulary::{
    Better, EncoderName, ImageStatus, MetricName, ModelName, PromptId, RegionSetName, SceneType, SubjectId, SubjectKind,
};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

macro_rules! from_text {
    ($($word:ty),+) => {$(
        impl FromSql for $word {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(|e: <$word as std::str::FromStr>::Err| FromSqlError::Other(e.into()))
            }
        }
    )+};
}

from_text!(
    SubjectId,
    PromptId,
    ModelName,
    EncoderName,
    RegionSetName,
    MetricName,
    Better,
    ImageStatus,
    SubjectKind,
    SceneType,
    Fit,
    Outside
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_of_the_set_is_an_error() {
        assert_eq!(SubjectKind::column_result(ValueRef::Text(b"human")).ok(), Some(SubjectKind::Human));
        assert!(SubjectKind::column_result(ValueRef::Text(b"robot")).is_err());
        assert!(SubjectId::column_result(ValueRef::Text(b"")).is_err());
        assert!(Option::<SubjectKind>::column_result(ValueRef::Null).is_ok_and(|kind| kind.is_none()));
    }
}

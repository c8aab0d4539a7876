//! Reads ids and closed sets from SQLite columns: any other text is damage, and an error.

use crate::vocabulary::{EncoderName, ModelName, PromptId, SceneType, SubjectId, SubjectKind};
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

from_text!(SubjectId, PromptId, ModelName, EncoderName, SubjectKind, SceneType);

//! Which encoder decides whether a subject collapsed.

use super::RegionChoice;
use crate::error::{Error, Result};
use crate::text::quote;
use crate::vocabulary::{EncoderName, SubjectKind};

/// Encoders whose names begin like this are DINOv2, for which the thresholds were chosen.
const DINOV2: &str = "dinov2";

/// The encoder that `wanted` names, or else the data set's DINOv2 encoder if it has exactly one, or
/// else its only image encoder.
///
/// # Errors
/// There is no such encoder, or nothing says which of several.
pub fn identity_encoder<'a>(image_encoders: &[&'a str], wanted: Option<&str>) -> Result<&'a str> {
    let list = || image_encoders.join(", ");
    if image_encoders.is_empty() {
        return Err(Error::request(
            "the data set has no image vectors yet, so there is nothing to report",
            "make them with `msdata embed`, or bring them with `msdata ingest --embeddings FILE.parquet`",
        ));
    }
    if let Some(wanted) = wanted {
        return image_encoders.iter().copied().find(|e| *e == wanted).ok_or_else(|| {
            Error::request(format!("the data set has no image encoder `{wanted}`"), format!("it has {}", list()))
        });
    }
    let dinov2: Vec<&str> = image_encoders.iter().copied().filter(|e| is_dinov2(e)).collect();
    match (dinov2[..].as_ref(), image_encoders) {
        ([one], _) | ([], [one]) => Ok(one),
        _ => Err(Error::request(
            format!("several encoders could decide whether a subject collapsed: {}", list()),
            "choose one with `--identity ENCODER`",
        )),
    }
}

/// Whether an encoder is one that the thresholds 0.4, 0.5, 0.6 were chosen for.
pub fn is_dinov2(encoder: &str) -> bool {
    encoder.to_ascii_lowercase().starts_with(DINOV2)
}

/// Whether an encoder's similarity is what the paper calls CLIP-I.
pub fn is_clip(encoder: &str) -> bool {
    encoder.to_ascii_lowercase().starts_with("clip")
}

/// What decides whether a subject is in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// The windows of an encoder.
    Windows(EncoderName),
    /// A region set, by an encoder.
    Regions(RegionChoice),
}

/// What decides, for subjects of one kind after another; `None` stands for every kind that is not named.
pub type Deciders = Vec<(Option<SubjectKind>, Decider)>;

/// Reads what decides, kind by kind: `human=faces:arcface,*=dinov2-small`, or `faces:arcface` for all. `None`: the text is the
/// name of an encoder, which `is_encoder` knows.
///
/// # Errors
/// It is neither, or a kind is named twice.
pub fn deciders(text: &str, is_encoder: impl Fn(&str) -> bool) -> Result<Option<Deciders>> {
    if is_encoder(text) || !text.contains(['=', ':']) {
        return Ok(None);
    }
    let wrong = |what: String| {
        Error::request(what, "write `--identity KIND=SET:ENCODER,*=ENCODER`, such as human=faces:arcface,*=dinov2-small")
    };
    let mut all = Deciders::new();
    for part in text.split(',') {
        let (kind, source) = part.split_once('=').unwrap_or(("*", part));
        let kind = match kind {
            "*" => None,
            kind => Some(kind.parse::<SubjectKind>().map_err(|e| wrong(format!("`--identity`: {e}")))?),
        };
        let decider = match source.contains(':') {
            true => Decider::Regions(source.parse().map_err(|e| wrong(format!("`--identity`: {e}")))?),
            false if is_encoder(source) => {
                Decider::Windows(EncoderName::new(source).map_err(|e| wrong(format!("`--identity`: {e}")))?)
            }
            false => {
                return Err(wrong(format!(
                    "`--identity`: {} is not an encoder of the data set, nor a region set with its encoder",
                    quote(source)
                )));
            }
        };
        if all.iter().any(|(known, _)| *known == kind) {
            let kind = kind.map_or("*", |kind| kind.as_str());
            return Err(wrong(format!("`--identity` says twice what decides for {kind}")));
        }
        all.push((kind, decider));
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dinov2_first_then_the_only_one() {
        assert_eq!(identity_encoder(&["clip", "dinov2-small"], None).unwrap(), "dinov2-small");
        assert_eq!(identity_encoder(&["clip"], None).unwrap(), "clip");
        assert_eq!(identity_encoder(&["clip", "dinov2-small"], Some("clip")).unwrap(), "clip");
        assert!(identity_encoder(&["clip", "dino-vits16"], None).unwrap_err().to_string().contains("clip, dino-vits16"));
        assert!(identity_encoder(&["dinov2-base", "dinov2-small"], None).is_err());
        assert!(identity_encoder(&[], None).is_err());
        assert!(identity_encoder(&["clip"], Some("x")).is_err());
    }

    #[test]
    fn who_decides_by_kind() {
        let known = |name: &str| ["dinov2-small", "odd:name"].contains(&name);
        assert_eq!(deciders("dinov2-small", known).unwrap(), None);
        assert_eq!(deciders("odd:name", known).unwrap(), None);
        let found = deciders("human=faces:arcface,*=dinov2-small", known).unwrap().unwrap();
        let faces = Decider::Regions("faces:arcface".parse().unwrap());
        assert_eq!(found[0], (Some(SubjectKind::Human), faces.clone()));
        assert_eq!(found[1], (None, Decider::Windows(EncoderName::new("dinov2-small").unwrap())));
        assert_eq!(deciders("faces:arcface", known).unwrap(), Some(vec![(None, faces)]));
        for (text, why) in [
            ("robot=faces:arcface", "human, animal, object"),
            ("human=nobody", "not an encoder of the data set"),
            ("human=faces:a,human=faces:b", "twice"),
        ] {
            let error = deciders(text, known).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}

//! Which encoder decides whether a subject collapsed.

use crate::error::{Error, Result};

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

#[cfg(test)]
mod tests {
    use super::identity_encoder;

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
}

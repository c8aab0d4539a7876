//! How the regions of a set are cut out of their images.

use crate::vocabulary::closed_set;
use crate::windows::Rectangle;

closed_set! {
    /// How a cut-out region becomes as large as the encoder's input.
    Fit, "fit" {
        /// It is squashed to that size, whatever its shape: nothing is lost.
        Squash = "squash",
        /// Grey bands make it that shape first: nothing is lost, and its proportions stay.
        Pad = "pad",
        /// As the encoder prepares any image. Most encoders cut the ends of a long region off.
        Encoder = "encoder",
    }
}

closed_set! {
    /// What becomes of the pixels of a region that are outside its mask.
    Outside, "colour" { Black = "black", Grey = "grey", White = "white" }
}

impl Outside {
    /// Its level in all three channels.
    pub fn level(self) -> u8 {
        match self {
            Outside::Black => 0,
            Outside::Grey => GREY,
            Outside::White => 255,
        }
    }
}

/// Level of the bands of [`Fit::Pad`] and of [`Outside::Grey`].
pub const GREY: u8 = 128;

/// How regions are cut out. Part of what their vectors are made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropRule {
    /// Added on each side: a share of the box's longer side, 0 to 10.
    pub margin: f64,
    /// Whether the shorter side grows to the longer one, about the box's centre.
    pub square: bool,
    /// What becomes of the pixels outside the region's mask; `None`: they stay. A region without a mask is not changed.
    pub outside: Option<Outside>,
    /// How the crop becomes as large as the encoder's input.
    pub fit: Fit,
}

impl Default for CropRule {
    fn default() -> Self {
        CropRule { margin: 0.0, square: false, outside: None, fit: Fit::Squash }
    }
}

impl std::fmt::Display for CropRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "margin={}", self.margin)?;
        if self.square {
            f.write_str(",square")?;
        }
        if let Some(outside) = self.outside {
            write!(f, ",outside={outside}")?;
        }
        write!(f, ",fit={}", self.fit)
    }
}

impl std::str::FromStr for CropRule {
    type Err = String;

    /// Reads what the command line takes: `margin=0.25,square,outside=grey,fit=pad`, each of them optional.
    fn from_str(text: &str) -> Result<CropRule, String> {
        let mut rule = CropRule::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word.split_once('=').unwrap_or((word, "")) {
                ("margin", value) => {
                    rule.margin = value.parse().ok().filter(|m| (0.0..=10.0).contains(m)).ok_or_else(|| {
                        format!(
                            "margin {} is not a number from 0 to 10 (a share of the box's longer side)",
                            crate::text::quote(value)
                        )
                    })?;
                }
                ("square", "") => rule.square = true,
                ("outside", value) => rule.outside = Some(value.parse().map_err(|e| format!("{e}"))?),
                ("fit", value) => rule.fit = value.parse().map_err(|e| format!("{e}"))?,
                _ => {
                    return Err(format!(
                        "{} is not one of margin=SHARE, square, outside=COLOUR, fit=squash|pad|encoder",
                        crate::text::quote(word)
                    ));
                }
            }
        }
        Ok(rule)
    }
}

impl CropRule {
    /// Returns the pixels of a box, given as x, y, width and height, in an image of this width and height: with margin,
    /// squared if so ruled, widened to whole pixels and cut to the image. `None` where nothing of it is in the image.
    pub fn rectangle(&self, [x, y, width, height]: [f64; 4], [image_width, image_height]: [u32; 2]) -> Option<Rectangle> {
        let margin = self.margin * width.max(height);
        let (mut wide, mut high) = (width + 2.0 * margin, height + 2.0 * margin);
        let (centre_x, centre_y) = (x + width / 2.0, y + height / 2.0);
        let (mut left, mut top) = (x - margin, y - margin);
        if self.square && wide != high {
            (wide, high) = (wide.max(high), wide.max(high));
            (left, top) = (centre_x - wide / 2.0, centre_y - high / 2.0);
        }
        let span = |from: f64, length: f64, limit: u32| {
            let start = from.floor().clamp(0.0, f64::from(limit)) as u32;
            let end = (from + length).ceil().clamp(0.0, f64::from(limit)) as u32;
            (end > start).then_some((start, end - start))
        };
        let ((x, width), (y, height)) = (span(left, wide, image_width)?, span(top, high, image_height)?);
        Some(Rectangle { x, y, width, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_by_hand() {
        let rule = |text: &str| text.parse::<CropRule>().unwrap();
        let of = |text: &str, bounds| rule(text).rectangle(bounds, [100, 50]).map(|r| [r.x, r.y, r.width, r.height]);
        assert_eq!(of("", [10.0, 20.0, 30.0, 10.0]), Some([10, 20, 30, 10]));
        assert_eq!(of("", [10.2, 20.9, 29.7, 0.2]), Some([10, 20, 30, 2]), "widened to whole pixels");
        assert_eq!(of("margin=0.1", [10.0, 20.0, 30.0, 10.0]), Some([7, 17, 36, 16]));
        assert_eq!(of("square", [10.0, 20.0, 30.0, 10.0]), Some([10, 10, 30, 30]));
        assert_eq!(of("square,margin=1", [-5.0, -5.0, 10.0, 10.0]), Some([0, 0, 15, 15]), "cut to the image");
        assert_eq!(of("", [100.0, 0.0, 5.0, 5.0]), None);
        assert_eq!(of("", [-1e300, 0.0, 5.0, 5.0]), None);
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for text in ["margin=0,fit=squash", "margin=0.25,square,outside=grey,fit=pad"] {
            assert_eq!(text.parse::<CropRule>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("margin=-1", "from 0 to 10"),
            ("round", "is not one of"),
            ("fit=cut", "squash, pad, encoder"),
            ("margin=nan", "from 0 to 10"),
        ] {
            assert!(text.parse::<CropRule>().unwrap_err().contains(why), "{text}");
        }
    }
}

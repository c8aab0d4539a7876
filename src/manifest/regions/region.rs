//! One region: a box, and what is known of what is in it.

use super::super::fields::Fields;
use super::mask::Mask;
use super::outline::Outline;
use crate::text::quote;
use crate::vocabulary::SubjectId;
use serde_json::value::RawValue;

/// One region of an image, as a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRegion {
    /// Its box.
    pub bounds: Bounds,
    /// How sure the detector is, from 0 to 1.
    pub score: Option<f64>,
    /// What the detector says is in it.
    pub label: Option<String>,
    /// Who the detector says is in it.
    pub subject_id: Option<SubjectId>,
    /// Which pixels of the image belong to it.
    pub mask: Option<Mask>,
    /// The outline of what belongs to it, where the file does not say how large its image is. Either this or `mask`.
    pub outline: Option<Outline>,
}

/// A box: x and y of its upper left corner, its width and its height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// In pixels of the upright image.
    Pixels([f64; 4]),
    /// In shares of the upright image's width and height.
    Shares([f64; 4]),
}

/// Shares are written with few digits: an edge given as one lies on the nearest of this many lines per pixel.
const LINES_PER_PIXEL: f64 = 64.0;

impl Bounds {
    /// Returns the box [x, y, width, height] in pixels.
    ///
    /// # Errors
    /// A number is not finite, or the box has no area.
    pub fn pixels(numbers: [f64; 4]) -> Result<Bounds, String> {
        sound(numbers).map(Bounds::Pixels)
    }

    /// Returns the box between two corners in pixels, given as [x1, y1, x2, y2].
    ///
    /// # Errors
    /// A number is not finite, or the second corner is not to the right of and below the first.
    pub fn corners(numbers: [f64; 4]) -> Result<Bounds, String> {
        finite(numbers)?;
        let [x1, y1, x2, y2] = numbers;
        if x2 <= x1 || y2 <= y1 {
            let need = "[x1, y1, x2, y2] needs x1 < x2 and y1 < y2";
            return Err(format!("the box {} has no area: {need}", shown(numbers)));
        }
        Bounds::pixels([x1, y1, distance(x1, x2), distance(y1, y2)])
    }

    /// Returns the box [x, y, width, height] in shares of the image's width and height.
    ///
    /// # Errors
    /// As for [`Bounds::pixels`]; or the box reaches so far out of the image that its numbers cannot be shares.
    pub fn shares(numbers: [f64; 4]) -> Result<Bounds, String> {
        let [x, y, width, height] = sound(numbers)?;
        if [x, y, x + width, y + height].iter().any(|edge| !(-1.0..=2.0).contains(edge)) {
            let what = "shares of the image's width and height are from 0 to 1; are these pixels?";
            return Err(format!("the box {} is far outside the image: {what}", shown(numbers)));
        }
        Ok(Bounds::Shares(numbers))
    }

    /// Returns [x, y, width, height] in pixels of an image of this size, cut to it.
    ///
    /// # Errors
    /// The box lies outside the image.
    pub fn clip(&self, width: u32, height: u32) -> Result<[f64; 4], String> {
        let size = [f64::from(width), f64::from(height)];
        let line = |share: f64, side: f64| (share * side * LINES_PER_PIXEL).round() / LINES_PER_PIXEL;
        let (written, [x, y, w, h]) = match *self {
            Bounds::Pixels(numbers) => (numbers, numbers),
            Bounds::Shares(numbers) => {
                let [x, y, w, h] = numbers;
                let [left, top] = [line(x, size[0]), line(y, size[1])];
                (numbers, [left, top, line(x + w, size[0]) - left, line(y + h, size[1]) - top])
            }
        };
        match (cut(x, w, size[0]), cut(y, h, size[1])) {
            (Some([x, w]), Some([y, h])) => Ok([x, y, w, h]),
            _ => Err(format!("the box {} lies outside the image, which has {width} × {height} pixels", shown(written))),
        }
    }
}

/// Returns start and length of the part of a span that lies between 0 and `limit`; a span within is not touched.
fn cut(start: f64, length: f64, limit: f64) -> Option<[f64; 2]> {
    if start >= 0.0 && length > 0.0 && start + length <= limit {
        return Some([start, length]);
    }
    let (from, to) = (start.max(0.0), (start + length).min(limit));
    (from < to).then(|| [from, distance(from, to)])
}

/// Returns the distance between two edges, never so long that the second would reach into the next pixel.
pub(super) fn distance(from: f64, to: f64) -> f64 {
    let mut length = to - from;
    while length.is_finite() && from + length > to {
        length = length.next_down();
    }
    length
}

fn finite(numbers: [f64; 4]) -> Result<(), String> {
    match numbers.iter().all(|n| n.is_finite()) {
        true => Ok(()),
        false => Err(format!("the box {} has a number that is not finite", shown(numbers))),
    }
}

fn sound(numbers: [f64; 4]) -> Result<[f64; 4], String> {
    finite(numbers)?;
    if numbers[2] <= 0.0 || numbers[3] <= 0.0 {
        return Err(format!("the box {} has no area: its width and height must be above 0", shown(numbers)));
    }
    Ok(numbers)
}

fn shown(numbers: [f64; 4]) -> String {
    let number = |n: &f64| if n.abs() < 1e9 { n.to_string() } else { format!("{n:e}") };
    format!("[{}]", numbers.iter().map(number).collect::<Vec<_>>().join(", "))
}

impl FoundRegion {
    /// Returns a region of which only its box is known.
    pub fn new(bounds: Bounds) -> FoundRegion {
        FoundRegion { bounds, score: None, label: None, subject_id: None, mask: None, outline: None }
    }

    /// Returns the mask of the region in an image of this size.
    ///
    /// # Errors
    /// The mask is of an image of another size, or no pixel lies within the outline.
    pub fn mask_in(&self, width: u32, height: u32) -> Result<Option<Mask>, String> {
        match (&self.mask, &self.outline) {
            (Some(mask), _) => {
                mask.fits(width, height)?;
                Ok(Some(mask.clone()))
            }
            (None, Some(outline)) => outline.draw(width, height).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Reads a region as the canonical file writes it: `box`, and perhaps `score`, `label`, `subject_id`, `mask`.
    pub(super) fn from_fields(fields: &Fields<'_>) -> Result<FoundRegion, String> {
        let bounds = Bounds::pixels(fields.numbers("box")?).map_err(|e| format!("`box`: {e}"))?;
        let subject_id = fields.optional_text("subject_id")?.map(SubjectId::new).transpose();
        Ok(FoundRegion {
            score: score(fields.optional_number("score")?)?,
            label: label(fields.optional_text("label")?),
            subject_id: subject_id.map_err(|e| format!("`subject_id` {e}"))?,
            mask: fields.optional_raw("mask").map(Mask::from_json).transpose().map_err(|e| format!("`mask` {e}"))?,
            ..FoundRegion::new(bounds)
        })
    }
}

/// The keys of a region of the canonical file.
pub(super) const KEYS: [&str; 5] = ["box", "score", "label", "subject_id", "mask"];

/// Reads a list of regions as the canonical file and generations manifests have it; keys that are not read are put in
/// `unread`, as `regions.KEY`.
///
/// # Errors
/// It is not a list. What is wrong with a region is in its place.
pub(super) fn list_of(json: &str, unread: &mut Vec<String>) -> Result<Vec<Result<FoundRegion, String>>, String> {
    let entries: Vec<&RawValue> = serde_json::from_str(json)
        .map_err(|_| format!("must be a list of regions, {{\"box\": [x, y, w, h], …}}, not {}", quote(json)))?;
    let mut read = |entry: &RawValue| {
        let fields = Fields::from_json(entry.get())?;
        let unknown = fields.0.iter().filter(|(name, _)| !KEYS.contains(&name.as_ref()));
        unread.extend(unknown.map(|(name, _)| format!("regions.{name}")));
        FoundRegion::from_fields(&fields)
    };
    Ok(entries.into_iter().map(&mut read).collect())
}

/// Most faults that are named of one list of regions.
const MOST_FAULTS: usize = 5;

/// Reads the `regions` of a generations manifest; keys that are not read are put in `unread`, as `regions.KEY`.
///
/// # Errors
/// It is not a list of regions; what is said follows the name of the column.
pub fn regions_of(json: &str, unread: &mut Vec<String>) -> Result<Vec<FoundRegion>, String> {
    let (mut sound, mut faults) = (Vec::new(), Vec::new());
    for (i, region) in list_of(json, unread).map_err(|e| format!(" {e}"))?.into_iter().enumerate() {
        match region {
            Ok(region) => sound.push(region),
            Err(reason) => faults.push(format!("region {}: {reason}", i + 1)),
        }
    }
    let further = faults.len().saturating_sub(MOST_FAULTS);
    faults.truncate(MOST_FAULTS);
    faults.extend((further > 0).then(|| format!("{further} more")));
    if faults.is_empty() { Ok(sound) } else { Err(format!(": {}", faults.join("; "))) }
}

/// Returns a score, if it is one.
pub(super) fn score(score: Option<f64>) -> Result<Option<f64>, String> {
    match score {
        Some(score) if !(0.0..=1.0).contains(&score) => Err(format!("the score {score} is not between 0 and 1")),
        score => Ok(score),
    }
}

/// Returns a label; a blank one says nothing.
pub(super) fn label(label: Option<String>) -> Option<String> {
    label.filter(|l| !l.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_cut_to_their_image() {
        let cut = |numbers| Bounds::pixels(numbers).unwrap().clip(64, 48);
        assert_eq!(cut([10.25, 20.5, 17.0, 9.0]), Ok([10.25, 20.5, 17.0, 9.0]));
        assert_eq!(cut([-5.0, -5.0, 10.0, 100.0]), Ok([0.0, 0.0, 5.0, 48.0]));
        assert_eq!(cut([-1e300, -1e300, 2e300, 2e300]), Ok([0.0, 0.0, 64.0, 48.0]));
        for outside in [[64.0, 0.0, 5.0, 5.0], [-5.0, 0.0, 5.0, 5.0], [0.0, 48.0, 1.0, 1.0], [1e300, 0.0, 1.0, 1.0]] {
            let said = cut(outside).unwrap_err();
            assert!(said.contains("outside the image, which has 64 × 48 pixels"), "{said}");
        }
        let share = |numbers| Bounds::shares(numbers).unwrap().clip(64, 48);
        assert_eq!(share([0.15625, 0.416667, 0.265625, 0.1875]), Ok([10.0, 20.0, 17.0, 9.0]), "six digits are enough");
        assert_eq!(share([0.0, 0.0, 1.0, 1.0]), Ok([0.0, 0.0, 64.0, 48.0]));
        assert_eq!(share([-0.1, 0.5, 0.3, 0.6]), Ok([0.0, 24.0, 12.796875, 24.0]), "an edge lies on a line: 64 a pixel");
        assert!(share([1.1, 0.0, 0.2, 0.2]).is_err());
        // Nothing of a box is left when less than a line of it lies within.
        assert!(share([0.5, 0.5, 0.00001, 0.5]).is_err());
    }

    #[test]
    fn a_box_ends_where_its_second_corner_is() {
        let mut differs = 0;
        for i in 1..20_000 {
            // Of a box that begins far outside, its width has fewer digits after the point than its second corner.
            let (x1, x2) = (f64::from(i) * -0.0137, f64::from(1 + i % 50));
            let [x, _, w, _] = Bounds::corners([x1, 0.0, x2, 1.0]).unwrap().clip(64, 1).unwrap();
            assert_eq!((x, (x + w).ceil()), (0.0, x2), "{x1}");
            differs += u32::from(x1 + (x2 - x1) > x2);
        }
        assert!(differs > 1_000, "{differs} corners would have reached into the next pixel");
    }

    #[test]
    fn numbers_that_are_no_box() {
        let said = |bounds: Result<Bounds, String>| bounds.unwrap_err();
        assert!(said(Bounds::pixels([0.0, 0.0, 0.0, 5.0])).contains("[0, 0, 0, 5] has no area"));
        assert!(said(Bounds::pixels([0.0, 0.0, 5.0, -5.0])).contains("no area"));
        assert!(said(Bounds::pixels([f64::NAN, 0.0, 5.0, 5.0])).contains("not finite"));
        assert!(said(Bounds::corners([10.0, 0.0, 5.0, 5.0])).contains("[10, 0, 5, 5] has no area: [x1, y1, x2, y2] needs"));
        assert!(said(Bounds::corners([0.0, 0.0, f64::INFINITY, 5.0])).contains("not finite"));
        assert!(said(Bounds::corners([-1.7e308, 0.0, 1.7e308, 5.0])).contains("not finite"), "its width is not");
        assert!(said(Bounds::shares([10.0, 20.0, 17.0, 9.0])).contains("are these pixels?"));
    }
}

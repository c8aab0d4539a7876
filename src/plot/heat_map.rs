//! A heat map: a value for each pair of a row and a column, as a colour and as a number.

use super::canvas::{Anchor, Area, Canvas, fitted, number, text_width};
use super::style::{Ink, Stroke};
use super::{LABEL, TICK};

/// Rows by columns; the higher a value the better. The colour runs from dark (low) to light (high) with steadily rising lightness, so that it
/// reads in grey; the number stands in every cell.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What the numbers are.
    pub label: String,
    pub columns: Vec<String>,
    /// Name, and a value for each column.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
    /// What a click on a cell shows in the page's gallery.
    pub queries: Option<HeatQueries>,
}

/// A query for each column and for each row; that of a cell is both.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatQueries {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
}

/// The ends and the middle of the colours: Okabe and Ito's blue, darkened, towards white.
const RAMP: [[f64; 3]; 3] = [[8.0, 48.0, 107.0], [86.0, 160.0, 206.0], [247.0, 251.0, 255.0]];

const ROW: f64 = 10.0;

impl HeatMap {
    pub fn draw(&self, canvas: &mut Canvas, width: f64, top: f64) -> f64 {
        let widest = self.rows.iter().map(|(name, _)| text_width(name, TICK, false)).fold(0.0, f64::max);
        let left = widest.min(width * 0.45) + 4.0;
        let columns = self.columns.len().max(1) as f64;
        let cell = (width - left) / columns;
        let head = top + LABEL + 2.0;
        for (i, name) in self.columns.iter().enumerate() {
            let x = left + cell * (i as f64 + 0.5);
            canvas.text((x, head), Anchor::Middle, LABEL, Ink::Text, true, &fitted(name, LABEL * 1.12, cell - 2.0));
        }
        let values = || self.rows.iter().flat_map(|(_, values)| values.iter().flatten()).copied();
        let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let share = |value: f64| if high > low { (value - low) / (high - low) } else { 0.5 };
        let mut y = head + 5.0;
        for (at, (name, row)) in self.rows.iter().enumerate() {
            canvas.text((left - 4.0, y + ROW * 0.72), Anchor::End, TICK, Ink::Text, false, &fitted(name, TICK, left - 4.0));
            for (i, value) in row.iter().enumerate() {
                let area = Area { x: left + cell * i as f64, y, width: cell, height: ROW };
                let middle = (area.x + cell / 2.0, y + ROW * 0.72);
                match value {
                    Some(value) => {
                        let colour = shade(share(*value));
                        let show = self.queries.as_ref().map(|of| format!("{}&{}", of.columns[i], of.rows[at]));
                        canvas.begin_showing(&format!("{name}, {}: {}", self.columns[i], number(*value)), show.as_deref());
                        canvas.rect(area, Some(Ink::Fixed(colour)), Some(Stroke::solid(Ink::Surface, 0.5)));
                        canvas.text(middle, Anchor::Middle, TICK, Ink::Fixed(over(colour)), false, &format!("{value:.2}"));
                        canvas.end();
                    }
                    None => canvas.text(middle, Anchor::Middle, TICK, Ink::Muted, false, "–"),
                }
            }
            y += ROW;
        }
        if values().next().is_some() {
            y = self.key(canvas, Area { x: left, y: y + 6.0, width: width - left, height: 5.0 }, low, high);
        }
        y + 3.0
    }

    /// The scale of the colours; where it ended.
    fn key(&self, canvas: &mut Canvas, area: Area, low: f64, high: f64) -> f64 {
        const STEPS: usize = 24;
        let step = area.width / STEPS as f64;
        for k in 0..STEPS {
            let part = Area { x: area.x + step * k as f64, width: step + 0.2, ..area };
            canvas.rect(part, Some(Ink::Fixed(shade((k as f64 + 0.5) / STEPS as f64))), None);
        }
        let y = area.y + area.height + TICK + 1.5;
        let ends = [format!("{low:.2} worst"), format!("best {high:.2}")];
        canvas.text((area.x, y), Anchor::Start, TICK, Ink::Muted, false, &ends[0]);
        canvas.text((area.x + area.width, y), Anchor::End, TICK, Ink::Muted, false, &ends[1]);
        // The words stand between the ends where they fit, else below them.
        let room = area.width - ends.iter().map(|end| text_width(end, TICK, false)).sum::<f64>() - 8.0;
        let (below, room) = if text_width(&self.label, TICK, false) <= room { (y, room) } else { (y + TICK + 2.0, area.width) };
        let middle = (area.x + area.width / 2.0, below);
        canvas.text(middle, Anchor::Middle, TICK, Ink::Muted, false, &fitted(&self.label, TICK, room));
        below
    }
}

/// The colour of a value at `share` of the way from the lowest to the highest.
fn shade(share: f64) -> [u8; 3] {
    let at = share.clamp(0.0, 1.0) * 2.0;
    let (from, to, t) = if at < 1.0 { (RAMP[0], RAMP[1], at) } else { (RAMP[1], RAMP[2], at - 1.0) };
    [0, 1, 2].map(|c| (from[c] + (to[c] - from[c]) * t).round() as u8)
}

/// Black or white, whichever is read more easily over a colour (relative luminance of WCAG 2.2).
fn over(colour: [u8; 3]) -> [u8; 3] {
    let linear = colour.map(|c| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    // Where the contrasts with black and with white are equal.
    if luminance > 0.179 { [0; 3] } else { [255; 3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_rises_with_the_value() {
        let grey = |share| shade(share).iter().map(|c| u32::from(*c)).sum::<u32>();
        assert!((0..20).all(|k| grey(f64::from(k) / 20.0) < grey(f64::from(k + 1) / 20.0)));
        assert_eq!((over(shade(0.0)), over(shade(1.0))), ([255; 3], [0; 3]));
    }
}

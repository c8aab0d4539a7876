//! A radar: several measures of each model on spokes of one common scale.

use super::TICK;
use super::canvas::{Anchor, Canvas, text_width};
use super::style::{Ink, Look, Stroke};
use super::{LABEL, MARKER};
use std::f64::consts::TAU;

/// Models over measures. All spokes have the same scale from 0, so that areas are not an artefact of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Radar {
    /// The spokes; three or more.
    pub measures: Vec<String>,
    /// Name, look, and a value for each spoke; `None`: not measured, and the outline has a gap.
    pub models: Vec<(String, Look, Vec<Option<f64>>)>,
}

impl Radar {
    pub fn draw(&self, canvas: &mut Canvas, width: f64, top: f64) -> f64 {
        let beside = self.measures.iter().map(|m| text_width(m, LABEL, false)).fold(0.0, f64::max);
        let radius = ((width - 2.0 * beside - 16.0) / 2.0).min(width * 0.34);
        let centre = (width / 2.0, top + radius + LABEL + 8.0);
        let most = self.models.iter().flat_map(|(_, _, values)| values.iter().flatten()).copied().fold(0.2, f64::max);
        let rings = (most / 0.2).ceil() as usize;
        let scale = rings as f64 * 0.2;
        let spoke = |i: usize, value: f64| {
            let angle = TAU * i as f64 / self.measures.len() as f64 - TAU / 4.0;
            (centre.0 + radius * value / scale * angle.cos(), centre.1 + radius * value / scale * angle.sin())
        };
        for ring in 1..=rings {
            let corners: Vec<_> = (0..self.measures.len()).map(|i| spoke(i, ring as f64 * 0.2)).collect();
            canvas.path(&corners, true, None, Some(Stroke::solid(Ink::Grid, 0.5)));
        }
        for (i, measure) in self.measures.iter().enumerate() {
            let (x, y) = spoke(i, scale);
            canvas.line(centre, (x, y), Stroke::solid(Ink::Grid, 0.5));
            let (dx, dy) = (x - centre.0, y - centre.1);
            let anchor = if dx.abs() < 1.0 {
                Anchor::Middle
            } else if dx > 0.0 {
                Anchor::Start
            } else {
                Anchor::End
            };
            let x = x + if dx.abs() < 1.0 { 0.0 } else { 4.0 * dx.signum() };
            let y = y + if dy < -1.0 {
                -4.0
            } else if dy > 1.0 {
                LABEL + 3.0
            } else {
                LABEL * 0.36
            };
            canvas.text((x, y), anchor, LABEL, Ink::Text, false, measure);
        }
        for (name, look, values) in &self.models {
            let corners: Vec<_> = values.iter().enumerate().filter_map(|(i, v)| Some(spoke(i, (*v)?.max(0.0)))).collect();
            canvas.begin(name);
            canvas.path(&corners, corners.len() == self.measures.len(), None, Some(look.stroke()));
            corners.iter().for_each(|corner| look.marker(canvas, *corner, MARKER));
            canvas.end();
        }
        // Last, so that no outline runs through them: in the gap between the first two spokes.
        let angle = TAU * 0.5 / self.measures.len() as f64 - TAU / 4.0;
        let inner = (TAU * 0.5 / self.measures.len() as f64).cos();
        for ring in 1..=rings {
            let value = ring as f64 * 0.2;
            let r = radius * value / scale * inner;
            let at = (centre.0 + r * angle.cos(), centre.1 + r * angle.sin() + TICK * 0.36);
            let text = format!("{value:.1}");
            let w = text_width(&text, TICK, false) + 2.0;
            let behind = super::canvas::Area { x: at.0 - w / 2.0, y: at.1 - TICK * 0.86, width: w, height: TICK + 1.0 };
            canvas.rect(behind, Some(Ink::Surface), None);
            canvas.text(at, Anchor::Middle, TICK, Ink::Muted, false, &text);
        }
        centre.1 + radius + LABEL + 6.0
    }
}

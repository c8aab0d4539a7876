//! A chart: points of several series over two axes, joined by lines or not, with intervals.

use super::axis::Axis;
use super::canvas::{Anchor, Area, Canvas, text_width};
use super::style::{Ink, Look, Stroke};
use super::{LABEL, MARKER, TICK};

/// A value of a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlotPoint {
    pub x: f64,
    pub y: f64,
    /// Of the measured value: of y, or of x in a chart whose rows are named.
    pub interval: Option<[f64; 2]>,
    /// Whether a marker is drawn.
    pub marked: bool,
    /// Written beside the marker.
    pub label: Option<String>,
    /// What a click shows in the page's gallery.
    pub show: Option<String>,
}

/// The values of one model, control or chance.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub look: Look,
    pub points: Vec<PlotPoint>,
}

/// Which way the measured value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upright {
    /// Values on the vertical axis, names on the horizontal one.
    Values,
    /// Values on the horizontal axis, names on the vertical one: room for long names.
    Names,
}

/// Series over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub upright: Upright,
    /// Whether the points of a series are joined.
    pub joined: bool,
    /// Points between neighbouring series at the same place, so that their intervals do not hide each other.
    pub dodge: f64,
    /// Height of the plotted area over its width.
    pub aspect: f64,
}

/// Space above the plotted area for the label of the upright axis.
const HEAD: f64 = LABEL + 5.0;

impl Chart {
    /// Draws from `top` on; where it ended.
    pub fn draw(&self, canvas: &mut Canvas, width: f64, top: f64) -> f64 {
        let names = self.y.ticks.iter().map(|(_, name)| text_width(name, TICK, false));
        let left = names.fold(0.0, f64::max) + 6.0;
        let last = self.x.ticks.last().map_or(0.0, |(_, name)| text_width(name, TICK, false) / 2.0);
        let plot = Area { x: left, y: top + HEAD, width: width - left - last.max(5.0) - 1.0, height: 0.0 };
        let plot = Area { height: plot.width * self.aspect, ..plot };
        let frame = PlotFrame { chart: self, plot };
        canvas.text((0.0, top + LABEL), Anchor::Start, LABEL, Ink::Text, true, &self.y.label);
        frame.axes(canvas);
        // Lines first, then intervals, then markers, so that no model's line runs over another's marker.
        for (i, series) in self.series.iter().enumerate() {
            if self.joined && series.points.len() > 1 {
                let points: Vec<_> = series.points.iter().map(|p| frame.at(i, p)).collect();
                canvas.begin(&series.name);
                canvas.path(&points, false, None, Some(series.look.stroke()));
                canvas.end();
            }
        }
        for series in self.series.iter().filter(|s| !self.joined && s.look == Look::Chance) {
            for point in &series.points {
                let y = frame.y(point.y);
                canvas.line((frame.x(point.x - 0.42), y), (frame.x(point.x + 0.42), y), series.look.stroke());
            }
        }
        for (i, series) in self.series.iter().enumerate() {
            series.points.iter().for_each(|point| frame.interval(canvas, i, series.look, point));
        }
        for (i, series) in self.series.iter().enumerate() {
            for point in series.points.iter().filter(|p| p.marked) {
                canvas.begin_showing(&self.spoken(series, point), point.show.as_deref());
                series.look.marker(canvas, frame.at(i, point), MARKER);
                canvas.end();
            }
        }
        frame.labels(canvas);
        let below = plot.y + plot.height + TICK + 4.0;
        let label_at = (plot.x + plot.width / 2.0, below + LABEL + 1.5);
        canvas.text(label_at, Anchor::Middle, LABEL, Ink::Text, false, &self.x.label);
        label_at.1 + 4.0
    }

    /// A point in words, shown where the pointer rests.
    fn spoken(&self, series: &Series, point: &PlotPoint) -> String {
        let name = |axis: &Axis, value: f64| {
            let tick = axis.ticks.iter().find(|(at, _)| (at - value).abs() < 1e-9 && axis.range[0] < axis.ticks[0].0);
            tick.map_or_else(|| format!("{value:.3}"), |(_, name)| name.clone())
        };
        let interval = point.interval.map_or(String::new(), |[low, high]| format!(" [{low:.3}, {high:.3}]"));
        format!("{}: {}, {}{interval}", series.name, name(&self.x, point.x), name(&self.y, point.y))
    }
}

/// A chart on its place.
struct PlotFrame<'a> {
    chart: &'a Chart,
    plot: Area,
}

impl PlotFrame<'_> {
    fn x(&self, value: f64) -> f64 {
        self.chart.x.place(value, self.plot.x, self.plot.x + self.plot.width)
    }

    fn y(&self, value: f64) -> f64 {
        match self.chart.upright {
            Upright::Values => self.chart.y.place(value, self.plot.y + self.plot.height, self.plot.y),
            Upright::Names => self.chart.y.place(value, self.plot.y, self.plot.y + self.plot.height),
        }
    }

    fn at(&self, series: usize, point: &PlotPoint) -> (f64, f64) {
        let beside = self.chart.series.iter().filter(|s| s.look != Look::Chance).count();
        let middle = (beside as f64 - 1.0) / 2.0;
        let alone = self.chart.series[series].look == Look::Chance;
        let aside = if alone { 0.0 } else { (series as f64 - middle) * self.chart.dodge };
        match self.chart.upright {
            Upright::Values => (self.x(point.x) + aside, self.y(point.y)),
            Upright::Names => (self.x(point.x), self.y(point.y) + aside),
        }
    }

    fn axes(&self, canvas: &mut Canvas) {
        let Area { x, y, width, height } = self.plot;
        let (grid, axis) = (Stroke::solid(Ink::Grid, 0.5), Stroke::solid(Ink::Muted, 0.6));
        for (value, name) in &self.chart.y.ticks {
            let at = self.y(*value);
            canvas.line((x, at), (x + width, at), grid);
            canvas.text((x - 4.0, at + TICK * 0.36), Anchor::End, TICK, Ink::Muted, false, name);
        }
        let mut free_from = f64::NEG_INFINITY;
        for (value, name) in &self.chart.x.ticks {
            let at = self.x(*value);
            canvas.line((at, y + height), (at, y + height + 2.0), axis);
            if self.chart.upright == Upright::Names {
                canvas.line((at, y), (at, y + height), grid);
            }
            let half = text_width(name, TICK, false) / 2.0;
            if at - half > free_from {
                canvas.text((at, y + height + TICK + 3.0), Anchor::Middle, TICK, Ink::Muted, false, name);
                free_from = at + half + 2.0;
            }
        }
        canvas.line((x, y + height), (x + width, y + height), axis);
    }

    fn interval(&self, canvas: &mut Canvas, series: usize, look: Look, point: &PlotPoint) {
        let Some([low, high]) = point.interval else { return };
        let end = |value: f64| match self.chart.upright {
            Upright::Values => self.at(series, &PlotPoint { y: value, ..point.clone() }),
            Upright::Names => self.at(series, &PlotPoint { x: value, ..point.clone() }),
        };
        canvas.line(end(low), end(high), Stroke::solid(look.ink(), 0.8));
    }

    /// Small areas along every line.
    fn traces(&self) -> Vec<Area> {
        let mut areas = Vec::new();
        for (i, series) in self.chart.series.iter().enumerate().filter(|_| self.chart.joined) {
            for pair in series.points.windows(2) {
                let (from, to) = (self.at(i, &pair[0]), self.at(i, &pair[1]));
                let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 2.0).ceil().max(1.0);
                areas.extend((0..=steps as usize).map(|k| {
                    let t = k as f64 / steps;
                    around((from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t), 0.7)
                }));
            }
        }
        areas
    }

    /// Labels of points, each where it covers no marker and no other label, and no line if there is such a place.
    fn labels(&self, canvas: &mut Canvas) {
        let every = || self.chart.series.iter().enumerate().flat_map(|(i, s)| s.points.iter().map(move |p| (i, p)));
        let mut taken: Vec<Area> = every().filter(|(_, p)| p.marked).map(|(i, p)| around(self.at(i, p), MARKER)).collect();
        let lines = self.traces();
        for (i, point) in every() {
            let Some(label) = &point.label else { continue };
            let (x, y) = self.at(i, point);
            let (w, h) = (text_width(label, TICK, false), TICK);
            let (gap, inside) = (MARKER + 1.5, self.plot);
            let corners = [
                (x + gap, y - h / 2.0),
                (x - gap - w, y - h / 2.0),
                (x - w / 2.0, y - gap - h),
                (x - w / 2.0, y + gap),
                (x + gap, y - gap - h),
                (x - gap - w, y - gap - h),
                (x + gap, y + gap),
                (x - gap - w, y + gap),
            ];
            let areas = corners.map(|(x, y)| Area { x, y, width: w, height: h });
            let fits = |a: &&Area| {
                let within = a.x >= inside.x && a.x + w <= inside.x + inside.width;
                within && a.y >= inside.y - 4.0 && a.y + h <= inside.y + inside.height && !taken.iter().any(|t| t.overlaps(a))
            };
            let clear = |a: &&Area| fits(a) && !lines.iter().any(|t| t.overlaps(a));
            // Where none is free, the point stays without: its marker still says whose it is.
            if let Some(area) = areas.iter().find(clear).or_else(|| areas.iter().find(fits)) {
                canvas.text((area.x, area.y + h * 0.82), Anchor::Start, TICK, Ink::Text, false, label);
                taken.push(*area);
            }
        }
    }
}

fn around((x, y): (f64, f64), radius: f64) -> Area {
    Area { x: x - radius, y: y - radius, width: 2.0 * radius, height: 2.0 * radius }
}

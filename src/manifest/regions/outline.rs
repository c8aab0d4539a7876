//! Outlines: polygons that hold a region, which a file gives in place of a mask.

use super::mask::{MOST_PIXELS, Mask};
use super::region::{Bounds, distance};

/// Most points of an outline.
const MOST_POINTS: usize = 10_000;

/// Most columns × points that are looked at to draw an outline.
const MOST_CROSSINGS: u64 = 1_000_000_000;

/// The outline of a region: one or more polygons, whose union it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Each has three points or more.
    polygons: Vec<Vec<[f64; 2]>>,
    in_shares: bool,
}

impl Outline {
    /// Returns the outline of these polygons, whose points (x, y) are in pixels.
    ///
    /// # Errors
    /// There is no polygon, one has fewer than three points, there are too many points, or a number is not finite.
    pub fn pixels(polygons: Vec<Vec<[f64; 2]>>) -> Result<Outline, String> {
        Outline::new(polygons, false)
    }

    /// Returns the outline of these polygons, whose points (x, y) are in shares of the image's width and height.
    ///
    /// # Errors
    /// As for [`Outline::pixels`].
    pub fn shares(polygons: Vec<Vec<[f64; 2]>>) -> Result<Outline, String> {
        Outline::new(polygons, true)
    }

    fn new(polygons: Vec<Vec<[f64; 2]>>, in_shares: bool) -> Result<Outline, String> {
        if polygons.is_empty() || polygons.iter().any(|p| p.len() < 3) {
            return Err("the outline has a polygon of fewer than three points".into());
        }
        let points: usize = polygons.iter().map(Vec::len).sum();
        if points > MOST_POINTS {
            return Err(format!("the outline has {points} points; {MOST_POINTS} can be read"));
        }
        if polygons.iter().flatten().flatten().any(|n| !n.is_finite()) {
            return Err("the outline has a number that is not finite".into());
        }
        Ok(Outline { polygons, in_shares })
    }

    /// Returns the smallest box that holds the outline.
    ///
    /// # Errors
    /// As for [`Bounds::pixels`] and [`Bounds::shares`].
    pub fn bounds(&self) -> Result<Bounds, String> {
        let ends = |axis: usize| {
            let values = self.polygons.iter().flatten().map(|point| point[axis]);
            values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], n| [low.min(n), high.max(n)])
        };
        let ([left, right], [top, bottom]) = (ends(0), ends(1));
        let numbers = [left, top, distance(left, right), distance(top, bottom)];
        if self.in_shares { Bounds::shares(numbers) } else { Bounds::pixels(numbers) }
    }

    /// Returns the mask of the pixels whose centres lie within the outline. Where a polygon crosses itself, what it goes
    /// round twice is outside.
    ///
    /// # Errors
    /// No pixel's centre is within, or the image is too large for so many points.
    pub fn draw(&self, width: u32, height: u32) -> Result<Mask, String> {
        let points: usize = self.polygons.iter().map(Vec::len).sum();
        if u64::from(width) * points as u64 > MOST_CROSSINGS || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(format!("an outline of {points} points cannot be drawn on an image of {width} × {height} pixels"));
        }
        let scale = if self.in_shares { [f64::from(width), f64::from(height)] } else { [1.0, 1.0] };
        let (mut counts, mut drawn) = (vec![0_u32], 0_u32);
        for x in 0..width {
            for [from, to] in self.spans(f64::from(x) + 0.5, scale, height) {
                let [from, to] = [x * height + from, x * height + to];
                counts.extend([from - drawn, to - from]);
                drawn = to;
            }
        }
        counts.extend([width * height - drawn]);
        // The first run is of length 0, and the next one outside again: `from_counts` joins them.
        counts.insert(1, 0);
        Mask::from_counts(width, height, &counts).map_err(|_| "no pixel's centre lies within the outline".into())
    }

    /// Returns which pixels of a column lie within, as ascending spans that do not touch.
    fn spans(&self, x: f64, scale: [f64; 2], height: u32) -> Vec<[u32; 2]> {
        let mut spans: Vec<[u32; 2]> = Vec::new();
        for polygon in &self.polygons {
            let ends = polygon.iter().zip(polygon.iter().cycle().skip(1));
            let crossing = |(a, b): (&[f64; 2], &[f64; 2])| {
                let ([ax, ay], [bx, by]) = ([a[0] * scale[0], a[1] * scale[1]], [b[0] * scale[0], b[1] * scale[1]]);
                ((ax <= x) != (bx <= x)).then(|| ay + (x - ax) / (bx - ax) * (by - ay))
            };
            let mut crossings: Vec<f64> = ends.filter_map(crossing).collect();
            crossings.sort_by(f64::total_cmp);
            // The first pixel whose centre lies at or below y.
            let pixel = |y: f64| (y - 0.5).ceil().clamp(0.0, f64::from(height)) as u32;
            spans.extend(crossings.chunks_exact(2).map(|pair| [pixel(pair[0]), pixel(pair[1])]).filter(|[from, to]| from < to));
        }
        spans.sort_unstable();
        let mut joined: Vec<[u32; 2]> = Vec::new();
        for [from, to] in spans {
            match joined.last_mut() {
                Some(last) if from <= last[1] => last[1] = last[1].max(to),
                _ => joined.push([from, to]),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::super::mask::tests::of_pixels;
    use super::*;

    #[test]
    fn outlines_hold_the_pixels_whose_centres_they_hold() {
        let rectangle = |x: f64, y: f64, w: f64, h: f64| vec![[x, y], [x + w, y], [x + w, y + h], [x, y + h]];
        let drawn = |polygons: Vec<Vec<[f64; 2]>>| Outline::pixels(polygons).unwrap().draw(64, 48);
        let expected = of_pixels(64, 48, |x, y| (10..27).contains(&x) && (20..29).contains(&y));
        assert_eq!(drawn(vec![rectangle(10.0, 20.0, 17.0, 9.0)]), expected);
        assert_eq!(drawn(vec![rectangle(9.6, 20.4, 17.0, 9.0)]), expected);
        // Two that overlap are their union, and what lies outside is cut off.
        assert_eq!(drawn(vec![rectangle(10.0, 20.0, 10.0, 9.0), rectangle(15.0, 20.0, 12.0, 9.0)]), expected);
        let corner = of_pixels(64, 48, |x, y| x < 3 && y < 2);
        assert_eq!(drawn(vec![rectangle(-50.0, -1e9, 53.0, 1e9 + 2.0)]), corner);
        let shares = Outline::shares(vec![rectangle(10.0 / 64.0, 20.0 / 48.0, 17.0 / 64.0, 9.0 / 48.0)]).unwrap();
        assert_eq!(shares.draw(64, 48), expected);
        let circle = (0..720).map(|i| f64::from(i).to_radians() / 2.0).map(|a| [32.0 + 20.0 * a.cos(), 24.0 + 20.0 * a.sin()]);
        let area = drawn(vec![circle.collect()]).unwrap().area() as f64;
        assert!((area - std::f64::consts::PI * 400.0).abs() < 12.0, "{area}");
        assert!(drawn(vec![rectangle(100.0, 0.0, 5.0, 5.0)]).is_err());
        assert!(drawn(vec![rectangle(10.6, 20.6, 0.3, 9.0)]).unwrap_err().contains("no pixel"));
        assert!(Outline::pixels(vec![vec![[0.0, 0.0], [1.0, 1.0]]]).is_err());
        assert!(Outline::pixels(vec![rectangle(f64::NAN, 0.0, 1.0, 1.0)]).is_err());
        assert!(Outline::pixels(vec![vec![[0.0, 0.0]; 10_001]]).is_err());
        let many = (0..10_000).map(|i| [f64::from(i % 2) * 1e5, f64::from(i)]).collect();
        assert!(Outline::pixels(vec![many]).unwrap().draw(1_000_000, 1).is_err());
    }
}

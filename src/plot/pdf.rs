//! A figure as PDF: its paths, with letters as outlines, on one page of the figure's size. The same figure gives the same
//! bytes: there is no date in the file.

use crate::text::plain;
use resvg::tiny_skia::{PathSegment, Point, Transform};
use resvg::usvg;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Returns the document; `size` is in points. Every colour of our figures is plain and opaque.
///
/// # Errors
/// Packing fails (it would be a fault of ours).
pub fn pdf(tree: &usvg::Tree, [width, height]: [f64; 2], title: &str) -> io::Result<Vec<u8>> {
    let scale = width / f64::from(tree.size().width());
    // PDF counts upwards from the lower edge.
    let mut content = format!("{} 0 0 {} 0 {} cm\n", short(scale), short(-scale), short(height));
    group(tree.root(), &mut content);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(content.as_bytes())?;
    let packed = packed.finish()?;
    let [width, height] = [width, height].map(short);
    let title: String = plain(title).encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    let mut document = Document { bytes: b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n".to_vec(), offsets: Vec::new() };
    document.object(b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /DisplayDocTitle true >> >>");
    document.object(b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    let page = format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Resources << >> /Contents 4 0 R >>");
    document.object(page.as_bytes());
    let mut stream = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", packed.len()).into_bytes();
    stream.extend(&packed);
    stream.extend(b"\nendstream");
    document.object(&stream);
    document.object(format!("<< /Title <FEFF{title}> /Producer (msdata) >>").as_bytes());
    Ok(document.finish())
}

struct Document {
    bytes: Vec<u8>,
    /// Where each object begins.
    offsets: Vec<usize>,
}

impl Document {
    fn object(&mut self, body: &[u8]) {
        self.offsets.push(self.bytes.len());
        self.bytes.extend(format!("{} 0 obj\n", self.offsets.len()).as_bytes());
        self.bytes.extend(body);
        self.bytes.extend(b"\nendobj\n");
    }

    /// The table of objects, in which every line has 20 bytes, and where it begins.
    fn finish(mut self) -> Vec<u8> {
        let (table, entries) = (self.bytes.len(), self.offsets.len() + 1);
        let mut end = format!("xref\n0 {entries}\n0000000000 65535 f \n");
        for offset in &self.offsets {
            let _ = writeln!(end, "{offset:010} 00000 n ");
        }
        let _ = write!(end, "trailer\n<< /Size {entries} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{table}\n%%EOF\n");
        self.bytes.extend(end.as_bytes());
        self.bytes
    }
}

fn group(group: &usvg::Group, content: &mut String) {
    for node in group.children() {
        match node {
            usvg::Node::Group(inner) => self::group(inner, content),
            usvg::Node::Text(text) => self::group(text.flattened(), content),
            usvg::Node::Path(path) if path.is_visible() => draw(path, content),
            usvg::Node::Path(_) | usvg::Node::Image(_) => {} // our figures hold no image
        }
    }
}

fn draw(path: &usvg::Path, content: &mut String) {
    let fill = path.fill().and_then(|fill| Some((colour(fill.paint())?, fill.rule())));
    let stroke = path.stroke().and_then(|stroke| Some((colour(stroke.paint())?, stroke)));
    let transform = path.abs_transform();
    if let Some((colour, _)) = &fill {
        let _ = writeln!(content, "{colour} rg");
    }
    if let Some((colour, stroke)) = &stroke {
        let scale = f64::from(transform.get_scale().0);
        let _ = writeln!(content, "{colour} RG {} w", short(f64::from(stroke.width().get()) * scale));
        let dash: Vec<String> = stroke.dasharray().unwrap_or_default().iter().map(|d| short(f64::from(*d) * scale)).collect();
        let cap = match stroke.linecap() {
            usvg::LineCap::Butt => 0,
            usvg::LineCap::Round => 1,
            usvg::LineCap::Square => 2,
        };
        let join = match stroke.linejoin() {
            usvg::LineJoin::Round => 1,
            usvg::LineJoin::Bevel => 2,
            _ => 0,
        };
        let _ = writeln!(content, "[{}] 0 d {cap} J {join} j", dash.join(" "));
    }
    outline(path, transform, content);
    content.push_str(match (fill, stroke) {
        (Some((_, usvg::FillRule::NonZero)), Some(_)) => "B\n",
        (Some((_, usvg::FillRule::EvenOdd)), Some(_)) => "B*\n",
        (Some((_, usvg::FillRule::NonZero)), None) => "f\n",
        (Some((_, usvg::FillRule::EvenOdd)), None) => "f*\n",
        (None, Some(_)) => "S\n",
        (None, None) => "n\n",
    });
}

fn outline(path: &usvg::Path, transform: Transform, content: &mut String) {
    let place = |mut point: Point| {
        transform.map_point(&mut point);
        point
    };
    let text = |point: Point| format!("{} {}", short(f64::from(point.x)), short(f64::from(point.y)));
    let mut last = Point::zero();
    for segment in path.data().segments() {
        let _ = match segment {
            PathSegment::MoveTo(to) => {
                last = place(to);
                writeln!(content, "{} m", text(last))
            }
            PathSegment::LineTo(to) => {
                last = place(to);
                writeln!(content, "{} l", text(last))
            }
            PathSegment::QuadTo(by, to) => {
                // The same curve with two control points, each two thirds of the way to the one.
                let (by, to) = (place(by), place(to));
                let near = |end: Point| Point::from_xy(end.x + (by.x - end.x) * 2.0 / 3.0, end.y + (by.y - end.y) * 2.0 / 3.0);
                let (first, second) = (near(last), near(to));
                last = to;
                writeln!(content, "{} {} {} c", text(first), text(second), text(to))
            }
            PathSegment::CubicTo(first, second, to) => {
                last = place(to);
                writeln!(content, "{} {} {} c", text(place(first)), text(place(second)), text(last))
            }
            PathSegment::Close => writeln!(content, "h"),
        };
    }
}

/// Red, green and blue, from 0 to 1.
fn colour(paint: &usvg::Paint) -> Option<String> {
    let usvg::Paint::Color(colour) = paint else { return None };
    Some([colour.red, colour.green, colour.blue].map(|c| short(f64::from(c) / 255.0)).join(" "))
}

/// Four decimals at most.
fn short(x: f64) -> String {
    let text = format!("{x:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

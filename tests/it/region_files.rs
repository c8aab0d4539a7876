//! Region files: the canonical one and those of seven tools. A box means the same pixels in all of them, and nothing that
//! is wrong is lost or guessed.

use crate::support::lab::{Lab, shared};
use crate::support::pictures::encoded;
use image::{ImageFormat, Rgb, RgbImage};
use msdata::image::decode;
use msdata::manifest::{Bounds, ImageRegions, Mask, RegionFormat, RegionImage, read_regions};
use msdata::{Error, Watch};
use std::io::Write;
use std::path::{Path, PathBuf};

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

/// The rectangle in the picture: x, y, width, height.
const RECTANGLE: [u32; 4] = [10, 20, 17, 9];

/// The run lengths of the rectangle, as COCO compresses them.
const RUNS: &str = "d?9W10000000000000000000000000000000lf1";

fn is_inside(x: u32, y: u32) -> bool {
    let [left, top, width, height] = RECTANGLE;
    (left..left + width).contains(&x) && (top..top + height).contains(&y)
}

/// A grey picture with a red rectangle, as a file and back.
fn picture() -> Vec<bool> {
    let red = |x, y| if is_inside(x, y) { Rgb([250, 10, 10]) } else { Rgb([90, 90, 90]) };
    let rgb = decode(&encoded(RgbImage::from_fn(WIDTH, HEIGHT, red), ImageFormat::Png)).unwrap().rgb;
    assert_eq!([rgb.width, rgb.height], [WIDTH, HEIGHT]);
    rgb.pixels.chunks_exact(3).map(|p| p == [250, 10, 10]).collect()
}

/// Whether each pixel of the picture is in the crop of a box, whose edges are rounded outwards.
fn cropped(bounds: &Bounds) -> Vec<bool> {
    let [x, y, w, h] = bounds.clip(WIDTH, HEIGHT).unwrap();
    let (columns, rows) = (x.floor() as u32..(x + w).ceil() as u32, y.floor() as u32..(y + h).ceil() as u32);
    (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).map(|(x, y)| columns.contains(&x) && rows.contains(&y)).collect()
}

pub fn read(path: &Path, format: Option<RegionFormat>) -> (Result<Vec<ImageRegions>, Error>, Vec<String>) {
    let mut warnings = Vec::new();
    let read = read_regions(path, format, &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned())));
    (read, warnings)
}

/// The problems of a file, with its directory taken out.
pub fn problems(lab: &Lab, name: &str, format: Option<RegionFormat>) -> Vec<String> {
    match read(&lab.path(name), format).0 {
        Err(Error::Manifest(problems)) => {
            let dir = format!("{}/", lab.dir().display());
            problems.iter().map(|p| p.to_string().replace(&dir, "")).collect()
        }
        other => panic!("{name}: {other:?}"),
    }
}

/// A file, what it says, where it is to be read from, its format, and whether it has a mask.
type Case = (&'static str, String, &'static str, RegionFormat, bool);

/// The rectangle in the image `a.png`, and nothing in `b.png`, in every format.
fn cases() -> Vec<Case> {
    use RegionFormat::{Coco, FiftyOne, Florence2, GroundedSam2, Jsonl, LabelMe, Supervision, Yolo};
    let rle = format!(r#"{{"size": [48, 64], "counts": "{RUNS}"}}"#);
    let images = r#"[{"id": 7, "file_name": "a.png", "width": 64, "height": 48}, {"id": 9, "file_name": "b.png"}]"#;
    let categories = r#"[{"id": 3, "name": "dog"}]"#;
    let coco = |key: &str, entry: &str| {
        format!(
            r#"{{"info": {{}}, "images": {images}, "categories": {categories}, "{key}": [{{"id": 1, "image_id": 7, "category_id": 3, {entry}}}]}}"#
        )
    };
    let sam = |score: &str| {
        format!(
            "{{\n  \"image_path\": \"a.png\",\n  \"annotations\": [{{\"class_name\": \"dog\", \"bbox\": [10, 20, 27, 29], \
             \"segmentation\": {rle}, \"score\": {score}}}],\n  \"box_format\": \"xyxy\", \"img_width\": 64, \"img_height\": 48\n}}"
        )
    };
    let points = "[[10, 20], [27, 20], [27, 29], [10, 29]]";
    let labelme = |shape: &str| {
        format!(
            r#"{{"version": "5.5.0", "flags": {{}}, "shapes": [{{"label": "dog", "group_id": null, "flags": {{}}, {shape}}}], "imagePath": "..\\a.png", "imageData": null, "imageHeight": 48, "imageWidth": 64}}"#
        )
    };
    let nothing = r#"{"shapes": [], "imagePath": "b.png", "imageHeight": 48, "imageWidth": 64}"#;
    let sample = r#"{"filepath": "a.png", "tags": [], "metadata": {"width": 64, "height": 48}, "predictions": {"_cls": "Detections", "detections": [{"_cls": "Detection", "label": "dog", "bounding_box": [0.15625, 0.4166666666666667, 0.265625, 0.1875], "confidence": 0.875}]}}"#;
    let no_sample = r#"{"filepath": "b.png", "predictions": {"_cls": "Detections", "detections": []}}"#;
    let sink = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,class_name,image";
    vec![
        (
            "canonical.jsonl",
            format!(
                "{{\"model\": \"m\", \"prompt_id\": \"p\", \"seed\": 1, \"regions\": [{{\"box\": [10, 20, 17, 9], \"score\": \
                 0.875, \"label\": \"dog\", \"subject_id\": null, \"mask\": {rle}}}]}}\n{{\"model\": \"m\", \"prompt_id\": \"p\", \
                 \"seed\": 2, \"regions\": []}}\n"
            ),
            "canonical.jsonl",
            Jsonl,
            true,
        ),
        ("boxes.json", coco("annotations", r#""bbox": [10, 20, 17, 9], "score": 0.875"#), "boxes.json", Coco, false),
        ("runs.json", coco("results", &format!(r#""segmentation": {rle}, "score": 0.875"#)), "runs.json", Coco, true),
        (
            "polygons.json",
            coco("annotations", r#""segmentation": [[10, 20, 27, 20, 27, 29, 10, 29]], "score": 0.875"#),
            "polygons.json",
            Coco,
            true,
        ),
        ("results/images.json", format!(r#"{{"images": {images}, "categories": {categories}}}"#), "", Coco, false),
        (
            "results/results.json",
            r#"[{"image_id": 7, "category_id": 3, "bbox": [10, 20, 17, 9], "score": 0.875}]"#.into(),
            "results/results.json",
            Coco,
            false,
        ),
        ("sam/1.json", sam("[0.875]"), "", GroundedSam2, true),
        ("sam/2.json", r#"{"image_path": "b.png", "annotations": [], "box_format": "xyxy"}"#.into(), "sam", GroundedSam2, true),
        (
            "sam.jsonl",
            format!("{}\n{}\n", sam("0.875").replace('\n', " "), r#"{"image_path": "b.png", "annotations": []}"#),
            "sam.jsonl",
            GroundedSam2,
            true,
        ),
        (
            "florence.jsonl",
            "{\"image\": \"a.png\", \"<OD>\": {\"bboxes\": [[10, 20, 27, 29]], \"labels\": [\"dog\"]}, \"<CAPTION>\": \"A dog\"}\n\
             {\"image\": \"b.png\", \"<OD>\": {\"bboxes\": [], \"labels\": []}}\n"
                .into(),
            "florence.jsonl",
            Florence2,
            false,
        ),
        (
            "florence.json",
            "{\n  \"a.png\": {\"<REFERRING_EXPRESSION_SEGMENTATION>\": {\"polygons\": [[[10, 20, 27, 20, 27, 29, 10, 29]]], \
             \"labels\": [\"dog\"]}},\n  \"b.png\": {\"<REFERRING_EXPRESSION_SEGMENTATION>\": {\"polygons\": [], \"labels\": []}}\n}"
                .into(),
            "florence.json",
            Florence2,
            true,
        ),
        (
            "open.json",
            r#"[{"image": "a.png", "<OPEN_VOCABULARY_DETECTION>": {"bboxes": [[10, 20, 27, 29]], "bboxes_labels": ["dog"], "polygons": [], "polygons_labels": []}}, {"image": "b.png", "<OPEN_VOCABULARY_DETECTION>": {"bboxes": [], "bboxes_labels": []}}]"#.into(),
            "open.json",
            Florence2,
            false,
        ),
        (
            "sink.csv",
            format!("{sink}\r\n10.0,20.0,27.0,29.0,3,0.875,,dog,a.png\r\n,,,,,,,,b.png\r\n"),
            "sink.csv",
            Supervision,
            false,
        ),
        (
            "sink.json",
            r#"[{"x_min": 10.0, "y_min": 20.0, "x_max": 27.0, "y_max": 29.0, "class_id": 3, "confidence": 0.875, "tracker_id": "", "class_name": "dog", "image": "a.png"}, {"image": "b.png"}]"#.into(),
            "sink.json",
            Supervision,
            false,
        ),
        ("boxes/in/a.json", labelme(r#""points": [[27, 20], [10, 29]], "shape_type": "rectangle", "score": 0.875"#), "", LabelMe, false),
        ("boxes/in/b.json", nothing.replace("b.png", "../b.png"), "boxes", LabelMe, false),
        ("outlines/in/a.json", labelme(&format!(r#""points": {points}, "shape_type": "polygon", "score": 0.875"#)), "", LabelMe, true),
        ("outlines/in/b.json", nothing.replace("b.png", "../b.png"), "outlines", LabelMe, true),
        ("yolo/data.yaml", "train: train.txt\nnames:\n  0: cat\n  3: dog\n".into(), "", Yolo, false),
        ("yolo/train.txt", "images/a.png\nimages/b.png\n".into(), "", Yolo, false),
        ("yolo/labels/a.txt", "3 0.289062 0.510417 0.265625 0.1875 0.875\n".into(), "", Yolo, false),
        ("yolo/labels/b.txt", String::new(), "yolo", Yolo, false),
        ("segments/labels/data.yaml", "names: [cat, 'x', 'y', dog]".into(), "", Yolo, false),
        ("segments/labels/a.txt", "3 0.15625 0.416667 0.421875 0.416667 0.421875 0.604167 0.15625 0.604167 0.875\r\n".into(), "", Yolo, true),
        ("segments/labels/b.txt", "\n".into(), "segments/labels", Yolo, true),
        ("samples.json", format!("{{\"samples\": [{sample}, {no_sample}]}}"), "samples.json", FiftyOne, false),
        ("samples.jsonl", format!("{sample}\n{no_sample}\n"), "samples.jsonl", FiftyOne, false),
    ]
}

#[test]
fn a_box_means_the_same_pixels_in_every_format() {
    let lab = Lab::empty();
    let red = picture();
    for (name, text, ..) in cases() {
        lab.write(name, text);
    }
    let mut tried = std::collections::BTreeSet::new();
    for (_, _, path, format, with_mask) in cases().into_iter().filter(|(_, _, path, ..)| !path.is_empty()) {
        tried.insert(format);
        let (found, warnings) = read(&lab.path(path), None);
        let found = found.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(warnings.is_empty(), "{path}: {warnings:?}");
        assert_eq!(read(&lab.path(path), Some(format)).0.unwrap(), found, "{path}: recognised as another format");
        let [with, without] = &found[..] else { panic!("{path}: {found:?}") };
        assert!(without.regions.is_empty(), "{path}: {without:?}");
        let [region] = &with.regions[..] else { panic!("{path}: {with:?}") };
        assert!(cropped(&region.bounds) == red, "{path}: {:?}", region.bounds);
        let mask = region.mask_in(WIDTH, HEIGHT).unwrap();
        assert_eq!(mask.is_some(), with_mask, "{path}");
        assert!(mask.is_none_or(|mask| mask.pixels() == red), "{path}: its mask");
        assert_eq!(region.label.as_deref(), Some("dog"), "{path}");
        assert_eq!(region.score, (format != RegionFormat::Florence2).then_some(0.875), "{path}");
        let named = |image: &RegionImage| match image {
            RegionImage::File(path) => path.with_extension("").file_name().unwrap().to_string_lossy().into_owned(),
            RegionImage::Generation { seed, .. } => ["?", "a", "b"][*seed as usize].to_owned(),
            reference @ RegionImage::Reference { .. } => panic!("{reference:?}"),
        };
        assert_eq!([named(&with.image), named(&without.image)], ["a", "b"], "{path}");
    }
    assert_eq!(tried.len(), RegionFormat::ALL.len());
}

#[test]
fn images_are_named_as_the_tools_do() {
    let lab = Lab::empty();
    for (name, text, ..) in cases() {
        lab.write(name, text);
    }
    let names = |path: &str| -> Vec<PathBuf> {
        let file = |found: ImageRegions| match found.image {
            RegionImage::File(path) => path,
            other => panic!("{other:?}"),
        };
        read(&lab.path(path), None).0.unwrap().into_iter().map(file).collect()
    };
    let paths = |names: [&str; 2]| names.map(PathBuf::from).to_vec();
    assert_eq!(names("boxes"), paths(["a.png", "b.png"]), "relative to the directory that is read, not to each file");
    assert_eq!(names("boxes/in/a.json"), [PathBuf::from("../a.png")]);
    assert_eq!(names("yolo"), paths(["images/a", "images/b"]), "no image is there to give the extension");
    lab.write("yolo/images/a.jpg", "");
    lab.write("yolo/labels/b.png", "");
    assert_eq!(names("yolo"), paths(["images/a.jpg", "labels/b.png"]));
    assert_eq!(names("yolo/data.yaml"), paths(["images/a.jpg", "labels/b.png"]));
    assert_eq!(names("yolo/labels/a.txt"), [PathBuf::from("a")]);
    lab.write("yolo/images/a.png", "");
    let said = problems(&lab, "yolo", None);
    assert_eq!(said, ["yolo/labels/a.txt: it may be of `images/a.jpg` or of `images/a.png`"]);
}

#[test]
fn the_canonical_file() {
    let lab = Lab::empty();
    lab.write(
        "r.jsonl",
        "\u{feff}{\"subject_id\": \"S1\", \"reference_index\": 0, \"regions\": [{\"box\": [1, 2, 3, 4.5], \"points\": [[1, 2]]}]}\r\n\
         \r\n\
         {\"set\": \"x\", \"subject_id\": \"S2\", \"reference_index\": 1, \"box\": [1, 2, 3, 4], \"score\": 1.0, \"label\": \"face\"}\r\n\
         {\"subject_id\": \"S2\", \"reference_index\": 1, \"box\": [5, 6, 7, 8], \"score\": 0}\r\n\
         {\"model\": \"M\", \"prompt_id\": 5, \"seed\": -1, \"regions\": [{\"box\": [1, 2, 3, 4], \"subject_id\": \"S1\", \"label\": \" \"}]}\r\n",
    );
    let (found, warnings) = read(&lab.path("r.jsonl"), None);
    let found = found.unwrap();
    let at = |line: u32| format!("{}:{line}", lab.path("r.jsonl").display());
    assert_eq!(found.iter().map(|f| f.origin.clone()).collect::<Vec<_>>(), [at(1), at(3), at(5)]);
    let reference = |id: &str, index| RegionImage::Reference { subject_id: id.parse().unwrap(), reference_index: index };
    assert_eq!([&found[0].image, &found[1].image], [&reference("S1", 0), &reference("S2", 1)]);
    assert_eq!(found[1].regions.iter().map(|r| r.bounds).collect::<Vec<_>>().len(), 2, "a row may be one region");
    assert_eq!(found[1].regions[0].label.as_deref(), Some("face"));
    let generation = RegionImage::Generation { model: "M".parse().unwrap(), prompt_id: "5".parse().unwrap(), seed: -1 };
    assert_eq!(found[2].image, generation);
    assert_eq!(found[2].regions[0].subject_id.as_ref().map(|s| s.as_str()), Some("S1"));
    assert_eq!((found[2].regions[0].label.as_deref(), found[2].regions[0].score), (None, None));
    assert_eq!(
        warnings,
        [format!("{}: unknown column `regions.points`, not read", at(1)), format!("{}: unknown column `set`, not read", at(3)),]
    );
    assert_eq!(found[0].problem("x").to_string(), format!("{}: x", at(1)));

    let text = std::fs::read(lab.path("r.jsonl")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&text).unwrap();
    lab.write("r.jsonl.gz", gz.finish().unwrap());
    lab.write("r.jsonl.zst", zstd::encode_all(&text[..], 3).unwrap());
    for packed in ["r.jsonl.gz", "r.jsonl.zst"] {
        let again = read(&lab.path(packed), None).0.unwrap();
        assert!(again.iter().zip(&found).all(|(a, b)| a.regions == b.regions && a.image == b.image), "{packed}");
    }
    lab.write("empty.jsonl", "\n");
    let (none, warnings) = read(&lab.path("empty.jsonl"), None);
    assert_eq!((none.unwrap(), warnings.len()), (vec![], 1));
}

#[test]
fn parts_of_one_object_and_what_is_not_known() {
    let lab = Lab::empty();
    lab.write(
        "parts.json",
        r#"{"shapes": [
            {"label": "dog", "group_id": 1, "points": [[0, 0], [10, 0], [10, 10], [0, 10]], "shape_type": "polygon"},
            {"label": "cat", "group_id": 1, "points": [[0, 0], [5, 5]], "shape_type": "rectangle"},
            {"label": "dog", "group_id": 1, "points": [[30, 5], [40, 15]], "shape_type": "rectangle"},
            {"label": "dog", "points": [[50, 5], [60, 15]], "shape_type": "rectangle"}
        ], "imagePath": "a.png", "imageWidth": 64, "imageHeight": 48}"#,
    );
    let found = read(&lab.path("parts.json"), None).0.unwrap();
    let regions = &found[0].regions;
    assert_eq!(regions.len(), 3);
    assert_eq!(regions[0].bounds, Bounds::Pixels([0.0, 0.0, 40.0, 15.0]));
    assert_eq!(regions[0].mask_in(64, 48).unwrap().map(|mask: Mask| mask.area()), Some(200));
    assert_eq!(found[0].size, Some([64, 48]));
    lab.write(
        "not_run.jsonl",
        "{\"filepath\": \"a.png\", \"p\": null}\n{\"filepath\": \"b.png\", \"p\": {\"detections\": []}}\n",
    );
    let (found, warnings) = read(&lab.path("not_run.jsonl"), None);
    assert_eq!(found.unwrap().len(), 1, "a detector that did not run found nothing, not no regions");
    assert!(warnings[0].contains("samples without detections: 1; the detector did not run on them"));
    lab.write("plain/a.txt", "3 0.5 0.5 0.25 0.25\n");
    let (found, warnings) = read(&lab.path("plain"), None);
    assert_eq!(found.unwrap()[0].regions[0].label.as_deref(), Some("3"));
    assert!(warnings[0].ends_with("no data.yaml names the classes: labels are their numbers"), "{warnings:?}");
    lab.write("plain/data.yaml", "names: [a, b]\n");
    assert_eq!(problems(&lab, "plain", None), ["plain/a.txt:1: class 3 has no name in the list of names"]);
    lab.write("plain/data.yaml", "names: [a, b, c, d]\nkpt_shape: [17, 3]\n");
    assert!(problems(&lab, "plain", None)[0].starts_with("plain/data.yaml:2: the labels are of poses"));
}

#[test]
fn regions_of_a_generations_manifest_are_read_the_same_way() {
    let lab = Lab::empty();
    lab.ok(&["init", "d"]);
    lab.write("s.jsonl", "{\"subject_id\": \"S\", \"label\": \"dog\", \"references\": [\"s.png\"]}\n");
    lab.write("p.jsonl", "{\"prompt_id\": \"p\", \"text\": \"A dog.\", \"scene_type\": \"neutral\", \"subjects\": [\"S\"]}\n");
    let ingest = |regions: &str| {
        lab.write(
            "g.jsonl",
            format!("{{\"model\": \"m\", \"prompt_id\": \"p\", \"seed\": 1, \"path\": \"g.png\", \"regions\": {regions}}}\n"),
        );
        let output = lab.run(&[
            "-d",
            "d",
            "ingest",
            "--no-embed",
            "--subjects",
            "s.jsonl",
            "--prompts",
            "p.jsonl",
            "--generations",
            "g.jsonl",
        ]);
        (output.status.code(), crate::support::lab::err(&output))
    };
    let (code, said) = ingest(r#"[{"box": [1, 2, 3, 4], "score": 7}, {"box": [1, 2, 3, 0]}]"#);
    assert_eq!(code, Some(1));
    assert!(said.contains("g.jsonl:1: `regions`: region 1: the score 7 is not between 0 and 1; region 2: `box`: the box [1, 2, 3, 0] has no area"), "{said}");
    let regions = r#"[{"box": [1, 2, 3, 4], "label": "dog", "points": []}]"#;
    let (code, said) = ingest(regions);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("g.jsonl:1: unknown column `regions.points`, not read"), "{said}");
    assert_eq!(lab.sql_of("d", "SELECT regions FROM generation")[0].trim_matches('"').replace("\"\"", "\""), regions);
}

#[test]
fn every_format_is_ingested() {
    let lab = Lab::empty();
    for (name, text, ..) in cases() {
        lab.write(name, text);
    }
    for name in ["s", "a", "b"] {
        let grey = RgbImage::from_pixel(WIDTH, HEIGHT, Rgb([name.as_bytes()[0]; 3]));
        lab.write(&format!("images/{name}.png"), encoded(grey, ImageFormat::Png));
    }
    let rows = |rows: &[&str]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    lab.write("s.jsonl", rows(&[r#"{"subject_id": "S", "label": "dog", "references": ["images/s.png"]}"#]));
    lab.write("p.jsonl", rows(&[r#"{"prompt_id": "p", "text": "A dog.", "scene_type": "neutral", "subjects": ["S"]}"#]));
    let generation = |seed, name| format!(r#"{{"model": "m", "prompt_id": "p", "seed": {seed}, "path": "images/{name}.png"}}"#);
    lab.write("g.jsonl", rows(&[&generation(1, "a"), &generation(2, "b")]));
    lab.ok(&["init", "d"]);
    let ingest = |more: &[&str]| lab.ok(&[&["-d", "d", "ingest", "--no-embed"], more].concat());
    ingest(&["--subjects", "s.jsonl", "--prompts", "p.jsonl", "--generations", "g.jsonl"]);
    for (number, (_, _, path, format, with_mask)) in cases().into_iter().filter(|(_, _, path, ..)| !path.is_empty()).enumerate() {
        let set = format!("set{number}");
        ingest(&["--regions", path, "--set", &set, "--format", format.as_str()]);
        let columns = "seed, x, y, width, height, mask IS NOT NULL, label";
        let rows = lab.sql_of("d", &format!("SELECT {columns} FROM regions WHERE region_set = '{set}'"));
        let [row] = &rows[..] else { panic!("{path}: {rows:?}") };
        let (numbers, label) = row.rsplit_once(',').unwrap();
        let numbers: Vec<f64> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
        let [seed, x, y, w, h, has_mask] = numbers[..] else { panic!("{row}") };
        assert_eq!([x.floor(), y.floor(), (x + w).ceil(), (y + h).ceil()], [10.0, 20.0, 27.0, 29.0], "{path}");
        assert_eq!((seed, has_mask == 1.0, label), (1.0, with_mask, "dog"), "{path}");
        let looked_at = format!("SELECT generations, regions FROM region_sets WHERE region_set = '{set}'");
        assert_eq!(lab.sql_of("d", &looked_at), ["2,1"], "{path}: an image in which nothing was found was looked at");
    }
}

#[test]
fn the_real_files() {
    let Some(dir) = shared("regions") else { return };
    let count = |name: &str| {
        let found = read(&dir.join(name), None).0.unwrap();
        let regions: usize = found.iter().map(|f| f.regions.len()).sum();
        (found.len(), regions, found.iter().filter(|f| f.regions.is_empty()).count())
    };
    assert_eq!(count("stress-test-repo.regions.jsonl"), (225, 245, 116));
    assert_eq!(count("stress-test-repo.objects.jsonl").1, 831);
    assert_eq!(count("real.regions.jsonl"), (30, 2, 28));
    assert_eq!(count("reference_faces.jsonl"), (27, 27, 0));
}

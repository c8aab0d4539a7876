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

fn read(path: &Path, format: Option<RegionFormat>) -> (Result<Vec<ImageRegions>, Error>, Vec<String>) {
    let mut warnings = Vec::new();
    let read = read_regions(path, format, &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned())));
    (read, warnings)
}

/// The problems of a file, with its directory taken out.
fn problems(lab: &Lab, name: &str, format: Option<RegionFormat>) -> Vec<String> {
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
fn everything_wrong_is_listed_with_its_line() {
    let lab = Lab::empty();
    let generation =
        |seed: u32, regions: &str| format!(r#"{{"model": "m", "prompt_id": "p", "seed": {seed}, "regions": {regions}}}"#);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let rows: Vec<(String, &str)> = vec![
        (generation(1, "[]"), ""),
        (generation(1, "[]"), "the generation (`m`, `p`, 1) appears twice: its regions are in bad.jsonl:1 already"),
        (
            generation(2, r#"[{"box": [1, 2, 3, 4]}, {"box": [1, 2, -3, 4]}]"#),
            "region 2: `box`: the box [1, 2, -3, 4] has no area",
        ),
        (generation(3, r#"[{"box": [1, 2, NaN, 4]}]"#), "JSON has no NaN or Infinity: write null"),
        (generation(4, r#"[{"box": [1, 2, 1e999, 4]}]"#), "must be finite, not `1e999`"),
        (generation(5, r#"[{"box": [1, 2, 3]}]"#), "`box` must be a list of 4 numbers, not `[1, 2, 3]`"),
        (generation(6, r#"[{"box": ["1", 2, 3, 4]}]"#), "must be a number, not `\"1\"`"),
        (generation(7, r#"[{"box": [1, 2, 3, 4], "score": 87.5}]"#), "the score 87.5 is not between 0 and 1"),
        (generation(8, r#"[{"box": [1, 2, 3, 4], "score": "high"}]"#), "`score` must be a number"),
        (generation(9, r#"[{"score": 0.5}]"#), "`box` is missing"),
        (generation(10, r#"[{"bbox": [1, 2, 3, 4]}]"#), "`box` is missing (did you mean `bbox`?)"),
        (generation(11, r#"[[1, 2, 3, 4]]"#), "a JSON array where an object is expected"),
        (generation(12, "null"), "write [] where the detector ran and found nothing"),
        (generation(13, r#"{"box": [1, 2, 3, 4]}"#), "`regions` must be a list of regions"),
        (
            generation(14, r#"[{"box": [1, 2, 3, 4], "mask": {"size": [2, 2], "counts": [1, 2]}}]"#),
            "has run lengths for 3 pixels",
        ),
        (generation(15, r#"[{"box": [1, 2, 3, 4], "label": 5}]"#), "`label` must be text"),
        (generation(16, r#"[{"box": [1, 2, 3, 4], "box": [1, 2, 3, 4]}]"#), "the key `box` appears twice"),
        (generation(17, &deep), "a JSON array where an object is expected"),
        (r#"{"model": "m", "seed": 1, "regions": []}"#.into(), "`prompt_id` is missing"),
        (r#"{"model": "m", "prompt_id": "p", "seed": 1.5, "regions": []}"#.into(), "`seed` must be an integer"),
        (
            r#"{"model": "m", "prompt_id": "p", "seed": 30, "box": [1, 2, 3, 4]}"#.into(),
            "a generation has its boxes in `regions`",
        ),
        (r#"{"subject_id": "S", "reference_index": -1, "regions": []}"#.into(), "references are counted from 0"),
        (r#"{"subject_id": "S", "reference_index": 0, "seed": 1, "regions": []}"#.into(), "not of both"),
        (r#"{"subject_id": "S", "regions": []}"#.into(), "`reference_index` is missing"),
        (r#"{"subject_id": "T", "reference_index": 0, "box": [1, 2, 0, 4]}"#.into(), "has no area"),
        (r#"{"regions": []"#.into(), "not valid JSON"),
    ];
    lab.write("bad.jsonl", rows.iter().map(|(row, _)| format!("{row}\n")).collect::<String>());
    let said = problems(&lab, "bad.jsonl", Some(RegionFormat::Jsonl));
    let expected: Vec<(usize, &str)> =
        rows.iter().enumerate().filter(|(_, (_, part))| !part.is_empty()).map(|(i, r)| (i + 1, r.1)).collect();
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    let dir = format!("{}/", lab.dir().display());
    for (said, (line, part)) in said.iter().zip(expected) {
        assert!(
            said.starts_with(&format!("bad.jsonl:{line}: ")) && said.replace(&dir, "").contains(part),
            "line {line}, {part}: {said}"
        );
    }
}

#[test]
fn what_is_wrong_with_the_files_of_tools() {
    let lab = Lab::empty();
    let images = r#""images": [{"id": 1, "file_name": "a.png"}]"#;
    let sink = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,image";
    let cases: Vec<(&str, String, RegionFormat, &str)> = vec![
        (
            "1.json",
            format!("{{{images}, \"annotations\": [{{\"image_id\": 2, \"bbox\": [1, 2, 3, 4]}}]}}"),
            RegionFormat::Coco,
            "1.json: entry 1: of `annotations`: `image_id` `2` is not in `images`",
        ),
        (
            "2.json",
            format!("{{{images}, \"annotations\": [], \"results\": []}}"),
            RegionFormat::Coco,
            "2.json: it has `annotations` and `results`",
        ),
        (
            "3.json",
            format!(
                "{{{images}, \"categories\": [], \"results\": [{{\"image_id\": 1, \"category_id\": 5, \"bbox\": [1, 2, 3, 4]}}]}}"
            ),
            RegionFormat::Coco,
            "`category_id` `5` is not in `categories`",
        ),
        (
            "4.json",
            r#"[{"image_id": 1, "bbox": [1, 2, 3, 4]}]"#.into(),
            RegionFormat::Coco,
            "4.json: a list of COCO results does not name its images",
        ),
        (
            "5.json",
            format!("{{{images}, \"results\": [{{\"image_id\": 1, \"segmentation\": {{\"size\": [9, 9], \"counts\": [5]}}}}]}}"),
            RegionFormat::Coco,
            "`segmentation` has run lengths for 5 pixels, but its image has 9 × 9 = 81",
        ),
        ("6.json", format!("{{{images}, \"results\": [{{\"image_id\": 1}}]}}"), RegionFormat::Coco, "`bbox` is missing"),
        (
            "7.json",
            format!("{{{images}, \"results\": [{{\"image_id\": 1, \"bbox\": [0.1, 0.1, 0.5, 0.5]}}]}}"),
            RegionFormat::Coco,
            "these are shares of width and height",
        ),
        (
            "8.json",
            r#"{"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}], "results": []}"#.into(),
            RegionFormat::Coco,
            "8.json: entry 2: of `images`: the id `1` appears twice",
        ),
        (
            "9.json",
            r#"{"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.png"}], "results": []}"#.into(),
            RegionFormat::Coco,
            "the image `a.png` appears twice: its regions are in 9.json: entry 1 already",
        ),
        (
            "10.json",
            r#"{"image_path": "a.png", "annotations": [{"bbox": [27, 20, 10, 29]}], "box_format": "xyxy"}"#.into(),
            RegionFormat::GroundedSam2,
            "10.json:1: region 1: the box [27, 20, 10, 29] has no area: [x1, y1, x2, y2] needs",
        ),
        (
            "11.json",
            r#"{"image_path": "a.png", "annotations": [], "box_format": "cxcywh"}"#.into(),
            RegionFormat::GroundedSam2,
            "`box_format` is `cxcywh`; boxes are read as xyxy",
        ),
        (
            "12.json",
            r#"{"image_path": "a.png", "annotations": [{"bbox": [1, 2, 3, 4], "score": [0.5, 0.6]}]}"#.into(),
            RegionFormat::GroundedSam2,
            "`score` has 2 numbers, not one",
        ),
        (
            "13.json",
            r#"{"image": "a.png", "<OD>": {"bboxes": [[1, 2, 3, 4]], "labels": []}}"#.into(),
            RegionFormat::Florence2,
            "`<OD>`: `labels` has 0 entries, but `bboxes` has 1",
        ),
        (
            "14.json",
            r#"{"<OD>": {"bboxes": [], "labels": []}}"#.into(),
            RegionFormat::Florence2,
            "nothing names the image; write its path as `image`",
        ),
        (
            "15.json",
            r#"{"image": "a.png", "<OCR_WITH_REGION>": {"quad_boxes": [], "labels": []}}"#.into(),
            RegionFormat::Florence2,
            "neither `bboxes` nor `polygons`",
        ),
        (
            "16.json",
            r#"{"image": "a.png", "<OD>": {"bboxes": []}, "<REGION_PROPOSAL>": {"bboxes": []}}"#.into(),
            RegionFormat::Florence2,
            "several tasks, `<OD>` and `<REGION_PROPOSAL>`; keep one",
        ),
        ("17.csv", format!("{sink}\n1,2,3,,0,0.5,,a.png\n"), RegionFormat::Supervision, "17.csv:2: `y_max` is empty"),
        (
            "18.csv",
            format!("{sink}\n1,2,nan,4,0,0.5,,a.png\n"),
            RegionFormat::Supervision,
            "18.csv:2: `x_max` must be finite, not `nan`",
        ),
        (
            "19.csv",
            "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id\n1,2,3,4,0,0.5,\n".into(),
            RegionFormat::Supervision,
            "19.csv:2: nothing names the image",
        ),
        ("20.csv", "a,b\n1,2\n".into(), RegionFormat::Supervision, "20.csv:1: the header has no column `x_min`"),
        ("21.csv", format!("{sink}\n1,2,3,4,0,0.5,,a.png,more\n"), RegionFormat::Supervision, "9 fields, but the header has 8"),
        (
            "22.json",
            r#"{"shapes": [{"label": "x", "points": [[1, 2]], "shape_type": "point"}], "imagePath": "a.png"}"#.into(),
            RegionFormat::LabelMe,
            "a shape of type `point`; rectangles and polygons are read",
        ),
        (
            "23.json",
            r#"{"shapes": [{"label": "x", "points": [[1, 2], [1, 9]], "shape_type": "rectangle"}], "imagePath": "a.png"}"#.into(),
            RegionFormat::LabelMe,
            "has no area",
        ),
        (
            "24.json",
            r#"{"shapes": [], "imagePath": "a.png", "imageWidth": 0, "imageHeight": 5}"#.into(),
            RegionFormat::LabelMe,
            "`imageWidth` 0 is not a size",
        ),
        (
            "25.txt",
            "0 320 240 100 50\n".into(),
            RegionFormat::Yolo,
            "25.txt:1: the box [270, 215, 100, 50] is far outside the image",
        ),
        ("26.txt", "0 0.5 0.5 0.1\n".into(), RegionFormat::Yolo, "4 numbers, which are not class, x, y, width and height"),
        ("27.txt", "dog 0.5 0.5 0.1 0.1\n".into(), RegionFormat::Yolo, "must be a number, not `dog`"),
        ("28.txt", "1.5 0.5 0.5 0.1 0.1\n".into(), RegionFormat::Yolo, "not with 1.5"),
        (
            "29.json",
            r#"{"filepath": "a.png", "gt": {"detections": []}, "predictions": {"detections": []}}"#.into(),
            RegionFormat::FiftyOne,
            "it has detections in `gt` and `predictions`; keep one field",
        ),
        (
            "30.json",
            r#"{"filepath": "a.png", "gt": {"detections": [{"bounding_box": [10, 20, 17, 9]}]}}"#.into(),
            RegionFormat::FiftyOne,
            "are these pixels?",
        ),
        (
            "31.json",
            r#"{"samples": [{"gt": {"detections": []}}]}"#.into(),
            RegionFormat::FiftyOne,
            "31.json: entry 1: `filepath` is missing",
        ),
    ];
    for (name, text, format, part) in cases {
        lab.write(name, text);
        let said = problems(&lab, name, Some(format));
        assert!(
            said.len() == 1 && said[0].replace(&format!("{}/", lab.dir().display()), "").contains(part),
            "{name}, {part}: {said:?}"
        );
    }
}

#[test]
fn two_files_about_one_image() {
    let lab = Lab::empty();
    let sink = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,image\n1,2,3,4,0,0.5,,a.png\n5,6,7,8,0,0.5,,a.png\n";
    lab.write("runs/1.csv", sink);
    assert_eq!(read(&lab.path("runs"), None).0.unwrap()[0].regions.len(), 2);
    lab.write("runs/2.csv", sink);
    let said = problems(&lab, "runs", None);
    assert!(said.len() == 2 && said[0].starts_with("runs/2.csv:2: the image `a.png` appears twice"), "{said:?}");
    lab.write("r.jsonl", "{\"subject_id\": \"S\", \"reference_index\": 0, \"regions\": []}\n{\"subject_id\": \"S\", \"reference_index\": 0, \"box\": [1, 2, 3, 4]}\n");
    assert!(problems(&lab, "r.jsonl", None)[0].contains("reference 0 of subject `S` appears twice"));
}

#[test]
fn much_is_read_and_too_much_is_refused() {
    let lab = Lab::empty();
    let many = vec![r#"{"box": [1, 2, 3, 4], "score": 0.5}"#; 10_000].join(", ");
    lab.write("many.jsonl", format!(r#"{{"model": "m", "prompt_id": "p", "seed": 1, "regions": [{many}]}}"#));
    assert_eq!(read(&lab.path("many.jsonl"), None).0.unwrap()[0].regions.len(), 10_000);
    let bad = r#"{"model": "m", "prompt_id": "p", "seed": 1, "regions": [{}, {}]}"#;
    lab.write("bad.jsonl", format!("{bad}\n").repeat(1_000));
    let said = problems(&lab, "bad.jsonl", None);
    assert_eq!(said.len(), 201);
    assert_eq!(said[200], "bad.jsonl: 801 more bad rows, not listed");
    // One object over many lines, longer than a line of a manifest may be.
    let blank = " ".repeat(17 << 20);
    lab.write("long.json", format!("{{\"image_path\": \"a.png\",{blank}\n \"annotations\": [{{\"bbox\": [1, 2, 3, 4]}}]}}"));
    assert_eq!(read(&lab.path("long.json"), Some(RegionFormat::GroundedSam2)).0.unwrap()[0].regions.len(), 1);
    lab.write(
        "long.jsonl",
        format!(
            "{}\n{{\"model\": \"m\",{blank}\"prompt_id\": \"p\", \"seed\": 2, \"regions\": []}}\n",
            bad.replace("{}, {}", "")
        ),
    );
    assert_eq!(problems(&lab, "long.jsonl", None), ["long.jsonl:2: the line is longer than 16 MiB"]);
}

#[test]
fn a_format_that_is_not_recognised() {
    let lab = Lab::empty();
    lab.write("x.json", r#"{"boxes": [[1, 2, 3, 4]]}"#);
    let said = read(&lab.path("x.json"), None).0.unwrap_err();
    assert!(said.to_string().contains("jsonl, coco, grounded-sam2, florence2, supervision, labelme, yolo, fiftyone"), "{said}");
    assert!(said.hint().unwrap().contains("--format"));
    assert!("voc".parse::<RegionFormat>().unwrap_err().to_string().contains("grounded-sam2"));
    lab.write("none/readme.md", "");
    assert!(read(&lab.path("none"), None).0.unwrap_err().to_string().contains("holds no region files"));
    assert!(read(&lab.path("none"), Some(RegionFormat::Yolo)).0.unwrap_err().to_string().contains("holds no label files"));
    assert!(read(&lab.path("missing.json"), None).0.is_err());
    lab.write("binary.json", b"PAR1\0\0");
    assert!(problems(&lab, "binary.json", None)[0].contains("a Parquet file"));
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

//! Region files that are wrong, or too large: what is said, and that nothing is lost.

use crate::region_files::{problems, read};
use crate::support::lab::Lab;
use msdata::manifest::RegionFormat;

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
    assert!(problems(&lab, "binary.json", None)[0].contains("cannot be read as Parquet"));
}

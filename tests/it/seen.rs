//! What people see of windows: the instrument check, the page, the leaderboard and the figures by cSCR. The pictures are
//! drawn, so that it is known who is where.

use super::windows::{Lab, figure, scene};
use serde_json::{Value, json};
use std::fs;

/// Seeds of each prompt: so many images do not ask for a subject that one in which it is all the same leaves a verdict.
const SEEDS: i64 = 10;

/// One model that draws what it is asked for, with many seeds; one image has somebody that nobody asked for, one has
/// somebody twice.
fn many() -> Lab {
    let lab = Lab::new();
    scene([Some(0), Some(3), None, Some(1)]).save(lab.path("unasked.png")).unwrap();
    scene([Some(1), Some(1), None, Some(2)]).save(lab.path("twice.png")).unwrap();
    let mut rows = String::new();
    for prompt in 0..6 {
        for seed in 1..=SEEDS {
            let path = match (prompt, seed) {
                (0, 1) => "unasked.png".to_owned(),
                (1, 1) => "twice.png".to_owned(),
                _ => format!("right_{prompt}.png"),
            };
            rows.push_str(&format!(
                "{}\n",
                json!({"model": "right", "prompt_id": format!("p{prompt}"), "seed": seed, "path": path})
            ));
        }
    }
    fs::write(lab.path("generations.jsonl"), rows).unwrap();
    lab
}

/// What the page's script knows.
fn page_data(lab: &Lab) -> (String, Value) {
    lab.ok(&["report", "--html", "page"]);
    let page = fs::read_to_string(lab.path("page/index.html")).unwrap();
    let data = page.split("<script id=\"data\" type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data = serde_json::from_str(data).unwrap();
    (page, data)
}

#[test]
fn the_page_says_who_is_present_doubled_and_unasked() {
    let lab = many();
    lab.ingest(&["--windows", "fast"]);
    let (page, data) = page_data(&lab);
    let images = data["images"].as_array().unwrap();
    assert_eq!(images.len(), 6 * SEEDS as usize);
    for image in images {
        let (prompt, seed) = (image[1].as_u64().unwrap(), image[2].as_str().unwrap());
        let (subjects, boxes) = (image[7].as_array().unwrap(), image[9][0].as_array().unwrap());
        assert!(subjects.iter().all(|s| s[1] == json!(1)), "all are drawn and present: {image}");
        let places: Vec<u64> = subjects.iter().map(|s| s[2].as_u64().unwrap()).collect();
        let (extras, asked): (Vec<&Value>, Vec<&Value>) = boxes.iter().partition(|of| of[1] == json!(3));
        let unasked: Vec<u64> = extras.iter().map(|of| of[0].as_u64().unwrap()).collect();
        assert_eq!(asked.len(), 2, "a frame for each: {image}");
        match (prompt, seed) {
            (0, "1") => assert_eq!((places, unasked), (vec![1, 1], vec![3]), "{image}"),
            (1, "1") => assert_eq!((places, unasked), (vec![2, 1], vec![]), "{image}"),
            _ => assert_eq!((places, unasked), (vec![1, 1], vec![]), "{image}"),
        }
    }
    // Its place is the upper right quarter.
    let extra = &images.iter().find(|image| image[1] == json!(0) && image[2] == json!("1")).unwrap()[9][0][2];
    assert_eq!((&extra[2], &extra[3], &extra[4]), (&json!(64), &json!(0), &json!(64)));
    // Each null has its size: 40 images did not ask for a subject, and they are too few to be the model's own.
    assert!(data["nulls"].as_array().unwrap().iter().all(|null| (&null[0], &null[1]) == (&json!(40), &json!(false))));
    for heading in
        ["What present and missing mean", "Who is there, by windows", "Requested and found", "Can the encoder tell them apart?"]
    {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(page.contains("msdata subjects check --keep"), "the page says how to get what it lacks");
}

#[test]
fn cscr_ranks_where_it_can_be_said_and_is_drawn() {
    let lab = many();
    lab.ingest(&["--windows", "none"]);
    let bare = lab.run(&["compare", "--leaderboard"]);
    let (table, said) = (String::from_utf8(bare.stdout).unwrap(), String::from_utf8(bare.stderr).unwrap());
    assert!(table.contains("auc/") && !table.contains("scr@"), "{table}");
    assert!(said.contains("because no image was searched") && said.contains("msdata embed --windows full"), "{said}");
    let refused = lab.run(&["plot", "cscr", "--out", "cscr.svg"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("msdata embed --windows full"));

    lab.ok(&["embed", "--windows", "fast"]);
    let ranked = lab.run(&["compare", "--leaderboard"]);
    let (table, said) = (String::from_utf8(ranked.stdout).unwrap(), String::from_utf8(ranked.stderr).unwrap());
    assert!(table.contains("cscr@0.05 %") && !said.contains("and not by cSCR"), "{table}{said}");
    for kind in ["cscr", "cscr-scene", "cscr-curve", "heatmap"] {
        lab.ok(&["plot", kind, "--out", &format!("{kind}.svg")]);
        assert!(fs::read_to_string(lab.path(&format!("{kind}.svg"))).unwrap().contains("</svg>"), "{kind}");
    }
    let heat_map = fs::read_to_string(lab.path("heatmap.svg")).unwrap();
    assert!(heat_map.contains("How often each subject is present"), "presence, not similarity");

    // An α that so few values cannot reach leaves the order to AUC, and says why.
    let strict = lab.run(&["compare", "--leaderboard", "--alpha", "0.01"]);
    let said = String::from_utf8(strict.stderr).unwrap();
    assert!(said.contains("no requested subject has a verdict: the null has 40 values"), "{said}");
}

#[test]
fn what_goes_beyond_words_can_be_compared_and_what_is_undecided_is_counted() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    let none = lab.run(&["compare", "right", "wrong", "--whole", "--measure", "beyond_words"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("there is no measure `beyond_words`"));
    let report: Value = serde_json::from_str(&lab.ok(&["report", "--by", "model", "--format", "json"])).unwrap();
    assert_eq!(report["rows"][0]["undecided"], json!(12), "two subjects in each of six images");
    lab.ok(&["ingest", "--generations", "generations.jsonl", "--control", "wrong", "--text-only"]);
    let board = lab.ok(&["compare", "--leaderboard", "--whole", "--measure", "beyond_words", "--format", "json"]);
    let board: Value = serde_json::from_str(&board).unwrap();
    assert_eq!((&board[0]["model"], &board[0]["mean"]), (&json!("right"), &json!(1.0)), "{board}");
}

#[test]
fn the_instrument_is_checked_by_kind() {
    let lab = many();
    lab.ingest(&["--windows", "none"]);
    let check = lab.ok(&["subjects", "check", "--only", "instrument", "--format", "json"]);
    let rows: Value = serde_json::from_str(&check).unwrap();
    let rows = rows.as_array().unwrap();
    // Five variants of three animals, three objects, and the whole pool; the windows are of 64 and 42 pixels.
    assert_eq!(rows.len(), 5 * 3);
    let last = &rows[rows.len() - 1];
    assert_eq!((&last["kind"], &last["subjects"], &last["pictures"]), (&json!("all"), &json!(6), &json!(6)));
    assert!(rows.iter().all(|row| row["auc"].as_f64().unwrap() > 0.75), "patterns of different colours are told apart: {check}");
    let found = lab.run(&["subjects", "check", "--format", "csv"]);
    assert!(!String::from_utf8_lossy(&found.stdout).contains("indistinct"));
    assert!(String::from_utf8_lossy(&found.stderr).contains("necessary and not sufficient"));

    // Animals that are each other's mirror image: a mirrored reference is the other one.
    let ramp = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([4 * x as u8, 255 - 4 * x as u8, y as u8]));
    ramp.save(lab.path("s0.png")).unwrap();
    image::imageops::flip_horizontal(&ramp).save(lab.path("s1.png")).unwrap();
    ramp.save(lab.path("s2.png")).unwrap();
    lab.ok(&["ingest", "--rehash"]);
    let found = lab.run(&["subjects", "check", "--format", "csv"]);
    assert_eq!(found.status.code(), Some(1));
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.contains("indistinct,animal,\"builtin-texture cannot tell the animals of this pool apart"), "{found}");
    assert!(!found.contains("indistinct,object,"), "{found}");
}

#[test]
fn what_is_kept_of_the_instrument_goes_when_references_change() {
    let lab = many();
    lab.ingest(&["--windows", "none"]);
    let kept = |lab: &Lab| lab.sql("SELECT count(*) FROM instrument_check");
    lab.run(&["subjects", "check"]);
    assert!(kept(&lab).ends_with("\n0\n"), "unasked nothing is written");
    lab.ok(&["subjects", "check", "--only", "instrument", "--keep"]);
    assert!(kept(&lab).ends_with("\n15\n"));
    assert!(page_data(&lab).0.contains("own references, changed"));
    lab.ok(&["verify", "--deep"]);
    figure(7).save(lab.path("s5.png")).unwrap();
    lab.ok(&["ingest", "--rehash"]);
    assert!(kept(&lab).ends_with("\n0\n"), "they were of other pictures");
    let only = lab.run(&["subjects", "check", "--only", "findings"]);
    assert!(!String::from_utf8_lossy(&only.stderr).contains("shrunk"), "no network runs");
}

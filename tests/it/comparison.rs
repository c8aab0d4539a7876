//! Models against each other, on vectors whose cosines are prescribed; expected values by hand, or by numpy where
//! it says so.

use crate::support::lab::{err, msdata, ok, out, refused};
use crate::support::prescribed::{self, Image, Prescribed, Prompt, ingest};
use msdata::report::{CompareOptions, Comparison, Key, Thresholds};
use msdata::{Dataset, Error};
use std::path::Path;

/// Prompts of two subjects each, of a pool of 30.
fn prompts(n: usize) -> Vec<Prompt> {
    let prompt = |i: usize| Prompt {
        id: format!("p{i:02}"),
        scene: prescribed::SCENES[i % 3],
        subjects: vec![2 * i % 30, (2 * i + 1) % 30],
    };
    (0..n).map(prompt).collect()
}

fn data(dir: &Path, set: &Prescribed, similarities: impl Fn(Image<'_>) -> Vec<f64>) -> Dataset {
    let mut files = set.write(&dir.join("input"));
    set.write_vectors(&dir.join("v.parquet"), "dinov2-small", similarities, None);
    files.embeddings = vec![dir.join("v.parquet")];
    let mut data = Dataset::init(&dir.join("data")).unwrap();
    ingest(&mut data, &files);
    data
}

fn scr() -> CompareOptions {
    CompareOptions { thresholds: "0.4".parse().unwrap(), measure: Some("scr@0.4".into()), ..CompareOptions::default() }
}

fn only(data: &Dataset, a: &str, b: &str, options: &CompareOptions) -> Comparison {
    let rows = data.compare(Some([&a.parse().unwrap(), &b.parse().unwrap()]), options).unwrap().rows;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

/// Of the six pairs (three seeds, two subjects) of each of 15 prompts, how many collapse: prompts differ much, seeds
/// of one prompt little, as in the published scores, and so do the sums, 44 and 57 of 90.
const ONE: [usize; 15] = [6, 6, 6, 6, 6, 5, 4, 3, 1, 1, 0, 0, 0, 0, 0];
const OTHER: [usize; 15] = [6, 6, 6, 6, 6, 6, 6, 5, 3, 2, 2, 2, 1, 0, 0];

fn fifteen(dir: &Path) -> Dataset {
    let set = Prescribed { models: vec!["one", "other", "third"], pool: 30, prompts: prompts(15), seeds: vec![42, 43, 44] };
    data(dir, &set, |image| {
        let counts = if image.model == "other" { OTHER } else { ONE };
        let collapsed = counts[image.prompt];
        // Seed by seed: the first two of the six are seed 42's.
        (0..2).map(|subject| if (image.seed - 42) as usize * 2 + subject < collapsed { 0.2 } else { 0.7 }).collect()
    })
}

#[test]
fn a_difference_with_its_interval_and_p() {
    let dir = tempfile::tempdir().unwrap();
    let data = fifteen(dir.path());
    let row = only(&data, "one", "other", &scr());
    assert_eq!((row.pairs, row.prompts, row.only_a, row.only_b), (45, 15, 0, 0));
    let close = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-12, "{row:?}");
    close(row.mean_a, 44.0 / 90.0);
    close(row.mean_b, 57.0 / 90.0);
    close(row.difference, -13.0 / 90.0);
    // numpy, a million draws of the 15 differences: [−0.2333, −0.0667].
    let [low, high] = row.ci.unwrap();
    assert!((low + 0.2333).abs() < 0.015 && (high + 0.0667).abs() < 0.015, "{low} {high}");
    // Eight prompts differ, all in one direction: 2 of 2⁸ sign patterns.
    assert_eq!((row.p, row.p_holm), (Some(2.0 / 256.0), Some(2.0 / 256.0)));
    // The other way round.
    let back = only(&data, "other", "one", &scr());
    assert_eq!((back.difference, back.p), (row.difference.map(|d| -d), row.p));
    assert!((back.ci.unwrap()[0] + high).abs() < 0.015);

    // The interval of the one's own SCR, by numpy: [0.244, 0.733]; the plain percentile would be [0.267, 0.711].
    let options = msdata::ReportOptions { confidence: Some(Default::default()), ..Default::default() };
    let [low, high] = data.report(&options).unwrap().rows[0].ci.as_ref().unwrap().scr[0].1.unwrap();
    assert!((low - 0.2444).abs() < 0.015 && (high - 0.7333).abs() < 0.015, "{low} {high}");
}

#[test]
fn all_pairs_and_the_board() {
    let dir = tempfile::tempdir().unwrap();
    let data = fifteen(dir.path());
    let rows = data.compare(None, &scr()).unwrap().rows;
    let pairs: Vec<(&str, &str)> = rows.iter().map(|row| (row.a.as_str(), row.b.as_str())).collect();
    assert_eq!(pairs, [("one", "other"), ("one", "third"), ("other", "third")]);
    // p of 2/256, 1 and 2/256, by Holm: three times, twice (not below the first), once.
    let p = 2.0 / 256.0;
    assert_eq!(rows.iter().map(|row| row.p.unwrap()).collect::<Vec<_>>(), [p, 1.0, p]);
    assert_eq!(rows.iter().map(|row| row.p_holm.unwrap()).collect::<Vec<_>>(), [3.0 * p, 1.0, 3.0 * p]);
    let same = &rows[1];
    assert_eq!((same.difference, same.p), (Some(0.0), Some(1.0)), "all values equal");
    // Which is no certainty: of 15 prompts that agree, up to 1 − 0.025^(1/15) = 0.218 of all may not.
    let [low, high] = same.ci.unwrap();
    assert!((low + 0.2180).abs() < 1e-4 && (high - 0.2180).abs() < 1e-4, "{low} {high}");
    let cosines = CompareOptions { measure: Some("similarity/dinov2-small".into()), ..CompareOptions::default() };
    assert_eq!(only(&data, "one", "third", &cosines).ci, None, "and of cosines nothing can be said");

    let board = data.leaderboard(&CompareOptions::default()).unwrap();
    assert_eq!(board.measure, "scr@0.4");
    let standings: Vec<_> = board.rows.iter().map(|row| (row.rank.unwrap(), row.model.as_str(), row.groups.as_str())).collect();
    assert_eq!(standings, [(1, "one", "a"), (1, "third", "a"), (3, "other", "b")]);
    assert!((board.rows[2].mean.unwrap() - 57.0 / 90.0).abs() < 1e-12 && board.rows[2].ci.is_some());
    // By similarity the higher is the better: the same order.
    let options = CompareOptions { measure: Some("similarity/dinov2-small".into()), ..CompareOptions::default() };
    assert_eq!(data.leaderboard(&options).unwrap().rows[2].model, "other");

    // By cells, Holm is over all of them; over everything there is one.
    let by = |by: Vec<Key>| data.compare(None, &CompareOptions { by, ..scr() }).unwrap().rows;
    assert_eq!((by(vec![Key::SceneType]).len(), by(vec![]).len(), by(vec![Key::Kind]).len()), (9, 3, 9));
    assert_eq!(by(vec![Key::Kind]).iter().map(|row| row.pairs).sum::<u64>(), 3 * 90);
}

#[test]
fn what_cannot_be_paired_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A", "B"], pool: 30, prompts: prompts(3), seeds: vec![1, 2] };
    let mut files = set.write(&dir.path().join("input"));
    // B lacks the second prompt altogether and one seed of the third; E has made nothing that is there.
    let text = std::fs::read_to_string(&files.generations).unwrap();
    let lacks =
        |line: &&str| line.contains("\"B\"") && (line.contains("p01") || line.contains("p02") && line.contains("seed\": 2"));
    let mut kept: Vec<String> = text.lines().filter(|line| !lacks(line)).map(str::to_owned).collect();
    kept.extend((0..3).map(|p| format!(r#"{{"model": "E", "prompt_id": "p0{p}", "seed": 1, "path": "images/none{p}.png"}}"#)));
    std::fs::write(&files.generations, kept.join("\n")).unwrap();
    let without = dir.path().join("without");
    std::fs::create_dir(&without).unwrap();
    let whole = Prescribed { models: vec!["A"], ..Prescribed { models: vec![], ..Prescribed::paper() } };
    let a = Prescribed { prompts: set.prompts.clone(), seeds: vec![1, 2], pool: 30, ..whole };
    a.write_vectors(&without.join("a.parquet"), "dinov2-small", |_| vec![0.2, 0.7], None);
    let b =
        Prescribed { models: vec!["B"], prompts: vec![set.prompts[0].clone(), set.prompts[2].clone()], seeds: vec![1], pool: 30 };
    b.write_vectors(&without.join("b.parquet"), "dinov2-small", |_| vec![0.7, 0.7], None);
    files.embeddings = vec![without.join("a.parquet")];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    let (_, warnings) = prescribed::ingest_with_warnings(&mut data, &files.options());
    assert!(warnings.iter().all(|w| w.contains("have no vector")), "{warnings:?}");
    files.embeddings = vec![without.join("b.parquet")];
    prescribed::ingest_with_warnings(&mut data, &files.options());

    let row = only(&data, "A", "B", &scr());
    assert_eq!((row.pairs, row.prompts, row.only_a, row.only_b), (2, 2, 4, 0), "of B two images are scored");
    assert_eq!((row.mean_a, row.mean_b, row.difference), (Some(0.5), Some(0.0), Some(0.5)));
    assert_eq!(row.p, Some(0.5), "two prompts, the same difference");
    // 1 − 0.025^(1/2) = 0.842 of all prompts may differ by -1, or by 1.
    let [low, high] = row.ci.unwrap();
    assert!((low + 0.7628).abs() < 1e-4 && (high - 0.9209).abs() < 1e-4, "{low} {high}");
    // One prompt: no interval, and nothing that a sign flip could show.
    let one =
        data.compare(Some([&"A".parse().unwrap(), &"B".parse().unwrap()]), &CompareOptions { by: vec![Key::PromptId], ..scr() });
    let rows = one.unwrap().rows;
    assert_eq!((rows[0].pairs, rows[0].ci, rows[0].p, rows[0].p_holm), (1, None, Some(1.0), Some(1.0)));
    assert_eq!((rows[1].pairs, rows[1].only_a, rows[1].difference, rows[1].p), (0, 2, None, None), "a prompt that B lacks");
    // A model without images: null everywhere, and last without a rank.
    let none = only(&data, "A", "E", &scr());
    assert_eq!((none.pairs, none.only_a, none.mean_a, none.p, none.p_holm), (0, 6, None, None, None));
    let json = serde_json::to_string(&none).unwrap();
    assert!(json.contains(r#""difference":null,"low":null,"high":null,"p":null"#), "{json}");
    let board = data.leaderboard(&CompareOptions::default()).unwrap();
    let last = board.rows.last().unwrap();
    assert_eq!((last.model.as_str(), last.rank, last.groups.as_str(), last.images, last.mean), ("E", None, "", 0, None));
    let whole = data.report(&msdata::ReportOptions { curve: true, controls: true, ..Default::default() }).unwrap();
    let json = serde_json::to_string(&whole).unwrap();
    assert!(json.contains(r#""curve":null"#) && !json.contains("NaN"), "{json}");
    let lacking = &whole.warnings[0];
    assert!(lacking.starts_with("cells that lack prompts that another model has") && lacking.contains("model B"), "{lacking}");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = fifteen(dir.path());
    let said = |options: &CompareOptions, b: &str| {
        let error: Error = data.compare(Some([&"one".parse().unwrap(), &b.parse().unwrap()]), options).unwrap_err();
        format!("{error}; {}", error.hint().unwrap())
    };
    assert_eq!(said(&scr(), "two"), "there is no model `two`; there are one, other, third");
    let measure = CompareOptions { measure: Some("scr@0.45".into()), thresholds: Thresholds::default(), ..scr() };
    assert!(
        said(&measure, "other").starts_with("there is no measure `scr@0.45`; there are scr@0.4, scr@0.5, scr@0.6, similarity/")
    );
    assert!(said(&CompareOptions { by: vec![Key::Size], ..scr() }, "other").starts_with("models cannot be compared by `size`"));
}

#[test]
fn sizes_and_strangers_are_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A", "B", "C"], pool: 30, prompts: prompts(2), seeds: vec![1] };
    let mut files = set.write(&dir.path().join("input"));
    image::RgbImage::new(3, 2).save(dir.path().join("input/images/B/p00/1.png")).unwrap();
    // C has made everything with another seed.
    let text = std::fs::read_to_string(&files.generations).unwrap();
    let other_seed =
        |line: &str| if line.contains("\"C\"") { line.replace("\"seed\": 1", "\"seed\": 9") } else { line.to_owned() };
    std::fs::write(&files.generations, text.lines().map(other_seed).collect::<Vec<_>>().join("\n")).unwrap();
    let vectors = dir.path().join("v.parquet");
    let known = Prescribed { models: vec!["A", "B"], pool: 30, prompts: prompts(2), seeds: vec![1] };
    known.write_vectors(&vectors, "dinov2-small", |_| vec![0.3, 0.5], None);
    files.embeddings = vec![vectors];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    prescribed::ingest_with_warnings(&mut data, &files.options());
    let warnings = data.compare(None, &CompareOptions::default()).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    // A pair with two prompts, by four measures: p is 1/2 at best.
    assert!(
        warnings[2]
            .starts_with("rows in which no difference could be told from chance, however large: 4 of 12, the first A and B"),
        "{}",
        warnings[2]
    );
    assert_eq!(warnings[0], "pairs of models without an image of the same prompt and seed: 2, the first A and C");
    assert!(warnings[1].ends_with(": 1, the first A 2x2, B 2x2, 3x2"), "{}", warnings[1]);
}

/// `n` models over `prompts` prompts of one cell, each strictly better than the one before it on every prompt, by unlike
/// amounts.
fn ladder(dir: &Path, n: usize, count: usize) -> Dataset {
    let models: Vec<&'static str> = (0..n).map(|m| &*Box::leak(format!("m{m:02}").into_boxed_str())).collect();
    let set = Prescribed { models, pool: 30, prompts: prompts(count), seeds: vec![1] };
    data(dir, &set, |image| {
        let rung: f64 = image.model[1..].parse().unwrap();
        let step = 0.3 / n as f64;
        let wobble = (image.prompt as f64 * 1.7 + rung).sin() * 0.4;
        vec![0.2 + step * (rung + wobble); 2]
    })
}

#[test]
fn a_large_family_can_be_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let data = ladder(dir.path(), 46, 25);
    let options = CompareOptions { by: vec![], measure: Some("similarity/dinov2-small".into()), ..CompareOptions::default() };
    let found = data.compare(None, &options).unwrap();
    assert_eq!(found.rows.len(), 1035);
    // All 25 prompts agree: 2 of 2²⁵ sign patterns, 1,035 times.
    for row in &found.rows {
        assert_eq!((row.prompts, row.p), (25, Some(2.0_f64.powi(-24))), "{row:?}");
        assert!(row.p_holm.unwrap() <= 1035.0 * 2.0_f64.powi(-24), "{row:?}");
    }
    assert!(!found.warnings.iter().any(|r| r.contains("told from chance")), "{:?}", found.warnings);
    // The board is the ladder, and nobody shares a letter.
    let board = data.leaderboard(&options).unwrap();
    let order: Vec<(u64, &str)> = board.rows.iter().map(|row| (row.rank.unwrap(), row.model.as_str())).collect();
    let expected: Vec<(u64, String)> = (0..46).map(|k| (k + 1, format!("m{:02}", 45 - k))).collect();
    assert_eq!(order, expected.iter().map(|(rank, model)| (*rank, model.as_str())).collect::<Vec<_>>());
}

#[test]
fn a_family_beyond_its_prompts_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let data = ladder(dir.path(), 12, 9);
    let options = CompareOptions { by: vec![], measure: Some("similarity/dinov2-small".into()), ..CompareOptions::default() };
    let found = data.compare(None, &options).unwrap();
    // 66 pairs of nine prompts that agree: 66 · 2/2⁹ = 0.26.
    assert!(found.rows.iter().all(|row| row.p == Some(1.0 / 256.0) && row.p_holm.unwrap() > 0.05));
    let said = found.warnings.iter().find(|r| r.contains("told from chance")).unwrap();
    assert!(
        said.contains("66 of 66, the first m00 and m01: 9 prompts give a p of 3.9e-3") && said.contains("makes that 0.26"),
        "{said}"
    );
    // Two of them alone have nine prompts enough.
    let two = data.compare(Some([&"m00".parse().unwrap(), &"m01".parse().unwrap()]), &options).unwrap();
    assert_eq!((two.rows[0].p_holm, two.warnings.len()), (Some(1.0 / 256.0), 0), "{:?}", two.warnings);
}

/// A is better than B on all 20 prompts that both have; B alone has 20 that are easy, and the better mean.
#[test]
fn the_board_agrees_with_its_test_whatever_the_coverage() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A", "B"], pool: 30, prompts: prompts(40), seeds: vec![1] };
    let mut files = set.write(&dir.path().join("input"));
    let lacks = |line: &&str| line.contains("\"A\"") && (20..40).any(|p| line.contains(&format!("\"p{p:02}\"")));
    let text = std::fs::read_to_string(&files.generations).unwrap();
    std::fs::write(&files.generations, text.lines().filter(|l| !lacks(l)).collect::<Vec<_>>().join("\n")).unwrap();
    let (shared, all) = (prompts(20), prompts(40));
    for (model, prompts) in [("A", shared), ("B", all)] {
        let one = Prescribed { models: vec![model], pool: 30, prompts, seeds: vec![1] };
        let path = dir.path().join(format!("{model}.parquet"));
        let value = move |image: Image<'_>| match (image.model, image.prompt) {
            ("A", p) => vec![0.45 + 0.001 * p as f64; 2],
            (_, p) if p < 20 => vec![0.35 + 0.001 * p as f64; 2],
            _ => vec![0.7, 0.6],
        };
        one.write_vectors(&path, "dinov2-small", value, None);
        files.embeddings = vec![path];
        let mut data =
            Dataset::init(&dir.path().join("data")).or_else(|_| Dataset::open_to_write(&dir.path().join("data"))).unwrap();
        prescribed::ingest_with_warnings(&mut data, &files.options());
    }
    let data = Dataset::open_to_read(&dir.path().join("data")).unwrap();
    let options = CompareOptions { by: vec![], measure: Some("similarity/dinov2-small".into()), ..CompareOptions::default() };
    let board = data.leaderboard(&options).unwrap();
    let rows: Vec<_> = board.rows.iter().map(|r| (r.rank.unwrap(), r.model.as_str(), r.groups.as_str(), r.images)).collect();
    assert_eq!(rows, [(1, "A", "a", 20), (2, "B", "b", 40)]);
    assert!(board.rows[1].mean > board.rows[0].mean, "the means say the opposite");
    let margins: Vec<f64> = board.rows.iter().map(|r| r.margin.unwrap()).collect();
    assert!((margins[0] - 0.1).abs() < 1e-6 && (margins[1] + 0.1).abs() < 1e-6, "{margins:?}");
    assert!(board.unequal);
    let said = board.warnings.iter().find(|r| r.contains("the other lacks")).unwrap();
    assert!(said.contains("1, the first A and B (20 in common, 0 and 20 not)"), "{said}");
    let mut table = Vec::new();
    board.write(&mut table, msdata::table::Format::Table).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.lines().next().unwrap().contains("margin"), "{table}");
}

/// Two prompts on which everything collapsed: [100, 100] would be a certainty that nobody has.
#[test]
fn no_interval_is_a_point_in_any_format() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed { models: vec!["A", "B"], pool: 30, prompts: prompts(2), seeds: vec![1, 2] };
    let data = data(dir.path(), &set, |image| vec![if image.model == "A" { 0.2 } else { 0.7 }; 2]);
    let options = msdata::ReportOptions { confidence: Some(Default::default()), ..Default::default() };
    let report = data.report(&options).unwrap();
    let text = |format| {
        let mut out = Vec::new();
        report.write(&mut out, format).unwrap();
        String::from_utf8(out).unwrap()
    };
    use msdata::table::Format;
    let table = text(Format::Table);
    assert!(table.contains("100.0 [16, 100]") && table.contains("0.0 [0, 84]") && table.contains("0.200 [–]"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
    let ci = &json["rows"][0]["ci"];
    assert!((ci["scr"]["0.4"][0].as_f64().unwrap() - 0.15811).abs() < 1e-4 && ci["scr"]["0.4"][1] == 1.0, "{ci}");
    assert!(ci["similarity"]["dinov2-small"].is_null(), "{ci}");
    for format in Format::ALL.iter().filter(|format| !format.is_binary()) {
        let text = text(*format);
        assert!(!text.contains("[100, 100]") && !text.contains("[0, 0]") && !text.contains("[0.20, 0.20]"), "{text}");
    }
    let rows = data.compare(None, &CompareOptions::default()).unwrap().rows;
    assert!(rows.iter().all(|row| row.ci.is_none_or(|[low, high]| high - low > 0.1)), "{rows:?}");
    assert!(data.leaderboard(&scr()).unwrap().rows.iter().all(|row| row.ci.is_some_and(|[low, high]| high - low > 0.1)));
}

#[test]
fn a_comparison_is_told_in_words_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let data = fifteen(dir.path());
    let [one, other, third] = ["one", "other", "third"].map(|name| name.parse().unwrap());
    let options = CompareOptions { thresholds: "0.4".parse().unwrap(), ..CompareOptions::default() };
    let words = data.compare(Some([&one, &other]), &options).unwrap().words;
    let [words] = &words[..] else { panic!("{words:?}") };
    for part in [
        "one is better than other by scr@0.4 (lower is better): 48.9 % against 63.3 %, a difference of -14.4 points [-",
        "over 45 pairs of images of 15 prompts, which is more than chance (p = 0.0078, by Holm's method over 2 measures 0.0156).",
        "By subject count: one is better at 2.",
        // Five prompts cannot show it, whatever they are.
        "By scene type: they are not told apart at neutral, occlusion and interaction.",
        "By other measures: one is better by similarity/dinov2-small (0.456 against 0.383).",
        "By scr@0.4 the worst subjects of one are ",
        "; of other are ",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let words = data.compare(Some([&other, &one]), &options).unwrap().words;
    assert!(words[0].starts_with("other is worse than one by scr@0.4 (lower is better): 63.3 % against 48.9 %"), "{words:?}");
    let words = data.compare(Some([&one, &third]), &options).unwrap().words;
    assert!(
        words[0].starts_with("one and third cannot be told apart by scr@0.4") && words[0].contains("may be chance"),
        "{words:?}"
    );
    assert!(data.compare(None, &options).unwrap().words.is_empty(), "every pair is a table");

    // From the command line: the words, then the table with arrows; with a baseline, each of the others against it.
    let told = ok(dir.path(), &["compare", "one", "--baseline", "other", "--whole"]);
    assert!(told.starts_with("one is better than other by scr@0.4"), "{told}");
    assert!(told.contains("\nscr@0.4 % ↓") && told.contains("\nsimilarity/dinov2-small ↑"), "{told}");
    let told = ok(dir.path(), &["compare", "--baseline", "other", "--whole", "--format", "csv"]);
    assert!(
        !told.contains("better") && told.contains("\nscr@0.4,one,other,") && told.contains("\nscr@0.4,third,other,"),
        "{told}"
    );
    let board = msdata(dir.path(), &["compare", "--leaderboard"]).output().unwrap();
    assert!(out(&board).contains("scr@0.4 % ↓") && err(&board).contains("rank: 1 + the number of models that are better"));
    for wrong in [&["compare", "one"][..], &["compare", "one", "other", "third"], &["compare"]] {
        let refused = msdata(dir.path(), wrong).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(err(&refused).contains("--baseline"), "{}", err(&refused));
    }
}

#[test]
fn two_models_are_the_same_named_or_among_all() {
    let dir = tempfile::tempdir().unwrap();
    let data = fifteen(dir.path());
    for by in [vec![], vec![Key::SceneType], vec![Key::SubjectId]] {
        let options = CompareOptions { by, ..CompareOptions::default() };
        let all = data.compare(None, &options).unwrap().rows;
        for [a, b] in [["one", "other"], ["other", "third"]] {
            let named = data.compare(Some([&a.parse().unwrap(), &b.parse().unwrap()]), &options).unwrap().rows;
            let without_family = |rows: &[Comparison]| {
                let of_pair = rows.iter().filter(|row| [&row.a[..], &row.b[..]] == [a, b]);
                of_pair.map(|row| Comparison { p_holm: None, ..row.clone() }).collect::<Vec<_>>()
            };
            assert!(named.len() > 1 && without_family(&named) == without_family(&all), "{a} {b} {:?}", options.by);
        }
    }
}

#[test]
fn models_are_chosen_and_renamed_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = fifteen(dir.path());
    let dir = dir.path();
    let csv = |arguments: &[&str]| ok(dir, &[arguments, &["--format", "csv"]].concat());
    let names = |csv: &str| csv.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<_>>();
    let chosen = ["--models", "third,one", "--rename", "one=Our model,third=MOSAIC"];
    let report = csv(&[&["report", "--by", "model"][..], &chosen].concat());
    assert_eq!(names(&report), ["MOSAIC", "Our model"]);
    let all = names(&csv(&["report", "--by", "model", "--rename", "other=zz", "--rename", "one=yy"]));
    assert_eq!(all, ["yy", "zz", "third"], "the order is that of the data set");
    let board = csv(&[&["compare", "--leaderboard", "--whole"][..], &chosen].concat());
    assert!(board.contains("MOSAIC") && board.contains("Our model") && !board.contains("other"), "{board}");
    let pairs = csv(&[&["compare", "--all", "--whole", "--measure", "scr@0.4"][..], &chosen].concat());
    assert_eq!(pairs.lines().skip(1).map(|line| &line[..24]).collect::<Vec<_>>(), ["scr@0.4,MOSAIC,Our model"]);
    // Either name will do for a renamed model.
    for a in ["one", "Our model"] {
        let told = ok(dir, &["compare", a, "other", "--whole", "--rename", "one=Our model"]);
        assert!(told.starts_with("Our model is better than other"), "{told}");
    }
    let said = refused(dir, &["report", "--models", "ones"]);
    assert!(
        said.contains("there is no model `ones`; did you mean `one`?") && said.contains("there are one, other, third"),
        "{said}"
    );
    assert!(refused(dir, &["report", "--rename", "one=other"]).contains("two models would be called `other`"));
    // Figures: the models chosen, by their new names, as vectors that LaTeX takes, panels side by side.
    let models = msdata::report::ModelSelection {
        only: vec!["third".parse().unwrap(), "one".parse().unwrap()],
        renamed: vec![("one".parse().unwrap(), "Ours".parse().unwrap())],
    };
    let options = msdata::ops::FigureOptions { models, ..Default::default() };
    for kind in [msdata::plot::Kind::Trend, msdata::plot::Kind::Scene, msdata::plot::Kind::Curve, msdata::plot::Kind::Heatmap] {
        let drawn = data.figure(kind, &options).unwrap().for_page(400.0);
        assert!(drawn.contains("Ours") && drawn.contains("third") && !drawn.contains("other"), "{kind}: {drawn}");
    }
    let heat_map = data.figure(msdata::plot::Kind::Heatmap, &options).unwrap().for_page(400.0);
    assert!(heat_map.contains(" worst</text>") && heat_map.contains(">best "), "{heat_map}");
    ok(dir, &["plot", "trend", "--width", "page", "--models", "one,other", "--out", "trend.pdf"]);
    let pdf = std::fs::read(dir.join("trend.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-1.5") && String::from_utf8_lossy(&pdf).contains("/MediaBox [0 0 496.8 "));
}

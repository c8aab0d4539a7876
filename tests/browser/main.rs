//! The report page in a real browser: makes the data sets and their pages, and lets `page.js` look at them.
//! `make test-browser` installs what it needs and names it in MSDATA_BROWSER.

#[path = "../it/support/sets.rs"]
mod sets;

use msdata::demo::DemoOptions;
use msdata::ops::ScoreOptions;
use msdata::page::{PageOptions, PageOutput};
use msdata::{Dataset, IngestOptions, Watch};
use sets::Set;
use std::process::Command;

#[test]
fn the_page_in_chromium() {
    let Ok(packages) = std::env::var("MSDATA_BROWSER") else {
        eprintln!("skipped: MSDATA_BROWSER is not set; `make test-browser` sets it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let write = |set: &Set, name: &str, output: PageOutput| {
        let data = set.ingest(&dir.path().join(name));
        data.write_page(&PageOptions::default(), &output, &mut Watch::silent()).unwrap().path
    };
    let page = write(&Set::plain(), "plain", PageOutput::Directory(dir.path().join("a page #1")));
    let hostile = write(&Set::hostile(), "hostile", PageOutput::Directory(dir.path().join("hostile page")));
    let single = PageOutput::SingleFile { path: dir.path().join("single.html"), max_bytes: 900_000 };
    let single = write(&Set::plain(), "single", single);
    // Three generators whose faults are known, searched window by window, by an encoder for which no threshold is known.
    let demo = dir.path().join("demo");
    msdata::demo::make(&demo, &DemoOptions { per_cell: 1, seeds: vec![42] }, &mut Watch::silent()).unwrap();
    let windows = PageOutput::Directory(dir.path().join("windows page"));
    let data = Dataset::open_to_read(&demo).unwrap();
    let windows = data.write_page(&PageOptions::default(), &windows, &mut Watch::silent()).unwrap().path;
    // Two metrics, of which one is better where it is lower, and lacks a value.
    let mut data = Set::plain().ingest(&dir.path().join("metrics"));
    let mut scores = "# msdata: hps higher\n# msdata: loss lower\nmodel,prompt_id,seed,hps,loss\n".to_owned();
    for (at, model) in ["alpha", "beta & co"].into_iter().enumerate() {
        for p in 1..=6 {
            for seed in 1..=3 {
                let loss = if p == 4 { String::new() } else { format!("{}", 10 * p + seed + at) };
                scores += &format!("{model},p{p},{seed},0.{p}{seed}{at},{loss}\n");
            }
        }
    }
    std::fs::write(dir.path().join("scores.csv"), scores).unwrap();
    let scores = ScoreOptions { files: vec![dir.path().join("scores.csv")], ..ScoreOptions::default() };
    data.ingest(&IngestOptions { scores, ..IngestOptions::default() }, &mut Watch::silent()).unwrap();
    let metrics = PageOutput::Directory(dir.path().join("metrics page"));
    let metrics = data.write_page(&PageOptions::default(), &metrics, &mut Watch::silent()).unwrap().path;
    let expected = serde_json::json!({
        "prompt_id": "\"><img src=x onerror=alert(1)>",
        "file_name": "#frag?query=%2e%2e&\"<script>.png",
        "shown": [
            "</script><script>window.__pwned=2</script>",
            "<img src=x onerror=window.__pwned=4>",
            "\\u{202e}esrever\\u{202c} \\u{7}bell",
            "'; window.__pwned=6; '&lt;",
            "<!--<script>window.__pwned=7</script>--> ]]> </title></style></script><svg onload=window.__pwned=8> \\u{2028}{{7*7}} ${7*7}",
            "<script>alert('model')</script>",
            "model\" onclick=\"alert(1)",
            "שלום <b>bold</b> &amp; \\u{200f}mark",
            "no such file",
        ],
    });
    std::fs::write(hostile.with_file_name("expected.json"), expected.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/page.js");
    let status = Command::new("node").arg(script).arg(packages).args([page, hostile, single, windows, metrics]).status().unwrap();
    assert!(status.success(), "see above");
}

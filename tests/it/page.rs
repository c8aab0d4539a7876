//! The page and the figures as files: the same bytes for the same data, nothing dropped, nothing of others written
//! over. How the page works in a browser: tests/browser.

use crate::support::lab::contents;
use crate::support::sets::Set;
use msdata::ops::FigureOptions;
use msdata::page::{PageOptions, PageOutput, PageWritten};
use msdata::plot::Kind;
use msdata::{Dataset, Watch};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn write(data: &Dataset, dir: &Path) -> PageWritten {
    data.write_page(&PageOptions::default(), &PageOutput::Directory(dir.to_path_buf()), &mut Watch::silent()).unwrap()
}

#[test]
fn the_same_data_gives_the_same_page_wherever_it_lies() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pages = [&here, &there].map(|dir| {
        let data = Set::plain().ingest(dir.path());
        let written = write(&data, &dir.path().join("page"));
        // 8 references and 36 images, one of which is not there.
        assert_eq!((written.shown, written.unusable, written.left_out), (43, 1, 0));
        assert_eq!(written.path, dir.path().join("page/index.html"));
        contents(&dir.path().join("page")).into_values().collect::<Vec<_>>()
    });
    assert_eq!(pages[0].len(), pages[1].len());
    assert!(pages[0] == pages[1]);
    let html = fs::read_to_string(here.path().join("page/index.html")).unwrap();
    assert!(!html.contains(&here.path().display().to_string()), "the page tells nobody where it was made");
}

#[test]
fn pictures_are_made_once_and_go_with_their_image() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = Set::plain().ingest(dir.path());
    let page = dir.path().join("page");
    write(&data, &page);
    let thumbs = || fs::read_dir(page.join("thumbs")).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let before: BTreeMap<_, _> = thumbs().into_iter().map(|p| (p.clone(), p.metadata().unwrap().modified().unwrap())).collect();
    fs::write(page.join("thumbs/mine.jpg"), "not yours").unwrap();
    data.remove(&msdata::dataset::Removal::Model("alpha".parse().unwrap())).unwrap();
    write(&data, &page);
    let after = thumbs();
    assert!(
        after
            .iter()
            .filter_map(|p| Some((p, before.get(p)?)))
            .all(|(p, time)| p.metadata().unwrap().modified().unwrap() == *time)
    );
    // alpha and beta differ in size, so their pictures of a prompt are two; the seeds of one are the same.
    assert_eq!((before.len(), after.len()), (8 + 12, 8 + 6 + 1));
    assert!(page.join("thumbs/mine.jpg").exists(), "another's file stays");
}

#[test]
fn a_changed_file_is_shown_as_changed_and_another_page_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let data = Set::plain().ingest(dir.path());
    for seed in [1, 2, 3] {
        // The seeds have the same content: as long as one file has it still, it can be shown.
        let written = write(&data, &dir.path().join(format!("page-{seed}")));
        assert_eq!((written.shown, written.unusable), (43, 1));
        fs::copy(dir.path().join("images/s0.png"), dir.path().join(format!("images/1-0-{seed}.png"))).unwrap();
    }
    let written = write(&data, &dir.path().join("page"));
    assert_eq!((written.shown, written.unusable), (40, 4));
    let html = fs::read_to_string(&written.path).unwrap();
    assert!(html.contains("the file has changed since it was scored: `msdata ingest --rehash` reads it again"));
    let page = dir.path().join("other/index.html");
    fs::create_dir_all(page.parent().unwrap()).unwrap();
    fs::write(&page, "<html>my own page</html>").unwrap();
    let output = PageOutput::Directory(dir.path().join("other"));
    let error = data.write_page(&PageOptions::default(), &output, &mut Watch::silent()).unwrap_err();
    assert!(error.to_string().contains("was not written by msdata"), "{error}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "<html>my own page</html>");
}

#[test]
fn a_single_file_keeps_to_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let data = Set::plain().ingest(dir.path());
    let single = |max_bytes: u64| {
        let output = PageOutput::SingleFile { path: dir.path().join("one.html"), max_bytes };
        data.write_page(&PageOptions::default(), &output, &mut Watch::silent())
    };
    for max_bytes in [300_000, 600_000, 50_000_000] {
        let written = single(max_bytes).unwrap();
        assert!(fs::metadata(&written.path).unwrap().len() <= max_bytes);
        assert_eq!(written.shown + written.unusable + written.left_out, 44);
        assert_eq!(written.left_out == 0, max_bytes == 50_000_000, "{written:?}");
    }
    assert!(single(10_000).unwrap_err().to_string().contains("without any image"));
}

#[test]
fn figures_and_pages_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    drop(Set::plain().ingest(dir.path()));
    let msdata = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args(["-d", "data"]).args(arguments).current_dir(dir.path()).env_remove("MSDATA_DATASET").output().unwrap()
    };
    let page = msdata(&["report", "--html", "page", "--note", "25 November"]);
    assert_eq!((page.status.code(), String::from_utf8(page.stdout).unwrap().as_str()), (Some(0), "page/index.html\n"));
    let html = fs::read_to_string(dir.path().join("page/index.html")).unwrap();
    assert!(html.contains("25 November") && html.contains("msdata report --html DIR<"));
    assert_eq!(msdata(&["report", "--html", "page", "--format", "md"]).status.code(), Some(2));
    assert_eq!(msdata(&["report", "--html", "x.html", "--single-file", "--max-size", "2 apples"]).status.code(), Some(2));
    for kind in ["trend", "scene", "curve", "heatmap"] {
        let svg = msdata(&["plot", kind]);
        assert_eq!((svg.status.code(), &svg.stdout[..5]), (Some(0), &b"<svg "[..]), "{kind}");
        let name = format!("{kind}.png");
        assert_eq!(msdata(&["plot", kind, "--out", &name]).status.code(), Some(0));
        assert_eq!(image::open(dir.path().join(name)).unwrap().width(), 990, "3.3 inches of 300 dots");
    }
    // One encoder and no texts: no profile on spokes and no CLIP-T, and it is said what would help.
    for (kind, said) in [("radar", "three measures"), ("tradeoff", "no CLIP-T")] {
        let refused = msdata(&["plot", kind]);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(1) && text.contains(said) && text.contains("hint: embed with"), "{text}");
    }
}

#[test]
fn figures_show_the_numbers_of_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let data = Set::plain().ingest(dir.path());
    let figure = data.figure(Kind::Trend, &FigureOptions::default()).unwrap();
    // Half of alpha's subjects lie below 0.5, all of beta's.
    let told =
        "alpha: SCR@0.5 from 50.0 % at 2 subjects to 50.0 % at 4. beta & co: SCR@0.5 from 100.0 % at 2 subjects to 100.0 % at 4.";
    assert!(figure.description.ends_with(told), "{}", figure.description);
}

#[test]
fn hostile_text_is_no_markup() {
    let dir = tempfile::tempdir().unwrap();
    let data = Set::hostile().ingest(dir.path());
    let html = fs::read_to_string(write(&data, &dir.path().join("page")).path).unwrap();
    // The data and the script.
    assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (2, 2));
    assert!(!html.contains("<img src=x") && !html.contains("<svg onload") && !html.contains('\u{202e}'));
    let svg = String::from_utf8(data.figure(Kind::Heatmap, &FigureOptions::default()).unwrap().svg(3.3).unwrap()).unwrap();
    assert!(!svg.contains("<script") && !svg.contains("onerror=\""));
}

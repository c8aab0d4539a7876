//! What a person reads who gives `ingest` the wrong thing: the real cause, and advice that works.

use crate::support::lab::{Lab, err};
use crate::support::small;
use serde_json::json;
use std::fs;

const LAYOUT: &str = "{model}/{prompt_id}/{seed}.png";

/// A data set of two subjects and three prompts, and beside it what people give by mistake.
fn lab() -> Lab {
    let lab = Lab::empty();
    for label in ["cat", "dog"] {
        lab.write(&format!("images/{label}.png"), small::png(label.len() as u32));
    }
    let subject = |id: &str| json!({"subject_id": id, "label": id, "references": [format!("images/{id}.png")]});
    let prompt = |n: usize| {
        json!({"prompt_id": format!("p{n}"), "text": format!("A cat and a dog, number {n}."), "scene_type": "neutral",
            "subjects": ["cat", "dog"]})
    };
    lab.manifests(".", &["cat", "dog"].map(subject), &[0, 1, 2].map(prompt), &[]);
    lab.ok(&["init", "data"]);
    lab.ok(&["ingest", "--no-embed", "--subjects", "subjects.jsonl", "--prompts", "prompts.jsonl"]);
    fs::create_dir(lab.path("empty")).unwrap();
    lab.write("file.txt", "hello");
    for photo in ["photo1", "photo2"] {
        lab.write(&format!("photos/holiday/{photo}.png"), small::png(3));
    }
    lab
}

/// What an ingest that must fail says: the lines of its error, and its hint.
fn refused(lab: &Lab, arguments: &[&str]) -> (String, String) {
    let done = lab.run(&[&["ingest", "--no-embed"], arguments].concat());
    let text = err(&done);
    assert_eq!(done.status.code(), Some(1), "{arguments:?}: {text}");
    let error = text.find("error: ").unwrap_or_else(|| panic!("{arguments:?}: {text}"));
    let (error, hint) = text[error..].split_once("hint: ").unwrap_or_else(|| panic!("{arguments:?} has no hint: {text}"));
    (error["error: ".len()..].trim_end().to_owned(), hint.trim_end().to_owned())
}

#[test]
fn every_format_names_a_wrong_place_and_says_which_is_wanted() {
    let lab = lab();
    for (format, wanted) in [
        ("stress-test-repo", "holds `results` and `val_dataset`"),
        ("xverse", "the directory that the generator wrote"),
        ("mosaic", "the directory that the generator wrote"),
        ("psr", "the directory that the generator wrote"),
        ("jobs", "results/MODEL/PROMPT_ID/SEED.png"),
        ("layout", "in which the paths of the layout begin"),
    ] {
        let layout: &[&str] = if format == "layout" { &["--layout", LAYOUT] } else { &[] };
        for (place, cause) in [("nowhere", "there is no directory nowhere"), ("file.txt", "file.txt is a file, not a directory")]
        {
            let (error, hint) = refused(&lab, &[&["--from", format, place], layout].concat());
            assert_eq!(error, cause, "{format}");
            assert!(hint.contains(wanted), "{format}: {hint}");
        }
    }
}

#[test]
fn every_format_says_what_an_unfit_directory_lacks() {
    let lab = lab();
    lab.write("bad-list/list.json", r#"[{"promt": "A cat and a dog, number 0."}]"#);
    lab.write("bad-list/0_A_cat.png", small::png(1));
    lab.write("other-list/list.json", r#"[{"prompt": "Something else."}]"#);
    lab.write("two-lists/a.json", r#"[{"prompt": "A cat and a dog, number 0."}]"#);
    lab.write("two-lists/b.json", r#"[{"prompt": "A cat and a dog, number 1."}]"#);
    lab.write("psr/list.json", r#"[{"instruction": "A cat and a dog, number 0."}]"#);
    lab.write("jobs/M/p0.png", small::png(1));
    lab.write("strangers/M/pX/1.png", small::png(1));
    fs::create_dir_all(lab.path("bare/results")).unwrap();
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&["stress-test-repo", "empty"], &["it has no `results` directory"], &["give the directory that holds"]),
        (&["stress-test-repo", "bare"], &["bare/results holds no MODEL/PROMPT_ID/meta.json"], &["--from jobs"]),
        (&["xverse", "empty"], &["empty holds neither an image nor a list of prompts"], &["--list FILE", r#"[{"prompt": "#]),
        (&["mosaic", "empty"], &["empty holds neither an image nor a list of prompts"], &["--list FILE", r#"[{"index": 0"#]),
        (&["psr", "empty"], &["empty holds neither an image nor a list of prompts"], &["--list FILE", r#"[{"instruction": "#]),
        (&["xverse", "photos"], &["photos holds 2 images, but no list of prompts"], &["--from layout photos"]),
        (&["psr", "photos"], &["photos holds 2 images, but no list of prompts"], &["--from layout photos"]),
        // The list is there, and is not right: that is the cause, and it is named.
        (&["xverse", "bad-list"], &["bad-list/list.json: missing field `prompt`"], &["--list FILE"]),
        (&["mosaic", "bad-list"], &["bad-list/list.json: missing field `index`"], &["--list FILE"]),
        (&["psr", "bad-list"], &["bad-list/list.json: missing field `instruction`"], &["--list FILE"]),
        (&["xverse", "other-list"], &["none of the 1 prompts of", "the first is `Something else.`"], &["ingest these first"]),
        (&["xverse", "two-lists"], &["2 lists of prompts: two-lists/a.json, two-lists/b.json"], &["--list FILE"]),
        (&["psr", "psr"], &["psr/list.json: entry 1: it has no `result_path`"], &["fix these rows"]),
        (&["jobs", "empty"], &["empty holds no image yet"], &["results/MODEL/PROMPT_ID/SEED.png"]),
        (&["jobs", "jobs"], &["the one image cannot be tied to a prompt: jobs/M/p0.png"], &["--from layout jobs --layout"]),
        (&["jobs", "strangers"], &["there is no prompt `pX`; did you mean `p0`?"], &["MODEL/PROMPT_ID/SEED.png"]),
        (&["layout", "empty", "--layout", LAYOUT], &["empty holds no image yet"], &["the directory that its images are in"]),
        (
            &["layout", "photos", "--layout", LAYOUT],
            &["none of the 2 images", "does not match"],
            &["SELECT prompt_id FROM prompts"],
        ),
        (&["layout", "photos"], &["nothing says how the tree is laid out"], &["--layout '{model}/{prompt_id}/{seed}.png'"]),
        (&["layout", "photos", "--layout", "{model}/{prompt}/{seed}.png"], &["there is no field `{prompt}`"], &[LAYOUT]),
    ];
    for (arguments, causes, advice) in cases {
        let (error, hint) = refused(&lab, &[&["--from"], *arguments].concat());
        for cause in *causes {
            assert!(error.contains(cause), "{arguments:?}: {error}");
        }
        for part in *advice {
            assert!(hint.contains(part), "{arguments:?}: {hint}");
        }
    }
    let misspelt = lab.run(&["ingest", "--no-embed", "--from", "xvers", "photos"]);
    assert!(err(&misspelt).contains("did you mean `xverse`?"), "{}", err(&misspelt));
    assert_eq!(lab.sql("SELECT count(*) FROM generations"), ["0"]);
}

#[test]
fn advice_works_when_it_is_followed() {
    let lab = lab();
    // The place that the hint names is one that can be read.
    let meta = json!([{"model": "M", "prompt_id": "1_neutral", "seed": 1, "prompt": "A cat.",
        "subjects": [{"image": "images/cat.png", "name": "cat"}]}]);
    lab.write("repo/results/M/1_neutral/meta.json", meta.to_string());
    lab.write("repo/results/M/1_neutral/1.png", small::png(1));
    lab.write("repo/images/cat.png", small::png(3));
    for place in ["repo/results", "repo/results/M", "."] {
        let (_, hint) = refused(&lab, &["--from", "stress-test-repo", place]);
        assert!(hint.ends_with("`--from stress-test-repo repo`") || hint.ends_with("`--from stress-test-repo ./repo`"), "{hint}");
    }
    lab.ok(&["init", "fresh"]);
    lab.ok(&["-d", "fresh", "ingest", "--no-embed", "--from", "stress-test-repo", "./repo"]);
    // The layout that the hint proposes reads the tree.
    lab.write("tree/M/p0/1.png", small::png(1));
    let (_, hint) = refused(&lab, &["--from", "layout", "tree", "--layout", "{model}/{prompt}/{seed}.png"]);
    let proposed = hint.split('\'').nth(1).unwrap();
    lab.ok(&["ingest", "--no-embed", "--from", "layout", "tree", "--layout", proposed]);
    assert_eq!(lab.sql("SELECT model, prompt_id, seed FROM generations"), ["M,p0,1"]);
    // An option that a format does not read is not passed over in silence.
    for (arguments, takes) in [
        (&["jobs", "tree", "--seeds", "3"][..], "leave it out; `--from jobs` takes `--model`"),
        (&["xverse", "tree", "--layout", LAYOUT], "use it with `--from layout DIR`"),
        (&["layout", "tree", "--layout", LAYOUT, "--grid", "2x2"], "`--from layout` takes `--model`, `--seeds`, `--layout`"),
        (&["stress-test-repo", "repo", "--model", "X"], "the files say it themselves"),
    ] {
        let (_, hint) = refused(&lab, &[&["--from"], arguments].concat());
        assert!(hint.contains(takes), "{arguments:?}: {hint}");
    }
    // Without prompts nothing can be tied to one, whatever the format.
    lab.ok(&["init", "bare"]);
    for format in ["xverse", "mosaic", "psr", "jobs"] {
        let done = lab.run(&["-d", "bare", "ingest", "--no-embed", "--from", format, "photos"]);
        assert!(err(&done).contains("the data set has no prompts") && err(&done).contains("--prompts FILE"), "{}", err(&done));
    }
}

/// A bad row is named once: what is bad only because of it is counted and not listed, what is bad of itself is listed
/// with it.
#[test]
fn the_first_cause_is_named_and_not_what_follows_from_it() {
    let lab = lab();
    lab.write("tree/M/q1/1.png", small::png(1));
    lab.write("bad-header.csv", "prompt,text,scene_type,subjects\nq1,A cat,neutral,cat\n");
    let tree = ["--from", "layout", "tree", "--layout", LAYOUT];
    let (error, _) = refused(&lab, &[&["--prompts", "bad-header.csv"][..], &tree].concat());
    assert!(error.contains("bad-header.csv:1: the header has no column `prompt_id`"), "{error}");
    assert!(error.starts_with("1 bad row;") && !error.contains("tied") && error.contains("images were not looked at"), "{error}");
    // Rows of a manifest, likewise: `q1` is there, and bad; `zz` is nowhere.
    lab.write("q.jsonl", r#"{"prompt_id": "q1", "text": "A cat", "scene_type": "neutral", "subjects": ["cta"]}"#);
    let generation = |prompt: &str| json!({"model": "M", "prompt_id": prompt, "seed": 1, "path": "images/cat.png"});
    lab.write("g.jsonl", format!("{}\n{}\n", generation("q1"), generation("zz")));
    let (error, _) = refused(&lab, &["--prompts", "q.jsonl", "--generations", "g.jsonl", "--control", "M"]);
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(
        lines,
        [
            "3 bad rows; nothing was written",
            "q.jsonl:1: there is no subject `cta`; did you mean `cat`?",
            "g.jsonl:2: there is no prompt `zz`",
            "g.jsonl: 1 row names what a bad row above was to bring, not listed",
        ]
    );
    // What does not follow from it is said at once.
    lab.write("g.csv", "model,prompt,seed,file\nM,p0,1,images/cat.png\n");
    let (error, _) = refused(&lab, &["--generations", "g.csv", "--from", "layout", "photos", "--layout", LAYOUT]);
    assert!(error.contains("g.csv:1: the header has no column `prompt_id`, `path`"), "{error}");
    assert!(error.contains("photos: none of the 2 images can be tied to a prompt"), "{error}");
    let causes = error.find("g.csv:1").unwrap() < error.find("photos:").unwrap();
    assert!(causes, "{error}");
}

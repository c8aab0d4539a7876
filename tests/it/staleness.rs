//! State that could outlive what it was made from: vectors on their way, scores, jobs, flags, what is known of files.

use crate::embedding::own_encoder;
use crate::support::lab::{Lab, err, shared};
use crate::support::pictures::picture;
use crate::support::prescribed::{Image, Prescribed, Prompt, Written, ingest, ingest_with_warnings, tiny_image};
use msdata::catalog::{Catalog, StagedVector, Target, VectorKey};
use msdata::dataset::Removal;
use msdata::embeddings::ExportWriter;
use msdata::ops::{EmbedOptions, EmbedSummary};
use msdata::{Dataset, IngestOptions, ReportOptions, Watch};
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A data set with imported vectors: two prompts over a pool of three, a model, two seeds.
pub(super) struct Small {
    dir: tempfile::TempDir,
    files: Written,
}

fn prescribed() -> Prescribed {
    let prompt = |id: &str, subjects| Prompt { id: id.into(), scene: "neutral", subjects };
    let prompts = vec![prompt("p1", vec![0, 1]), prompt("p2", vec![1, 2])];
    Prescribed { models: vec!["A"], pool: 3, prompts, seeds: vec![1, 2] }
}

impl Small {
    pub(super) fn new() -> Small {
        let dir = tempfile::tempdir().unwrap();
        let mut files = prescribed().write(&dir.path().join("input"));
        let vectors = dir.path().join("input/vectors.parquet");
        prescribed().write_vectors(&vectors, "dinov2-small", |_: Image<'_>| vec![0.3, 0.7], None);
        files.embeddings = vec![vectors];
        let mut data = Dataset::init(&dir.path().join("data")).unwrap();
        assert_eq!(ingest(&mut data, &files).scored, 4);
        Small { dir, files }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn open(&self) -> Dataset {
        Dataset::open_to_write(&self.path("data")).unwrap()
    }

    fn catalog(&self) -> Catalog {
        Catalog::open_to_write(&self.path("data/catalog.sqlite")).unwrap()
    }

    /// Ingests manifests of these lines, below `input/`.
    fn replace(&self, subjects: &str, prompts: &str) -> msdata::IngestSummary {
        let file = |name: &str, text: &str| -> Vec<PathBuf> {
            let path = self.path("input").join(name);
            fs::write(&path, text).unwrap();
            (!text.is_empty()).then_some(path).into_iter().collect()
        };
        let (subjects, prompts) = (file("s.jsonl", subjects), file("p.jsonl", prompts));
        let options = IngestOptions { subjects, prompts, replace: true, ..IngestOptions::default() };
        ingest_with_warnings(&mut self.open(), &options).0
    }

    /// Scored and missing generations.
    fn counts(&self) -> (u64, u64) {
        let report = self.open().report(&ReportOptions::default()).unwrap();
        (report.generations - report.generations_missing, report.generations_missing)
    }
}

fn text_of(prompt: &str, text: &str) -> String {
    format!(r#"{{"prompt_id": "{prompt}", "text": "{text}", "scene_type": "neutral", "subjects": ["S0001", "S0002"]}}"#)
}

/// Puts other bytes of the same number into a file and gives it the time that it had, as `rsync -t` may. Padding
/// after the end of a PNG is not read.
fn swap_in_place(path: &Path, number: u32) {
    let before = fs::metadata(path).unwrap();
    picture(number, 96, 64).save(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    assert!(bytes.len() as u64 <= before.len(), "{} is too small for another picture", path.display());
    bytes.resize(before.len() as usize, 0);
    fs::write(path, bytes).unwrap();
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

/// Makes room for [`swap_in_place`].
fn pad(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.resize(bytes.len() + 4096, 0);
    fs::write(path, bytes).unwrap();
}

/// Embeds in this process; calls `meddle` when the files have been looked at and nothing is embedded yet.
fn embed_with(lab: &Lab, data: &str, meddle: impl Fn()) -> EmbedSummary {
    let mut data = Dataset::open_to_write(&lab.path(data)).unwrap();
    let looked = AtomicBool::new(false);
    let hear = |p: msdata::Progress| {
        if p.stage == "images" && p.total == Some(p.done) && !looked.swap(true, Ordering::Relaxed) {
            meddle();
        }
    };
    let options = EmbedOptions { encoders: vec![lab.path("own").display().to_string()], ..EmbedOptions::default() };
    data.embed(&options, &mut Watch::silent().on_progress(hear)).unwrap()
}

#[test]
fn a_vector_on_its_way_does_not_outlive_its_text_or_its_image() {
    let small = Small::new();
    let mut catalog = small.catalog();
    let changes = catalog.begin().unwrap();
    let encoder = changes.encoder(&"dinov2-small".parse().unwrap(), "imported", 6).unwrap();
    let stage = |key: VectorKey| {
        let (target, source) = changes.target(&key).unwrap().unwrap();
        let staged = StagedVector { target, source: source.unwrap(), truncated: None, vector: vec![1.0; 6] };
        changes.stage(encoder, &[staged]).unwrap();
        target
    };
    stage(VectorKey::Prompt("p1".parse().unwrap()));
    let kept = stage(VectorKey::Prompt("p2".parse().unwrap()));
    stage(VectorKey::Generation("A".parse().unwrap(), "p1".parse().unwrap(), 1));
    changes.commit().unwrap();
    drop(catalog);
    small.replace("", &text_of("p1", "Another text."));
    tiny_image(&small.path("input/images/A/p1/1.png"), 77);
    small.replace("", "");
    let mut catalog = small.catalog();
    let open: Vec<Target> = catalog.prompts_to_embed(encoder).unwrap().iter().map(|t| Target::Prompt(t.prompt)).collect();
    assert_eq!((catalog.staged(encoder).unwrap(), open.len()), (1, 1), "what is left on the stage is of p2");
    // Whoever put it there: what comes off the stage is of what is there now.
    let changes = catalog.begin().unwrap();
    for target in [open[0], kept] {
        let staged = StagedVector { target, source: [7; 32], truncated: None, vector: vec![1.0; 6] };
        changes.stage(encoder, &[staged]).unwrap();
    }
    changes.commit().unwrap();
    assert_eq!(catalog.prompts_to_embed(encoder).unwrap().len(), 2, "a staged vector of another text is none");
    let changes = catalog.begin().unwrap();
    changes.unstage(encoder, |vector| panic!("{vector:?} is of another text")).unwrap();
}

/// The parity fixtures' CLIP: a text network with a real tokenizer.
#[test]
fn clip_t_is_of_the_text_that_the_prompt_has() {
    let Some(clip) = shared("parity/encoders/clip_tiny") else { return };
    let lab = Lab::with_images(1);
    let clip = clip.to_str().unwrap();
    assert_eq!(lab.ingest("data", &["--no-embed"]).status.code(), Some(0));
    // As a run leaves it that was killed between the prompts and the images: the first text's vector is staged.
    let mut data = Dataset::open_to_write(&lab.path("data")).unwrap();
    let options = EmbedOptions { encoders: vec![clip.into()], ..EmbedOptions::default() };
    data.embed(&options, &mut Watch::silent()).unwrap();
    drop(data);
    let mut catalog = Catalog::open_to_write(&lab.path("data/catalog.sqlite")).unwrap();
    let row = catalog.encoders().unwrap().remove(0);
    let changes = catalog.begin().unwrap();
    let (target, source) = changes.target(&VectorKey::Prompt("p0".parse().unwrap())).unwrap().unwrap();
    let vector = vec![1.0; row.dimension];
    changes.stage(row.id, &[StagedVector { target, source: source.unwrap(), truncated: Some(false), vector }]).unwrap();
    changes.commit().unwrap();
    drop(catalog);
    let prompts = fs::read_to_string(lab.path("input/prompts.jsonl")).unwrap().replacen("Two things.", "A red cup.", 1);
    fs::write(lab.path("input/prompts.jsonl"), prompts).unwrap();
    assert_eq!(lab.ingest("data", &["--replace"]).status.code(), Some(0));
    assert_eq!(lab.ingest("clean", &["--encoder", clip]).status.code(), Some(0));
    let scores = "SELECT prompt_id, clip_t FROM image_scores ORDER BY 1";
    assert_eq!(lab.sql(scores), lab.sql_of("clean", scores));
}

#[test]
fn a_file_that_goes_and_comes_back_is_read_again() {
    let lab = Lab::with_images(2);
    own_encoder(&lab, "name = \"mine\"\n");
    let (gone, away) = (lab.path("input/g0_0.png"), lab.path("away.png"));
    for copy in ["g0_1", "g1_0"] {
        fs::copy(&gone, lab.path(&format!("input/{copy}.png"))).unwrap();
    }
    assert_eq!(lab.ingest("data", &["--no-embed"]).status.code(), Some(0));
    let summary = embed_with(&lab, "data", || fs::rename(&gone, &away).unwrap());
    // One file alone is gone; the others of the same bytes are there, and one of them is embedded for all.
    let states = "SELECT status, count(*) FROM generations GROUP BY 1 ORDER BY 1";
    assert_eq!(lab.sql(states), ["missing,1", "ok,3"]);
    assert!(summary.lacks_images());
    assert_eq!((summary.encoders[0].1.images, summary.encoders[0].1.failed, summary.scored), (4, 1, 3));
    // A missing file comes back as it was: same bytes, same size, same time.
    fs::rename(&away, &gone).unwrap();
    let verified = lab.run(&["-d", "data", "verify"]);
    assert!(String::from_utf8_lossy(&verified.stdout).contains("`msdata ingest`"), "what is done next is what it advises");
    let back = lab.run(&["-d", "data", "ingest"]);
    assert_eq!(back.status.code(), Some(0), "{}", err(&back));
    assert_eq!(lab.sql(states), ["ok,4"]);
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores"), ["4"]);
    assert_eq!(lab.run(&["-d", "data", "verify", "--deep"]).status.code(), Some(0));
}

#[test]
fn all_files_of_one_content_may_go() {
    let lab = Lab::with_images(3);
    own_encoder(&lab, "name = \"mine\"\n");
    let files: Vec<PathBuf> = ["g0_0", "g0_1", "g0_2"].map(|name| lab.path(&format!("input/{name}.png"))).into();
    files[1..].iter().for_each(|file| assert!(fs::copy(&files[0], file).unwrap() > 0));
    assert_eq!(lab.ingest("data", &["--no-embed"]).status.code(), Some(0));
    let summary = embed_with(&lab, "data", || files.iter().for_each(|file| fs::remove_file(file).unwrap()));
    assert_eq!((summary.images.missing, summary.encoders[0].1.failed, summary.scored), (3, 3, 3));
    assert_eq!(lab.run(&["-d", "data", "verify"]).status.code(), Some(0));
}

#[test]
fn a_change_that_keeps_size_and_time_is_found_when_asked_and_when_read() {
    let lab = Lab::with_images(2);
    own_encoder(&lab, "name = \"mine\"\n");
    let image = lab.path("input/g0_0.png");
    pad(&image);
    assert_eq!(lab.ingest("data", &["--encoder", "own"]).status.code(), Some(0));
    let scores = "SELECT prompt_id, seed, similarity FROM image_scores ORDER BY 1, 2";
    let before = lab.sql(scores);
    swap_in_place(&image, 999);
    assert!(err(&lab.run(&["-d", "data", "ingest"])).contains("0 read now"));
    assert_eq!(lab.run(&["-d", "data", "verify", "--deep"]).status.code(), Some(1));
    let rehash = lab.run(&["-d", "data", "ingest", "--rehash"]);
    assert_eq!(rehash.status.code(), Some(0), "{}", err(&rehash));
    assert!(err(&rehash).contains("6 read now") && err(&rehash).contains("mine: 1 images"), "{}", err(&rehash));
    assert_eq!(lab.run(&["-d", "data", "verify", "--deep"]).status.code(), Some(0));
    assert_eq!(lab.ingest("clean", &["--encoder", "own"]).status.code(), Some(0));
    let after = lab.sql(scores);
    assert!(after != before && after == lab.sql_of("clean", scores), "{before:?}\n{after:?}");
    // Nothing is written where nothing changed.
    let catalog = fs::read(lab.path("data/catalog.sqlite")).unwrap();
    lab.ok(&["-d", "data", "ingest", "--rehash"]);
    assert_eq!(fs::read(lab.path("data/catalog.sqlite")).unwrap(), catalog);

    // Another encoder has to read the file, and finds that it is another: it is not embedded as what it was, not
    // forgotten, and the next run does what this one did not.
    assert_eq!(lab.ingest("late", &["--no-embed"]).status.code(), Some(0));
    swap_in_place(&image, 1000);
    let first = lab.run(&["-d", "late", "embed", "--encoder", "own"]);
    assert_eq!(first.status.code(), Some(3), "{}", err(&first));
    assert!(err(&first).contains("1 changed while they were read: run again"), "{}", err(&first));
    let again = lab.run(&["-d", "late", "embed"]);
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(lab.ingest("fresh", &["--encoder", "own"]).status.code(), Some(0));
    assert_eq!(lab.sql_of("late", scores), lab.sql_of("fresh", scores));
    assert_eq!(lab.run(&["-d", "late", "verify", "--deep"]).status.code(), Some(0));
}

#[test]
fn an_image_that_changes_while_it_is_read_is_not_forgotten() {
    let lab = Lab::with_images(2);
    own_encoder(&lab, "name = \"mine\"\n");
    let image = lab.path("input/g0_0.png");
    pad(&image);
    assert_eq!(lab.ingest("data", &["--no-embed"]).status.code(), Some(0));
    let summary = embed_with(&lab, "data", || swap_in_place(&image, 999));
    assert!(summary.lacks_images());
    assert_eq!((summary.encoders[0].1.changed, summary.encoders[0].1.images, summary.scored), (1, 5, 3));
    assert!(err(&lab.run(&["-d", "data", "ingest"])).contains("mine: 1 images"));
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores"), ["4"]);
}

#[test]
fn an_image_that_an_encoder_cannot_take_is_named_every_time() {
    let lab = Lab::with_images(2);
    image::RgbImage::new(1, 10_000_000).save(lab.path("input/g0_1.png")).unwrap();
    for data in ["data", "data"] {
        let run = lab.ingest(data, &[]);
        assert_eq!(run.status.code(), Some(3), "{}", err(&run));
        assert!(
            err(&run).contains("  builtin-texture: generation `M p0 1`: ") && err(&run).contains("1×10000000"),
            "{}",
            err(&run)
        );
    }
    fs::remove_file(lab.path("input/g1_0.png")).unwrap();
    for command in ["embed", "score"] {
        let run = lab.run(&["-d", "data", command]);
        let named = command == "score" || err(&run).contains("generation `M p0 1`: ");
        assert!(run.status.code() == Some(3) && named, "{}", err(&run));
        assert!(err(&run).contains("  generation M p1 0: ") && err(&run).contains("no such file"), "{}", err(&run));
    }
    picture(5, 96, 64).save(lab.path("input/g0_1.png")).unwrap();
    picture(6, 96, 64).save(lab.path("input/g1_0.png")).unwrap();
    assert_eq!(lab.run(&["-d", "data", "embed"]).status.code(), Some(0));
}

#[test]
fn no_score_survives_a_file_that_can_no_longer_be_read() {
    let small = Small::new();
    let image = small.path("input/images/A/p1/1.png");
    let whole = fs::read(&image).unwrap();
    let look = || ingest_with_warnings(&mut small.open(), &IngestOptions::default()).0;
    let too_large = || File::create(&image).unwrap().set_len((1 << 30) + 1).unwrap();
    let directory = || fs::create_dir(&image).unwrap();
    for (what, put) in [("oversized", &too_large as &dyn Fn()), ("a directory", &directory)] {
        fs::remove_file(&image).unwrap();
        put();
        assert_eq!(look().images.unusable, 1, "{what}");
        assert_eq!(small.counts(), (3, 1), "{what}");
        assert_eq!(look().scored, 0, "{what}");
        if image.is_dir() {
            fs::remove_dir(&image).unwrap()
        } else {
            fs::remove_file(&image).unwrap()
        }
        // The same bytes again: the vector is theirs still.
        fs::write(&image, &whole).unwrap();
        assert_eq!((look().scored, small.counts()), (1, (4, 0)), "{what}");
    }
    // A reference: every image of its subject.
    let reference = small.path("input/references/S0001.png");
    File::create(&reference).unwrap().set_len((1 << 30) + 1).unwrap();
    look();
    assert_eq!(small.counts(), (2, 2));
    // An image that is deleted is known by what it was: its score stays.
    fs::remove_file(small.path("input/images/A/p2/1.png")).unwrap();
    assert_eq!(look().images.missing, 1);
    assert_eq!(small.counts(), (2, 2));
}

#[test]
fn what_is_known_of_a_model_outlives_its_last_generation() {
    let small = Small::new();
    let options = IngestOptions { controls: vec!["A".parse().unwrap()], ..IngestOptions::default() };
    ingest_with_warnings(&mut small.open(), &options);
    let model = "A".parse().unwrap();
    let mut catalog = small.catalog();
    let changes = catalog.begin().unwrap();
    changes.plan_jobs(&model, &[1, 2, 3]).unwrap();
    changes.commit().unwrap();
    let tally = catalog.job_tally(&model).unwrap();
    assert_eq!((tally.done, tally.open), (4, 2));
    drop(catalog);
    for (prompt, seed) in [("p1", 1), ("p1", 2), ("p2", 1), ("p2", 2)] {
        let removal = Removal::Generation(model.clone(), prompt.parse().unwrap(), seed);
        assert_eq!(small.open().remove(&removal).unwrap().generations, 1);
    }
    let catalog = small.catalog();
    let tally = catalog.job_tally(&model).unwrap();
    assert_eq!((tally.done, tally.open), (0, 6), "what was made is gone, so it is to be made");
    drop(catalog);
    ingest_with_warnings(&mut small.open(), &small.files.options());
    assert_eq!(small.catalog().models().unwrap(), [("A".parse().unwrap(), true)], "it is a control still");
    // Taken out as a whole, it is said what went.
    let removed = small.open().remove(&Removal::Model(model)).unwrap();
    assert_eq!((removed.generations, removed.jobs, removed.control), (4, 6, true));
}

#[test]
fn images_of_what_a_prompt_said_before_are_not_passed_over_in_silence() {
    let small = Small::new();
    let path = small.path("input/p.jsonl");
    fs::write(&path, text_of("p1", "Another text.")).unwrap();
    let options = IngestOptions { prompts: vec![path], replace: true, ..IngestOptions::default() };
    let (_, warnings) = ingest_with_warnings(&mut small.open(), &options);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("2 images were made from 1 prompts before those were replaced (the first is `p1`)"));
    let (_, warnings) = ingest_with_warnings(&mut small.open(), &options);
    assert_eq!(warnings, Vec::<String>::new(), "what is the same is not replaced");
}

#[test]
fn no_job_outlives_its_seed() {
    let small = Small::new();
    let model = "A".parse().unwrap();
    let mut catalog = small.catalog();
    let changes = catalog.begin().unwrap();
    changes.put_seeds(&[1, 3], false).unwrap();
    changes.plan_jobs(&model, &[1, 3]).unwrap();
    changes.put_seeds(&[1, 5], true).unwrap();
    changes.commit().unwrap();
    let tally = catalog.job_tally(&model).unwrap();
    assert_eq!((tally.done, tally.open, catalog.seeds().unwrap()), (2, 0, vec![1, 5]));
}

#[test]
fn a_reference_more_leaves_the_vectors_of_the_others() {
    let small = Small::new();
    tiny_image(&small.path("input/references/new.png"), 4711);
    let subject = |references: &str| {
        format!(r#"{{"subject_id": "S0001", "label": "thing 0", "kind": "human", "references": [{references}]}}"#)
    };
    let vectors = || {
        let mut keys = Vec::new();
        let hear = |vector: msdata::catalog::KeyedVector| {
            keys.push(vector.key);
            Ok(())
        };
        let catalog = small.catalog();
        catalog.each_vector(1, &catalog.key_order().unwrap(), hear).unwrap();
        keys.into_iter().filter(|key| matches!(key, VectorKey::Reference(s, _) if s.as_str() == "S0001")).collect::<Vec<_>>()
    };
    let key = |index| VectorKey::Reference("S0001".parse().unwrap(), index);
    let before = small.counts();
    for (references, expected) in [
        // After it, before it, between copies of it under other names; and alone again.
        (r#""references/S0001.png", "references/new.png""#, vec![key(0)]),
        (r#""references/new.png", "references/S0001.png""#, vec![key(1)]),
        (r#""references/new.png", "references/copy.png""#, vec![key(1)]),
        (r#""references/copy.png""#, vec![key(0)]),
        (r#""references/S0001.png""#, vec![key(0)]),
    ] {
        fs::copy(small.path("input/references/S0001.png"), small.path("input/references/copy.png")).unwrap();
        small.replace(&subject(references), "");
        assert_eq!(vectors(), expected, "{references}");
        let missing = if references.contains("new") { 2 } else { 0 };
        assert_eq!(small.counts(), (4 - missing, missing), "{references}");
    }
    assert_eq!(small.counts(), before);
    // The vector of the new one alone is enough for scores.
    small.replace(&subject(r#""references/new.png", "references/S0001.png""#), "");
    let one = small.path("input/one.parquet");
    let mut out = ExportWriter::create(&one, "dinov2-small", "imported", "imported", 6).unwrap();
    out.push(key(0), &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]).unwrap();
    out.finish().unwrap();
    let options = IngestOptions { embeddings: vec![one], ..IngestOptions::default() };
    assert_eq!(ingest_with_warnings(&mut small.open(), &options).0.scored, 2);
    assert_eq!(small.open().verify(true, &mut Watch::silent()).unwrap().faults, Vec::<String>::new());
}

//! The page: a data set and its reports as one HTML document that needs no network and no server. Opens no
//! database and computes no score.
//!
//! | module | noun |
//! |---|---|
//! | this | [`PageOptions`], [`PageOutput`], [`PageData`]: what is written, where, and from what |
//! | `pictures` | thumbnails and larger views, made once per content |
//! | `document` | the whole: head, policy, order of the sections |
//! | `verdict` | the first screen: who leads and how surely, what is hardest, whether to trust it |
//! | `compared` | the models against each other, pair by pair |
//! | `tables` | the reports as tables |
//! | `sections` | figures, what was tested, how it was made |
//! | `worked` | the measure that leads, worked on one image |
//! | `places` | what the windows say: verdicts, places and nulls; whether the encoder can tell at all |
//! | `matrix` | requested against found |
//! | `gallery` | every image: a few for readers without JavaScript, all as data for the script |
//! | `text` | text from outside, made harmless |
//!
//! Style and script are `page.css` and `script/`, compiled in; the page's policy names their hashes, so that
//! nothing else can run in it.

mod compared;
mod document;
mod gallery;
mod matrix;
mod pictures;
mod places;
mod sections;
mod size;
mod tables;
mod text;
mod verdict;
mod worked;

pub use pictures::{Picture, THUMBNAIL, VIEW};
pub use size::size;

use crate::catalog::InstrumentFigure;
use crate::durable::{check_target, hold_directory, make_directory, write_whole};
use crate::error::{Error, Result};
use crate::plot::{Figure, ModelStyles};
use crate::report::{
    Comparisons, Confusion, KindAuc, Leaderboard, Measure, MeasureColumn, RegionChoice, Report, Seen, Thresholds,
};
use crate::vocabulary::{SceneType, SubjectKind};
use crate::watch::Watch;
use crate::windows::{Pattern, Rectangle};
use pictures::{Shelf, Shown};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What the page is to contain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageOptions {
    /// The thresholds of its tables; figures show SCR at the middle one.
    pub thresholds: Thresholds,
    /// The encoder that decides collapse; `None`: see [`crate::report::identity_encoder`].
    pub identity: Option<String>,
    /// Its heading; `None`: a default question.
    pub title: Option<String>,
    /// A sentence below the heading, such as a date or a caveat.
    pub note: Option<String>,
    /// The command that makes the page, as shown on it.
    pub command: Option<String>,
    /// The region sets on it; empty: every set, each by the first encoder that has vectors of its regions.
    pub regions: Vec<RegionChoice>,
    /// τ of those sets; `None`: each has its own.
    pub tau: Option<f64>,
}

impl PageOptions {
    /// Returns the middle threshold.
    pub(crate) fn threshold(&self) -> f64 {
        let values = self.thresholds.values();
        values[(values.len() - 1) / 2]
    }
}

/// Where the page is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageOutput {
    /// A directory with `index.html`, `thumbs/` and `views/`; pictures that are already there are used again.
    Directory(PathBuf),
    /// One file that holds everything, with as many pictures as fit.
    SingleFile {
        /// The file.
        path: PathBuf,
        /// Its largest size, in bytes.
        max_bytes: u64,
    },
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageWritten {
    /// The page itself.
    pub path: PathBuf,
    /// Images shown.
    pub shown: usize,
    /// Images that are missing or unusable; the page says why for each.
    pub unusable: usize,
    /// Images that did not fit in a single file.
    pub left_out: usize,
}

/// A subject of the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PageSubject {
    /// The user's id.
    pub id: String,
    /// Class noun.
    pub label: String,
    /// Human, animal, object.
    pub kind: Option<SubjectKind>,
    /// Indices of its reference images in [`PageData::pictures`].
    pub references: Vec<usize>,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PagePrompt {
    /// The user's id.
    pub id: String,
    /// The text.
    pub text: String,
    /// How its subjects relate to each other.
    pub scene_type: SceneType,
    /// Indices in [`PageData::subjects`], in the prompt's order.
    pub subjects: Vec<usize>,
}

/// A generated image, which may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct PageGeneration {
    /// Its row.
    pub id: i64,
    /// Index in [`ModelStyles::all`].
    pub model: usize,
    /// Index in [`PageData::prompts`].
    pub prompt: usize,
    /// The seed.
    pub seed: i64,
    /// Index of its image in [`PageData::pictures`].
    pub picture: usize,
    /// Similarity of each subject by the identity encoder, in the prompt's order; `None`: not scored.
    pub similarities: Option<Vec<f64>>,
    /// CLIP-T by the first encoder with texts.
    pub clip_t: Option<f64>,
    /// What each of [`PageData::metrics`] says of it.
    pub metrics: Vec<Option<f64>>,
    /// Width and height of the upright image in pixels, if they are known.
    pub size: Option<[u32; 2]>,
    /// Who is in it by the identity encoder's windows; `None`: it was not searched. Places of subjects are those in
    /// [`PageData::subjects`].
    pub seen: Option<Seen>,
    /// What is framed in it, by every way of looking.
    pub boxes: Vec<PageBox>,
}

/// A frame in an image: where one way of looking found somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct PageBox {
    /// Which way of looking: an index in [`PageData::box_sets`].
    pub set: usize,
    /// Where it is, in pixels of the upright image; `None`: the subject is nowhere.
    pub place: Option<Rectangle>,
    /// Whose it is, as an index in [`PageData::subjects`]; `None`: nobody's.
    pub subject: Option<usize>,
    /// What it says of that subject.
    pub state: BoxState,
    /// Its similarity with that subject, where the subject's own verdict does not hold it.
    pub similarity: Option<f64>,
    /// How sure the detector was, from 0 to 1; a frame of which it was not is drawn pale. `None`: there was no detector.
    pub score: Option<f64>,
}

/// What a frame says of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxState {
    /// It is here.
    Present = 0,
    /// It is missing; this place is the most like it.
    Missing = 1,
    /// Whether it is here cannot be said.
    Unknown = 2,
    /// It, or nobody of the pool, is here without having been asked for.
    Extra = 3,
}

/// Who leads, by what, and how surely; and what is hardest.
#[derive(Debug, Clone)]
pub struct PageVerdict {
    /// The measure that leads.
    pub measure: Measure,
    /// The models under test by it, all images together.
    pub board: Leaderboard,
    /// Every pair of them by every measure that means something.
    pub pairs: Comparisons,
    /// Subjects, the hardest first.
    pub subjects: Option<PageRanking>,
    /// Cells of subject count and scene type, the hardest first.
    pub scenes: Option<PageRanking>,
    /// Distinct sizes of the images under test: width and height in pixels.
    pub sizes: Vec<[u32; 2]>,
    /// Whether a model has other sizes than another.
    pub sizes_differ: bool,
}

/// Subjects or scenes in the order of a measure.
#[derive(Debug, Clone)]
pub struct PageRanking {
    /// The measure.
    pub column: MeasureColumn,
    /// The hardest first.
    pub all: Vec<Hardest>,
}

/// A subject or a scene with its mean over the models under test.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardest {
    /// As the page names it.
    pub name: String,
    /// What shows its images in the gallery.
    pub query: String,
    /// The mean over the models of their means.
    pub value: f64,
}

/// What the windows say of the whole data set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageWindows {
    /// Which were searched; `None`: none.
    pub pattern: Option<Pattern>,
    /// Requested against found, by model under test.
    pub confusions: Vec<Confusion>,
    /// How well each kind's subjects are told apart in the images.
    pub in_kind: Vec<KindAuc>,
    /// The kept figures of the instrument check; empty: none are kept.
    pub instrument: Vec<InstrumentFigure>,
    /// How large the nulls are, or why there is no verdict.
    pub notes: Vec<String>,
}

/// An encoder as the page names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEncoder {
    /// Its name.
    pub name: String,
    /// What it is, exactly.
    pub fingerprint: String,
    /// Numbers in a vector.
    pub dimension: usize,
}

/// Everything the page shows.
#[derive(Debug, Clone)]
pub struct PageData {
    /// What the page is to contain.
    pub options: PageOptions,
    /// Who is under test and who is a control.
    pub styles: ModelStyles,
    /// The pool, by id.
    pub subjects: Vec<PageSubject>,
    /// Prompts, by id.
    pub prompts: Vec<PagePrompt>,
    /// By model, prompt and seed.
    pub generations: Vec<PageGeneration>,
    /// Number of generations of prompts that do not fit in the gallery.
    pub generations_left_out: usize,
    /// The image files.
    pub pictures: Vec<Picture>,
    /// The report by model.
    pub by_model: Report,
    /// The report by model and subject count.
    pub by_count: Report,
    /// The figures for which the data set holds the data.
    pub figures: Figures,
    /// Who leads; `None`: nothing is scored.
    pub verdict: Option<PageVerdict>,
    /// What the windows say.
    pub windows: PageWindows,
    /// Ways of looking that [`PageBox::set`] names.
    pub box_sets: Vec<String>,
    /// What region sets say, by model; with all their columns.
    pub by_regions: Vec<Report>,
    /// Metrics that were computed elsewhere, each with whether less of it is better.
    pub metrics: Vec<(String, bool)>,
    /// Correlation of CLIP-T and identity similarity over cells, and the number of cells.
    pub correlation: Option<(f64, usize)>,
    /// Encoders, by name.
    pub encoders: Vec<PageEncoder>,
    /// BLAKE3 over the data set's rows, hexadecimal.
    pub digest: String,
}

/// The figures of a page.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Similarity, SCR and identification against the subject count.
    pub trend: Option<Figure>,
    /// SCR by scene type.
    pub scene: Option<Figure>,
    /// SCR against the threshold.
    pub curve: Option<Figure>,
    /// CLIP-T against similarity.
    pub tradeoff: Option<Figure>,
    /// Cosines on spokes.
    pub radar: Option<Figure>,
    /// Cosines on lines.
    pub profile: Option<Figure>,
    /// Subjects by models.
    pub heat_map: Option<Figure>,
    /// Calibrated SCR against the subject count.
    pub cscr: Option<Figure>,
    /// Calibrated SCR by scene type.
    pub cscr_scene: Option<Figure>,
    /// Calibrated SCR against α.
    pub cscr_curve: Option<Figure>,
    /// Presence by subject count and scene type.
    pub presence: Option<Figure>,
    /// Each metric from elsewhere against the subject count.
    pub metrics: Vec<Figure>,
    /// How often which similarity, of whole images and, where they were searched, of the places.
    pub histograms: Vec<Figure>,
}

impl PageData {
    /// Returns the threshold at which figures and the gallery show collapse; `None` where none means anything.
    pub fn threshold(&self) -> Option<f64> {
        self.by_model.thresholds_mean_something().then(|| self.options.threshold())
    }
}

/// Marks a page of ours, so that no other file is overwritten.
const GENERATOR: &str = concat!("msdata ", env!("CARGO_PKG_VERSION"));

/// Writes the page. Pictures come first, `index.html` last and completely: a page that is there is finished.
///
/// # Errors
/// Something else is at the place, the disk is full, the caller wants to stop, or a single file cannot hold even the
/// tables.
pub fn write(data: &PageData, output: &PageOutput, watch: &mut Watch<'_>) -> Result<PageWritten> {
    // Pictures that this page does not show are removed: another page must not be written to the same place meanwhile.
    let mut _held = None;
    let (path, shelf, html) = match output {
        PageOutput::Directory(dir) => {
            let path = dir.join("index.html");
            refuse_foreign(&path)?;
            make_directory(dir)?;
            _held = hold_directory(dir)?;
            let shelf = Shelf::in_directory(dir, &data.pictures, watch)?;
            let html = document::html(data, &shelf);
            (path, shelf, html)
        }
        PageOutput::SingleFile { path, max_bytes } => {
            check_target(path)?;
            refuse_foreign(path)?;
            let (shelf, html) = single_file(data, *max_bytes, watch)?;
            (path.clone(), shelf, html)
        }
    };
    write_whole(&path, html.as_bytes())?;
    let count = |which: fn(&Shown) -> bool| shelf.all().iter().filter(|shown| which(shown)).count();
    Ok(PageWritten {
        path,
        shown: count(|s| matches!(s, Shown::File(_) | Shown::Data(_))),
        unusable: count(|s| matches!(s, Shown::Unusable(_))),
        left_out: count(|s| matches!(s, Shown::LeftOut)),
    })
}

/// Returns the page with as many pictures as fit into `max_bytes`.
fn single_file(data: &PageData, max_bytes: u64, watch: &mut Watch<'_>) -> Result<(Shelf, String)> {
    let bare = document::html(data, &Shelf::empty(&data.pictures)).len() as u64;
    let Some(room) = max_bytes.checked_sub(bare) else {
        return Err(Error::request(
            format!("the page takes {} without any image, which is more than {}", megabytes(bare), megabytes(max_bytes)),
            "give a larger `--max-size`",
        ));
    };
    let order = gallery::embedding_order(data);
    let mut shelf = Shelf::embedded(&data.pictures, &order, room, watch)?;
    loop {
        let html = document::html(data, &shelf);
        // A picture that is shown without JavaScript may appear in several places.
        match (html.len() as u64).saturating_sub(max_bytes) {
            0 => return Ok((shelf, html)),
            excess => shelf.trim(&order, excess),
        }
    }
}

/// # Errors
/// There is a file that is not a page of ours.
fn refuse_foreign(path: &Path) -> Result<()> {
    // Anything but a regular file is written to, not replaced.
    if !path.is_file() {
        return Ok(());
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut text));
    read.map_err(Error::io("read", path))?;
    let head = String::from_utf8_lossy(&text);
    if text.is_empty() || head.contains("name=\"generator\" content=\"msdata ") {
        return Ok(());
    }
    Err(Error::request(format!("{} exists and was not written by msdata", path.display()), "choose another place, or remove it"))
}

/// Returns a size as people write it.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

//! Reports: turns stored scores into tables, comparisons and ranks.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Snapshot`], [`ReportOptions`], [`Report`] |
//! | `row` | [`Row`]: a cell; the structs *are* the JSON |
//! | `keys` | [`Key`]: the keys of a grouping |
//! | `thresholds` | [`Thresholds`] |
//! | `identity` | which encoder decides collapse |
//! | `tally` | counts and sums, in one pass over the generations |
//! | `cell_tally` | those of one cell, by prompt |
//! | `scores` | [`Scores`]: what every generation was scored |
//! | `generations` | [`Generations`]; [`GenerationPlaces`]: the same by their rows |
//! | `integers` | columns of whole numbers, as narrow as they can be |
//! | `numbers` | columns of numbers of which some do not exist |
//! | `observations` | generations or pairs, and what each was scored |
//! | `cells` | rows out of what was tallied |
//! | `detail` | what needs the generations one by one |
//! | `local` | what the windows say: where each subject is, and whether it is there |
//! | `regions` | what a region set says: who has a region of their own |
//! | `metrics` | [`CellMetric`]: what metrics from elsewhere say |
//! | `seen` | [`Seen`], [`Confusion`]: the same image by image, for people to check |
//! | `pairing` | the images that two models have of the same prompt and seed |
//! | `contrast` | models side by side in one cell, and two of them against each other |
//! | `meaning` | whether a threshold means anything for an encoder |
//! | `measure` | [`Measure`]: what is measured |
//! | `columns` | [`MeasureColumn`]: the measured columns of a table |
//! | `comparison` | [`Comparisons`]: models against each other |
//! | `in_words` | two models against each other in plain words |
//! | `leaderboard` | [`Leaderboard`]: models in order, grouped |
//! | `baselines` | [`Baselines`]: every generation against the whole pool |
//! | `blind_spot` | images that CLIP rates as good and that have lost every subject |
//! | `ceiling` | what composites of the references score |
//! | `published` | [`Published`]: the numbers that the paper printed |
//! | `selection` | [`ModelSelection`]: which models are shown, and by which names |
//! | `saturation` | thresholds at which nothing is told apart |
//! | `warnings` | what to know of the cells before comparing them |
//! | `present`, `present_comparison` | tables for people, for papers, for programs |

mod baselines;
mod blind_spot;
mod ceiling;
mod cell_tally;
mod cells;
mod columns;
mod comparison;
mod contrast;
mod detail;
mod generations;
mod identity;
mod in_words;
mod integers;
mod keys;
mod leaderboard;
mod local;
mod local_cells;
mod meaning;
mod measure;
mod metrics;
mod numbers;
mod observations;
mod pairing;
mod present;
mod present_comparison;
mod published;
mod regions;
mod row;
mod saturation;
mod scores;
mod seen;
mod selection;
mod tally;
mod thresholds;
mod warnings;

pub use baselines::{Baseline, Baselines, ChanceCurve, EncoderBaselines};
pub use blind_spot::{BlindSpot, blind_spot};
pub(crate) use cell_tally::Added;
pub(crate) use cells::{build, build_cells, tallied};
pub use columns::MeasureColumn;
pub use comparison::{CompareOptions, Compared, Comparison, Comparisons, compare};
pub use generations::{GenerationPlaces, Generations};
pub use identity::{Decider, Deciders, deciders, identity_encoder, is_clip, is_dinov2};
pub use keys::Key;
pub use leaderboard::{Leaderboard, Standing, leaderboard};
pub use local::{KindAuc, LocalSnapshot, Null, auc_in_kind};
pub use meaning::thresholds_mean_something;
pub use measure::Measure;
pub use metrics::{CellMetric, MetricSnapshot};
pub use present_comparison::ShownMeasure;
pub use published::{Published, PublishedCell};
pub use regions::{CellRegions, RegionFacts, RegionMeasure, RegionSnapshot, RegionValues, region_values, subject_values};
pub use row::{CellControls, CellLocal, Intervals, KeyValue, Named, Row};
pub use scores::Scores;
pub(crate) use scores::{KeptSimilarities, ScoreRows};
pub use seen::{Confusion, Extra, Seen, SeenSubject, confusions, cscr_by_alpha, seen};
pub use selection::ModelSelection;
pub(crate) use tally::{Tallied, Tally};
pub use thresholds::Thresholds;

use crate::catalog::{PromptRow, SubjectRow, UnfinishedRun};
use crate::score::Confidence;
use crate::vocabulary::{EncoderName, ModelName, RegionSetName};
use serde::{Serialize, Serializer};
use std::collections::HashSet;

/// What a report is made from.
#[derive(Default)]
pub struct Snapshot {
    /// Models by name, with whether each is a control.
    pub models: Vec<(ModelName, bool)>,
    /// Subjects by id.
    pub subjects: Vec<SubjectRow>,
    /// Prompts by id.
    pub prompts: Vec<PromptRow>,
    /// Generations by model, prompt, seed.
    pub generations: Generations,
    /// Encoders with image vectors: row and name, by name.
    pub encoders: Vec<(i64, EncoderName)>,
    /// The name of the encoder that decides collapse.
    pub identity: String,
    /// What the generations were scored; subject by subject by the encoders of which the report needs that.
    pub scores: Scores,
    /// How many prompts each encoder cut, by its name.
    pub cut_prompts: Vec<(String, u64)>,
    /// Composites and crops of the references that their prompts have now, by generation row.
    pub composites: HashSet<i64>,
    /// Generation rows of the images that are known to be blank.
    pub blank: HashSet<i64>,
    /// Every generation against the whole pool, where that was asked for.
    pub baselines: Option<Baselines>,
    /// Why there are no baselines although they would lead.
    pub unfound: Option<String>,
    /// Local similarities by the encoder that decides collapse, if it searched images.
    pub local: Option<LocalSnapshot>,
    /// What runs of generators have left undone.
    pub unfinished: Vec<UnfinishedRun>,
    /// The places of the models shown, in their order; `None`: all are.
    pub shown: Option<Vec<u32>>,
    /// The place of the model whose images are composites of all references of a prompt.
    pub composite: Option<u32>,
    /// The place of the model whose images are single tiles of those.
    pub crop: Option<u32>,
    /// What region sets say, those that were asked for.
    pub regions: Vec<RegionSnapshot>,
    /// Metrics that were computed elsewhere, by name.
    pub metrics: Vec<MetricSnapshot>,
}

/// What to report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    /// Group by these, in this order.
    pub by: Vec<Key>,
    /// The thresholds of SCR.
    pub thresholds: Thresholds,
    /// The encoder that decides collapse; `None`: see [`identity_encoder`].
    pub identity: Option<String>,
    /// Intervals of every mean; `None`: none.
    pub confidence: Option<Confidence>,
    /// Whether to add what needs the whole pool, identification and chance, and what needs composites, the
    /// ceiling and normalised similarity.
    pub controls: bool,
    /// Whether to add SCR at every threshold, and the area below it.
    pub curve: bool,
    /// The level at which a subject is present, in (0, 1).
    pub alpha: f64,
    /// The models shown, and their names.
    pub models: ModelSelection,
    /// Add what these region sets say.
    pub regions: Vec<RegionChoice>,
    /// τ of region sets; `None`: see [`RegionSnapshot::tau_given`].
    pub tau: Option<f64>,
    /// Whether to set the paper's numbers beside, where they can be compared.
    pub published: bool,
}

/// A region set, and the encoder that looks at its regions. Written `SET` or `SET:ENCODER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionChoice {
    /// The set.
    pub set: RegionSetName,
    /// The encoder; `None`: the only one that has vectors of its regions.
    pub encoder: Option<EncoderName>,
}

impl std::str::FromStr for RegionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<RegionChoice, String> {
        let (set, encoder) = text.split_once(':').map_or((text, None), |(set, encoder)| (set, Some(encoder)));
        Ok(RegionChoice { set: RegionSetName::new(set)?, encoder: encoder.map(EncoderName::new).transpose()? })
    }
}

/// The level at which a subject is present if nothing else is said.
pub const ALPHA: f64 = 0.05;

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            by: vec![Key::Model, Key::SubjectCount],
            thresholds: Thresholds::default(),
            identity: None,
            confidence: None,
            controls: false,
            curve: false,
            alpha: ALPHA,
            models: ModelSelection::default(),
            regions: Vec::new(),
            tau: None,
            published: false,
        }
    }
}

/// A report; serialises as `msdata report --format json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The thresholds of SCR.
    #[serde(serialize_with = "thresholds_as_list")]
    pub thresholds: Thresholds,
    /// The encoder that decides collapse.
    pub identity: String,
    /// The keys grouped by.
    pub by: Vec<Key>,
    /// The cells, in the order of their keys.
    pub rows: Vec<Row>,
    /// The paper's numbers, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// Generations that the catalog expects.
    #[serde(skip)]
    pub generations: u64,
    /// Those of them that the identity encoder could not score.
    #[serde(skip)]
    pub generations_missing: u64,
    /// Those of the missing that have all a score needs and only wait for it.
    #[serde(skip)]
    pub generations_waiting: u64,
    /// Those of the missing that no run has made yet.
    #[serde(skip)]
    pub generations_unmade: u64,
    /// What runs of generators have left undone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<UnfinishedRun>,
    /// How many prompts each encoder cut at its limit: their CLIP-T is of a part of the text.
    #[serde(skip)]
    pub cut_prompts: Vec<(String, u64)>,
    /// Thresholds at which SCR separates nothing: even composites of the references are collapsed, or no model is further
    /// from chance than its interval is wide.
    #[serde(skip)]
    pub saturated: Vec<f64>,
    /// What to know of the cells before comparing them, as sentences.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// How large the nulls are that verdicts on presence rest on, and whose; or why there is no verdict.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Which images have no value of a metric from elsewhere, and how one of subjects becomes one of an image.
    #[serde(skip)]
    pub metric_notes: Vec<String>,
}

fn thresholds_as_list<S: Serializer>(t: &Thresholds, s: S) -> Result<S::Ok, S::Error> {
    t.values().serialize(s)
}

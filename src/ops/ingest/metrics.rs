//! Takes score files in: what metrics say of the generations that are there.

use crate::catalog::{Change, Changes, EntryKind, MetricRow, MetricTarget, MetricTargetFound};
use crate::error::{Error, Result};
use crate::manifest::{Located, Manifest, ManifestSettings, RowKind, Scores};
use crate::ops::ingest::rows::{MOST_PROBLEMS, parts_of};
use crate::ops::ingest::summary::Counts;
use crate::problem::{Origin, Position, Problem};
use crate::text::{plain, quote, suggestion};
use crate::vocabulary::{EncoderName, MetricDeclaration, MetricName, MetricRule};
use crate::watch::Watch;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which score files to take in, and what the user says about their metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoreOptions {
    /// Score files.
    pub files: Vec<PathBuf>,
    /// Which way metrics are better, where neither their files nor the data set say it.
    pub metrics: Vec<MetricDeclaration>,
}

impl ScoreOptions {
    /// Returns whether there is anything to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.files.is_empty() && self.metrics.is_empty()
    }
}

/// What score files brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricCounts {
    /// Values.
    pub values: Counts,
    /// By metric: values that are numbers, and values that are missing.
    pub of_metrics: Vec<(MetricName, u64, u64)>,
    /// Rules of metrics that were changed, each as a sentence.
    pub rules: Vec<String>,
}

/// Who says what the catalog has of a metric.
const DATA_SET: &str = "the data set";

/// What is known of a metric during a run.
struct MetricState {
    /// Its number in this run.
    number: usize,
    /// Its row, once a value was put in or if it was there before.
    row: Option<(i64, bool)>,
    /// Its rule, and who says so.
    rule: Option<(MetricRule, String)>,
    numbers: u64,
    missing: u64,
}

/// Where a value was met: the file's number, the place in it, and the value.
type Met = (usize, Position, Option<f64>);

/// Takes values into the catalog.
pub struct MetricIntake<'a, 'c> {
    changes: &'a Changes<'c>,
    replace: bool,
    /// Rows of manifests are bad, so what is not there may be among them.
    rows_are_bad: bool,
    metrics: BTreeMap<MetricName, MetricState>,
    files: Vec<Arc<Path>>,
    /// By the metric's number, generation and subject.
    seen: HashMap<(usize, i64, i64), Met>,
    /// Metrics of the file that is being read of which nobody says which way they are better.
    undirected: Vec<MetricName>,
    models: Option<Vec<String>>,
    prompts: Option<Vec<String>>,
    /// Rows read.
    rows: u64,
    listed: usize,
    further: u64,
    pub counts: MetricCounts,
    pub problems: Vec<Problem>,
}

impl<'a, 'c> MetricIntake<'a, 'c> {
    /// Begins with the metrics that are there and what `options` say of these and others.
    pub fn new(changes: &'a Changes<'c>, options: &ScoreOptions, replace: bool, rows_are_bad: bool) -> Result<Self> {
        let known = |(number, metric): (usize, MetricRow)| {
            let row = Some((metric.id, metric.of_subjects));
            let rule = Some((metric.rule, DATA_SET.to_owned()));
            (metric.name, MetricState { number, row, rule, numbers: 0, missing: 0 })
        };
        let mut intake = MetricIntake {
            changes,
            replace,
            rows_are_bad,
            metrics: changes.metrics()?.into_iter().enumerate().map(known).collect(),
            files: Vec::new(),
            seen: HashMap::new(),
            undirected: Vec::new(),
            models: None,
            prompts: None,
            rows: 0,
            listed: 0,
            further: 0,
            counts: MetricCounts::default(),
            problems: Vec::new(),
        };
        for declared in &options.metrics {
            if let Err(reason) = intake.declare(declared, "`--metric`")? {
                return Err(Error::request(reason, "leave `--metric` out to keep what the data set has"));
            }
        }
        Ok(intake)
    }

    /// Notes what `by` says of a metric, or says what contradicts it.
    fn declare(&mut self, declared: &MetricDeclaration, by: &str) -> Result<std::result::Result<(), String>> {
        let MetricDeclaration { name, rule } = declared;
        let known = state(&mut self.metrics, name);
        let Some((before, who)) = &known.rule else {
            known.rule = Some((*rule, by.to_owned()));
            return Ok(Ok(()));
        };
        // What says nothing of the range contradicts none.
        let after = MetricRule { range: rule.range.or(before.range), ..*rule };
        let adds = before.better == after.better && before.range.is_none();
        if after == *before {
            return Ok(Ok(()));
        }
        let of_data_set = who == DATA_SET;
        let may_change = adds || of_data_set && self.replace;
        if !may_change {
            let hint = if of_data_set { " (`--replace` takes what is given here)" } else { "" };
            return Ok(Err(format!("of metric {name} {who} says that {before}, and {by} that {after}{hint}")));
        }
        if let Some((row, _)) = known.row {
            if let Some(range) = after.range
                && let Some((values, worst)) = self.changes.values_outside(row, range)?
            {
                return Ok(Err(format!(
                    "of metric {name} {by} says that {after}, but the data set has {values} values outside that, such as {worst}: give a range that holds them"
                )));
            }
            self.changes.set_metric_rule(row, &after)?;
            self.counts.rules.push(format!("metric {name}: {after} from now on (before, {before})"));
        }
        known.rule = Some((after, if of_data_set { by.to_owned() } else { who.clone() }));
        Ok(Ok(()))
    }

    /// Takes in every row of a score file, or of a directory of its parts.
    pub fn file(&mut self, path: &Path, reading: &ManifestSettings, watch: &mut Watch<'_>) -> Result<()> {
        let files = match parts_of(path, false, watch) {
            Ok(files) => files,
            Err(Error::Manifest(problems)) => {
                self.problems.extend(problems);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let whole = |reason: String| Problem { origin: Origin::whole(path), reason };
        let (rows_before, problems_before) = (self.rows, self.problems.len());
        for file in &files {
            self.part(file, reading, watch)?;
        }
        for name in std::mem::take(&mut self.undirected) {
            self.problems.push(whole(format!(
                "nothing says which way metric {name} is better: add `--metric {name}:higher` or `--metric {name}:lower`"
            )));
        }
        if self.rows == rows_before && self.problems.len() == problems_before {
            watch.remark(Origin::whole(path), "no rows");
        }
        Ok(())
    }

    fn part(&mut self, path: &Path, reading: &ManifestSettings, watch: &mut Watch<'_>) -> Result<()> {
        let opened = Manifest::open(path, RowKind::Scores, reading, watch.stop());
        watch.check()?;
        let mut manifest = match opened {
            Err(Error::Manifest(problems)) => {
                self.problems.extend(problems);
                return Ok(());
            }
            opened => opened?,
        };
        self.files.push(path.into());
        let (mut rows, mut stale, mut declared) = (0, 0_u64, 0);
        while let Some(row) = manifest.next_score() {
            rows += 1;
            if rows % 1024 == 0 {
                watch.check()?;
                watch.report("scores", rows, None);
            }
            // The header comes before the first row.
            for declaration in manifest.declared().iter().skip(declared) {
                if let Err(reason) = self.declare(declaration, "the file")? {
                    self.problem(manifest.problem(reason));
                }
            }
            declared = manifest.declared().len();
            match row {
                Ok(row) if row.row.stale => stale += 1,
                Ok(row) => {
                    for reason in self.row(&row)? {
                        self.problem(row.problem(reason));
                    }
                }
                Err(problem) => {
                    watch.check()?; // an interrupted read is not a fault of the file
                    self.problem(problem);
                }
            }
        }
        let further = std::mem::take(&mut self.further);
        self.problems.extend((further > 0).then(|| Problem::further(path.into(), further)));
        self.listed = 0;
        self.rows += rows;
        if stale > 0 {
            watch.remark(Origin::whole(path), &format!("{stale} rows are marked as stale and were not read"));
        }
        for warning in manifest.into_warnings() {
            watch.remark(&warning.origin, &warning.reason);
        }
        Ok(())
    }

    fn problem(&mut self, problem: Problem) {
        if self.listed < MOST_PROBLEMS {
            self.listed += 1;
            self.problems.push(problem);
        } else {
            self.further += 1;
        }
    }

    /// Takes a row in; returns what prevents it, metric by metric.
    fn row(&mut self, row: &Located<Scores>) -> Result<Vec<String>> {
        let Scores { model, prompt_id, seed, subject_id, values, .. } = &row.row;
        let found = self.changes.metric_target(model, prompt_id, *seed)?;
        let reason = match &found {
            MetricTargetFound::Generation(_) => None,
            _ if self.rows_are_bad => return Ok(Vec::new()),
            MetricTargetFound::NoModel => {
                if self.models.is_none() {
                    self.models = Some(self.changes.model_names()?);
                }
                let near = suggestion(model.as_str(), self.models.iter().flatten().map(String::as_str));
                Some(format!("there is no model {}{near}", quote(model.as_str())))
            }
            MetricTargetFound::NoPrompt => {
                if self.prompts.is_none() {
                    self.prompts = Some(self.changes.ids(EntryKind::Prompt)?);
                }
                let near = suggestion(prompt_id.as_str(), self.prompts.iter().flatten().map(String::as_str));
                Some(format!("there is no prompt {}{near}", quote(prompt_id.as_str())))
            }
            MetricTargetFound::NoSeed(seeds) => {
                let known: Vec<String> = seeds.iter().take(10).map(i64::to_string).collect();
                let more = if seeds.len() > 10 { ", …" } else { "" };
                let has =
                    if known.is_empty() { "no image of it".to_owned() } else { format!("seeds {}{more}", known.join(", ")) };
                let (model, prompt) = (quote(model.as_str()), quote(prompt_id.as_str()));
                Some(format!("there is no image of model {model} for prompt {prompt} with seed {seed}; the model has {has}"))
            }
        };
        let MetricTargetFound::Generation(target) = found else { return Ok(reason.into_iter().collect()) };
        let subject = match subject_id {
            None => None,
            Some(id) => match self.changes.subject_of_prompt(target.prompt, id)? {
                Some(row) => Some(row),
                None if self.rows_are_bad => return Ok(Vec::new()),
                None => {
                    let (id, prompt) = (quote(id.as_str()), quote(prompt_id.as_str()));
                    return Ok(vec![format!("subject {id} is not in prompt {prompt}")]);
                }
            },
        };
        let mut reasons = Vec::new();
        for (name, value) in values {
            if let Err(reason) = self.value(&row.origin, name, &target, subject, *value)? {
                reasons.push(reason);
            }
        }
        Ok(reasons)
    }

    /// Takes a value in, or says what prevents it.
    fn value(
        &mut self,
        origin: &Origin,
        name: &MetricName,
        target: &MetricTarget,
        subject: Option<i64>,
        value: Option<f64>,
    ) -> Result<std::result::Result<(), String>> {
        let state = state(&mut self.metrics, name);
        let key = (state.number, target.generation, subject.unwrap_or(0));
        let place = (self.files.len() - 1, origin.place, value);
        if let Some((file, place, before)) = self.seen.insert(key, place) {
            let first = Origin { file: self.files[file].clone(), place };
            let what = match before == value {
                true => format!("{} both times", written(value)),
                false => format!("{} there and {} here", written(before), written(value)),
            };
            return Ok(Err(format!("the value of {name} appears twice, first in {first}: {what}")));
        }
        let Some((rule, _)) = state.rule else {
            if !self.undirected.contains(name) {
                self.undirected.push(name.clone());
            }
            return Ok(Ok(()));
        };
        if let Some([least, most]) = value.and_then(|value| rule.left_by(value)) {
            return Ok(Err(format!("{name} is {}, outside its range from {least} to {most}", written(value))));
        }
        let (metric, of_subjects) = match state.row {
            Some(row) => row,
            None => {
                if let Ok(encoder) = EncoderName::new(name.as_str())
                    && self.changes.encoder_named(&encoder)?.is_some()
                {
                    return Ok(Err(format!("{name} is the name of an encoder of the data set; give the metric another name")));
                }
                *state.row.insert((self.changes.put_metric(name, &rule, subject.is_some())?, subject.is_some()))
            }
        };
        if of_subjects != subject.is_some() {
            return Ok(Err(match of_subjects {
                true => format!("{name} has a value for each subject, but this row has no `subject_id`"),
                false => format!("{name} has a value for each image, but this row has a `subject_id`"),
            }));
        }
        state.numbers += u64::from(value.is_some());
        state.missing += u64::from(value.is_none());
        let change = match self.changes.metric_value(metric, target.generation, subject)? {
            None => {
                self.changes.put_metric_value(metric, target, subject, value)?;
                Change::Added
            }
            // The same, and of the image as it is.
            Some((_, before, source)) if before == value && (source == target.source || source.is_none()) => Change::Unchanged,
            // A value that is stale or missing says nothing: it is replaced without asking.
            Some((row, before, source)) if self.replace || before.is_none() || (source.is_some() && source != target.source) => {
                self.changes.set_metric_value(row, value, target.source)?;
                Change::Replaced
            }
            Some((_, before, _)) => {
                return Ok(Err(format!(
                    "{name} is {} in the catalog and {} here (`--replace` takes the value given here)",
                    written(before),
                    written(value)
                )));
            }
        };
        self.counts.values.count(change);
        Ok(Ok(()))
    }

    /// Ends the run: what was declared must be known.
    pub fn finish(&mut self, options: &ScoreOptions) -> Result<()> {
        let unused = |declared: &&MetricDeclaration| self.metrics.get(&declared.name).is_none_or(|state| state.row.is_none());
        if let Some(declared) = options.metrics.iter().find(unused).filter(|_| self.problems.is_empty()) {
            let known = self.metrics.iter().filter(|(_, state)| state.row.is_some()).map(|(name, _)| name.as_str());
            let near = suggestion(declared.name.as_str(), known);
            return Err(Error::request(
                format!(
                    "`--metric` names {}, which neither the files nor the data set have{near}",
                    quote(declared.name.as_str())
                ),
                "give its file with `--scores FILE`, or leave it out",
            ));
        }
        let counted = self.metrics.iter().filter(|(_, state)| state.numbers + state.missing > 0);
        self.counts.of_metrics = counted.map(|(name, state)| (name.clone(), state.numbers, state.missing)).collect();
        Ok(())
    }
}

/// Returns what is known of a metric in this run, which may be nothing yet.
fn state<'m>(metrics: &'m mut BTreeMap<MetricName, MetricState>, name: &MetricName) -> &'m mut MetricState {
    let number = metrics.len();
    let unknown = || MetricState { number, row: None, rule: None, numbers: 0, missing: 0 };
    metrics.entry(name.clone()).or_insert_with(unknown)
}

fn written(value: Option<f64>) -> String {
    value.map_or_else(|| "missing".to_owned(), |value| plain(&value.to_string()).into_owned())
}

use super::terminal::{refuse_binary_on_terminal, results};
use super::{Ended, Terminal, findings};
use clap::ValueEnum;
use msdata::ops::{InstrumentCheck, SidesFrom, TOLD_APART};
use msdata::stress_test::{Check as Kind, Finding};
use msdata::table::{Cell, Format, Head, TableWriter};
use msdata::text::plain;
use msdata::vocabulary::SubjectKind;
use msdata::{Dataset, Error};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Check the pool of subjects
#[derive(clap::Args)]
pub struct SubjectsArgs {
    #[command(subcommand)]
    action: SubjectsCommand,
}

#[derive(clap::Subcommand)]
enum SubjectsCommand {
    Check(CheckSubjectsArgs),
}

impl SubjectsArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        match self.action {
            SubjectsCommand::Check(action) => action.run(dataset, terminal),
        }
    }
}

/// Check the reference images, and whether the encoder can tell them apart
///
/// Finds references that are missing, unreadable, too small, blurred, nearly blank, the same as another or like it;
/// references with transparent pixels whose hidden colours count; subjects whose references are less like each other
/// than like another subject's; missing licences. Exit status 1 if anything was found.
///
/// Then the instrument is checked: each reference, mirrored, shrunk to the sizes that subjects have in the images, and
/// recompressed, is compared with every subject of its kind. A kind whose subjects the encoder cannot tell apart even so
/// is a finding: nothing that it says about who is in an image is to be believed there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata subjects check
  msdata subjects check --format csv > findings.csv
  msdata subjects check --only instrument --format csv
  msdata subjects check --encoder dinov2-small --keep")]
struct CheckSubjectsArgs {
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    ///
    /// What programs read holds the findings, unless --only says otherwise.
    #[arg(long, default_value = "table")]
    format: Format,
    /// The encoder to try [default: the one that decides collapse]
    #[arg(long, value_name = "ENCODER")]
    encoder: Option<String>,
    /// One half alone
    #[arg(long, value_name = "HALF")]
    only: Option<Half>,
    /// Keep the figures of the instrument check for the page
    ///
    /// The page shows them until references change.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    // What is wrong with the references; no network runs.
    Findings,
    // How well the encoder tells them apart.
    Instrument,
}

impl CheckSubjectsArgs {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        refuse_binary_on_terminal(self.format, None);
        let data = Dataset::open_to_read(dataset)?;
        let pool = match self.only {
            Some(Half::Instrument) => None,
            _ => Some(terminal.watch(|watch| data.subjects_check(watch))?),
        };
        let instrument = match self.only {
            Some(Half::Findings) => None,
            _ => self.instrument(&data, terminal)?,
        };
        let mut found: Vec<Finding> = pool.as_ref().map(|pool| pool.findings.clone()).unwrap_or_default();
        found.extend(instrument.iter().flat_map(indistinct));
        found.sort_by_key(|finding| finding.check);
        let for_people = !self.format.is_for_programs();
        let mut ended = if found.is_empty() { Ended::Done } else { Ended::Unsound };
        if pool.is_some() {
            ended = findings::write(&found, self.format)?;
        }
        if let Some(instrument) = &instrument {
            if pool.is_some() && for_people && (!found.is_empty() || self.format != Format::Table) {
                writeln!(results())?;
            }
            if pool.is_none() || for_people {
                write_instrument(instrument, self.format)?;
            }
        }
        if let Some(pool) = &pool {
            terminal.say(format!("{} subjects, {} references, {} findings", pool.subjects, pool.references, found.len()));
            match pool.encoders.as_slice() {
                [] => terminal.say("no encoder that knows identities: did not check whether references disagree"),
                names => terminal.say(format!("references compared with {}", names.join(", "))),
            }
        }
        if let Some(instrument) = &instrument {
            explain(instrument, terminal);
            if self.keep {
                drop(data);
                Dataset::open_to_write(dataset)?.keep_instrument_check(instrument)?;
                terminal.say("kept for the page");
            }
        }
        Ok(ended)
    }

    /// The instrument check; `None`, with the reason said, where nobody asked for it by name and it cannot be made.
    fn instrument(&self, data: &Dataset, terminal: &Terminal) -> anyhow::Result<Option<InstrumentCheck>> {
        match terminal.watch(|watch| data.instrument_check(self.encoder.as_deref(), watch)) {
            Ok(check) => Ok(Some(check)),
            Err(fault @ Error::Interrupted) => Err(fault.into()),
            Err(fault) if self.encoder.is_none() && self.only.is_none() && !self.keep => {
                terminal.say(format!("whether the encoder can tell the subjects apart was not checked: {fault}"));
                Ok(None)
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

/// A kind in the plural.
fn plural(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Human => "people",
        SubjectKind::Animal => "animals",
        SubjectKind::Object => "objects",
    }
}

fn indistinct(check: &InstrumentCheck) -> Vec<Finding> {
    let hardest = check.figures.last().map_or("", |figure| figure.variant.as_str());
    let own = check.indistinct().into_iter().map(|(kind, auc)| {
        let says = format!(
            "{} cannot tell the {} of this pool apart: their own references ({hardest}) are told from others with an AUC of \
             {auc:.2}, below {TOLD_APART}",
            check.encoder,
            plural(kind)
        );
        Finding::new(Kind::Indistinct, kind.as_str(), says)
    });
    let generated = check.not_seen().into_iter().map(|best| {
        let says = format!(
            "by {} no model's images tell the {} that were asked for from others (AUC {:.2} at best, {}; 0.5 is chance): either \
             no model keeps them, or this encoder does not see who they are, and then its figures for them say nothing",
            check.encoder,
            plural(best.kind),
            best.auc,
            best.model
        );
        Finding::new(Kind::Indistinct, best.kind.as_str(), says)
    });
    own.chain(generated).collect()
}

fn write_instrument(check: &InstrumentCheck, format: Format) -> io::Result<()> {
    let head = ["encoder", "references", "kind", "subjects", "pictures", "top1", "auc"];
    let mut table = TableWriter::new(BufWriter::new(results()), format, Head::new(head.map(str::to_owned).to_vec()))?;
    let exact = format.is_for_programs();
    let number = |value: Option<f64>| match value {
        Some(value) if exact => Cell::Real(value),
        Some(value) => Cell::Number(format!("{value:.3}")),
        None if exact => Cell::Real(f64::NAN),
        None => Cell::Null,
    };
    for figure in &check.figures {
        table.row(&[
            Cell::Text(check.encoder.clone()),
            Cell::Text(figure.variant.clone()),
            Cell::Text(figure.kind.map_or("all", |kind| kind.as_str()).to_owned()),
            Cell::Integer(figure.subjects as i64),
            Cell::Integer(figure.pictures as i64),
            number(figure.top1),
            number(figure.auc),
        ])?;
    }
    table.finish().map(drop)
}

/// What the figures mean, and what they do not.
fn explain(check: &InstrumentCheck, terminal: &Terminal) {
    let [larger, smaller] = check.sides;
    let from = match check.sides_from {
        SidesFrom::Found => "the median and the lower quartile of the windows in which requested subjects are most",
        SidesFrom::Images => "the windows of `fast` in an image of the median size; none was searched",
        SidesFrom::Nothing => "the windows of `fast` in an image of 512 pixels; the data set has no image yet",
    };
    terminal.say(format!("references were shrunk to {larger} and {smaller} pixels: {from}"));
    if check.left_out > 0 {
        terminal.say(format!("{} subjects took no part, because a reference cannot be used", check.left_out));
    }
    match check.indistinct().is_empty() {
        true => terminal.say(format!(
            "{} tells the references of each kind apart (AUC {TOLD_APART} or more in the hardest variant). That is necessary and \
             not sufficient: a generated subject differs more from its reference than a mirrored copy does",
            plain(&check.encoder)
        )),
        false => {
            terminal.say("where a kind's own references are not told apart, no verdict on who is in an image is to be believed")
        }
    }
    for kind in SubjectKind::ALL {
        let of_kind = check.generations.iter().filter(|one| one.kind == *kind);
        let models: Vec<String> =
            of_kind.map(|one| format!("{} {:.3} ({} images)", plain(&one.model), one.auc, one.images)).collect();
        if !models.is_empty() {
            terminal.say(format!(
                "AUC of the {} that images were asked for against others, 0.5 being chance: {}",
                plural(*kind),
                models.join(", ")
            ));
        }
    }
}

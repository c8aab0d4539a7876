use super::terminal::results;
use super::{Ended, Terminal};
use msdata::ops::{Depth, RepairOptions};
use msdata::text::plain;
use msdata::{Dataset, Error, Verification};
use std::io::Write;
use std::path::Path;

/// Check every row, part and image file
///
/// Says what is wrong and what to do about it; exit status 1 if anything is. Images that the catalog knows to be
/// missing, and leftovers of interrupted runs, are noted but are not faults. Also says what it did not check.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata verify --deep && cp -r . /backup/stress-test
  msdata verify --repair && msdata embed && msdata score")]
pub struct VerifyArgs {
    /// Also read every part and image, and compute every score
    ///
    /// Checks every checksum, computes every score again, and embeds the windows of 20 images again where their encoder is
    /// at hand.
    #[arg(long)]
    deep: bool,
    /// Like --deep, for a share of all; another each time
    #[arg(long, value_name = "P%", value_parser = share, conflicts_with_all = ["deep", "repair"])]
    sample: Option<f64>,
    /// Repair what can be repaired without loss, then check
    ///
    /// As --deep does: remove leftovers, rebuild views, triggers and indices, remove computed vectors and scores that must be
    /// made again.
    #[arg(long)]
    repair: bool,
    /// With --repair: also remove imported vectors that are lost
    ///
    /// Only importing their files again brings them back.
    #[arg(long, requires = "repair")]
    drop_imported: bool,
    /// Accept rows that you changed with another program
    #[arg(long)]
    accept: bool,
}

impl VerifyArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let mut out = results();
        if self.accept {
            Dataset::open_to_write(dataset)?.accept()?;
        }
        if self.repair {
            let options = RepairOptions { drop_imported: self.drop_imported };
            for what in terminal.watch(|watch| Dataset::repair(dataset, options, watch))? {
                writeln!(out, "repaired: {what}")?;
            }
        }
        let depth = match self.sample {
            _ if self.deep || self.repair => Depth::Deep,
            Some(share) => Depth::Sample(share),
            None => Depth::Quick,
        };
        let found = match Dataset::open_to_read(dataset).and_then(|data| terminal.watch(|watch| data.verify_by(depth, watch))) {
            // Reporting a catalog that cannot be read is what this command is for.
            Err(Error::Damaged(what)) => Verification { faults: vec![unreadable(&what, self.repair)], ..Verification::default() },
            found => found?,
        };
        for fault in &found.faults {
            writeln!(out, "fault: {}", plain(fault))?;
        }
        for note in &found.notes {
            writeln!(out, "note: {}", plain(note))?;
        }
        for unchecked in &found.unchecked {
            writeln!(out, "not checked: {unchecked}")?;
        }
        let verdict = match found.faults.len() {
            0 => "sound".to_owned(),
            1 => "1 fault".to_owned(),
            n => format!("{n} faults"),
        };
        let windows = match found.windows {
            0 => String::new(),
            n => format!(", the windows of {n} images embedded again"),
        };
        writeln!(out, "{verdict}: {} parts, {} images, {} scores checked{windows}", found.parts, found.images, found.scores)?;
        Ok(if found.faults.is_empty() { Ended::Done } else { Ended::Unsound })
    }
}

fn unreadable(what: &str, repaired: bool) -> String {
    let restore = "restore catalog.sqlite from a copy and remove the catalog.sqlite-wal of the damaged one; or make a new data set \
                   with `msdata init DIR` and ingest again";
    if repaired {
        format!("{what}; {restore}")
    } else {
        format!("{what}; try `msdata verify --repair`; if that fails, {restore}")
    }
}

/// Reads a percentage such as `5%` as a share.
fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
    match number {
        Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("expected a percentage above 0 and up to 100, such as 5%".into()),
    }
}

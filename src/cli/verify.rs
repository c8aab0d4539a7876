use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::vocabulary::plain;
use std::io::Write;
use std::path::Path;

/// Check every row, part and image file
///
/// Says what is wrong and how to mend it; exit status 1 if anything is. Missing images that the catalog
/// knows of, and left-overs of interrupted runs, are noted and are no fault.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata verify --deep && cp -r . /backup/stress-test")]
pub struct Verify {
    /// Also read every part and image for its checksum, and compute every score again
    #[arg(long)]
    deep: bool,
}

impl Verify {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let found = terminal.watch(|watch| data.verify(self.deep, watch))?;
        let mut out = std::io::stdout().lock();
        for fault in &found.faults {
            writeln!(out, "fault: {}", plain(fault))?;
        }
        for note in &found.notes {
            writeln!(out, "note: {}", plain(note))?;
        }
        let verdict = if found.faults.is_empty() { "sound".to_owned() } else { format!("{} faults", found.faults.len()) };
        writeln!(out, "{verdict}: {} parts, {} images, {} scores checked", found.parts, found.images, found.scores)?;
        Ok(if found.faults.is_empty() { Ended::Done } else { Ended::Unsound })
    }
}

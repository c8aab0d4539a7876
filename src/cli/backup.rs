use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::{Path, PathBuf};

/// Copy the data set into one file, even while it is in use
///
/// A tar archive that `tar xf FILE` restores: the catalog, the parts that it names (each checked), and the images in
/// the data set's directory. Images elsewhere, logs and pages are left out. FILE is written completely or not at all;
/// an earlier backup is replaced.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata backup ../stress-test.tar && tar xf ../stress-test.tar -C /somewhere
  msdata backup /dev/stdout | zstd > ../stress-test.tar.zst")]
pub struct BackupArgs {
    /// The archive to write
    file: PathBuf,
}

impl BackupArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let done = terminal.watch(|watch| data.backup(&self.file, watch))?;
        terminal.say(format!(
            "wrote {}: the catalog, {} parts, {} images, {:.1} MB",
            self.file.display(),
            done.parts,
            done.images,
            done.bytes as f64 / 1e6
        ));
        if done.elsewhere > 0 {
            terminal.say(format!("{} images are outside the data set's directory and are not in the backup", done.elsewhere));
        }
        if done.missing > 0 {
            terminal.warn(format!("{} images that the catalog names are missing, and are not in the backup", done.missing));
        }
        Ok(Ended::Done)
    }
}

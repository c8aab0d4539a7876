//! What is said where no image could be tied to a prompt: why, and what would tie it.

use super::{NOT_READ, OutputReader};
use crate::error::Error;
use crate::generator::System;
use crate::problem::Problem;
use crate::text::{plain, shell_word};

/// How paths say what an image is.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// As a generator names its files.
    System(System),
    /// As the user's pattern says.
    Layout,
}

impl Way {
    /// Which folder is wanted.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Way::Layout => "give the directory in which the paths of the layout begin",
            Way::System(System::Jobs) => "give the directory that holds results/MODEL/PROMPT_ID/SEED.png",
            Way::System(_) => "give the directory that the generator wrote, or the one that `msdata bench export` wrote",
        }
    }
}

impl OutputReader<'_> {
    /// That no image belongs to a prompt, and why the first does not.
    pub(super) fn untied_in_words(&self, first: &Problem) -> String {
        let first = first.to_string();
        let first = first.strip_suffix(NOT_READ).unwrap_or(&first);
        match self.met {
            1 => format!("the one image cannot be tied to a prompt: {first}"),
            met => format!("none of the {met} images can be tied to a prompt: {first}"),
        }
    }

    pub(super) fn folder(&self) -> String {
        plain(&self.source.folder.display().to_string()).into_owned()
    }

    /// That there is nothing to read, and where images were looked for.
    pub(super) fn no_image(&self) -> Error {
        let (folder, readme) = (self.folder(), self.source.folder.join("README.md"));
        let hint = match self.way {
            _ if self.exported => format!("run the generator as {} says", plain(&readme.display().to_string())),
            Way::System(System::Jobs) => {
                "run the generator first; it writes results/MODEL/PROMPT_ID/SEED.png below this directory".to_owned()
            }
            _ => "run the generator first, or give the directory that its images are in".to_owned(),
        };
        Error::request(format!("{folder} holds no image yet"), hint)
    }

    /// What ties images to prompts, for images that nothing does.
    pub(super) fn how_to_tie(&self) -> String {
        let other = format!("other paths are read with `--from layout {} --layout PATTERN`", shell_word(self.source.folder));
        match self.way {
            Way::Layout => "write the layout as the paths below the directory are, and each prompt in them by its id: \
                `msdata sql 'SELECT prompt_id FROM prompts'` lists the ids"
                .into(),
            Way::System(System::Jobs) => format!("the paths are to be MODEL/PROMPT_ID/SEED.png; {other}"),
            Way::System(_) => format!("`--list FILE` names the list that the generator was given; {other}"),
        }
    }
}

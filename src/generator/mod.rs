//! Writes a generator's inputs in its own format, and reads its outputs.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Case`]: a prompt as a generator receives it; [`System`]: a generator's formats |
//! | `folder` | [`Exported`]: a folder to run a generator on |
//! | `export_manifest` | [`ExportManifest`]: `msdata-export.json`, by which that folder's images are known again |
//! | `xverse`, `mosaic`, `psr`, `jobs` | each system's list, names and quirks |
//! | `outputs` | [`Outputs`]: what a generator made, as rows of a generations manifest |
//! | `grid` | [`Grid`]: several images in one file |
//! | `layout` | [`Layout`]: any tree of images, by a pattern |
//! | `command` | [`Template`]: a command line with places for a job |
//! | `attempt` | [`Attempt`]: one run of a command, with its log and its end |
//! | `draft` | [`Draft`]: the directory that it writes into |

mod attempt;
mod command;
mod draft;
mod export_manifest;
mod folder;
mod grid;
mod jobs;
mod layout;
mod mosaic;
mod outputs;
mod psr;
mod xverse;

pub use attempt::{Attempt, StopSwitch, attempt, tail};
pub use command::{Filled, Template};
pub use draft::{Draft, left_over, place};
pub use export_manifest::ExportManifest;
pub use folder::{Exported, LeftOut, write};
pub use grid::Grid;
pub use jobs::Job;
pub use layout::{Layout, Parts, Reading};
pub use outputs::{Known, OutputSource, Outputs, read, read_tree};

use crate::vocabulary::{SceneType, SubjectKind, closed_set};
use std::path::PathBuf;

closed_set! {
    /// A generator's format of prompts and names of images.
    System, "format" {
        /// XVerse's benchmark list; 2×2 grids.
        Xverse = "xverse",
        /// MOSAIC's `example_cases.json`; a folder for each seed.
        Mosaic = "mosaic",
        /// PSRBench's lists, which say where each image lies.
        Psr = "psr",
        /// The job list that the paper's runners read: `results/MODEL/PROMPT/SEED.png`.
        Jobs = "jobs",
        /// One line for each image, with everything known about it; for a custom script.
        Jsonl = "jsonl",
    }
}

impl System {
    /// What its images are filed under, if the user says nothing else.
    pub fn model(self) -> Option<&'static str> {
        match self {
            System::Xverse => Some("XVerse"),
            System::Mosaic => Some("MOSAIC"),
            System::Psr => Some("PSR"),
            System::Jobs | System::Jsonl => None,
        }
    }
}

/// A prompt and everything a generator is given for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The prompt's id.
    pub prompt_id: String,
    /// Its text.
    pub text: String,
    /// Its scene type.
    pub scene_type: SceneType,
    /// The subjects it asks for, in order.
    pub subjects: Vec<Asked>,
}

/// A subject that a prompt asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub subject_id: String,
    /// Class noun.
    pub label: String,
    /// Human, animal, object.
    pub kind: Option<SubjectKind>,
    /// A phrase that describes it.
    pub caption: Option<String>,
    /// Its reference images, one or more.
    pub references: Vec<PathBuf>,
}

impl Asked {
    /// The phrase that describes it: its caption, else its label.
    pub fn phrase(&self) -> &str {
        self.caption.as_deref().unwrap_or(&self.label)
    }
}

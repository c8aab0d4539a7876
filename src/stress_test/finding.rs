//! What a check of prompts or of references can find.

use crate::vocabulary::closed_set;

closed_set! {
    /// What a finding is about.
    Check, "check" {
        /// A combination of subject count and scene type has fewer prompts than another.
        Cell = "cell",
        /// Subjects of one kind are used unevenly: one more than twice as often as another.
        Balance = "balance",
        /// The text names a subject of the pool that the prompt does not list.
        Unlisted = "unlisted",
        /// The prompt lists a subject that its text does not name.
        Unnamed = "unnamed",
        /// Two subjects of a prompt have the same label: the text cannot tell them apart.
        SameLabel = "same-label",
        /// The text is longer than CLIP takes.
        Tokens = "tokens",
        /// The same subjects as an earlier prompt of the set.
        RepeatedSet = "repeated-set",
        /// References of two subjects, or two of one, with the same bytes.
        SameImage = "same-image",
        /// References of two subjects, or two of one, that look alike.
        SimilarImage = "similar-image",
        /// A reference with too few pixels.
        Small = "small",
        /// A reference without sharp edges.
        Blurred = "blurred",
        /// A reference with hardly any content.
        Blank = "blank",
        /// A reference with transparent pixels, whose hidden colours count.
        Transparent = "transparent",
        /// A subject whose references are nearer to another subject's than to each other.
        Disagreeing = "disagreeing",
        /// A kind whose subjects the encoder cannot tell apart.
        Indistinct = "indistinct",
        /// A reference of which a region set knows several regions, or regions of what it was before.
        Regions = "regions",
        /// Subjects without a licence.
        Licence = "licence",
        /// A reference that is missing or cannot be read.
        Unusable = "unusable",
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub check: Check,
    /// The prompt, subject or cell.
    pub about: String,
    /// What is wrong, as a sentence or a part of one.
    pub finding: String,
}

impl Finding {
    /// A finding.
    pub fn new(check: Check, about: impl Into<String>, finding: impl Into<String>) -> Finding {
        Finding { check, about: about.into(), finding: finding.into() }
    }
}

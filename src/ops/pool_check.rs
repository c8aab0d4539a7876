//! Checks the pool's references: files, pixels, and vectors where there are any.

use crate::catalog::{DoubtfulReference, SubjectRow};
use crate::dataset::Dataset;
use crate::encoder::BUILTIN;
use crate::error::{Error, Result, io_reason};
use crate::image::quality::{ALIKE, BLANK, BLURRED, Quality, SMALL};
use crate::image::{Appearance, Door, Transparency, decode_on};
use crate::ops::score::Needs;
use crate::score::{Reference, cosine, mean};
use crate::stress_test::{Check, Finding};
use crate::text::plain;
use crate::watch::Watch;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// References checked between two progress reports.
const BLOCK: usize = 64;

/// Cosine from which the references of two subjects are taken for the same picture, by any encoder. Different
/// pictures of two dogs or two men do not reach it.
const SAME: f64 = 0.95;

/// Most subjects named in a finding about many.
const NAMED: usize = 5;

/// What was found in the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolCheck {
    /// What is wrong, by check.
    pub findings: Vec<Finding>,
    /// Number of subjects checked.
    pub subjects: usize,
    /// Number of references checked.
    pub references: usize,
    /// Encoders with which the references of a subject were compared.
    pub encoders: Vec<String>,
}

impl Dataset {
    /// Checks the references of all subjects: files and pixels are read again, vectors are taken from the data set.
    ///
    /// # Errors
    /// There are no subjects, the catalog or a part cannot be read, or the caller wants to stop.
    pub fn subjects_check(&self, watch: &mut Watch<'_>) -> Result<PoolCheck> {
        let subjects = self.catalog.subjects()?;
        if subjects.is_empty() {
            return Err(Error::request("there are no subjects to check", "ingest a subjects manifest first"));
        }
        let transparency = self.catalog.transparency()?;
        let looked = look(&subjects, &self.door, transparency, watch)?;
        let mut findings: Vec<Finding> = looked.iter().filter_map(Looked::fault).collect();
        if transparency == Transparency::Drop {
            findings.extend(looked.iter().filter_map(Looked::hidden));
        }
        findings.extend(duplicates(&looked));
        findings.extend(licences(&subjects));
        for DoubtfulReference { subject, index, set, regions, stale } in self.catalog.doubtful_references()? {
            let (set, about) = (plain(set.as_str()), format!("{subject} {index}"));
            let finding = match stale {
                true => format!("the regions of {set} are of other bytes than the file has now; ingest them again"),
                false => format!("{set} has {regions} regions of it, of which the one of highest score is used"),
            };
            findings.push(Finding::new(Check::Regions, about, finding));
        }
        let ids: HashMap<i64, &str> = subjects.iter().map(|s| (s.id, s.subject_id.as_str())).collect();
        let mut compared = Vec::new();
        let images = self.catalog.image_encoders()?;
        for encoder in self.catalog.encoders()?.iter().filter(|e| images.iter().any(|(id, _)| *id == e.id)) {
            watch.check()?;
            let pool = Needs::read(&self.catalog, encoder)?.pool(&self.store)?;
            let pool: Vec<CheckedReference<'_>> =
                pool.iter().map(|(id, references)| CheckedReference { id: ids[id], references }).collect();
            let name = encoder.name.as_str();
            for finding in same_by_vectors(&pool, name) {
                // What the bytes or the pixels show need not be reported again.
                let known = |f: &Finding| f.about == finding.about && matches!(f.check, Check::SameImage | Check::SimilarImage);
                if !findings.iter().any(known) {
                    findings.push(finding);
                }
            }
            // Colour and texture say nothing about who is in a picture.
            if name != BUILTIN {
                findings.extend(disagreeing(&pool, name));
                compared.push(name.to_owned());
            }
        }
        findings.sort_by_key(|f| f.check);
        Ok(PoolCheck { findings, subjects: subjects.len(), references: looked.len(), encoders: compared })
    }
}

/// A reference that was read.
pub(crate) struct Looked<'a> {
    subject: &'a SubjectRow,
    index: usize,
    blake3: Option<blake3::Hash>,
    /// Its measures, or why it has none.
    quality: std::result::Result<Quality, String>,
    appearance: Appearance,
}

/// Reads every reference, on all cores.
pub(crate) fn look<'a>(
    subjects: &'a [SubjectRow],
    door: &Door,
    transparency: Transparency,
    watch: &mut Watch<'_>,
) -> Result<Vec<Looked<'a>>> {
    let all: Vec<(&SubjectRow, usize)> = subjects.iter().flat_map(|s| (0..s.references.len()).map(move |i| (s, i))).collect();
    let mut looked = Vec::with_capacity(all.len());
    for block in all.chunks(BLOCK) {
        watch.check()?;
        looked.par_extend(block.par_iter().map(|(subject, index)| {
            let (blake3, decoded) = match door.read(Path::new(&subject.references[*index])) {
                Ok(bytes) => (Some(blake3::hash(&bytes)), decode_on(&bytes, transparency).map_err(|fault| fault.to_string())),
                Err(e) => (None, Err(io_reason(&e))),
            };
            let appearance = decoded.as_ref().map_or_else(|_| Appearance::default(), |image| image.appearance);
            let quality = decoded.map(|image| Quality::of(&image.rgb));
            Looked { subject, index: *index, blake3, quality, appearance }
        }));
        watch.report("references", looked.len() as u64, Some(all.len() as u64));
    }
    Ok(looked)
}

impl Looked<'_> {
    /// Returns its path, after `reference 0` if there are several.
    fn name(&self) -> String {
        let path = plain(&self.subject.references[self.index]).into_owned();
        if self.subject.references.len() > 1 { format!("reference {}: {path}", self.index) } else { path }
    }

    fn fault(&self) -> Option<Finding> {
        let (check, says) = match &self.quality {
            Err(reason) => (Check::Unusable, reason.clone()),
            Ok(q) if q.short_side() < SMALL => {
                (Check::Small, format!("{} × {} pixels, below {SMALL} on the short side", q.width, q.height))
            }
            Ok(q) if q.contrast < BLANK => {
                (Check::Blank, format!("the standard deviation of its greys is {:.1} of 255, below {BLANK}", q.contrast))
            }
            Ok(_) if self.appearance.blank => (Check::Blank, "it has a single colour, or nothing visible".to_owned()),
            Ok(q) if q.sharpness < BLURRED => (Check::Blurred, format!("sharpness {:.0}, below {BLURRED}", q.sharpness)),
            Ok(_) => return None,
        };
        Some(Finding::new(check, self.subject.subject_id.as_str(), format!("{}: {says}", self.name())))
    }

    /// Returns a finding if invisible pixels count.
    fn hidden(&self) -> Option<Finding> {
        let quality = self.quality.as_ref().ok().filter(|_| self.appearance.translucent > 0)?;
        let share = 100.0 * self.appearance.translucent as f64 / (f64::from(quality.width) * f64::from(quality.height));
        let says = format!(
            "{}: {share:.1} % of its pixels are transparent, and their hidden colours count as if they were visible; \
             `msdata embed --transparency white` lays it on white",
            self.name()
        );
        Some(Finding::new(Check::Transparent, self.subject.subject_id.as_str(), says))
    }
}

/// Finds references that have the same bytes as an earlier one, or look like it.
pub(crate) fn duplicates(looked: &[Looked<'_>]) -> Vec<Finding> {
    let pair = |check, a: &Looked<'_>, b: &Looked<'_>, says: String| {
        Finding::new(check, a.subject.subject_id.as_str(), format!("{} {says} {}, {}", a.name(), b.subject.subject_id, b.name()))
    };
    let of = |(n, a): (usize, &Looked<'_>)| -> Vec<Finding> {
        let earlier = &looked[..n];
        if let Some(b) = earlier.iter().find(|b| a.blake3.is_some() && a.blake3 == b.blake3) {
            return vec![pair(Check::SameImage, a, b, "has the same bytes as".into())];
        }
        let Ok(quality) = &a.quality else { return Vec::new() };
        let alike = earlier.iter().filter_map(|b| {
            let distance = quality.looks.distance(b.quality.as_ref().ok()?.looks);
            (distance <= ALIKE).then(|| pair(Check::SimilarImage, a, b, format!("looks like ({distance} of 127 bits differ)")))
        });
        alike.collect()
    };
    looked.par_iter().enumerate().flat_map_iter(of).collect()
}

fn licences(subjects: &[SubjectRow]) -> Option<Finding> {
    let without: Vec<&str> = subjects
        .iter()
        .filter(|s| s.license.as_deref().is_none_or(|l| l.trim().is_empty()))
        .map(|s| s.subject_id.as_str())
        .collect();
    let first = without.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if without.len() > NAMED { ", …" } else { "" };
    let says = format!("{} of {} subjects have no `license`: {first}{more}", without.len(), subjects.len());
    (!without.is_empty()).then(|| Finding::new(Check::Licence, "pool", says))
}

/// A subject with the vectors of all its references.
struct CheckedReference<'a> {
    id: &'a str,
    references: &'a [Reference],
}

impl CheckedReference<'_> {
    /// Returns the cosines with the references of another subject.
    fn cosines(&self, other: &CheckedReference<'_>) -> Vec<f64> {
        let pairs = self.references.iter().flat_map(|a| other.references.iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| cosine(&a.vector, &b.vector)).collect()
    }

    /// Returns the cosines of its references with each other.
    fn own_cosines(&self) -> Vec<f64> {
        let pairs = self.references.iter().enumerate().flat_map(|(n, a)| self.references[..n].iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| cosine(&a.vector, &b.vector)).collect()
    }
}

/// Finds subjects with a reference that is nearly identical to one of an earlier subject.
fn same_by_vectors(pool: &[CheckedReference<'_>], encoder: &str) -> Vec<Finding> {
    let of = |(n, member): (usize, &CheckedReference<'_>)| {
        let other = pool[..n].iter().map(|other| (member.cosines(other).into_iter().fold(-1.0, f64::max), other.id));
        let (highest, other) = other.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let says = format!("a reference is nearly identical to one of {other} (cosine {highest:.3} by {encoder})");
        (highest >= SAME).then(|| Finding::new(Check::SimilarImage, member.id, says))
    };
    pool.par_iter().enumerate().filter_map(of).collect()
}

/// Finds subjects whose references are on average more like another subject's than like each other.
fn disagreeing(pool: &[CheckedReference<'_>], encoder: &str) -> Vec<Finding> {
    let of = |member: &CheckedReference<'_>| {
        let own = member.own_cosines();
        if own.is_empty() {
            return None;
        }
        let own = mean(&own);
        let others = pool.iter().filter(|other| other.id != member.id).map(|other| (mean(&member.cosines(other)), other.id));
        let (nearest, other) = others.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let says =
            format!("its references are closer to those of {other} ({nearest:.3}) than to each other ({own:.3}) by {encoder}");
        (nearest > own).then(|| Finding::new(Check::Disagreeing, member.id, says))
    };
    pool.par_iter().filter_map(of).collect()
}

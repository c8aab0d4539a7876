//! Can the encoder tell the pool's subjects apart at all? Each reference, mirrored, made small and recompressed, against
//! every subject of its kind.

use crate::catalog::{InstrumentFigure, SubjectRow};
use crate::dataset::Dataset;
use crate::encoder::Encoder;
use crate::error::{Error, Result, io_reason};
use crate::image::{Door, Preprocessing, Rgb, Transparency, decode_on, mirrored, recompressed, shrunk};
use crate::ops::embed::{EmbedOptions, open};
use crate::ops::report::snapshot::Reading as SnapshotReading;
use crate::report::{KindAuc, auc_in_kind, identity_encoder};
use crate::score::{Pool, Trial};
use crate::text::{plain, quote, shell_word};
use crate::vocabulary::SubjectKind;
use crate::watch::Watch;
use rayon::prelude::*;
use std::path::Path;

/// Quality of the JPEG that references are recompressed to.
pub const JPEG_QUALITY: u8 = 75;

/// AUC of the hardest variant below which an encoder is said not to tell a kind apart: halfway between chance and
/// always.
pub const TOLD_APART: f64 = 0.75;

/// Images of a model from which its AUC within a kind is taken seriously.
const FEWEST_IMAGES: usize = 10;

/// The shorter side of an image where a data set has none yet.
const NO_IMAGE: u32 = 512;

/// References that are made ready at a time, for each core.
const PER_CORE: usize = 4;

/// Where the sizes come from that references are shrunk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SidesFrom {
    /// The windows in which the requested subjects are most: their median and their lower quartile.
    Found,
    /// The windows of `fast` in an image of the median size: nothing was searched.
    Images,
    /// The same of an image of 512 pixels: there is none yet.
    Nothing,
}

/// The result of the check.
#[derive(Debug, Clone, PartialEq)]
pub struct InstrumentCheck {
    /// The encoder.
    pub encoder: String,
    /// The shorter sides that references were shrunk to, in pixels: the larger and the smaller.
    pub sides: [u32; 2],
    /// Where those are from.
    pub sides_from: SidesFrom,
    /// By variant, the hardest last, and by kind, the whole pool last.
    pub figures: Vec<InstrumentFigure>,
    /// Subjects that took no part, because a reference cannot be used.
    pub left_out: usize,
    /// The same question of the data set's own generations, by kind and model; empty where none were searched.
    pub generations: Vec<KindAuc>,
}

impl InstrumentCheck {
    /// Returns the kinds that the encoder does not tell apart, with the AUC of the hardest variant.
    pub fn indistinct(&self) -> Vec<(SubjectKind, f64)> {
        let hardest = self.figures.last().map(|figure| figure.variant.as_str());
        let of_hardest = self.figures.iter().filter(|figure| Some(figure.variant.as_str()) == hardest);
        of_hardest.filter_map(|figure| Some((figure.kind?, figure.auc?))).filter(|(_, auc)| *auc < TOLD_APART).collect()
    }

    /// The kinds whose subjects no model's images tell apart, each with the model whose images come nearest to it.
    pub fn not_seen(&self) -> Vec<&KindAuc> {
        let of_kind = |kind: &SubjectKind| -> Option<&KindAuc> {
            let models = self.generations.iter().filter(|one| one.kind == *kind && one.images >= FEWEST_IMAGES);
            models.max_by(|a, b| a.auc.total_cmp(&b.auc)).filter(|best| best.auc < TOLD_APART)
        };
        SubjectKind::ALL.iter().filter_map(of_kind).collect()
    }
}

impl Dataset {
    /// Tries an encoder on the pool's own references; `wanted` names it, `None` takes the one that decides collapse.
    /// Nothing is written: see [`Dataset::keep_instrument_check`].
    ///
    /// # Errors
    /// There is no such encoder, it is not on this machine, its vectors were imported, or the caller wants to stop.
    pub fn instrument_check(&self, wanted: Option<&str>, watch: &mut Watch<'_>) -> Result<InstrumentCheck> {
        let images = self.catalog.image_encoders()?;
        let names: Vec<&str> = images.iter().map(|(_, name)| name.as_str()).collect();
        let name = match identity_encoder(&names, wanted) {
            Ok(name) => name.to_owned(),
            // What is asked for may be more than a name, and what is wrong may be more than that.
            Err(_) => self.snapshot(wanted, &SnapshotReading::default())?.identity,
        };
        let rows = self.catalog.encoders()?;
        let row = rows.iter().find(|row| row.name.as_str() == name).filter(|row| row.pixel_rule.is_some());
        let Some(row) = row else {
            return Err(Error::request(
                format!("the vectors of encoder {} were imported: there is no network to try", quote(&name)),
                "name an encoder that embeds here: `msdata embed --encoder DIR`, then `msdata subjects check --encoder NAME`",
            ));
        };
        let word = row.location.as_deref().map_or_else(|| name.clone(), |dir| dir.display().to_string());
        let options = EmbedOptions { encoders: vec![word], ..EmbedOptions::default() };
        let (home, described) = self.ready(&options, false)?;
        let Some(described) = described.iter().find(|described| described.name.as_str() == name) else {
            let word = shell_word(Path::new(&options.encoders[0]));
            return Err(Error::request(
                format!("encoder {} is not what {} is now", quote(&name), plain(&word)),
                format!("`msdata embed --encoder {word}` embeds with what is there"),
            ));
        };
        let mut encoder = open(described, &options, &home)?.encoder;
        let (sides, sides_from) = self.sides(row.id)?;
        let variants = Variant::all(sides);
        let subjects = self.catalog.subjects()?;
        let pictures = self.pictures(&subjects, &variants, &mut encoder, watch)?;
        let figures = figures(&subjects, &pictures, &variants);
        // Only windows say of generations who is in them.
        let generations = match self.catalog.window_pattern(row.id)? {
            Some(_) => auc_in_kind(&self.snapshot(wanted, &SnapshotReading::default())?),
            None => Vec::new(),
        };
        Ok(InstrumentCheck {
            encoder: name,
            sides,
            sides_from,
            figures,
            left_out: pictures.iter().filter(|of_subject| of_subject.is_none()).count(),
            generations,
        })
    }

    /// Keeps what a check found, so that the page shows it for as long as the references are the same.
    ///
    /// # Errors
    /// SQLite reports an error, or the encoder is gone.
    pub fn keep_instrument_check(&mut self, check: &InstrumentCheck) -> Result<()> {
        let Some(row) = self.catalog.encoders()?.into_iter().find(|row| row.name.as_str() == check.encoder) else {
            return Err(Error::request(format!("there is no encoder {}", quote(&check.encoder)), "run the check again"));
        };
        let changes = self.catalog.begin()?;
        changes.keep_instrument_figures(row.id, &check.figures)?;
        changes.commit()
    }

    /// The sizes that subjects have in the data set's images, and where that is known from.
    fn sides(&self, encoder: i64) -> Result<([u32; 2], SidesFrom)> {
        let found = self.catalog.sides_of_places(encoder)?;
        if let (Some(median), Some(quartile)) = (quantile(&found, 0.5), quantile(&found, 0.25)) {
            return Ok(([median, quartile], SidesFrom::Found));
        }
        let (side, from) = match median(&self.catalog.sides_of_images()?) {
            Some(side) => (side, SidesFrom::Images),
            None => (NO_IMAGE, SidesFrom::Nothing),
        };
        Ok(([side / 2, side / 3].map(|side| side.max(1)), from))
    }

    /// Of each subject of each of its references the vector as it is, then one of each variant; `None`: one cannot be
    /// made.
    fn pictures(
        &self,
        subjects: &[SubjectRow],
        variants: &[Variant],
        encoder: &mut Encoder,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<Option<Vec<Pictures>>>> {
        let all: Vec<(usize, &str)> =
            subjects.iter().enumerate().flat_map(|(at, s)| s.references.iter().map(move |path| (at, path.as_str()))).collect();
        let mut found: Vec<Option<Vec<Pictures>>> = subjects.iter().map(|s| (!s.references.is_empty()).then(Vec::new)).collect();
        let numbers = encoder.numbers();
        let reader = ReferenceReader {
            door: &self.door,
            transparency: encoder.transparency(),
            preprocessing: encoder.preprocessing().clone(),
            numbers,
            variants,
        };
        let mut done = 0;
        for block in all.chunks(PER_CORE * rayon::current_num_threads()) {
            watch.check()?;
            let tensors: Vec<Option<Vec<f32>>> = block.par_iter().map(|(_, path)| reader.tensors(path).ok()).collect();
            let flat: Vec<f32> = tensors.iter().flatten().flatten().copied().collect();
            let mut vectors = Vec::with_capacity(flat.len() / numbers);
            for batch in flat.chunks(encoder.at_once() * numbers) {
                vectors.extend(encoder.embed_images(batch)?);
                watch.check()?;
            }
            let mut vectors = vectors.into_iter();
            for ((subject, _), tensors) in block.iter().zip(&tensors) {
                let pictures: Option<Pictures> = match tensors {
                    Some(_) => vectors.by_ref().take(1 + variants.len()).map(|vector| vector.ok()).collect(),
                    None => None,
                };
                match (pictures, &mut found[*subject]) {
                    (Some(pictures), Some(of_subject)) => of_subject.push(pictures),
                    (None, of_subject) => *of_subject = None,
                    (Some(_), None) => {}
                }
            }
            done += block.len();
            watch.report("trying the encoder on references", done as u64, Some(all.len() as u64));
        }
        Ok(found)
    }
}

/// How files become what the network takes.
struct ReferenceReader<'a> {
    door: &'a Door,
    transparency: Transparency,
    preprocessing: Preprocessing,
    /// Numbers in the input of one picture.
    numbers: usize,
    variants: &'a [Variant],
}

impl ReferenceReader<'_> {
    /// The network's input of a reference as it is and of each variant, one after another.
    fn tensors(&self, path: &str) -> std::result::Result<Vec<f32>, String> {
        let bytes = self.door.read(Path::new(path)).map_err(|e| io_reason(&e))?;
        let reference = decode_on(&bytes, self.transparency).map_err(|fault| fault.reason)?.rgb;
        let mut tensors = vec![0.0; (1 + self.variants.len()) * self.numbers];
        for (at, tensor) in tensors.chunks_exact_mut(self.numbers).enumerate() {
            match at.checked_sub(1) {
                None => self.preprocessing.apply(&reference, tensor)?,
                Some(variant) => self.preprocessing.apply(&self.variants[variant].of(&reference)?, tensor)?,
            }
        }
        Ok(tensors)
    }
}

/// The vectors of one reference: as it is, then each variant.
type Pictures = Vec<Vec<f32>>;

/// What is done to a reference.
struct Variant {
    mirror: bool,
    side: Option<u32>,
    recompress: bool,
}

impl Variant {
    /// Each alone, then all together: the hardest is the last.
    fn all([larger, smaller]: [u32; 2]) -> Vec<Variant> {
        let nothing = || Variant { mirror: false, side: None, recompress: false };
        let mut variants = vec![Variant { mirror: true, ..nothing() }, Variant { side: Some(larger), ..nothing() }];
        variants.extend((smaller != larger).then(|| Variant { side: Some(smaller), ..nothing() }));
        variants.push(Variant { recompress: true, ..nothing() });
        variants.push(Variant { mirror: true, side: Some(smaller), recompress: true });
        variants
    }

    fn name(&self) -> String {
        let parts = [
            self.mirror.then(|| "mirrored".to_owned()),
            self.side.map(|side| format!("{side} pixels")),
            self.recompress.then(|| format!("JPEG {JPEG_QUALITY}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn of(&self, reference: &Rgb) -> std::result::Result<Rgb, String> {
        let mut picture = if self.mirror { mirrored(reference) } else { reference.clone() };
        if let Some(side) = self.side {
            picture = shrunk(&picture, side);
        }
        if self.recompress { recompressed(&picture, JPEG_QUALITY) } else { Ok(picture) }
    }
}

/// How well each variant is told, by kind and in the whole pool.
fn figures(subjects: &[SubjectRow], pictures: &[Option<Vec<Pictures>>], variants: &[Variant]) -> Vec<InstrumentFigure> {
    let usable: Vec<(&SubjectRow, &Vec<Pictures>)> =
        subjects.iter().zip(pictures).filter_map(|(subject, pictures)| Some((subject, pictures.as_ref()?))).collect();
    let references: Vec<Vec<&[f32]>> =
        usable.iter().map(|(_, pictures)| pictures.iter().map(|of_reference| of_reference[0].as_slice()).collect()).collect();
    let Some(pool) = Pool::new(&references) else { return Vec::new() };
    let kinds = SubjectKind::ALL.iter().map(|kind| Some(*kind)).chain([None]);
    let kinds: Vec<(Option<SubjectKind>, Vec<bool>)> = kinds
        .map(|kind| (kind, usable.iter().map(|(subject, _)| kind.is_none() || subject.kind == kind).collect::<Vec<bool>>()))
        .filter(|(_, members)| members.contains(&true))
        .collect();
    let mut figures = Vec::new();
    for (at, variant) in variants.iter().enumerate() {
        let shown = usable.iter().enumerate().flat_map(|(subject, (_, pictures))| {
            pictures.iter().map(move |of_reference| (subject, of_reference[1 + at].as_slice()))
        });
        let trial = Trial::new(&pool, usable.len(), shown);
        figures.extend(kinds.iter().map(|(kind, members)| {
            let told = trial.within(members);
            InstrumentFigure {
                variant: variant.name(),
                kind: *kind,
                subjects: told.subjects as u64,
                pictures: told.pictures as u64,
                top1: told.top1,
                auc: told.auc,
            }
        }));
    }
    figures
}

/// The value below which a share of all lies, of values in order with how many there are of each.
fn quantile(values: &[(u32, u64)], share: f64) -> Option<u32> {
    let all: u64 = values.iter().map(|(_, count)| count).sum();
    let mut before = 0;
    let reached = |(_, count): &&(u32, u64)| {
        before += count;
        before as f64 >= share * all as f64
    };
    values.iter().find(reached).map(|(value, _)| *value)
}

/// The value in the middle, or of two the larger, of values in order with how many there are of each.
fn median(values: &[(u32, u64)]) -> Option<u32> {
    let all: u64 = values.iter().map(|(_, count)| count).sum();
    let mut before = 0;
    let reached = |(_, count): &&(u32, u64)| {
        before += count;
        before > all / 2
    };
    values.iter().find(reached).map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn the_middle_of_counted_values() {
        assert_eq!([1, 2, 3].map(|ones| median(&[(10, ones), (20, 2)])), [Some(20), Some(20), Some(10)]);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn quantiles_of_counted_values() {
        let sides = [(10, 2), (20, 5), (30, 1)];
        assert_eq!([0.25, 0.5, 0.9].map(|share| quantile(&sides, share)), [Some(10), Some(20), Some(30)]);
        assert_eq!(quantile(&[], 0.5), None);
    }
}

//! Embeds the regions of sets: each image is decoded once, its regions are cut out by the rule of the set on all cores,
//! and go through the network in batches. The next images are decoded, and the next batch is cut, while the network runs;
//! memory holds two blocks of decoded images and two batches, however many regions an image has.

use crate::catalog::{Catalog, EncoderRow, RegionRow, RegionSetRow, RegionTask, StagedVector, Target};
use crate::crop::{CropRule, Fit, GREY};
use crate::embeddings::Store;
use crate::encoder::Encoder;
use crate::error::{Error, Result, io_reason};
use crate::image::{Door, Preprocessing, Rgb, Transparency, Window, decode_on};
use crate::manifest::Mask;
use crate::ops::embed::pipeline::flush;
use crate::text::{plain, quote};
use crate::watch::Watch;
use rayon::prelude::*;
use std::thread;

/// Images that are decoded at a time.
const BLOCK: usize = 16;

/// What embedding the regions of a set did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbeddedRegions {
    /// Regions embedded.
    pub regions: u64,
    /// Regions that could not be embedded, now or in an earlier run.
    pub failed: u64,
    /// Images that are missing or have changed since they were read.
    pub changed: u64,
}

/// How regions become tensors.
pub(crate) struct RegionReading<'a> {
    door: &'a Door,
    transparency: Transparency,
    preprocessing: Preprocessing,
    size: [u32; 2],
    rule: CropRule,
}

impl<'a> RegionReading<'a> {
    /// By an encoder and the rule of a set.
    pub(crate) fn by(encoder: &Encoder, door: &'a Door, rule: CropRule) -> RegionReading<'a> {
        let (transparency, preprocessing) = (encoder.transparency(), encoder.preprocessing().clone());
        RegionReading { door, transparency, preprocessing, size: encoder.size(), rule }
    }
}

/// An image of a task, decoded.
enum Opened {
    Image(Rgb),
    /// The file is missing, or not the one that the catalog knows.
    Changed,
    /// Why it cannot be used.
    Unfit(String),
}

/// A region made ready for the network, or why it could not be.
struct Prepared {
    region: i64,
    source: [u8; 32],
    tensor: std::result::Result<Vec<f32>, String>,
}

/// Embeds every region of a set without a vector by an encoder. Finished vectors survive an interruption.
#[allow(clippy::too_many_arguments)]
pub fn embed_regions(
    catalog: &mut Catalog,
    store: &Store,
    door: &Door,
    row: &EncoderRow,
    encoder: &mut Encoder,
    set: &RegionSetRow,
    watch: &mut Watch<'_>,
) -> Result<EmbeddedRegions> {
    let total = catalog.count_regions_to_embed(row.id, set.id)?;
    let reading = RegionReading::by(encoder, door, set.rules.crop);
    let mut done = EmbeddedRegions::default();
    let mut run = || -> Result<()> {
        let mut tasks = catalog.regions_to_embed(row.id, set.id, 0, BLOCK)?;
        let mut images = open_all(&tasks, &reading);
        while !tasks.is_empty() {
            watch.check()?;
            let after = tasks.last().map_or(0, |task| task.image);
            let next = catalog.regions_to_embed(row.id, set.id, after, BLOCK)?;
            let (block, coming) = thread::scope(|scope| {
                let coming = scope.spawn(|| open_all(&next, &reading));
                let regions =
                    tasks.iter().zip(&images).flat_map(|(task, image)| task.regions.iter().map(move |r| (task, image, r)));
                let regions: Vec<_> = regions.filter(|(_, image, _)| !matches!(image, Opened::Changed)).collect();
                done.changed += images.iter().filter(|image| matches!(image, Opened::Changed)).count() as u64;
                let block = run_block(catalog, row, encoder, &regions, &reading, &mut done, watch, total);
                (block, coming.join())
            });
            block?;
            images = coming.map_err(|_| Error::Damaged("a decoding thread ended too early".into()))?;
            tasks = next;
        }
        Ok(())
    };
    let outcome = run();
    if matches!(outcome, Ok(()) | Err(Error::Interrupted)) {
        flush(catalog, store, row)?;
    }
    outcome?;
    let (failed, first) = catalog.region_failures(row.id, set.id)?;
    done.failed = failed;
    if let Some(first) = first {
        watch.warn(&format!("{} ({failed} such regions in all)", plain(&first)));
    }
    if done.changed > 0 {
        watch.warn(&format!(
            "{} images of regions are missing or have changed since they were read; `msdata ingest` looks at them again",
            done.changed
        ));
    }
    Ok(done)
}

/// Runs the network on the regions of a block, batch by batch, and makes their vectors durable.
#[allow(clippy::too_many_arguments)]
fn run_block(
    catalog: &mut Catalog,
    row: &EncoderRow,
    encoder: &mut Encoder,
    regions: &[(&RegionTask, &Opened, &RegionRow)],
    reading: &RegionReading<'_>,
    done: &mut EmbeddedRegions,
    watch: &mut Watch<'_>,
    total: u64,
) -> Result<()> {
    let mut batches = regions.chunks(encoder.at_once());
    let prepare = |batch: &[(&RegionTask, &Opened, &RegionRow)]| -> Vec<Prepared> {
        batch.par_iter().map(|(task, image, region)| prepare(task, image, region, reading)).collect()
    };
    let mut prepared = batches.next().map(prepare);
    while let Some(batch) = prepared {
        let next = batches.next();
        let (ran, coming) = thread::scope(|scope| {
            let coming = next.map(|next| scope.spawn(move || prepare(next)));
            (run_batch(catalog, row, encoder, batch, done), coming.map(thread::ScopedJoinHandle::join))
        });
        ran?;
        prepared = coming.transpose().map_err(|_| Error::Damaged("a thread that cuts regions ended too early".into()))?;
        watch.check()?;
        watch.report("embedding regions", done.regions, Some(total));
    }
    Ok(())
}

fn run_batch(
    catalog: &mut Catalog,
    row: &EncoderRow,
    encoder: &mut Encoder,
    batch: Vec<Prepared>,
    done: &mut EmbeddedRegions,
) -> Result<()> {
    let tensors: Vec<f32> = batch.iter().filter_map(|r| r.tensor.as_ref().ok()).flatten().copied().collect();
    let mut vectors = if tensors.is_empty() { Vec::new() } else { encoder.embed_images(&tensors)? }.into_iter();
    let changes = catalog.begin()?;
    let mut staged = Vec::with_capacity(batch.len());
    for Prepared { region, source, tensor } in batch {
        let vector = tensor.and_then(|_| match vectors.next() {
            Some(vector) => vector.map_err(|fault| fault.to_string()),
            None => Err("the encoder gave no vector".to_owned()),
        });
        match vector {
            Ok(vector) => staged.push(StagedVector { target: Target::Region(region), source, truncated: None, vector }),
            Err(reason) => changes.record_region_failure(row.id, region, &plain(&reason))?,
        }
    }
    changes.stage(row.id, &staged)?;
    done.regions += staged.len() as u64;
    changes.commit()
}

/// Reads and decodes the images of a block.
fn open_all(tasks: &[RegionTask], reading: &RegionReading<'_>) -> Vec<Opened> {
    tasks.par_iter().map(|task| open(task, reading)).collect()
}

fn open(task: &RegionTask, reading: &RegionReading<'_>) -> Opened {
    match reading.door.read(&task.path) {
        Ok(bytes) if *blake3::hash(&bytes).as_bytes() != task.source => Opened::Changed,
        Ok(bytes) => match decode_on(&bytes, reading.transparency) {
            Ok(decoded) => Opened::Image(decoded.rgb),
            Err(fault) => Opened::Unfit(fault.reason),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Opened::Changed,
        Err(e) => Opened::Unfit(format!("{}: {}", quote(&task.path.display().to_string()), io_reason(&e))),
    }
}

fn prepare(task: &RegionTask, image: &Opened, region: &RegionRow, reading: &RegionReading<'_>) -> Prepared {
    let tensor = match image {
        Opened::Image(rgb) => tensor(rgb, region, reading),
        Opened::Unfit(reason) => Err(reason.clone()),
        Opened::Changed => Err("its image has changed since it was read".to_owned()),
    };
    Prepared { region: region.id, source: source_of(&task.source, region, &reading.rule), tensor }
}

/// Returns the hash of what a region's vector is made from: the image, the part of it, and how that is cut out.
pub(crate) fn source_of(image: &[u8; 32], region: &RegionRow, rule: &CropRule) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(image);
    for number in region.bounds {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(rule.to_string().as_bytes());
    if rule.outside.is_some() {
        hasher.update(region.mask.as_deref().unwrap_or_default().as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Returns a region as the network takes it.
fn tensor(rgb: &Rgb, region: &RegionRow, reading: &RegionReading<'_>) -> std::result::Result<Vec<f32>, String> {
    match (reading.rule.outside, &region.mask) {
        (Some(outside), Some(json)) => {
            let masked = masked(rgb, &Mask::read(json)?, outside.level())?;
            cut_out(&masked, region.bounds, &reading.rule, &reading.preprocessing, reading.size)
        }
        _ => cut_out(rgb, region.bounds, &reading.rule, &reading.preprocessing, reading.size),
    }
}

/// Returns what is in a box as a network with an input of this size takes it.
pub(crate) fn cut_out(
    rgb: &Rgb,
    bounds: [f64; 4],
    rule: &CropRule,
    preprocessing: &Preprocessing,
    size: [u32; 2],
) -> std::result::Result<Vec<f32>, String> {
    let part = rule.rectangle(bounds, [rgb.width, rgb.height]).ok_or("its box lies outside the image")?;
    let window = Window { x: part.x, y: part.y, width: part.width, height: part.height };
    let squashed = |rgb: &Rgb, window: Window| {
        let pixels = preprocessing.squash(rgb, &[window], size);
        let mut tensor = vec![0.0; pixels.len()];
        preprocessing.normalise(&pixels, &mut tensor);
        tensor
    };
    match rule.fit {
        Fit::Encoder => preprocessing.tensor(&rgb.cut(window)),
        Fit::Squash => Ok(squashed(rgb, window)),
        Fit::Pad => {
            let padded = padded(&rgb.cut(window), size);
            let whole = Window { x: 0, y: 0, width: padded.width, height: padded.height };
            Ok(squashed(&padded, whole))
        }
    }
}

/// The image with what is outside a mask at one level.
fn masked(rgb: &Rgb, mask: &Mask, level: u8) -> std::result::Result<Rgb, String> {
    mask.fits(rgb.width, rgb.height)?;
    let mut masked = rgb.clone();
    for (pixel, inside) in masked.pixels.as_chunks_mut::<3>().0.iter_mut().zip(mask.pixels()) {
        if !inside {
            *pixel = [level; 3];
        }
    }
    Ok(masked)
}

/// The image in the middle of grey bands that give it the shape of `width` × `height`.
fn padded(rgb: &Rgb, [width, height]: [u32; 2]) -> Rgb {
    let (w, h) = (u64::from(rgb.width), u64::from(rgb.height));
    let (width, height) = (u64::from(width), u64::from(height));
    let (wide, high) =
        if w * height >= h * width { (w, (w * height).div_ceil(width)) } else { ((h * width).div_ceil(height), h) };
    let (wide, high) = (wide as usize, high as usize);
    let (left, top) = ((wide - w as usize) / 2, (high - h as usize) / 2);
    let mut pixels = vec![GREY; 3 * wide * high];
    for (y, row) in rgb.pixels.chunks_exact(3 * w as usize).enumerate() {
        pixels[3 * ((top + y) * wide + left)..][..row.len()].copy_from_slice(row);
    }
    Rgb { width: wide as u32, height: high as u32, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_give_the_shape_and_lose_nothing() {
        let rgb = Rgb { width: 4, height: 2, pixels: (0..24).collect() };
        let square = padded(&rgb, [224, 224]);
        assert_eq!((square.width, square.height), (4, 4));
        assert_eq!(&square.pixels[12..36], &rgb.pixels[..]);
        assert!(square.pixels[..12].iter().chain(&square.pixels[36..]).all(|level| *level == GREY));
        let wide = padded(&rgb, [300, 100]);
        assert_eq!((wide.width, wide.height), (6, 2));
    }
}

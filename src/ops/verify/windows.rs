//! Local similarities: computed again from the windows' vectors that were kept, to the last digit; and from the images
//! themselves, for a few of them, where the encoder is at hand.

use crate::catalog::{Catalog, CatalogFault, EncoderRow, PartRow, WindowScore};
use crate::embeddings::{Layout, Store};
use crate::encoder::{Batch, Described, Device, Encoder, Home, Options, Runtime};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::input::{FileState, state_of};
use crate::ops::embed::comparison::Comparison;
use crate::ops::embed::kept::layout;
use crate::ops::embed::windows::{WindowReading, see};
use crate::ops::verify::{Chance, Depth, Verification, is_of_a_part, without_prefix};
use crate::score::Compared;
use crate::text::quote;
use crate::watch::Watch;
use crate::windows::Rectangle;
use rayon::prelude::*;
use std::collections::HashMap;

/// Bytes of kept windows that are read at a time.
const BLOCK_BYTES: u64 = 16 << 20;

/// Images whose windows a deep verification embeds again: those whose BLAKE3 is least, so that they are the same each
/// time and no choice of anybody's.
const SEEN_AGAIN: usize = 20;

/// By how much a similarity may be another when its windows are embedded again. On the same device it is the same; on
/// another the network's last digits differ, which tips some numbers of a vector to the next float16: rounding all of them
/// moves a similarity by some 1e-5.
const TOLERANCE: f64 = 1e-3;

/// Generations whose local similarities are not what they should be.
#[derive(Default)]
pub struct WrongWindows {
    /// By image content; each with its generations' rows.
    pub wrong: Vec<([u8; 32], Vec<i64>)>,
    /// Generations computed again.
    pub scores: u64,
    /// Images, each once.
    pub images: u64,
}

impl WrongWindows {
    /// Returns the rows of the generations.
    pub fn generations(&self) -> Vec<i64> {
        self.wrong.iter().flat_map(|(_, generations)| generations.iter().copied()).collect()
    }

    fn add(&mut self, source: [u8; 32], known: &[(i64, WindowScore)], is_right: impl Fn(i64, &WindowScore) -> bool) {
        let wrong = known.iter().filter(|(prompt, score)| !is_right(*prompt, score));
        let wrong: Vec<i64> = wrong.map(|(_, score)| score.generation).collect();
        if !wrong.is_empty() {
            self.wrong.push((source, wrong));
        }
        self.scores += known.len() as u64;
        self.images += 1;
    }
}

/// What is wrong with a part of windows, or nothing. `read`: also its bytes.
pub fn window_part_fault(catalog: &Catalog, store: &Store, part: &PartRow, layout: Layout, read: bool) -> Result<Option<String>> {
    let path = store.windows().path(part.id);
    let reader = match store.open_windows(part.id, layout) {
        Ok(reader) => reader,
        Err(e) => return Ok(Some(without_prefix(&e))),
    };
    if reader.rows() != part.rows {
        return Ok(Some(format!("{} holds {} images; the catalog says {}", path.display(), reader.rows(), part.rows)));
    }
    if !matches!(state_of(&path), FileState::There { bytes, .. } if bytes == part.bytes) {
        return Ok(Some(format!("{} is not {} bytes long", path.display(), part.bytes)));
    }
    if read {
        match reader.blake3() {
            Err(e) => return Ok(Some(e.to_string())),
            Ok(hash) if hash != part.blake3 => {
                return Ok(Some(format!("{} is not what was written: its checksum differs", path.display())));
            }
            Ok(_) => {}
        }
        let sources = reader.sources()?;
        let is_foreign = |kept: &crate::catalog::KeptPlace| sources.get(kept.place.row as usize) != Some(&kept.source);
        let foreign = catalog.windows_in(part.id)?.iter().filter(|kept| is_foreign(kept)).count();
        if foreign > 0 {
            return Ok(Some(format!("the windows of {foreign} images in {} are of others", path.display())));
        }
    }
    Ok(None)
}

/// The layout of a part of windows, as its encoder and what that searches have it.
pub fn layout_of(catalog: &Catalog, encoders: &[EncoderRow], part: &PartRow) -> Result<Layout> {
    let row = encoders.iter().find(|encoder| encoder.id == part.encoder);
    let pattern = catalog.window_pattern(part.encoder)?;
    Ok(row.zip(pattern).map_or(Layout { windows: 0, dimension: 0 }, |(row, pattern)| layout(row, pattern)))
}

/// Checks the parts of windows, and returns how many there are.
pub fn verify_window_parts(
    catalog: &Catalog,
    store: &Store,
    chance: &Chance,
    watch: &mut Watch<'_>,
    found: &mut Verification,
) -> Result<u64> {
    let (parts, encoders) = (catalog.window_parts()?, catalog.encoders()?);
    for part in &parts {
        watch.check()?;
        let read = chance.takes(part.id as u64);
        if let Some(what) = window_part_fault(catalog, store, part, layout_of(catalog, &encoders, part)?, read)? {
            found.fault(&CatalogFault::new(
                what,
                "restore the file from a copy; or `msdata verify --repair` takes these windows out, and `msdata embed` looks \
                 through their images again when the references change",
            ));
        }
        found.parts += u64::from(read);
    }
    Ok(parts.len() as u64)
}

/// Local similarities by an encoder that are not what its kept windows say. `takes` is told of the images.
pub fn unlike_kept(
    catalog: &Catalog,
    store: &Store,
    encoder: &EncoderRow,
    takes: impl Fn(u64) -> bool,
    watch: &mut Watch<'_>,
) -> Result<WrongWindows> {
    let mut found = WrongWindows::default();
    let Some(pattern) = catalog.window_pattern(encoder.id)? else { return Ok(found) };
    let Some(comparison) = Comparison::read(catalog, store, encoder, pattern)? else { return Ok(found) };
    let layout = layout(encoder, pattern);
    let block = (BLOCK_BYTES / layout.bytes()).max(1) as usize;
    for part in catalog.window_parts()?.into_iter().filter(|part| part.encoder == encoder.id) {
        let mut kept = catalog.windows_in(part.id)?;
        kept.retain(|kept| takes(number(&kept.source)));
        if kept.is_empty() {
            continue;
        }
        let reader = store.open_windows_checked(part.id, layout)?;
        for kept in kept.chunks(block) {
            watch.check()?;
            let images = reader.read(&kept.iter().map(|kept| kept.place.row).collect::<Vec<_>>())?;
            let mut known = Vec::with_capacity(images.len());
            for kept in kept {
                known.push(catalog.window_scores_of(encoder.id, &kept.source)?);
            }
            let again: Vec<Vec<WindowScore>> = images
                .par_iter()
                .zip(&known)
                .map(|(image, known)| {
                    let generations: Vec<(i64, i64)> = known.iter().map(|(prompt, score)| (score.generation, *prompt)).collect();
                    comparison.scores(&generations, &image.squares, &image.vectors)
                })
                .collect();
            for ((kept, known), again) in kept.iter().zip(&known).zip(&again) {
                found.add(kept.source, known, |_, score| again.contains(score));
            }
            watch.report("local similarities", found.scores, None);
        }
    }
    Ok(found)
}

/// A number that tells contents apart.
fn number(source: &[u8; 32]) -> u64 {
    source.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Local similarities by an encoder that its windows, embedded again, do not give: of `limit` images, the first after
/// `after` in the order of their contents. Inside: why that cannot be done here.
pub fn unlike_seen(
    catalog: &Catalog,
    store: &Store,
    door: &Door,
    row: &EncoderRow,
    (after, limit): (&[u8; 32], usize),
    watch: &mut Watch<'_>,
) -> Result<std::result::Result<WrongWindows, String>> {
    let mut found = WrongWindows::default();
    let Some(pattern) = catalog.window_pattern(row.id)? else { return Ok(Ok(found)) };
    let mut tasks = catalog.images_looked_through(row.id, after, limit)?;
    if tasks.len() < limit {
        let first = catalog.images_looked_through(row.id, &[0; 32], limit - tasks.len())?;
        tasks.extend(first.into_iter().filter(|task| task.source <= *after));
    }
    let comparison = Comparison::read(catalog, store, row, pattern)?;
    let Some(comparison) = comparison.filter(|_| !tasks.is_empty()) else { return Ok(Ok(found)) };
    let mut encoder = match at_hand(catalog, row) {
        Ok(encoder) => encoder,
        Err(why) => return Ok(Err(why)),
    };
    let reading = WindowReading::by(&encoder, door, pattern);
    for task in &tasks {
        watch.check()?;
        // A file that is another by now, or cannot be read, is told of already.
        let Some((squares, vectors)) = see(task, &reading, &mut encoder)? else { continue };
        let Compared { locals, cosines } = comparison.compare(&vectors);
        let place: HashMap<Rectangle, usize> = squares.iter().enumerate().map(|(at, square)| (*square, at)).rev().collect();
        let pool = comparison.subjects();
        let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE;
        let at = |square: Rectangle| Some(&cosines[*place.get(&square)? * pool..][..pool]);
        // The best, but for what the tolerance leaves open.
        let leads = |row: &[f64], subject: usize| row.iter().all(|other| *other <= row[subject] + 2.0 * TOLERANCE);
        let known = catalog.window_scores_of(row.id, &task.source)?;
        found.add(task.source, &known, |prompt, score| {
            let locals_are = score.locals.iter().all(|l| {
                comparison.place_of(l.subject).zip(at(l.window)).is_some_and(|(subject, cosines)| {
                    near(locals[subject].similarity, l.local)
                        && near(locals[subject].uncentred, l.uncentred)
                        && near(cosines[subject], l.local)
                })
            });
            let places_are = score.places.iter().all(|p| {
                let subject = comparison.requested_at(prompt, p.ordinal);
                let both = subject.zip(comparison.place_of(p.resembles)).zip(at(p.window));
                both.is_some_and(|((subject, resembles), row)| near(row[subject], p.local) && leads(row, resembles))
            });
            let found_are = score.found.iter().all(|f| {
                let subject = comparison.place_of(f.subject).zip(at(f.window));
                subject.is_some_and(|(subject, row)| near(row[subject], f.local) && leads(row, subject))
            });
            score.locals.len() == pool && locals_are && places_are && found_are
        });
        watch.report("windows", found.images, Some(tasks.len() as u64));
    }
    Ok(Ok(found))
}

/// The encoder that made the data set's vectors, on the CPU; or why it is not to be had.
fn at_hand(catalog: &Catalog, row: &EncoderRow) -> std::result::Result<Encoder, String> {
    let open = || -> Result<Option<Encoder>> {
        let home = Home::from_env()?;
        let word = row.location.as_ref().map_or(row.name.to_string(), |dir| dir.display().to_string());
        let transparency = catalog.transparency()?;
        let described = Described::find(&word, &home)?.into_iter().map(|encoder| encoder.under(transparency));
        let Some(described) = { described }.find(|encoder| encoder.fingerprint == row.fingerprint) else { return Ok(None) };
        let runtime = Runtime::load(&home, None)?;
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        described.open(runtime, Options { device: Device::Cpu, threads, batch: Batch::CPU }).map(Some)
    };
    match open() {
        Ok(Some(encoder)) => Ok(encoder),
        Ok(None) => Err("it is another one by now".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Where a deep verification begins to embed again, and how many images.
pub fn sample(depth: Depth) -> ([u8; 32], usize) {
    match depth {
        Depth::Deep => ([0; 32], SEEN_AGAIN),
        // A different sample each time.
        Depth::Sample(share) => {
            let hasher = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), share.to_bits());
            (*blake3::hash(&hasher.to_le_bytes()).as_bytes(), (SEEN_AGAIN as f64 * share).ceil() as usize)
        }
        Depth::Quick => ([0; 32], 0),
    }
}

/// Computes local similarities again.
pub fn verify_windows(
    catalog: &Catalog,
    store: &Store,
    door: &Door,
    chance: &Chance,
    watch: &mut Watch<'_>,
    found: &mut Verification,
) -> Result<()> {
    const MAKE_ANEW: &str = "`msdata verify --repair` removes them, then `msdata embed` makes them again";
    for encoder in catalog.encoders()? {
        if catalog.looked_through(encoder.id)? == 0 {
            continue;
        }
        let name = quote(encoder.name.as_str());
        let unread = |e: Error, found: &mut Verification| -> Result<()> {
            if !is_of_a_part(&e) {
                return Err(e);
            }
            if found.faults.is_empty() {
                found.fault(&CatalogFault::new(without_prefix(&e), "`msdata verify --deep` says what to do"));
            }
            found.unchecked.push(format!("local similarities by {name}: a vector that they need cannot be read"));
            Ok(())
        };
        match unlike_kept(catalog, store, &encoder, |image| chance.takes(image), watch) {
            Ok(kept) => {
                found.scores += kept.scores;
                let wrong = kept.generations().len();
                if wrong > 0 {
                    let what =
                        format!("the local similarities of {wrong} generations by {name} are not what their kept windows say");
                    found.fault(&CatalogFault::new(what, MAKE_ANEW));
                }
            }
            Err(e) => {
                unread(e, found)?;
                continue;
            }
        }
        let (after, limit) = sample(chance.depth);
        match unlike_seen(catalog, store, door, &encoder, (&after, limit), watch) {
            Ok(Ok(seen)) => {
                found.windows += seen.images;
                let wrong = seen.generations().len();
                if wrong > 0 {
                    let what = format!(
                        "the local similarities of {wrong} generations by {name} are not what the encoder sees in their images ({} looked at)",
                        seen.images
                    );
                    found.fault(&CatalogFault::new(what, MAKE_ANEW));
                }
            }
            Ok(Err(why)) => found.unchecked.push(format!(
                "local similarities by {name} against the images: the encoder is not at hand ({why}); what was kept of their windows \
                 was compared again"
            )),
            Err(e) => unread(e, found)?,
        }
    }
    Ok(())
}

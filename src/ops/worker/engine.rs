//! Images in, facts and vectors out, in the same order: files are read and decoded on all cores while the networks run, and
//! memory holds a few prepared images besides the results, however many tasks there are.

use super::Worker;
use crate::crop::CropRule;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::image::{Appearance, Door, Preprocessing, Rgb, Transparency, decode_on, probe_bytes};
use crate::manifest::{Bounds, unexpanded};
use crate::ops::embed::queue::Queue;
use crate::ops::embed::regions::cut_out;
use crate::text::{plain, quote};
use crate::vocabulary::{ImageFormat, ImageStatus, Outcome, Probe};
use crate::watch::Watch;
use std::borrow::Cow;
use std::path::Path;

/// Where an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageSource<'a> {
    /// In a file.
    File(&'a Path),
    /// Here: the bytes of a file.
    Bytes(&'a [u8]),
    /// Nowhere: neither was given.
    Nowhere,
}

/// An image to embed, or a box in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkerTask<'a> {
    /// Where the image is.
    pub image: ImageSource<'a>,
    /// x, y, width and height of the part to embed, in pixels of the upright image; `None`: the whole image, as the encoder
    /// prepares it.
    pub region: Option<[f64; 4]>,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerImage {
    /// The state of the image: `ok` also where an encoder could not embed it.
    pub status: ImageStatus,
    /// Why the image cannot be used.
    pub reason: Option<String>,
    /// BLAKE3 of the file's bytes, if they could be read.
    pub blake3: Option<[u8; 32]>,
    /// Size of the file in bytes, if there is one.
    pub bytes: Option<u64>,
    /// Time of the file's last change, in nanoseconds since 1970; `None` where bytes were given.
    pub mtime_ns: Option<i64>,
    /// Format, width and height, upright, if the head of the file says.
    pub size: Option<(ImageFormat, u32, u32)>,
    /// What can be said of its pixels, if it could be decoded.
    pub appearance: Option<Appearance>,
    /// A vector for each encoder, or why there is none.
    pub vectors: Vec<std::result::Result<Vec<f32>, String>>,
}

impl WorkerImage {
    /// Why vectors are missing, in one text; `None` where none is. Where all encoders fail for one reason, it is said once.
    pub fn why(&self, worker: &Worker) -> Option<String> {
        if let Some(reason) = &self.reason {
            return Some(reason.clone());
        }
        let faults: Vec<(usize, &String)> =
            self.vectors.iter().enumerate().filter_map(|(at, vector)| Some((at, vector.as_ref().err()?))).collect();
        let (_, first) = faults.first()?;
        if faults.len() == self.vectors.len() && faults.iter().all(|(_, fault)| fault == first) {
            return Some((*first).clone());
        }
        let of = |(at, fault): &(usize, &String)| format!("{}: {fault}", plain(worker.facts[*at].name.as_str()));
        Some(faults.iter().map(of).collect::<Vec<_>>().join("; "))
    }
}

/// How images become the inputs of networks.
struct Reading {
    door: Door,
    transparency: Transparency,
    crop: CropRule,
    /// Of each encoder: how it prepares images, and the width and height of its input.
    encoders: Vec<(Preprocessing, [u32; 2])>,
}

/// An image made ready for the networks.
struct Prepared {
    image: WorkerImage,
    /// What the user should know of it.
    notes: Vec<&'static str>,
    /// For each encoder its input, or why there is none.
    tensors: Vec<std::result::Result<Vec<f32>, String>>,
}

/// Inputs that wait for a network.
#[derive(Default)]
struct Waiting {
    /// Whose they are.
    tasks: Vec<usize>,
    pixels: Vec<f32>,
}

impl Worker {
    /// Embeds images: one result a task, in their order. A task that fails is a result that says why. Remarks about odd
    /// images are left with `watch`.
    ///
    /// # Errors
    /// A network fails as a whole, or the caller wants to stop.
    pub fn embed(&mut self, tasks: &[WorkerTask<'_>], watch: &mut Watch<'_>) -> Result<Vec<WorkerImage>> {
        let prepares = |encoder: &Encoder| (encoder.preprocessing().clone(), encoder.size());
        let reading = Reading {
            door: self.door.clone(),
            transparency: self.transparency,
            crop: self.crop,
            encoders: self.encoders.iter().map(prepares).collect(),
        };
        // Bounds memory: this many images are prepared ahead of the networks.
        let under_way = 2 * self.encoders.iter().map(Encoder::at_once).max().unwrap_or(1) + self.threads;
        let encoders = &mut self.encoders;
        let prepare = |at: usize| (at, reading.prepare(&tasks[at]));
        Queue::with(self.threads, prepare, |queue| {
            let mut done: Vec<Option<WorkerImage>> = vec![None; tasks.len()];
            let mut waiting: Vec<Waiting> = encoders.iter().map(|_| Waiting::default()).collect();
            let mut given = 0;
            for received in 0..tasks.len() {
                watch.check()?;
                while given < tasks.len() && given - received < under_way {
                    queue.give(given);
                    given += 1;
                }
                let (at, Prepared { image, notes, tensors }) = queue.next()?;
                notes.iter().for_each(|note| watch.remark(place(&tasks[at], at), note));
                let image = done[at].insert(image);
                for ((tensor, waiting), vector) in tensors.into_iter().zip(&mut waiting).zip(&mut image.vectors) {
                    match tensor {
                        Ok(pixels) => waiting.add(at, &pixels),
                        Err(reason) => *vector = Err(reason),
                    }
                }
                for (which, (encoder, waiting)) in encoders.iter_mut().zip(&mut waiting).enumerate() {
                    if waiting.tasks.len() >= encoder.at_once() {
                        waiting.run(encoder, which, &mut done)?;
                    }
                }
            }
            for (which, (encoder, waiting)) in encoders.iter_mut().zip(&mut waiting).enumerate() {
                waiting.run(encoder, which, &mut done)?;
            }
            done.into_iter().collect::<Option<_>>().ok_or_else(|| Error::Damaged("a decoding thread lost an image".into()))
        })
    }
}

impl Waiting {
    fn add(&mut self, at: usize, pixels: &[f32]) {
        self.tasks.push(at);
        self.pixels.extend_from_slice(pixels);
    }

    /// Runs encoder number `which` on what waits.
    fn run(&mut self, encoder: &mut Encoder, which: usize, done: &mut [Option<WorkerImage>]) -> Result<()> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let vectors = encoder.embed_images(&self.pixels)?;
        self.pixels.clear();
        for (at, vector) in self.tasks.drain(..).zip(vectors) {
            if let Some(image) = &mut done[at] {
                image.vectors[which] = vector.map_err(|fault| fault.to_string());
            }
        }
        Ok(())
    }
}

/// What a task is called in a remark.
fn place(task: &WorkerTask<'_>, at: usize) -> String {
    match task.image {
        ImageSource::File(path) => quote(&path.display().to_string()),
        ImageSource::Bytes(_) | ImageSource::Nowhere => format!("row {at} of a batch"),
    }
}

impl Reading {
    fn prepare(&self, task: &WorkerTask<'_>) -> Prepared {
        let (probe, bytes) = look(&self.door, task.image);
        let Probe { bytes: size_in_bytes, mtime_ns, blake3, outcome } = probe;
        let mut image = WorkerImage {
            status: ImageStatus::Ok,
            reason: None,
            blake3,
            bytes: size_in_bytes,
            mtime_ns,
            size: None,
            appearance: None,
            vectors: Vec::new(),
        };
        let decoded = match (outcome, bytes) {
            (Outcome::Image { format, width, height }, Some(bytes)) => {
                image.size = Some((format, width, height));
                decode_on(&bytes, self.transparency).map_err(|fault| (fault.status, plain(&fault.reason).into_owned()))
            }
            (Outcome::Unusable(status, reason), _) => Err((status, plain(&reason).into_owned())),
            (Outcome::Image { .. }, None) => Err((ImageStatus::Unreadable, "its bytes are gone".to_owned())),
        };
        match decoded {
            Ok(decoded) => {
                image.appearance = Some(decoded.appearance);
                let tensors = self.tensors(&decoded.rgb, task.region);
                // What a network gives takes its place.
                image.vectors = vec![Err("the encoder gave no vector".to_owned()); self.encoders.len()];
                Prepared { image, notes: decoded.notes, tensors }
            }
            Err((status, reason)) => {
                image.vectors = vec![Err(reason.clone()); self.encoders.len()];
                (image.status, image.reason) = (status, Some(reason));
                Prepared { image, notes: Vec::new(), tensors: Vec::new() }
            }
        }
    }

    /// The picture, or a box in it, as each encoder takes it.
    fn tensors(&self, rgb: &Rgb, region: Option<[f64; 4]>) -> Vec<std::result::Result<Vec<f32>, String>> {
        // As `ingest` does with the boxes of region files: they are cut to the image before the rule adds a margin.
        let bounds = region.map(|numbers| Bounds::pixels(numbers)?.clip(rgb.width, rgb.height)).transpose();
        let tensor = |(preprocessing, size): &(Preprocessing, [u32; 2])| match bounds.clone()? {
            None => preprocessing.tensor(rgb),
            Some(bounds) => cut_out(rgb, bounds, &self.crop, preprocessing, *size),
        };
        self.encoders.iter().map(tensor).collect()
    }
}

/// A first look at an image, and its bytes.
fn look<'a>(door: &Door, image: ImageSource<'a>) -> (Probe, Option<Cow<'a, [u8]>>) {
    let nowhere = |reason: String| {
        let outcome = Outcome::Unusable(ImageStatus::Missing, reason);
        (Probe { bytes: None, mtime_ns: None, blake3: None, outcome }, None)
    };
    match image {
        ImageSource::Nowhere => nowhere("neither a path nor bytes were given".to_owned()),
        ImageSource::Bytes(bytes) => (probe_bytes(bytes), Some(Cow::Borrowed(bytes))),
        ImageSource::File(path) => match door.probe_and_read(path) {
            (Probe { outcome: Outcome::Unusable(ImageStatus::Missing, reason), .. }, _) => {
                let written = path.to_str().unwrap_or_default();
                nowhere(unexpanded(written).map_or(reason, |what| format!("{} is {what}, or give its bytes", quote(written))))
            }
            (probe, bytes) => (probe, bytes.map(Cow::Owned)),
        },
    }
}

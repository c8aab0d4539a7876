//! Dense windows: one pass over an image squashed to a square gives all of them, as means of the cells of a spatial
//! output. References are prepared as the encoder prepares any image; a reference's vector is the mean of all its cells.

use super::{Searched, WindowRefusal, WindowRun, decoded};
use crate::catalog::{Catalog, EncoderRow, ImageTask};
use crate::encoder::{Cells, Encoder};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::text::{plain, quote};
use crate::watch::Watch;
use crate::windows::{DENSE_SIDE, Rectangle, cell_windows, pixels_of};
use rayon::prelude::*;

/// Returns every subject whose references all have a vector, with these vectors, by row; missing vectors are made first.
/// References that cannot be embedded are counted as failed, and the first is named in a warning.
pub(super) fn references(
    catalog: &mut Catalog,
    door: &Door,
    row: &EncoderRow,
    encoder: &mut Encoder,
    done: &mut Searched,
    watch: &mut Watch<'_>,
) -> Result<Vec<(i64, Vec<Vec<f32>>)>> {
    let changes = catalog.begin()?;
    changes.forget_unused_dense_references(row.id)?;
    changes.commit()?;
    let tasks = catalog.dense_references_to_make(row.id)?;
    let (mut failed, mut example) = (0, String::new());
    for some in tasks.chunks(encoder.at_once()) {
        watch.check()?;
        let (preprocessing, transparency) = (encoder.preprocessing().clone(), encoder.transparency());
        let tensor = |task| preprocessing.tensor(&decoded(task, door, transparency)?).map_err(WindowRefusal::Unfit);
        let tensors: Vec<_> = some.par_iter().map(|task| (task, tensor(task))).collect();
        let mut fail = |task: &ImageTask, reason: &str| {
            if failed == 0 {
                example = format!("{}: {}", quote(&task.path.display().to_string()), plain(reason));
            }
            failed += 1;
        };
        let (mut read, mut pixels) = (Vec::new(), Vec::new());
        for (task, tensor) in tensors {
            match tensor {
                Ok(tensor) => {
                    read.push(task);
                    pixels.extend(tensor);
                }
                Err(WindowRefusal::Changed) => fail(task, "it changed while it was read; run again"),
                Err(WindowRefusal::Unfit(reason)) => fail(task, &reason),
            }
        }
        let cells = encoder.cells(&pixels, encoder.size())?;
        let changes = catalog.begin()?;
        for (task, cells) in read.into_iter().zip(&cells) {
            let mean: Vec<f32> = cells.mean(cells.whole()).iter().map(|x| *x as f32).collect();
            match useful(&mean) {
                true => changes.put_dense_reference(row.id, &task.source, &mean)?,
                false => fail(task, USELESS),
            }
        }
        changes.commit()?;
    }
    if failed > 0 {
        done.failed += failed;
        watch.warn(&format!("{example} ({failed} such references in all): images are not searched for their subjects"));
    }
    catalog.dense_pool(row.id)
}

/// Why a vector cannot be used.
const USELESS: &str = "the encoder gives a window a vector that is of no use: numbers that are not finite, or all zero";

fn useful(vector: &[f32]) -> bool {
    vector.iter().all(|x| x.is_finite()) && vector.iter().any(|x| *x != 0.0)
}

impl WindowRun<'_> {
    /// Runs the network; its cells belong to the images that have not been through it yet, in their order.
    pub(super) fn run_dense(&mut self, encoder: &mut Encoder, batch: &mut Vec<f32>) -> Result<()> {
        let cells = encoder.cells(batch, [DENSE_SIDE; 2])?;
        batch.clear();
        if cells.iter().any(|cells| cells.dimension != self.comparison.dimension()) {
            return Err(Error::Damaged("the references of dense windows have another dimension than the encoder".into()));
        }
        let found: Vec<_> = cells.par_iter().map(windows_of).collect();
        let images = self.waiting.iter_mut().filter(|image| image.vectors.is_empty());
        for (image, ((windows, vectors), cells)) in images.zip(found.into_iter().zip(&cells)) {
            if !vectors.chunks_exact(cells.dimension).all(useful) {
                image.fault = Some(USELESS.into());
            }
            let [whole] = image.parts[..] else { continue };
            let place = |window| pixels_of(window, [cells.columns, cells.rows], [whole.width, whole.height]);
            image.parts = windows.into_iter().map(place).collect();
            image.vectors = vectors;
        }
        Ok(())
    }
}

/// The windows of an image that is one part, given as the network takes it, and their vectors.
pub(super) fn see(encoder: &mut Encoder, tensor: &[f32], parts: &[Rectangle]) -> Result<Option<(Vec<Rectangle>, Vec<f32>)>> {
    let cells = encoder.cells(tensor, [DENSE_SIDE; 2])?;
    let ([cells], [whole]) = (&cells[..], parts) else { return Ok(None) };
    let (windows, vectors) = windows_of(cells);
    let place = |window| pixels_of(window, [cells.columns, cells.rows], [whole.width, whole.height]);
    let is_useful = vectors.chunks_exact(cells.dimension).all(useful);
    Ok(is_useful.then(|| (windows.into_iter().map(place).collect(), vectors)))
}

/// The windows on these cells, and their vectors brought to length 1, one after another.
fn windows_of(cells: &Cells) -> (Vec<Rectangle>, Vec<f32>) {
    let windows = cell_windows(cells.columns, cells.rows);
    let mut vectors = Vec::with_capacity(windows.len() * cells.dimension);
    for window in &windows {
        let mean = cells.mean(*window);
        let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        vectors.extend(mean.iter().map(|x| (x / length) as f32));
    }
    (windows, vectors)
}

//! A spatial output: a vector for each place of an image, tokens of a transformer or a feature map.

use super::declared::Declared;
use super::network::Network;
use super::session::{ImageModel, batches, tensor};
use crate::error::{Error, Result};
use crate::windows::Rectangle;

/// What to do where a network cannot take another size than its own.
pub const ANY_SIZE: &str = "export it so that it takes images of any size (a vision transformer with its position embeddings \
                            interpolated); or let windows be cut out: `--windows full`";

/// Most tokens before the first patch that are suggested.
const MOST_SUGGESTED: usize = 64;

/// The vectors of an image's places, which lie evenly over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    /// Cells along the width.
    pub columns: u32,
    /// Cells along the height.
    pub rows: u32,
    /// Numbers in a cell's vector.
    pub dimension: usize,
    /// `rows` × `columns` × `dimension` numbers.
    pub values: Vec<f32>,
}

impl Cells {
    /// All of them.
    pub fn whole(&self) -> Rectangle {
        Rectangle { x: 0, y: 0, width: self.columns, height: self.rows }
    }

    /// The mean of the vectors of a rectangle of cells, which must lie within them; summed in float64, row by row.
    pub fn mean(&self, part: Rectangle) -> Vec<f64> {
        let mut sums = vec![0.0; self.dimension];
        for y in part.y..part.y + part.height {
            let first = (y as usize * self.columns as usize + part.x as usize) * self.dimension;
            for cell in self.values[first..first + part.width as usize * self.dimension].chunks_exact(self.dimension) {
                sums.iter_mut().zip(cell).for_each(|(sum, x)| *sum += f64::from(*x));
            }
        }
        let count = f64::from(part.width) * f64::from(part.height);
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    }
}

impl ImageModel {
    /// The cells of images of `size` (height and width in pixels) by an output; `prefix` tokens of it come before that of
    /// the first patch. `pixels` is images × 3 × height × width, normalised.
    ///
    /// # Errors
    /// [`Error::Encoder`]: the network takes no images of this size, ONNX Runtime failed, or the output is neither tokens of
    /// an even grid nor a feature map.
    pub fn cells(&mut self, output: &str, prefix: Option<usize>, size: [usize; 2], pixels: &[f32]) -> Result<Vec<Cells>> {
        let (batch, input, own_size) = (self.batch, &self.input, size == self.size);
        let cells = self.crew.run(batches(pixels, 3 * size[0] * size[1], batch), |network, (given, pixels)| {
            let mut cells = cells_of_batch(network, input, (output, prefix), (size, own_size), batch, &pixels)?;
            cells.truncate(given);
            Ok(cells)
        })?;
        Ok(cells.into_iter().flatten().collect())
    }

    /// Whether it gives cells of an image of `size`: tried on a black one.
    ///
    /// # Errors
    /// As [`ImageModel::cells`].
    pub fn try_cells(&mut self, output: &str, prefix: Option<usize>, size: [usize; 2]) -> Result<()> {
        self.cells(output, prefix, size, &vec![0.0; 3 * size[0] * size[1]]).map(drop)
    }
}

/// The cells of a batch of `images` of `size`, which is or is not the network's own, by an output and its tokens before the
/// first patch.
fn cells_of_batch(
    network: &mut Network,
    input: &Declared,
    (output, prefix): (&str, Option<usize>),
    (size, own_size): ([usize; 2], bool),
    images: usize,
    pixels: &[f32],
) -> Result<Vec<Cells>> {
    let value = tensor(network, input, [images, 3, size[0], size[1]], pixels)?;
    let (shape, values) = network.run_for(output, vec![(&input.name, value)]).map_err(|error| match error {
        Error::Encoder { path, source: Some(source), .. } if !own_size => Error::Encoder {
            path,
            reason: format!("ONNX Runtime failed on images of {} × {}", size[0], size[1]),
            hint: Some(ANY_SIZE.into()),
            source: Some(source),
        },
        other => other,
    })?;
    cells(&shape, &values, images, size, prefix)
        .map_err(|(reason, hint)| Error::encoder(network.path(), format!("its output `{output}` {reason}"), hint))
}

/// The cells of each of `items` images of `size`, of an output of these sizes.
///
/// # Errors
/// What is wrong with it, and what helps.
fn cells(
    shape: &[i64],
    values: &[f32],
    items: usize,
    size: [usize; 2],
    prefix: Option<usize>,
) -> std::result::Result<Vec<Cells>, (String, String)> {
    let sizes: Vec<usize> = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    let wrong = |reason: String| (reason, "let `spatial` in msdata.toml name an output with a vector for each place".into());
    if sizes.first() != Some(&items) || values.is_empty() || sizes.iter().product::<usize>() != values.len() {
        return Err(wrong(format!("gave sizes {sizes:?} for {items} images")));
    }
    let images = values.chunks_exact(values.len() / items);
    match (sizes[1..].to_vec()[..].as_ref(), prefix) {
        ([tokens, dimension], _) => {
            let before = prefix.unwrap_or(0);
            let grid = tokens.checked_sub(before).and_then(|patches| grid(patches, size));
            let Some([rows, columns]) = grid else {
                let fits = (0..=MOST_SUGGESTED).find(|before| tokens.checked_sub(*before).is_some_and(|n| grid_of(n, size)));
                let hint = match fits {
                    Some(fits) => {
                        format!("`prefix_tokens = {fits}` in msdata.toml would fit: so many tokens come before the patches")
                    }
                    None => "let `prefix_tokens` in msdata.toml say how many tokens come before that of the first patch".into(),
                };
                let [height, width] = size;
                return Err((
                    format!(
                        "gave {tokens} tokens for an image of {height} × {width}, {before} of them before the patches: the others \
                         are no even grid"
                    ),
                    hint,
                ));
            };
            let of = |image: &[f32]| Cells { columns, rows, dimension: *dimension, values: image[before * dimension..].to_vec() };
            Ok(images.map(of).collect())
        }
        ([_, _, _], Some(1..)) => Err((
            format!("gave a feature map of sizes {sizes:?}, and `prefix_tokens` is of tokens"),
            "take `prefix_tokens` out of msdata.toml".into(),
        )),
        ([dimension, rows, columns], _) => {
            let places = rows * columns;
            let of = |map: &[f32]| {
                let mut values = vec![0.0; map.len()];
                for (channel, plane) in map.chunks_exact(places).enumerate() {
                    for (cell, x) in plane.iter().enumerate() {
                        values[cell * dimension + channel] = *x;
                    }
                }
                Cells { columns: *columns as u32, rows: *rows as u32, dimension: *dimension, values }
            };
            Ok(images.map(of).collect())
        }
        _ => Err(wrong(format!("gave sizes {sizes:?}, neither images × tokens × numbers nor images × numbers × rows × columns"))),
    }
}

/// Rows and columns of so many square patches on an image of `size`; `None` where they leave a rest.
fn grid(patches: usize, [height, width]: [usize; 2]) -> Option<[u32; 2]> {
    let side = ((height * width) as f64 / patches as f64).sqrt();
    let [rows, columns] = [height, width].map(|length| (length as f64 / side).round() as usize);
    (patches > 0 && rows * columns == patches).then_some([rows as u32, columns as u32])
}

fn grid_of(patches: usize, size: [usize; 2]) -> bool {
    grid(patches, size).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_feature_maps() {
        // A class token and 2 × 1 patches of a picture of 2 × 1 pixels (height × width), two images.
        let tokens: Vec<f32> = (0..12).map(|n| n as f32).collect();
        let of = cells(&[2, 3, 2], &tokens, 2, [2, 1], Some(1)).unwrap();
        assert_eq!(of[0], Cells { columns: 1, rows: 2, dimension: 2, values: vec![2.0, 3.0, 4.0, 5.0] });
        assert_eq!(of[1].values, [8.0, 9.0, 10.0, 11.0]);
        assert_eq!(of[1].mean(of[1].whole()), [9.0, 10.0]);
        // Two channels of 2 rows and 3 columns.
        let map = cells(&[1, 2, 2, 3], &tokens, 1, [64, 96], None).unwrap().remove(0);
        assert_eq!((map.columns, map.rows, map.dimension), (3, 2, 2));
        assert_eq!(map.values, [0.0, 6.0, 1.0, 7.0, 2.0, 8.0, 3.0, 9.0, 4.0, 10.0, 5.0, 11.0]);
        assert_eq!(map.mean(Rectangle { x: 1, y: 0, width: 2, height: 2 }), [3.0, 9.0]);
    }

    #[test]
    fn grids_of_patches() {
        assert_eq!((grid(1024, [448, 448]), grid(784, [448, 448])), (Some([32, 32]), Some([28, 28])));
        assert_eq!((grid(6, [224, 336]), grid(1025, [448, 448]), grid(0, [448, 448])), (Some([2, 3]), None, None));
    }

    #[test]
    fn what_is_no_grid_is_refused_with_the_number_that_would_fit() {
        let fault = |shape: &[i64], prefix| {
            let values = vec![1.0; shape.iter().product::<i64>() as usize];
            cells(shape, &values, shape[0] as usize, [448, 448], prefix).unwrap_err()
        };
        let (reason, hint) = fault(&[1, 1029, 2], None);
        assert!(reason.contains("1029 tokens") && hint.contains("`prefix_tokens = 5`"), "{reason}; {hint}");
        assert!(fault(&[1, 1029, 2], Some(1)).1.contains("`prefix_tokens = 5`"));
        assert!(fault(&[1, 4, 2], Some(9)).1.contains("`prefix_tokens = 0`"));
        assert!(fault(&[1, 3, 2, 2], Some(1)).1.contains("take `prefix_tokens` out"));
        assert!(fault(&[2, 8], None).1.contains("`spatial`"));
    }
}

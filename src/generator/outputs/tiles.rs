//! Files that hold several images, cut into them. A tile is named after the bytes it was cut from, so that the same
//! file always gives the same tiles, and nothing is cut twice.

use crate::durable::write_whole;
use crate::error::{Error, Result, io_reason};
use crate::generator::Grid;
use crate::image::{self, Door};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Files that are looked at to tell whether all are grids.
const SAMPLE: usize = 12;

/// How the images of these files lie: as told, or as their seams show.
///
/// # Errors
/// The files' seams do not agree.
pub fn grid<'a>(told: Grid, door: &Door, files: impl Iterator<Item = &'a Path>) -> Result<Grid> {
    if told != Grid::Auto {
        return Ok(told);
    }
    let files: Vec<&Path> = files.collect();
    let every = files.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<&Path> = files.into_iter().step_by(every).collect();
    let seen: Vec<Grid> =
        sample.par_iter().filter_map(|path| door.load(path).ok()).map(|(_, decoded)| Grid::detect(&decoded.rgb)).collect();
    let Some(first) = seen.first() else { return Ok(Grid::Single) };
    // One picture may have a plain background, or a frame that looks like a seam.
    for candidate in [Grid::TwoByTwo, Grid::OneByTwo, Grid::Single] {
        if seen.iter().filter(|g| **g == candidate).count() * 4 >= seen.len() * 3 {
            return Ok(candidate);
        }
    }
    let folder = sample[0].parent().unwrap_or(sample[0]).display().to_string();
    Err(Error::request(
        format!("some files of {folder} look like grids of several images and some do not (the first: {first})"),
        "say `--grid 2x2`, or `--grid none` if each file is one image",
    ))
}

/// The tiles of each file, in its order; with nowhere to put them, only their would-be paths.
pub fn cut<'a>(
    grid: Grid,
    into: Option<&Path>,
    door: &Door,
    files: impl Iterator<Item = &'a Path>,
) -> Vec<std::result::Result<Vec<PathBuf>, String>> {
    let files: Vec<&Path> = files.collect();
    files.into_par_iter().map(|path| if grid == Grid::Single { Ok(Vec::new()) } else { tiles(grid, into, door, path) }).collect()
}

fn tiles(grid: Grid, into: Option<&Path>, door: &Door, path: &Path) -> std::result::Result<Vec<PathBuf>, String> {
    let bytes = door.read(path).map_err(|e| io_reason(&e))?;
    let hash = blake3::hash(&bytes).to_hex();
    let dir = into.unwrap_or(Path::new("tiles"));
    let paths: Vec<PathBuf> = (0..grid.tiles()).map(|tile| dir.join(format!("{}_{grid}_{tile}.png", &hash[..32]))).collect();
    if paths.iter().all(|p| p.exists()) {
        return Ok(paths);
    }
    // With its alpha: what becomes of it is decided where the tile is read, as for any image.
    let (rgb, alpha) = image::layers(&bytes).map_err(|fault| fault.reason)?;
    let cut = grid.cut(&rgb)?;
    let alpha = match alpha {
        Some(alpha) => grid.cut(&image::Rgb { pixels: alpha.iter().flat_map(|a| [*a; 3]).collect(), ..rgb })?,
        None => Vec::new(),
    };
    if into.is_some() {
        for (n, (path, tile)) in paths.iter().zip(cut).enumerate() {
            let png = match alpha.get(n) {
                Some(alpha) => image::png_with_alpha(&tile, &alpha.pixels.iter().copied().step_by(3).collect::<Vec<u8>>()),
                None => image::png(&tile),
            };
            let png = png.map_err(|e| format!("cannot write a tile: {e}"))?;
            write_whole(path, &png).map_err(|e| e.to_string())?;
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_keep_their_alpha() {
        let dir = tempfile::tempdir().unwrap();
        let grid = ::image::RgbaImage::from_fn(128, 64, |x, y| {
            ::image::Rgba([x as u8, y as u8, 90, if (70..90).contains(&x) { 0 } else { 255 }])
        });
        let path = dir.path().join("grid.png");
        grid.save(&path).unwrap();
        let cut = cut(Grid::OneByTwo, Some(dir.path()), &Door::default(), [path.as_path()].into_iter());
        let tiles: Vec<_> = cut[0].as_ref().unwrap().iter().map(|t| image::layers(&std::fs::read(t).unwrap()).unwrap()).collect();
        assert_eq!(tiles[0].1, None, "opaque tiles are as they always were");
        let (rgb, alpha) = &tiles[1];
        assert_eq!((rgb.width, rgb.pixels[3 * 10]), (64, 74));
        assert_eq!(alpha.as_ref().unwrap().iter().filter(|a| **a == 0).count(), 20 * 64);
    }
}

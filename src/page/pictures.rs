//! The page's pictures: a thumbnail and a larger view of each image, as JPEG. Their names are a hash of the
//! content that they were made from and of how, so that an existing picture is the right one and is not made again.

use crate::durable::{self, Temporary, make_directory, sync_dir, write_whole};
use crate::error::{Error, Result, io_reason};
use crate::image::{Door, Filter, PIXEL_RULE, Rgb, Transparency, decode_on, resize};
use crate::watch::Watch;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Longest side of a thumbnail, in pixels: shown at half that, it is sharp on a dense screen.
pub const THUMBNAIL: u32 = 256;

/// Longest side of the larger view, in pixels: the usual size of generated images.
pub const VIEW: u32 = 768;

/// JPEG quality, in per cent: no difference from the original is visible at these sizes.
const QUALITY: u8 = 82;

/// Pictures made between two checks of whether to stop.
const BLOCK: usize = 64;

/// Directories of a page, and the longest side of the pictures in them.
const SIZES: [(&str, u32); 2] = [("thumbs", THUMBNAIL), ("views", VIEW)];

/// An image file of the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its path.
    pub path: PathBuf,
    /// Its name on the page: its path below the directory that holds all images.
    pub name: String,
    /// BLAKE3 of its content, hexadecimal, or why it cannot be shown.
    pub content: std::result::Result<String, String>,
    /// How its transparent pixels are treated: it is shown as encoders see it.
    pub transparency: Transparency,
    /// Opens its file.
    pub door: Door,
}

/// How an image is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// From the files of this name.
    File(String),
    /// From these bytes of a JPEG.
    Data(Vec<u8>),
    /// Not shown: a single file has no room for it.
    LeftOut,
    /// Not shown, for this reason.
    Unusable(String),
}

/// The pictures of a page, in the order of the images.
pub struct Shelf {
    shown: Vec<Shown>,
    /// Whether there are larger views.
    pub views: bool,
    /// Embedded pictures that the page itself shows, so that the script's data need not hold them again.
    standing: RefCell<HashSet<usize>>,
}

impl Shelf {
    /// Returns a shelf without pictures, for measuring the page without any.
    pub fn empty(pictures: &[Picture]) -> Shelf {
        let shown = pictures.iter().map(|p| p.content.clone().map_or_else(Shown::Unusable, |_| Shown::LeftOut)).collect();
        Shelf { shown, views: false, standing: RefCell::default() }
    }

    /// Makes missing pictures in `thumbs/` and `views/` below `dir`, on all cores, and removes pictures of ours
    /// that the page no longer shows.
    ///
    /// # Errors
    /// The disk is full, or the caller wants to stop (what was made is kept).
    pub fn in_directory(dir: &Path, pictures: &[Picture], watch: &mut Watch<'_>) -> Result<Shelf> {
        make_shelves(dir)?;
        // Images of the same content share a picture, made from the first file that still has that content.
        let mut contents: Vec<(&str, Vec<&Picture>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for picture in pictures {
            let Ok(hash) = &picture.content else { continue };
            let place = *places.entry(hash).or_insert_with(|| {
                contents.push((hash, Vec::new()));
                contents.len() - 1
            });
            contents[place].1.push(picture);
        }
        let mut made: Vec<Shown> = Vec::with_capacity(contents.len());
        for block in contents.chunks(BLOCK) {
            watch.check()?;
            made.extend(block.par_iter().map(|(hash, same)| file(dir, hash, same)).collect::<Result<Vec<_>>>()?);
            watch.report("pictures", made.len() as u64, Some(contents.len() as u64));
        }
        let of = |picture: &Picture| match &picture.content {
            Ok(hash) => made[places[hash.as_str()]].clone(),
            Err(reason) => Shown::Unusable(reason.clone()),
        };
        let shown: Vec<Shown> = pictures.iter().map(of).collect();
        let names: HashSet<&str> =
            shown.iter().filter_map(|s| if let Shown::File(name) = s { Some(name.as_str()) } else { None }).collect();
        for (size, _) in SIZES {
            sweep(dir, size, &names)?;
            sync_dir(&dir.join(size))?;
        }
        Ok(Shelf { shown, views: true, standing: RefCell::default() })
    }

    /// Makes thumbnails in an order until they fill `room` bytes of the page.
    ///
    /// # Errors
    /// The caller wants to stop.
    pub fn embedded(pictures: &[Picture], order: &[usize], room: u64, watch: &mut Watch<'_>) -> Result<Shelf> {
        let mut shelf = Shelf::empty(pictures);
        let mut room = room;
        for block in order.chunks(BLOCK) {
            watch.check()?;
            let usable: Vec<usize> = block.iter().copied().filter(|i| shelf.shown[*i] == Shown::LeftOut).collect();
            let made: Vec<_> = usable.par_iter().map(|i| (*i, thumbnail(&pictures[*i]))).collect();
            for (i, made) in made {
                shelf.shown[i] = match made {
                    // Base64, and the markup around it.
                    Ok(bytes) => {
                        let needed = (bytes.len() as u64).div_ceil(3) * 4 + 64;
                        let Some(rest) = room.checked_sub(needed) else { return Ok(shelf) };
                        room = rest;
                        Shown::Data(bytes)
                    }
                    Err(reason) => Shown::Unusable(reason),
                };
            }
        }
        Ok(shelf)
    }

    /// Removes the last pictures of an order again until about `excess` bytes of the page are free.
    pub fn trim(&mut self, order: &[usize], excess: u64) {
        let mut freed = 0;
        for i in order.iter().rev() {
            if freed >= excess {
                break;
            }
            if let Shown::Data(bytes) = &self.shown[*i] {
                freed += bytes.len() as u64 * 4 / 3;
                self.shown[*i] = Shown::LeftOut;
            }
        }
    }

    /// Returns how the image at an index is shown.
    pub fn of(&self, picture: usize) -> &Shown {
        &self.shown[picture]
    }

    /// Notes that the page itself shows a picture.
    pub fn stands(&self, picture: usize) {
        self.standing.borrow_mut().insert(picture);
    }

    /// Returns whether the page itself shows a picture.
    pub fn is_standing(&self, picture: usize) -> bool {
        self.standing.borrow().contains(&picture)
    }

    /// Returns how each image is shown.
    pub fn all(&self) -> &[Shown] {
        &self.shown
    }
}

/// Makes the missing files of one content.
fn file(dir: &Path, hash: &str, same: &[&Picture]) -> Result<Shown> {
    // Another rule, or another background, makes another picture of the same content. 128 bits: no two collide.
    let transparency = same.first().map(|picture| picture.transparency).unwrap_or_default();
    let made_from = format!("{hash} pixel rule {PIXEL_RULE} {transparency}");
    let name = blake3::hash(made_from.as_bytes()).to_hex()[..32].to_owned();
    let places = SIZES.map(|(size, side)| (dir.join(size).join(format!("{name}.jpg")), side));
    if places.iter().all(|(path, _)| path.is_file()) {
        return Ok(Shown::File(name));
    }
    let mut fault = String::new();
    let mut pixels_of = |picture: &&Picture| pixels(picture, hash).map_err(|reason| fault = reason).ok();
    let Some(rgb) = same.iter().find_map(&mut pixels_of) else { return Ok(Shown::Unusable(fault)) };
    for (path, side) in places {
        let bytes = match jpeg(&rgb, side) {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Shown::Unusable(reason)),
        };
        let mut temporary = Temporary::beside(&path)?;
        temporary.file.write_all(&bytes).map_err(Error::io("write", &path))?;
        temporary.give_name()?;
    }
    Ok(Shown::File(name))
}

fn thumbnail(picture: &Picture) -> std::result::Result<Vec<u8>, String> {
    jpeg(&pixels(picture, picture.content.as_ref().map_err(String::clone)?)?, THUMBNAIL)
}

/// The pixels of a file, if its content is still what the catalog knows.
fn pixels(picture: &Picture, hash: &str) -> std::result::Result<Rgb, String> {
    let bytes = picture.door.read(&picture.path).map_err(|e| io_reason(&e))?;
    if blake3::hash(&bytes).to_hex().as_str() != hash {
        return Err("the file has changed since it was scored: `msdata ingest --rehash` reads it again".into());
    }
    decode_on(&bytes, picture.transparency).map(|decoded| decoded.rgb).map_err(|fault| fault.reason)
}

/// A JPEG no side of which is longer than `side`; never enlarged.
fn jpeg(rgb: &Rgb, side: u32) -> std::result::Result<Vec<u8>, String> {
    let longest = rgb.width.max(rgb.height);
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    let small = if longest > side { resize(rgb, scaled(rgb.width), scaled(rgb.height), Filter::Bicubic) } else { rgb.clone() };
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&small.pixels, small.width, small.height, image::ExtendedColorType::Rgb8)
        .map_err(|e| format!("no thumbnail could be made: {e}"))?;
    Ok(bytes)
}

/// The file that says that a page's pictures are ours to remove; a user's pictures never are.
const OURS: &str = ".msdata-page";

/// Makes the directories of the pictures. If they are new or empty, what is put into them is ours.
fn make_shelves(dir: &Path) -> Result<()> {
    let mut empty = true;
    for (size, _) in SIZES {
        let dir = dir.join(size);
        make_directory(&dir)?;
        empty &= fs::read_dir(&dir).map_err(Error::io("read", &dir))?.next().is_none();
    }
    let mark = dir.join(OURS);
    if empty && !mark.exists() { write_whole(&mark, b"Pictures that this page no longer shows are removed.\n") } else { Ok(()) }
}

/// Removes pictures that nothing shows any more, and leftovers of interrupted runs. Other files stay, and so does
/// everything in directories that held a user's pictures before.
fn sweep(page: &Path, size: &str, names: &HashSet<&str>) -> Result<()> {
    let dir = &page.join(size);
    durable::sweep(dir)?;
    if !page.join(OURS).is_file() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let file_name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let (name, rest) = file_name.split_at(file_name.len().min(32));
        let ours = name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if ours && rest == ".jpg" && !names.contains(name) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

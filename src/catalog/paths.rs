//! How the paths of images are kept: absolute, or relative to the data set's directory. Only the SQL functions
//! `full_path` and `kept_path` convert one into the other; every statement that reads or writes `image.path` uses
//! them.

use super::{Catalog, Changes, catalog};
use crate::error::{Error, Result};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, params};
use std::path::{Component, Path, PathBuf};

/// How a catalog keeps the paths of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule {
    /// Paths from the root of the file system.
    Absolute,
    /// Paths from the data set's directory.
    Relative,
}

/// An image that `relocate` is to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedImage {
    /// Image row.
    pub id: i64,
    /// Its absolute path in the catalog.
    pub path: PathBuf,
    /// Size when last read.
    pub bytes: Option<u64>,
    /// Time of change when last read.
    pub mtime_ns: Option<i64>,
    /// Hash of the bytes when last read.
    pub blake3: Option<[u8; 32]>,
}

impl Catalog {
    /// Returns how the catalog keeps paths.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn path_rule(&self) -> Result<PathRule> {
        rule(&self.db)
    }

    /// Returns a path as the catalog keeps it and its views show it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn kept_path(&self, path: &str) -> Result<String> {
        self.db
            .prepare_cached("SELECT kept_path(?1)")
            .and_then(|mut q| q.query_row([path], |r| r.get(0)))
            .map_err(catalog("write a path"))
    }

    /// Calls `each` with the absolute path of every image, by row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn each_image_path(&self, mut each: impl FnMut(&Path)) -> Result<()> {
        let act = "read the paths of images";
        let mut query = self.db.prepare("SELECT full_path(path) FROM image ORDER BY id").map_err(catalog(act))?;
        let mut rows = query.query([]).map_err(catalog(act))?;
        while let Some(row) = rows.next().map_err(catalog(act))? {
            let path = row.get_ref(0).and_then(|path| Ok(path.as_str()?)).map_err(catalog(act))?;
            each(Path::new(path));
        }
        Ok(())
    }
}

impl Changes<'_> {
    /// Returns at most `limit` images with their absolute paths, by row, after one.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn placed_images_after(&self, after: i64, limit: usize) -> Result<Vec<PlacedImage>> {
        const SQL: &str = "SELECT id, full_path(path), bytes, mtime_ns, blake3 FROM image
                           WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.tx
            .prepare_cached(SQL)
            .and_then(|mut q| {
                q.query_map(params![after, limit as i64], |r| {
                    Ok(PlacedImage {
                        id: r.get(0)?,
                        path: PathBuf::from(r.get::<_, String>(1)?),
                        bytes: r.get::<_, Option<i64>>(2)?.map(|n| n as u64),
                        mtime_ns: r.get(3)?,
                        blake3: r.get(4)?,
                    })
                })?
                .collect()
            })
            .map_err(catalog("read the paths of images"))
    }

    /// Gives an image another path, and changes nothing else: what is known about its file stays.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn relocate(&self, image: i64, path: &str) -> Result<()> {
        self.tx
            .prepare_cached("UPDATE image SET path = kept_path(?2) WHERE id = ?1")
            .and_then(|mut q| q.execute(params![image, path]))
            .map(drop)
            .map_err(catalog("move an image"))
    }
}

/// Records the rule in a new catalog.
pub fn set_rule(db: &Connection, rule: PathRule) -> rusqlite::Result<()> {
    match rule {
        PathRule::Absolute => Ok(()),
        PathRule::Relative => db.execute("INSERT INTO path_rule (one, kind) VALUES (1, 'relative')", []).map(drop),
    }
}

/// Gives the connection to the catalog at `path` the functions `full_path` and `kept_path`.
pub fn install(db: &Connection, path: &Path) -> Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let base = dir.canonicalize().map_err(Error::io("resolve", dir))?;
    let kept_by = rule(db)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let full_base = base.clone();
    let to_full = move |context: &mut Context<'_>| of_text(context, |path| full(&full_base, path));
    let to_kept = move |context: &mut Context<'_>| of_text(context, |path| kept(&base, kept_by, path));
    db.create_scalar_function("full_path", 1, flags, to_full)
        .and_then(|()| db.create_scalar_function("kept_path", 1, flags, to_kept))
        .map_err(catalog("open the catalog"))
}

fn rule(db: &Connection) -> Result<PathRule> {
    let relative = db.query_row("SELECT EXISTS (SELECT 1 FROM path_rule)", [], |r| r.get(0));
    Ok(if relative.map_err(catalog("read how paths are kept"))? { PathRule::Relative } else { PathRule::Absolute })
}

fn of_text(context: &Context<'_>, turn: impl FnOnce(&Path) -> PathBuf) -> rusqlite::Result<Option<String>> {
    let Some(text) = context.get::<Option<String>>(0)? else { return Ok(None) };
    let turned = turn(Path::new(&text));
    let text = turned.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(turned.clone()))?;
    Ok(Some(text.to_owned()))
}

/// Returns the absolute path of a kept path.
fn full(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let mut out = base.to_owned();
    for part in path.components() {
        match part {
            // The base has no links, so its parent is what its name says.
            Component::ParentDir => drop(out.pop()),
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    out
}

/// Returns the path from `base` to an absolute path, or the absolute path if there is none.
fn kept(base: &Path, rule: PathRule, path: &Path) -> PathBuf {
    if rule == PathRule::Absolute || !path.is_absolute() {
        return path.to_owned();
    }
    let (from, to): (Vec<_>, Vec<_>) = (base.components().collect(), path.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if common == 0 {
        return path.to_owned(); // another drive
    }
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - common);
    up.chain(to.into_iter().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_path_leads_back_from_wherever_the_folder_is() {
        let (base, moved) = (Path::new("/home/me/test/data"), Path::new("/mnt/test/data"));
        for (path, written, after) in [
            ("/home/me/test/data/controls/a.png", "controls/a.png", "/mnt/test/data/controls/a.png"),
            ("/home/me/test/images/b ü.png", "../images/b ü.png", "/mnt/test/images/b ü.png"),
            ("/srv/c.png", "../../../../srv/c.png", "/srv/c.png"),
        ] {
            let relative = kept(base, PathRule::Relative, Path::new(path));
            assert_eq!(relative, Path::new(written));
            assert_eq!(full(base, &relative), Path::new(path));
            assert_eq!(full(moved, &relative), Path::new(after));
            assert_eq!(kept(base, PathRule::Absolute, Path::new(path)), Path::new(path));
        }
        assert_eq!(full(base, Path::new("/abs/x.png")), Path::new("/abs/x.png"));
    }
}

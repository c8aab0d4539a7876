//! Takes rows of embeddings files into parts. Everything is checked, and the parts are written
//! under temporary names, before anything is registered.

use crate::catalog::{Change, Changes, NewVector, PartRow, Target, VectorKey, VectorPlace};
use crate::embeddings::{Import, ImportRow, PartWriter, Store};
use crate::error::{Error, Result};
use crate::ops::ingest::rows::{MOST_PROBLEMS, parts_of};
use crate::ops::ingest::summary::Counts;
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::vocabulary::{EncoderName, Provenance};
use crate::watch::Watch;
use arrow::datatypes::ToByteSlice;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

/// The fingerprint of an encoder for which the file gives none.
const UNKNOWN_FINGERPRINT: &str = "imported";

/// Takes vectors into a set of changes.
pub struct VectorIntake<'a, 'c> {
    changes: &'a Changes<'c>,
    store: &'a Store,
    replace: bool,
    /// Whether rows were refused that vectors may name.
    rows_are_bad: bool,
    next_part: i64,
    encoders: HashMap<EncoderName, EncoderIntake>,
    /// What happened to the rows.
    pub counts: Counts,
    /// Every bad row.
    pub problems: Vec<Problem>,
}

/// An encoder whose vectors this run brings.
struct EncoderIntake {
    id: i64,
    dimension: usize,
    part: i64,
    writer: Option<PartWriter>,
    vectors: Vec<NewVector>,
    /// What this run has brought, with a digest of each vector: a key given twice must have the same vector.
    seen: HashMap<Target, u64>,
}

impl<'a, 'c> VectorIntake<'a, 'c> {
    /// Begins to take vectors in. With `replace`, a different vector replaces what was there before the run. With
    /// `rows_are_bad`, a vector of what the catalog lacks is not a fault of its own.
    pub fn new(changes: &'a Changes<'c>, store: &'a Store, replace: bool, rows_are_bad: bool) -> Result<Self> {
        let next_part = changes.next_part()?;
        Ok(VectorIntake {
            changes,
            store,
            replace,
            rows_are_bad,
            next_part,
            encoders: HashMap::new(),
            counts: Counts::default(),
            problems: vec![],
        })
    }

    /// Takes in every row of an embeddings file, or of a directory of its parts.
    pub fn file(&mut self, path: &Path, watch: &mut Watch<'_>) -> Result<()> {
        let files = match parts_of(path, true, watch) {
            Ok(files) => files,
            Err(Error::Manifest(problems)) => {
                self.problems.extend(problems);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let mut read = PartRead::default();
        let problems_before = self.problems.len();
        for file in &files {
            let part = self.part(file, watch)?;
            read = PartRead { rows: read.rows + part.rows, narrowed: read.narrowed || part.narrowed };
        }
        if read.narrowed {
            watch.remark(Origin::whole(path), "vectors are float64; they are kept as float32");
        }
        if read.rows == 0 && self.problems.len() == problems_before {
            watch.remark(Origin::whole(path), "no rows");
        }
        Ok(())
    }

    fn part(&mut self, path: &Path, watch: &mut Watch<'_>) -> Result<PartRead> {
        let whole = |reason| Problem { origin: Origin::whole(path), reason };
        let opened = Import::open(path, watch.stop());
        watch.check()?;
        let mut import = match opened {
            Err(Error::Parquet { reason, .. }) => {
                self.problems.push(whole(reason));
                return Ok(PartRead::default());
            }
            opened => opened?,
        };
        let fingerprint = import.fingerprint().unwrap_or(UNKNOWN_FINGERPRINT).to_owned();
        let most = self.problems.len() + MOST_PROBLEMS;
        let (mut further, mut broken) = (0, None);
        loop {
            watch.check()?;
            match import.next_batch(|rows| self.batch(path, &fingerprint, rows)) {
                Ok(true) => watch.report("vectors", import.rows(), None),
                Ok(false) => break,
                Err(Error::Parquet { reason, .. }) => {
                    broken = Some(whole(format!("after row {}: {reason}", import.rows())));
                    break;
                }
                Err(e) => return Err(e),
            }
            further += self.problems.len().saturating_sub(most) as u64;
            self.problems.truncate(most);
        }
        self.problems.extend((further > 0).then(|| Problem::further(path.into(), further)));
        self.problems.extend(broken);
        Ok(PartRead { rows: import.rows(), narrowed: import.is_narrowed() })
    }

    fn batch(&mut self, path: &Path, fingerprint: &str, rows: &[ImportRow<'_>]) -> Result<()> {
        let mut known: HashMap<EncoderName, Vec<KnownRow<'_>>> = HashMap::new();
        for row in rows {
            let problem = |reason| Problem { origin: Origin::row(path, row.number), reason };
            match &row.content {
                Err(reason) => self.problems.push(problem(reason.clone())),
                Ok((encoder, key, vector)) => match self.place(encoder, fingerprint, key, vector)? {
                    Placed::Done => {}
                    Placed::Refused(reason) => self.problems.push(problem(reason)),
                    Placed::Compare(place, target, source) => {
                        let compare = KnownRow { number: row.number, key, vector, place, target, source };
                        known.entry(encoder.clone()).or_default().push(compare);
                    }
                },
            }
        }
        for (encoder, known) in known {
            self.compare(path, &encoder, &known)?;
        }
        Ok(())
    }

    /// Takes in a vector whose key has none yet, or says what prevents it.
    fn place(&mut self, name: &EncoderName, fingerprint: &str, key: &VectorKey, vector: &[f32]) -> Result<Placed> {
        if !self.encoders.contains_key(name) {
            let id = match self.changes.encoder(name, fingerprint, vector.len()) {
                Err(Error::Request { message, .. }) => return Ok(Placed::Refused(message)),
                id => id?,
            };
            let part = self.next_part;
            self.next_part += 1;
            let new = EncoderIntake { id, dimension: vector.len(), part, writer: None, vectors: vec![], seen: HashMap::new() };
            self.encoders.insert(name.clone(), new);
        }
        let Some(encoder) = self.encoders.get_mut(name) else { return Ok(Placed::Done) };
        if vector.len() != encoder.dimension {
            return Ok(Placed::Refused(format!(
                "`embedding` has {} numbers, but vectors of {} have {}",
                vector.len(),
                quote(name.as_str()),
                encoder.dimension
            )));
        }
        let Some((target, source)) = self.changes.target(key)? else {
            if self.rows_are_bad {
                return Ok(Placed::Done);
            }
            return Ok(Placed::Refused(format!("there is no {key} in the catalog")));
        };
        let digest = digest(vector);
        match encoder.seen.get(&target) {
            Some(known) if *known == digest => {
                self.counts.count(Change::Unchanged);
                return Ok(Placed::Done);
            }
            Some(_) => return Ok(Placed::Refused(format!("{key} appears twice with different vectors"))),
            None => {}
        }
        encoder.seen.insert(target, digest);
        match self.changes.vector(encoder.id, target)? {
            // A stale vector is worthless: it is replaced without asking.
            Some((place, known)) if known.is_none() || source.is_none() || known == source => {
                return Ok(Placed::Compare(place, target, source));
            }
            Some(_) => self.counts.count(Change::Replaced),
            None => self.counts.count(Change::Added),
        }
        encoder.push(self.store, target, vector, source)?;
        Ok(Placed::Done)
    }

    /// Compares vectors whose keys already have one: the same vector is no change, a different one is a conflict.
    fn compare(&mut self, path: &Path, name: &EncoderName, given: &[KnownRow<'_>]) -> Result<()> {
        let Some(encoder) = self.encoders.get_mut(name) else { return Ok(()) };
        // A lost vector is given again: there is nothing left to compare it with.
        let mut readable: HashMap<i64, u64> = HashMap::new();
        for part in given.iter().map(|k| k.place.part) {
            if let Entry::Vacant(new) = readable.entry(part) {
                new.insert(match self.store.open_checked(part, encoder.dimension) {
                    Err(Error::Damaged(_) | Error::Parquet { .. }) => 0,
                    opened => opened?.rows(),
                });
            }
        }
        let (given, again): (Vec<_>, Vec<_>) = given.iter().partition(|k| u64::from(k.place.row) < readable[&k.place.part]);
        for k in again {
            self.counts.count(Change::Replaced);
            encoder.push(self.store, k.target, k.vector, k.source)?;
        }
        let places: Vec<VectorPlace> = given.iter().map(|k| k.place).collect();
        let known = self.store.gather(&places, encoder.dimension)?;
        for (given, known) in given.iter().zip(known.chunks_exact(encoder.dimension)) {
            if given.vector.iter().map(|x| x.to_bits()).eq(known.iter().map(|x| x.to_bits())) {
                self.counts.count(Change::Unchanged);
            } else if self.replace {
                self.counts.count(Change::Replaced);
                encoder.push(self.store, given.target, given.vector, given.source)?;
            } else {
                let start = |v: &[f32]| v.iter().take(3).map(f32::to_string).collect::<Vec<_>>().join(", ");
                let reason = format!(
                    "{} has another vector in the data set, [{}, …] there and [{}, …] here (`--replace` takes the vector given here)",
                    given.key,
                    start(known),
                    start(given.vector)
                );
                self.problems.push(Problem { origin: Origin::row(path, given.number), reason });
            }
        }
        Ok(())
    }

    /// Gives the parts their names and registers them. The caller commits.
    pub fn publish(self) -> Result<()> {
        let mut encoders: Vec<EncoderIntake> = self.encoders.into_values().collect();
        encoders.sort_by_key(|e| e.part);
        for encoder in encoders {
            let Some(writer) = encoder.writer else { continue };
            let finished = writer.finish()?;
            self.store.publish(encoder.part, &finished)?;
            let (rows, bytes, blake3) = (finished.rows, finished.bytes, finished.blake3);
            let part = PartRow { id: encoder.part, encoder: encoder.id, provenance: Provenance::Imported, rows, bytes, blake3 };
            self.changes.put_part(&part, &encoder.vectors)?;
        }
        Ok(())
    }
}

/// What reading a file showed.
#[derive(Default)]
struct PartRead {
    rows: u64,
    /// Whether its vectors are float64.
    narrowed: bool,
}

enum Placed {
    Done,
    Refused(String),
    /// There is already a vector; it must be read to be compared.
    Compare(VectorPlace, Target, Option<[u8; 32]>),
}

/// A given vector whose key already has one.
struct KnownRow<'r> {
    number: u64,
    key: &'r VectorKey,
    vector: &'r [f32],
    place: VectorPlace,
    target: Target,
    source: Option<[u8; 32]>,
}

impl EncoderIntake {
    fn push(&mut self, store: &Store, target: Target, vector: &[f32], source: Option<[u8; 32]>) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(store.begin(self.part, self.dimension)?),
        };
        let row = writer.push(vector, source)?;
        self.vectors.push(NewVector { target, row, source, truncated: None });
        Ok(())
    }
}

/// Returns a digest that tells vectors apart within one run; it is never stored.
fn digest(vector: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(vector.to_byte_slice());
    hasher.finish()
}

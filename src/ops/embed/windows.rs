//! Searches images window by window: windows are cut out of each image on all cores and go through the network in
//! batches of one size, whichever image they are from; what they say about every subject of the pool is committed image
//! by image. Memory holds the windows of a few images. `dense` has what differs if one pass over the whole image gives
//! all windows.

mod dense;

use crate::catalog::{Catalog, EncoderRow, ImageTask};
use crate::embeddings::Store;
use crate::encoder::Encoder;
use crate::error::{Error, Result, io_reason};
use crate::image::{Door, Preprocessing, Rgb, Transparency, Window, decode_on};
use crate::ops::embed::comparison::Comparison;
use crate::ops::embed::kept::Keeper;
use crate::ops::embed::queue::Queue;
use crate::text::{plain, quote};
use crate::watch::Watch;
use crate::windows::{DENSE_SIDE, Pattern, Rectangle, windows};
use half::f16;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Tasks read from the catalog at a time.
const PAGE: usize = 256;

/// How long a search may take if nobody asked for it.
const UNASKED: Duration = Duration::from_secs(600);

/// What searching images did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Searched {
    /// Image contents searched, each once.
    pub images: u64,
    /// Windows in those images.
    pub windows: u64,
    /// Images that could not be searched.
    pub failed: u64,
    /// Of these images, how many windows' vectors found no room.
    pub not_kept: u64,
    /// Further images, compared again by the windows' vectors that were kept.
    pub compared: u64,
}

/// Which windows to search, as the user chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowChoice {
    /// Those that the encoder searched before; else as many as the machine can do in ten minutes.
    #[default]
    Auto,
    /// None.
    None,
    /// These.
    Pattern(Pattern),
}

impl std::str::FromStr for WindowChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<WindowChoice, String> {
        match text {
            "auto" => Ok(WindowChoice::Auto),
            "none" => Ok(WindowChoice::None),
            pattern => pattern.parse().map(WindowChoice::Pattern).map_err(|_| {
                let known: Vec<&str> = Pattern::ALL.iter().map(|p| p.as_str()).collect();
                format!("{} is not one of none, {}, auto", quote(pattern), known.join(", "))
            }),
        }
    }
}

impl std::fmt::Display for WindowChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WindowChoice::Auto => f.write_str("auto"),
            WindowChoice::None => f.write_str("none"),
            WindowChoice::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

/// Returns the windows that an encoder is to search; `None`: none. If the user left it open and the machine is slow, a
/// warning says how to get them, and how long that takes.
pub fn choose(
    choice: WindowChoice,
    known: Option<Pattern>,
    encoder: &mut Encoder,
    name: &str,
    images: u64,
    on_gpu: bool,
    watch: &mut Watch<'_>,
) -> Result<Option<Pattern>> {
    match (choice, known) {
        (WindowChoice::None, _) => return Ok(None),
        (WindowChoice::Pattern(pattern), _) | (WindowChoice::Auto, Some(pattern)) => return Ok(Some(pattern)),
        (WindowChoice::Auto, None) if on_gpu => return Ok(Some(Pattern::Full)),
        (WindowChoice::Auto, None) => {}
    }
    let batch = encoder.at_once();
    let blank = vec![0.0; batch * encoder.numbers()];
    encoder.embed_images(&blank)?; // the first run sets things up
    let began = Instant::now();
    encoder.embed_images(&blank)?;
    let each = began.elapsed() / batch as u32;
    let pattern = Pattern::Fast;
    let whole = each.mul_f64(images as f64 * windows(1024, 1024, pattern).len() as f64);
    if whole <= UNASKED {
        return Ok(Some(pattern));
    }
    watch.warn(&format!(
        "encoder {}: the images were not searched for where the subjects are, because that would take about {} minutes here; \
         `msdata embed --windows fast` does it",
        plain(name),
        whole.as_secs().div_ceil(60)
    ));
    Ok(None)
}

/// Searches every image that an encoder has not searched yet; `threads` threads decode. Finished images survive an
/// interruption.
#[allow(clippy::too_many_arguments)]
pub fn search_images(
    catalog: &mut Catalog,
    store: &Store,
    door: &Door,
    row: &EncoderRow,
    encoder: &mut Encoder,
    pattern: Pattern,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Searched> {
    let changes = catalog.begin()?;
    changes.set_window_pattern(row.id, pattern)?;
    changes.commit()?;
    let mut done = Searched::default();
    if pattern == Pattern::Dense {
        dense::references(catalog, door, row, encoder, &mut done, watch)?;
    }
    let total = catalog.count_to_look_through(row.id)?;
    if total == 0 {
        return Ok(done);
    }
    let Some(comparison) = Comparison::read(catalog, store, row, pattern)? else { return Ok(done) };
    let mut keeper = Keeper::of(catalog, row, pattern)?;
    let reading = WindowReading::by(encoder, door, pattern);
    let prepare = |task: ImageTask| {
        let cut = cut(&task, &reading);
        PreparedCrops { task, cut }
    };
    let outcome = Queue::with(threads, prepare, |queue| {
        let keeper = &mut keeper;
        let mut run = WindowRun {
            catalog,
            store,
            row,
            comparison: &comparison,
            keeper,
            dense: pattern == Pattern::Dense,
            numbers: reading.numbers(),
            waiting: VecDeque::new(),
            done: &mut done,
        };
        run.images(encoder, &reading.preprocessing, threads + 1, total, &queue, watch)
    });
    if matches!(outcome, Ok(()) | Err(Error::Interrupted)) {
        keeper.flush(catalog, store)?;
    }
    done.not_kept = keeper.refused;
    outcome.map(|()| done)
}

/// An image made ready for the network, or why it could not be.
struct PreparedCrops {
    task: ImageTask,
    cut: std::result::Result<Cut, WindowRefusal>,
}

/// The parts of an image that go through the network, and the pixels of each as it takes them, 8-bit, one after another.
struct Cut {
    parts: Vec<Rectangle>,
    pixels: Vec<u8>,
}

/// Why an image has no windows.
enum WindowRefusal {
    /// It is missing or not the file that the catalog knows: `ingest` reads it again.
    Changed,
    /// It cannot be used.
    Unfit(String),
}

/// How files become windows.
pub(crate) struct WindowReading<'a> {
    door: &'a Door,
    transparency: Transparency,
    preprocessing: Preprocessing,
    /// Width and height of the network's input.
    size: [u32; 2],
    pattern: Pattern,
}

impl<'a> WindowReading<'a> {
    /// As an encoder takes them.
    pub(crate) fn by(encoder: &Encoder, door: &'a Door, pattern: Pattern) -> WindowReading<'a> {
        WindowReading {
            door,
            transparency: encoder.transparency(),
            preprocessing: encoder.preprocessing().clone(),
            size: if pattern == Pattern::Dense { [DENSE_SIDE; 2] } else { encoder.size() },
            pattern,
        }
    }

    /// Numbers in the network's input of one part.
    fn numbers(&self) -> usize {
        3 * self.size[0] as usize * self.size[1] as usize
    }
}

/// The windows of one image and their vectors, as an encoder gives them now; `None` where it is not the image that the
/// catalog knows, or has none.
pub(crate) fn see(
    task: &ImageTask,
    reading: &WindowReading<'_>,
    encoder: &mut Encoder,
) -> Result<Option<(Vec<Rectangle>, Vec<f32>)>> {
    let Ok(Cut { parts, pixels }) = cut(task, reading) else { return Ok(None) };
    let numbers = reading.numbers();
    let mut vectors = Vec::new();
    for some in pixels.chunks(numbers * encoder.at_once()) {
        let mut tensor = vec![0.0; some.len()];
        some.chunks_exact(numbers).zip(tensor.chunks_exact_mut(numbers)).for_each(|(window, out)| {
            reading.preprocessing.normalise(window, out);
        });
        if reading.pattern == Pattern::Dense {
            return dense::see(encoder, &tensor, &parts);
        }
        for vector in encoder.embed_images(&tensor)? {
            let Ok(vector) = vector else { return Ok(None) };
            vectors.extend(unit(&vector));
        }
    }
    Ok(Some((parts, vectors)))
}

fn cut(task: &ImageTask, reading: &WindowReading<'_>) -> std::result::Result<Cut, WindowRefusal> {
    let WindowReading { door, transparency, preprocessing, size, pattern } = reading;
    let rgb = decoded(task, door, *transparency)?;
    let parts = match pattern {
        Pattern::Dense => vec![Rectangle { x: 0, y: 0, width: rgb.width, height: rgb.height }],
        crops => windows(rgb.width, rgb.height, *crops),
    };
    let of_pixels = |Rectangle { x, y, width, height }: &Rectangle| Window { x: *x, y: *y, width: *width, height: *height };
    let pixels = preprocessing.squash(&rgb, &parts.iter().map(of_pixels).collect::<Vec<_>>(), *size);
    Ok(Cut { parts, pixels })
}

/// The pixels of the file that the catalog knows.
fn decoded(task: &ImageTask, door: &Door, transparency: Transparency) -> std::result::Result<Rgb, WindowRefusal> {
    let bytes = door.read(&task.path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => WindowRefusal::Changed,
        _ => WindowRefusal::Unfit(io_reason(&e)),
    })?;
    if *blake3::hash(&bytes).as_bytes() != task.source {
        return Err(WindowRefusal::Changed);
    }
    decode_on(&bytes, transparency).map(|pixels| pixels.rgb).map_err(|fault| WindowRefusal::Unfit(fault.reason))
}

/// An image of which some windows have been through the network.
struct Waiting {
    task: ImageTask,
    /// Its windows; of dense ones, until it is through the network, the whole image.
    parts: Vec<Rectangle>,
    /// Unit vectors of the first windows. Those of crops are rounded to float16: they say the same whether they are kept
    /// or not.
    vectors: Vec<f32>,
    fault: Option<String>,
}

/// The main thread's side of a run.
struct WindowRun<'a> {
    catalog: &'a mut Catalog,
    store: &'a Store,
    row: &'a EncoderRow,
    comparison: &'a Comparison,
    keeper: &'a mut Keeper,
    /// Whether windows are means of cells.
    dense: bool,
    /// Numbers in the network's input of one part.
    numbers: usize,
    waiting: VecDeque<Waiting>,
    done: &'a mut Searched,
}

impl WindowRun<'_> {
    fn images(
        &mut self,
        encoder: &mut Encoder,
        preprocessing: &Preprocessing,
        under_way: usize,
        total: u64,
        queue: &Queue<ImageTask, PreparedCrops>,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let (mut tasks, mut after, mut given, mut received) = (VecDeque::new(), 0, 0, 0);
        let (mut changed, mut example) = (0_u64, String::new());
        let numbers = self.numbers;
        let mut batch: Vec<f32> = Vec::with_capacity(encoder.at_once() * numbers);
        loop {
            watch.check()?;
            while given - received < under_way {
                if tasks.is_empty() {
                    tasks.extend(self.catalog.images_to_look_through(self.row.id, after, PAGE)?);
                }
                let Some(task) = tasks.pop_front() else { break };
                after = task.image;
                queue.give(task);
                given += 1;
            }
            if given == received {
                self.run(encoder, &mut batch)?;
                self.finish(watch, total)?;
                if changed > 0 {
                    watch.warn(&format!(
                        "{example} changed while it was read; run again to search it ({changed} such images in all)"
                    ));
                }
                return Ok(());
            }
            let PreparedCrops { task, cut } = queue.next()?;
            received += 1;
            match cut {
                Ok(Cut { parts, pixels }) => {
                    self.waiting.push_back(Waiting { task, parts, vectors: Vec::new(), fault: None });
                    for window in pixels.chunks_exact(numbers) {
                        let start = batch.len();
                        batch.resize(start + numbers, 0.0);
                        preprocessing.normalise(window, &mut batch[start..]);
                        if batch.len() == encoder.at_once() * numbers {
                            self.run(encoder, &mut batch)?;
                            watch.check()?;
                        }
                    }
                    self.finish(watch, total)?;
                }
                Err(WindowRefusal::Changed) => {
                    if changed == 0 {
                        example = quote(&task.path.display().to_string());
                    }
                    changed += 1;
                    self.done.failed += 1;
                }
                Err(WindowRefusal::Unfit(reason)) => self.fail(&task, &plain(&reason))?,
            }
        }
    }

    /// Runs the network; its vectors belong to the waiting images, in their order.
    fn run(&mut self, encoder: &mut Encoder, batch: &mut Vec<f32>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.dense {
            return self.run_dense(encoder, batch);
        }
        let vectors = encoder.embed_images(batch)?;
        batch.clear();
        let dimension = self.comparison.dimension();
        let mut images = self.waiting.iter_mut().filter(|image| image.vectors.len() < image.parts.len() * dimension).peekable();
        for vector in vectors {
            while images.peek().is_some_and(|image| image.vectors.len() == image.parts.len() * dimension) {
                images.next();
            }
            let Some(image) = images.peek_mut() else { break };
            match vector {
                Ok(vector) => image.vectors.extend(unit(&vector)),
                Err(fault) => {
                    image.vectors.resize(image.vectors.len() + dimension, 0.0);
                    image.fault.get_or_insert_with(|| format!("the encoder gives an unusable vector for a window: {fault}"));
                }
            }
        }
        Ok(())
    }

    /// Commits the images of which all windows have been through the network.
    fn finish(&mut self, watch: &mut Watch<'_>, total: u64) -> Result<()> {
        while self.waiting.front().is_some_and(|image| image.vectors.len() == image.parts.len() * self.comparison.dimension()) {
            let Some(image) = self.waiting.pop_front() else { break };
            match &image.fault {
                Some(fault) => self.fail(&image.task, fault)?,
                None => self.commit(&image)?,
            }
            watch.report("searching images", self.done.images + self.done.failed, Some(total));
        }
        Ok(())
    }

    fn commit(&mut self, image: &Waiting) -> Result<()> {
        let generations = self.catalog.generations_to_look_through(self.row.id, &image.task.source)?;
        let scores = self.comparison.scores(&generations, &image.parts, &image.vectors);
        let changes = self.catalog.begin()?;
        for score in &scores {
            changes.put_window_score(self.row.id, score)?;
        }
        self.keeper.keep(&changes, &image.task.source, &image.parts, &image.vectors)?;
        changes.commit()?;
        self.done.images += 1;
        self.done.windows += image.parts.len() as u64;
        self.keeper.flush_if_full(self.catalog, self.store)
    }

    fn fail(&mut self, task: &ImageTask, reason: &str) -> Result<()> {
        self.done.failed += 1;
        let changes = self.catalog.begin()?;
        changes.record_window_failure(self.row.id, task.image, &task.source, reason)?;
        changes.commit()
    }
}

/// Returns a vector scaled to length 1, each number rounded to float16.
fn unit(vector: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let length = crate::score::dot(vector, vector).sqrt();
    vector.iter().map(move |x| f16::from_f64(f64::from(*x) / length).to_f32())
}

//! What `msdata` alone says in a data set: where one stands, and what to type next.

use super::Ended;
use super::terminal::results;
use msdata::catalog::ImageCounts;
use msdata::encoder::{Home, registry};
use msdata::ops::{EncoderStanding, Standing};
use msdata::table::{Cell, Format, Head, TableWriter};
use msdata::text::{plain, shell_word};
use msdata::{Dataset, Result};
use std::io::{self, Write};
use std::path::Path;

/// Commands proposed at most.
const MOST_NEXT: usize = 2;

/// Prints where the data set stands. `named`: it was named on the command line, so that commands must name it, too.
pub fn print(dataset: &Path, named: bool) -> anyhow::Result<Ended> {
    let data = Dataset::open_to_read(dataset)?;
    let standing = data.standing()?;
    let there = Machine::look(&standing)?;
    let mut out = results();
    write(&standing, &plain(&data.dir().display().to_string()), &mut out)?;
    let missing = missing(&standing, &there);
    if !missing.is_empty() {
        writeln!(out, "\nmissing:")?;
        missing.iter().try_for_each(|line| writeln!(out, "  {}", plain(line)))?;
    }
    let program = if named { format!("msdata -d {}", shell_word(dataset)) } else { "msdata".to_owned() };
    for (why, command) in next(&standing, &there).into_iter().take(MOST_NEXT) {
        writeln!(out, "\n{why}:\n  {program} {command}")?;
    }
    Ok(Ended::Done)
}

/// The encoders of a data set that this machine does not have.
struct Machine {
    lacks: Vec<String>,
}

impl Machine {
    fn look(standing: &Standing) -> Result<Machine> {
        let home = Home::from_env()?;
        let is_here = |encoder: &EncoderStanding| match &encoder.row.location {
            Some(dir) => dir.is_dir(),
            None => home.path(&encoder.row.name).is_ok_and(|found| found.is_some()),
        };
        let absent = standing.encoders.iter().filter(|encoder| encoder.needs_files() && !is_here(encoder));
        Ok(Machine { lacks: absent.map(EncoderStanding::word).collect() })
    }
}

fn write(standing: &Standing, dir: &str, out: &mut impl Write) -> io::Result<()> {
    let Standing { subjects, prompts, references, models, encoders, region_sets, .. } = standing;
    let generations: u64 = models.iter().map(|m| m.images.total).sum();
    writeln!(
        out,
        "{dir}: {} with {}, {}, {}",
        count(*subjects, "subject"),
        count(references.total, "reference"),
        count(*prompts, "prompt"),
        count(generations, "generation")
    )?;
    let number = |n: u64| Cell::Integer(n as i64);
    let of = |some: u64, all: u64| Cell::Number(format!("{some} of {all}"));
    if !models.is_empty() {
        let mut table = begin(out, &["model", "generations", "missing", "unusable"])?;
        for m in models {
            let name = if m.control { format!("{} (control)", m.model) } else { m.model.to_string() };
            let ImageCounts { total, missing, unusable, .. } = m.images;
            table.row(&[Cell::Text(name), number(total), number(missing), number(unusable)])?;
        }
        table.finish()?;
    }
    let whole: Vec<&EncoderStanding> = encoders.iter().filter(|e| e.whole).collect();
    if !whole.is_empty() {
        let mut table = begin(out, &["encoder", "references", "generations", "prompts", "scored", "searched"])?;
        for e in whole {
            let (references, images) = (e.gaps.references, e.gaps.generations);
            table.row(&[
                Cell::Text(e.row.name.to_string()),
                of(references.total - references.lacking, references.total),
                of(images.total - images.lacking, images.total),
                if e.done.prompts > 0 { of(e.done.prompts, *prompts) } else { Cell::Null },
                of(e.done.scored, images.total),
                e.windows.map_or(Cell::Null, |(pattern, n, _)| Cell::Number(format!("{n} of {} ({pattern})", images.total))),
            ])?;
        }
        table.finish()?;
    }
    if !region_sets.is_empty() {
        let mut table = begin(out, &["region set", "generations", "regions", "encoder", "embedded", "scored"])?;
        for s in region_sets {
            let by = s.by.as_ref();
            table.row(&[
                Cell::Text(s.set.to_string()),
                of(s.generations, generations),
                number(s.regions),
                by.map_or(Cell::Null, |(encoder, _)| Cell::Text(encoder.to_string())),
                by.map_or(Cell::Null, |(_, done)| of(done.embedded, s.regions)),
                by.map_or(Cell::Null, |(_, done)| of(done.scored, s.generations)),
            ])?;
        }
        table.finish()?;
    }
    Ok(())
}

fn begin<'o, W: Write>(out: &'o mut W, columns: &[&str]) -> io::Result<TableWriter<&'o mut W>> {
    writeln!(out)?;
    TableWriter::new(out, Format::Table, Head::new(columns.iter().map(|c| (*c).to_owned()).collect()))
}

/// What is missing, a line a kind.
fn missing(standing: &Standing, there: &Machine) -> Vec<String> {
    let mut lines = Vec::new();
    let images = standing.models.iter().map(|m| m.images).chain([standing.references]);
    let (mut lost, mut pending) = (0, 0);
    for images in images {
        lost += images.missing + images.unusable;
        pending += images.pending;
    }
    if lost > 0 {
        let more = if lost > standing.unusable.len() as u64 { "; …" } else { "" };
        lines.push(format!("{} missing or unusable: {}{more}", count(lost, "image"), standing.unusable.join("; ")));
    }
    if pending > 0 {
        lines.push(format!("{} not read yet", count(pending, "image")));
    }
    let lacking = |e: &EncoderStanding| e.whole && e.gaps.generations.lacking + e.gaps.references.lacking > 0;
    for e in standing.encoders.iter().filter(|e| lacking(e)) {
        let failed = match e.done.failed {
            0 => String::new(),
            n => format!(" ({n} failed: `msdata sql \"SELECT * FROM embedding_failures\"`)"),
        };
        lines.push(format!(
            "no vector by {}: {}, {}{failed}",
            e.row.name,
            count(e.gaps.references.lacking, "reference"),
            count(e.gaps.generations.lacking, "generation")
        ));
    }
    for e in standing.encoders.iter().filter(|e| e.to_score > 0) {
        lines.push(format!("no score by {}: {} that can be scored", e.row.name, count(e.to_score, "generation")));
    }
    if !there.lacks.is_empty() {
        lines.push(format!("not on this machine, so they embed nothing: {}", there.lacks.join(", ")));
    }
    let partial: Vec<String> = standing
        .models
        .iter()
        .filter(|m| !m.control && m.prompts < standing.prompts && m.images.total > 0)
        .map(|m| format!("{} {} of {}", m.model, standing.prompts - m.prompts, standing.prompts))
        .collect();
    if !partial.is_empty() {
        lines.push(format!("prompts without an image: {}", partial.join(", ")));
    }
    lines.extend(standing.unfinished.iter().map(|run| run.in_words()));
    lines
}

/// What to type next, the first first: why, and the arguments.
fn next(standing: &Standing, there: &Machine) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut say = |why: &str, command: &str| all.push((why.to_owned(), command.to_owned()));
    let generations: u64 = standing.models.iter().filter(|m| !m.control).map(|m| m.images.total).sum();
    match (standing.subjects, standing.prompts, generations) {
        (0, ..) => {
            say("How subjects, prompts and images come in", "help ingest");
            say("How a stress test is made from a folder of images", "help bench build");
        }
        (_, 0, _) => {
            say("How prompts are made from the subjects", "help bench build");
            say("How prompts of your own come in", "help ingest");
        }
        (_, _, 0) => {
            say("How a generator is run on the prompts", "help run");
            say("How images that are made come in", "help ingest");
        }
        _ => {}
    }
    let pending = standing.references.pending + standing.models.iter().map(|m| m.images.pending).sum::<u64>();
    let searches = |e: &EncoderStanding| e.row.pixel_rule.is_some() && e.windows.is_some_and(|(_, _, left)| left > 0);
    let embeds = standing.encoders.iter().any(|e| e.to_embed > 0 || searches(e))
        || standing.region_sets.iter().any(|set| set.to_embed > 0)
        || (standing.encoders.is_empty() && generations > 0);
    let fetched: Vec<&str> = there
        .lacks
        .iter()
        .map(String::as_str)
        .filter(|name| registry::find(name).is_some_and(|known| known.export.is_some()))
        .collect();
    if (embeds || pending > 0) && there.lacks.is_empty() {
        say("Embed and score what is left", "embed");
    } else if embeds && fetched.len() == there.lacks.len() {
        say("Fetch the encoders that are not on this machine", &format!("encoders pull {}", fetched.join(" ")));
    } else if standing.encoders.iter().any(|e| e.to_score > 0) {
        say("Score what is embedded", "score");
    }
    let lost = |images: &ImageCounts| images.missing + images.unusable > 0;
    if lost(&standing.references) {
        say("List the images that cannot be used", "sql \"SELECT path, status, reason FROM image WHERE status <> 'ok'\"");
    } else if standing.models.iter().any(|m| lost(&m.images)) {
        say(
            "List the images that cannot be used",
            "sql \"SELECT model, prompt_id, seed, path, reason FROM generations WHERE status <> 'ok'\"",
        );
    }
    if standing.unfinished.iter().any(|run| run.failed > 0) {
        say("List the jobs that failed", "sql \"SELECT model, prompt_id, seed, tail FROM jobs WHERE state = 'failed'\"");
    }
    if let Some((identity, told)) = standing.identity.as_ref().filter(|_| generations > 0) {
        let identity = if *told { format!(" --identity {}", shell_word(Path::new(identity))) } else { String::new() };
        say("See the tables", &format!("report{identity}"));
        if standing.models.iter().filter(|m| !m.control && m.images.total > 0).count() > 1 {
            say("Rank the models", &format!("compare --leaderboard{identity}"));
        }
    }
    all
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

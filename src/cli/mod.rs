//! The verbs, one file each, and what they share: where the data set is, how errors reach the user, exit
//! statuses.

mod audit;
mod backup;
mod bench;
mod compare;
mod controls;
mod demo;
mod digest;
mod embed;
mod encoders;
mod export;
mod findings;
mod gc;
mod ingest;
mod init;
mod manual;
mod plot;
mod relocate;
mod remove;
mod report;
mod run;
mod score;
mod signals;
mod sql;
mod subjects;
mod terminal;
mod verify;

use clap::{Parser, Subcommand};
use msdata::Error;
use msdata::vocabulary::plain_lines;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{Style, Terminal, line_to_standard_error as say};

/// Did each requested identity survive? Data sets for multi-subject text-to-image evaluation: an SQLite
/// catalog of subjects, prompts and generated images, Parquet embedding tables, and the Subject Collapse
/// Rate with everything around it.
#[derive(Parser)]
#[command(name = "msdata", version, max_term_width = 100, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    /// The data set's directory
    #[arg(short, long, global = true, value_name = "DIR", env = "MSDATA_DATASET", default_value = ".")]
    dataset: PathBuf,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// How progress is shown, on standard error
    #[arg(long, global = true, value_name = "STYLE", default_value = "auto")]
    progress: Style,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  msdata init stress-test && cd stress-test
  msdata ingest --subjects ../s.jsonl --prompts ../p.jsonl --generations ../g.jsonl
  msdata ingest --embeddings ../dinov2-small.parquet
  msdata report
  msdata report --by model,scene_type --format md";

#[derive(Subcommand)]
enum Verb {
    Init(init::Init),
    Ingest(ingest::Ingest),
    Embed(embed::Embed),
    Score(score::Score),
    Report(report::Report),
    Plot(plot::Plot),
    Compare(compare::Compare),
    Controls(controls::Controls),
    Audit(audit::Audit),
    Sql(sql::Sql),
    Export(export::Export),
    Bench(bench::Bench),
    Run(run::Run),
    Verify(verify::Verify),
    Remove(remove::Remove),
    Relocate(relocate::Relocate),
    Digest(digest::Digest),
    Backup(backup::Backup),
    Gc(gc::Gc),
    Subjects(subjects::Subjects),
    Encoders(encoders::Encoders),
    Demo(demo::Demo),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// How a command ended that did not fail.
#[derive(PartialEq)]
enum Ended {
    /// All done.
    Done,
    /// `verify` found faults, or a check has findings.
    Unsound,
    /// All that could be done, but some images are missing or unusable, or some jobs failed.
    Incomplete,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    signals::end_well_on_a_full_disk();
    let cli = Cli::try_parse().unwrap_or_else(|e| refused(&e));
    let terminal = Terminal::new(cli.quiet, cli.progress);
    match run(cli, &terminal) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Unsound) => ExitCode::from(1),
        Ok(Ended::Incomplete) => ExitCode::from(3),
        Err(e) => failed(&e),
    }
}

fn run(cli: Cli, terminal: &Terminal) -> anyhow::Result<Ended> {
    let dir = cli.dataset.as_path();
    match cli.verb {
        Verb::Init(verb) => verb.run(dir, terminal),
        Verb::Ingest(verb) => verb.run(dir, terminal),
        Verb::Embed(verb) => verb.run(dir, terminal),
        Verb::Score(verb) => verb.run(dir, terminal),
        Verb::Report(verb) => verb.run(dir, terminal),
        Verb::Plot(verb) => verb.run(dir, terminal),
        Verb::Compare(verb) => verb.run(dir, terminal),
        Verb::Audit(verb) => verb.run(dir, terminal),
        Verb::Controls(verb) => verb.run(dir, terminal),
        Verb::Sql(verb) => verb.run(dir),
        Verb::Export(verb) => verb.run(dir, terminal),
        Verb::Bench(verb) => verb.run(dir, terminal),
        Verb::Run(verb) => verb.run(dir, terminal),
        Verb::Verify(verb) => verb.run(dir, terminal),
        Verb::Remove(verb) => verb.run(dir, terminal),
        Verb::Relocate(verb) => verb.run(dir, terminal),
        Verb::Digest(verb) => verb.run(dir, terminal),
        Verb::Backup(verb) => verb.run(dir, terminal),
        Verb::Gc(verb) => verb.run(dir, terminal),
        Verb::Subjects(verb) => verb.run(dir, terminal),
        Verb::Encoders(verb) => verb.run(terminal),
        Verb::Demo(verb) => verb.run(terminal),
        Verb::Completions(verb) => verb.run(),
        Verb::Man(verb) => verb.run(),
    }
}

/// Ends the process as clap does; but a message that holds what a terminal would obey is shown without it, and without
/// colours.
fn refused(e: &clap::Error) -> ! {
    let message = e.render().to_string();
    if !e.use_stderr() || plain_lines(&message) == message {
        e.exit();
    }
    terminal::lines_to_standard_error(&message);
    std::process::exit(e.exit_code());
}

/// Says what went wrong and what to do next; the exit status.
fn failed(e: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(e) {
        return ExitCode::SUCCESS; // whoever read our output has seen enough
    }
    let error = e.downcast_ref::<Error>();
    match error {
        Some(Error::Manifest(problems)) => {
            let rows: u64 = problems.iter().map(msdata::manifest::Problem::rows).sum();
            let rows = if rows == 1 { "1 bad row".to_owned() } else { format!("{rows} bad rows") };
            say("error: ", &format!("{rows}; nothing was written"));
            problems.iter().for_each(|p| say("", &p.to_string()));
        }
        // Some list what is wrong in a line each.
        Some(error) => terminal::lines_to_standard_error(&format!("error: {error}\n")),
        None => terminal::lines_to_standard_error(&format!("error: {e:#}\n")),
    }
    if let Some(hint) = error.and_then(Error::hint) {
        // There may be one a line.
        terminal::lines_to_standard_error(&format!("hint: {hint}\n"));
    }
    ExitCode::from(if matches!(error, Some(Error::Interrupted)) { 130 } else { 1 })
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    e.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(broken)
            || matches!(cause.downcast_ref::<Error>(), Some(Error::Io { source, .. }) if broken(source))
    })
}

//! The commands, one file each, and what they share: where the data set is, how errors reach the user, and the
//! exit statuses.

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
mod publish;
mod relocate;
mod remove;
mod report;
mod run;
mod score;
mod selection;
mod shard;
mod signals;
mod sql;
mod standing;
mod subjects;
mod terminal;
mod verify;
mod worker;

use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use msdata::Error;
use msdata::text::plain_lines;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use terminal::{STANDARD_OUTPUT, Style, Terminal, line_to_standard_error as say};

/// Did each requested identity survive? Data sets for multi-subject text-to-image evaluation
///
/// An SQLite catalog of subjects, prompts and generated images, Parquet embedding tables, and the Subject Collapse Rate
/// with everything around it.
#[derive(Parser)]
#[command(name = "msdata", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(disable_help_subcommand = true, disable_help_flag = true, disable_version_flag = true)]
struct Cli {
    /// The data set's directory
    #[arg(short, long, global = true, value_name = "DIR", env = "MSDATA_DATASET", default_value = ".", help_heading = GLOBAL)]
    #[arg(hide_env_values = true)]
    dataset: PathBuf,
    /// Print only results, warnings and errors
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    quiet: bool,
    /// Progress on standard error: auto, json or none
    #[arg(long, global = true, value_name = "STYLE", default_value = "auto", help_heading = GLOBAL)]
    #[arg(hide_possible_values = true)]
    progress: Style,
    /// Print this help; `msdata help COMMAND` explains more
    #[arg(id = "help", short = 'h', long = "help", global = true, action = ArgAction::HelpShort, help_heading = GLOBAL)]
    _help: Option<bool>,
    /// Print the version
    #[arg(id = "version", short = 'V', long = "version", action = ArgAction::Version, help_heading = GLOBAL)]
    _version: Option<bool>,
    #[command(subcommand)]
    verb: Option<Command>,
}

/// The file that makes a directory a data set.
const CATALOG: &str = "catalog.sqlite";

/// The heading of the options that every command has: its own come first.
const GLOBAL: &str = "Global options";

const EXAMPLES: &str = "Begin with `msdata demo DIR` or `msdata init DIR`; in a data set, `msdata` alone says what is next.";

#[derive(Subcommand)]
enum Command {
    Init(init::InitArgs),
    Ingest(Box<ingest::IngestArgs>),
    Embed(embed::EmbedArgs),
    Score(score::ScoreArgs),
    Report(report::ReportArgs),
    Plot(plot::PlotArgs),
    Compare(compare::CompareArgs),
    Controls(controls::ControlsArgs),
    Audit(audit::AuditArgs),
    Sql(sql::SqlArgs),
    Export(export::ExportArgs),
    Publish(publish::PublishArgs),
    Bench(bench::BenchArgs),
    Run(run::RunArgs),
    Verify(verify::VerifyArgs),
    Remove(remove::RemoveArgs),
    Relocate(relocate::RelocateArgs),
    Digest(digest::DigestArgs),
    Backup(backup::BackupArgs),
    Gc(gc::GcArgs),
    Subjects(subjects::SubjectsArgs),
    Encoders(encoders::EncodersArgs),
    Worker(worker::WorkerArgs),
    Shard(shard::ShardArgs),
    Demo(demo::DemoArgs),
    Help(manual::HelpArgs),
    #[command(hide = true)]
    Completions(manual::Completions),
    #[command(hide = true)]
    Man(manual::Man),
}

/// Options of `ingest` that `--help` leaves to `msdata help ingest`, so that it fits on a screen.
const RARE: [&str; 15] = [
    "batch",
    "columns",
    "crop",
    "grid",
    "keep_windows",
    "label_kinds",
    "least_score",
    "least_side",
    "list",
    "onnxruntime",
    "output",
    "scene_type",
    "scope",
    "threads",
    "transparency",
];

/// Returns the command line as it is parsed and explained.
fn command() -> clap::Command {
    let rare = |arg: clap::Arg| {
        let hidden = RARE.contains(&arg.get_id().as_str());
        arg.hide_short_help(hidden)
    };
    Cli::command().mut_subcommand("ingest", |ingest| ingest.mut_args(rare))
}

/// Returns the command line for these arguments: a query may begin with a comment, which no option looks like.
fn command_for(mut arguments: impl Iterator<Item = OsString>) -> clap::Command {
    let is_comment = |text: &str| text.starts_with('-') && text.contains(char::is_whitespace);
    let has_comment = arguments.any(|argument| argument.to_str().is_some_and(is_comment));
    command().mut_subcommand("sql", |sql| sql.mut_arg("query", |query| query.allow_hyphen_values(has_comment)))
}

/// How a command that did not fail ended.
#[derive(PartialEq)]
enum Ended {
    /// Everything is done.
    Done,
    /// `verify` found faults, or a check has findings.
    Unsound,
    /// Everything that could be done is done, but some images are missing or unusable, or some jobs failed.
    Incomplete,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    signals::end_well_on_a_full_disk();
    let parsed = command_for(std::env::args_os().skip(1)).try_get_matches().and_then(|matches| {
        let named = matches.value_source("dataset") == Some(ValueSource::CommandLine);
        Ok((Cli::from_arg_matches(&matches)?, named))
    });
    let (cli, named) = parsed.unwrap_or_else(|e| refused(&e));
    let terminal = Terminal::new(cli.quiet, cli.progress);
    let outcome = match cli.verb {
        Some(verb) => run(verb, &cli.dataset, &terminal),
        None if named || cli.dataset.join(CATALOG).is_file() => standing::print(&cli.dataset, named),
        None => {
            let help = command().arg_required_else_help(true).try_get_matches_from(["msdata"]);
            help.map_or_else(|e| refused(&e), |_| Ok(Ended::Done))
        }
    };
    match outcome {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Unsound) => ExitCode::from(1),
        Ok(Ended::Incomplete) => ExitCode::from(3),
        Err(e) => failed(&e),
    }
}

fn run(verb: Command, dir: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
    match verb {
        Command::Init(verb) => verb.run(dir, terminal),
        Command::Ingest(verb) => verb.run(dir, terminal),
        Command::Embed(verb) => verb.run(dir, terminal),
        Command::Score(verb) => verb.run(dir, terminal),
        Command::Report(verb) => verb.run(dir, terminal),
        Command::Plot(verb) => verb.run(dir, terminal),
        Command::Compare(verb) => verb.run(dir, terminal),
        Command::Audit(verb) => verb.run(dir, terminal),
        Command::Controls(verb) => verb.run(dir, terminal),
        Command::Sql(verb) => verb.run(dir),
        Command::Export(verb) => verb.run(dir, terminal),
        Command::Publish(verb) => verb.run(dir, terminal),
        Command::Bench(verb) => verb.run(dir, terminal),
        Command::Run(verb) => verb.run(dir, terminal),
        Command::Verify(verb) => verb.run(dir, terminal),
        Command::Remove(verb) => verb.run(dir, terminal),
        Command::Relocate(verb) => verb.run(dir, terminal),
        Command::Digest(verb) => verb.run(dir, terminal),
        Command::Backup(verb) => verb.run(dir, terminal),
        Command::Gc(verb) => verb.run(dir, terminal),
        Command::Subjects(verb) => verb.run(dir, terminal),
        Command::Encoders(verb) => verb.run(terminal),
        Command::Worker(verb) => verb.run(terminal),
        Command::Shard(verb) => verb.run(dir, terminal),
        Command::Demo(verb) => verb.run(terminal),
        Command::Help(verb) => verb.run(),
        Command::Completions(verb) => verb.run(),
        Command::Man(verb) => verb.run(),
    }
}

/// Ends the process as clap does; but a message with characters that would control a terminal is shown without
/// them, and without colours.
fn refused(e: &clap::Error) -> ! {
    let message = e.render().to_string();
    if !e.use_stderr() || plain_lines(&message) == message {
        e.exit();
    }
    terminal::lines_to_standard_error(&message);
    std::process::exit(e.exit_code());
}

/// Prints what went wrong and what to do next; returns the exit status.
fn failed(e: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(e) {
        return ExitCode::SUCCESS; // the reader of our output has seen enough
    }
    let error = e.downcast_ref::<Error>();
    match error {
        Some(Error::Manifest(problems)) => {
            let rows: u64 = problems.iter().map(msdata::problem::Problem::rows).sum();
            let rows = if rows == 1 { "1 bad row".to_owned() } else { format!("{rows} bad rows") };
            say("error: ", &format!("{rows}; nothing was written"));
            problems.iter().for_each(|p| say("", &p.to_string()));
        }
        // Some messages list what is wrong, one line each.
        Some(error) => terminal::lines_to_standard_error(&format!("error: {error}\n")),
        None => terminal::lines_to_standard_error(&format!("error: {e:#}\n")),
    }
    if let Some(hint) = error.and_then(Error::hint) {
        // There may be several hints, one per line.
        terminal::lines_to_standard_error(&format!("hint: {hint}\n"));
    }
    ExitCode::from(if matches!(error, Some(Error::Interrupted)) { 130 } else { 1 })
}

/// Returns whether the reader of standard output has closed it. A connection or a process that broke off is another matter,
/// and an error.
fn is_broken_pipe(e: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    let ours = |e: &Error| matches!(e, Error::Io { path, source, .. } if path == Path::new(STANDARD_OUTPUT) && broken(source));
    e.downcast_ref::<Error>().is_some_and(ours) || e.downcast_ref::<io::Error>().is_some_and(broken)
}

//! The command line: flags → options → one call of the library → print.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}

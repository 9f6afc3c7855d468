//! `relevo`, the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    relevo_client::cli::run(std::env::args_os())
}

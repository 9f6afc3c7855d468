//! The command line: parses, calls the account, prints.

mod arguments;
mod localise;

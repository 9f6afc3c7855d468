//! The scanner proves itself: what it cannot find when planted, it could not find when leaked.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::{Form, Scanner};

/// Where needles are planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Places {
    /// In a file alone.
    File,
    /// In a file and in the memory of a child process.
    FileAndMemory,
}

/// Plants every needle in every form in a file and, if wanted, in the memory of a child process, and checks that each is
/// found. `folder` is an empty folder that the caller removes; `program` calls [`hold_if_asked`] first.
///
/// # Errors
/// A planted needle was not found, or planting failed. The scanner must not be believed then.
pub fn planted(scanner: &Scanner, folder: &Path, program: &Path, places: Places) -> anyhow::Result<usize> {
    let mut planted = 0;
    let mut bytes = Vec::new();
    for needle in scanner.needles() {
        for (_, text) in needle.forms() {
            // Filler that grows, so that needles lie at all offsets and across the edges of chunks.
            bytes.extend(core::iter::repeat_n(0xA5, 1 + planted % 7));
            bytes.extend(text);
            planted += 1;
        }
    }
    let file = folder.join("planted");
    fs::write(&file, &bytes)?;
    let on_disk = scanner.directory(folder)?.findings;
    let in_memory = match places {
        Places::File => None,
        Places::FileAndMemory => {
            let mut holder = Holder::start(program, &file)?;
            let found = scanner.process(holder.child.id())?.findings;
            holder.stop()?;
            Some(found)
        }
    };
    for needle in scanner.needles() {
        for form in Form::ALL {
            ensure!(on_disk.has(needle.name(), form), "planted in a file and not found: {} as {form}", needle.name());
            let found = in_memory.as_ref().is_none_or(|found| found.has(needle.name(), form));
            ensure!(found, "planted in memory and not found: {} as {form}", needle.name());
        }
    }
    Ok(planted)
}

/// A child process that holds a file's bytes in its memory.
struct Holder {
    child: Child,
}

impl Holder {
    fn start(program: &Path, file: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg(HOLD)
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the process that holds the planted needles")?;
        let mut ready = [0; 5];
        child.stdout.as_mut().context("no output")?.read_exact(&mut ready).context("the holder did not start")?;
        Ok(Self { child })
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

/// First argument that makes a program of ours a holder.
pub const HOLD: &str = "--hold-planted";

/// A program that calls [`planted`] calls this first: with [`HOLD`] it holds the file in memory until its input ends.
///
/// # Errors
/// The file could not be read.
pub fn hold_if_asked() -> anyhow::Result<bool> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != HOLD) {
        return Ok(false);
    }
    let held = fs::read(arguments.next().context("which file?")?)?;
    println!("held");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // Kept alive until here on purpose.
    drop(core::hint::black_box(held));
    Ok(true)
}

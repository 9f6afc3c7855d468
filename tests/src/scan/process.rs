//! Looks through every readable mapping of another process's memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{Findings, Scanner};

/// Mappings that the kernel keeps for itself: no data of the process.
const KERNEL: [&str; 4] = ["[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]"];

/// What a scan of a process read.
#[derive(Debug, Default)]
pub struct ProcessScan {
    /// What was found.
    pub findings: Findings,
    /// Mappings read.
    pub mappings: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Mappings that say they are readable, yet whose bytes could not be read, by their line.
    pub unreadable: Vec<String>,
}

/// Memory was not looked at, which is not the same as finding nothing.
#[derive(Debug, thiserror::Error)]
#[error("memory NOT scanned: run as root ({0})")]
pub struct NotScanned(#[source] io::Error);

impl Scanner {
    /// Looks through the memory of a running process.
    ///
    /// # Errors
    /// [`NotScanned`] when the kernel refuses, or the process is gone.
    pub fn process(&self, pid: u32) -> Result<ProcessScan, NotScanned> {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).map_err(NotScanned)?;
        let memory = File::open(format!("/proc/{pid}/mem")).map_err(NotScanned)?;
        let mut scan = ProcessScan::default();
        for line in maps.lines() {
            let Some((from, to)) = readable(line) else { continue };
            let mut at = from;
            let place = format!("memory of process {pid}, {}", line.split_whitespace().nth(5).unwrap_or("anonymous"));
            let read = self.stream(&place, &mut scan.findings, |buffer| {
                let wanted = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
                let Some(window) = buffer.get_mut(..wanted).filter(|window| !window.is_empty()) else { return Ok(0) };
                let read = memory.read_at(window, at)?;
                at += u64::try_from(read).unwrap_or(0);
                Ok::<_, io::Error>(read)
            });
            match read {
                Ok(bytes) if bytes > 0 => {
                    scan.mappings += 1;
                    scan.bytes += bytes;
                }
                Ok(_) => scan.unreadable.push(line.to_owned()),
                // A mapping may end while it is read (EIO); a refusal for all of them shows as nothing read.
                Err(_) => scan.unreadable.push(line.to_owned()),
            }
        }
        if scan.bytes == 0 {
            return Err(NotScanned(io::Error::new(io::ErrorKind::PermissionDenied, "no mapping could be read")));
        }
        Ok(scan)
    }
}

/// The range of a mapping that the process can read, from a line of its maps.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let permitted = words.next()?.starts_with('r');
    if !permitted || KERNEL.iter().any(|name| line.ends_with(name)) {
        return None;
    }
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}

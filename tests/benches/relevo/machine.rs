//! What the kernel says of a process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// Linux counts a process's time for others in hundredths of a second, whatever its own tick is (proc_pid_stat(5)).
const TICK: Duration = Duration::from_millis(10);

/// A process, by its folder in /proc.
#[derive(Debug)]
pub(crate) struct Process(PathBuf);

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        Self(PathBuf::from(format!("/proc/{pid}")))
    }

    pub(crate) fn own() -> Self {
        Self(PathBuf::from("/proc/self"))
    }

    /// Processor time since its start, its own and the kernel's for it.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let text = fs::read_to_string(self.0.join("stat"))?;
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
        let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
        let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let mut next = || anyhow::Ok(times.next().context("stat is short")??);
        Ok(TICK * (next()? + next()?))
    }

    /// Processor time of it and of all that it has started and that runs.
    pub(crate) fn tree_cpu(&self) -> anyhow::Result<Duration> {
        // One that has ended meanwhile counts no more.
        Ok(self.tree()?.iter().filter_map(|one| one.cpu().ok()).sum())
    }

    /// Memory in KiB of it and of all that it has started and that runs.
    pub(crate) fn tree_memory_kib(&self) -> anyhow::Result<u32> {
        Ok(self.tree()?.iter().filter_map(|one| one.memory_kib().ok()).sum())
    }

    fn tree(&self) -> anyhow::Result<Vec<Self>> {
        let own = self.0.file_name().and_then(|name| name.to_str()).context("a process by its number")?;
        let mut parents = Vec::new();
        for item in fs::read_dir("/proc")? {
            let name = item?.file_name().to_string_lossy().into_owned();
            let stat = fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
            // After the name in parentheses: state, then parent.
            let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1));
            parents.extend(parent.map(|parent| (name, parent.to_owned())));
        }
        let mut tree = vec![own.to_owned()];
        let mut at = 0;
        while let Some(parent) = tree.get(at).cloned() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(name, _)| name.clone()));
            at += 1;
        }
        Ok(tree.into_iter().map(|name| Self(PathBuf::from("/proc").join(name))).collect())
    }

    /// Memory in KiB: what it holds, shared pages by their share where the kernel tells us.
    pub(crate) fn memory_kib(&self) -> anyhow::Result<u32> {
        // Other users may not look into smaps of a process that hides its memory; then all resident pages count.
        self.line("smaps_rollup", "Pss:").or_else(|_| self.line("status", "VmRSS:"))
    }

    /// The most that was resident since [`Self::forget_peak`], in KiB.
    pub(crate) fn peak_kib(&self) -> anyhow::Result<u32> {
        self.line("status", "VmHWM:")
    }

    /// Begins a new peak.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(fs::write(self.0.join("clear_refs"), "5")?)
    }

    fn line(&self, file: &str, name: &str) -> anyhow::Result<u32> {
        let text = fs::read_to_string(self.0.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        Ok(line.split_whitespace().next().context("an empty line")?.parse()?)
    }
}

//! What a seized relay holds: the memory of both while everybody is connected, then their disks.

use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use data_encoding::HEXLOWER;
use relevo_protocol::wire::RelayAddress;
use relevo_relay::store::{Store, StoreConfig};

use super::founding::{NORTH, QUEBEC};
use super::needles::{ReadMailbox, Secrets};
use super::report::{Memory, Operator, Report, Search};
use super::{Story, fed};
use crate::relay_process::RelayProcess;
use crate::scan::{DirectoryScan, Form, Needle, NotScanned, ProcessScan, Scanner, proof};

/// What is not looked for.
const EXCLUDED: [&str; 2] = [
    "the relay's own secrets (identity key, certificate's key, path secret, admissions): they are its own",
    "capabilities in memory: sessions show them; on disk they are looked for",
];
/// Bytes of a sealed entry that are looked for.
const SEALED: usize = 256;
/// Readings of a memory whose mappings come and go.
const READINGS: usize = 3;
/// What the members' programs logged.
pub const CLIENTS_LOG: &str = "clients.log";
/// Where all members of the story are, as a log would name it.
const LOOPBACK: &str = "127.0.0.1";
/// Name of that needle.
const KNOWN: &str = "a known sealed entry";

impl Story {
    pub(super) async fn seize(&mut self, report: &mut Report) -> anyhow::Result<()> {
        self.narrator
            .job("What a seized relay holds: memory and disk of both, searched for everything said and every key");
        report.excluded = EXCLUDED.map(str::to_owned).to_vec();
        report.memory = if self.settings.disk_only {
            Memory::LeftOut
        } else {
            refusal(&self.relays.north)?.map_or(Memory::Searched, |why| Memory::Refused { why: why.to_string() })
        };
        if let Memory::Refused { why } = &report.memory {
            self.narrator.more(why);
        }
        let memory = report.memory == Memory::Searched;
        let secrets = self.secrets().await?;
        let (in_memory, on_disk) = (secrets.memory_scanner()?, secrets.disk_scanner()?);
        self.narrator.done(format!(
            "everybody's vault is laid open: {} needles, and {} capabilities",
            in_memory.needles().len(),
            on_disk.needles().len() - in_memory.needles().len()
        ));
        let places = if memory { proof::Places::FileAndMemory } else { proof::Places::File };
        self.prove(&on_disk, places).await?;

        let known = [
            sealed_entry(&self.relays.north_address, &secrets).await.context("a sealed entry in the north")?,
            sealed_entry(self.relays.quebec.address(), &secrets).await.context("a sealed entry in Quebec")?,
        ];
        if memory {
            for (name, relay) in [(NORTH, &self.relays.north), (QUEBEC, &self.relays.quebec)] {
                let scan = memory_of(relay, &in_memory)?;
                let search = Search::new(name, "memory", &in_memory, &scan.findings);
                report.searches.push(Search { parts: scan.mappings, bytes: scan.bytes, ..search });
            }
            self.narrator.done("the memory of both relays is read, every mapping, while all seven are connected");
        }
        self.cast.leave().await;
        self.relays.north.stop()?;
        self.relays.quebec.stop()?;
        for ((name, relay), known) in
            [(NORTH, &self.relays.north), (QUEBEC, &self.relays.quebec)].into_iter().zip(&known)
        {
            let scan = on_disk.directory(relay.data())?;
            let search = Search::new(name, "disk", &on_disk, &scan.findings);
            report.searches.push(Search { parts: scan.files, bytes: scan.bytes, ..search });
            let sealed = known.directory(relay.data())?.findings;
            ensure!(sealed.has(KNOWN, Form::Raw), "{name}: a sealed entry that is there was not found");
            report.operators.push(operator(name, relay, &secrets)?);
        }
        self.narrator.done("both relays are stopped and every file is read; a known sealed entry is found in each");
        self.search_logs(report, &secrets.log_scanner()?)
    }

    /// Looks through what relays and clients logged at their most talkative, and through the vaults.
    fn search_logs(&mut self, report: &mut Report, scanner: &Scanner) -> anyhow::Result<()> {
        for (name, relay) in [(NORTH, &self.relays.north), (QUEBEC, &self.relays.quebec)] {
            let text = std::fs::read_to_string(relay.log())?;
            ensure!(text.contains("DEBUG"), "{name}: the log says less than it can");
            ensure!(!text.contains(LOOPBACK), "{name}: the log names the address of somebody");
            let mut scan = DirectoryScan::default();
            scanner.file(&relay.log(), &mut scan)?;
            let search = Search::new(name, "log", scanner, &scan.findings);
            report.searches.push(Search { parts: scan.files, bytes: scan.bytes, ..search });
        }
        let mut scan = DirectoryScan::default();
        scanner.file(&self.settings.folder.join(CLIENTS_LOG), &mut scan)?;
        let search = Search::new("seven members", "log", scanner, &scan.findings);
        report.searches.push(Search { parts: scan.files, bytes: scan.bytes, ..search });
        let mut vaults = DirectoryScan::default();
        for person in self.cast.all() {
            let scan = scanner.directory(person.vault())?;
            vaults.findings.merge(scan.findings);
            vaults.files += scan.files;
            vaults.bytes += scan.bytes;
        }
        let search = Search::new("seven members", "vault", scanner, &vaults.findings);
        report.searches.push(Search { parts: vaults.files, bytes: vaults.bytes, ..search });
        self.narrator.done("every log, at its most talkative, and every file of every vault is read");
        Ok(())
    }

    /// The scanner finds every needle in every form where they were planted.
    async fn prove(&mut self, scanner: &Scanner, places: proof::Places) -> anyhow::Result<()> {
        let folder = tempfile::tempdir_in(&self.settings.folder)?;
        let planted = proof::planted(scanner, folder.path(), &std::env::current_exe()?, places)?;
        self.narrator.done(format!("the search proves itself: {planted} planted copies, each in its form, all found"));

        let throwaway = folder.path().join("relay-throwaway");
        let mut relay = RelayProcess::start(&self.settings.relay, &throwaway, "127.0.0.1:0".parse()?)?;
        fed::feed(relay.address(), scanner).await.context("feeding the throwaway relay")?;
        let in_memory = match places {
            proof::Places::FileAndMemory => Some(memory_of(&relay, scanner)?.findings),
            proof::Places::File => None,
        };
        relay.stop()?;
        let on_disk = scanner.directory(&throwaway)?.findings;
        for needle in scanner.needles() {
            for form in Form::ALL {
                let name = needle.name();
                ensure!(on_disk.has(name, form), "fed to a relay and not found on its disk: {name} as {form}");
                let found = in_memory.as_ref().is_none_or(|found| found.has(name, form));
                ensure!(found, "fed to a relay and not found in its memory: {name} as {form}");
            }
        }
        self.narrator.done("a throwaway relay is fed all of it unsealed: all found");
        Ok(())
    }
}

/// Why the memory of our own child cannot be read, if it cannot.
fn refusal(relay: &RelayProcess) -> anyhow::Result<Option<NotScanned>> {
    Ok(Scanner::new(Vec::new())?.process(relay.pid()).err())
}

/// Reads the memory of a relay; again when a mapping went away under the reading.
fn memory_of(relay: &RelayProcess, scanner: &Scanner) -> anyhow::Result<ProcessScan> {
    for _ in 0..READINGS {
        let scan = scanner.process(relay.pid())?;
        if scan.unreadable.is_empty() {
            return Ok(scan);
        }
    }
    bail!("a mapping of the relay's memory says that it is readable, and is not")
}

async fn sealed_entry(address: &str, secrets: &Secrets) -> anyhow::Result<Scanner> {
    let parsed: RelayAddress = address.parse()?;
    let there: Vec<&ReadMailbox> =
        secrets.reading.iter().flatten().filter(|one| one.relay == parsed.fingerprint).collect();
    let entry = fed::sealed_entry(address, &there).await?;
    Scanner::new(vec![Needle::new(KNOWN, entry.get(..SEALED).unwrap_or(&entry))?])
}

/// What the operator can see, counted from what the relay has on disk. What a session reads is known to the relay while
/// the session lasts; it is counted here from the vaults.
fn operator(name: &str, relay: &RelayProcess, secrets: &Secrets) -> anyhow::Result<Operator> {
    let (store, ledger) = Store::open(&relay.data().join("store"), StoreConfig::default())?;
    let census = store.census()?;
    drop(ledger);
    let address: RelayAddress = relay.address().parse()?;
    let sessions = secrets.reading.iter().map(|read| {
        let there = read.iter().filter(|one| one.relay == address.fingerprint);
        there.map(|one| HEXLOWER.encode(one.mailbox.0.first_chunk::<3>().unwrap_or(&[0; 3]))).collect::<Vec<_>>()
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    Ok(Operator {
        relay: name.to_owned(),
        personal_mailboxes: census.personal,
        shared_mailboxes: census.shared,
        entries: census.entries,
        expire_in_hours: census
            .entry_hours
            .iter()
            .map(|hour| u32::try_from(hour.end().0.saturating_sub(now) / 3600).unwrap_or(u32::MAX))
            .collect(),
        blobs: census.blobs,
        blob_bytes: census.blob_bytes,
        sessions: sessions.filter(|read| !read.is_empty()).collect(),
    })
}

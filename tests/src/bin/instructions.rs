//! How many instructions the relay's and the client's most frequent work takes, counted by callgrind and held against
//! `benches/instructions.tsv`. Unlike time, a count is the same on a busy machine.
//!
//! ```text
//! cargo run -p relevo-tests --bin instructions                       # fails where a count is 5 % off the committed one
//! cargo run -p relevo-tests --bin instructions -- --accept "REASON"  # commits to what is counted now
//! ```
//! With `CARGO_INCREMENTAL=0`, as CI builds: in other parts the same program is compiled to another one.
//! This program runs itself under callgrind, once for each work; only what happens inside [`counted_here`] counts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use relevo_protocol::limits::MAX_FRAME;
use relevo_protocol::sealed::{EntryKey, open, seal};
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Call, Capability, Cursor, Entry, FrameReader, Grant, MailboxKind, Request, Sequence, Subscription, SubscriptionId,
    decode_exact, encode, write_frame,
};
use relevo_relay::driven::{DrivenRelay, SessionId};
use relevo_relay::store::StoreConfig;

/// Entries of one count, and of one batch of the store.
const ENTRIES: u64 = 1024;
const BATCH: u64 = 64;
/// Bytes of an entry: the smallest, so that hashes and ciphers, which are not ours, hide least of the rest.
const ENTRY: usize = 512;
/// A text that is sealed into such an entry.
const TEXT: [u8; 400] = [b'a'; 400];
/// Bytes that come at once: what a QUIC packet brings.
const PACKET: usize = 1200;
/// Part by which a count may be off the committed one, in hundredths. One that falls is committed to as well: what it rises to
/// again would not be seen.
const TOLERATED: u64 = 5;
/// The same where another compiler made the program, or another machine counts.
const TOLERATED_ELSEWHERE: u64 = 25;
/// Seconds of one count. It takes two.
const PATIENCE: &str = "300";
/// First line of the table.
const HEAD: &str = "work\tinstructions\tby\treason";
const NOW: Timestamp = Timestamp(500_000 * 3600);

/// Holds the instructions of frequent work against the committed ones
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Arguments {
    /// Write down what is counted now as what is right, with the reason
    #[arg(long, value_name = "REASON")]
    accept: Option<String>,
    /// Do a work without counting it; what callgrind is given to run
    #[arg(long, hide = true)]
    work: Option<Work>,
}

/// What is counted, for one entry each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Work {
    /// A frame cut from a stream and parsed.
    Decode,
    /// An entry sealed for a group's log.
    Seal,
    /// The same opened.
    Open,
    /// At a relay, from the frame to the answer, durable in batches of 64.
    Append,
    /// At a relay, from the woken subscription to the frame.
    Deliver,
}

/// A line of the committed table.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    work: String,
    instructions: u64,
    /// Compiler and machine.
    by: String,
    reason: String,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { accept, work } = Arguments::parse();
    if let Some(work) = work {
        work.carry_out()?;
        return Ok(ExitCode::SUCCESS);
    }
    let table = table();
    let committed = match std::fs::read_to_string(&table) {
        Ok(text) => read(&text)?,
        Err(_) if accept.is_some() => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", table.display())),
    };
    let by = by()?;
    let mut lines = Vec::new();
    let mut off = false;
    for work in Work::value_variants() {
        let instructions = count(*work)?;
        let before = committed.iter().find(|line| line.work == work.word());
        println!("{}", told(*work, instructions, before));
        off |= before.is_none_or(|before| is_off(instructions, before, &by));
        lines.push(line(*work, instructions, before, &by, accept.as_deref()));
    }
    if accept.is_some() {
        std::fs::write(&table, written(&lines)).with_context(|| format!("cannot write {}", table.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if off {
        println!("Counted by {by}. At least one is more than {TOLERATED} % off what {} has,", table.display());
        println!("or {TOLERATED_ELSEWHERE} % where another compiler or machine counted. Find out why, or accept it:");
        println!("CARGO_INCREMENTAL=0 cargo run -p relevo-tests --bin instructions -- --accept \"REASON\"");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.tsv")
}

/// The line that a count gives. A reason stays with the count that it was given for.
fn line(work: Work, instructions: u64, before: Option<&Line>, by: &str, reason: Option<&str>) -> Line {
    match (before, reason) {
        (Some(before), Some(_)) if !is_other(instructions, before, by) => before.clone(),
        (_, reason) => Line {
            work: work.word().to_owned(),
            instructions,
            by: by.to_owned(),
            reason: reason.unwrap_or_default().to_owned(),
        },
    }
}

fn is_off(instructions: u64, before: &Line, by: &str) -> bool {
    let tolerated = if before.by == by { TOLERATED } else { TOLERATED_ELSEWHERE };
    is_apart(instructions, before, tolerated)
}

/// Whether a count says anything that the committed one does not.
fn is_other(instructions: u64, before: &Line, by: &str) -> bool {
    before.by != by || is_apart(instructions, before, 1)
}

fn is_apart(instructions: u64, before: &Line, hundredths: u64) -> bool {
    instructions.abs_diff(before.instructions).saturating_mul(100) > before.instructions.saturating_mul(hundredths)
}

fn told(work: Work, instructions: u64, before: Option<&Line>) -> String {
    let word = work.word();
    let Some(before) = before else { return format!("{word:8} {instructions:>8} instructions, none committed") };
    let hundredths = instructions.saturating_mul(100) / before.instructions.max(1);
    format!("{word:8} {instructions:>8} instructions, {hundredths} % of the committed {}", before.instructions)
}

fn read(text: &str) -> anyhow::Result<Vec<Line>> {
    let mut lines = text.lines();
    anyhow::ensure!(lines.next() == Some(HEAD), "the table does not begin with {HEAD:?}: take the counts anew");
    let lines = lines.map(|line| {
        let [work, instructions, by, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
            anyhow::bail!("not four columns: {line}");
        };
        let instructions = instructions.parse().with_context(|| format!("not a count: {instructions}"))?;
        Ok(Line { work: work.into(), instructions, by: by.into(), reason: reason.into() })
    });
    lines.collect()
}

fn written(lines: &[Line]) -> String {
    let mut text = format!("{HEAD}\n");
    for Line { work, instructions, by, reason } in lines {
        let reason = reason.replace(['\t', '\n'], " ");
        // Writing to a string cannot fail.
        let _: std::fmt::Result = writeln!(text, "{work}\t{instructions}\t{by}\t{reason}");
    }
    text
}

/// What a count depends on beside the code: compiler, valgrind, and whether the processor has the instructions for which
/// ciphers and the C library have code of their own.
fn by() -> anyhow::Result<String> {
    let version = |program: &str| -> anyhow::Result<String> {
        let said = Command::new(program).arg("--version").output().with_context(|| format!("cannot run {program}"))?;
        let said = String::from_utf8(said.stdout)?;
        let word = said.split_whitespace().find(|word| word.contains('.'));
        Ok(word.with_context(|| format!("{program} did not say its version"))?.to_owned())
    };
    #[cfg(target_arch = "x86_64")]
    let wide = if std::is_x86_feature_detected!("avx2") { " avx2" } else { "" };
    #[cfg(not(target_arch = "x86_64"))]
    let wide = "";
    Ok(format!("rustc {}, {}, {}{wide}", version("rustc")?, version("valgrind")?, std::env::consts::ARCH))
}

/// Instructions of one entry's work.
fn count(work: Work) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    // Fair: one thread of sled's waits for another without giving its turn away, which valgrind's own scheduler lets it do for ever.
    let done = Command::new("timeout")
        .args([PATIENCE, "valgrind", "--tool=callgrind", "--fair-sched=yes"])
        .args(["--toggle-collect=*counted_here*", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--work", work.word()])
        .output()
        .context("cannot run timeout, which is among Debian's coreutils")?;
    anyhow::ensure!(done.status.code() != Some(124), "{} took longer than {PATIENCE} s", work.word());
    anyhow::ensure!(done.status.code() != Some(127), "valgrind is missing: apt-get install valgrind");
    anyhow::ensure!(
        done.status.success(),
        "{} under valgrind ended with {}: {}",
        work.word(),
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
    let text = std::fs::read_to_string(&out).context("callgrind wrote nothing")?;
    let all = total(&text).context("callgrind wrote no total")?;
    anyhow::ensure!(all > ENTRIES, "nothing was counted: has counted_here another name?");
    Ok(all / ENTRIES)
}

/// The total of what callgrind has written.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

/// What callgrind counts: it is told this name.
#[inline(never)]
fn counted_here<R>(work: impl FnOnce() -> R) -> R {
    work()
}

impl Work {
    fn word(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Seal => "seal",
            Self::Open => "open",
            Self::Append => "append",
            Self::Deliver => "deliver",
        }
    }

    fn carry_out(self) -> anyhow::Result<()> {
        match self {
            Self::Decode => self.cut_frames(),
            Self::Seal | Self::Open => self.use_a_key(),
            Self::Append | Self::Deliver => self.use_a_relay(),
        }
    }

    /// Does a part of what is needed, and counts it if it is what this work is.
    fn part<R>(self, part: Self, work: impl FnOnce() -> R) -> R {
        if part == self { counted_here(work) } else { work() }
    }

    fn cut_frames(self) -> anyhow::Result<()> {
        let mailbox = Mailbox::new()?;
        let mut stream = Vec::new();
        for number in 0..whole(ENTRIES)? {
            write_frame(&mut stream, &mailbox.append(number)?, MAX_FRAME)?;
        }
        let requests = self.part(Self::Decode, || {
            let mut reader = FrameReader::new();
            let mut requests = 0;
            for packet in stream.chunks(PACKET) {
                reader.push(packet);
                while let Some(frame) = reader.next_frame(MAX_FRAME)? {
                    let Request { call: Call::Append { .. }, .. } = decode_exact(&frame)? else {
                        anyhow::bail!("a request came out as another");
                    };
                    requests += 1;
                }
            }
            Ok(requests)
        })?;
        anyhow::ensure!(requests == ENTRIES, "{requests} requests came out");
        Ok(())
    }

    fn use_a_key(self) -> anyhow::Result<()> {
        let (key, mailbox) = (EntryKey::random()?, Capability::random()?.mailbox());
        for _ in 0..ENTRIES {
            let entry = self.part(Self::Seal, || seal(&key, &mailbox, &TEXT))?;
            let text = self.part(Self::Open, || open(&key, &mailbox, &entry))?;
            anyhow::ensure!(entry.size() == ENTRY && *text == TEXT, "another entry or text came out");
        }
        Ok(())
    }

    /// One session appends, another follows.
    fn use_a_relay(self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        // Whatever room this machine has.
        let config = StoreConfig { free_bytes: 0, last_free_bytes: 0, ballast_bytes: 0, ..StoreConfig::default() };
        let mut relay = DrivenRelay::open_in(&folder.path().join("store"), config, 1, NOW)?;
        let (writer, reader) = (SessionId(1), SessionId(2));
        for session in [writer, reader] {
            relay.greet(session, &DrivenRelay::address(1), NOW).context("a session was not let in")?;
        }
        let mailbox = Mailbox::new()?;
        ask(&mut relay, writer, &[mailbox.open()])?;
        ask(&mut relay, reader, &[mailbox.follow()])?;
        for batch in 0..ENTRIES / BATCH {
            let first = whole(batch * BATCH)?;
            let frames =
                (first..first + whole(BATCH)?).map(|number| mailbox.append(number)).collect::<Result<Vec<_>, _>>()?;
            let answers = self.part(Self::Append, || ask(&mut relay, writer, &frames))?;
            let pushed = self.part(Self::Deliver, || relay.take(reader, NOW));
            anyhow::ensure!(whole(BATCH)? == whole(answers)?, "{answers} answers");
            let bytes: usize = pushed.iter().map(Bytes::len).sum();
            anyhow::ensure!(bytes > ENTRY * answers, "not every entry was delivered");
        }
        Ok(())
    }
}

/// Says frames to a relay and gives how many it says.
fn ask(relay: &mut DrivenRelay, session: SessionId, frames: &[Vec<u8>]) -> anyhow::Result<usize> {
    for frame in frames {
        anyhow::ensure!(relay.request(session, frame), "the relay ended a session");
    }
    relay.commit(NOW)?;
    Ok(relay.take(session, NOW).len())
}

/// A group's log.
struct Mailbox {
    owner: Capability,
    read: Capability,
    append: Capability,
}

impl Mailbox {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { owner: Capability::random()?, read: Capability::random()?, append: Capability::random()? })
    }

    fn open(&self) -> Vec<u8> {
        let hash = self.append.hash();
        let grant = Grant { hash, per_hour: u32::MAX, bytes_per_hour: u64::MAX, expires: Hour(u32::MAX) };
        request(
            0,
            Call::Open {
                kind: MailboxKind::Shared,
                owner: self.owner.hash(),
                read: Some(self.read.hash()),
                append: vec![grant],
                take: Vec::new(),
                lease_hours: 48,
            },
        )
    }

    fn follow(&self) -> Vec<u8> {
        let cursor = Cursor { incarnation: None, after: Sequence(0) };
        let (id, mailbox, capability) = (SubscriptionId(1), self.owner.mailbox(), self.read.duplicate());
        let subscription = Subscription { id, mailbox, capability, cursor, credit: 2048 };
        request(0, Call::Resume { subscriptions: vec![subscription] })
    }

    /// Random bytes, as sealed ones are.
    fn append(&self, number: u32) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; ENTRY];
        getrandom::fill(&mut bytes).context("the operating system gave no randomness")?;
        let (mailbox, capability) = (self.owner.mailbox(), self.append.duplicate());
        Ok(request(number, Call::Append { mailbox, capability, entry: Entry::parse(bytes.into())? }))
    }
}

fn request(number: u32, call: Call) -> Vec<u8> {
    encode(&Request { number, call })
}

fn whole(count: impl TryInto<u32>) -> anyhow::Result<u32> {
    count.try_into().map_err(|_| anyhow::anyhow!("a count is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(instructions: u64) -> Line {
        let (work, by, reason) = ("seal".to_owned(), "1.95.0".to_owned(), "the first".to_owned());
        Line { work, instructions, by, reason }
    }

    #[test]
    fn a_count_is_off_by_5_hundredths_and_by_25_elsewhere() {
        for (instructions, by, off) in [
            (949, "1.95.0", true),
            (950, "1.95.0", false),
            (1050, "1.95.0", false),
            (1051, "1.95.0", true),
            (749, "1.96.0", true),
            (1250, "1.96.0", false),
            (1251, "1.96.0", true),
        ] {
            assert_eq!(is_off(instructions, &committed(1000), by), off, "{instructions} by {by}");
        }
    }

    #[test]
    fn the_reason_stays_with_the_count_that_it_was_given_for() {
        let before = committed(1000);
        assert_eq!(line(Work::Seal, 1009, Some(&before), "1.95.0", Some("another work's")), before);
        let after = line(Work::Seal, 1200, Some(&before), "1.95.0", Some("pads more"));
        assert_eq!(after, Line { instructions: 1200, reason: "pads more".into(), ..before.clone() });
        assert_eq!(line(Work::Seal, 1000, Some(&before), "1.96.0", Some("a newer compiler")).by, "1.96.0");
    }

    #[test]
    fn what_is_written_is_read() {
        let lines = vec![committed(1000), Line { reason: "a\ttab and a\nline".into(), ..committed(7) }];
        let read = read(&written(&lines)).unwrap();
        assert_eq!(read, [committed(1000), Line { reason: "a tab and a line".into(), ..committed(7) }]);
        assert!(super::read("work\tinstructions\tby\treason\nseal\tmany\t1.95.0\twhy\n").is_err());
        assert!(super::read("work\tinstructions\tby\treason\nseal\t7\n").is_err());
        assert!(super::read("work\tinstructions\tcompiler\treason\n").is_err());
    }

    #[test]
    fn the_total_is_found_in_what_callgrind_writes() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1) a\ntotals: 1234567\n"), Some(1_234_567));
        assert_eq!(total("events: Ir\n"), None);
    }
}

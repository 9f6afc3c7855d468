//! `relevo doctor`: looks for what is wrong, on this device and on the way to its relays, and says what to do.

mod relays;

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relevo_protocol::time::Timestamp;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use super::arguments::Global;
use super::failure::{Failure, Stop};
use super::screen::Screen;
use super::{passphrase, place, shown, when};
use crate::i18n::L10nLanguage;
use crate::vault::relays::KnownRelay;
use crate::vault::{self, Vault, VaultFault};

/// Below this many bytes free, the disk counts as almost full.
const ROOM: u64 = 100_000_000;

/// A clock that is behind the vault's files by more than this was set back; less is the file system's rounding.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    #[default]
    Note,
    Bad,
}

#[derive(Default, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    what: String,
    r#do: Option<String>,
    /// Of a relay: its name, the step that failed, and the code of why.
    relay: Option<String>,
    step: Option<&'static str>,
    error: Option<&'static str>,
}

/// Looks at everything, prints each finding, and fails if one of them is bad.
pub(crate) fn examine(global: &Global, screen: &mut Screen) -> Result<(), Stop> {
    let folder = place::vault(global)?;
    let words = screen.words();
    let (door, opened) = vault(global, &folder, words);
    let mut findings = vec![door];
    findings.extend(fs::metadata(&folder).ok().map(|about| permissions(&folder, &about, words)));
    findings.push(clock(&folder, words));
    findings.push(core_dumps(words));
    findings.push(swap(words));
    findings.extend(disk(&folder, words));
    findings.push(Finding {
        check: "employer",
        state: State::Note,
        what: words.msg_doctor_employer_note(),
        r#do: Some(words.msg_doctor_employer_do()),
        ..Finding::default()
    });
    if let Some(relays) = opened {
        findings.extend(if global.offline {
            let (what, to_do) = (words.msg_doctor_relay_offline(), words.msg_doctor_relay_offline_do());
            vec![Finding { check: "relay", what, r#do: Some(to_do), ..Finding::default() }]
        } else {
            relays::examine(relays, Duration::from_secs(global.wait), words)?
        });
    }
    for finding in &findings {
        print(finding, screen)?;
    }
    if findings.iter().any(|finding| finding.state == State::Bad) { Err(Stop::Said) } else { Ok(()) }
}

fn print(finding: &Finding, screen: &mut Screen) -> Result<(), Stop> {
    if screen.is_json() {
        return screen.object(finding);
    }
    let words = screen.words();
    let state = match finding.state {
        State::Good => words.msg_doctor_good(),
        State::Note => words.msg_doctor_note(),
        State::Bad => words.msg_doctor_bad(),
    };
    let to_do = words.msg_heading_do();
    screen.field(&state, &finding.what)?;
    finding.r#do.as_ref().map_or(Ok(()), |advice| screen.field(&format!("    {to_do}"), advice))
}

fn finding(check: &'static str, good: bool, says: [String; 2], advice: String) -> Finding {
    let [yes, no] = says;
    if good {
        Finding { check, state: State::Good, what: yes, ..Finding::default() }
    } else {
        Finding { check, state: State::Bad, what: no, r#do: Some(advice), ..Finding::default() }
    }
}

/// Whether the vault opens and is sound, and if so the relays that it uses.
fn vault(global: &Global, folder: &Path, words: &L10nLanguage) -> (Finding, Option<Vec<KnownRelay>>) {
    let open = || -> Result<Vec<KnownRelay>, Stop> {
        Vault::look(folder)?;
        let passphrase = passphrase::ask(global, words)?;
        let mut vault = Vault::open(folder, &passphrase)?;
        vault.check()?;
        Ok(vault.transaction(vault::relays::in_use)?)
    };
    let failure = match open() {
        Ok(relays) => {
            let what = words.msg_doctor_vault_good();
            return (Finding { check: "vault", state: State::Good, what, ..Finding::default() }, Some(relays));
        }
        Err(Stop::Failure(failure)) => failure,
        Err(Stop::Said | Stop::Interrupted | Stop::PipeClosed) => Failure::of(VaultFault::Bug { code: 0 }.code()),
    };
    let (what, to_do) = (failure.what(words), failure.advice(words));
    (Finding { check: "vault", state: State::Bad, what, r#do: Some(to_do), ..Finding::default() }, None)
}

fn permissions(folder: &Path, about: &Metadata, words: &L10nLanguage) -> Finding {
    let mine = about.uid() == rustix::process::geteuid().as_raw();
    let closed = |about: &Metadata| about.permissions().mode() & 0o077 == 0;
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let all_closed = files.filter_map(|file| file.metadata().ok()).all(|about| closed(&about));
    let name = shown::name(&folder.to_string_lossy());
    let says = [words.msg_doctor_folder_good(&name), words.msg_doctor_folder_bad(&name)];
    finding("folder", mine && closed(about) && all_closed, says, words.msg_doctor_folder_do(&name))
}

fn clock(folder: &Path, words: &L10nLanguage) -> Finding {
    let now = SystemTime::now();
    let used = fs::read_dir(folder).into_iter().flatten().flatten();
    let last_use = used.filter_map(|file| file.metadata().and_then(|about| about.modified()).ok()).max();
    let behind = last_use.is_some_and(|last| last > now + CLOCK_SLACK);
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let shown = when::exact(Timestamp(seconds));
    let says = [words.msg_doctor_clock_good(&shown), words.msg_doctor_clock_bad(&shown)];
    finding("clock", !behind, says, words.msg_doctor_clock_do())
}

/// The vault turns core dumps off before it reads a key; this looks whether the system obeyed.
fn core_dumps(words: &L10nLanguage) -> Finding {
    let off = getrlimit(Resource::Core).current == Some(0);
    finding("core", off, [words.msg_doctor_core_good(), words.msg_doctor_core_bad()], words.msg_doctor_core_do())
}

/// Swap in compressed memory (zram) never reaches a disk.
fn swap(words: &L10nLanguage) -> Finding {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let on_disk = swaps.lines().skip(1).any(|line| !line.starts_with("/dev/zram"));
    if on_disk {
        let (what, to_do) = (words.msg_doctor_swap_note(), words.msg_doctor_swap_do());
        Finding { check: "swap", state: State::Note, what, r#do: Some(to_do), ..Finding::default() }
    } else {
        Finding { check: "swap", state: State::Good, what: words.msg_doctor_swap_good(), ..Finding::default() }
    }
}

fn disk(folder: &Path, words: &L10nLanguage) -> Option<Finding> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let says = [words.msg_doctor_disk_good(), words.msg_doctor_disk_bad()];
    Some(finding("disk", free >= ROOM, says, words.msg_doctor_disk_do()))
}

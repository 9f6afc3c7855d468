//! The doctor's look at the relays: name, answer, proof, admission, clock, one step after the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::RelayAddress;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::failure::{Failure, Stop};
use super::super::{session, shown, when};
use super::{Finding, State};
use crate::i18n::L10nLanguage;
use crate::link::{Connected, Link, LinkFault};
use crate::vault::relays::{Admissions, KnownRelay};

/// Clocks may be so far apart before it is said: nothing here expires by less.
const CLOCKS: u64 = 300;

/// Even with `--wait 0` a relay is given a moment.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// How long the relays are given to hear that we leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// The first step that failed, by the relay's fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Name,
    Answer,
    Proof,
    Admission,
}

/// Reaches for every relay at once, and says of each how far it came. Takes no longer than `wait`.
pub(super) fn examine(relays: Vec<KnownRelay>, wait: Duration, words: &L10nLanguage) -> Result<Vec<Finding>, Stop> {
    if relays.is_empty() {
        let what = words.msg_doctor_relay_none();
        return Ok(vec![Finding { check: "relay", state: State::Note, what, ..Finding::default() }]);
    }
    let names: Vec<[String; 2]> = relays.iter().map(|relay| [label(&relay.address), name(&relay.address)]).collect();
    let runtime = session::runtime()?;
    let reached = runtime.block_on(reach_all(relays, wait.max(LEAST_WAIT)))?;
    // Names that are still being looked up are no reason to wait.
    runtime.shutdown_background();
    let found = names.into_iter().zip(reached).map(|([label, name], reached)| {
        let finding = finding(&label, reached, words);
        Finding { relay: Some(name), ..finding }
    });
    Ok(found.collect())
}

async fn reach_all(relays: Vec<KnownRelay>, wait: Duration) -> Result<Vec<Result<Timestamp, LinkFault>>, Stop> {
    let link = Link::new()?;
    let mut reached = vec![Err(LinkFault::Unreachable); relays.len()];
    let mut tasks = JoinSet::new();
    for (place, relay) in relays.into_iter().enumerate() {
        let link = link.clone();
        tasks.spawn(async move { (place, reach(&link, relay).await) });
    }
    let all = async {
        while let Some(done) = tasks.join_next().await {
            if let Ok((place, found)) = done
                && let Some(kept) = reached.get_mut(place)
            {
                *kept = found;
            }
        }
    };
    // Those that have not answered by then have not answered.
    let _elapsed = timeout(wait, all).await;
    tasks.abort_all();
    // The relays hear that the sessions end.
    let _closed = timeout(FAREWELL, link.close()).await;
    Ok(reached)
}

/// The relay's clock, if it lets this device in. As the engine does, an admission of our own whose answer was lost is
/// followed by the one that was given.
async fn reach(link: &Link, relay: KnownRelay) -> Result<Timestamp, LinkFault> {
    let KnownRelay { address, admissions } = relay;
    let (first, second) = match admissions {
        Admissions::Own(own) => (address.with_admission(&own), None),
        Admissions::Proposed(own) => (address.with_admission(&own), Some(address)),
        Admissions::Given => (address, None),
    };
    let connected = match (link.connect(&first).await, second) {
        (Err(LinkFault::NotAdmitted), Some(second)) => link.connect(&second).await,
        (done, _) => done,
    };
    let Connected { session, welcome, .. } = connected?;
    session.close();
    Ok(welcome.now)
}

fn finding(label: &str, reached: Result<Timestamp, LinkFault>, words: &L10nLanguage) -> Finding {
    let bad = Finding { check: "relay", state: State::Bad, ..Finding::default() };
    let theirs = match reached {
        Ok(theirs) => theirs,
        Err(fault) => {
            let (step, failure) = (step(fault), Failure::of(fault.code()));
            let (step, tried) = match step {
                Step::Name => ("name", words.msg_doctor_step_name()),
                Step::Answer => ("answer", words.msg_doctor_step_answer()),
                Step::Proof => ("proof", words.msg_doctor_step_proof()),
                Step::Admission => ("admission", words.msg_doctor_step_admission()),
            };
            return Finding {
                what: words.msg_doctor_relay_bad(label, tried, failure.what(words)),
                r#do: Some(failure.advice(words)),
                step: Some(step),
                error: Some(fault.code()),
                ..bad
            };
        }
    };
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if ours.abs_diff(theirs.0) > CLOCKS {
        let what = words.msg_doctor_relay_clock(label, when::exact(theirs), when::exact(Timestamp(ours)));
        return Finding { what, r#do: Some(words.msg_doctor_relay_clock_do()), step: Some("clock"), ..bad };
    }
    Finding { state: State::Good, what: words.msg_doctor_relay_good(label), ..bad }
}

fn step(fault: LinkFault) -> Step {
    match fault {
        LinkFault::UnknownHost => Step::Name,
        LinkFault::Unreachable | LinkFault::Lost | LinkFault::Ended | LinkFault::System(_) => Step::Answer,
        LinkFault::Handshake
        | LinkFault::NotARelay
        | LinkFault::WrongRelay
        | LinkFault::NotProved
        | LinkFault::WrongVersion
        | LinkFault::Malformed => Step::Proof,
        LinkFault::NotAdmitted => Step::Admission,
    }
}

/// As `status` names it.
fn name(relay: &RelayAddress) -> String {
    HEXLOWER.encode(&relay.fingerprint.0).chars().take(8).collect()
}

/// For people: the host says more than the name.
fn label(relay: &RelayAddress) -> String {
    format!("{} ({})", shown::name(&relay.host), name(relay))
}

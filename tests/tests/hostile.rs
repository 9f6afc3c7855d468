//! Each attacker of issue "Attack it" against a real relay process: what it may pin, and that others are served on.
//! Figures of speed under attack are a benchmark (tests/benches); here are bounds that hold on any machine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use relevo_client::link::{Link, LinkFault};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Admission, Answer, Call, Capability, Cursor, Entry, Grant, MailboxKind, Opening, Outcome, Refusal, RelayAddress,
    Reply, Request, Sequence, Subscription, SubscriptionId, encode,
};
use relevo_relay::{Config, Relay};
use relevo_tests::hostile::{
    Attacker, HalfOpen, Http, PATIENCE, Stalled, Stream, Wanderer, gappy, gappy_bursts, gappy_session, gappy_visit,
    retirements,
};
use relevo_tests::relay_process::RelayProcess;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// H3_NO_ERROR and not a word: how every connection ends.
const SILENT: (u64, &[u8]) = (0x100, b"");

/// A relay to be attacked.
struct Target {
    relay: RelayProcess,
    address: RelayAddress,
    folder: TempDir,
}

impl Target {
    fn start(limits: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("relay.toml");
        let store = "[store]\nfree_bytes = 0\nlast_free_bytes = 0\nballast_bytes = 0\n";
        fs::write(&config, format!("[limits]\n{limits}\n{store}")).unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let relay = RelayProcess::start_with(&program(), &folder.path().join("data"), listen, &config).unwrap();
        let address = relay.address().parse().unwrap();
        Self { relay, address, folder }
    }

    /// Kills the relay and starts it where it was.
    fn again(&mut self) {
        self.relay.kill().unwrap();
        let (data, config) = (self.folder.path().join("data"), self.folder.path().join("relay.toml"));
        self.relay = RelayProcess::start_with(&program(), &data, self.socket(), &config).unwrap();
    }

    fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address.host.parse::<IpAddr>().unwrap(), self.address.port)
    }

    /// The most memory that was ever resident, in KiB: what was given back again counts too.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.relay.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The same, once it grows no more.
    async fn settled(&self) -> u64 {
        let mut last = self.memory();
        loop {
            sleep(Duration::from_millis(400)).await;
            let now = self.memory();
            if now <= last {
                return now;
            }
            last = now;
        }
    }

    /// What each of these attackers has had the relay hold since, in KiB. All must still be there, and the relay hold
    /// something: else this measured nothing.
    async fn grown<'a>(&self, before: u64, attackers: impl ExactSizeIterator<Item = &'a Attacker>) -> u64 {
        let count = u64::try_from(attackers.len()).unwrap();
        let each = self.settled().await.saturating_sub(before) / count;
        for attacker in attackers {
            assert!(attacker.connection.close_reason().is_none(), "it was sent away");
        }
        each
    }

    async fn attackers(&self, count: usize) -> Vec<Attacker> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(Attacker::connect(self.socket()).await.unwrap());
        }
        all
    }

    /// Others are served.
    async fn serves(&self) {
        let connected = Link::new().unwrap().connect(&self.address).await.unwrap();
        assert_eq!(connected.session.request(Call::Ping).await, Ok(Answer::Done));
    }
}

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_relevo-demo")).with_file_name("relevo-relay");
    assert!(path.exists(), "relevo-relay is not built: run `cargo build --workspace --bins`, or tests/run");
    path
}

/// A request's stream on an attacker's connection, admitted, with what must live as long.
async fn admitted(target: &Target, attacker: &Attacker) -> (Http, Stream) {
    attacker.admitted(&target.address).await.unwrap()
}

#[tokio::test]
async fn gaps_in_a_visitors_streams_pin_less_than_a_mebibyte() {
    const ATTACKERS: usize = 30;
    let target = Target::start("visitors_per_address = 32");
    target.serves().await;
    let before = target.settled().await;
    let attackers = target.attackers(ATTACKERS).await;
    for attacker in &attackers {
        attacker.inject(gappy_visit()).await.unwrap();
    }
    let each = target.grown(before, attackers.iter()).await;
    // 8,000 pieces, of which quinn-proto keeps 56 bytes each.
    assert!((448..1024).contains(&each), "{each} KiB for each");
    target.serves().await;
}

#[tokio::test]
async fn more_than_the_window_of_a_visitor_ends_the_connection() {
    let target = Target::start("");
    let attacker = Attacker::connect(target.socket()).await.unwrap();
    // Ten bytes, the last of them at the place 18,001.
    let _sent = attacker.inject(gappy(0, 10, 2000)).await;
    let ended = tokio::time::timeout(PATIENCE, attacker.connection.closed()).await.unwrap();
    assert!(matches!(ended, quinn::ConnectionError::ConnectionClosed(_)), "{ended}");
    target.serves().await;
}

#[tokio::test]
async fn a_stream_of_gaps_alone_ends_the_connection() {
    let target = Target::start("");
    let attacker = Attacker::connect(target.socket()).await.unwrap();
    let (_http, _stream) = admitted(&target, &attacker).await;
    // The relay may end it before all has gone out.
    let _sent = attacker.inject(gappy(4, 3000, 2)).await;
    let ended = tokio::time::timeout(PATIENCE, attacker.connection.closed()).await.unwrap();
    assert!(matches!(ended, quinn::ConnectionError::ConnectionClosed(_)), "{ended}");
    target.serves().await;
}

#[tokio::test]
async fn gaps_in_an_admitted_clients_streams_pin_no_more_than_stated() {
    const ATTACKERS: usize = 3;
    let target = Target::start("");
    let mut held = Vec::new();
    for attacker in target.attackers(ATTACKERS).await {
        held.push((admitted(&target, &attacker).await, attacker));
    }
    let before = target.settled().await;
    for (_, attacker) in &held {
        attacker.inject(gappy_session()).await.unwrap();
    }
    let each = target.grown(before, held.iter().map(|(_, attacker)| attacker)).await;
    // 15,000 of them.
    assert!((840..3 << 10).contains(&each), "{each} KiB for each");
    target.serves().await;
}

#[tokio::test]
async fn a_piece_pins_no_more_than_the_datagram_that_it_came_in() {
    const ATTACKERS: usize = 3;
    let target = Target::start("");
    let mut held = Vec::new();
    for attacker in target.attackers(ATTACKERS).await {
        held.push((admitted(&target, &attacker).await, attacker));
    }
    let before = target.settled().await;
    for (_, attacker) in &held {
        attacker.inject_in_bursts(gappy_bursts()).await.unwrap();
    }
    let each = target.grown(before, held.iter().map(|(_, attacker)| attacker)).await;
    // Fifteen streams with 20 pieces: 431 KiB of datagrams, and what a busy machine has not looked at yet. The bursts that
    // they came in are more than 4 MiB.
    assert!((200..3 << 10).contains(&each), "{each} KiB for each");
    target.serves().await;
}

#[tokio::test]
async fn who_takes_connection_ids_and_gives_them_back_without_end_is_sent_away() {
    let target = Target::start("");
    let visitor = Attacker::connect(target.socket()).await.unwrap();
    let member = Attacker::connect(target.socket()).await.unwrap();
    let _session = admitted(&target, &member).await;
    for attacker in [visitor, member] {
        // The relay may end it before all has gone out.
        let _sent = attacker.inject_one_by_one(retirements().take(1100)).await;
        let (code, reason) = attacker.ended(PATIENCE).await.unwrap();
        assert_eq!((code, reason.as_ref()), SILENT);
    }
    target.serves().await;
}

#[tokio::test]
async fn who_moves_without_end_is_sent_away() {
    let target = Target::start("");
    let way = Wanderer::open(target.socket()).await.unwrap();
    let attacker = Attacker::connect(way.entrance).await.unwrap();
    let _session = admitted(&target, &attacker).await;
    way.wander();
    let pings = std::iter::repeat_n(vec![1], 1100);
    let _sent = attacker.inject_one_by_one(pings).await;
    let (code, reason) = attacker.ended(PATIENCE).await.unwrap();
    assert_eq!((code, reason.as_ref()), SILENT);
    target.serves().await;
}

#[tokio::test]
async fn streams_of_nothing_are_counted() {
    let target = Target::start("");
    let one_way = Attacker::connect(target.socket()).await.unwrap();
    for _ in 0..100 {
        let Ok(mut stream) = one_way.connection.open_uni().await else { break };
        // A type that nobody knows: the relay stops it.
        let _sent = stream.write_all(&[0x21]).await;
        let _stopped = stream.stopped().await;
        let _ended = stream.reset(0_u32.into());
    }
    let two_way = Attacker::connect(target.socket()).await.unwrap();
    let _session = admitted(&target, &two_way).await;
    for _ in 0..300 {
        let Ok((mut stream, _)) = two_way.connection.open_bi().await else { break };
        let _ended = stream.finish();
    }
    for attacker in [one_way, two_way] {
        let (code, reason) = attacker.ended(PATIENCE).await.unwrap();
        assert_eq!((code, reason.as_ref()), SILENT);
    }
    target.serves().await;
}

#[tokio::test]
async fn a_relay_that_was_killed_tells_its_clients_when_it_is_back() {
    let mut target = Target::start("");
    let client = Attacker::connect(target.socket()).await.unwrap();
    target.again();
    // Sooner than the 30 s after which silence is an end.
    let ended = tokio::time::timeout(PATIENCE, client.connection.closed()).await.unwrap();
    assert_eq!(ended, quinn::ConnectionError::Reset);
}

#[tokio::test]
async fn a_frame_that_would_have_to_be_held_whole_ends_the_connection() {
    // Type 0x21, which nobody knows, and HEADERS, of 1 MiB.
    for head in [[0x21, 0x80, 0x10, 0x00, 0x00], [0x01, 0x80, 0x10, 0x00, 0x00]] {
        let target = Target::start("");
        let visitor = Attacker::connect(target.socket()).await.unwrap();
        let member = Attacker::connect(target.socket()).await.unwrap();
        let _session = admitted(&target, &member).await;
        for attacker in [visitor, member] {
            let (mut send, _receive) = attacker.connection.open_bi().await.unwrap();
            send.write_all(&head).await.unwrap();
            let (code, reason) = attacker.ended(PATIENCE).await.unwrap();
            assert_eq!((code, reason.as_ref()), SILENT);
        }
        target.serves().await;
    }
}

#[tokio::test]
async fn handshakes_that_nobody_finishes_cost_a_bounded_sum_and_keep_nobody_out() {
    let target = Target::start("");
    target.serves().await;
    let before = target.settled().await;
    let mut flood = HalfOpen::record(300).await.unwrap();
    flood.send(target.socket()).await.unwrap();
    // While they are under way: who answers the Retry comes in.
    target.serves().await;
    let grown = target.settled().await.saturating_sub(before);
    // 4 of one address before the first Retry, at most 16 in all, 64 KiB each.
    assert!(grown < 8 << 10, "{grown} KiB");
    let (sent, answered) = (flood.sent(), flood.answered());
    assert!(answered < 3 * sent, "{answered} bytes answered to {sent}, sent from addresses that nobody proved");
}

#[tokio::test]
async fn a_greeting_that_stops_ends_by_itself() {
    let target = Target::start("");
    let mut waiting = JoinSet::new();
    for step in ["no hello", "half a hello", "no admit"] {
        let (to, address) = (target.socket(), target.address.duplicate());
        waiting.spawn(async move {
            let attacker = Attacker::connect(to).await.unwrap();
            let mut http = attacker.http().await.unwrap();
            let _stream = match step {
                "no hello" => attacker.secret(&mut http, &address).await.unwrap(),
                "half a hello" => {
                    let mut stream = attacker.secret(&mut http, &address).await.unwrap();
                    let hello = relevo_protocol::wire::Hello::new([4; 32], vec![]);
                    let opening = encode(&Opening::Session { hello });
                    let announced = u32::try_from(opening.len()).unwrap().to_be_bytes();
                    let half = [announced.as_slice(), &opening[..opening.len() / 2]].concat();
                    stream.send.send_data(half.into()).await.unwrap();
                    stream
                }
                _ => attacker.greet(&mut http, &address).await.unwrap(),
            };
            let (code, reason) = attacker.ended(PATIENCE).await.unwrap();
            assert_eq!((code, reason.as_ref()), SILENT, "{step}");
        });
    }
    while let Some(done) = waiting.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn visitors_have_a_number_of_places_and_members_do_not_take_them() {
    let target = Target::start("visitors = 4\nvisitors_per_address = 1");
    let member = Attacker::connect(target.socket()).await.unwrap();
    let _session = admitted(&target, &member).await;
    let mut visitors = Vec::new();
    for from in [2, 3, 4, 5].map(loopback) {
        visitors.push(Attacker::connect_from(from, target.socket()).await.unwrap());
    }
    // A refusal passes: the client comes again.
    let refused = Link::new().unwrap().connect(&target.address).await.unwrap_err();
    assert_eq!(refused, LinkFault::Ended);
    visitors.pop().unwrap().connection.close(0_u32.into(), b"");
    until(async || Attacker::connect(target.socket()).await.is_ok()).await;
}

/// An address of this machine.
fn loopback(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

#[tokio::test]
async fn visitors_of_one_address_leave_places_for_those_of_others() {
    let target = Target::start("visitors = 16\nvisitors_per_address = 2");
    let visitors = target.attackers(2).await;
    assert!(Attacker::connect(target.socket()).await.is_err());
    let other = Attacker::connect_from(loopback(2), target.socket()).await.unwrap();
    let _session = admitted(&target, &other).await;
    // A hall behind one address: whoever is admitted makes room for the next.
    drop(visitors);
    let mut hall = Vec::new();
    for _ in 0..6 {
        until(async || {
            let Ok(member) = Attacker::connect(target.socket()).await else { return false };
            hall.push((admitted(&target, &member).await, member));
            true
        })
        .await;
    }
}

#[tokio::test]
async fn stalled_handshakes_of_one_address_keep_nobody_else_out() {
    const STALLED: u64 = 140;
    let data = tempfile::tempdir().unwrap();
    let mut config =
        Config { data: data.path().join("relay"), listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
    config.store.free_bytes = 0;
    config.store.last_free_bytes = 0;
    config.store.ballast_bytes = 0;
    let relay = Relay::start(config).await.unwrap();
    let to = relay.local_addr();
    let _stalled: Vec<_> = (0..STALLED).map(|_| Stalled::begin(to).unwrap()).collect();
    // Each has its place, or was turned away after it had proved its address.
    until(async || relay.counters().connections_begun + relay.counters().connections_refused >= STALLED).await;
    assert!(relay.counters().retries_asked > 0);
    let _honest = Attacker::connect_from(loopback(2), to).await.unwrap();
    let counters = relay.counters();
    assert_eq!(counters.handshakes_failed, 0, "it came in while they were under way");
    assert_eq!(counters.connections_begun, 17, "16 of one address, and one");
}

/// Tries until it holds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "it never held");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_address_has_a_number_of_places() {
    let target = Target::start("connections_per_address = 3");
    let mut held = Vec::new();
    for attacker in target.attackers(3).await {
        held.push((admitted(&target, &attacker).await, attacker));
    }
    assert!(Attacker::connect(target.socket()).await.is_err());
    let (_, attacker) = held.pop().unwrap();
    attacker.connection.close(0_u32.into(), b"");
    until(async || Attacker::connect(target.socket()).await.is_ok()).await;
}

#[tokio::test]
async fn an_admission_has_a_number_of_sessions() {
    let target = Target::start("sessions_per_admission = 2");
    let (invite, own) = (Admission::new(Secret::new([5; 32])), Admission::new(Secret::new([6; 32])));
    let host = Attacker::connect(target.socket()).await.unwrap();
    let (_http, mut stream) = admitted(&target, &host).await;
    let expires = Hour(u32::MAX);
    let done =
        |reply: Reply| assert!(matches!(reply, Reply::Answer { outcome: Outcome::Done { .. }, .. }), "{reply:?}");
    done(stream.ask(1, Call::Sponsor { id: invite.id(), key: invite.key(), expires }).await.unwrap());
    let guest = Attacker::connect(target.socket()).await.unwrap();
    let (_http, mut first) = guest.admitted_as(&target.address, &invite).await.unwrap();
    done(first.ask(1, Call::Enroll { id: own.id(), key: own.key() }).await.unwrap());
    // The session that enrolled is the first of them.
    let second = Attacker::connect(target.socket()).await.unwrap();
    let _second_session = second.admitted_as(&target.address, &own).await.unwrap();
    let third = Attacker::connect(target.socket()).await.unwrap();
    let refused = third.admitted_as(&target.address, &own).await.err().unwrap().to_string();
    assert!(refused.contains("Busy"), "{refused}");
    let address = target.address.with_admission(&own);
    assert_eq!(Link::new().unwrap().connect(&address).await.unwrap_err(), LinkFault::Ended);
    second.connection.close(0_u32.into(), b"");
    until(async || Link::new().unwrap().connect(&address).await.is_ok()).await;
    target.serves().await;
}

#[tokio::test]
async fn idle_streams_are_few_and_small() {
    const ATTACKERS: usize = 30;
    let target = Target::start("visitors_per_address = 32");
    target.serves().await;
    let before = target.settled().await;
    let attackers = target.attackers(ATTACKERS).await;
    let mut streams = Vec::new();
    for attacker in &attackers {
        for _ in 0..16 {
            let (mut send, receive) = attacker.connection.open_bi().await.unwrap();
            // The first byte of a HEADERS frame.
            send.write_all(&[1]).await.unwrap();
            streams.push((send, receive));
        }
        tokio::select! {
            biased;
            _ = attacker.connection.open_bi() => panic!("a seventeenth stream"),
            () = std::future::ready(()) => {}
        }
    }
    let each = target.settled().await.saturating_sub(before) / u64::try_from(ATTACKERS).unwrap();
    assert!(each < 256, "{each} KiB for each");
    target.serves().await;
}

#[tokio::test]
async fn guessed_capabilities_are_refused_like_mailboxes_that_are_not() {
    let target = Target::start("");
    let attacker = Attacker::connect(target.socket()).await.unwrap();
    let (_http, mut stream) = admitted(&target, &attacker).await;
    let (owner, nobody) = (Capability::random().unwrap(), Capability::random().unwrap());
    let open = Call::Open {
        kind: MailboxKind::Personal,
        owner: owner.hash(),
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 24,
    };
    stream.ask(0, open).await.unwrap();
    for _ in 0..50 {
        for mailbox in [owner.mailbox(), nobody.mailbox()] {
            let guess = || Capability::random().unwrap();
            let calls = [
                Call::Checkpoint { mailbox, capability: guess() },
                Call::Append { mailbox, capability: guess(), entry: entry(512) },
                Call::Take { mailbox, capability: guess() },
                Call::Close { mailbox, capability: guess() },
            ];
            for call in calls {
                let outcome = Outcome::Refused { refusal: Refusal::NoSuchMailbox };
                assert_eq!(stream.ask(7, call).await.unwrap(), Reply::Answer { number: 7, outcome });
            }
        }
    }
}

fn entry(size: usize) -> Entry {
    Entry::parse(vec![7; size].into()).unwrap()
}

#[tokio::test]
async fn readers_who_never_read_hold_a_bounded_sum() {
    const READERS: usize = 8;
    const ENTRIES: u32 = 80;
    let target = Target::start("");
    let writer = Link::new().unwrap().connect(&target.address).await.unwrap();
    let (owner, append) = (Capability::random().unwrap(), Capability::random().unwrap());
    let expires = Hour(u32::MAX);
    let grant = Grant { hash: append.hash(), per_hour: u32::MAX, bytes_per_hour: u64::MAX, expires };
    let open = Call::Open {
        kind: MailboxKind::Shared,
        owner: owner.hash(),
        read: None,
        append: vec![grant],
        take: vec![],
        lease_hours: 24,
    };
    writer.session.request(open).await.unwrap();
    for _ in 0..ENTRIES {
        let call = Call::Append { mailbox: owner.mailbox(), capability: append.duplicate(), entry: entry(128 << 10) };
        writer.session.request(call).await.unwrap();
    }
    let mut held = Vec::new();
    for attacker in target.attackers(READERS).await {
        held.push((admitted(&target, &attacker).await, attacker));
    }
    let before = target.settled().await;
    for ((_, stream), _) in &mut held {
        let cursor = Cursor { incarnation: None, after: Sequence::START };
        let (id, mailbox, capability) = (SubscriptionId(1), owner.mailbox(), owner.duplicate());
        let subscriptions = vec![Subscription { id, mailbox, capability, cursor, credit: 1024 }];
        stream.write(&encode(&Request { number: 1, call: Call::Resume { subscriptions } })).await.unwrap();
    }
    let each = target.settled().await.saturating_sub(before) / u64::try_from(READERS).unwrap();
    // The send window is 512 KiB, a batch 64 KiB and an entry; all entries are 10 MiB.
    assert!(each < 2 << 10, "{each} KiB for each");
    target.serves().await;
}

#[tokio::test]
async fn rubbish_in_a_session_ends_that_session_only() {
    let target = Target::start("");
    let keeps = Attacker::connect(target.socket()).await.unwrap();
    let (_http, mut kept) = admitted(&target, &keeps).await;
    for rubbish in
        [vec![0, 0, 0, 0], vec![0x7f, 0xff, 0xff, 0xff], vec![0, 0, 0, 1, 0xff], vec![0, 0, 0, 2, 0xa0, 0xa0]]
    {
        let attacker = Attacker::connect(target.socket()).await.unwrap();
        let (_http, mut stream) = admitted(&target, &attacker).await;
        stream.send.send_data(rubbish.into()).await.unwrap();
        let (code, reason) = attacker.ended(PATIENCE).await.unwrap();
        assert_eq!((code, reason.as_ref()), SILENT);
    }
    let outcome = Outcome::Done { answer: Answer::Done };
    assert_eq!(kept.ask(1, Call::Ping).await.unwrap(), Reply::Answer { number: 1, outcome });
}

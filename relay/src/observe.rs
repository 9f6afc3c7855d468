//! How the relay is, for whoever runs it: on an address of this machine alone, over HTTP.
//!
//! `/livez` answers while the writer works, `/readyz` while members may also send, `/metrics` counts (Prometheus text
//! format 0.0.4). Counts are of the whole process and carry no label: there is nothing by which one could tell of one
//! client, mailbox or admission.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::relay::Parts;
use crate::store::Strain;
use crate::transport::Endpoint;

/// Questions at once. Others wait in the kernel's queue.
const AT_ONCE: usize = 8;
/// Seconds within which a question must have come.
const PATIENCE: Duration = Duration::from_secs(5);
/// A batch that took longer to be durable: members wait for their answers.
const SLOW_COMMIT: Duration = Duration::from_secs(2);
/// How long that is said of the last one.
const SAID: Duration = Duration::from_secs(60);
/// One that takes longer will not end.
const STUCK: Duration = Duration::from_secs(60);

/// Answers questions until it is told to stop. Holds nothing of the relay between them, and nothing when it has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    endpoint: Endpoint,
    parts: Weak<Parts>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut asked = JoinSet::new();
    loop {
        let stream = tokio::select! {
            _ = &mut stop => break,
            Some(_) = asked.join_next() => continue,
            accepted = listener.accept(), if asked.len() < AT_ONCE => accepted,
        };
        match stream {
            Ok((stream, _)) => drop(asked.spawn(talk(stream, endpoint.clone(), Weak::clone(&parts)))),
            // It has gone again; or there are no files left, which passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    asked.shutdown().await;
}

/// One question and its answer.
async fn talk(stream: TcpStream, endpoint: Endpoint, parts: Weak<Parts>) {
    let answer = service_fn(|asked| {
        let answer = parts.upgrade().map(|parts| answer(&asked, &endpoint, &parts));
        async { Ok::<_, Infallible>(answer.unwrap_or_else(|| plain(StatusCode::SERVICE_UNAVAILABLE, "stopped\n"))) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false).max_buf_size(16 << 10);
    // What fails here is theirs.
    let _gone = tokio::time::timeout(2 * PATIENCE, http.serve_connection(TokioIo::new(stream), answer)).await;
}

fn answer(asked: &Request<Incoming>, endpoint: &Endpoint, parts: &Parts) -> Response<Full<Bytes>> {
    // A page in a browser of this machine may lead a name of its own here (DNS rebinding).
    let host = asked.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_here) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "by localhost or a loopback address only\n");
    }
    if asked.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    let strain = parts.service.store().strain();
    match asked.uri().path() {
        "/livez" => stands(&dead(parts, &strain)),
        "/readyz" => stands(&unready(parts, &strain)),
        "/metrics" => plain(StatusCode::OK, counted(endpoint, parts, &strain)),
        _ => plain(StatusCode::NOT_FOUND, "/livez, /readyz or /metrics\n"),
    }
}

/// Whether a Host header names this machine as itself.
fn is_here(host: &str) -> bool {
    let name = host.parse::<http::uri::Authority>().map(|authority| authority.host().to_owned()).unwrap_or_default();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

fn stands(wrong: &[&str]) -> Response<Full<Bytes>> {
    if wrong.is_empty() {
        plain(StatusCode::OK, "ok\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", wrong.join("\n")))
    }
}

/// Why the process must end, if it must.
fn dead(parts: &Parts, strain: &Strain) -> Vec<&'static str> {
    let stuck = strain.begun.is_some_and(|begun| begun.elapsed() > STUCK);
    let looks = [
        (parts.service.writer().is_stopped(), "the store has failed"),
        (stuck, "the disk does not answer: a batch has been under way for over a minute"),
    ];
    looks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, why)| why).collect()
}

/// Why members may not send now, if so: also where the process must end.
fn unready(parts: &Parts, strain: &Strain) -> Vec<&'static str> {
    let store = parts.service.store();
    let bounds = store.config();
    let full = store.totals().bytes() >= bounds.bytes;
    let slow = strain.begun.is_some_and(|begun| begun.elapsed() > SLOW_COMMIT)
        || strain.last_commit > SLOW_COMMIT && strain.ended.is_some_and(|ended| ended.elapsed() < SAID);
    let looks = [
        (parts.phase.borrow().draining(), "the relay is stopping"),
        (strain.free.is_some_and(|free| free < bounds.free_bytes), "the disk is almost full: nothing new is taken"),
        (full, "the relay holds as much as store.bytes allows: nothing new is taken"),
        (slow, "the disk is slow: a batch takes over 2 s"),
    ];
    let mut all = dead(parts, strain);
    all.extend(looks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, why)| why));
    all
}

/// How a relay is, for whoever looks after it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Where clients are told to come.
    pub host: String,
    /// The UDP port.
    pub port: u16,
    /// Seconds since its start.
    pub up_seconds: u64,
    /// Why members may not send now; nothing if they may.
    pub wrong: Vec<String>,
    /// Every count, named as Prometheus is told, without what they all begin with.
    pub numbers: BTreeMap<String, f64>,
}

/// How the relay is now.
pub(crate) fn status(endpoint: &Endpoint, parts: &Parts, (host, port): (&str, u16)) -> Status {
    let strain = parts.service.store().strain();
    let counted = counted(endpoint, parts, &strain);
    let lines = counted.lines().filter_map(|line| line.strip_prefix(PREFIX)?.split_once(' '));
    let numbers = lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host.to_owned(),
        port,
        up_seconds: parts.started.elapsed().as_secs(),
        wrong: unready(parts, &strain).into_iter().map(str::to_owned).collect(),
        numbers,
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { version, host, port, up_seconds, wrong, numbers } = self;
        let of = |name: &str| numbers.get(name).copied().unwrap_or(0.0);
        let (days, hours, minutes) = (up_seconds / 86_400, up_seconds / 3600 % 24, up_seconds / 60 % 60);
        writeln!(f, "relevo-relay {version} serves as {host}:{port}, for {days} d {hours} h {minutes} min.")?;
        match wrong.as_slice() {
            [] => writeln!(f, "All is well: members can send.")?,
            wrong => wrong.iter().try_for_each(|why| writeln!(f, "NOT WELL: {why}."))?,
        }
        writeln!(f, "  now          {} connections, {} sessions", of("connections"), of("sessions"))?;
        writeln!(
            f,
            "  stored       {} of {}: {} mailboxes, {} documents' chunks",
            Size(of("stored_bytes")),
            Size(of("stored_bytes_limit")),
            of("mailboxes"),
            of("blobs")
        )?;
        let least = Size(of("disk_free_bytes_limit"));
        writeln!(f, "  disk         {} free; nothing new below {least}", Size(of("disk_free_bytes")))?;
        writeln!(f, "  last write   {:.0} ms", of("last_commit_seconds") * 1000.0)?;
        write!(
            f,
            "  since start  {} entries and {} chunks stored, {} requests refused",
            of("entries_stored_total"),
            of("blobs_stored_total"),
            of("refusals_total")
        )
    }
}

/// A number of bytes as people read it.
struct Size(f64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut value, mut unit) = (self.0, "B");
        for larger in ["KiB", "MiB", "GiB", "TiB"] {
            if value < 1024.0 {
                break;
            }
            (value, unit) = (value / 1024.0, larger);
        }
        if value < 10.0 && unit != "B" { write!(f, "{value:.1} {unit}") } else { write!(f, "{value:.0} {unit}") }
    }
}

/// What every count's name begins with.
const PREFIX: &str = "relevo_relay_";

/// Every count in Prometheus' text format.
fn counted(endpoint: &Endpoint, parts: &Parts, strain: &Strain) -> String {
    let store = parts.service.store();
    let (totals, bounds) = (store.totals(), store.config());
    let Strain { free, commits, commit_time, last_commit, ended: _, begun: _ } = *strain;
    let mut text = String::new();
    for (name, help, count) in parts.metrics.snapshot().each() {
        line(&mut text, &format!("{name}_total"), help, "counter", &count);
    }
    line(&mut text, "commits_total", "Batches made durable.", "counter", &commits);
    line(&mut text, "commit_seconds_total", "Time that they took.", "counter", &commit_time.as_secs_f64());
    let gauges: [(&str, &str, u64); 11] = [
        ("connections", "Connections now.", number(endpoint.open_connections())),
        ("sessions", "Admitted sessions now.", number(parts.watch.count())),
        ("mailboxes", "Mailboxes.", totals.mailboxes),
        ("admissions", "Admissions, expired ones that are not swept yet included.", totals.admissions),
        ("entry_bytes", "Bytes of entries.", totals.entry_bytes),
        ("blobs", "Blobs.", totals.blobs),
        ("blob_bytes", "Bytes of blobs.", totals.blob_bytes),
        ("stored_bytes", "Bytes that count for store.bytes.", totals.bytes()),
        ("stored_bytes_limit", "store.bytes.", bounds.bytes),
        ("disk_free_bytes", "Free bytes of the disk.", free.unwrap_or(0)),
        ("disk_free_bytes_limit", "Below so many nothing new is taken.", bounds.free_bytes),
    ];
    for (name, help, value) in gauges {
        line(&mut text, name, help, "gauge", &value);
    }
    line(&mut text, "last_commit_seconds", "Time that the last batch took.", "gauge", &last_commit.as_secs_f64());
    let ready = u8::from(unready(parts, strain).is_empty());
    line(&mut text, "ready", "1 if /readyz says ok.", "gauge", &ready);
    text
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn line(text: &mut String, name: &str, help: &str, kind: &str, value: &dyn std::fmt::Display) {
    let name = format!("{PREFIX}{name}");
    // Writing into a string does not fail.
    let _written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

/// Asks a relay's `/readyz`. None if it is well, else what it says.
///
/// # Errors
/// It does not answer.
pub fn ask_ready(address: SocketAddr) -> io::Result<Option<String>> {
    let mut stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(64 << 10).read_to_string(&mut text)?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if text.starts_with("HTTP/1.1 200 ") { Ok(None) } else { Ok(Some(body.trim_end().to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Relay, Running};

    /// Every name there is: a new one is looked at for what it could tell of somebody before it is put here.
    const NAMES: [&str; 28] = [
        "connections_begun_total",
        "connections_refused_total",
        "retries_asked_total",
        "handshakes_failed_total",
        "site_answers_total",
        "sessions_admitted_total",
        "sessions_faulted_total",
        "requests_total",
        "refusals_total",
        "entries_stored_total",
        "entries_pushed_total",
        "blobs_stored_total",
        "blobs_sent_total",
        "commits_total",
        "commit_seconds_total",
        "connections",
        "sessions",
        "mailboxes",
        "admissions",
        "entry_bytes",
        "blobs",
        "blob_bytes",
        "stored_bytes",
        "stored_bytes_limit",
        "disk_free_bytes",
        "disk_free_bytes_limit",
        "last_commit_seconds",
        "ready",
    ];

    async fn started(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Running, SocketAddr) {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config {
            data: directory.path().join("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ..Config::default()
        };
        change(&mut config);
        let running = Relay::start(config).await.unwrap();
        let address = running.metrics_addr().unwrap();
        (directory, running, address)
    }

    async fn ask(address: SocketAddr, line: &'static str) -> String {
        tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(format!("{line}\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn counts_are_those_that_were_looked_at_and_carry_no_label() {
        let (_directory, running, address) = started(|_| {}).await;
        let text = ask(address, "GET /metrics HTTP/1.1").await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        let named: Vec<&str> = lines
            .map(|line| {
                let (name, value) = line.split_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                name.strip_prefix("relevo_relay_").unwrap()
            })
            .collect();
        assert_eq!(named, NAMES);
        assert!(!body.contains('{'));
        // The relay's own admission was made durable at the start.
        assert!(body.contains("\nrelevo_relay_admissions 1\n"), "{body}");
        assert!(!body.contains("\nrelevo_relay_commits_total 0\n"), "{body}");
        running.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_relay_that_is_well_says_so_and_a_full_one_why_not() {
        let (_directory, running, address) = started(|_| {}).await;
        assert!(ask(address, "GET /livez HTTP/1.1").await.ends_with("\r\n\r\nok\n"));
        let ready = tokio::task::spawn_blocking(move || ask_ready(address)).await.unwrap().unwrap();
        // On a machine that is busy a batch may take its time.
        assert!(ready.as_ref().is_none_or(|wrong| wrong.contains("slow")), "{ready:?}");
        assert!(ask(address, "GET /livez HTTP/1.1\r\nHost: evil.example").await.starts_with("HTTP/1.1 4"));
        assert!(ask(address, "POST /livez HTTP/1.1").await.starts_with("HTTP/1.1 405 "));
        assert!(ask(address, "GET / HTTP/1.1").await.starts_with("HTTP/1.1 404 "));
        running.shutdown().await.unwrap();
        let (_directory, running, address) = started(|config| config.store.free_bytes = u64::MAX).await;
        assert!(ask(address, "GET /livez HTTP/1.1").await.ends_with("\r\n\r\nok\n"));
        let said = tokio::task::spawn_blocking(move || ask_ready(address)).await.unwrap().unwrap();
        assert!(said.unwrap().contains("the disk is almost full: nothing new is taken"));
        running.shutdown().await.unwrap();
    }

    #[test]
    fn only_by_a_name_of_this_machine_itself() {
        for here in ["localhost", "localhost:9464", "127.0.0.1:9464", "127.9.9.9", "[::1]:9464"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in
            ["", "evil.example", "evil.example:9464", "192.0.2.1", "localhost.evil.example", "127.0.0.1.evil.example"]
        {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }

    #[tokio::test]
    async fn whoever_asks_slowly_or_at_length_holds_a_place_for_a_while_only() {
        let (_directory, running, address) = started(|_| {}).await;
        let slow: Vec<_> = (0..AT_ONCE).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        assert!(ask(address, "GET /livez HTTP/1.1").await.ends_with("ok\n"), "after the others' time is up");
        drop(slow);
        let long = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let _cut = stream.write_all(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(64 << 10)).as_bytes());
            let mut text = Vec::new();
            let _reset = stream.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        assert!(!long.await.unwrap().starts_with("HTTP/1.1 200"));
        running.shutdown().await.unwrap();
    }
}

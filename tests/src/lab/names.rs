//! A name server that knows one name, and can be told to fail.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the name server does with a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    /// Answers.
    Answers,
    /// Says that it failed (SERVFAIL).
    Fails,
    /// Says nothing.
    Silent,
}

/// Answers every question for an IPv4 address with the same one. Ends when dropped.
#[derive(Debug)]
pub(super) struct NameServer {
    mood: Arc<watch::Sender<Mood>>,
    _tasks: JoinSet<()>,
}

/// A question for an IPv4 address (RFC 1035, 3.2.2).
const A: [u8; 2] = [0, 1];

impl NameServer {
    pub(super) async fn start(at: SocketAddr, known: Ipv4Addr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(at).await?;
        let mood = Arc::new(watch::Sender::new(Mood::Answers));
        let mut tasks = JoinSet::new();
        let state = mood.clone();
        tasks.spawn(async move {
            let mut question = [0; 512];
            loop {
                let Ok((length, who)) = socket.recv_from(&mut question).await else { continue };
                let mood = *state.borrow();
                if let Some(answer) = question.get(..length).and_then(|question| answer(question, known, mood)) {
                    let _lost = socket.send_to(&answer, who).await;
                }
            }
        });
        Ok(Self { mood, _tasks: tasks })
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

/// The answer to a message with one question (RFC 1035, 4.1).
fn answer(question: &[u8], known: Ipv4Addr, mood: Mood) -> Option<Vec<u8>> {
    if mood == Mood::Silent {
        return None;
    }
    let (id, rest) = (question.get(..2)?, question.get(12..)?);
    // The question: a name that ends with an empty label, a type and a class.
    let name = rest.iter().position(|length| *length == 0)? + 1;
    let asked = rest.get(..name + 4)?;
    let is_a = asked.get(name..name + 2)? == A;
    let (code, answers) = match mood {
        Mood::Fails => (2, 0),
        Mood::Answers | Mood::Silent => (0, u8::from(is_a)),
    };
    let mut message = id.to_vec();
    message.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
    message.extend_from_slice(asked);
    if answers == 1 {
        // The name as in the question, A, IN, no caching.
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        message.extend_from_slice(&known.octets());
    }
    Some(message)
}

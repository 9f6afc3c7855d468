//! What each server wants to hear, and how it answers: no more of its protocol than storing one message takes.

use std::io::Write as _;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::Kind;

/// The number of a client that only says what it wants kept, and goes.
pub(super) const AWAY: usize = usize::MAX;

/// A server's protocol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    /// NATS client protocol with JetStream's API over it.
    Nats,
    /// PostgreSQL's frontend/backend protocol 3.
    Postgres,
    /// RESP.
    Redis,
    /// MQTT 3.1.1.
    Mqtt,
}

impl Dialect {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::NatsAlways | Kind::Nats => Self::Nats,
            Kind::Postgres => Self::Postgres,
            Kind::Redis => Self::Redis,
            Kind::Mosquitto => Self::Mqtt,
        }
    }

    /// PostgreSQL asks for TLS in clear.
    pub(super) async fn before_tls(self, socket: &mut TcpStream) -> anyhow::Result<()> {
        if let Self::Postgres = self {
            socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
            ensure!(socket.read_u8().await? == b'S', "PostgreSQL has no TLS");
        }
        Ok(())
    }

    /// What is said first, and what is heard when it is done.
    pub(super) fn greeting(self, client: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Nats => {
                let connect = format!(
                    "CONNECT {{\"verbose\":false,\"pedantic\":false,\"lang\":\"b\",\"version\":\"1\",\"protocol\":1}}\r\n\
                     SUB _INBOX.{client} 1\r\nPING\r\n"
                );
                let stream = "{\"name\":\"W\",\"subjects\":[\"w.*\"],\"storage\":\"file\"}";
                let create = format!("PUB $JS.API.STREAM.CREATE.W _INBOX.{client} {}\r\n{stream}\r\n", stream.len());
                let mut said = vec![(connect.into_bytes(), b"PONG\r\n".to_vec())];
                if client == 0 {
                    said.push((create.into_bytes(), b"\"created\"".to_vec()));
                }
                said
            }
            Self::Postgres => {
                let startup = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
                let mut said = vec![(framed(None, startup), b"Z\0\0\0\x05I".to_vec())];
                if client == 0 {
                    let table = b"CREATE TABLE q (id bigserial PRIMARY KEY, box int4, body bytea)\0";
                    said.push((framed(Some(b'Q'), table), b"Z\0\0\0\x05I".to_vec()));
                }
                // One statement of two parameters, int4 and bytea.
                let mut parse = b"s\0INSERT INTO q (box, body) VALUES ($1, $2)\0\0\x02".to_vec();
                parse.extend(23_u32.to_be_bytes());
                parse.extend(17_u32.to_be_bytes());
                let mut prepare = framed(Some(b'P'), &parse);
                prepare.extend(framed(Some(b'S'), b""));
                said.push((prepare, b"Z\0\0\0\x05I".to_vec()));
                said
            }
            Self::Redis => vec![(b"*1\r\n$4\r\nPING\r\n".to_vec(), b"+PONG\r\n".to_vec())],
            Self::Mqtt => {
                let accepted = b"\x20\x02\0\0".to_vec();
                if client == AWAY {
                    let mut subscribe = vec![0x82, 8, 0, 1];
                    subscribe.extend(string(b"w/#"));
                    subscribe.push(1);
                    return vec![
                        (connect(b"away", false), accepted.clone()),
                        (subscribe, b"\x90\x03\0\x01\x01".to_vec()),
                    ];
                }
                vec![(connect(format!("c{client}").as_bytes(), true), accepted)]
            }
        }
    }

    /// One message to store.
    pub(super) fn request(self, client: usize, number: usize, payload: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
        match self {
            Self::Nats => {
                write!(out, "PUB w.{client} _INBOX.{client} {}\r\n", payload.len())?;
                out.extend(payload);
                out.extend(b"\r\n");
            }
            Self::Postgres => {
                // Portal and statement; both parameters binary; no result columns.
                let mut bind = b"\0s\0\0\x01\0\x01\0\x02".to_vec();
                bind.extend(4_u32.to_be_bytes());
                bind.extend(u32::try_from(client)?.to_be_bytes());
                bind.extend(u32::try_from(payload.len())?.to_be_bytes());
                bind.extend(payload);
                bind.extend([0, 0]);
                out.extend(framed(Some(b'B'), &bind));
                out.extend(framed(Some(b'E'), b"\0\0\0\0\0"));
                out.extend(framed(Some(b'S'), b""));
            }
            Self::Redis => {
                let queue = format!("q{client}");
                write!(out, "*5\r\n$4\r\nXADD\r\n${}\r\n{queue}\r\n$1\r\n*\r\n$1\r\nd\r\n", queue.len())?;
                write!(out, "${}\r\n", payload.len())?;
                out.extend(payload);
                out.extend(b"\r\n");
            }
            Self::Mqtt => {
                let mut body = string(format!("w/{client}").as_bytes());
                // 0 names no message.
                body.extend(u16::try_from(number % 65_535)?.saturating_add(1).to_be_bytes());
                body.extend(payload);
                out.push(0x32);
                out.extend(varint(body.len())?);
                out.extend(body);
            }
        }
        Ok(())
    }

    /// Takes whole answers out of what was heard, and counts those that say that a message is stored.
    pub(super) fn answers(self, heard: &mut Vec<u8>) -> anyhow::Result<usize> {
        let (mut at, mut count) = (0, 0);
        while let Some(rest) = heard.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((length, stored)) = self.answer(rest)? else { break };
            at += length;
            count += usize::from(stored);
        }
        heard.drain(..at);
        Ok(count)
    }

    /// Length of the first answer, and whether it says that a message is stored; none if it has not come whole.
    fn answer(self, heard: &[u8]) -> anyhow::Result<Option<(usize, bool)>> {
        match self {
            Self::Nats => {
                let Some(line) = line(heard) else { return Ok(None) };
                if !line.starts_with(b"MSG ") {
                    ensure!(!line.starts_with(b"-ERR"), "{}", String::from_utf8_lossy(line));
                    return Ok(Some((line.len() + 2, false)));
                }
                let words = std::str::from_utf8(line)?;
                let size: usize = words.rsplit(' ').next().context("a size")?.parse()?;
                let whole = line.len() + 2 + size + 2;
                let Some(body) = heard.get(line.len() + 2..whole) else { return Ok(None) };
                let refused = body.windows(7).any(|some| some == b"\"error\"");
                ensure!(!refused, "{}", String::from_utf8_lossy(body));
                Ok(Some((whole, true)))
            }
            Self::Postgres => {
                let Some((kind, rest)) = heard.split_first() else { return Ok(None) };
                let Some(length) = rest.first_chunk() else { return Ok(None) };
                let whole = 1 + usize::try_from(u32::from_be_bytes(*length))?;
                if heard.len() < whole {
                    return Ok(None);
                }
                ensure!(*kind != b'E', "{}", String::from_utf8_lossy(heard));
                Ok(Some((whole, *kind == b'Z')))
            }
            Self::Redis => {
                let Some(head) = line(heard) else { return Ok(None) };
                let size: usize = match head.split_first() {
                    Some((b'$', size)) => std::str::from_utf8(size)?.parse()?,
                    _ => bail!("{}", String::from_utf8_lossy(head)),
                };
                let whole = head.len() + 2 + size + 2;
                Ok((heard.len() >= whole).then_some((whole, true)))
            }
            Self::Mqtt => match heard {
                [0x40, 2, _, _, ..] => Ok(Some((4, true))),
                [0x40, ..] if heard.len() < 4 => Ok(None),
                // What is stored comes back to whoever is there; the answer to that is not part of the work.
                [kind, ..] if kind & 0xf0 == 0x30 => {
                    let Some((length, size)) = varint_in(heard.get(1..).unwrap_or_default()) else { return Ok(None) };
                    let whole = 1 + length + size;
                    Ok((heard.len() >= whole).then_some((whole, false)))
                }
                _ => bail!("mosquitto said {:?}", heard.get(..8.min(heard.len()))),
            },
        }
    }
}

fn line(heard: &[u8]) -> Option<&[u8]> {
    let end = heard.windows(2).position(|two| two == b"\r\n")?;
    heard.get(..end)
}

/// A message of PostgreSQL: kind, length with itself, body.
fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = kind.into_iter().collect();
    out.extend(u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(body);
    out
}

/// A string of MQTT.
fn string(text: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    out.extend(text);
    out
}

fn connect(name: &[u8], clean: bool) -> Vec<u8> {
    let mut body = string(b"MQTT");
    body.extend([4, if clean { 2 } else { 0 }, 0, 0]);
    body.extend(string(name));
    let mut out = vec![0x10, u8::try_from(body.len()).unwrap_or(u8::MAX)];
    out.extend(body);
    out
}

/// A length of MQTT.
fn varint(mut value: usize) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f)?;
        value >>= 7;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return Ok(out);
        }
    }
}

/// How many bytes it takes, and the length; none if it has not come whole.
fn varint_in(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((at + 1, value));
        }
    }
    None
}

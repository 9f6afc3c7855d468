//! Why a link failed, by what a person can do about it.

use std::io;

use quinn::{ConnectionError, TransportErrorCode};
use relevo_protocol::wire::{GreetingFault, Refusal};

/// Why there is no session. The words for people are chosen by [`LinkFault::code`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkFault {
    /// The host of the address has no known address: no network, or a wrong name.
    #[error("the relay's host is not known")]
    UnknownHost,
    /// Nothing answers there: the relay is down, or UDP is blocked on the way.
    #[error("the relay does not answer")]
    Unreachable,
    /// TLS 1.3 with X25519MLKEM768 could not be agreed: no relay of ours, or somebody intercepting.
    #[error("no secure connection could be agreed")]
    Handshake,
    /// An ordinary web page answered: the address is out of date, or somebody terminates the connection on the way.
    #[error("what answers there does not know this address")]
    NotARelay,
    /// The relay proved to be another one than the address names: possible interception.
    #[error("another relay than the address names answered: the connection may be intercepted")]
    WrongRelay,
    /// The relay did not prove its identity for this connection: possible interception.
    #[error("the relay did not prove its identity: the connection may be intercepted")]
    NotProved,
    /// No version of the protocol in common.
    #[error("the relay speaks another version")]
    WrongVersion,
    /// The relay ended the session at our admission: it is used up, out of date or wrong. It gives no reason.
    #[error("the relay did not admit us")]
    NotAdmitted,
    /// The relay broke the protocol.
    #[error("the relay's words do not parse")]
    Malformed,
    /// The connection broke.
    #[error("the connection to the relay broke")]
    Lost,
    /// The relay is stopping, or ended the session.
    #[error("the relay ended the session")]
    Ended,
    /// This machine refused a socket.
    #[error("this machine refused a socket: {0}")]
    System(io::ErrorKind),
}

impl LinkFault {
    /// Stable name, from which the words for people are chosen.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownHost => "relay-unknown-host",
            Self::Unreachable => "relay-unreachable",
            Self::Handshake => "relay-handshake",
            Self::NotARelay => "relay-not-a-relay",
            Self::WrongRelay => "relay-wrong-identity",
            Self::NotProved => "relay-not-proved",
            Self::WrongVersion => "relay-wrong-version",
            Self::NotAdmitted => "relay-not-admitted",
            Self::Malformed => "relay-malformed",
            Self::Lost => "relay-lost",
            Self::Ended => "relay-ended",
            Self::System(_) => "relay-no-socket",
        }
    }

    /// Whether waiting may help, without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::UnknownHost | Self::Unreachable | Self::Lost | Self::Ended | Self::System(_) => true,
            Self::Handshake
            | Self::NotARelay
            | Self::WrongRelay
            | Self::NotProved
            | Self::WrongVersion
            | Self::NotAdmitted
            | Self::Malformed => false,
        }
    }

    pub(super) fn while_connecting(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut | ConnectionError::Reset | ConnectionError::CidsExhausted => Self::Unreachable,
            // The relay has as many connections as it may, or is stopping: nothing is wrong with it.
            ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::CONNECTION_REFUSED => {
                Self::Ended
            }
            ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::VersionMismatch => Self::Handshake,
            ConnectionError::ApplicationClosed(_) | ConnectionError::LocallyClosed => Self::Ended,
        }
    }

    /// What the end of an open connection means.
    pub(super) fn of(connection: &quinn::Connection) -> Self {
        match connection.close_reason() {
            Some(
                ConnectionError::ApplicationClosed(_)
                | ConnectionError::ConnectionClosed(_)
                | ConnectionError::LocallyClosed,
            )
            | None => Self::Ended,
            Some(
                ConnectionError::TimedOut
                | ConnectionError::Reset
                | ConnectionError::CidsExhausted
                | ConnectionError::TransportError(_)
                | ConnectionError::VersionMismatch,
            ) => Self::Lost,
        }
    }
}

impl From<GreetingFault> for LinkFault {
    fn from(fault: GreetingFault) -> Self {
        match fault {
            GreetingFault::Fingerprint => Self::WrongRelay,
            GreetingFault::Signature => Self::NotProved,
            GreetingFault::Version => Self::WrongVersion,
            GreetingFault::Malformed => Self::Malformed,
        }
    }
}

impl From<io::Error> for LinkFault {
    fn from(error: io::Error) -> Self {
        Self::System(error.kind())
    }
}

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestFault {
    /// The relay refused.
    #[error("the relay refused: {0}")]
    Refused(#[from] Refusal),
    /// The session ended first: the relay may or may not have done it.
    #[error("the connection to the relay broke before it answered")]
    Lost,
}

//! The relay from outside: a real client over QUIC against `Relay::start`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod blobs;
mod certificate;
mod client;
mod greeting;
mod mailboxes;
mod places;
mod process;
mod site;

use relevo_protocol::secret::Secret;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{Admission, Answer, Call};
use relevo_relay::{Config, Relay, Running};
use tempfile::TempDir;

/// A relay on loopback in a directory of its own.
struct Trial {
    running: Running,
    data: TempDir,
}

impl Trial {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config =
            Config { data: data.path().join("relay"), listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        config.store.free_bytes = 0;
        config.store.last_free_bytes = 0;
        config.store.ballast_bytes = 0;
        change(&mut config);
        Self { running: Relay::start(config).await.unwrap(), data }
    }

    async fn session(&self) -> client::Session {
        client::Session::open(self.running.local_addr(), &self.running.address()).await
    }

    async fn link(&self) -> client::Link {
        client::Link::open(self.running.local_addr()).await
    }

    /// A session of an invitation that nobody has had.
    async fn invited(&self) -> client::Session {
        let invite = Admission::new(Secret::random().unwrap());
        let sponsor = Call::Sponsor { id: invite.id(), key: invite.key(), expires: Hour(u32::MAX) };
        assert_eq!(self.session().await.done(sponsor).await, Answer::Done);
        client::Session::open(self.running.local_addr(), &self.running.address().with_admission(&invite)).await
    }

    /// A session that has enrolled, and the admission that is its own.
    async fn enrolled(&self) -> (client::Session, Admission) {
        let own = Admission::new(Secret::random().unwrap());
        let mut session = self.invited().await;
        assert_eq!(session.done(Call::Enroll { id: own.id(), key: own.key() }).await, Answer::Done);
        (session, own)
    }
}

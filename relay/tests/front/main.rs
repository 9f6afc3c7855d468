//! The relay from outside: a real client over QUIC against `Relay::start`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod blobs;
mod client;
mod greeting;
mod mailboxes;
mod process;
mod site;

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
}

//! What machines and weather do in a run.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use super::Run;
use crate::simulation::model::Told;
use crate::simulation::network::Seat;
use crate::simulation::op::{Kind, Op};
use crate::simulation::town::{copy, ground};

impl Run {
    /// What machines and weather do.
    pub(super) fn fault(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let relays = self.world.relays.len();
        let relay = op.place(0, relays);
        let seat = Seat { client: who, relay: op.place(1, relays) };
        match op.kind {
            Kind::Offline => {
                self.world.crash(who);
                self.world.open_after(who, op.number(1) * 1_000);
            }
            Kind::Crash => self.world.crash_after(who, op.number(1)),
            Kind::Power => self.world.stop_after(who, 1 + op.number(1)),
            Kind::Restart => {
                self.world.crash(who);
                self.world.open(who)?;
            }
            Kind::Stop if op.number(2) == 0 => self.world.stop_relay_after(relay, op.number(1)),
            Kind::Stop => self.world.stop_relay_in_document(relay, op.number(1) % 12),
            Kind::Cut => self.world.cut(seat),
            Kind::Part => {
                let until = self.world.now + op.number(2) * 1_000;
                self.world.weather.parted.insert(seat, until);
            }
            Kind::Weather => {
                self.world.weather.delay = op.number(0).clamp(1, 5_000);
                self.world.weather.cut = op.number(1);
            }
            Kind::Fill => self.world.relays[relay].disk.set_free(Some(0)),
            Kind::Free => self.world.relays[relay].disk.set_free(None),
            Kind::Skew => {
                let ahead = i64::try_from(op.number(1)).unwrap_or(0) - 600;
                self.world.clients[who].skew = ahead;
            }
            Kind::Sweep => self.world.sweep(relay)?,
            Kind::Keep => {
                self.world.crash(who);
                let kept = ground()?;
                copy(self.world.directory(who), kept.path())?;
                self.vaults[who] = Some(kept);
                self.world.open(who)?;
            }
            Kind::RollVault => {
                let Some(kept) = &self.vaults[who] else { return Ok("nothing kept".to_owned()) };
                self.world.crash(who);
                let directory = self.world.directory(who).to_owned();
                std::fs::remove_dir_all(&directory)?;
                copy(kept.path(), &directory)?;
                self.model.vault_rolled(who);
                self.world.open(who)?;
            }
            Kind::KeepRelay => self.disks[relay] = Some(self.world.relays[relay].disk.copy()?),
            Kind::RollRelay => {
                let Some(kept) = &self.disks[relay] else { return Ok("nothing kept".to_owned()) };
                self.world.stop_relay(relay);
                self.model.relay_rolled(self.world.relays[relay].disk.ahead_of(kept), Told::Nobody);
                self.world.relays[relay].disk.put_back(kept)?;
                self.world.start_relay_after(relay, 1_000);
            }
            Kind::RestoreRelay => {
                let Some(kept) = &self.disks[relay] else { return Ok("nothing kept".to_owned()) };
                self.world.stop_relay(relay);
                self.model.relay_rolled(self.world.relays[relay].disk.ahead_of(kept), Told::Everybody);
                self.world.relays[relay].restore(kept)?;
                self.world.start_relay_after(relay, 1_000);
            }
            Kind::Send
            | Kind::Tell
            | Kind::Read
            | Kind::Document
            | Kind::Fetch
            | Kind::Create
            | Kind::Add
            | Kind::Remove
            | Kind::Leave
            | Kind::Rename
            | Kind::Move
            | Kind::Refound
            | Kind::Alert
            | Kind::Answer
            | Kind::Pass
            | Kind::Sleep => {}
        }
        Ok("done".to_owned())
    }
}

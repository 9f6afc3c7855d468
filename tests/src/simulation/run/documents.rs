//! Documents in a run: prepared, moved and fetched by the account's own code, while everything else goes on.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use relevo_client::document::DocumentState;
use relevo_protocol::content::GroupId;
use relevo_protocol::limits::CHUNK;

use super::Run;
use super::people::verdict;
use crate::simulation::dice::Dice;
use crate::simulation::model::DocumentCopy;
use crate::simulation::op::Op;
use crate::simulation::world::{Posted, Refounded};

/// Bytes of documents: less than a chunk, a chunk and one byte, three chunks.
const SIZES: [usize; 4] = [700, 20_000, CHUNK + 1, 2 * CHUNK + 77];

impl Run {
    /// Somebody chooses a file and sends it to a group.
    pub(super) fn document(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        let name = self.model.next_document(who);
        let file = self.files(who)?.join(&name);
        fs::write(&file, content(&name, SIZES[op.place(2, SIZES.len())]))?;
        let to = group.name;
        match self.world.act(who, async move |one| one.prepare_document(&to, &file).await)? {
            // What the vault has of it goes on when it is opened again.
            None => Ok("cut".to_owned()),
            Some(Ok(number)) => {
                self.world.upload(who, number)?;
                Ok(format!("{name} begun"))
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    /// Somebody fetches a document that is offered.
    pub(super) fn fetch(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(all) = self.world.act(who, async |one| one.documents().await)? else { return Ok("away".to_owned()) };
        let offered: Vec<_> = all?.into_iter().filter(|one| one.state == DocumentState::Offered).collect();
        if offered.is_empty() {
            return Ok("none".to_owned());
        }
        let one = &offered[op.place(1, offered.len())];
        self.world.fetch(who, one.number)?;
        Ok(format!("{} begun", one.manifest.name.as_str()))
    }

    /// What was posted or founded anew since this was last asked, as the devices of those who did it saw it at that moment.
    pub(super) fn note_ended(&mut self) {
        for Refounded { who, group, without, conversations } in self.world.refounded() {
            self.model.refounded(who, group, without, &conversations);
        }
        for Posted { who, name, conversation } in self.world.posted() {
            self.model.posted(who, &name, &conversation);
        }
    }

    /// When faults have stopped: people send again what was refused meanwhile, and fetch whatever is offered.
    pub(super) fn move_documents(&mut self) -> anyhow::Result<()> {
        for who in 0..self.world.clients.len() {
            self.world.resume(who)?;
            let Some(all) = self.world.act(who, async |one| one.documents().await)? else { continue };
            for one in all?.iter().filter(|one| one.state == DocumentState::Offered) {
                self.world.fetch(who, one.number)?;
            }
        }
        Ok(())
    }

    /// What each document is to somebody: written out, read and compared.
    pub(super) fn copies(&mut self, who: usize) -> anyhow::Result<Vec<DocumentCopy>> {
        let all = self.world.act(who, async |one| one.documents().await)?.context("nobody there")??;
        let mut copies = Vec::with_capacity(all.len());
        for one in all {
            let name = one.manifest.name.as_str().to_owned();
            let conversation = GroupId(one.conversation.try_into().map_err(|_| anyhow!("a document of no group"))?);
            let mut copy = DocumentCopy { name, conversation, state: one.state, is_whole: None };
            if copy.state == DocumentState::Here {
                let path = self.files(who)?.join(format!("{}.{}.saved", copy.name, one.number.0));
                let (number, to) = (one.number, path.clone());
                let saved = self.world.act(who, async move |me| me.save_document(number, &to).await)?;
                saved.context("nobody there")?.with_context(|| format!("{} cannot be saved", copy.name))?;
                let (saved, size) = (fs::read(&path)?, usize::try_from(one.manifest.size)?);
                copy.is_whole = Some(saved == content(&copy.name, size));
                fs::remove_file(path)?;
            }
            copies.push(copy);
        }
        Ok(copies)
    }

    /// Where a person's files lie.
    fn files(&self, who: usize) -> anyhow::Result<PathBuf> {
        let folder = self.ground.path().join(format!("files{who}"));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// What is in a document of this name and length.
fn content(name: &str, length: usize) -> Vec<u8> {
    let mut dice = Dice::new(name.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte)));
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(dice.roll().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

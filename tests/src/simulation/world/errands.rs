//! What clients have under way that waits for the network: conversations that move, documents that go and come.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use anyhow::Context;
use relevo_client::account::{Account, AccountFault, Errand};
use relevo_client::conversation::Conversation;
use relevo_client::document::{DocumentNumber, DocumentState, DocumentView};
use relevo_protocol::content::GroupId;

use super::World;
use crate::simulation::town::NAMES;

/// What an errand is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    Move,
    Refound { group: GroupId, without: Option<usize> },
    Upload(DocumentNumber),
    Fetch(DocumentNumber),
}

/// A document that somebody has posted.
pub struct Posted {
    /// Who.
    pub who: usize,
    /// What it is called: no two are called the same.
    pub name: String,
    /// Where, as its author's device saw it when it was posted.
    pub conversation: Conversation,
}

impl std::fmt::Debug for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { who, name, conversation: _ } = self;
        f.debug_struct("Posted").field("who", who).field("name", name).finish_non_exhaustive()
    }
}

/// A conversation that somebody has founded anew.
pub struct Refounded {
    /// Who.
    pub who: usize,
    /// The one that could not go on.
    pub group: GroupId,
    /// Whom not.
    pub without: Option<usize>,
    /// All that this member has.
    pub conversations: Vec<Conversation>,
}

impl std::fmt::Debug for Refounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { who, group: _, without, conversations: _ } = self;
        f.debug_struct("Refounded").field("who", who).field("without", without).finish_non_exhaustive()
    }
}

impl Task {
    pub(super) fn is_document(self) -> bool {
        match self {
            Self::Upload(_) | Self::Fetch(_) => true,
            Self::Move | Self::Refound { .. } => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Move => "moving",
            Self::Refound { .. } => "refounding",
            Self::Upload(_) => "upload",
            Self::Fetch(_) => "download",
        }
    }
}

impl World {
    /// A client moves a conversation. False when it is not there.
    ///
    /// # Errors
    /// Its vault failed.
    pub fn move_conversation(&mut self, client: usize, name: String, host: String) -> anyhow::Result<bool> {
        self.begin(client, Task::Move, async move |one| one.move_conversation(&name, &host).await)
    }

    /// A client founds a conversation anew. False when it is not there.
    ///
    /// # Errors
    /// Its vault failed.
    pub fn refound(
        &mut self,
        client: usize,
        name: String,
        group: GroupId,
        without: Option<usize>,
    ) -> anyhow::Result<bool> {
        let left_out: Vec<String> = without.map(|whom| NAMES[whom].to_owned()).into_iter().collect();
        let task = Task::Refound { group, without };
        self.begin(client, task, async move |one| one.refound(&name, &left_out, None).await.map(drop))
    }

    /// A client sends a document, unless it does already.
    ///
    /// # Errors
    /// Its vault failed.
    pub fn upload(&mut self, client: usize, number: DocumentNumber) -> anyhow::Result<bool> {
        self.begin(client, Task::Upload(number), async move |one| one.upload(number, |_| {}).await)
    }

    /// A client fetches a document, unless it does already.
    ///
    /// # Errors
    /// Its vault failed.
    pub fn fetch(&mut self, client: usize, number: DocumentNumber) -> anyhow::Result<bool> {
        self.begin(client, Task::Fetch(number), async move |one| one.fetch(number, |_| {}).await)
    }

    /// A client goes on with documents that are not sent whole, as `relevo listen` does when it starts.
    ///
    /// # Errors
    /// Its vault failed.
    pub fn resume(&mut self, client: usize) -> anyhow::Result<()> {
        let Some(unfinished) = self.act(client, async |one| one.unfinished_documents().await)? else { return Ok(()) };
        for number in unfinished? {
            self.upload(client, number)?;
        }
        Ok(())
    }

    /// Documents posted since this was last asked.
    pub fn posted(&mut self) -> Vec<Posted> {
        std::mem::take(&mut self.posted)
    }

    /// Conversations founded anew since this was last asked.
    pub fn refounded(&mut self) -> Vec<Refounded> {
        std::mem::take(&mut self.refounded)
    }

    /// What a client had begun when its power went.
    pub(super) fn was_under_way(&mut self, client: usize, task: Task) {
        match task {
            Task::Refound { group, without } => self.founding.push((client, group, without)),
            Task::Move | Task::Upload(_) | Task::Fetch(_) => {}
        }
    }

    /// Notes what a client had founded anew when its power went.
    pub(super) fn note_foundings(&mut self, client: usize) -> anyhow::Result<()> {
        let (its, others) = std::mem::take(&mut self.founding).into_iter().partition(|(who, ..)| *who == client);
        self.founding = others;
        for (who, group, without) in its {
            match self.act(client, async |one| one.conversations().await)? {
                None => self.founding.push((who, group, without)),
                Some(seen) => self.refounded.push(Refounded { who, group, without, conversations: seen? }),
            }
        }
        Ok(())
    }

    /// Notes what a client has posted, while its vault still stands as it did then.
    pub(super) fn note_posts(&mut self, client: usize) -> anyhow::Result<()> {
        let Some(seen) = self.act(client, async |one| Ok((one.documents().await?, one.conversations().await?)))? else {
            return Ok(());
        };
        let (documents, conversations): (Vec<DocumentView>, Vec<Conversation>) = seen?;
        for document in documents.into_iter().filter(|one| one.state == DocumentState::Sent) {
            let name = document.manifest.name.as_str().to_owned();
            let conversation = conversations.iter().find(|one| one.id.0[..] == document.conversation[..]);
            if let (true, Some(conversation)) = (self.noted.insert((client, name.clone())), conversation) {
                self.trace.count("document posted");
                self.posted.push(Posted { who: client, name, conversation: conversation.clone() });
            }
        }
        Ok(())
    }

    /// A client begins something that waits for the network. False when it is not there.
    fn begin(
        &mut self,
        client: usize,
        task: Task,
        verb: impl AsyncFnOnce(&Account) -> Result<(), AccountFault> + 'static,
    ) -> anyhow::Result<bool> {
        let now = self.clock(client);
        self.acts(client);
        let one = &mut self.clients[client];
        if task.is_document() && one.errands.values().any(|other| *other == task) {
            return Ok(true);
        }
        let Some(driven) = &mut one.driven else { return Ok(false) };
        let begun = driven.begin(now, verb);
        if driven.has_stopped() {
            self.was_under_way(client, task);
            self.power_cut(client);
            return Ok(false);
        }
        let (errand, effects) = begun?;
        one.errands.insert(errand, task);
        self.perform(client, effects)?;
        Ok(true)
    }

    /// What a client had begun and has ended.
    pub(super) fn ended(&mut self, client: usize) -> anyhow::Result<()> {
        let Some(driven) = &mut self.clients[client].driven else { return Ok(()) };
        for (errand, done) in driven.ended() {
            self.end(client, errand, done)?;
        }
        Ok(())
    }

    fn end(&mut self, client: usize, errand: Errand, done: Result<(), AccountFault>) -> anyhow::Result<()> {
        let Some(task) = self.clients[client].errands.remove(&errand) else { return Ok(()) };
        let word = task.word();
        let verdict = match done {
            Ok(()) => "done",
            Err(fault @ (AccountFault::Vault(_) | AccountFault::Closed)) => {
                return Err(fault).with_context(|| format!("{word} of c{client}"));
            }
            Err(fault) => fault.code(),
        };
        self.trace.count(&format!("{word}: {verdict}"));
        self.trace.line(self.now, format_args!("c{client} {word}: {verdict}"));
        match (task, verdict) {
            (Task::Upload(_), "done") => self.note_posts(client),
            (Task::Refound { group, without }, "done") => {
                if let Some(seen) = self.act(client, async |one| one.conversations().await)? {
                    self.refounded.push(Refounded { who: client, group, without, conversations: seen? });
                }
                Ok(())
            }
            (Task::Upload(_) | Task::Move | Task::Refound { .. } | Task::Fetch(_), _) => Ok(()),
        }
    }
}

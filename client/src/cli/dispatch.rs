//! Each command on the account, by its name.

use super::arguments::{Contacts, Document, MemberCommand};
use super::failure::Stop;
use super::session::Session;
use super::{alerts, attest, charter, contacts, documents, founding, group, input, requests, status, talk};

pub(crate) async fn dispatch(session: &mut Session<'_>, command: MemberCommand) -> Result<(), Stop> {
    match command {
        MemberCommand::Found { undo: true, .. } => founding::undo(session).await,
        MemberCommand::Found { alliance, union, relay, link, undo: false } => {
            let words = session.screen.words();
            let (ask_relay, ask_link) = (words.msg_prompt_relay(), words.msg_prompt_alliance_link());
            let relay = input::secret(relay, ask_relay, session.screen).await?;
            let alliance = match alliance {
                Some(name) => founding::Alliance::New { name },
                None => founding::Alliance::Invited { link: input::secret(link, ask_link, session.screen).await? },
            };
            founding::found(session, alliance, union.as_deref().unwrap_or_default(), &relay).await
        }
        MemberCommand::Charter { act } => charter::act(session, act).await,
        MemberCommand::Invite { union, days, note } => {
            founding::invite(session, union, days, note.as_deref().unwrap_or_default()).await
        }
        MemberCommand::Join { link, second, note } => {
            let link = input::secret(link, session.screen.words().msg_prompt_link(), session.screen).await?;
            founding::join(session, &link, second.as_deref(), note.as_deref().unwrap_or_default()).await
        }
        MemberCommand::Requests => requests::list(session).await,
        MemberCommand::Vouch { request } => requests::vouch(session, &request).await,
        MemberCommand::Admit { request, ask, refuse } => {
            requests::admit(session, &request, ask.as_deref(), refuse).await
        }
        MemberCommand::Contacts { act: Contacts::List } => contacts::list(session).await,
        MemberCommand::Contacts { act: Contacts::Add { code } } => {
            let code = input::secret(code, session.screen.words().msg_prompt_code(), session.screen).await?;
            contacts::add(session, &code).await
        }
        MemberCommand::Contacts { act: Contacts::Code } => contacts::code(session).await,
        MemberCommand::Introduce { first, second, note } => {
            contacts::introduce(session, &first, &second, note.as_deref().unwrap_or_default()).await
        }
        MemberCommand::Verify { contact, same, different } => {
            contacts::verify(session, &contact, same, different).await
        }
        MemberCommand::Send { to, text } => talk::send(session, &to, text).await,
        MemberCommand::Read { from, all } => talk::read(session, from.as_deref(), all).await,
        MemberCommand::Listen => talk::listen(session).await,
        MemberCommand::Group { act } => group::act(session, act).await,
        MemberCommand::Alert { act } => alerts::act(session, act).await,
        MemberCommand::Document { act: Document::Verify { folder } } => attest::verify(&folder, session.screen),
        MemberCommand::Document { act: Document::Send { to, file } } => documents::send(session, &to, &file).await,
        MemberCommand::Document { act: Document::Get { document, to } } => {
            documents::get(session, &document, to.as_deref()).await
        }
        MemberCommand::Document { act: Document::List } => documents::list(session).await,
        MemberCommand::Document { act: Document::Export { document, to } } => {
            documents::export(session, &document, &to).await
        }
        MemberCommand::Status => status::show(session).await,
    }
}

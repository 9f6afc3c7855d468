//! Each command on the account, by its name.

use super::arguments::{Contacts, Document, MemberCommand};
use super::failure::Stop;
use super::session::Session;
use super::{alerts, attest, charter, contacts, documents, founding, group, input, requests, status, talk};

pub(crate) async fn dispatch(session: &mut Session<'_>, command: MemberCommand) -> Result<(), Stop> {
    match command {
        MemberCommand::Found { alliance, union, relay, link } => {
            let (relay, link) = (input::secret(relay)?, link.map(input::secret).transpose()?);
            founding::found(session, alliance.as_deref(), &union, &relay, link.as_deref()).await
        }
        MemberCommand::Charter { act } => charter::act(session, act).await,
        MemberCommand::Invite { union, days, note } => {
            founding::invite(session, union, days, note.as_deref().unwrap_or_default()).await
        }
        MemberCommand::Join { link, second, note } => {
            founding::join(session, &input::secret(link)?, second.as_deref(), note.as_deref().unwrap_or_default()).await
        }
        MemberCommand::Requests => requests::list(session).await,
        MemberCommand::Vouch { request } => requests::vouch(session, &request).await,
        MemberCommand::Admit { request, ask, refuse } => {
            requests::admit(session, &request, ask.as_deref(), refuse).await
        }
        MemberCommand::Contacts { act: Contacts::List } => contacts::list(session).await,
        MemberCommand::Contacts { act: Contacts::Add { code } } => contacts::add(session, &input::secret(code)?).await,
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

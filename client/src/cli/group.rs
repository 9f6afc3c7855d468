//! `group`: create, add, remove, leave, rename, move, refound, list.

use serde::Serialize;

use super::arguments::Group;
use super::failure::Stop;
use super::session::Session;
use super::{attention, shown, status, when};
use crate::conversation::{Kind, Standing};
use crate::i18n::L10nLanguage;

#[derive(Serialize)]
struct GroupObject<'a> {
    group: &'a str,
    standing: &'static str,
    active: String,
    members: Vec<MemberObject<'a>>,
}

#[derive(Serialize)]
struct MemberObject<'a> {
    pseudonym: &'a str,
    administrator: bool,
    me: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    group: &'a str,
    done: &'static str,
}

pub(crate) async fn act(session: &mut Session<'_>, act: Group) -> Result<(), Stop> {
    let account = session.account.clone();
    let words = session.screen.words();
    let (says, group, done) = match act {
        Group::List => return list(session).await,
        Group::Refound { to, without, relay } => return refound(session, &to, &without, relay.as_deref()).await,
        Group::Create { name, members } => {
            account.create_group(&name, &members).await?;
            (words.msg_group_created(shown::name(&name)), name, "created")
        }
        Group::Add { group, members } => {
            account.add(&group, &members).await?;
            (words.msg_group_added(), group, "added")
        }
        Group::Remove { group, member } => {
            let name = shown::name(&member);
            if account.remove(&group, &member).await? {
                (words.msg_group_removed(name), group, "removed")
            } else {
                (words.msg_group_withdrawn(name), group, "withdrawn")
            }
        }
        Group::Leave { group } => {
            account.leave(&group).await?;
            (words.msg_group_left(shown::name(&group)), group, "left")
        }
        Group::Move { to, relay } => {
            account.move_conversation(&to, &relay).await?;
            (words.msg_group_moved(shown::name(&to)), to, "moved")
        }
        Group::Rename { group, name } => {
            account.rename(&group, &name).await?;
            (words.msg_group_renamed(shown::name(&name)), name, "renamed")
        }
    };
    session.tell(&says, &Done { group: &group, done })?;
    let settled = session.settle().await;
    if !session.screen.is_json() {
        let names = status::conversation_names(session).await?;
        for held in account.changes_held_back().await? {
            if names.iter().any(|(one, name)| *one == held.group && *name == group) {
                let waits = attention::change_held_back(session, &group, &held);
                session.screen.line(&format!("! {waits}"))?;
            }
        }
    }
    settled
}

#[derive(Serialize)]
struct Refounded<'a> {
    group: &'a str,
    done: &'static str,
    invited: &'a [String],
    unreached: &'a [String],
}

async fn refound(session: &mut Session<'_>, name: &str, without: &[String], relay: Option<&str>) -> Result<(), Stop> {
    let refounded = session.account.refound(name, without, relay).await?;
    let names = |all: &[String]| all.iter().map(|one| shown::name(one)).collect::<Vec<_>>().join(", ");
    let (invited, unreached) = (names(&refounded.invited), names(&refounded.unreached));
    let words = session.screen.words();
    let mut says = words.msg_group_refounded(shown::name(name), invited);
    if !refounded.unreached.is_empty() {
        says = format!("{says}\n! {}", words.msg_group_unreached(unreached));
    }
    let done =
        Refounded { group: name, done: "refounded", invited: &refounded.invited, unreached: &refounded.unreached };
    session.tell(&says, &done)?;
    session.settle().await
}

async fn list(session: &mut Session<'_>) -> Result<(), Stop> {
    let me = session.account.about_me().await?.member;
    let mut groups = session.account.conversations().await?;
    groups.retain(|one| one.kind == Kind::Group && one.successor.is_none());
    let screen = &mut *session.screen;
    if groups.is_empty() && !screen.is_json() {
        let none = screen.words().msg_group_none();
        return screen.line(&none);
    }
    for group in &groups {
        let members = group.members.iter().map(|seat| MemberObject {
            pseudonym: &seat.pseudonym,
            administrator: seat.administrator,
            me: seat.member == me,
        });
        let object = GroupObject {
            group: &group.name,
            standing: match group.standing {
                Standing::Live => "live",
                Standing::Halted => "halted",
                Standing::Left => "left",
                Standing::Behind => "behind",
            },
            active: when::utc(group.active),
            members: members.collect(),
        };
        if screen.is_json() {
            screen.object(&object)?;
            continue;
        }
        let words = screen.words();
        let head = format!("{}: {}", shown::name(&group.name), standing(group.standing, words));
        let members = object.members.iter().map(|member| person(member, words)).collect::<Vec<_>>();
        screen.line(&head)?;
        screen.line(&format!("    {}", members.join(", ")))?;
    }
    Ok(())
}

fn person(member: &MemberObject<'_>, words: &L10nLanguage) -> String {
    let name = shown::name(member.pseudonym);
    let mut about = Vec::new();
    about.extend(member.me.then(|| words.msg_group_you()));
    about.extend(member.administrator.then(|| words.msg_group_administrator()));
    if about.is_empty() { name } else { format!("{name} ({})", about.join(", ")) }
}

fn standing(standing: Standing, words: &L10nLanguage) -> String {
    match standing {
        Standing::Live => words.msg_standing_live(),
        Standing::Halted => words.msg_standing_halted(),
        Standing::Left => words.msg_standing_left(),
        Standing::Behind => words.msg_standing_behind(),
    }
}

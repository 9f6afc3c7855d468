use relevo_protocol::content::{Alert, AlertAnswer, AlertText, GroupId, ParcelBody, Severity};
use relevo_protocol::trust::{DeviceKey, MemberKey, PolicyVersion, Scope, Signed};

use super::sent::{compose, left};
use super::{AlertDraft, AlertFault, Verdict, answer, list, received, status};
use crate::inbox;
use crate::membership::tests::{allied, founded, newcomer};
use crate::membership::town::Town;
use crate::membership::{MembershipFault, charter, identity};
use crate::vault::conversations::{self, SeatRow};

const GROUP: GroupId = GroupId([5; 16]);

fn draft(town: &Town) -> AlertDraft {
    let text =
        |language: &str, text: &str| AlertText { language: language.parse().unwrap(), text: text.parse().unwrap() };
    AlertDraft {
        texts: vec![text("es", "Huelga a las seis"), text("en", "Strike at six"), text("fr", "Grève à six heures")],
        severity: Severity::Urgent,
        expires: town.now.plus_seconds(24 * 3600),
        answer_wanted: true,
        drill: false,
    }
}

/// Ana alerts the people of a group.
fn alerted(town: &mut Town, audience: &[&'static str]) -> (u64, Signed<Alert>) {
    let seats: Vec<(MemberKey, String)> = audience.iter().map(|name| (town.member(name), (*name).to_owned())).collect();
    let draft = draft(town);
    let sent = town.act_and_settle("Ana", |tx, now| compose(tx, &GROUP, seats, draft, now));
    for name in audience {
        assert_eq!(post(town, name, &sent.1), Verdict::Believed, "{name}");
    }
    sent
}

/// The alert comes to somebody in a conversation.
fn post(town: &mut Town, name: &str, alert: &Signed<Alert>) -> Verdict {
    let ana = town.member("Ana");
    town.act(name, |tx, now| received(tx, &GROUP, &ana, alert, now)).unwrap()
}

#[test]
fn the_coordinator_sees_who_answered_who_needs_help_and_who_is_silent() {
    let mut town = allied();
    newcomer(&mut town, "Elena");
    let (number, _) = alerted(&mut town, &["Bruno", "Carla", "Elena"]);
    town.act_and_settle("Bruno", |tx, now| answer(tx, 1, AlertAnswer::Read, now));
    town.act_and_settle("Elena", |tx, now| answer(tx, 1, AlertAnswer::Read, now));
    town.act_and_settle("Elena", |tx, now| answer(tx, 1, AlertAnswer::NeedHelp, now));
    let seen = town.act("Ana", |tx, _| status(tx, number)).unwrap();
    let names = |answers: &[super::Answered]| answers.iter().map(|one| one.pseudonym.clone()).collect::<Vec<_>>();
    assert_eq!((names(&seen.read), names(&seen.need_help)), (vec!["Bruno".to_owned()], vec!["Elena".to_owned()]));
    assert_eq!(seen.silent, ["Carla"]);
}

#[test]
fn a_member_reads_an_alert_once_in_every_language_it_was_written_in() {
    let mut town = founded();
    let (_, alert) = alerted(&mut town, &["Bruno"]);
    assert_eq!(post(&mut town, "Bruno", &alert), Verdict::Believed);
    let all = town.act("Bruno", list).unwrap();
    let [one] = all.as_slice() else { panic!("one alert, not {}", all.len()) };
    let languages: Vec<&str> = one.texts.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!((languages, one.sender.as_str(), one.union.as_str()), (vec!["en", "es", "fr"], "Ana", "Local 6500"));
    town.now = town.now.plus_seconds(25 * 3600);
    assert!(town.act("Bruno", list).unwrap()[0].expired);
    assert_eq!(post(&mut town, "Bruno", &alert), Verdict::Believed, "sent again, and known");
    assert_eq!(town.warnings("Bruno"), [""; 0]);
}

#[test]
fn an_expired_alert_is_refused_and_said() {
    let mut town = founded();
    let (_, alert) = alerted(&mut town, &[]);
    town.now = town.now.plus_seconds(25 * 3600);
    assert_eq!(post(&mut town, "Bruno", &alert), Verdict::Refused);
    assert_eq!(town.warnings("Bruno"), ["alert-refused"]);
    assert!(town.act("Bruno", list).unwrap().is_empty());
}

#[test]
fn an_alert_that_a_member_signs_in_a_coordinators_name_is_refused() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    let ana = town.member("Ana");
    let draft = draft(&town);
    let forged = town
        .act("Elena", |tx, now| {
            let (me, charter) = (identity::me(tx)?, charter::need(tx)?);
            let alert = Alert {
                alliance: charter.alliance(),
                union: charter.unions[0].id,
                scope: Scope::Union,
                sender: ana,
                serial: 1,
                supersedes: None,
                severity: Severity::Emergency,
                texts: draft.texts.into_iter().take(1).collect(),
                issued: now,
                expires: draft.expires,
                acknowledge: true,
                drill: false,
            };
            Ok::<_, MembershipFault>(Signed::sign(&alert, &me.device)?)
        })
        .unwrap();
    assert_eq!(post(&mut town, "Bruno", &forged), Verdict::Refused);
    assert_eq!(town.warnings("Bruno"), ["alert-refused"]);
}

#[test]
fn a_member_without_a_mandate_sends_no_alert() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    let draft = draft(&town);
    let refused = town.act("Elena", |tx, now| compose(tx, &GROUP, Vec::new(), draft, now));
    assert!(matches!(&refused, Err(fault) if fault.code() == "not-a-coordinator"), "{refused:?}");
}

#[test]
fn an_alert_from_somebody_who_does_not_coordinate_this_alliance_is_refused() {
    // A coordinator of another alliance, as one whose union was put out would be.
    let (mut town, mut other) = (founded(), founded());
    let (_, alert) = alerted(&mut other, &[]);
    assert_eq!(post(&mut town, "Bruno", &alert), Verdict::Refused);
}

#[test]
fn an_answer_from_outside_of_the_audience_counts_for_nothing() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    let (number, alert) = alerted(&mut town, &["Bruno"]);
    let ana = town.member("Ana");
    let body = ParcelBody::AlertAnswer { alert: alert.hash(), answer: AlertAnswer::Read };
    town.act_and_settle("Elena", |tx, now| inbox::send(tx, &ana, &body, now));
    let seen = town.act("Ana", |tx, _| status(tx, number)).unwrap();
    assert!(seen.read.is_empty());
    assert_eq!(seen.silent, ["Bruno"]);
    assert_eq!(town.warnings("Ana"), ["parcel-refused"]);
}

#[test]
fn whoever_comes_in_before_an_alert_leaves_is_of_its_audience() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    let (number, alert) = alerted(&mut town, &["Bruno"]);
    let elena = town.member("Elena");
    town.act("Ana", |tx, _| {
        let seat = SeatRow {
            leaf: 1,
            member: elena,
            device: DeviceKey::new([7; 32]),
            pseudonym: "Elena".to_owned(),
            key: [7; 32],
            serial: 1,
            devices: 1,
            committed_at: None,
            policy: PolicyVersion::CURRENT,
        };
        conversations::put_seats(tx, &GROUP, &[seat])?;
        left(tx, &GROUP, &alert.hash())?;
        // Gone again.
        Ok::<_, MembershipFault>(conversations::put_seats(tx, &GROUP, &[])?)
    })
    .unwrap();
    let seen = town.act("Ana", |tx, _| status(tx, number)).unwrap();
    assert_eq!(seen.silent, ["Bruno", "Elena"]);
    let ana = town.member("Ana");
    let body = ParcelBody::AlertAnswer { alert: alert.hash(), answer: AlertAnswer::Read };
    town.act_and_settle("Elena", |tx, now| inbox::send(tx, &ana, &body, now));
    let seen = town.act("Ana", |tx, _| status(tx, number)).unwrap();
    assert_eq!((seen.read.len(), seen.silent), (1, vec!["Bruno".to_owned()]));
}

#[test]
fn dates_that_nobody_would_believe_are_refused_before_anything_is_sent() {
    let mut town = founded();
    let mut draft = draft(&town);
    draft.expires = town.now.plus_seconds(365 * 24 * 3600);
    let refused = town.act("Ana", |tx, now| compose(tx, &GROUP, Vec::new(), draft, now));
    assert!(matches!(refused, Err(AlertFault::Refused(_))));
}

//! An alert counts only from a coordinator, in its alliance, in its time.

use relevo_protocol::content::{Alert, AlertFault};
use relevo_protocol::limits::{ALERT_CLOCK_SECONDS, MAX_ALERT_DAYS};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{AllianceId, ObjectFault, ObjectHash, Signed, UnionId};

use crate::alliance::{Alliance, START, TERM_END};
use crate::said::alert;

fn verdict(change: impl FnOnce(&mut Alert)) -> Result<(), AlertFault> {
    let alliance = Alliance::new();
    let mut alert = alert(&alliance);
    change(&mut alert);
    let signed = Signed::sign(&alert, &alliance.ana.device).unwrap();
    Alert::verify(&signed, &alliance.charter, START).map(drop)
}

#[test]
fn a_coordinators_alert_is_believed_until_it_expires() {
    let alliance = Alliance::new();
    let signed = Signed::sign(&alert(&alliance), &alliance.ana.device).unwrap();
    let verified = Alert::verify(&signed, &alliance.charter, START).unwrap();
    assert_eq!(*verified, alert(&alliance));
    assert!(Alert::verify(&signed, &alliance.charter, Timestamp(START.0 + 3599)).is_ok());
    let late = Timestamp(START.0 + 3600);
    assert_eq!(Alert::verify(&signed, &alliance.charter, late).err(), Some(AlertFault::Expired));
    assert!(Alert::verify_at_any_time(&signed, &alliance.charter).is_ok());
}

#[test]
fn a_members_alert_is_refused() {
    let alliance = Alliance::new();
    let mut alert = alert(&alliance);
    alert.sender = alliance.rosa.key();
    let signed = Signed::sign(&alert, &alliance.rosa.device).unwrap();
    assert_eq!(Alert::verify(&signed, &alliance.charter, START).err(), Some(AlertFault::NoMandate));
}

#[test]
fn an_alert_in_another_coordinators_name_is_refused() {
    let alliance = Alliance::new();
    let signed = Signed::sign(&alert(&alliance), &alliance.luc.device).unwrap();
    assert_eq!(Alert::verify(&signed, &alliance.charter, START).err(), Some(AlertFault::NoMandate));
}

#[test]
fn an_altered_alert_is_refused() {
    let alliance = Alliance::new();
    let bytes = Signed::sign(&alert(&alliance), &alliance.ana.device).unwrap().bytes().to_vec();
    let gas = bytes.windows(3).position(|window| window == b"Gas").unwrap();
    let mut altered = bytes;
    altered[gas] = b'B';
    let signed = Signed::<Alert>::decode(&altered).unwrap();
    let fault = Alert::verify(&signed, &alliance.charter, START).err();
    assert_eq!(fault, Some(AlertFault::Object(ObjectFault::Signature)));
}

#[test]
fn an_alert_of_another_alliance_or_union_is_refused() {
    assert_eq!(verdict(|alert| alert.alliance = AllianceId(ObjectHash([1; 32]))), Err(AlertFault::OtherAlliance));
    assert_eq!(verdict(|alert| alert.union = UnionId([1; 16])), Err(AlertFault::NoMandate));
}

#[test]
fn an_alert_issued_outside_of_the_term_is_refused() {
    let before = |alert: &mut Alert| alert.issued = Timestamp(START.0 - 1);
    assert_eq!(verdict(before), Err(AlertFault::NoMandate));
    let after = |alert: &mut Alert| {
        alert.issued = TERM_END;
        alert.expires = TERM_END.plus_seconds(60);
    };
    assert_eq!(verdict(after), Err(AlertFault::NoMandate));
}

#[test]
fn an_alert_lasts_no_longer_than_an_alert_may_and_does_not_come_from_the_future() {
    let lasting = |seconds: u64| verdict(|alert| alert.expires = alert.issued.plus_seconds(seconds));
    assert_eq!(lasting(MAX_ALERT_DAYS * 86_400), Ok(()));
    assert_eq!(lasting(MAX_ALERT_DAYS * 86_400 + 1), Err(AlertFault::Dates));
    assert_eq!(lasting(0), Err(AlertFault::Dates));
    let ahead = |seconds: u64| {
        verdict(|alert| {
            alert.issued = START.plus_seconds(seconds);
            alert.expires = alert.issued.plus_seconds(60);
        })
    };
    assert_eq!(ahead(ALERT_CLOCK_SECONDS), Ok(()));
    assert_eq!(ahead(ALERT_CLOCK_SECONDS + 1), Err(AlertFault::Dates));
}

#[test]
fn an_alert_has_one_text_in_each_of_its_languages() {
    assert_eq!(verdict(|alert| alert.texts.clear()), Err(AlertFault::Texts));
    assert_eq!(verdict(|alert| alert.texts.reverse()), Err(AlertFault::Texts));
    let twice = |alert: &mut Alert| alert.texts.push(alert.texts[1].clone());
    assert_eq!(verdict(twice), Err(AlertFault::Texts));
}

#[test]
fn a_reader_gets_the_language_they_want_or_the_first() {
    let alert = alert(&Alliance::new());
    let language = |wanted: &[&str]| {
        let wanted: Vec<_> = wanted.iter().map(|tag| tag.parse().unwrap()).collect();
        alert.text_in(&wanted).unwrap().language.as_str().to_owned()
    };
    assert_eq!(language(&["pt", "es"]), "es");
    assert_eq!(language(&["fr"]), "en");
}

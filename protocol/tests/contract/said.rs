//! One of everything that members say.

use relevo_protocol::content::{
    Admission, Alert, AlertAnswer, AlertText, Body, CarriedCheckpoint, CharterDraft, CodeKind, Complaint, ContactCard,
    Endorsement, GroupId, GroupOwner, Introduction, Invitation, JoinRequest, LeaveRequest, Location, LogItem, LogSeen,
    Manifest, Message, MessageId, Opaque, ParcelBody, ParcelReceipt, PinnedObject, RequestId, SafetyStep, Severity,
    UnionDraft, VouchRequest, Welcome, WelcomeSource,
};
use relevo_protocol::sealed::{DocumentKey, EntryKey, GroupSecrets};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    Draft, ObjectHash, RollHead, RollKind, SafetyNonce, Scope, Signed, Vouch, VouchOpening, VouchSalt,
};
use relevo_protocol::wire::{BlobId, RelayIdentity, SignedCheckpoint};

use crate::alliance::{Alliance, START, UNION, inbox};
use crate::dice::Dice;
use crate::frames::{checkpoint, relay_key};

pub(crate) fn alert(alliance: &Alliance) -> Alert {
    let text =
        |language: &str, text: &str| AlertText { language: language.parse().unwrap(), text: text.parse().unwrap() };
    Alert {
        alliance: alliance.id(),
        union: UNION,
        scope: Scope::Union,
        sender: alliance.ana.key(),
        serial: 7,
        supersedes: Some(ObjectHash([1; 32])),
        severity: Severity::Urgent,
        texts: vec![text("en", "Gas in shaft 4"), text("es", "Gas en el pozo 4")],
        issued: START,
        expires: Timestamp(START.0 + 3600),
        acknowledge: true,
        drill: false,
    }
}

pub(crate) fn manifest(alliance: &Alliance) -> Manifest {
    Manifest {
        alliance: alliance.id(),
        author: alliance.rosa.key(),
        name: "convenio 2026.pdf".parse().unwrap(),
        media_type: "application/pdf".parse().unwrap(),
        size: 300_000,
        sha256: [3; 32],
        made: START,
    }
}

pub(crate) fn location(d: &mut Dice) -> Location {
    Location {
        relays: vec![d.relay()],
        key: DocumentKey::new(d.secret()),
        chunks: vec![BlobId(d.bytes()), BlobId(d.bytes())],
    }
}

pub(crate) fn leave(alliance: &Alliance) -> Signed<LeaveRequest> {
    let request = LeaveRequest { group: GroupId([6; 16]), member: alliance.rosa.key(), asked: START };
    Signed::sign(&request, &alliance.rosa.device).unwrap()
}

pub(crate) fn bodies(alliance: &Alliance, d: &mut Dice) -> Vec<(&'static str, Body)> {
    vec![
        ("text", Body::Text { text: d.text(40).parse().unwrap(), language: Some("es".parse().unwrap()) }),
        ("receipt", Body::Receipt { of: d.list(4, |d| MessageId(d.bytes())) }),
        ("reaction", Body::Reaction { to: MessageId(d.bytes()), with: "👍".parse().unwrap() }),
        ("alert-posted", Body::Alert { alert: Signed::sign(&alert(alliance), &alliance.ana.device).unwrap() }),
        (
            "document",
            Body::Document {
                manifest: Signed::sign(&manifest(alliance), &alliance.rosa.device).unwrap(),
                location: location(d),
            },
        ),
        ("posted", Body::Posted { inbox: inbox(d) }),
        ("leave", Body::Leave { request: leave(alliance) }),
    ]
}

pub(crate) fn messages(alliance: &Alliance, d: &mut Dice) -> Vec<(&'static str, Message)> {
    let seen = |d: &mut Dice| LogSeen {
        authenticator: d.bytes(),
        incarnation: d.incarnation(),
        sequence: d.sequence(),
        head: d.head(),
    };
    let carried = |d: &mut Dice| CarriedCheckpoint {
        relay: RelayIdentity(relay_key().verifying_key().to_bytes()),
        checkpoint: SignedCheckpoint::sign(&checkpoint(d), &relay_key()),
    };
    let message = |body: Body, d: &mut Dice| Message {
        id: MessageId(d.bytes()),
        sent: d.timestamp(),
        seen: seen(d),
        carried: d.list(2, carried),
        timer: d.maybe(Dice::u32),
        body: body.into(),
    };
    bodies(alliance, d).into_iter().map(|(name, body)| (name, message(body, d))).collect()
}

pub(crate) fn log_items(alliance: &Alliance, d: &mut Dice) -> Vec<(&'static str, LogItem)> {
    let set = alliance.charter.unions[0].first_set.clone();
    vec![
        ("mls", LogItem::Mls { message: Opaque::new(d.many(300)) }),
        ("pinned-charter", LogItem::Pinned { object: PinnedObject::Charter { charter: alliance.signed.clone() } }),
        ("pinned-set", LogItem::Pinned { object: PinnedObject::CoordinatorSet { set } }),
        ("returned", LogItem::Returned { commits: vec![ObjectHash([7; 32]), ObjectHash([8; 32])] }),
    ]
}

pub(crate) fn invitation(alliance: &Alliance, d: &mut Dice) -> Invitation {
    Invitation {
        kind: CodeKind::Member,
        alliance: Some(alliance.id()),
        inviter: alliance.contact(&alliance.rosa),
        expires: d.timestamp(),
        note: d.text(30).parse().unwrap(),
    }
}

fn vouch(alliance: &Alliance) -> Signed<Vouch> {
    let vouch = Vouch {
        alliance: alliance.id(),
        newcomer: alliance.luc.key(),
        union: UNION,
        scope: Scope::Union,
        voucher: alliance.rosa.key(),
        voucher_card: alliance.card(&alliance.rosa).hash(),
        issued: START,
        expires: Timestamp(START.0 + 1000),
    };
    Signed::sign(&vouch, &alliance.rosa.device).unwrap()
}

fn vouch_request(alliance: &Alliance, d: &mut Dice) -> VouchRequest {
    VouchRequest {
        request: RequestId(d.bytes()),
        union: UNION,
        applicant: ContactCard { identity: alliance.luc.newcomer(), inbox: inbox(d) },
        second: d.maybe(|_| "Pedro".parse().unwrap()),
        endorsements: vec![Endorsement { vouch: vouch(alliance), voucher: alliance.contact(&alliance.rosa) }],
        note: d.text(20).parse().unwrap(),
    }
}

fn welcome(alliance: &Alliance, welcome: WelcomeSource, d: &mut Dice) -> ParcelBody {
    ParcelBody::Welcome(Welcome {
        group: GroupId(d.bytes()),
        welcome,
        secrets: GroupSecrets::derive(&d.secret()),
        relay: d.relay(),
        mailbox: d.mailbox(),
        incarnation: d.incarnation(),
        after: d.sequence(),
        head: d.head(),
        pinned: vec![PinnedObject::Charter { charter: alliance.signed.clone() }],
    })
}

fn welcome_log(alliance: &Alliance, d: &mut Dice) -> ParcelBody {
    let source = WelcomeSource::Log {
        mailbox: d.mailbox(),
        read: d.capability(),
        key: EntryKey::new(d.secret()),
        parts: 2,
        sha256: d.bytes(),
    };
    welcome(alliance, source, d)
}

pub(crate) fn parcels(alliance: &Alliance, d: &mut Dice) -> Vec<(&'static str, ParcelBody)> {
    let contact = |d: &mut Dice| ContactCard { identity: alliance.luc.newcomer(), inbox: inbox(d) };
    let set = alliance.charter.unions[0].first_set.clone();
    let set_draft = set.draft().unwrap();
    let charter_draft = alliance.signed.draft().unwrap();
    let signature = charter_draft.sign(&alliance.ana.device);
    let nonce = SafetyNonce(d.secret());
    let commitment = nonce.commit(&alliance.ana.key());
    let (entry, _) =
        RollHead::START.append(UNION, RollKind::Card, alliance.card(&alliance.rosa).hash(), START).unwrap();
    let blobs = WelcomeSource::Blobs { size: 300_000, sha256: d.bytes(), location: location(d) };
    vec![
        (
            "join-request",
            ParcelBody::JoinRequest(JoinRequest {
                request: RequestId(d.bytes()),
                code: d.mailbox(),
                applicant: contact(d),
                second: d.maybe(|_| "Pedro".parse().unwrap()),
                note: d.text(20).parse().unwrap(),
            }),
        ),
        ("vouch-request", ParcelBody::VouchRequest(vouch_request(alliance, d))),
        ("vouch-given", ParcelBody::VouchGiven(vouch_request(alliance, d))),
        (
            "admission",
            ParcelBody::Admission(Admission {
                request: d.maybe(|d| RequestId(d.bytes())),
                card: alliance.card(&alliance.luc),
                charters: vec![alliance.signed.clone()],
                contacts: vec![alliance.contact(&alliance.ana)],
            }),
        ),
        ("contact", ParcelBody::Contact { contact: contact(d), code: d.maybe(Dice::mailbox) }),
        ("introduction", ParcelBody::Introduction(Introduction { of: contact(d), note: d.text(9).parse().unwrap() })),
        ("welcome-inline", welcome(alliance, WelcomeSource::Inline { welcome: Opaque::new(d.many(200)) }, d)),
        ("welcome-blobs", welcome(alliance, blobs, d)),
        (
            "group-owner",
            ParcelBody::GroupOwner(GroupOwner {
                group: GroupId(d.bytes()),
                mailbox: d.mailbox(),
                owner: d.capability(),
            }),
        ),
        ("alert-answer", ParcelBody::AlertAnswer { alert: ObjectHash(d.bytes()), answer: AlertAnswer::NeedHelp }),
        ("parcel-receipt", ParcelBody::Receipt(ParcelReceipt { of: ObjectHash(d.bytes()) })),
        ("founder", ParcelBody::Founder { code: d.mailbox(), founder: contact(d) }),
        ("set-draft", ParcelBody::SetDraft(set_draft)),
        ("set-signature", ParcelBody::SetSignature { of: set.hash(), signature: signature.clone() }),
        (
            "union-draft",
            ParcelBody::UnionDraft(UnionDraft {
                code: d.mailbox(),
                union: alliance.charter.unions[0].duplicate(),
                coordinators: vec![contact(d)],
            }),
        ),
        (
            "charter-draft",
            ParcelBody::CharterDraft(CharterDraft { draft: charter_draft, previous: vec![alliance.signed.clone()] }),
        ),
        ("charter-signature", ParcelBody::CharterSignature { of: alliance.signed.hash(), signature }),
        ("charter-published", ParcelBody::CharterPublished { charters: vec![alliance.signed.clone()] }),
        (
            "complaint",
            ParcelBody::Complaint(Complaint {
                group: GroupId(d.bytes()),
                sequence: d.sequence(),
                commit: d.bytes(),
                reason: d.text(9).parse().unwrap(),
            }),
        ),
        ("leave-parcel", ParcelBody::Leave(leave(alliance))),
        ("re-add", ParcelBody::ReAdd { group: GroupId(d.bytes()) }),
        (
            "roll",
            ParcelBody::Roll {
                entry,
                object: Opaque::new(alliance.card(&alliance.rosa).bytes().to_vec()),
                opening: Some(VouchOpening::new(VouchSalt(d.secret()), vec![vouch(alliance)]).unwrap()),
            },
        ),
        ("safety-commit", ParcelBody::Safety(SafetyStep::Commit { commitment })),
        ("safety-answer", ParcelBody::Safety(SafetyStep::Answer { commitment, nonce: SafetyNonce(d.secret()) })),
        ("safety-reveal", ParcelBody::Safety(SafetyStep::Reveal { commitment, nonce })),
        // Dice of its own, so that the frozen samples stay what they are.
        ("welcome-log", welcome_log(alliance, &mut Dice(7))),
    ]
}

/// A draft is what it was drawn up from.
pub(crate) fn same_draft(alliance: &Alliance) -> bool {
    alliance.signed.draft().is_ok_and(|draft: Draft<_>| draft.hash() == alliance.signed.hash())
}

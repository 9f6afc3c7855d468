use relevo_protocol::secret::Secret;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{Admission, AdmissionId, MailboxKind, Refusal};

use super::super::{AdmissionKind, Applied, Change};
use super::facts;
use super::world::{World, capability, entry};

facts!(
    an_unknown_or_expired_admission_pays_for_nothing,
    a_single_use_admission_only_enrolls_and_only_once,
    enrolling_again_after_a_lost_answer_is_done,
    a_single_use_admission_does_not_enroll_as_what_is_no_lasting_one,
    a_single_use_admission_does_not_sponsor_and_a_shared_one_does_not_enroll,
    sponsoring_is_bounded_for_30_days,
    those_who_were_sponsored_cannot_multiply_without_end,
    who_raises_a_bound_that_was_used_up_gives_room_at_once,
    admissions_are_bounded_and_the_last_of_them_are_the_shared_ones,
    an_allowance_comes_back_after_30_days,
    an_enrolled_admission_lasts_while_it_is_used,
    expired_admissions_are_swept,
    providing_again_moves_the_end_and_keeps_the_sums,
);

fn admission(fill: u8) -> Admission {
    Admission::new(Secret::new([fill; 32]))
}

/// An enrolled admission, by way of a single-use one.
pub(super) fn enrolled(world: &mut World, fill: u8) -> Admission {
    let (invite, lasting) = (admission(fill), admission(fill + 1));
    single_use(world, &invite);
    world.apply(Change::Enroll { by: invite.id(), id: lasting.id(), key: lasting.key() }).unwrap();
    lasting
}

fn single_use(world: &mut World, admission: &Admission) {
    let expires = world.now.round_up().plus(24);
    world.apply(Change::Sponsor { by: world.purse, id: admission.id(), key: admission.key(), expires }).unwrap();
}

fn open(world: &mut World, by: &Admission) -> Result<Applied, Refusal> {
    world.apply(Change::Open {
        admission: by.id(),
        kind: MailboxKind::Shared,
        owner: capability(),
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 1,
    })
}

fn an_unknown_or_expired_admission_pays_for_nothing(world: &mut World) {
    assert_eq!(open(world, &admission(1)), Err(Refusal::AllowanceSpent));
    let brief = admission(2);
    let expires = world.now.round_up().plus(1);
    world.apply(Change::Provide { id: brief.id(), key: brief.key(), expires }).unwrap();
    assert!(open(world, &brief).is_ok());
    world.pass_hours(2);
    assert_eq!(open(world, &brief), Err(Refusal::AllowanceSpent));
    assert!(world.store.admission(&brief.id(), world.now).unwrap().is_none());
}

fn a_single_use_admission_only_enrolls_and_only_once(world: &mut World) {
    let (invite, one, two) = (admission(1), admission(2), admission(3));
    single_use(world, &invite);
    assert_eq!(open(world, &invite), Err(Refusal::AllowanceSpent));
    world.apply(Change::Enroll { by: invite.id(), id: one.id(), key: one.key() }).unwrap();
    world.reopen();
    assert!(world.store.admission(&invite.id(), world.now).unwrap().is_none());
    let view = world.store.admission(&one.id(), world.now).unwrap().unwrap();
    assert_eq!((view.key, view.kind), (one.key(), AdmissionKind::Enrolled));
    let second = world.apply(Change::Enroll { by: invite.id(), id: two.id(), key: two.key() });
    assert_eq!(second, Err(Refusal::AllowanceSpent));
    assert!(open(world, &one).is_ok());
}

fn enrolling_again_after_a_lost_answer_is_done(world: &mut World) {
    let (invite, one) = (admission(1), admission(2));
    single_use(world, &invite);
    for _ in 0..2 {
        let done = world.apply(Change::Enroll { by: invite.id(), id: one.id(), key: one.key() });
        assert_eq!(done, Ok(Applied::Done));
    }
    let stolen = world.apply(Change::Enroll { by: invite.id(), id: one.id(), key: admission(9).key() });
    assert_eq!(stolen, Err(Refusal::Malformed));
}

fn a_single_use_admission_does_not_enroll_as_what_is_no_lasting_one(world: &mut World) {
    let (invite, other) = (admission(1), admission(2));
    single_use(world, &invite);
    single_use(world, &other);
    for target in [&invite, &other] {
        let refused = world.apply(Change::Enroll { by: invite.id(), id: target.id(), key: target.key() });
        assert_eq!(refused, Err(Refusal::Malformed));
    }
}

fn a_single_use_admission_does_not_sponsor_and_a_shared_one_does_not_enroll(world: &mut World) {
    let (invite, new) = (admission(1), admission(2));
    single_use(world, &invite);
    let expires = world.now.round_up().plus(1);
    let refused = world.apply(Change::Sponsor { by: invite.id(), id: new.id(), key: new.key(), expires });
    assert_eq!(refused, Err(Refusal::AllowanceSpent));
    let shared = world.purse;
    let refused = world.apply(Change::Enroll { by: shared, id: new.id(), key: new.key() });
    assert_eq!(refused, Err(Refusal::WrongKind));
}

fn sponsoring_is_bounded_for_30_days(world: &mut World) {
    world.configured(|config| config.sponsored = 2);
    let by = enrolled(world, 10);
    let expires = Hour(u32::MAX);
    for (fill, may) in [(50, true), (51, true), (52, false)] {
        let new = admission(fill);
        let outcome = world.apply(Change::Sponsor { by: by.id(), id: new.id(), key: new.key(), expires });
        assert_eq!(outcome.is_ok(), may);
    }
    let view = world.store.admission(&admission(50).id(), world.now).unwrap().unwrap();
    assert_eq!((view.kind, view.bytes_left, view.mailboxes_left), (AdmissionKind::SingleUse, 0, 0));
    assert_eq!(view.expires, world.now.round_up().plus(90 * 24), "no longer than the longest lease");
}

fn an_allowance_comes_back_after_30_days(world: &mut World) {
    world.configured(|config| {
        config.admission_mailboxes = 1;
        config.admission_bytes = 2048;
    });
    let by = enrolled(world, 10);
    let mailbox = world.open(MailboxKind::Shared);
    let append = |world: &mut World| {
        let (mailbox, capability) = (mailbox.id, mailbox.append);
        world.apply(Change::Append { admission: by.id(), mailbox, capability, entry: entry(1, 1) })
    };
    for _ in 0..2 {
        assert!(open(world, &by).is_ok());
        assert_eq!(open(world, &by), Err(Refusal::AllowanceSpent));
        assert!(append(world).is_ok());
        assert_eq!(append(world), Err(Refusal::AllowanceSpent));
        let view = world.store.admission(&by.id(), world.now).unwrap().unwrap();
        assert_eq!((view.bytes_left, view.mailboxes_left), (0, 0));
        world.apply(Change::Renew { mailbox: mailbox.id, capability: mailbox.owner, lease_hours: 2000 }).unwrap();
        world.pass_hours(30 * 24);
    }
}

fn an_enrolled_admission_lasts_while_it_is_used(world: &mut World) {
    let (used, idle) = (enrolled(world, 10), enrolled(world, 30));
    for _ in 0..4 {
        world.pass_hours(200 * 24);
        assert!(open(world, &used).is_ok());
    }
    assert_eq!(open(world, &idle), Err(Refusal::AllowanceSpent));
}

fn expired_admissions_are_swept(world: &mut World) {
    let brief = admission(1);
    single_use(world, &brief);
    world.pass_hours(30);
    world.sweep();
    let end = world.now.round_up().plus(1);
    // It is gone, not hidden: the same id may be registered anew with another key.
    let again = world.apply(Change::Sponsor { by: world.purse, id: brief.id(), key: admission(2).key(), expires: end });
    assert_eq!(again, Ok(Applied::Done));
}

fn providing_again_moves_the_end_and_keeps_the_sums(world: &mut World) {
    world.configured(|config| config.shared_mailboxes = 1);
    let shared = admission(1);
    let provide = |hours| Change::Provide {
        id: shared.id(),
        key: shared.key(),
        expires: super::world::NOW.round_up().plus(hours),
    };
    world.apply(provide(10)).unwrap();
    assert!(open(world, &shared).is_ok());
    world.apply(provide(20)).unwrap();
    assert_eq!(open(world, &shared), Err(Refusal::AllowanceSpent));
    world.pass_hours(15);
    world.sweep();
    assert!(world.store.admission(&shared.id(), world.now).unwrap().is_some());
}

/// Registers a single-use admission.
fn sponsor(world: &mut World, by: AdmissionId, fill: u8) -> Result<Applied, Refusal> {
    let new = admission(fill);
    let expires = world.now.round_up().plus(24);
    world.apply(Change::Sponsor { by, id: new.id(), key: new.key(), expires })
}

fn those_who_were_sponsored_cannot_multiply_without_end(world: &mut World) {
    world.configured(|config| config.all_sponsored = 3);
    let (one, two) = (enrolled(world, 10), enrolled(world, 20));
    assert!(sponsor(world, one.id(), 30).is_ok());
    assert!(sponsor(world, two.id(), 31).is_ok());
    assert!(sponsor(world, one.id(), 32).is_ok());
    assert!(sponsor(world, one.id(), 32).is_ok(), "the same once more is no other");
    assert_eq!(sponsor(world, two.id(), 33), Err(Refusal::RelayFull));
    assert!(sponsor(world, world.purse, 34).is_ok(), "the shared one has a bound of its own");
    world.pass_hours(30 * 24);
    assert!(sponsor(world, two.id(), 33).is_ok());
}

/// What an operator can do when a member has used up everybody's invitations.
fn who_raises_a_bound_that_was_used_up_gives_room_at_once(world: &mut World) {
    world.configured(|config| config.shared_sponsored = 1);
    assert!(sponsor(world, world.purse, 30).is_ok());
    assert_eq!(sponsor(world, world.purse, 31), Err(Refusal::AllowanceSpent));
    if world.path().is_some() {
        world.configured(|config| config.shared_sponsored = 2);
        assert!(sponsor(world, world.purse, 31).is_ok());
    }
}

fn admissions_are_bounded_and_the_last_of_them_are_the_shared_ones(world: &mut World) {
    world.configured(|config| config.admissions = 8);
    let by = enrolled(world, 10);
    assert_eq!(world.store.totals().admissions, 2, "the shared one and the enrolled one");
    for fill in 30..35 {
        assert!(sponsor(world, by.id(), fill).is_ok());
    }
    assert_eq!(sponsor(world, by.id(), 40), Err(Refusal::RelayFull));
    assert!(sponsor(world, world.purse, 40).is_ok());
    assert_eq!(sponsor(world, world.purse, 41), Err(Refusal::RelayFull));
    world.reopen();
    assert_eq!(world.store.totals().admissions, 8);
    world.pass_hours(30);
    world.sweep();
    assert_eq!(world.store.totals().admissions, 2);
    assert!(sponsor(world, by.id(), 42).is_ok());
}

use relevo_protocol::content::GroupId;
use relevo_protocol::trust::{ObjectHash, Pin, Pins};
use relevo_protocol::wire::MailboxId;

use super::*;
use crate::conversation::context::Origin;
use crate::fixture::relay_address;

fn member(number: u8) -> MemberKey {
    MemberKey::new([number; 32])
}

fn tree(members: u8) -> Vec<Seat> {
    let seat = |number| Seat {
        index: u32::from(number),
        member: member(number),
        committed_at: None,
        policy: PolicyVersion::CURRENT,
    };
    (0..members).map(seat).collect()
}

fn context(kind: Kind, administrators: &[u8]) -> Context {
    Context {
        kind,
        name: "Group".to_owned(),
        administrators: administrators.iter().map(|number| member(*number)).collect(),
        relay: relay_address(1),
        mailbox: MailboxId([1; 16]),
        pins: Pins {
            policy: PolicyVersion::CURRENT,
            charter: Pin { number: 3, hash: ObjectHash([3; 32]) },
            sets: Vec::new(),
            revocations: Vec::new(),
        },
        continues: None,
    }
}

/// A commit by a leaf with a path and nothing else.
fn by(committer: u32, epoch: u64) -> Proposed {
    let number = u8::try_from(committer).unwrap();
    let path =
        Seat { index: committer, member: member(number), committed_at: Some(epoch), policy: PolicyVersion::CURRENT };
    Proposed {
        epoch,
        committer,
        path: Some(path),
        adds: Vec::new(),
        removes: Vec::new(),
        foreign: false,
        context: None,
        pinned: true,
    }
}

fn add(number: u8) -> (MemberKey, PolicyVersion) {
    (member(number), PolicyVersion::CURRENT)
}

fn moved(context: &Context, change: impl FnOnce(&mut Context)) -> Context {
    let mut after = context.duplicate();
    after.mailbox = MailboxId([2; 16]);
    change(&mut after);
    after
}

#[test]
fn administrators_add_with_or_without_a_path_and_others_do_not() {
    let (before, tree) = (context(Kind::Group, &[0, 1]), tree(4));
    let commit = Proposed { adds: vec![add(9)], path: None, ..by(0, 5) };
    assert_eq!(validity(&commit, &before, &tree), Ok(Effect { adds: true, moves: false }));
    let commit = Proposed { adds: vec![add(9)], ..by(2, 5) };
    assert_eq!(validity(&commit, &before, &tree), Err(CommitFault::NotAdministrator));
}

#[test]
fn nobody_is_added_twice_or_with_a_removal_or_beyond_the_limits() {
    let (before, seats) = (context(Kind::Group, &[0, 1]), tree(4));
    let twice = Proposed { adds: vec![add(3)], ..by(0, 5) };
    assert_eq!(validity(&twice, &before, &seats), Err(CommitFault::Twice));
    let both = Proposed { adds: vec![add(9)], removes: vec![3], context: Some(moved(&before, |_| ())), ..by(0, 5) };
    assert_eq!(validity(&both, &before, &seats), Err(CommitFault::AddAndRemove));
    let many = Proposed { adds: (100..165).map(add).collect(), ..by(0, 5) };
    assert_eq!(validity(&many, &before, &seats), Err(CommitFault::TooManyAdds));
    let full = Proposed { adds: vec![add(250)], ..by(0, 5) };
    assert_eq!(validity(&full, &before, &tree(250)), Err(CommitFault::TooManyLeaves));
    assert!(validity(&full, &before, &tree(249)).is_ok());
}

#[test]
fn a_removal_or_demotion_moves_or_is_invalid() {
    let (before, tree) = (context(Kind::Group, &[0, 1]), tree(4));
    let stays = Proposed { removes: vec![3], ..by(0, 5) };
    assert_eq!(validity(&stays, &before, &tree), Err(CommitFault::MustMove));
    let moves = Proposed { removes: vec![3], context: Some(moved(&before, |_| ())), ..by(0, 5) };
    assert_eq!(validity(&moves, &before, &tree), Ok(Effect { adds: false, moves: true }));
    let mut demoted = before.duplicate();
    demoted.administrators = vec![member(0), member(2)];
    let stays = Proposed { context: Some(demoted.duplicate()), ..by(0, 5) };
    assert_eq!(validity(&stays, &before, &tree), Err(CommitFault::MustMove));
    demoted.mailbox = MailboxId([2; 16]);
    assert!(validity(&Proposed { context: Some(demoted), ..by(0, 5) }, &before, &tree).is_ok());
    let mut relay = before.duplicate();
    relay.relay = relay_address(2);
    let half = Proposed { context: Some(relay), ..by(0, 5) };
    assert_eq!(validity(&half, &before, &tree), Err(CommitFault::SameMailbox), "another relay needs another mailbox");
}

#[test]
fn administrators_are_members_enough_and_in_order() {
    let (before, tree) = (context(Kind::Group, &[0, 1]), tree(4));
    for wrong in [vec![0], vec![], vec![0, 77], vec![1, 0], vec![0, 0]] {
        let after = moved(&before, |after| after.administrators = wrong.iter().map(|number| member(*number)).collect());
        let commit = Proposed { context: Some(after), ..by(0, 5) };
        assert_eq!(validity(&commit, &before, &tree), Err(CommitFault::Administrators), "{wrong:?}");
    }
    let last = Proposed { removes: vec![1], context: Some(moved(&before, |_| ())), ..by(0, 5) };
    assert_eq!(validity(&last, &before, &tree), Err(CommitFault::Administrators), "the removed is one no longer");
}

#[test]
fn a_pair_takes_nobody_and_loses_nobody() {
    let (before, seats) = (context(Kind::Pair, &[0, 1]), tree(2));
    let third = Proposed { adds: vec![add(9)], ..by(0, 5) };
    assert_eq!(validity(&third, &before, &seats), Err(CommitFault::Pair));
    let out = Proposed { removes: vec![1], context: Some(moved(&before, |_| ())), ..by(0, 5) };
    assert_eq!(validity(&out, &before, &seats), Err(CommitFault::Pair));
    let first = Proposed { adds: vec![add(1)], path: None, ..by(0, 0) };
    assert!(validity(&first, &before, &tree(1)).is_ok());
}

#[test]
fn what_the_context_may_not_change_it_does_not() {
    let (before, tree) = (context(Kind::Group, &[0, 1]), tree(4));
    let judge = |change: &dyn Fn(&mut Context), pinned| {
        let mut after = before.duplicate();
        change(&mut after);
        validity(&Proposed { context: Some(after), pinned, ..by(0, 5) }, &before, &tree)
    };
    assert_eq!(judge(&|after| after.kind = Kind::Pair, true), Err(CommitFault::Administrators));
    let another =
        |after: &mut Context| after.continues = Some(Origin { line: vec![GroupId([9; 16])], without: Vec::new() });
    assert_eq!(judge(&another, true), Err(CommitFault::ContextChange));
    assert_eq!(judge(&|after| after.pins.charter.number = 2, true), Err(CommitFault::ContextChange));
    assert_eq!(judge(&|after| after.pins.charter.hash = ObjectHash([4; 32]), true), Err(CommitFault::ContextChange));
    assert_eq!(judge(&|after| after.pins.policy = PolicyVersion(0), true), Err(CommitFault::ContextChange));
    assert_eq!(judge(&|after| after.pins.policy = PolicyVersion(2), true), Err(CommitFault::ContextChange));
    assert_eq!(judge(&|after| after.pins.charter.number = 4, false), Err(CommitFault::Unpinned));
    assert!(judge(&|after| after.pins.charter.number = 4, true).is_ok());
    assert!(judge(&|after| after.name = "Renamed".to_owned(), true).is_ok());
}

#[test]
fn a_path_is_the_committers_own_and_says_its_epoch() {
    let (before, tree) = (context(Kind::Group, &[0, 1]), tree(4));
    let none = Proposed { path: None, ..by(2, 5) };
    assert_eq!(validity(&none, &before, &tree), Err(CommitFault::NoPath));
    let other = Proposed { path: by(3, 5).path, ..by(2, 5) };
    assert_eq!(validity(&other, &before, &tree), Err(CommitFault::PathLeaf));
    let late = Proposed { path: by(2, 4).path, ..by(2, 5) };
    assert_eq!(validity(&late, &before, &tree), Err(CommitFault::PathLeaf));
    let foreign = Proposed { foreign: true, ..by(0, 5) };
    assert_eq!(validity(&foreign, &before, &tree), Err(CommitFault::Proposal));
    assert_eq!(validity(&by(77, 5), &before, &tree), Err(CommitFault::PathLeaf), "no member");
}

#[test]
fn own_leaves_wait_as_long_as_there_are_others_to_be_heard() {
    for (members, administrators, pause) in [(2_u8, 2_u8, 1_u64), (3, 2, 1), (6, 2, 3), (20, 2, 8), (250, 3, 8)] {
        let list: Vec<u8> = (0..administrators).collect();
        let before = context(Kind::Group, &list);
        let mut tree = tree(members);
        let last = tree.last_mut().unwrap();
        last.committed_at = Some(50);
        let committer = last.index;
        let judge = |epoch| validity(&by(committer, epoch), &before, &tree);
        assert_eq!(judge(50 + pause), Err(CommitFault::TooEarly), "{members} members");
        assert_eq!(judge(51 + pause), Ok(Effect { adds: false, moves: false }), "{members} members");
    }
    let (before, mut young) = (context(Kind::Group, &[0, 1]), tree(20));
    young[5].committed_at = Some(0);
    assert_eq!(validity(&by(5, 3), &before, &young), Err(CommitFault::TooEarly), "epochs do not go below zero");
    young[0].committed_at = Some(2);
    let removal = Proposed { removes: vec![5], context: Some(moved(&before, |_| ())), ..by(0, 3) };
    assert!(validity(&removal, &before, &young).is_ok(), "removals escape the limit");
}

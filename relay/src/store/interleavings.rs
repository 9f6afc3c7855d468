//! The writer and its readers under drawn schedules: what is answered, what is read, and that nobody waits for ever.

pub(crate) mod stage;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use relevo_protocol::wire::{Cursor, Refusal, Sequence};
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::spawn;

use self::stage::{Disk, Held, NOW, Stage, mailbox, purse};
use super::{Applied, Change, Most, Pending, Store, StoreConfig, StoreFault, Touch, Witness, Writer};
use crate::threads::Mutex;
use crate::threads::interleavings::every_way;

const EVERYTHING: Most = Most { entries: 99, bytes: usize::MAX };

/// A witness that wants what it is told to be durable, and notes the sequences.
fn witness(disk: &Disk) -> (Witness, Arc<Mutex<Vec<Sequence>>>) {
    let told: Arc<Mutex<Vec<Sequence>>> = Arc::default();
    let (disk, notes) = (disk.clone(), Arc::clone(&told));
    let witness = Box::new(move |touches: &[_]| {
        for (id, touch) in touches {
            if let Touch::Appended { sequence, .. } = touch {
                assert!(disk.kept(id, *sequence), "told before the flush");
                notes.lock().push(*sequence);
            }
        }
    });
    (witness, told)
}

/// The sequence of an append whose answer has just come.
fn acknowledged(answer: Result<Applied, Refusal>, held: Held, disk: &Disk) -> Result<Sequence, Refusal> {
    let Applied::Appended(appended) = answer? else { panic!("an append was answered as something else") };
    assert!(disk.kept(&held.id(), appended.sequence()), "answered before the flush");
    Ok(appended.sequence())
}

fn submit(writer: &Writer, change: Change) -> Result<Pending, Refusal> {
    block_on(writer.submit(change))
}

#[test]
fn answers_come_after_the_flush_and_their_sequences_in_the_order_of_the_calls() {
    every_way(|| {
        let mut stage = Stage::set(2);
        let held = stage.open(1);
        let (witness, told) = witness(&stage.disk);
        let (store, disk, writer, thread) = stage.write(witness);
        let callers = [10, 20].map(|fill| {
            let (disk, writer, told) = (disk.clone(), writer.clone(), Arc::clone(&told));
            spawn(move || {
                let pending: Vec<_> =
                    (0..3).map(|number| submit(&writer, held.append(fill + number)).unwrap()).collect();
                drop(writer);
                let mut last = Sequence::START;
                for pending in pending {
                    let sequence = acknowledged(block_on(pending), held, &disk).unwrap();
                    assert!(sequence > last, "one caller's changes changed places");
                    assert!(told.lock().contains(&sequence), "answered before subscribers were told");
                    last = sequence;
                }
            })
        });
        drop(writer);
        for caller in callers {
            caller.join().unwrap();
        }
        thread.join().unwrap();
        assert_eq!(store.standing(&held.id(), &held.shown(), NOW).unwrap().last, Sequence(6));
    });
}

#[test]
fn after_a_fault_of_the_disk_nobody_is_acknowledged_and_nobody_waits() {
    every_way(|| {
        let mut stage = Stage::configured(StoreConfig { batch: 2, queue_bytes: 4 * 768, ..StoreConfig::default() });
        let held = stage.open(1);
        let (witness, _) = witness(&stage.disk);
        let (store, disk, writer, thread) = stage.write(witness);
        // Six appends in batches of two take three flushes at least.
        disk.fail_after(thread_rng().gen_range(0..3));
        let callers = [10, 20].map(|fill| {
            let (disk, writer) = (disk.clone(), writer.clone());
            spawn(move || {
                let pending: Vec<_> = (0..3).map(|number| submit(&writer, held.append(fill + number))).collect();
                let answers: Vec<_> =
                    pending.into_iter().map(|pending| acknowledged(pending.and_then(block_on), held, &disk)).collect();
                assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(Refusal::Failed))), "{answers:?}");
            })
        });
        block_on(writer.stopped());
        for caller in callers {
            caller.join().unwrap();
        }
        assert!(matches!(thread.join(), Err(StoreFault::Disk(_))));
        assert!(matches!(submit(&writer, held.append(1)), Err(Refusal::Failed)));
        // What was written and not synced stays unseen as long as the process lasts.
        let last = store.standing(&held.id(), &held.shown(), NOW).unwrap().last;
        assert_eq!(Some(last), disk.history(|rows| mailbox(rows, &held.id()).map(|held| held.last)).pop().unwrap());
    });
}

#[test]
fn a_shutdown_answers_all_that_was_queued() {
    every_way(|| {
        let mut stage = Stage::set(2);
        let held = stage.open(1);
        let (witness, _) = witness(&stage.disk);
        let (_, disk, writer, thread) = stage.write(witness);
        let callers = [10, 20].map(|fill| {
            let writer = writer.clone();
            spawn(move || [fill, fill + 1].map(|fill| submit(&writer, held.append(fill)).unwrap()))
        });
        drop(writer);
        thread.join().unwrap();
        for caller in callers {
            for pending in caller.join().unwrap() {
                acknowledged(block_on(pending), held, &disk).unwrap();
            }
        }
    });
}

#[test]
fn a_queue_with_room_for_one_change_lets_everybody_through() {
    every_way(|| {
        // An append of the smallest size weighs 768 bytes.
        let mut stage = Stage::configured(StoreConfig { batch: 2, queue_bytes: 768, ..StoreConfig::default() });
        let held = stage.open(1);
        let (witness, told) = witness(&stage.disk);
        let (_, disk, writer, thread) = stage.write(witness);
        let callers = [10, 20].map(|fill| {
            let (disk, writer) = (disk.clone(), writer.clone());
            spawn(move || {
                for number in 0..2 {
                    acknowledged(block_on(writer.apply(held.append(fill + number))), held, &disk).unwrap();
                }
            })
        });
        // One that loses patience while it waits for room, and one that does not wait at all.
        let mut came = 4;
        {
            let mut impatient = pin!(writer.submit(held.append(30)));
            let once = std::future::poll_fn(|context| Poll::Ready(impatient.as_mut().poll(context)));
            came += usize::from(block_on(once).is_ready());
        }
        came += usize::from(writer.try_submit(held.append(40)).is_ok());
        drop(writer);
        for caller in callers {
            caller.join().unwrap();
        }
        thread.join().unwrap();
        assert_eq!(told.lock().len(), came);
    });
}

/// Reads a mailbox by every door; whatever is seen must have been durable.
fn look(store: &Store, disk: &Disk, held: Held) {
    let (id, shown) = (held.id(), held.shown());
    let or_gone = |refusal| assert_eq!(refusal, Refusal::NoSuchMailbox);
    let standings = || disk.history(|rows| mailbox(rows, &id).map(|mailbox| mailbox.standing()));

    let standing = store.standing(&id, &shown, NOW).map_err(or_gone).ok();
    assert!(standings().contains(&standing), "a standing that is not durable");

    let checkpoint = store.checkpoint(&id, &shown, NOW).map_err(or_gone).ok();
    let checkpoints = disk.history(|rows| mailbox(rows, &id).map(|mailbox| mailbox.checkpoint(id)));
    assert!(checkpoints.contains(&checkpoint), "a checkpoint that is not durable");

    let start = Cursor { incarnation: None, after: Sequence::START };
    let slices =
        [store.follow(&id, Sequence::START, EVERYTHING, NOW), store.read(&id, &shown, &start, EVERYTHING, NOW)];
    for slice in slices {
        let slice = slice.map_err(or_gone).ok();
        assert!(standings().contains(&slice.as_ref().map(|slice| slice.standing)), "a slice that is not durable");
        let Some(slice) = slice else { continue };
        let expected = slice.standing.first_available.0..;
        for (read, sequence) in slice.entries.iter().zip(expected) {
            assert_eq!(read.sequence, Sequence(sequence), "an entry was passed over");
            assert!(disk.kept(&id, read.sequence), "an entry that is not durable");
        }
    }

    let admission = store.admission(&purse().id(), NOW).unwrap();
    let taken = admission.map(|view| store.config().shared_bytes - view.bytes_left);
    assert!(disk.history(stage::taken).contains(&taken), "an admission that is not durable");

    let bytes = store.totals().entry_bytes;
    let sums = disk.history(|rows| mailbox(rows, &id).map_or(0, |mailbox| mailbox.bytes));
    assert!(sums.contains(&bytes), "a sum that is not durable");
}

#[test]
fn no_reader_sees_what_a_power_cut_could_take_back() {
    every_way(|| {
        let stage = Stage::set(2);
        let held = Held::numbered(1);
        let (store, disk, writer, thread) = stage.write(Box::new(|_| {}));
        let reader = {
            let (store, disk) = (store.clone(), disk.clone());
            spawn(move || (0..3).for_each(|_| look(&store, &disk, held)))
        };
        let changes = [held.open(), held.append(1), held.append(2), held.trim(1), held.append(3), held.close()];
        let pending = changes.map(|change| submit(&writer, change).unwrap());
        drop(writer);
        for pending in pending {
            block_on(pending).unwrap();
            look(&store, &disk, held);
        }
        reader.join().unwrap();
        thread.join().unwrap();
    });
}

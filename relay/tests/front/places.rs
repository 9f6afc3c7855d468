//! Places of one admission, against those who would have more.

use std::time::Duration;

use h3::error::Code;
use relevo_protocol::limits::MAX_FRAME;
use relevo_protocol::wire::{Admission, Answer, Call, MailboxKind, Outcome, Refusal, Request, encode, write_frame};
use tokio::time::{Instant, sleep};

use crate::Trial;
use crate::client::{PATIENCE, Session, Stream};
use crate::mailboxes::{Mailbox, sized};

impl Trial {
    /// One more session of an admission, or why not.
    pub(crate) async fn another(&self, admission: &Admission) -> Result<Session, Refusal> {
        Session::open_on(self.link().await, &self.running.address().with_admission(admission)).await
    }

    /// Waits until the relay has seen a connection end.
    async fn another_at_last(&self, admission: &Admission) -> Session {
        let begun = Instant::now();
        loop {
            if let Ok(session) = self.another(admission).await {
                return session;
            }
            assert!(begun.elapsed() < PATIENCE, "its place never came back");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn enroll(admission: &Admission) -> Call {
    Call::Enroll { id: admission.id(), key: admission.key() }
}

#[tokio::test]
async fn a_session_that_enrolls_again_keeps_its_place_and_takes_no_other() {
    let trial = Trial::start_with(|config| config.limits.sessions_per_admission = 2).await;
    let (_first, own) = trial.enrolled().await;
    let mut second = trial.another(&own).await.unwrap();
    let mut invited = trial.invited().await;
    // Its own again changes nothing, and nobody leaves an admission of its own.
    assert_eq!(second.done(enroll(&own)).await, Answer::Done);
    assert_eq!(trial.another(&own).await.err(), Some(Refusal::Busy));
    let (_other_session, other) = trial.enrolled().await;
    assert_eq!(second.call(enroll(&other)).await, Outcome::Refused { refusal: Refusal::WrongKind });
    // An invitation is no way around the number either, and stays what it is.
    assert_eq!(invited.call(enroll(&own)).await, Outcome::Refused { refusal: Refusal::Busy });
    assert_eq!(trial.another(&own).await.err(), Some(Refusal::Busy));
    second.link.connection.close(0_u32.into(), b"");
    let last = trial.another_at_last(&own).await;
    last.link.connection.close(0_u32.into(), b"");
    let begun = Instant::now();
    while invited.call(enroll(&own)).await != (Outcome::Done { answer: Answer::Done }) {
        assert!(begun.elapsed() < PATIENCE, "its place never came back");
    }
    assert_eq!(trial.another(&own).await.err(), Some(Refusal::Busy));
}

#[tokio::test]
async fn a_connection_ends_with_its_session_however_that_ends() {
    let trial = Trial::start().await;
    let mut reset = trial.session().await;
    reset.stream.send.stop_stream(Code::H3_REQUEST_CANCELLED);
    // One that is dropped is told to stop.
    let Session { link: stopped, stream: Stream { mut send, receive, .. }, .. } = trial.session().await;
    drop(receive);
    let mut ping = Vec::new();
    write_frame(&mut ping, &encode(&Request { number: 1, call: Call::Ping }), MAX_FRAME).unwrap();
    send.send_data(ping.into()).await.unwrap();
    for link in [reset.link, stopped] {
        let (code, reason) = link.ended().await;
        assert_eq!((code, reason.as_ref()), (0x100, b"".as_slice()));
    }
}

#[tokio::test]
async fn a_session_that_has_asked_all_keeps_its_place_while_it_is_answered() {
    let trial = Trial::start_with(|config| config.limits.sessions_per_admission = 1).await;
    let (mut session, own) = trial.enrolled().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Shared).await;
    session.done(mailbox.append(sized(1, 131_072))).await;
    // More than the windows of both sides hold, and none of it is read.
    for _ in 0..40 {
        session.send(mailbox.read(0, 1)).await;
    }
    session.stream.send.finish().await.unwrap();
    for _ in 0..5 {
        assert_eq!(trial.another(&own).await.err(), Some(Refusal::Busy));
    }
    session.link.connection.close(0_u32.into(), b"");
    trial.another_at_last(&own).await;
}

//! The greeting as states named for what they await, each consumed by the step that leaves it. No I/O, no clock.
//!
//! ```text
//! ExpectHello --Hello--> (Welcome, ExpectAdmit) --Admit--> Admitted
//! ```

use ed25519_dalek::SigningKey;
use relevo_protocol::limits::{MAX_FRAME, MAX_SUBSCRIPTIONS};
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    AdmissionId, Call, Exporter, Hello, RelayIdentity, Request, SessionLimits, Version, Welcome, WelcomeBody,
};

use crate::config::Config;
use crate::store::AdmissionView;

/// Why a greeting fails. The peer is told none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GreetingFault {
    /// Not one version in common.
    #[error("no version in common")]
    Version,
    /// The first request was another than Admit.
    #[error("the first request was not Admit")]
    NotAdmit,
    /// There is no such admission, it has ended, or its proof is wrong.
    #[error("not admitted")]
    NotAdmitted,
}

/// Awaits the client's half.
pub struct ExpectHello;

impl ExpectHello {
    /// Answers a Hello with the relay's proof of identity on this connection.
    ///
    /// # Errors
    /// [`GreetingFault::Version`].
    pub fn accept(
        self,
        hello: &Hello,
        exporter: &Exporter,
        identity: &SigningKey,
        limits: SessionLimits,
        now: Timestamp,
    ) -> Result<(Welcome, ExpectAdmit), GreetingFault> {
        if !hello.versions().contains(&Version::CURRENT) {
            return Err(GreetingFault::Version);
        }
        let body = WelcomeBody {
            identity: RelayIdentity(identity.verifying_key().to_bytes()),
            version: Version::CURRENT,
            limits,
            now,
        };
        Ok((Welcome::sign(&body, exporter, hello, identity), ExpectAdmit))
    }
}

/// Awaits the proof of an admission.
pub struct ExpectAdmit;

impl ExpectAdmit {
    /// Checks the session's first request; `find` finds an admission that has not ended.
    /// Gives the number to answer, and who was admitted.
    ///
    /// # Errors
    /// [`GreetingFault`]: the session ends without a reason.
    pub fn accept(
        self,
        request: &Request,
        exporter: &Exporter,
        find: impl FnOnce(&AdmissionId) -> Option<AdmissionView>,
    ) -> Result<(u32, AdmissionId, AdmissionView), GreetingFault> {
        let Request { number, call: Call::Admit { id, proof } } = request else {
            return Err(GreetingFault::NotAdmit);
        };
        let found = find(id).ok_or(GreetingFault::NotAdmitted)?;
        if found.key.accepts(proof, exporter) { Ok((*number, *id, found)) } else { Err(GreetingFault::NotAdmitted) }
    }
}

/// What this relay tells clients of its limits.
pub fn limits(config: &Config) -> SessionLimits {
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    SessionLimits {
        frame: whole(MAX_FRAME),
        requests: config.limits.requests,
        subscriptions: whole(MAX_SUBSCRIPTIONS),
        blobs: config.limits.blobs,
        lease_hours: config.store.lease_hours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AdmissionKind;
    use relevo_protocol::secret::Secret;
    use relevo_protocol::time::Hour;
    use relevo_protocol::wire::Admission;

    fn hello(versions: Vec<Version>) -> Hello {
        Hello::new([5; 32], versions)
    }

    fn welcome(hello: &Hello) -> Result<(Welcome, ExpectAdmit), GreetingFault> {
        let key = SigningKey::from_bytes(&[3; 32]);
        ExpectHello.accept(hello, &Secret::new([1; 32]), &key, limits(&Config::default()), Timestamp(1))
    }

    fn admit(admission: &Admission, exporter: u8) -> Request {
        let proof = admission.key().proof(&Secret::new([exporter; 32]));
        Request { number: 7, call: Call::Admit { id: admission.id(), proof } }
    }

    #[test]
    fn a_welcome_proves_the_identity_on_this_connection_and_no_other() {
        let hello = hello(vec![Version(9), Version::CURRENT]);
        let (welcome, _) = welcome(&hello).ok().unwrap();
        let fingerprint = RelayIdentity(SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes()).fingerprint();
        assert!(welcome.verify(&fingerprint, &Secret::new([1; 32]), &hello).is_ok());
        assert!(welcome.verify(&fingerprint, &Secret::new([2; 32]), &hello).is_err());
    }

    #[test]
    fn a_client_of_another_version_is_not_welcomed() {
        assert_eq!(welcome(&hello(vec![Version(9)])).err(), Some(GreetingFault::Version));
        assert_eq!(welcome(&hello(vec![])).err(), Some(GreetingFault::Version));
    }

    #[test]
    fn only_the_right_proof_on_the_right_connection_admits() {
        let exporter = Secret::new([1; 32]);
        let admission = Admission::new(Secret::new([8; 32]));
        let other = Admission::new(Secret::new([9; 32]));
        let find = |id: &AdmissionId| {
            (*id == admission.id()).then(|| AdmissionView {
                key: admission.key(),
                kind: AdmissionKind::Shared,
                expires: Hour(9),
                bytes_left: 1,
                mailboxes_left: 1,
            })
        };
        let accept =
            |request: &Request| ExpectAdmit.accept(request, &exporter, find).map(|(number, id, _)| (number, id));
        assert_eq!(accept(&admit(&admission, 1)), Ok((7, admission.id())));
        assert_eq!(accept(&admit(&admission, 2)), Err(GreetingFault::NotAdmitted));
        assert_eq!(accept(&admit(&other, 1)), Err(GreetingFault::NotAdmitted));
        let ping = Request { number: 1, call: Call::Ping };
        assert_eq!(accept(&ping), Err(GreetingFault::NotAdmit));
    }
}

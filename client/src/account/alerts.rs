//! Alerts: sent into a conversation, answered to the sender alone.

use std::time::Duration;

use relevo_protocol::content::{AlertAnswer, AlertText, Severity};

use super::{Account, AccountFault};
use crate::alert::{self, AlertDraft, AlertStatus, AlertView};

/// An alert as a person writes it.
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// One text for each language.
    pub texts: Vec<AlertText>,
    /// How much it matters.
    pub severity: Severity,
    /// How long it counts.
    pub life: Duration,
    /// Whether an answer is asked for.
    pub answer_wanted: bool,
    /// Whether it is an exercise.
    pub drill: bool,
}

impl Account {
    /// Sends an alert to a contact or a group. Gives its number, by which [`Account::alert_status`] finds it.
    ///
    /// # Errors
    /// [`alert::AlertFault`], [`AccountFault::NoSuchName`].
    pub async fn send_alert(&self, to: &str, new: NewAlert) -> Result<u64, AccountFault> {
        let to = to.to_owned();
        self.converse(move |with| {
            let group = with.conversation_with(&to)?;
            let NewAlert { texts, severity, life, answer_wanted, drill } = new;
            let (tx, now) = (with.tx, with.now);
            let expires = now.plus_seconds(life.as_secs());
            let draft = AlertDraft { texts, severity, expires, answer_wanted, drill };
            with.desk(|desk| alert::send(tx, desk, &group, draft, now))
        })
        .await
    }

    /// Alerts received, each verified.
    ///
    /// # Errors
    /// [`alert::AlertFault`].
    pub async fn alerts(&self) -> Result<Vec<AlertView>, AccountFault> {
        self.look(alert::list).await
    }

    /// Answers an alert. The answer goes to its sender, not to the group.
    ///
    /// # Errors
    /// [`alert::AlertFault`].
    pub async fn answer_alert(&self, number: u64, answer: AlertAnswer) -> Result<(), AccountFault> {
        self.act(move |tx, now| alert::answer(tx, number, answer, now)).await
    }

    /// Alerts that we sent, with who has answered.
    ///
    /// # Errors
    /// [`alert::AlertFault`].
    pub async fn sent_alerts(&self) -> Result<Vec<AlertStatus>, AccountFault> {
        self.look(|tx, _| alert::sent(tx)).await
    }

    /// Who has answered one of our alerts, who needs help, who is silent.
    ///
    /// # Errors
    /// [`alert::AlertFault`].
    pub async fn alert_status(&self, number: u64) -> Result<AlertStatus, AccountFault> {
        self.look(move |tx, _| alert::status(tx, number)).await
    }
}

//! What a trial gives.

use serde::{Deserialize, Serialize};

/// What was measured in one trial.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Texts sent one after the other.
    pub messages: u32,
    /// Seconds until all of them were read and acknowledged.
    pub messages_seconds: f64,
    /// Bytes on the sender's wire, both ways, for each text.
    pub sender_bytes: u64,
    /// Bytes on the reader's wire, both ways, for each text.
    pub reader_bytes: u64,
    /// Size of the document.
    pub document: u64,
    /// Seconds until the relay had all of it.
    pub up_seconds: f64,
    /// Bytes on the sender's wire for each byte of the document.
    pub up_ratio: f64,
    /// Seconds until the reader had it, whole and verified.
    pub down_seconds: f64,
    /// Bytes on the reader's wire for each byte of the document.
    pub down_ratio: f64,
    /// Seconds from a text's sending to its reading, while the document was under way: the longest.
    pub beside_seconds: f64,
    /// Seconds from the end of a disturbance to the reading of the next text: the longest.
    pub back_seconds: Option<f64>,
    /// Sessions, and attempts to have one, that failed.
    pub failures: u32,
    /// Resident memory of the relay at its largest, in MiB.
    pub relay_mib: u64,
    /// Resident memory of the larger member at its largest, in MiB.
    pub member_mib: u64,
}

/// The figures as a table in Markdown.
#[must_use]
pub fn table(rows: &[(String, Figures)]) -> String {
    let mut table = String::from(
        "| Trial | texts s | B/text sender | B/text reader | up s | wire/size | down s | wire/size | text beside s | \
         back after s | failed sessions | relay MiB | member MiB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, figures) in rows {
        let back = figures.back_seconds.map_or_else(String::new, |seconds| format!("{seconds:.1}"));
        table.push_str(&format!(
            "| {name} | {:.1} | {} | {} | {:.1} | {:.2} | {:.1} | {:.2} | {:.1} | {back} | {} | {} | {} |\n",
            figures.messages_seconds,
            figures.sender_bytes,
            figures.reader_bytes,
            figures.up_seconds,
            figures.up_ratio,
            figures.down_seconds,
            figures.down_ratio,
            figures.beside_seconds,
            figures.failures,
            figures.relay_mib,
            figures.member_mib,
        ));
    }
    table
}

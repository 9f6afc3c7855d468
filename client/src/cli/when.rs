//! Times as people and programs read them.

use jiff::tz::TimeZone;
use relevo_protocol::time::Timestamp;

/// Local time, to the minute.
pub(crate) fn local(time: Timestamp) -> String {
    print(time, "%Y-%m-%d %H:%M")
}

/// Local time with its distance from UTC, where the exact moment matters to somebody elsewhere.
pub(crate) fn exact(time: Timestamp) -> String {
    print(time, "%Y-%m-%d %H:%M UTC%:z")
}

/// UTC as RFC 3339 writes it, for programs.
pub(crate) fn utc(time: Timestamp) -> String {
    moment(time).map_or_else(String::new, |moment| moment.to_string())
}

fn print(time: Timestamp, format: &str) -> String {
    moment(time).map_or_else(|| "?".to_owned(), |at| at.to_zoned(TimeZone::system()).strftime(format).to_string())
}

fn moment(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(i64::try_from(time.0).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_utc_and_an_impossible_time_is_no_panic() {
        assert_eq!(utc(Timestamp(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!((utc(Timestamp(u64::MAX)), local(Timestamp(u64::MAX))), (String::new(), "?".to_owned()));
    }
}

//! The shapes of what needs no relay.

use super::{Device, holds};

#[test]
fn what_the_program_prints_is_as_documented() {
    let device = Device::new();
    holds("init", &device.open(&["init", "--pseudonym", "Quilla", "--json"]).done().objects()[0]);
    let findings = device.open(&["doctor", "--json"]).done().objects();
    assert!(findings.len() >= 6);
    for finding in &findings {
        holds("doctor", finding);
    }
    holds("man", &device.run(&["man", "pages", "--json"]).done().objects()[0]);
}

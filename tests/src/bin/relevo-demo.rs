//! The demo: jobs 1 to 6 of Relevo's users on two real relays, and what a seized relay holds.

fn main() -> anyhow::Result<()> {
    if relevo_tests::scan::proof::hold_if_asked()? {
        return Ok(());
    }
    anyhow::bail!("the demo's steps are not built yet")
}

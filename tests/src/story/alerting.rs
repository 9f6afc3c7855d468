//! Job 5: a coordinator alerts in four languages and sees who has answered; a forged or expired alert is refused.

use super::Story;

impl Story {
    pub(super) async fn alert(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

//! A mount namespace and a process namespace of its own: whatever happens to a test, its mounts and processes end with it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, bail};

/// Set for the program inside.
const INSIDE: &str = "RELEVO_TESTS_INSIDE";

/// Makes sure that this program runs in namespaces of its own, in which it may mount: starts it again there if not.
/// Returns only inside.
///
/// # Errors
/// There are no such namespaces to be had; says what to do.
pub fn enter() -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let flags: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    let namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let tried = Command::new("unshare").args(flags).args(namespaces).arg("true").output();
    let tried = tried.context("cannot run unshare (Debian package util-linux)")?;
    if !tried.status.success() {
        bail!(
            "this test mounts file systems and may not here ({}): run it as root, or allow user namespaces \
             (sysctl kernel.unprivileged_userns_clone=1)",
            String::from_utf8_lossy(&tried.stderr).trim()
        );
    }
    let program = std::env::current_exe()?;
    let fault = Command::new("unshare")
        .args(flags)
        .args(namespaces)
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(fault).context("cannot run unshare")
}

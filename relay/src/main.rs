//! `relevo-relay`: runs a relay, and says its address.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{CommandFactory, Parser};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use relevo_protocol::wire::RelayAddress;
use relevo_relay::backup::{self, Contents, Wanted};
use relevo_relay::cli::{Cli, Command, ConfigAct, Openings, Removable};
use relevo_relay::store::Verified;
use relevo_relay::{
    Config, Relay, Running, StartFault, address_of, control, doctor, initialise, rotate_admission, verify_store,
};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    match act(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Nothing is left to do when even this cannot be written.
            let _written = writeln!(io::stderr(), "relevo-relay: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(settings) => {
            let config = settings.config()?;
            if let Err(fault) = doctor::keep_memory_private() {
                tracing::warn!(%fault, "core files could not be switched off");
            }
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("relevo-relay").build()?;
            runtime.block_on(run(config))
        }
        Command::Init(settings) => {
            let address = initialise(&settings.config()?).map_err(explained)?;
            print_address(&address)
        }
        Command::Address { settings, qr } => {
            let text = address_of(&settings.config()?)?.to_text();
            if qr {
                // Capitals fit a QR code's compact alphabet, and an address may be read in either case.
                let code = QrCode::new(text.to_ascii_uppercase()).context("the address does not fit a QR code")?;
                writeln!(io::stdout(), "{}", code.render::<Dense1x2>().build())?;
            } else {
                writeln!(io::stdout(), "{text}")?;
            }
            Ok(())
        }
        Command::Doctor { settings, json } => {
            let found = doctor::examine(settings.config());
            for finding in &found {
                let line = if json { serde_json::to_string(finding)? } else { finding.to_string() };
                writeln!(io::stdout(), "{line}")?;
            }
            let bad = found.iter().filter(|finding| finding.state == doctor::State::Bad).count();
            anyhow::ensure!(bad == 0, "{bad} of {} are bad", found.len());
            Ok(())
        }
        Command::VerifyStore(settings) => verify(&settings.config()?),
        Command::Status { settings, json } => {
            let status = control::status(&settings.config()?.data)?;
            let said = if json { serde_json::to_string(&status)? } else { status.to_string() };
            writeln!(io::stdout(), "{said}")?;
            anyhow::ensure!(status.wrong.is_empty(), "members may not be able to send");
            Ok(())
        }
        Command::Openings { settings, act } => {
            control::pause_openings(&settings.config()?.data, act == Openings::Pause)?;
            let said = match act {
                Openings::Pause => {
                    "No new mailboxes until relevo-relay openings resume, or the next start. The others go on."
                }
                Openings::Resume => "Mailboxes may be opened.",
            };
            writeln!(io::stdout(), "{said}")?;
            Ok(())
        }
        Command::Remove { settings, what, id } => {
            let data = settings.config()?.data;
            match what {
                Removable::Mailbox => control::remove_mailbox(&data, &id)?,
                Removable::Blob => control::remove_blob(&data, &id)?,
            }
            writeln!(io::stdout(), "It is gone. Backups that were written before still hold it.")?;
            Ok(())
        }
        Command::RotateAdmission { settings, overlap_days } => {
            let address = rotate_admission(&settings.config()?, overlap_days).map_err(explained)?;
            writeln!(
                io::stdout(),
                "The relay has another address. The old one lets people in for {overlap_days} days more: until then whoever founded a union \
                 needs the new one. Those who were invited by a link have a way in of their own.\n\
                 Back the relay up now and delete the older backups: they would bring the old address back."
            )?;
            print_address(&address)
        }
        Command::Backup { settings, to, unencrypted: _, file } => {
            let contents = backup::back_up(&settings.config()?, &Wanted { file: file.clone(), to })?;
            // Where the backup itself is what is said, people read the other one.
            let mut out: Box<dyn Write> =
                if file.as_os_str() == "-" { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
            say_contents(&contents, &mut out)?;
            writeln!(out, "Written. Try it from time to time: relevo-relay restore --check.")?;
            Ok(())
        }
        Command::Restore { settings: _, identity, check: true, file } => {
            say_contents(&backup::check(&file, identity.as_deref())?, io::stdout())?;
            writeln!(io::stdout(), "The backup is whole.")?;
            Ok(())
        }
        Command::Restore { settings, identity, check: false, file } => {
            let config = settings.config()?;
            let (contents, address) = backup::restore(&config, &file, identity.as_deref())?;
            say_contents(&contents, io::stdout())?;
            let data = config.data.display();
            writeln!(
                io::stdout(),
                "Restored into {data}. Start it now; never start the old one again beside it. What came after the backup is lost, and \
                 members are told that the relay went back."
            )?;
            print_address(&address)
        }
        Command::Healthcheck(settings) => {
            doctor::healthy(&settings.config()?).map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
            writeln!(io::stdout(), "ok")?;
            Ok(())
        }
        Command::Config { act: ConfigAct::Check(settings) } => {
            let Config { data, listen, .. } = settings.config()?;
            writeln!(io::stdout(), "The configuration is sound: it listens on {listen}, data in {}.", data.display())?;
            Ok(())
        }
        Command::Config { act: ConfigAct::Show(settings) } => {
            write!(io::stdout(), "{}", settings.layered(std::env::vars_os())?.shown())?;
            Ok(())
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "relevo-relay", &mut io::stdout());
            Ok(())
        }
        Command::Man { directory } => clap_mangen::generate_to(Cli::command(), &directory)
            .with_context(|| format!("cannot write into {}", directory.display())),
    }
}

fn say_contents(contents: &Contents, mut out: impl Write) -> io::Result<()> {
    let Contents { mailboxes, entries, damaged_entries, admissions, blobs, bytes } = contents;
    writeln!(
        out,
        "{mailboxes} mailboxes with {entries} entries, {admissions} admissions, {blobs} blobs, {} MiB.",
        bytes >> 20
    )?;
    if *damaged_entries > 0 {
        writeln!(out, "{damaged_entries} entries could not be read: the disk is failing, or was.")?;
    }
    Ok(())
}

/// Reads the whole store, with a line a second for who watches.
fn verify(config: &Config) -> anyhow::Result<()> {
    let (mut err, watched) = (io::stderr(), io::stderr().is_terminal());
    let mut said = Instant::now();
    let found = verify_store(config, |so_far| {
        if watched && said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            let Verified { entries, blobs, bytes, .. } = so_far;
            let _shown = write!(err, "\r{entries} entries, {blobs} blobs, {} MiB read", bytes >> 20);
        }
    })
    .map_err(explained)?;
    let Verified { mailboxes, damaged_mailboxes, entries, damaged_entries, blobs, damaged_blobs, bytes } = found;
    if watched {
        writeln!(io::stderr())?;
    }
    let mib = bytes >> 20;
    writeln!(io::stdout(), "{mailboxes} mailboxes with {entries} entries, {blobs} blobs, {mib} MiB.")?;
    anyhow::ensure!(
        found.is_sound(),
        "{damaged_entries} entries in {damaged_mailboxes} mailboxes and {damaged_blobs} blobs are damaged.\n  \
         The disk is failing, or was: look with smartctl, and move to another one. The relay runs on and says of what is damaged \
         that it is; restore your backup if it is newer than the damage."
    );
    writeln!(io::stdout(), "Everything is as it was written.")?;
    Ok(())
}

async fn run(config: Config) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let local_only = config.host.is_none() && config.listen.ip().is_unspecified();
    let running = Relay::start(config).await.map_err(explained)?;
    if local_only {
        tracing::warn!(advice = "--host NAME", "the address names localhost: only this machine can use it");
    }
    print_address(&running.address())?;
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    tokio::select! {
        () = asked(&mut terminate, &mut interrupt) => {}
        () = running.failed() => {}
        () = watched(&running) => {}
        () = reloaded(&running, &mut hangup) => {}
    }
    tell(&[NotifyState::Stopping]);
    tokio::select! {
        stopped = running.shutdown() => Ok(stopped?),
        () = asked(&mut terminate, &mut interrupt) => anyhow::bail!("stopped at once by a second signal"),
    }
}

/// Tells the service manager, where there is one (systemd's notify protocol).
fn tell(state: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(state) {
        tracing::warn!(%fault, "the service manager could not be told");
    }
}

/// Tells the service manager that the relay is alive, as often as it wants, while the store answers. Never returns.
async fn watched(running: &Running) {
    let within = sd_notify::watchdog_enabled().filter(|within| !within.is_zero());
    let Some(within) = within else { return std::future::pending().await };
    // One that fails is no reason yet: there are three more before the time is up.
    let mut pause = tokio::time::interval(within / 4);
    loop {
        pause.tick().await;
        if running.answers().await {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the store does not answer");
        }
    }
}

/// Reads the certificate again whenever SIGHUP comes. Never returns.
async fn reloaded(running: &Running, hangup: &mut Signal) {
    loop {
        hangup.recv().await;
        match running.reload_certificate() {
            Ok(true) => tracing::info!("the certificate was read again"),
            Ok(false) => tracing::info!("the relay shows its own certificate: nothing was read again"),
            Err(fault) => tracing::error!(%fault, "the certificate was not read again: the one before is shown on"),
        }
    }
}

/// Waits for SIGTERM or SIGINT.
async fn asked(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn print_address(address: &RelayAddress) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Whoever has this address may use the relay. Hand it to those who should, and to nobody else:")?;
    writeln!(out, "{}", address.to_text())?;
    out.flush()?;
    Ok(())
}

/// What happened, and what to do where there is something to do.
fn explained(fault: StartFault) -> anyhow::Error {
    let advice = fault.advice();
    let fault = anyhow::Error::new(fault);
    match advice {
        Some(advice) => anyhow::anyhow!("{fault:#}\n  {advice}"),
        None => fault,
    }
}

/// What is logged. Of quinn, whose warnings name addresses and whose traces name sizes, never more than errors.
fn filter(asked: Option<&str>) -> String {
    format!("{},quinn=error", asked.filter(|asked| LEVELS.contains(asked)).unwrap_or("info"))
}

/// What `RELEVO_LOG` may say.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn log() {
    let filter = EnvFilter::new(filter(std::env::var("RELEVO_LOG").ok().as_deref()));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_asked_for_makes_quinn_name_addresses() {
        for asked in ["debug", "warn", "trace", "quinn_udp=trace", "info,quinn_udp=warn"] {
            let filter = EnvFilter::new(filter(Some(asked))).to_string();
            let quinn: Vec<_> = filter.split(',').filter(|directive| directive.contains("quinn")).collect();
            assert_eq!(quinn, ["quinn=error"], "{asked}");
        }
        assert_eq!(filter(Some("debug")), "debug,quinn=error");
    }
}

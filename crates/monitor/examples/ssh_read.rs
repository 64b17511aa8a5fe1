//! Reads machines over SSH as the daemon would, and prints what came: for `conformance/monitor/ssh`,
//! and to measure what many servers cost.
//!
//! `ssh_read [--pins FILE] [--key FILE] [--jump DEST] [--agent SOCKET] [--known-hosts FILE]
//! [--accept FINGERPRINT]… [--scan] [--script] [--rounds N] [--interval SECONDS] [--copies N] DESTINATION`

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::destination::Destination;
use conduit_monitor::node::NodeName;
use conduit_monitor::source::Source;
use conduit_monitor::ssh::{Access, Server, SshSource, accept, scan, script};
use futures_util::future::join_all;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Default)]
struct Wish {
    pins: PathBuf,
    agent: Option<PathBuf>,
    key: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    jump: Option<Destination>,
    accepted: Vec<String>,
    is_scan: bool,
    is_script: bool,
    rounds: u64,
    interval: u64,
    copies: usize,
    destination: Option<Destination>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Fallible<()> {
    let wish = parse()?;
    if wish.is_script {
        write!(stdout(), "{}", script::SURVEY)?;
        return Ok(());
    }
    let access = Arc::new(Access { pins: wish.pins, user: None, agent: wish.agent });
    let server = Server {
        name: NodeName::parse("it")?,
        destination: wish.destination.ok_or("no destination")?,
        key: wish.key,
        known_hosts: wish.known_hosts,
        jump: wish.jump,
        tags: Vec::new(),
    };
    if wish.is_scan {
        let shown = scan(&server, &access).await?;
        writeln!(stdout(), "{} {}", shown.kind, shown.fingerprint)?;
        return Ok(());
    }
    if !wish.accepted.is_empty() {
        for pinned in accept(&server, &access, &wish.accepted).await? {
            writeln!(stdout(), "pinned {} {}", pinned.destination, pinned.fingerprint)?;
        }
        return Ok(());
    }
    let make = |_| SshSource::new(server.clone(), Arc::clone(&access));
    let mut sources: Vec<_> = (0..wish.copies).map(make).collect();
    for round in 0..wish.rounds {
        if round > 0 {
            tokio::time::sleep(Duration::from_secs(wish.interval)).await;
        }
        let readings = join_all(sources.iter_mut().map(Source::read)).await;
        let failed = readings.iter().filter(|reading| reading.is_err()).count();
        let cost = std::fs::read_to_string("/proc/self/stat")?;
        // After the name, which may hold blanks: fields 14 and 15 of proc(5), user and system time.
        let ticks: Vec<&str> = cost
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .collect();
        let memory = std::fs::read_to_string("/proc/self/status")?;
        let resident = memory.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        let all = readings.len();
        writeln!(stdout(), "round {round}: {failed} of {all} failed; ticks {ticks:?}; {resident}")?;
        if let Some(first) = readings.into_iter().next() {
            let reading = first?;
            if wish.copies == 1 {
                writeln!(stdout(), "{reading:#?}")?;
            }
        }
    }
    Ok(())
}

fn parse() -> Fallible<Wish> {
    let mut wish = Wish { rounds: 1, copies: 1, ..Wish::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--script" {
            wish.is_script = true;
            continue;
        }
        if word == "--scan" {
            wish.is_scan = true;
            continue;
        }
        if !word.starts_with("--") {
            wish.destination = Some(Destination::parse(&word)?);
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--pins" => wish.pins = value.into(),
            "--agent" => wish.agent = Some(value.into()),
            "--key" => wish.key = Some(value.into()),
            "--known-hosts" => wish.known_hosts = Some(value.into()),
            "--jump" => wish.jump = Some(Destination::parse(&value)?),
            "--accept" => wish.accepted.push(value),
            "--rounds" => wish.rounds = value.parse()?,
            "--interval" => wish.interval = value.parse()?,
            "--copies" => wish.copies = value.parse()?,
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    Ok(wish)
}

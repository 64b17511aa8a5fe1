//! Lines of containers, of the daemon and of the access log, in one stream ordered by time.
//!
//! What is there is read to its end and sorted. What comes is sorted within each look, so lines of
//! different sources can change places only across [`PAUSE`].
//!
//! **Invariant:** what waits to be printed is bounded: a source that is faster waits.

use std::io::BufReader;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use conduit_api::client::{Client, ContainerLogQuery};
use conduit_core::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::follow::{Follower, PAUSE};
use super::line::{self, Wanted};
use super::{Show, last, moment, next_line, old_files, path_of, read};
use crate::cli::args::LogsArgs;
use crate::cli::exit::Failure;
use crate::cli::session::Session;

/// A line and when it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamped {
    pub(super) at: Timestamp,
    /// As it is printed, its end included.
    pub(super) text: String,
}

type Line = Result<Stamped, Failure>;

/// Prints what is there, and then what comes.
pub(super) fn run(session: &Session, args: &LogsArgs) -> Result<(), Failure> {
    let began = Timestamp::now();
    let since = args.since.as_deref().map(|text| moment(text, began)).transpose()?;
    let wanted = Wanted { service: args.service.clone(), since };
    let client = match args.container.as_slice() {
        [] => None,
        _ => Some(session.block_on(session.client())?),
    };
    let mut access = match args.container.is_empty() || args.service.is_some() {
        true => Some(Access::open(session, args, wanted)?),
        false => None,
    };
    let tail = since.is_none().then_some(args.lines);
    let sources = Sources { client, args };
    // What came since we began is left to the second look, so that nothing is shown twice.
    let old = sources.start(false, since, tail).into_iter();
    let mut lines = old.filter(|l| l.as_ref().is_ok_and(|l| l.at < began) || l.is_err());
    let mut all = lines.by_ref().collect::<Result<Vec<_>, _>>()?;
    if let Some(access) = &mut access {
        all.extend(access.old(tail)?);
    }
    all.sort();
    let newest = tail.map_or(0, |tail| all.len().saturating_sub(tail as usize));
    for line in &all[newest..] {
        session.printer.text(&line.text)?;
    }
    if !args.follow {
        return Ok(());
    }
    let coming = sources.start(true, Some(began), None);
    follow(session, access, &coming, began)
}

fn follow(
    session: &Session,
    mut access: Option<Access>,
    coming: &Receiver<Line>,
    began: Timestamp,
) -> Result<(), Failure> {
    loop {
        let mut batch: Vec<Stamped> = Vec::new();
        if let Some(access) = &mut access {
            access.new_lines(&mut batch)?;
        }
        let is_over = loop {
            match coming.try_recv() {
                Ok(line) => batch.extend(Some(line?).filter(|line| line.at >= began)),
                Err(TryRecvError::Empty) => break false,
                Err(TryRecvError::Disconnected) => break access.is_none(),
            }
            if batch.len() >= BATCH_LINES_MAX {
                break false;
            }
        };
        batch.sort();
        for line in &batch {
            session.printer.text(&line.text)?;
        }
        if is_over {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

/// What is read beside the access log.
struct Sources<'a> {
    client: Option<Client>,
    args: &'a LogsArgs,
}

impl Sources<'_> {
    /// Starts a reader for each; the end of all of them is the end of the stream.
    fn start(&self, follow: bool, since: Option<Timestamp>, tail: Option<u32>) -> Receiver<Line> {
        let (sender, receiver) = sync_channel(QUEUE_LINES_MAX);
        let as_json = self.args.json;
        if let Some(client) = &self.client {
            for name in &self.args.container {
                let since = since.map(|since| since.to_string());
                let asked = ContainerLogQuery { follow, since, tail };
                let (client, name, sender) = (client.clone(), name.clone(), sender.clone());
                std::thread::spawn(move || container(&client, &name, &asked, as_json, &sender));
            }
        }
        if self.args.daemon {
            std::thread::spawn(move || journal(follow, since, tail, as_json, &sender));
        }
        receiver
    }
}

/// The access log's files.
struct Access {
    follower: Follower,
    old: Vec<std::path::PathBuf>,
    wanted: Wanted,
    show: Show,
}

impl Access {
    fn open(session: &Session, args: &LogsArgs, wanted: Wanted) -> Result<Self, Failure> {
        let config = session.load()?.config;
        let path = path_of(&config.access_log)?;
        let follower = Follower::open(path).map_err(|error| unreadable(&error))?;
        let show = Show { printer: session.printer, as_it_is: args.json };
        Ok(Self { follower, old: old_files(path, config.access_log.keep), wanted, show })
    }

    fn old(&mut self, tail: Option<u32>) -> Result<Vec<Stamped>, Failure> {
        let keep = tail.map_or(OLD_LINES_MAX, |tail| tail as usize);
        let mut lines = Vec::new();
        for file in &self.old {
            let reading = read(file).map_err(|error| unreadable(&error))?;
            lines.extend(last(reading, &self.wanted, keep).map_err(|error| unreadable(&error))?);
        }
        let whole = last(self.follower.whole(), &self.wanted, keep);
        lines.extend(whole.map_err(|error| unreadable(&error))?);
        Ok(lines.iter().map(|line| self.stamped(line)).collect())
    }

    fn new_lines(&mut self, batch: &mut Vec<Stamped>) -> Result<(), Failure> {
        while batch.len() < BATCH_LINES_MAX {
            let Some(line) = self.follower.next().map_err(|error| unreadable(&error))? else {
                break;
            };
            if self.wanted.fits(&line) {
                batch.push(self.stamped(&line));
            }
        }
        Ok(())
    }

    /// What has no time of its own is as old as can be.
    fn stamped(&self, text: &str) -> Stamped {
        let at = line::time_of(text).unwrap_or_else(beginning);
        Stamped { at, text: self.show.text(text) }
    }
}

fn container(
    client: &Client,
    name: &str,
    asked: &ContainerLogQuery,
    as_json: bool,
    sender: &SyncSender<Line>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(format!("cannot start the runtime: {error}"));
            sender.send(Err(failure)).ok();
            return;
        }
    };
    runtime.block_on(async {
        let told = async {
            let mut lines = client.container_log(name, asked).await?;
            while let Some(line) = lines.next().await? {
                let at = Timestamp::parse(&line.time).unwrap_or_else(|_| beginning());
                let text = if as_json {
                    // Invariant: texts always serialize.
                    format!("{}\n", serde_json::to_string(&line).unwrap_or_default())
                } else {
                    printed(at, name, &line.line)
                };
                if sender.send(Ok(Stamped { at, text })).is_err() {
                    break;
                }
            }
            Ok::<(), Failure>(())
        };
        if let Err(failure) = told.await {
            // Nobody listens any more when this is not taken.
            sender.send(Err(failure)).ok();
        }
    });
}

/// The daemon's lines, from the system's journal.
fn journal(
    follow: bool,
    since: Option<Timestamp>,
    tail: Option<u32>,
    as_json: bool,
    sender: &SyncSender<Line>,
) {
    let mut command = Command::new(JOURNAL);
    command.args(["--unit", "conduit", "--output", "json", "--no-pager", "--quiet"]);
    if let Some(since) = since {
        command.args(["--since", &format!("@{}", since.seconds())]);
    }
    if let Some(tail) = tail {
        command.args(["--lines", &tail.to_string()]);
    }
    if follow {
        command.args(["--follow", "--lines", "all"]);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let failure = Failure::new(format!("cannot run {JOURNAL}: {error}")).hint(
                "leave --daemon out; where no systemd runs, the daemon writes to standard error",
            );
            sender.send(Err(failure)).ok();
            return;
        }
    };
    if let Some(output) = child.stdout.take() {
        let mut reading = BufReader::new(output);
        while let Ok(Some(line)) = next_line(&mut reading) {
            let taken = entry(&line, as_json).is_none_or(|line| sender.send(Ok(line)).is_ok());
            if !taken {
                break;
            }
        }
    }
    // It has ended, or nobody reads it any more; both ways it is gone after this.
    child.kill().ok();
    child.wait().ok();
}

/// One entry of the journal as a line; `None` when it is none.
pub(super) fn entry(text: &str, as_json: bool) -> Option<Stamped> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "__REALTIME_TIMESTAMP")]
        at: String,
        #[serde(rename = "MESSAGE")]
        message: Value,
    }
    let entry: Entry = serde_json::from_str(text).ok()?;
    let at = Timestamp::from_micros(entry.at.parse().ok()?);
    // What is not UTF-8 is a list of bytes there.
    let message = match entry.message {
        Value::String(message) => message,
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> =
                bytes.iter().map(|byte| byte.as_u64().and_then(|b| u8::try_from(b).ok())).collect();
            String::from_utf8_lossy(&bytes?).into_owned()
        }
        _ => return None,
    };
    let text = if as_json {
        format!("{}\n", json!({ "time": at.to_string(), "daemon": "conduit", "line": message }))
    } else {
        printed(at, "conduit", &message)
    };
    Some(Stamped { at, text })
}

fn printed(at: Timestamp, who: &str, line: &str) -> String {
    format!("{at} {who} {}\n", line::plain(line))
}

/// When everything without a time was.
fn beginning() -> Timestamp {
    Timestamp::from_seconds(0)
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read the access log: {error}"))
        .hint("run this on the gateway's machine, as a user who may read the file")
}

/// Lines that wait to be printed.
const QUEUE_LINES_MAX: usize = 10_000;
/// Lines that are sorted at once.
const BATCH_LINES_MAX: usize = 10_000;
/// The newest lines of each file that are held when a time is given.
const OLD_LINES_MAX: usize = 100_000;
/// What reads the system's journal.
const JOURNAL: &str = "journalctl";

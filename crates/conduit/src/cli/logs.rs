//! `conduit logs`: lines of the access log, of containers and of the daemon, old and new, in one
//! ordered stream.

mod follow;
mod line;
mod merged;
mod queries;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use conduit_core::clock::Timestamp;
use flate2::read::GzDecoder;

use self::follow::Follower;
use self::line::Wanted;
use super::args::LogsArgs;
use super::exit::Failure;
use super::output::Printer;
use super::session::Session;
use crate::access_log::file::{ENDINGS, numbered};
use crate::config::{AccessFormat, AccessLog, AccessOutput, parse_duration};

/// Prints what is there, and then what comes.
pub(crate) fn run(session: &Session, args: &LogsArgs) -> Result<(), Failure> {
    if args.daemon || !args.container.is_empty() {
        return merged::run(session, args);
    }
    let config = session.load()?.config;
    if args.dns {
        return queries::run(session, args, &config.query_log);
    }
    let path = path_of(&config.access_log)?;
    from_files(session, args, path, config.access_log.keep)
}

/// Lines of a file and of those that were moved aside from it.
fn from_files(session: &Session, args: &LogsArgs, path: &Path, kept: u32) -> Result<(), Failure> {
    let since = args.since.as_deref().map(|text| moment(text, Timestamp::now())).transpose()?;
    let wanted = Wanted { service: args.service.clone(), since };
    let show = Show { printer: session.printer, as_it_is: args.json };
    let failed = |error: io::Error| {
        Failure::new(format!("cannot read {}: {error}", path.display()))
            .hint("run this on the gateway's machine, as a user who may read the file")
    };
    // Opened first: what is written from now on is read from the same file, moved aside or not.
    let mut follower = Follower::open(path).map_err(failed)?;
    let keep = if since.is_some() { usize::MAX } else { args.lines as usize };
    let old = old_files(path, kept);
    if since.is_some() {
        for file in &old {
            show.each(read(file).map_err(failed)?, &wanted)?;
        }
        show.each(follower.whole(), &wanted)?;
    } else {
        let mut newest = last(follower.whole(), &wanted, keep).map_err(failed)?;
        for file in old.iter().rev() {
            if newest.len() >= keep {
                break;
            }
            let mut earlier =
                last(read(file).map_err(failed)?, &wanted, keep - newest.len()).map_err(failed)?;
            earlier.append(&mut newest);
            newest = earlier;
        }
        for line in newest {
            show.line(&line)?;
        }
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        while let Some(line) = follower.next().map_err(failed)? {
            if wanted.fits(&line) {
                show.line(&line)?;
            }
        }
        std::thread::sleep(follow::PAUSE);
    }
}

/// The file, or where to look instead.
fn path_of(log: &AccessLog) -> Result<&Path, Failure> {
    let elsewhere = |what: &str, hint: &str| Err(Failure::new(what).hint(hint));
    match (&log.output, log.format) {
        (AccessOutput::File(path), AccessFormat::Json) => Ok(path),
        (AccessOutput::File(path), AccessFormat::Common) => elsewhere(
            "the access log is in the common format, which this verb does not read",
            &format!(
                "look at it with `tail -F {}`, or set access_log.format = \"json\"",
                path.display()
            ),
        ),
        (AccessOutput::Daemon | AccessOutput::Stdout, _) => elsewhere(
            "the access log is part of the gateway's own output",
            "look at it with `journalctl -u conduit`, or set access_log.output to a file's path",
        ),
        (AccessOutput::Syslog, _) => elsewhere(
            "the access log goes to the system's log",
            "look at it with `journalctl -t conduit`, or set access_log.output to a file's path",
        ),
        (AccessOutput::Off, _) => elsewhere(
            "there is no access log",
            "set access_log.output to a file's path such as /var/log/conduit/access.log, and \
             restart the gateway",
        ),
    }
}

/// A moment, or how long ago it was.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.minus(ago));
    }
    Timestamp::parse(text).map_err(|_| {
        Failure::usage(format!("{text:?} is no time"))
            .hint("write how long ago, such as 10m, or a time such as 2026-04-04T12:00:00Z")
    })
}

/// The files that were moved aside, oldest first.
fn old_files(path: &Path, keep: u32) -> Vec<PathBuf> {
    let numbers = (1..=keep).rev();
    let all = numbers.flat_map(|number| ENDINGS.map(|ending| numbered(path, number, ending)));
    all.filter(|path| path.is_file()).collect()
}

type Reading = Box<dyn BufRead>;

fn read(path: &Path) -> io::Result<Reading> {
    match File::open(path) {
        Ok(file) if path.extension().is_some_and(|ending| ending == "gz") => {
            Ok(Box::new(BufReader::new(GzDecoder::new(file))))
        }
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        // Moved on since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(io::empty())),
        Err(error) => Err(error),
    }
}

/// The next line, without its end; what of a line is beyond [`LINE_BYTES_MAX`] is a line of its own.
fn next_line(reading: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let count = reading.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if count == 0 {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

fn last(mut reading: impl BufRead, wanted: &Wanted, count: usize) -> io::Result<VecDeque<String>> {
    let mut kept = VecDeque::new();
    while let Some(line) = next_line(&mut reading)? {
        if wanted.fits(&line) {
            kept.push_back(line);
        }
        if kept.len() > count {
            kept.pop_front();
        }
    }
    Ok(kept)
}

/// How lines are printed.
struct Show {
    printer: Printer,
    as_it_is: bool,
}

impl Show {
    fn line(&self, line: &str) -> Result<(), Failure> {
        self.printer.text(&self.text(line))
    }

    fn text(&self, line: &str) -> String {
        if self.as_it_is { format!("{line}\n") } else { line::readable(line) }
    }

    fn each(&self, mut reading: impl BufRead, wanted: &Wanted) -> Result<(), Failure> {
        let failed = |error| Failure::new(format!("cannot read on: {error}"));
        while let Some(line) = next_line(&mut reading).map_err(failed)? {
            if wanted.fits(&line) {
                self.line(&line)?;
            }
        }
        Ok(())
    }
}

/// What of a line is read at once.
const LINE_BYTES_MAX: u64 = 64 * 1_024;

#[cfg(test)]
mod tests;

//! A password from somebody: typed without being shown, or the first line of a file.
//!
//! **Invariant:** whatever happens while somebody types, the terminal is as it was before.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::exit::Failure;

/// Reads the new password of a user: from the file, or from a terminal twice, or from what standard
/// input is.
pub(crate) fn read(user: &str, file: Option<&Path>) -> Result<String, Failure> {
    match file {
        Some(path) if path == Path::new("-") => first_line(io::stdin().lock(), "standard input"),
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path);
            let file = file.map_err(|e| Failure::new(format!("cannot open {name}: {e}")))?;
            first_line(file, &name)
        }
        None if io::stdin().is_terminal() => typed_twice(user),
        None => first_line(io::stdin().lock(), "standard input"),
    }
}

fn first_line(source: impl Read, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err(Failure::new(format!("the first line of {name} is empty"))),
        Ok(password) => Ok(password.to_owned()),
        Err(_) => Err(Failure::new(format!("the first line of {name} is not UTF-8"))),
    }
}

fn typed_twice(user: &str) -> Result<String, Failure> {
    let first = typed(&format!("New password of {user}: "))?;
    let second = typed("Once more: ")?;
    match first == second {
        true if first.is_empty() => Err(Failure::new("no password was typed")),
        true => Ok(first),
        false => Err(Failure::new("the two passwords differ; nothing was changed")),
    }
}

fn typed(prompt: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot read the terminal: {error}"));
    let _quiet = Quiet::new().map_err(failed)?;
    let mut out = io::stderr().lock();
    write!(out, "{prompt}").and_then(|()| out.flush()).map_err(failed)?;
    let mut line = Line::default();
    let mut input = io::stdin().lock();
    let ended = loop {
        let mut byte = [0];
        if input.read(&mut byte).map_err(failed)? == 0 {
            break Typed::Stopped;
        }
        match line.take(byte[0]) {
            Typed::Going => {}
            ended => break ended,
        }
    };
    writeln!(out).map_err(failed)?;
    let text = String::from_utf8(line.0);
    match (ended, text) {
        (Typed::Done, Ok(text)) => Ok(text),
        (Typed::Done, Err(_)) => Err(Failure::new("what was typed is not UTF-8")),
        _ => Err(Failure::new("stopped; nothing was changed")),
    }
}

/// What was typed so far.
#[derive(Debug, Default)]
struct Line(Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    Done,
    Going,
    Stopped,
}

impl Line {
    fn take(&mut self, byte: u8) -> Typed {
        match byte {
            b'\n' | b'\r' => return Typed::Done,
            INTERRUPT | END | QUIT => return Typed::Stopped,
            BACKSPACE | DELETE => {
                // A whole character: bytes of UTF-8 that go on begin with 10.
                while self.0.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
            }
            KILL => self.0.clear(),
            byte if self.0.len() < TYPED_BYTES_MAX => self.0.push(byte),
            _ => return Typed::Stopped,
        }
        Typed::Going
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn new() -> io::Result<Self> {
        let input = io::stdin();
        let before = tcgetattr(input.as_fd())?;
        let mut quiet = before.clone();
        // Keys that end a program come to us as bytes, else the terminal would stay like this.
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(input.as_fd(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &self.0).ok();
    }
}

/// Of a file that holds a password, and whatever else.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What somebody types.
const TYPED_BYTES_MAX: usize = 1_024;
/// Ctrl-C.
const INTERRUPT: u8 = 0x03;
/// Ctrl-D.
const END: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
/// Ctrl-U.
const KILL: u8 = 0x15;
/// Ctrl-\.
const QUIT: u8 = 0x1c;
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_edit_the_line() {
        for (keys, text, ended) in [
            ("abc\n", "abc", Typed::Done),
            ("abc\r", "abc", Typed::Done),
            ("abx\x7fc\n", "abc", Typed::Done),
            ("\x7f\x08a\n", "a", Typed::Done),
            ("aü\x7fb\n", "ab", Typed::Done),
            ("wrong\x15right\n", "right", Typed::Done),
            ("abc\x03", "abc", Typed::Stopped),
            ("\x04", "", Typed::Stopped),
            ("abc\x1c", "abc", Typed::Stopped),
            ("abc", "abc", Typed::Going),
        ] {
            let mut line = Line::default();
            let last = keys.bytes().map(|byte| line.take(byte)).last();
            assert_eq!((line.0, last), (text.as_bytes().to_vec(), Some(ended)), "{keys:?}");
        }
        let mut line = Line::default();
        let last = std::iter::repeat_n(b'x', TYPED_BYTES_MAX + 1).map(|b| line.take(b)).last();
        assert_eq!(last, Some(Typed::Stopped));
    }

    #[test]
    fn a_file_holds_a_password_in_its_first_line() {
        for (bytes, expected) in [
            (&b"secret words\n"[..], Some("secret words")),
            (b"secret words\r\nmore\n", Some("secret words")),
            (b" kept ", Some(" kept ")),
            (b"", None),
            (b"\nsecond", None),
            (b"\xff\xfe\n", None),
        ] {
            assert_eq!(first_line(bytes, "the file").ok().as_deref(), expected, "{bytes:?}");
        }
    }
}

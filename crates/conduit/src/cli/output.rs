//! What people and programs read on standard output.
//!
//! Commands build strings; only [`Printer`] writes them.
//!
//! **Invariant:** colour on a terminal only, and never with `NO_COLOR`; a closed pipe ends the
//! command quietly.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::exit::Failure;

/// Writes to standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    /// Whether a person looks at it.
    pub(crate) terminal: bool,
    /// How to colour words.
    pub(crate) paint: Paint,
}

impl Printer {
    /// The standard output of this process.
    pub(crate) fn of_this_process() -> Self {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, paint: Paint(terminal && !no_color) }
    }

    /// Writes text as it is.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes an API body unchanged, and ends the line where the body does not.
    pub(crate) fn body(&self, body: &[u8]) -> Result<(), Failure> {
        self.bytes(body)?;
        if body.ends_with(b"\n") { Ok(()) } else { self.bytes(b"\n") }
    }

    /// Writes what there is no API body of.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let body = serde_json::to_vec(value);
        self.body(
            &body.map_err(|error| Failure::new(format!("cannot be written as JSON: {error}")))?,
        )
    }

    #[expect(clippy::unused_self, reason = "the one writer; its siblings need the value")]
    fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // Whoever read has read enough, as in `conduit status | head -1`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

/// Tells the operator something without being the answer.
pub(crate) fn notice(text: &str) {
    let mut out = io::stderr().lock();
    // Nobody is left to tell when standard error is gone.
    drop(writeln!(out, "{text}"));
}

/// Colours, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

/// The colours there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    /// Nobody knows yet.
    Dim,
    /// Good.
    Green,
    /// Bad.
    Red,
    /// On the way to bad.
    Yellow,
}

impl Paint {
    /// The text in a colour, when there are colours.
    pub(crate) fn colour(self, colour: Colour, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Dim => "2",
            Colour::Green => "32",
            Colour::Red => "31",
            Colour::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A table with a head; columns as wide as they need to be, the last one ragged.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            if let Some(widest) = widths.get_mut(column) {
                *widest = (*widest).max(width(cell));
            }
        }
    }
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, widest) in row.iter().zip(&widths) {
            line.push_str(&pad(cell, *widest));
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The text, filled up with spaces to a width.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Columns on screen; names and addresses are one column per character.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// A count with its noun: `1 service`, `2 services`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_without_trailing_spaces() {
        let rows = vec![
            vec!["a".to_owned(), "long value".to_owned()],
            vec!["name".to_owned(), String::new()],
        ];
        assert_eq!(table(&["N", "VALUE"], &rows), "N     VALUE\na     long value\nname\n");
    }

    #[test]
    fn colour_is_only_for_terminals() {
        assert_eq!(Paint(false).colour(Colour::Red, "down"), "down");
        assert_eq!(Paint(true).colour(Colour::Red, "down"), "\x1b[31mdown\x1b[0m");
    }
}

//! The log of a container, line by line.
//!
//! **Invariant:** a line is at most [`LINE_BYTES_MAX`] long, whatever a program prints; the rest of
//! it is left out.

use std::path::PathBuf;

use bollard::container::LogOutput;
use conduit_core::clock::Timestamp;
use conduit_core::tasks::Tasks;
use futures_util::{Stream, StreamExt};

use super::client::Engine;
use super::wire::Wire;
use crate::source::SourceError;

/// Which lines are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogAsked {
    /// Whether to go on with new lines.
    pub follow: bool,
    /// None from before.
    pub since: Option<Timestamp>,
    /// Only so many of the newest to begin with.
    pub tail: Option<u32>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, RFC 3339 as the engine says it.
    pub time: String,
    /// Whether it was written to standard error.
    pub is_error: bool,
    /// Without its end.
    pub line: String,
}

/// Follows the log of a container of the engine that listens at `socket`.
///
/// # Errors
/// When there is no engine, or it lets nobody in.
pub async fn log(
    socket: PathBuf,
    container: &str,
    asked: LogAsked,
    tasks: Tasks,
) -> Result<impl Stream<Item = Result<LogLine, SourceError>> + Send + 'static, SourceError> {
    let engine = Engine::connect(Wire::new(socket, tasks)).await?;
    let lines = engine.logs(container, &asked);
    Ok(lines.map(|line| match line {
        Ok(output) => Ok(line_of(&output)),
        Err(error) => Err(SourceError::Failed(error.to_string())),
    }))
}

fn line_of(output: &LogOutput) -> LogLine {
    let is_error = matches!(output, LogOutput::StdErr { .. });
    let bytes = output.as_ref();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_BYTES_MAX)]);
    let text = text.trim_end_matches(['\n', '\r']);
    let (time, line) = text.split_once(' ').unwrap_or((text, ""));
    LogLine { time: time.to_owned(), is_error, line: line.to_owned() }
}

/// The longest line that is shown; engines cut their own at 16 KiB.
const LINE_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stands_before_the_line() {
        let message = "2026-11-22T10:00:00.123456789Z hello  world\r\n".into();
        let line = line_of(&LogOutput::StdErr { message });
        assert_eq!(line.time, "2026-11-22T10:00:00.123456789Z");
        assert_eq!((line.line.as_str(), line.is_error), ("hello  world", true));
        let endless = line_of(&LogOutput::StdOut { message: vec![b'x'; 1 << 20].into() });
        assert!(endless.time.len() + endless.line.len() <= LINE_BYTES_MAX);
    }
}

//! The daemon's log: text on a terminal, JSON otherwise, on standard error.
//!
//! **Invariant:** started at most once in a process; the level can change while it runs, the
//! format cannot.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// What the log is written to.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Whether a person looks at it.
    pub terminal: bool,
    /// Whether it may have colour.
    pub colour: bool,
}

impl Output {
    /// Standard error of this process; `NO_COLOR` is honoured.
    pub fn of_this_process() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, colour: terminal && !no_color }
    }

    fn is_json(self, format: LogFormat) -> bool {
        match format {
            LogFormat::Auto => !self.terminal,
            LogFormat::Json => true,
            LogFormat::Text => false,
        }
    }
}

/// Changes the level of the running log.
#[derive(Debug, Clone)]
pub struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    /// Applies a level or directives from now on.
    ///
    /// # Errors
    /// When they are not legal, or the log is gone.
    pub fn set_level(&self, level: &str) -> Result<(), TelemetryError> {
        let filter = parse(level)?;
        self.0.reload(filter).map_err(TelemetryError::Reload)
    }
}

/// Starts the log of this process.
///
/// # Errors
/// When the level is not legal, or a log was started before.
pub fn start(log: &Log, output: Output) -> Result<LogHandle, TelemetryError> {
    let (filter, handle) = reload::Layer::new(parse(&log.level)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if output.is_json(log.format) {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(output.colour).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(TelemetryError::Start)?;
    Ok(LogHandle(handle))
}

/// Why the log cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The level or its directives.
    #[error("cannot read the log level {level:?}")]
    Level {
        /// What was given.
        level: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The running log did not take another level.
    #[error("cannot change the log level")]
    Reload(#[source] reload::Error),
    /// The log did not start.
    #[error("cannot start the log")]
    Start(#[source] tracing_subscriber::util::TryInitError),
}

fn parse(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_text_and_programs_get_json() {
        let terminal = Output { terminal: true, colour: true };
        let pipe = Output { terminal: false, colour: false };
        for (output, format, json) in [
            (terminal, LogFormat::Auto, false),
            (pipe, LogFormat::Auto, true),
            (pipe, LogFormat::Text, false),
            (terminal, LogFormat::Json, true),
        ] {
            assert_eq!(output.is_json(format), json, "{format:?}");
        }
    }

    #[test]
    fn levels_and_directives_are_read() {
        assert!(parse("info").is_ok() && parse("warn,conduit_dns=trace").is_ok());
        assert!(parse("conduit_dns=loud").is_err());
    }
}

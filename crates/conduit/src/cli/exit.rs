//! Exit codes, and the one place where errors become them.
//!
//! **Invariant:** 0 success, 1 a failed operation, 2 wrong usage, 3 `status --check` found
//! something down; nothing else.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use conduit_api::error::ClientError;
use conduit_core::error::Chain;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// The operation failed.
    Failed = 1,
    /// The command line was wrong.
    Usage = 2,
    /// `status --check` found something down.
    Down = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// The operation failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// The command line was wrong in a way its grammar does not show.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// An error with everything that caused it.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        Self::new(Chain(error).to_string())
    }

    /// With what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let hint = match &error {
            ClientError::Unreachable { .. } => Some(
                "start the gateway with `conduit serve`, or name its socket with --socket"
                    .to_owned(),
            ),
            other => other.hint().map(str::to_owned),
        };
        Self { hint, ..Self::of(&error) }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        use crate::config::ConfigError;
        let failure = Self::of(&error);
        match &error {
            ConfigError::Read { source, .. } if source.kind() == ErrorKind::NotFound => {
                failure.hint("name a file that is there; `conduit setup --config FILE` writes one")
            }
            ConfigError::Read { .. } | ConfigError::TooLarge { .. } => failure,
            ConfigError::Invalid { .. } => {
                failure.hint("`conduit config show --config /dev/null` prints every key there is")
            }
        }
    }
}

impl std::fmt::Display for Failure {
    /// Each line of the message, then the mend.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.message.lines() {
            writeln!(f, "error: {line}")?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_api::v1::error::ErrorDetail;

    #[test]
    fn a_configuration_is_mended_by_what_is_wrong_with_it() {
        use crate::config::ConfigError;
        let read = |kind: ErrorKind| ConfigError::Read { path: "/c".into(), source: kind.into() };
        let hint = |error: ConfigError| Failure::from(error).hint;
        assert!(hint(read(ErrorKind::NotFound)).expect("a hint").contains("conduit setup"));
        assert_eq!(hint(read(ErrorKind::PermissionDenied)), None);
        let invalid = ConfigError::Invalid { report: "c:1:1: unknown key".into() };
        assert!(hint(invalid).expect("a hint").contains("config show"));
    }

    #[test]
    fn refusals_say_what_to_do() {
        let error = ClientError::Api {
            status: 409,
            error: ErrorDetail {
                code: "name_taken".into(),
                message: "grafana is already registered".into(),
                hint: Some("use --replace".into()),
            },
        };
        let failure = Failure::from(error);
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(
            failure.to_string(),
            "error: grafana is already registered\nhint: use --replace\n"
        );
    }
}

//! The shape in which programs expect errors, by the interface that they speak.

use conduit_core::policy::Preset;
use http::StatusCode;

/// What programs expect under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Anthropic's interface for messages, which vLLM, Ollama and others speak, too.
    Anthropic,
    /// A client of Ollama's, if the service is one.
    MayBeOllama,
    Ollama,
    OpenAi,
    Plain,
}

impl Dialect {
    /// What a request for this path is made with.
    pub(crate) fn of(path: &str) -> Self {
        if is_below(path, ANTHROPIC_PATH) {
            Self::Anthropic
        } else if path.starts_with(OPENAI_PATHS) {
            Self::OpenAi
        } else if path.starts_with(OLLAMA_PATHS) {
            Self::MayBeOllama
        } else {
            Self::Plain
        }
    }

    /// The same at a service of this kind.
    #[must_use]
    pub(crate) fn at(self, preset: Option<Preset>) -> Self {
        match (self, preset) {
            (Self::MayBeOllama, Some(Preset::Ollama)) => Self::Ollama,
            _ => self,
        }
    }
}

/// The kinds of errors that Anthropic's clients know.
pub(crate) fn anthropic_kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
        StatusCode::GATEWAY_TIMEOUT => "timeout_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "api_error",
    }
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where messages are made and counted.
const ANTHROPIC_PATH: &str = "/v1/messages";
/// Where clients of OpenAI's interface ask.
const OPENAI_PATHS: &str = "/v1/";
/// Where clients of Ollama ask.
const OLLAMA_PATHS: &str = "/api/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_the_dialect() {
        for (path, expected) in [
            ("/", Dialect::Plain),
            ("/v10/", Dialect::Plain),
            ("/v1/chat/completions", Dialect::OpenAi),
            ("/v1/messages", Dialect::Anthropic),
            ("/v1/messages/count_tokens", Dialect::Anthropic),
            ("/v1/messages2", Dialect::OpenAi),
            ("/api/chat", Dialect::MayBeOllama),
        ] {
            assert_eq!(Dialect::of(path), expected, "{path}");
        }
        assert_eq!(Dialect::MayBeOllama.at(Some(Preset::Ollama)), Dialect::Ollama);
        assert_eq!(Dialect::MayBeOllama.at(Some(Preset::Grafana)), Dialect::MayBeOllama);
        assert_eq!(Dialect::OpenAi.at(Some(Preset::Ollama)), Dialect::OpenAi);
    }
}

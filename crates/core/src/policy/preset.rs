//! Kinds of programs, with what each of them needs.

use std::fmt;
use std::str::FromStr;

use super::text::{InvalidText, written};
use super::{Clocks, HostPolicy, OriginPolicy, Policy, ProbeKind, ProbePolicy, Size, Span};
use super::{StatusSet, UpstreamUse};
use crate::service::{ProbePath, Protocol};

/// A kind of program behind a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// ComfyUI.
    ComfyUi,
    /// Anything that speaks HTTP.
    Generic,
    /// Grafana.
    Grafana,
    /// JupyterLab, JupyterHub.
    Jupyter,
    /// llama.cpp's server.
    LlamaCpp,
    /// NVIDIA NIM.
    Nim,
    /// Ollama.
    Ollama,
    /// Open WebUI.
    OpenWebUi,
    /// `PostgreSQL`.
    Postgres,
    /// Prometheus.
    Prometheus,
    /// Redis, Valkey.
    Redis,
    /// `SGLang`.
    SgLang,
    /// Hugging Face's text generation inference.
    Tgi,
    /// NVIDIA Triton.
    Triton,
    /// vLLM.
    Vllm,
}

/// What a preset says about a program besides its policy.
struct Program {
    word: &'static str,
    /// Its usual port.
    port: u16,
    /// The path that says whether it is ready.
    probe: Option<&'static str>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answers in tokens, after a wait.
    Engine,
    /// Pages, uploads, WebSockets.
    Pages,
    /// A byte stream.
    Stream,
}

impl Preset {
    /// Every preset, by word.
    pub const ALL: [Self; 15] = [
        Self::ComfyUi,
        Self::Generic,
        Self::Grafana,
        Self::Jupyter,
        Self::LlamaCpp,
        Self::Nim,
        Self::Ollama,
        Self::OpenWebUi,
        Self::Postgres,
        Self::Prometheus,
        Self::Redis,
        Self::SgLang,
        Self::Tgi,
        Self::Triton,
        Self::Vllm,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        self.program().word
    }

    /// The port that the program usually listens on.
    pub fn port(self) -> u16 {
        self.program().port
    }

    /// The path that is probed; `None` where connecting is what can be tried, and for `generic`.
    pub fn probe_path(self) -> Option<ProbePath> {
        self.program().probe.and_then(|path| ProbePath::parse(path).ok())
    }

    /// What the program speaks.
    pub fn protocol(self) -> Protocol {
        match self.program().kind {
            Kind::Stream => Protocol::Tcp,
            Kind::Engine | Kind::Pages => Protocol::Http,
        }
    }

    /// What it asks of its traffic.
    pub fn defaults(self) -> Policy {
        let clocks = |first_byte, idle| Clocks {
            first_byte: Some(Span::seconds(first_byte)),
            idle,
            ..Clocks::default()
        };
        let timeouts = match self {
            // It loads a model for up to five minutes, and queues behind other models.
            Self::Ollama => clocks(900, Some(Span::seconds(120))),
            // What it waits for is an engine behind it; its own tools pause for longer.
            Self::OpenWebUi => clocks(900, Some(Span::seconds(300))),
            // Its own limit on a query is two minutes.
            Self::Prometheus => clocks(150, None),
            // A busy engine queues and reads the prompt before it says a word.
            _ if self.program().kind == Kind::Engine => clocks(600, Some(Span::seconds(120))),
            _ => Clocks::default(),
        };
        let body_max = match self.program().kind {
            // Images in base64.
            Kind::Engine => Some(Size(100_000_000)),
            Kind::Pages | Kind::Stream => None,
        };
        let upstream = match self {
            // It answers 403 to names and origins that it does not know.
            Self::Ollama => UpstreamUse {
                host: Some(HostPolicy::Fixed("localhost:11434".into())),
                origin: Some(OriginPolicy::Remove),
                ..UpstreamUse::default()
            },
            _ => UpstreamUse::default(),
        };
        let probe = match self {
            Self::Postgres | Self::Redis => {
                ProbePolicy { kind: Some(ProbeKind::Tcp), ..ProbePolicy::default() }
            }
            // 503 while it loads a model.
            Self::LlamaCpp => {
                ProbePolicy { status: "200".parse::<StatusSet>().ok(), ..ProbePolicy::default() }
            }
            // It asks for no password there, but one that listens on loopback only answers 403 to
            // a Host that is not local, and serves its users nevertheless.
            Self::Jupyter => ProbePolicy {
                status: "200-403".parse::<StatusSet>().ok(),
                ..ProbePolicy::default()
            },
            _ => ProbePolicy::default(),
        };
        Policy { preset: Some(self), timeouts, body_max, upstream, probe, ..Policy::default() }
    }

    fn program(self) -> Program {
        let (word, port, probe, kind) = match self {
            Self::ComfyUi => ("comfyui", 8188, Some("/system_stats"), Kind::Pages),
            Self::Generic => ("generic", 80, None, Kind::Pages),
            Self::Grafana => ("grafana", 3000, Some("/api/health"), Kind::Pages),
            Self::Jupyter => ("jupyter", 8888, Some("/api"), Kind::Pages),
            Self::LlamaCpp => ("llamacpp", 8080, Some("/health"), Kind::Engine),
            Self::Nim => ("nim", 8000, Some("/v1/health/ready"), Kind::Engine),
            Self::Ollama => ("ollama", 11434, Some("/api/version"), Kind::Engine),
            Self::OpenWebUi => ("open-webui", 8080, Some("/health"), Kind::Pages),
            Self::Postgres => ("postgres", 5432, None, Kind::Stream),
            Self::Prometheus => ("prometheus", 9090, Some("/-/ready"), Kind::Pages),
            Self::Redis => ("redis", 6379, None, Kind::Stream),
            Self::SgLang => ("sglang", 30000, Some("/health"), Kind::Engine),
            Self::Tgi => ("tgi", 3000, Some("/health"), Kind::Engine),
            Self::Triton => ("triton", 8000, Some("/v2/health/ready"), Kind::Engine),
            Self::Vllm => ("vllm", 8000, Some("/health"), Kind::Engine),
        };
        Program { word, port, probe, kind }
    }
}

impl FromStr for Preset {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        if text == "auto" {
            // It is resolved before anything is stored, so it cannot be part of a policy.
            return Err(InvalidText::new(
                text,
                "a preset that can be kept; give it beside the policy",
            ));
        }
        Self::ALL.into_iter().find(|preset| preset.as_str() == text).ok_or_else(|| {
            InvalidText::new(
                text,
                "a preset; use comfyui, generic, grafana, jupyter, llamacpp, nim, ollama, \
                 open-webui, postgres, prometheus, redis, sglang, tgi, triton or vllm",
            )
        })
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

written!(Preset);

#[cfg(test)]
mod tests {
    use super::*;

    /// The row of a preset in `docs/presets.md`.
    fn row(preset: Preset) -> String {
        fn cell(value: Option<impl ToString>) -> String {
            value.map_or_else(|| "–".to_owned(), |value| value.to_string())
        }
        let policy = preset.defaults();
        let probe = match (preset.probe_path(), policy.probe.kind) {
            (Some(path), _) => format!("`GET {}`", path.as_str()),
            (None, Some(kind)) => format!("{kind}: connecting"),
            (None, None) => "the gateway's".to_owned(),
        };
        let healthy = match (policy.probe.status, preset.probe_path()) {
            (Some(status), _) => status.to_string(),
            (None, Some(_)) => "200-399".to_owned(),
            (None, None) => "–".to_owned(),
        };
        [
            format!("`{preset}`"),
            preset.port().to_string(),
            preset.protocol().to_string(),
            probe,
            healthy,
            cell(policy.timeouts.first_byte),
            cell(policy.timeouts.idle),
            cell(policy.body_max),
            cell(policy.upstream.host.map(|host| format!("`{host}`"))),
            cell(policy.upstream.origin),
        ]
        .iter()
        .fold("|".to_owned(), |row, cell| format!("{row} {cell} |"))
    }

    #[test]
    fn the_document_has_the_row_of_every_preset() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/presets.md");
        let document = std::fs::read_to_string(path).expect("docs/presets.md");
        let missing: Vec<String> = Preset::ALL
            .into_iter()
            .map(row)
            .filter(|row| !document.lines().any(|line| line == row))
            .collect();
        assert!(missing.is_empty(), "docs/presets.md lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_preset_is_in_the_words_of_the_error() {
        let error = "olama".parse::<Preset>().expect_err("unknown").to_string();
        for preset in Preset::ALL {
            assert!(error.contains(preset.as_str()), "{preset}: {error}");
        }
        let error = "auto".parse::<Preset>().expect_err("not kept").to_string();
        assert!(error.contains("beside the policy"), "{error}");
    }
}

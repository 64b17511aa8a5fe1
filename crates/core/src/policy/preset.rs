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
        let timeouts = match self.program().kind {
            Kind::Engine => Clocks {
                // A busy engine queues, loads and reads the prompt before it says a word.
                first_byte: Some(match self {
                    Self::Ollama => Span::seconds(900),
                    _ => Span::seconds(600),
                }),
                idle: Some(Span::seconds(120)),
                ..Clocks::default()
            },
            Kind::Pages | Kind::Stream => Clocks::default(),
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
            Self::Tgi => ("tgi", 80, Some("/health"), Kind::Engine),
            Self::Triton => ("triton", 8000, Some("/v2/health/ready"), Kind::Engine),
            Self::Vllm => ("vllm", 8000, Some("/health"), Kind::Engine),
        };
        Program { word, port, probe, kind }
    }
}

impl FromStr for Preset {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
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

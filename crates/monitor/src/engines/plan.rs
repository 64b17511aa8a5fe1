//! What each kind of engine is asked.

use conduit_core::policy::Preset;

use super::documents::{read_loads, read_models, read_slots};
use super::series::read_series;
use super::told::Told;

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) path: &'static str,
    /// Another port than the upstream's.
    pub(super) port: Option<u16>,
    pub(super) form: Form,
}

/// In which form the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Prometheus' text, by the aliases of a preset.
    Series(Preset),
    /// `SGLang`'s loads.
    Loads,
    /// llama.cpp's slots.
    Slots,
    /// Ollama's models in memory.
    Models,
}

/// What an engine is asked, and what to do when it tells nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Each in turn; what the first ones tell counts.
    pub(super) questions: &'static [Question],
    /// In words for people.
    pub(super) mend: &'static str,
}

/// What is asked of a preset; `None` when it is no engine.
pub(super) fn plan(preset: Preset) -> Option<Plan> {
    let (questions, mend) = match preset {
        Preset::Vllm => (VLLM, "start vLLM without --disable-log-stats"),
        Preset::Nim => (NIM, "see the NIM's documentation for its metrics"),
        Preset::SgLang => {
            (SGLANG, "wait until it has loaded, or start SGLang with --enable-metrics")
        }
        Preset::LlamaCpp => (LLAMACPP, "start llama-server with --metrics, and without --no-slots"),
        Preset::Tgi => (TGI, "is it text generation inference that answers there?"),
        Preset::Triton => {
            (TRITON, "start Triton with --allow-metrics=true and let port 8002 be reached")
        }
        Preset::Ollama => (OLLAMA, "Ollama 0.1.38 or newer answers it"),
        _ => return None,
    };
    Some(Plan { questions, mend })
}

/// What an answer tells.
pub(crate) fn read(form: Form, text: &str) -> Told {
    match form {
        Form::Series(preset) => read_series(preset, text),
        Form::Loads => read_loads(text),
        Form::Slots => read_slots(text),
        Form::Models => read_models(text),
    }
}

const fn ask(path: &'static str, form: Form) -> Question {
    Question { path, port: None, form }
}

/// What vLLM is asked.
const VLLM: &[Question] = &[ask("/metrics", Form::Series(Preset::Vllm))];
/// What a NIM is asked; the second path is that of older ones.
const NIM: &[Question] =
    &[ask("/v1/metrics", Form::Series(Preset::Nim)), ask("/metrics", Form::Series(Preset::Nim))];
/// What `SGLang` is asked; only the second tells of tokens.
const SGLANG: &[Question] =
    &[ask("/v1/loads", Form::Loads), ask("/metrics", Form::Series(Preset::SgLang))];
/// What llama.cpp's server is asked; only the first tells of tokens.
const LLAMACPP: &[Question] =
    &[ask("/metrics", Form::Series(Preset::LlamaCpp)), ask("/slots", Form::Slots)];
/// What text generation inference is asked.
const TGI: &[Question] = &[ask("/metrics", Form::Series(Preset::Tgi))];
/// What Triton is asked.
const TRITON: &[Question] = &[Question {
    path: "/metrics",
    port: Some(TRITON_METRICS_PORT),
    form: Form::Series(Preset::Triton),
}];
/// What Ollama is asked.
const OLLAMA: &[Question] = &[ask("/api/ps", Form::Models)];
/// Triton's metrics have a port of their own.
const TRITON_METRICS_PORT: u16 = 8_002;

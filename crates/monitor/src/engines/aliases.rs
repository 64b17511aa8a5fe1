//! Which series say what, for each kind of engine, newest names first.
//!
//! Of a figure the first alias that has a sample counts, and the samples of all its label values
//! are put together: vLLM has one for each of its `engine`s, Triton one for each model.

use conduit_core::policy::Preset;

/// How samples of one series are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// Added up.
    Sum,
    /// Their mean, as of shares.
    Mean,
}

/// A series that says something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alias {
    pub(super) name: &'static str,
    /// A label that a sample must have.
    pub(super) only: Option<(&'static str, &'static str)>,
    pub(super) fold: Fold,
}

/// The series of one kind of engine.
#[derive(Debug)]
pub(super) struct Aliases {
    pub(super) running: &'static [Alias],
    pub(super) waiting: &'static [Alias],
    pub(super) cache_used: &'static [Alias],
    pub(super) prompt_tokens: &'static [Alias],
    pub(super) generated_tokens: &'static [Alias],
    /// The label that names a model in memory.
    pub(super) model_label: Option<&'static str>,
}

/// The series of the engine behind a preset; `None` when it has no series.
pub(super) fn of(preset: Preset) -> Option<&'static Aliases> {
    match preset {
        Preset::Vllm => Some(&VLLM),
        Preset::Nim => Some(&NIM),
        Preset::SgLang => Some(&SGLANG),
        Preset::LlamaCpp => Some(&LLAMACPP),
        Preset::Tgi => Some(&TGI),
        Preset::Triton => Some(&TRITON),
        _ => None,
    }
}

const fn sum(name: &'static str) -> Alias {
    Alias { name, only: None, fold: Fold::Sum }
}

const fn mean(name: &'static str) -> Alias {
    Alias { name, only: None, fold: Fold::Mean }
}

const fn only(alias: Alias, label: &'static str, value: &'static str) -> Alias {
    Alias { only: Some((label, value)), ..alias }
}

/// vLLM: `gpu_cache_usage_perc` before 0.10, `waiting_by_reason` in newer versions.
const VLLM: Aliases = Aliases {
    running: &[sum("vllm:num_requests_running")],
    waiting: &[
        only(sum("vllm:num_requests_waiting_by_reason"), "reason", "capacity"),
        sum("vllm:num_requests_waiting"),
    ],
    cache_used: &[mean("vllm:kv_cache_usage_perc"), mean("vllm:gpu_cache_usage_perc")],
    prompt_tokens: &[sum("vllm:prompt_tokens_total"), sum("vllm:prompt_tokens")],
    generated_tokens: &[sum("vllm:generation_tokens_total"), sum("vllm:generation_tokens")],
    model_label: Some("model_name"),
};

/// NIM 2 is vLLM; older ones leave the prefix out.
const NIM: Aliases = Aliases {
    running: &[sum("vllm:num_requests_running"), sum("num_requests_running")],
    waiting: &[
        only(sum("vllm:num_requests_waiting_by_reason"), "reason", "capacity"),
        sum("vllm:num_requests_waiting"),
        sum("num_requests_waiting"),
    ],
    cache_used: &[
        mean("vllm:kv_cache_usage_perc"),
        mean("vllm:gpu_cache_usage_perc"),
        mean("gpu_cache_usage_perc"),
    ],
    prompt_tokens: &[sum("vllm:prompt_tokens_total"), sum("prompt_tokens_total")],
    generated_tokens: &[sum("vllm:generation_tokens_total"), sum("generation_tokens_total")],
    model_label: Some("model_name"),
};

/// `SGLang`: some versions write `_` for `:`.
const SGLANG: Aliases = Aliases {
    running: &[sum("sglang:num_running_reqs"), sum("sglang_num_running_reqs")],
    waiting: &[sum("sglang:num_queue_reqs"), sum("sglang_num_queue_reqs")],
    cache_used: &[
        mean("sglang:token_usage"),
        mean("sglang:full_token_usage"),
        mean("sglang_token_usage"),
        mean("sglang_full_token_usage"),
    ],
    prompt_tokens: &[sum("sglang:prompt_tokens_total"), sum("sglang_prompt_tokens_total")],
    generated_tokens: &[
        sum("sglang:generation_tokens_total"),
        sum("sglang_generation_tokens_total"),
    ],
    model_label: Some("model_name"),
};

/// llama.cpp: the share of its cache is gone from newer versions.
const LLAMACPP: Aliases = Aliases {
    running: &[sum("llamacpp:requests_processing")],
    waiting: &[sum("llamacpp:requests_deferred")],
    cache_used: &[mean("llamacpp:kv_cache_usage_ratio")],
    prompt_tokens: &[sum("llamacpp:prompt_tokens_total")],
    generated_tokens: &[sum("llamacpp:tokens_predicted_total")],
    model_label: None,
};

/// Text generation inference: tokens are the sums of its histograms.
const TGI: Aliases = Aliases {
    running: &[sum("tgi_batch_current_size")],
    waiting: &[sum("tgi_queue_size")],
    cache_used: &[],
    prompt_tokens: &[sum("tgi_request_input_length_sum")],
    generated_tokens: &[sum("tgi_request_generated_tokens_sum")],
    model_label: None,
};

/// Triton with TensorRT-LLM, with vLLM, and with any other kind of model.
const TRITON: Aliases = Aliases {
    running: &[
        only(sum("nv_trt_llm_request_metrics"), "request_type", "scheduled"),
        sum("vllm:num_requests_running"),
    ],
    waiting: &[
        only(sum("nv_trt_llm_request_metrics"), "request_type", "waiting"),
        sum("vllm:num_requests_waiting"),
        sum("nv_inference_pending_request_count"),
    ],
    cache_used: &[
        only(mean("nv_trt_llm_kv_cache_block_metrics"), "kv_cache_block_type", "fraction"),
        mean("vllm:kv_cache_usage_perc"),
        mean("vllm:gpu_cache_usage_perc"),
    ],
    prompt_tokens: &[sum("vllm:prompt_tokens_total")],
    generated_tokens: &[sum("vllm:generation_tokens_total")],
    model_label: None,
};

//! What engines tell in JSON: Ollama's models in memory, `SGLang`'s loads, llama.cpp's slots.

use serde::Deserialize;

use super::told::{MODELS_MAX, Told, count, share};
use crate::loose::{Flag, Many, Number, Part, Text};
use crate::reading::engine::LoadedModel;

/// Ollama's `/api/ps`; no model is known as no model.
pub(crate) fn read_models(text: &str) -> Told {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Document {
        models: Option<Many<Part<Model>>>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Model {
        name: Text,
        model: Text,
        size: Number,
        size_vram: Number,
    }
    let document: Part<Document> = serde_json::from_str(text).unwrap_or_default();
    let Some(models) = document.0.models else {
        return Told::default();
    };
    let loaded = models.0.iter().filter_map(|Part(model)| {
        let name = model.name.get().or_else(|| model.model.get())?.to_owned();
        Some(LoadedModel { name, size: model.size.whole(), vram: model.size_vram.whole() })
    });
    Told { models: loaded.take(MODELS_MAX).collect(), knows_models: true, ..Told::default() }
}

/// `SGLang`'s `/v1/loads`, one load for each of its workers. A worker without room for any token is
/// not ready, and an empty list is broken: both tell nothing.
pub(crate) fn read_loads(text: &str) -> Told {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Document {
        loads: Many<Part<Load>>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Load {
        num_running_reqs: Number,
        num_waiting_reqs: Number,
        token_usage: Number,
        max_total_num_tokens: Number,
    }
    let document: Part<Document> = serde_json::from_str(text).unwrap_or_default();
    let loads = &document.0.loads.0;
    if loads.iter().any(|Part(load)| load.max_total_num_tokens.real() == Some(0.0)) {
        return Told::default();
    }
    // A sum lacks nothing, or it is not known.
    let all = |figure: fn(&Load) -> Number| -> Option<f64> {
        let sum: Option<f64> = loads.iter().map(|Part(load)| figure(load).real()).sum();
        sum.filter(|_| !loads.is_empty())
    };
    Told {
        running: all(|load| load.num_running_reqs).and_then(count),
        waiting: all(|load| load.num_waiting_reqs).and_then(count),
        cache_used: all(|load| load.token_usage)
            .map(|sum| sum / loads.len() as f64)
            .and_then(share),
        ..Told::default()
    }
}

/// llama.cpp's `/slots`: each works on one request or on none.
pub(crate) fn read_slots(text: &str) -> Told {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Slot {
        is_processing: Flag,
        /// In older versions; 0 is idle.
        state: Number,
    }
    impl Slot {
        fn is_busy(&self) -> Option<bool> {
            self.is_processing.0.or_else(|| self.state.real().map(|state| state != 0.0))
        }
    }
    let slots: Many<Part<Slot>> = serde_json::from_str(text).unwrap_or_default();
    let busy: Option<Vec<bool>> = slots.0.iter().map(|Part(slot)| slot.is_busy()).collect();
    let busy = busy.filter(|busy| !busy.is_empty());
    let running = busy.map(|busy| busy.into_iter().filter(|busy| *busy).count() as f64);
    Told { running, ..Told::default() }
}

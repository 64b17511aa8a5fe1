//! From series to figures, by the aliases of a preset.

use std::collections::BTreeSet;

use conduit_core::policy::Preset;

use super::aliases::{Alias, Fold, of};
use super::exposition::{Sample, samples};
use super::told::{MODELS_MAX, Told, count, share};
use crate::loose::cut;
use crate::reading::engine::LoadedModel;

/// What the series of an engine tell.
pub(super) fn read_series(preset: Preset, text: &str) -> Told {
    let Some(aliases) = of(preset) else {
        return Told::default();
    };
    let (mut running, mut waiting) = (Figure::of(aliases.running), Figure::of(aliases.waiting));
    let mut cache_used = Figure::of(aliases.cache_used);
    let mut prompt_tokens = Figure::of(aliases.prompt_tokens);
    let mut generated_tokens = Figure::of(aliases.generated_tokens);
    let mut models = BTreeSet::new();
    for sample in samples(text) {
        let figures = [
            &mut running,
            &mut waiting,
            &mut cache_used,
            &mut prompt_tokens,
            &mut generated_tokens,
        ];
        let mut is_ours = false;
        for figure in figures {
            is_ours |= figure.add(&sample);
        }
        let model = aliases.model_label.filter(|_| is_ours).and_then(|label| sample.label(label));
        if let Some(model) = model.filter(|_| models.len() < MODELS_MAX) {
            let visible: String = model.chars().filter(|c| !c.is_control()).collect();
            models.insert(cut(&visible, MODEL_BYTES_MAX).to_owned());
        }
    }
    Told {
        running: running.value().and_then(count),
        waiting: waiting.value().and_then(count),
        cache_used: cache_used.value().and_then(share),
        prompt_tokens: prompt_tokens.value().and_then(count),
        generated_tokens: generated_tokens.value().and_then(count),
        knows_models: !models.is_empty(),
        models: models
            .into_iter()
            .map(|name| LoadedModel { name, size: None, vram: None })
            .collect(),
    }
}

/// A figure that is being put together, for each of its aliases.
struct Figure {
    aliases: &'static [Alias],
    /// Sum and number of samples.
    found: Vec<(f64, f64)>,
}

impl Figure {
    fn of(aliases: &'static [Alias]) -> Self {
        Self { aliases, found: vec![(0.0, 0.0); aliases.len()] }
    }

    /// Takes a sample, if it is one of this figure.
    fn add(&mut self, sample: &Sample<'_>) -> bool {
        let mut is_ours = false;
        for (alias, (sum, number)) in self.aliases.iter().zip(&mut self.found) {
            let fits = alias.name == sample.name
                && alias.only.is_none_or(|(label, value)| {
                    sample.label(label).is_some_and(|found| found == value)
                });
            if fits {
                *sum += sample.value;
                *number += 1.0;
                is_ours = true;
            }
        }
        is_ours
    }

    fn value(&self) -> Option<f64> {
        let mut all = self.aliases.iter().zip(&self.found);
        let (alias, (sum, number)) = all.find(|(_, (_, number))| *number > 0.0)?;
        Some(match alias.fold {
            Fold::Sum => *sum,
            Fold::Mean => sum / number,
        })
    }
}

/// The longest name of a model that is shown, in bytes.
const MODEL_BYTES_MAX: usize = 256;

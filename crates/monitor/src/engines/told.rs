//! What one answer of an engine tells.

use crate::reading::engine::LoadedModel;

/// Figures of one answer; what it does not tell is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Told {
    pub(crate) running: Option<f64>,
    pub(crate) waiting: Option<f64>,
    pub(crate) cache_used: Option<f64>,
    pub(crate) prompt_tokens: Option<f64>,
    pub(crate) generated_tokens: Option<f64>,
    pub(crate) models: Vec<LoadedModel>,
    /// Whether it told of its models, even if there is none.
    pub(crate) knows_models: bool,
}

impl Told {
    /// Whether nothing is known.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// This, and where it is silent, the other.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            running: self.running.or(other.running),
            waiting: self.waiting.or(other.waiting),
            cache_used: self.cache_used.or(other.cache_used),
            prompt_tokens: self.prompt_tokens.or(other.prompt_tokens),
            generated_tokens: self.generated_tokens.or(other.generated_tokens),
            models: if self.models.is_empty() { other.models } else { self.models },
            knows_models: self.knows_models || other.knows_models,
        }
    }
}

/// A count: finite and not negative.
pub(crate) fn count(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// A share from 0 to 1; a little more is rounding.
pub(crate) fn share(value: f64) -> Option<f64> {
    (0.0..=SHARE_MAX).contains(&value).then(|| value.min(1.0))
}

/// What engines that round report at most.
const SHARE_MAX: f64 = 1.01;
/// The most models of an engine that are shown.
pub(crate) const MODELS_MAX: usize = 64;

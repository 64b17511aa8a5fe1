//! What must hold of another number of the same thing, or a rule does not: a GPU's memory matters
//! while its processor does nothing.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Condition;
use super::file::Amount;
use crate::metric::Metric;

/// The other number, and what must hold of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proviso {
    /// Which number of the same thing of the same node.
    pub metric: Metric,
    /// [`Condition::Above`] or [`Condition::Below`].
    pub condition: Condition,
    /// What it is compared with, in the metric's unit.
    pub threshold: f64,
}

impl Proviso {
    /// Whether it holds of this value.
    pub fn holds(&self, value: f64) -> bool {
        match self.condition {
            Condition::Below => value < self.threshold,
            _ => value > self.threshold,
        }
    }
}

/// A proviso as it is written: `while = { metric = "disk", threshold = "60%" }`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisoFile {
    /// The other number.
    pub metric: String,
    /// `above` or `below`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What it is compared with.
    pub threshold: Amount,
}

impl ProvisoFile {
    /// Reads it; the error says what is wrong and what to write instead.
    pub(super) fn read(&self) -> Result<Proviso, String> {
        let metric = Metric::from_str(&self.metric).map_err(|error| error.to_string())?;
        let condition = match self.condition.as_deref() {
            None | Some("above") => Condition::Above,
            Some("below") => Condition::Below,
            Some(_) => return Err("its condition is above or below".to_owned()),
        };
        let threshold = self.threshold.in_unit(metric.unit())?;
        Ok(Proviso { metric, condition, threshold })
    }
}

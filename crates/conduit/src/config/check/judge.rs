//! Collecting problems while values are parsed.

use super::super::error::Problem;
use super::super::value::{Given, GivenList, Origin, Text};

/// Takes values, and remembers what was wrong with them.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) problems: Vec<Problem>,
}

impl Judge {
    /// Records a problem of the value given for `key`.
    pub(super) fn refuse(&mut self, key: &'static str, origin: &Origin, reason: String) {
        self.problems.push(Problem { key, origin: origin.clone(), reason });
    }

    /// A switch.
    #[expect(clippy::unused_self, reason = "reads like its siblings where values are taken")]
    pub(super) fn switch(&self, given: &Given<bool>, default: bool) -> bool {
        given.as_ref().map_or(default, |given| given.value)
    }

    /// One value; the default stands in for a wrong one, so that judging can go on.
    pub(super) fn take<R>(
        &mut self,
        key: &'static str,
        given: &Given<Text>,
        default: R,
        parse: impl FnOnce(&str) -> Result<R, String>,
    ) -> R {
        let Some(given) = given else {
            return default;
        };
        parse(&given.value.0).unwrap_or_else(|reason| {
            self.refuse(key, &given.origin, reason);
            default
        })
    }

    /// A list of at most `max` values.
    pub(super) fn list<R>(
        &mut self,
        key: &'static str,
        given: &GivenList,
        default: Vec<R>,
        max: usize,
        parse: impl Fn(&str) -> Result<R, String>,
    ) -> Vec<R> {
        let Some(given) = given else {
            return default;
        };
        if given.value.len() > max {
            let reason = format!("{} values are too many; at most {max}", given.value.len());
            self.refuse(key, &given.origin, reason);
            return default;
        }
        let mut values = Vec::with_capacity(given.value.len());
        for element in &given.value {
            match parse(&element.value.0) {
                Ok(value) => values.push(value),
                Err(reason) => self.refuse(key, &element.origin, reason),
            }
        }
        values
    }
}

//! Lists in pages.
//!
//! **Invariant:** pages that follow each other by `next_after` show every element that was there all
//! along exactly once: what comes and goes in between moves nothing.

use serde::Deserialize;

use crate::error::ApiError;
use crate::limits::PAGE_MAX;

/// Which part of a list is asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Paging {
    /// At most so many; all of them when absent.
    #[param(minimum = 1, maximum = 1_000)]
    pub(crate) limit: Option<u32>,
    /// Only those after this one: `next_after` of the answer before.
    pub(crate) after: Option<String>,
}

impl Paging {
    /// Whether a part is asked for, and not the whole.
    pub(crate) fn is_part(&self) -> bool {
        self.limit.is_some() || self.after.is_some()
    }

    /// The part of a list that is in the order of `key`, and what to ask for next, if anything.
    ///
    /// # Errors
    /// When the limit is out of bounds.
    pub(crate) fn part<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> &str,
    ) -> Result<(Vec<T>, Option<String>), ApiError> {
        let limit = match self.limit {
            Some(limit @ 1..=PAGE_MAX) => limit as usize,
            Some(_) => return Err(ApiError::invalid(format!("limit must be 1 to {PAGE_MAX}"))),
            None => usize::MAX,
        };
        let is_after = |one: &T| self.after.as_deref().is_none_or(|after| key(one) > after);
        let mut rest = all.into_iter().filter(is_after);
        let part: Vec<T> = rest.by_ref().take(limit).collect();
        let next = match (rest.next(), part.last()) {
            (Some(_), Some(last)) => Some(key(last).to_owned()),
            _ => None,
        };
        Ok((part, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(limit: Option<u32>, after: Option<&str>) -> (Vec<&'static str>, Option<String>) {
        let paging = Paging { limit, after: after.map(str::to_owned) };
        paging.part(["a", "b", "c"], |one| one).expect("in bounds")
    }

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(part(None, None), (vec!["a", "b", "c"], None));
        assert_eq!(part(Some(2), None), (vec!["a", "b"], Some("b".into())));
        assert_eq!(part(Some(2), Some("b")), (vec!["c"], None));
        assert_eq!(part(Some(3), None), (vec!["a", "b", "c"], None));
        assert_eq!(part(None, Some("aa")), (vec!["b", "c"], None), "what it was may be gone");
        assert_eq!(part(Some(1), Some("z")), (vec![], None));
    }

    #[test]
    fn limits_are_bounded() {
        for limit in [0, PAGE_MAX + 1] {
            let paging = Paging { limit: Some(limit), after: None };
            assert!(paging.part(["a"], |one| one).is_err());
        }
    }
}

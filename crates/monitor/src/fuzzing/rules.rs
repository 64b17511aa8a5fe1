//! Rules as an operator writes them.

use serde::Deserialize;

use crate::rule::{defaults, file};

/// Rules as an operator writes them: refused with a reason, or rules that make sense, which
/// written again are the same.
pub fn monitor_rules(data: &[u8]) {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        rules: Vec<file::RuleFile>,
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let written: Written = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    match file::rules(&defaults::files(), &written.rules) {
        Err(error) => assert!(!error.problem.is_empty() && !error.key.is_empty()),
        Ok(rules) => {
            assert!(rules.len() <= file::RULES_MAX);
            assert!(rules.iter().all(|rule| rule.threshold.is_finite() && rule.clear.is_finite()));
            let again: Vec<file::RuleFile> = written
                .rules
                .iter()
                .map(|rule| toml::from_str(&toml::to_string(rule).expect("writes")).expect("reads"))
                .collect();
            assert_eq!(file::rules(&defaults::files(), &again), Ok(rules), "{text}");
        }
    }
}

//! A rule as an operator writes it, `[[monitor.rules]]`, and how it becomes one.
//!
//! A rule with the name of a default changes the keys that it gives and keeps the others;
//! `enabled = false` turns a rule off.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use conduit_core::duration;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::proviso::ProvisoFile;
use super::{Condition, Rule};
use crate::alert::Severity;
use crate::glob::Glob;
use crate::metric::{Metric, Unit};

/// A rule as it is written; every key but `name` may be left out where a default has it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// What it is called.
    pub name: String,
    /// `false` turns it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The number it judges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// A pattern of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A pattern of the node's things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `above`, `below`, `absent` or `rising`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What the number is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Amount>,
    /// What is good again; the threshold, when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<Amount>,
    /// How long it must hold, such as `5m`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// How long it must be good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear_for: Option<String>,
    /// `info`, `warning` or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// What must hold of another number of the same thing at the same time.
    #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
    pub proviso: Option<ProvisoFile>,
}

/// Lays what an operator writes over the defaults, in the order of their names.
///
/// # Errors
/// The first rule that makes no sense, with the key and the mend.
pub fn rules(defaults: &[RuleFile], written: &[RuleFile]) -> Result<Vec<Rule>, RuleError> {
    let mut merged: BTreeMap<&str, RuleFile> = BTreeMap::new();
    for rule in defaults {
        merged.insert(&rule.name, rule.clone());
    }
    let mut seen = Vec::new();
    for rule in written {
        if seen.contains(&&rule.name) {
            return Err(RuleError::new(
                &rule.name,
                "name",
                "there are two rules of this name; remove one",
            ));
        }
        seen.push(&rule.name);
        let below = merged.remove(rule.name.as_str());
        merged.insert(&rule.name, rule.over(below.unwrap_or_default()));
    }
    if merged.len() > RULES_MAX {
        let mend =
            format!("there are more than {RULES_MAX} rules; use patterns in `node` and `subject`");
        return Err(RuleError::new("", "name", mend));
    }
    merged.values().filter(|rule| rule.enabled != Some(false)).map(Rule::try_from).collect()
}

impl RuleFile {
    /// This rule, with what it leaves out taken from another.
    fn over(&self, below: Self) -> Self {
        let is_moved = self.threshold.is_some();
        Self {
            name: self.name.clone(),
            enabled: self.enabled.or(below.enabled),
            metric: self.metric.clone().or(below.metric),
            node: self.node.clone().or(below.node),
            subject: self.subject.clone().or(below.subject),
            condition: self.condition.clone().or(below.condition),
            threshold: self.threshold.clone().or(below.threshold),
            // What clears the default belongs to the default's threshold.
            clear: self.clear.clone().or_else(|| below.clear.filter(|_| !is_moved)),
            held: self.held.clone().or(below.held),
            clear_for: self.clear_for.clone().or(below.clear_for),
            severity: self.severity.clone().or(below.severity),
            proviso: self.proviso.clone().or(below.proviso),
        }
    }
}

impl TryFrom<&RuleFile> for Rule {
    type Error = RuleError;

    fn try_from(file: &RuleFile) -> Result<Self, RuleError> {
        let wrong = |key, problem: String| RuleError::new(&file.name, key, problem);
        check_name(&file.name).map_err(|problem| wrong("name", problem))?;
        let Some(metric) = &file.metric else {
            return Err(wrong(
                "metric",
                "no default has this name, so it needs one, such as \"cpu\"".into(),
            ));
        };
        let metric =
            Metric::from_str(metric).map_err(|error| wrong("metric", error.to_string()))?;
        let condition = word_of("condition", file, file.condition.as_deref(), "above", |word| {
            Condition::ALL.into_iter().find(|condition| condition.as_str() == word)
        })?;
        let severity = word_of("severity", file, file.severity.as_deref(), "warning", severity_of)?;
        let amount = |key, given: &Option<Amount>| {
            let read = given.as_ref().map(|amount| amount.in_unit(metric.unit())).transpose();
            read.map_err(|problem| wrong(key, problem))
        };
        let threshold = match amount("threshold", &file.threshold)? {
            Some(threshold) => threshold,
            None if condition == Condition::Absent => 0.0,
            None => return Err(wrong("threshold", "it is missing; give a number".into())),
        };
        let clear = amount("clear", &file.clear)?.unwrap_or(threshold);
        let is_sane = match condition {
            Condition::Above | Condition::Rising => clear <= threshold,
            Condition::Below => clear >= threshold,
            Condition::Absent => true,
        };
        if !is_sane {
            let problem = format!("{clear} is on the bad side of the threshold {threshold}");
            return Err(wrong("clear", problem));
        }
        let pattern = |key, given: &Option<String>| {
            let read = given.as_deref().map(Glob::parse).transpose();
            read.map_err(|error| wrong(key, error.to_string()))
        };
        let length = |key, given: &Option<String>| {
            let read = given.as_deref().map_or(Ok(Duration::ZERO), duration::parse);
            read.and_then(within_limit).map_err(|problem| wrong(key, problem))
        };
        let proviso = file.proviso.as_ref().map(ProvisoFile::read).transpose();
        let proviso = proviso.map_err(|problem| wrong("while", problem))?;
        if proviso.is_some() && condition == Condition::Absent {
            return Err(wrong(
                "while",
                "of what is gone nothing else is known; leave it out".into(),
            ));
        }
        Ok(Self {
            name: file.name.as_str().into(),
            metric,
            node: pattern("node", &file.node)?,
            subject: pattern("subject", &file.subject)?,
            condition,
            threshold,
            clear,
            held: length("for", &file.held)?,
            clear_held: length("clear_for", &file.clear_for)?,
            severity,
            proviso,
        })
    }
}

/// The severity of a word.
pub fn severity_of(word: &str) -> Option<Severity> {
    let all = [Severity::Info, Severity::Warning, Severity::Critical];
    all.into_iter().find(|severity| severity.as_str() == word)
}

/// Judges the name of a rule or of a channel: 1 to 64 lower-case letters, digits and `-`.
///
/// # Errors
/// What is wrong with it, in words for people.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=NAME_CHARS_MAX).contains(&name.len());
    if fits && name.chars().all(is_legal) {
        return Ok(());
    }
    Err(format!("use 1 to {NAME_CHARS_MAX} lower-case letters, digits and -, such as gpu-hot"))
}

/// A number as it is written: `85`, `0.9`, `"90%"` of a ratio, `"14d"` of seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// In the metric's unit.
    Number(f64),
    /// With a unit of its own.
    Text(String),
}

impl Amount {
    pub(super) fn in_unit(&self, unit: Unit) -> Result<f64, String> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => match unit {
                Unit::Seconds => return duration::parse(text).map(|length| length.as_secs_f64()),
                Unit::Ratio => {
                    let share = text.trim().strip_suffix('%').map(str::trim);
                    share.and_then(|text| text.parse::<f64>().ok()).map(|share| share / 100.0)
                }
                _ => None,
            },
        };
        number.filter(|number| number.is_finite() && number.abs() <= AMOUNT_MAX).ok_or_else(|| {
            let example = match unit {
                Unit::Seconds => "\"14d\" or a number of seconds",
                Unit::Ratio => "\"90%\" or a number such as 0.9",
                _ => "a number",
            };
            format!("this metric counts in {}; write {example}", unit.as_str())
        })
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text such as \"90%\" or \"14d\"")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Amount, E> {
        Ok(Amount::Number(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Amount, E> {
        Ok(Amount::Number(value as f64))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Amount, E> {
        Ok(Amount::Number(value as f64))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Amount, E> {
        if value.len() > AMOUNT_CHARS_MAX {
            return Err(E::custom("this text is too long for a number"));
        }
        Ok(Amount::Text(value.to_owned()))
    }
}

/// What is wrong with a rule, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule:?}, {key}: {problem}")]
pub struct RuleError {
    /// The rule's name, as it was written.
    pub rule: String,
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

impl RuleError {
    fn new(rule: &str, key: &'static str, problem: impl Into<String>) -> Self {
        let rule = rule.chars().take(NAME_CHARS_MAX).collect();
        Self { rule, key, problem: problem.into() }
    }
}

fn word_of<T>(
    key: &'static str,
    file: &RuleFile,
    given: Option<&str>,
    default: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, RuleError> {
    let word = given.unwrap_or(default);
    read(word).ok_or_else(|| {
        let words = match key {
            "condition" => "above, below, absent or rising",
            _ => "info, warning or critical",
        };
        RuleError::new(&file.name, key, format!("{:?} is none; use {words}", shortened(word)))
    })
}

fn within_limit(length: Duration) -> Result<Duration, String> {
    if length > HELD_MAX {
        return Err(format!("the longest is {}", duration::print(HELD_MAX)));
    }
    Ok(length)
}

fn shortened(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// The most rules, defaults among them.
pub const RULES_MAX: usize = 500;
/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The longest text that is read as a number.
const AMOUNT_CHARS_MAX: usize = 40;
/// The greatest threshold either way: an exabyte.
const AMOUNT_MAX: f64 = 1e18;
/// The longest time that a condition is watched for.
const HELD_MAX: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Rule>, String> {
        #[derive(Deserialize)]
        struct File {
            rules: Vec<RuleFile>,
        }
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let defaults = super::super::defaults::files();
        rules(&defaults, &file.rules).map_err(|error| error.to_string())
    }

    fn find(rules: &[Rule], name: &str) -> Option<Rule> {
        rules.iter().find(|rule| &*rule.name == name).cloned()
    }

    #[test]
    fn an_operator_changes_turns_off_and_adds_rules() {
        let rules = parse(
            "[[rules]]\nname = \"disk-full\"\nthreshold = \"97%\"\nnode = \"web-*\"\n\
             [[rules]]\nname = \"gpu-hot\"\nenabled = false\n\
             [[rules]]\nname = \"busy\"\nmetric = \"cpu\"\nthreshold = 1\nfor = \"1h\"\n",
        )
        .expect("legal");
        let disk = find(&rules, "disk-full").expect("kept");
        assert_eq!((disk.threshold, disk.clear), (0.97, 0.97));
        assert_eq!((disk.severity, disk.metric), (Severity::Critical, Metric::Disk));
        assert!(find(&rules, "gpu-hot").is_none());
        let busy = find(&rules, "busy").expect("added");
        assert_eq!((busy.threshold, busy.held), (1.0, Duration::from_secs(3_600)));
        assert_eq!((busy.condition, busy.severity), (Condition::Above, Severity::Warning));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_key_and_the_mend() {
        for (text, expected) in [
            ("name = \"X y\"", "rule \"X y\", name: use 1 to 64"),
            ("name = \"x\"", "rule \"x\", metric: no default has this name"),
            ("name = \"x\"\nmetric = \"cpus\"", "`conduit monitor metrics` lists them"),
            ("name = \"x\"\nmetric = \"cpu\"", "rule \"x\", threshold: it is missing"),
            ("name = \"cpu-busy\"\nthreshold = \"5\"", "write \"90%\" or a number such as 0.9"),
            ("name = \"cpu-busy\"\nthreshold = nan", "write \"90%\" or a number such as 0.9"),
            ("name = \"cpu-busy\"\nclear = 0.99", "clear: 0.99 is on the bad side"),
            (
                "name = \"cpu-busy\"\nfor = \"soon\"",
                "rule \"cpu-busy\", for: \"soon\" is not a duration",
            ),
            ("name = \"cpu-busy\"\nfor = \"2d\"", "for: the longest is 1d"),
            ("name = \"cpu-busy\"\nseverity = \"bad\"", "use info, warning or critical"),
            ("name = \"cpu-busy\"\ncondition = \"over\"", "use above, below, absent or rising"),
            ("name = \"cpu-busy\"\nnode = \"\"", "rule \"cpu-busy\", node: a pattern"),
            ("name = \"cpu-busy\"\nthresh = 1", "unknown field `thresh`"),
        ] {
            let error = parse(&format!("[[rules]]\n{text}\n")).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        let twice = "[[rules]]\nname = \"x\"\nenabled = false\n".repeat(2);
        assert!(parse(&twice).expect_err("twice").contains("two rules of this name"));
    }

    #[test]
    fn a_proviso_is_read_and_a_default_that_is_off_can_be_turned_on() {
        let rules = parse("[[rules]]\nname = \"gpu-held-idle\"\nenabled = true").expect("legal");
        let proviso = find(&rules, "gpu-held-idle").expect("it is on").proviso.expect("it has one");
        assert_eq!((proviso.metric, proviso.threshold), (Metric::GpuUtilization, 0.05));
        assert!(proviso.holds(0.04) && !proviso.holds(0.05));
        let with = |proviso: &str| {
            let rule = "[[rules]]\nname = \"a\"\nmetric = \"swap\"\nthreshold = 0.5\n";
            parse(&format!("{rule}while = {proviso}")).expect_err(proviso)
        };
        for (proviso, problem) in [
            ("{ metric = \"cpus\", threshold = 1 }", "while: \"cpus\" is no metric"),
            ("{ metric = \"cpu\", threshold = \"much\" }", "while: this metric counts in ratio"),
            (
                "{ metric = \"cpu\", condition = \"rising\", threshold = 1 }",
                "while: its condition is above or below",
            ),
            ("{ metric = \"cpu\" }", "missing field `threshold`"),
        ] {
            let said = with(proviso);
            assert!(said.contains(problem), "{said}");
        }
    }
}

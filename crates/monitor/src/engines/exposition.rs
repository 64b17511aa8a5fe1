//! Prometheus' text format, line by line.
//!
//! **Invariant:** a line that is not a sample is passed over, and never more than one line at a time
//! is held. Samples that are not finite are none: they say nothing.

use std::borrow::Cow;

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample<'a> {
    /// The series' name.
    pub(crate) name: &'a str,
    /// Between the braces, as it is written.
    labels: &'a str,
    /// Finite.
    pub(crate) value: f64,
}

impl<'a> Sample<'a> {
    /// The value of a label; the first one when it is written twice.
    pub(crate) fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        self.labels().find(|(label, _)| *label == name).map(|(_, value)| value)
    }

    /// The labels, with their values unescaped.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        let mut rest = self.labels;
        std::iter::from_fn(move || {
            let (name, value, next) = label_at(rest)?;
            rest = next;
            Some((name, unescaped(value)))
        })
    }
}

/// The samples of a text, in its order.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

/// `name{label="value"} 1.5 1395066363000`, the labels and the time being optional.
fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim_start();
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let end = line.find(|c: char| !is_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => inner.split_at(labels_end(inner)?),
        None => ("", rest),
    };
    let mut words = rest.strip_prefix('}').unwrap_or(rest).split_ascii_whitespace();
    let value: f64 = words.next()?.parse().ok()?;
    value.is_finite().then_some(Sample { name, labels, value })
}

/// Where the labels end: at the first brace that is not in quotes, after labels only.
fn labels_end(text: &str) -> Option<usize> {
    let mut rest = text;
    while let Some((_, _, next)) = label_at(rest) {
        rest = next;
    }
    rest.trim_start().starts_with('}').then(|| text.len() - rest.trim_start().len())
}

/// The first label of `name="value",…`, still escaped, and what comes after it.
fn label_at(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !is_name(c))?;
    let (name, rest) = text.split_at(end);
    let value = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    let mut is_escaped = false;
    let close = value.find(|c| {
        let closes = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        closes
    })?;
    let after = value[close + 1..].trim_start();
    let after = after.strip_prefix(',').unwrap_or(after);
    (!name.is_empty()).then_some((name, &value[..close], after))
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => plain.push('\n'),
            (_, Some(escaped)) => plain.push(escaped),
            (c, None) => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The longest line that is looked at, in bytes.
const LINE_BYTES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (String, Vec<(String, String)>, f64);

    fn one(line: &str) -> Option<Read> {
        let mut all = samples(line);
        let sample = all.next()?;
        let labels = sample.labels().map(|(name, value)| (name.to_owned(), value.into_owned()));
        Some((sample.name.to_owned(), labels.collect(), sample.value))
    }

    #[test]
    fn samples_are_read_as_they_are_written() {
        let text = "# HELP a help\n# TYPE a gauge\na 1\n\na{b=\"c\"} 2 1395066363000\r\n  d { e = \"f\" , } 3e1\n";
        let read: Vec<_> = samples(text).map(|s| (s.name, s.label("b"), s.value)).collect();
        assert_eq!(read, [("a", None, 1.0), ("a", Some("c".into()), 2.0), ("d", None, 30.0)]);
        let odd = r#"vllm:x{a="}",b="\"q\"\\\n{,",c=""} 0.5"#;
        let (name, labels, value) = one(odd).expect("a sample");
        assert_eq!((name.as_str(), value), ("vllm:x", 0.5));
        assert_eq!(labels[0].1, "}");
        assert_eq!(labels[1].1, "\"q\"\\\n{,");
        assert_eq!(labels[2], ("c".to_owned(), String::new()));
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        for line in [
            "",
            "#",
            "a",
            "a b",
            "{} 1",
            "a{ 1",
            "a{b} 1",
            "a{b=\"c} 1",
            "a{b=\"c\\\"} 1",
            "1a 1",
            "ä 1",
            "a NaN",
            "a +Inf",
            "a -Inf",
            "a{=\"x\"} 1",
            "a{b=c} 1",
            "<html>",
            &format!("a{{b=\"{}\"}} 1", "x".repeat(LINE_BYTES_MAX)),
        ] {
            assert_eq!(one(line), None, "{line}");
        }
    }
}

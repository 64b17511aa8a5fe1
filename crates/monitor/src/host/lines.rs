//! Lines of a section, read one by one: what makes no sense is told once and skipped.

use crate::survey::Survey;

/// A line makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonsense;

/// What was kept of a line: nothing when it is of no interest.
pub(super) type Line<T> = Result<Option<T>, Nonsense>;

/// Reads every line of a section that is not blank; at most `max` things are kept. How many lines made no sense, and
/// how many things were left out, is told in `problems`.
pub(super) fn read<'a, T>(
    survey: &'a Survey,
    section: &str,
    max: usize,
    problems: &mut Vec<String>,
    mut line: impl FnMut(&'a str) -> Line<T>,
) -> Vec<T> {
    let (mut kept, mut left_out, mut nonsense) = (Vec::new(), 0_usize, 0_usize);
    let lines = survey.get(section).unwrap_or_default().lines();
    for text in lines.filter(|text| !text.trim().is_empty()) {
        match line(text) {
            Ok(Some(_)) if kept.len() >= max => left_out += 1,
            Ok(Some(thing)) => kept.push(thing),
            Ok(None) => {}
            Err(Nonsense) => nonsense += 1,
        }
    }
    if nonsense > 0 {
        problems.push(format!("{nonsense} lines of {section} make no sense"));
    }
    if left_out > 0 {
        problems.push(format!("{left_out} more in {section} were left out"));
    }
    kept
}

/// The words of a section's first line that are numbers; what is no number ends them.
pub(super) fn numbers(survey: &Survey, section: &str, problems: &mut Vec<String>) -> Vec<u64> {
    let Some(text) = survey.get(section) else {
        return Vec::new();
    };
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
    if numbers.is_empty() {
        problems.push(format!("{section} holds no number"));
    }
    numbers
}

/// A word that must be a number of the wanted type.
pub(super) fn number<T: std::str::FromStr>(word: Option<&str>) -> Result<T, Nonsense> {
    word.and_then(|word| word.parse().ok()).ok_or(Nonsense)
}

/// A word that must be a finite number.
pub(super) fn real(word: Option<&str>) -> Result<f64, Nonsense> {
    number::<f64>(word).ok().filter(|value| value.is_finite()).ok_or(Nonsense)
}

/// What `grep -H` prints of `/sys/class/CLASS/THING/ATTRIBUTE`: thing, attribute and value. Things
/// such as power supplies may have colons in their names; attributes have none.
pub(super) fn attribute(line: &str) -> Result<(&str, &str, &str), Nonsense> {
    let mut parts = line.strip_prefix("/sys/class/").ok_or(Nonsense)?.splitn(3, '/');
    let (_class, thing) = (parts.next(), parts.next().ok_or(Nonsense)?);
    let (attribute, value) = parts.next().and_then(|p| p.split_once(':')).ok_or(Nonsense)?;
    Ok((thing, attribute, value.trim()))
}

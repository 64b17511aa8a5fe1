//! Writing single values into a configuration file while its comments stay: what `setup` does.
//!
//! **Invariant:** an edited text is only ever returned when the keys that were asked for read back
//! as asked.

use toml::{Table, Value};

/// One key to write.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// Such as `dns.listen`.
    pub(crate) key: &'static str,
    pub(crate) value: Value,
}

/// The complete, commented file with every key at its default.
pub(crate) const TEMPLATE: &str = include_str!("../../../../config/conduit.toml");

/// The text with the edits made; an error names the key that has to be set by hand.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> Result<String, &'static str> {
    let mut edited = text.to_owned();
    for edit in edits {
        edited = set(&edited, edit);
        let read: Option<Table> = edited.parse().ok();
        if read.as_ref().and_then(|table| get(table, edit.key)) != Some(&edit.value) {
            return Err(edit.key);
        }
    }
    Ok(edited)
}

fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.as_table()?.get(name)
}

/// Replaces the line of a key, or adds one below its section's head, or adds the section.
fn set(text: &str, edit: &Edit) -> String {
    let (section, name) = edit.key.split_once('.').unwrap_or(("", edit.key));
    let line = format!("{name} = {}", edit.value);
    let head = format!("[{section}]");
    let mut lines: Vec<&str> = text.lines().collect();
    let Some(start) = lines.iter().position(|l| without_comment(l) == head) else {
        let gap = if lines.is_empty() { "" } else { "\n" };
        return format!("{}{gap}{head}\n{line}\n", with_newline(text));
    };
    let end = lines[start + 1..]
        .iter()
        .position(|l| l.trim_start().starts_with('['))
        .map_or(lines.len(), |offset| start + 1 + offset);
    let here = lines[start + 1..end].iter().position(|l| {
        let key = l.split_once('=').map(|(key, _)| key.trim());
        key == Some(name)
    });
    match here {
        Some(offset) => lines[start + 1 + offset] = &line,
        None => lines.insert(start + 1, &line),
    }
    with_newline(&lines.join("\n"))
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or(line).trim()
}

fn with_newline(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(key: &'static str, value: impl Into<Value>) -> Edit {
        Edit { key, value: value.into() }
    }

    #[test]
    fn a_value_changes_and_its_comments_stay() {
        let text = apply(TEMPLATE, &[edit("dns.enabled", false)]).expect("edited");
        assert_eq!(
            text,
            TEMPLATE.replacen(
                "# Answer names at all.\nenabled = true",
                "# Answer names at all.\nenabled = false",
                1
            )
        );
    }

    #[test]
    fn missing_keys_and_sections_are_added() {
        let edits = [edit("dns.enabled", false), edit("tls.enabled", false)];
        assert_eq!(
            apply("[dns] # names\nttl = 5\n", &edits),
            Ok("[dns] # names\nenabled = false\nttl = 5\n\n[tls]\nenabled = false\n".to_owned())
        );
        assert_eq!(apply("", &edits[..1]), Ok("[dns]\nenabled = false\n".to_owned()));
    }

    #[test]
    fn what_cannot_be_edited_safely_is_left_alone() {
        let several_lines = "[gateway]\ndomains = [\n  \"a\",\n]\n";
        let wish = edit("gateway.domains", vec!["b"]);
        assert_eq!(apply(several_lines, std::slice::from_ref(&wish)), Err("gateway.domains"));
        assert_eq!(apply("gateway = { domains = [\"a\"] }\n", &[wish]), Err("gateway.domains"));
    }

    #[test]
    fn editing_twice_changes_nothing_more() {
        let edits = [edit("admin.listen", "127.0.0.1:9000")];
        let once = apply(TEMPLATE, &edits).expect("edited");
        assert_eq!(apply(&once, &edits), Ok(once.clone()));
    }
}

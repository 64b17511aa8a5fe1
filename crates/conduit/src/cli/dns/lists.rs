//! `conduit dns lists`: hosts files and lists, for people.

use conduit_api::v1::dns::{DnsListStatus, DnsListsReply};

use super::super::output::table;

/// Each list, and what is wrong with it.
pub(super) fn told(reply: &DnsListsReply) -> String {
    if reply.lists.is_empty() {
        return "No lists; dns.hosts_files and [[dns.lists]] in the configuration name some.\n"
            .to_owned();
    }
    let mut text = table_of(&reply.lists);
    for list in &reply.lists {
        if let Some(error) = &list.error {
            let kept =
                if list.loaded_at.is_some() { "; what it held before is in force" } else { "" };
            text += &format!("{}: {error}{kept}\n", list.name);
        }
        for line in &list.skipped_lines {
            text += &format!("{}:{}: {}: {}\n", list.name, line.line, line.reason, line.text);
        }
        let untold = list.skipped.saturating_sub(list.skipped_lines.len() as u64);
        if untold > 0 {
            text += &format!("{}: and {untold} more lines\n", list.name);
        }
    }
    for name in &reply.passed_over {
        text +=
            &format!("{name} is in a hosts file, and a service or a record stands in its place\n");
    }
    text
}

/// The lists with their figures.
pub(super) fn table_of(lists: &[DnsListStatus]) -> String {
    let row = |list: &DnsListStatus| {
        let read = match (&list.loaded_at, &list.error) {
            (_, Some(_)) => "cannot be read".to_owned(),
            (Some(at), None) => at.clone(),
            (None, None) => "-".to_owned(),
        };
        let entries = list.entries + list.own;
        let figures = [entries, list.hits, list.skipped].map(|figure| figure.to_string());
        let [entries, hits, skipped] = figures;
        vec![list.name.clone(), list.kind.clone(), entries, hits, skipped, read]
    };
    let rows: Vec<Vec<String>> = lists.iter().map(row).collect();
    table(&["LIST", "KIND", "ENTRIES", "HITS", "SKIPPED", "READ"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_api::v1::dns::DnsSkippedLine;

    #[test]
    fn lists_are_told_with_what_is_wrong() {
        let list = |name: &str, kind: &str, error: Option<&str>| DnsListStatus {
            name: name.into(),
            kind: kind.into(),
            file: None,
            format: "auto".into(),
            entries: 7,
            own: 1,
            bytes: 300,
            hits: 4,
            skipped: 2,
            skipped_lines: vec![DnsSkippedLine {
                line: 3,
                text: "a b".into(),
                reason: "there is more than a name".into(),
            }],
            loaded_at: Some("2026-04-04T12:00:00Z".into()),
            error: error.map(str::to_owned),
        };
        let reply = DnsListsReply {
            lists: vec![
                list("/etc/hosts", "hosts", None),
                list("ads", "block", Some("No such file")),
            ],
            passed_over: vec!["web.internal".into()],
        };
        assert_eq!(
            told(&reply),
            "LIST        KIND   ENTRIES  HITS  SKIPPED  READ\n\
             /etc/hosts  hosts  8        4     2        2026-04-04T12:00:00Z\n\
             ads         block  8        4     2        cannot be read\n\
             /etc/hosts:3: there is more than a name: a b\n\
             /etc/hosts: and 1 more lines\n\
             ads: No such file; what it held before is in force\n\
             ads:3: there is more than a name: a b\n\
             ads: and 1 more lines\n\
             web.internal is in a hosts file, and a service or a record stands in its place\n"
        );
    }
}

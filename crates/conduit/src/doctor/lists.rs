//! Whether hosts files and lists are what their files hold.

use conduit_admin::finding::{Check, Finding};
use conduit_dns::lists::status::ListStatus;

/// Each file that cannot be read; nothing when all of them can.
pub(crate) fn judge(lists: &[ListStatus]) -> Vec<Finding> {
    let finding = |list: &ListStatus| {
        let error = list.error.as_ref()?;
        let finding = match list.loaded_at {
            Some(_) => Finding::warn(CHECK, format!("{error}; what it held before is in force")),
            None => Finding::fail(CHECK, format!("{error}; nothing of it is in force")),
        };
        let mend = "put it there and let the gateway's user read it (it is read again by itself), or change \
                    dns.hosts_files or [[dns.lists]]";
        Some(finding.hint(mend).about(&list.name))
    };
    lists.iter().filter_map(finding).collect()
}

const CHECK: Check = Check::Dns;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;
    use conduit_core::clock::Timestamp;
    use conduit_dns::lists::status::Skipped;

    use super::*;

    #[test]
    fn what_cannot_be_read_matters_more_when_it_never_was() {
        let list = |name: &str, loaded_at, error: Option<&str>| ListStatus {
            name: name.into(),
            kind: "block",
            file: Some(format!("/etc/conduit/{name}.txt")),
            format: "auto",
            entries: 0,
            own: 0,
            bytes: 0,
            hits: 0,
            skipped: Skipped::default(),
            loaded_at,
            error: error.map(str::to_owned),
        };
        let read = Some(Timestamp::from_seconds(0));
        let found = judge(&[
            list("good", read, None),
            list("lost", read, Some("No such file")),
            list("never", None, Some("No such file")),
        ]);
        let told: Vec<_> = found.iter().map(|f| (f.verdict, f.subject.as_deref())).collect();
        assert_eq!(told, [(Verdict::Warn, Some("lost")), (Verdict::Fail, Some("never"))]);
    }
}

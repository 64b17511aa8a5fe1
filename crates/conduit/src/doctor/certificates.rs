//! Whether roots, intermediates and leaves are in their time.

use std::time::Duration;

use conduit_admin::finding::{Check, Finding};
use conduit_core::clock::Timestamp;
use conduit_proxy::health::board::overdue;
use conduit_proxy::table::RouteTable;
use conduit_tls::authority::{Authority, IntermediateInfo, RootInfo};

/// A service whose leaves are out of their time.
pub(crate) struct Overdue {
    service: String,
    reason: &'static str,
    ends: Timestamp,
}

/// The leaves that should have been renewed, of all that are served; and how many these are.
pub(crate) fn leaves(table: &RouteTable, now: Timestamp) -> (usize, Vec<Overdue>) {
    let mut count = 0;
    let mut found = Vec::new();
    for pool in table.pools() {
        let service = pool.service();
        let Some(leaves) = table.route(service).and_then(|route| route.leaves.as_deref()) else {
            continue;
        };
        count += 1;
        let ends = leaves.not_after();
        let late = overdue(leaves, now);
        found.extend(late.map(|reason| Overdue { service: service.to_string(), reason, ends }));
    }
    (count, found)
}

/// Judges everything that is signed.
pub(crate) fn judge(
    authority: Option<&Authority>,
    leaves: &(usize, Vec<Overdue>),
    now: Timestamp,
) -> Vec<Finding> {
    let Some(authority) = authority else {
        return vec![Finding::skipped(CHECK, "TLS is off (tls.enabled = false)")];
    };
    let mut findings = of_roots(authority.roots(), now);
    findings.extend(of_intermediates(authority.intermediates(), now));
    findings.extend(leaves.1.iter().map(|leaf| of_leaf(leaf, now)));
    if findings.is_empty() {
        let ending = if leaves.0 == 1 { "" } else { "s" };
        let message = format!(
            "roots, intermediates and the leaves of {} service{ending} are in their time",
            leaves.0
        );
        findings.push(Finding::ok(CHECK, message));
    }
    findings
}

fn of_roots(roots: &[RootInfo], now: Timestamp) -> Vec<Finding> {
    let ending = |root: &RootInfo| {
        let hint = "make a new authority, and have every client trust it";
        let finding = match root.not_after {
            end if end <= now => Finding::fail(CHECK, format!("the root has expired on {end}")),
            end if end <= now.plus(ROOT_NOTICE) => {
                Finding::warn(CHECK, format!("the root expires on {end}"))
            }
            _ => return None,
        };
        Some(finding.hint(hint).about(root.subject.clone()))
    };
    roots.iter().filter_map(ending).collect()
}

/// They are renewed at half of their life; one that is older by [`RENEWAL_GRACE`] was not.
fn of_intermediates(all: &[IntermediateInfo], now: Timestamp) -> Vec<Finding> {
    let ending = |one: &IntermediateInfo| {
        let renewal = one.not_before.plus(one.not_after.since(one.not_before) / 2);
        let hint = "the gateway's log says why it was not renewed; a restart renews it";
        let finding = match one.not_after {
            end if end <= now => {
                Finding::fail(CHECK, format!("the intermediate has expired on {end}"))
            }
            end if now > renewal.plus(RENEWAL_GRACE) => Finding::warn(
                CHECK,
                format!("the intermediate is past its renewal, and expires on {end}"),
            ),
            _ => return None,
        };
        Some(finding.hint(hint).about(one.subject.clone()))
    };
    all.iter().filter(|one| one.is_current).filter_map(ending).collect()
}

fn of_leaf(leaf: &Overdue, now: Timestamp) -> Finding {
    let Overdue { service, reason, ends } = leaf;
    let finding = match *ends <= now {
        true => Finding::fail(CHECK, format!("{reason} (on {ends})")),
        false => Finding::warn(CHECK, format!("{reason} (it expires on {ends})")),
    };
    finding.about(service).hint(format!(
        "renew it now with `conduit certs rotate {service}`; the gateway's log says why it was not"
    ))
}

const CHECK: Check = Check::Certificates;
/// A new root has to reach every client before the old one ends.
const ROOT_NOTICE: Duration = Duration::from_secs(180 * 86_400);
/// Intermediates are looked at once a day.
const RENEWAL_GRACE: Duration = Duration::from_secs(2 * 86_400);

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;
    use conduit_core::domains::Domains;
    use conduit_core::name::Host;
    use conduit_tls::authority::AuthoritySettings;

    use super::*;

    #[test]
    fn what_ends_is_told_in_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("one");
        let settings = AuthoritySettings { domains, organization: String::new() };
        let made = Timestamp::from_seconds(1_775_304_000);
        let authority = Authority::open_or_create(directory.path(), &settings, made);
        let authority = authority.expect("an authority").0;
        let day = Duration::from_secs(86_400);
        let root_end = authority.roots().iter().map(|r| r.not_after).min().expect("roots");
        let middle_end = authority.intermediates().iter().map(|i| i.not_after).min().expect("some");
        let verdicts = |now: Timestamp| {
            let found = judge(Some(&authority), &(0, Vec::new()), now);
            let mut verdicts: Vec<_> = found.iter().map(|finding| finding.verdict).collect();
            verdicts.sort_unstable();
            verdicts.dedup();
            verdicts
        };
        assert_eq!(verdicts(made.plus(day)), [Verdict::Ok]);
        assert_eq!(verdicts(middle_end.minus(day)), [Verdict::Warn]);
        assert_eq!(verdicts(root_end.minus(day)), [Verdict::Fail, Verdict::Warn]);
        assert_eq!(verdicts(root_end.plus(day)), [Verdict::Fail]);
        assert_eq!(judge(None, &(0, Vec::new()), made)[0].verdict, Verdict::Skipped);
    }

    #[test]
    fn an_expired_leaf_fails_and_a_late_one_is_a_warning() {
        let now = Timestamp::from_seconds(1_000_000);
        let hour = Duration::from_secs(3_600);
        for (ends, verdict) in [(now.minus(hour), Verdict::Fail), (now.plus(hour), Verdict::Warn)] {
            let leaf = Overdue { service: "web".into(), reason: "the certificate is late", ends };
            let found = of_leaf(&leaf, now);
            assert_eq!((found.verdict, found.subject.as_deref()), (verdict, Some("web")));
            assert!(found.hint.expect("a hint").contains("conduit certs rotate web"));
        }
    }
}

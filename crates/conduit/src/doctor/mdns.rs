//! Whether names under `local` are answered on multicast DNS wherever they should be.

use conduit_admin::finding::{Check, Finding};
use conduit_dns::mdns::status::Status;

/// Each name that another machine has, and each interface that is missing; else that all is well.
pub(crate) fn judge(status: &Status) -> Vec<Finding> {
    let missing = status.missing.iter().map(|(interface, reason)| {
        Finding::warn(Check::Dns, format!("no multicast DNS: the interface {reason}"))
            .hint("bring it up, or change dns.mdns_interfaces")
            .about(interface)
    });
    let crowded = status.links.iter().filter(|link| link.left_out > 0).map(|link| {
        let message = format!("{} names do not fit multicast DNS", link.left_out);
        Finding::warn(Check::Dns, message)
            .hint("clients of that link find them on unicast DNS only")
            .about(&link.interface)
    });
    let taken = status.conflicts().map(|(interface, conflict)| {
        let message = format!(
            "{} on {interface} has this name ({}), so it is not answered on multicast DNS there",
            conflict.from, conflict.says
        );
        Finding::warn(Check::Dns, message)
            .hint("rename the service or the machine; unicast DNS answers it as ever")
            .about(&conflict.name)
    });
    let mut findings: Vec<Finding> = missing.chain(crowded).chain(taken).collect();
    if findings.is_empty() {
        let names: usize = status.links.iter().map(|link| link.answered).sum();
        let message = match &*status.links {
            [] => "multicast DNS: no interface carries it".to_owned(),
            links => format!("multicast DNS: {names} names on {} interfaces", links.len()),
        };
        findings.push(match status.links.is_empty() {
            true => Finding::warn(Check::Dns, message).hint("see dns.mdns_interfaces"),
            false => Finding::ok(Check::Dns, message),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;
    use conduit_dns::mdns::status::{Conflict, LinkStatus};

    use super::*;

    #[test]
    fn a_name_that_another_machine_has_is_found() {
        let conflict = Conflict {
            name: "nas.local".into(),
            from: "10.0.0.9".into(),
            says: "A 10.0.0.9".into(),
        };
        let link = |left_out, conflicts| LinkStatus {
            interface: "eth0".into(),
            answered: 2,
            left_out,
            conflicts,
        };
        let found = |status: &Status| {
            let all = judge(status).into_iter();
            all.map(|f| (f.verdict, f.subject, f.message)).collect::<Vec<_>>()
        };
        let good = Status { links: vec![link(0, vec![])], missing: vec![] };
        let all_well = "multicast DNS: 2 names on 1 interfaces".to_owned();
        assert_eq!(found(&good), [(Verdict::Ok, None, all_well)]);
        assert_eq!(found(&Status::default())[0].0, Verdict::Warn);
        let bad = Status {
            links: vec![link(3, vec![conflict])],
            missing: vec![("eth9".into(), "is not there".into())],
        };
        let subjects: Vec<_> = found(&bad).into_iter().map(|(_, subject, _)| subject).collect();
        let expected = ["eth9", "eth0", "nas.local"].map(|subject| Some(subject.to_owned()));
        assert_eq!(subjects, expected);
    }
}

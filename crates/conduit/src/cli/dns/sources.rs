//! `conduit dns sources`: where answers come from, for people.

use conduit_api::v1::dns::DnsListsReply;
use conduit_api::v1::sources::{
    DnsKey, DnsMdns, DnsNotified, DnsSecondaries, DnsSourcesReply, DnsZone,
};

use super::super::output::table;
use super::lists;

/// Each source, and what is wrong with it.
pub(super) fn told(reply: &DnsSourcesReply) -> String {
    let zones: Vec<Vec<String>> = reply.zones.iter().map(zone).collect();
    let mut text =
        table(&["ZONE", "HOSTS", "BY HAND", "CONFIGURED", "HOSTS FILES", "SERIAL"], &zones);
    text.push('\n');
    text += &lists::told(&DnsListsReply {
        lists: reply.lists.clone(),
        passed_over: reply.passed_over.clone(),
    });
    text.push('\n');
    text += &mdns(&reply.mdns);
    text += &secondaries(&reply.secondaries);
    text
}

fn zone(zone: &DnsZone) -> Vec<String> {
    let figures = [zone.services, zone.records, zone.config, zone.hosts].map(|n| n.to_string());
    let mut row = vec![match zone.kind.as_str() {
        "domain" => zone.name.clone(),
        kind => format!("{} ({kind})", zone.name),
    }];
    row.extend(figures);
    row.push(zone.serial.to_string());
    row
}

fn mdns(mdns: &DnsMdns) -> String {
    if !mdns.enabled {
        return "Multicast DNS is off (dns.mdns).\n".to_owned();
    }
    let mut text = String::new();
    for link in &mdns.links {
        let left_out = match link.left_out {
            0 => String::new(),
            n => format!(", {n} left out"),
        };
        text += &format!("Multicast DNS on {}: {} names{left_out}\n", link.interface, link.names);
        for one in &link.conflicts {
            text += &format!("  {} belongs to {} there ({})\n", one.name, one.from, one.says);
        }
    }
    for one in &mdns.missing {
        text += &format!("Multicast DNS not on {}: {}\n", one.interface, one.reason);
    }
    match text.is_empty() {
        true => "Multicast DNS is on, and no interface carries multicast.\n".to_owned(),
        false => text,
    }
}

fn secondaries(all: &DnsSecondaries) -> String {
    let DnsSecondaries { notify, transfer_to, keys } = all;
    let mut text = String::new();
    if !notify.is_empty() {
        let told: Vec<String> = notify.iter().map(notified).collect();
        text += &format!("Told of changes: {}\n", told.join(", "));
    }
    if !transfer_to.is_empty() {
        text += &format!("May copy zones: {}\n", transfer_to.join(", "));
    }
    text += &keys.iter().map(key).collect::<String>();
    match text.is_empty() {
        true => "Nobody copies our zones or changes records.\n".to_owned(),
        false => text,
    }
}

fn notified(notified: &DnsNotified) -> String {
    match &notified.key {
        Some(key) => format!("{} (key {key})", notified.address),
        None => notified.address.clone(),
    }
}

fn key(key: &DnsKey) -> String {
    let mut rights = Vec::new();
    if key.transfer {
        rights.push("copies zones".to_owned());
    }
    rights.extend(key.update.iter().map(|what| format!("changes {what}")));
    match rights.is_empty() {
        true => format!("Key {}: may nothing\n", key.name),
        false => format!("Key {}: {}\n", key.name, rights.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_api::v1::sources::{DnsMdnsConflict, DnsMdnsLink, DnsMdnsMissing};

    #[test]
    fn sources_are_told_in_order() {
        let mut reply = DnsSourcesReply {
            zones: vec![DnsZone {
                name: "internal".into(),
                kind: "domain".into(),
                serial: 1_790_000_000,
                services: 3,
                records: 2,
                config: 1,
                hosts: 0,
            }],
            lists: Vec::new(),
            passed_over: Vec::new(),
            mdns: DnsMdns { enabled: false, links: Vec::new(), missing: Vec::new() },
            secondaries: DnsSecondaries {
                notify: Vec::new(),
                transfer_to: Vec::new(),
                keys: Vec::new(),
            },
        };
        let head = "ZONE      HOSTS  BY HAND  CONFIGURED  HOSTS FILES  SERIAL\n\
                    internal  3      2        1           0            1790000000\n\n\
                    No lists; dns.hosts_files and [[dns.lists]] in the configuration name some.\n\n";
        let rest =
            "Multicast DNS is off (dns.mdns).\nNobody copies our zones or changes records.\n";
        assert_eq!(told(&reply), format!("{head}{rest}"));
        reply.mdns = DnsMdns {
            enabled: true,
            links: vec![DnsMdnsLink {
                interface: "eth0".into(),
                names: 2,
                left_out: 1,
                conflicts: vec![DnsMdnsConflict {
                    name: "nas.local".into(),
                    from: "10.0.0.9".into(),
                    says: "A 10.0.0.9".into(),
                }],
            }],
            missing: vec![DnsMdnsMissing {
                interface: "wg0".into(),
                reason: "no multicast".into(),
            }],
        };
        reply.secondaries = DnsSecondaries {
            notify: vec![DnsNotified { address: "10.0.0.9:53".into(), key: Some("k".into()) }],
            transfer_to: vec!["10.0.0.0/24".into()],
            keys: vec![DnsKey {
                name: "k".into(),
                transfer: true,
                update: vec!["*.apps.internal".into()],
            }],
        };
        let rest = "Multicast DNS on eth0: 2 names, 1 left out\n\
                    \x20 nas.local belongs to 10.0.0.9 there (A 10.0.0.9)\n\
                    Multicast DNS not on wg0: no multicast\n\
                    Told of changes: 10.0.0.9:53 (key k)\n\
                    May copy zones: 10.0.0.0/24\n\
                    Key k: copies zones, changes *.apps.internal\n";
        assert_eq!(told(&reply), format!("{head}{rest}"));
    }
}

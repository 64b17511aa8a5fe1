//! Whether others' answers are judged, and by which keys.

use super::super::{Dnssec, file};
use super::judge::Judge;

pub(super) fn dnssec(judge: &mut Judge, given: &file::Dns) -> Dnssec {
    Dnssec {
        enabled: judge.switch(&given.dnssec, false),
        anchors: judge.list(
            "dns.trust_anchors",
            &given.trust_anchors,
            Vec::new(),
            ANCHORS_MAX,
            str::parse,
        ),
        insecure: judge.list(
            "dns.insecure_domains",
            &given.insecure_domains,
            Vec::new(),
            INSECURE_MAX,
            str::parse,
        ),
    }
}

/// Lines and files.
const ANCHORS_MAX: usize = 64;
const INSECURE_MAX: usize = 256;

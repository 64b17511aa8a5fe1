//! DNS over TLS and HTTPS: where it is answered, and what others are judged by.

use std::path::PathBuf;

use super::super::{DnsListen, Surroundings, file};
use super::gateway::path;
use super::judge::Judge;
use super::parse;
use super::planes::LISTEN_MAX;

/// The addresses of `dns.tls_listen`; not given, port 853 where `auto` takes port 53.
pub(super) fn listen(judge: &mut Judge, given: &file::Dns, plain: &[DnsListen]) -> Vec<DnsListen> {
    // Whoever has named addresses, or another port, would not expect one more.
    let is_usual = plain.contains(&DnsListen::Auto(DNS_PORT));
    let default = if is_usual { vec![DnsListen::Auto(DNS_TLS_PORT)] } else { Vec::new() };
    judge.list("dns.tls_listen", &given.tls_listen, default, LISTEN_MAX, |text| {
        parse::dns_listen(text, DNS_TLS_PORT)
    })
}

/// A file with roots, or none.
pub(super) fn forward_ca(
    judge: &mut Judge,
    given: &file::Dns,
    surroundings: &Surroundings,
) -> Option<PathBuf> {
    judge.take("dns.forward_ca", &given.forward_ca, None, |text| match text {
        "" => Ok(None),
        named => path(named, surroundings).map(Some),
    })
}

pub(super) const DNS_PORT: u16 = 53;
/// RFC 7858 §3.1.
const DNS_TLS_PORT: u16 = 853;

#[cfg(test)]
mod tests {
    use super::super::super::value::{Origin, Sourced, Text};
    use super::*;

    #[test]
    fn tls_is_beside_the_usual_port_unless_it_is_said_where() {
        let list = |all: &[&str]| {
            let one = |text: &&str| Sourced::new(Text((*text).to_owned()), Origin::Default);
            Some(Sourced::new(all.iter().map(one).collect(), Origin::Default))
        };
        let at = |text: &str| parse::dns_listen(text, DNS_PORT).expect("valid");
        for (plain, tls, expected) in [
            (at("auto:53"), None, vec![DnsListen::Auto(853)]),
            (at("auto:1053"), None, vec![]),
            (at("10.0.0.1:53"), None, vec![]),
            (at("auto:53"), Some(list(&[])), vec![]),
            (at("auto:1053"), Some(list(&["auto"])), vec![DnsListen::Auto(853)]),
            (at("auto:53"), Some(list(&["10.0.0.1:8853"])), vec![at("10.0.0.1:8853")]),
        ] {
            let mut judge = Judge::default();
            let given = file::Dns { tls_listen: tls.flatten(), ..file::Dns::default() };
            assert_eq!(listen(&mut judge, &given, &[plain]), expected, "{plain}");
            assert!(judge.problems.is_empty());
        }
    }
}

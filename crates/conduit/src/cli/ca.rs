//! `conduit ca`: what clients need to trust this gateway.

use conduit_api::v1::tls::Authority;
use conduit_tls::trust::{Instruction, instructions};
use serde_json::{Value, json};

use super::args::{CaAction, Json};
use super::exit::Failure;
use super::session::Session;

/// Exports, shows fingerprints, or how to trust.
pub(crate) async fn run(session: &Session, action: CaAction) -> Result<(), Failure> {
    let client = session.client().await?;
    let reply = client.authority().await?;
    match action {
        CaAction::Export(Json { json }) => {
            session.print(json, &reply, |reply| reply.bundle_pem.clone())
        }
        CaAction::Fingerprint(Json { json }) => session.print(json, &reply, fingerprints),
        CaAction::Trust(Json { json }) => {
            let status = client.status().await?.value;
            let domain = status.domains.first().map_or("internal", String::as_str);
            let http = &status.listen.http;
            if json {
                return session
                    .printer
                    .json(&listed(&instructions(BUNDLE_NAME, &bundle_url(domain, http))));
            }
            let commands = trust_commands(domain, http);
            let text = format!("{}\n{commands}", fingerprints(&reply.value));
            session.printer.text(&text)
        }
    }
}

/// What a client runs to fetch the bundle, compare it and trust it.
pub(crate) fn trust_commands(domain: &str, http: &[String]) -> String {
    told(&instructions(BUNDLE_NAME, &bundle_url(domain, http)))
}

/// Where a client fetches the bundle in the clear; the fingerprint is compared by hand.
fn bundle_url(domain: &str, http: &[String]) -> String {
    let port = http.first().and_then(|address| address.rsplit(':').next());
    match port {
        None | Some("80") => format!("http://trust.{domain}/ca.crt"),
        Some(port) => format!("http://trust.{domain}:{port}/ca.crt"),
    }
}

fn fingerprints(authority: &Authority) -> String {
    let lines = authority.roots.iter().map(|root| {
        let fingerprint = colons(&root.fingerprint_sha256);
        format!(
            "{}\n  {} until {}\n  SHA-256 {fingerprint}\n",
            root.subject, root.algorithm, root.not_after
        )
    });
    lines.collect()
}

/// As browsers and openssl show it.
fn colons(hexadecimal: &str) -> String {
    let upper: Vec<char> = hexadecimal.to_ascii_uppercase().chars().collect();
    let pairs: Vec<String> = upper.chunks(2).map(|pair| pair.iter().collect()).collect();
    pairs.join(":")
}

fn listed(instructions: &[Instruction]) -> Value {
    let each = instructions.iter().map(|instruction| {
        json!({
            "platform": instruction.platform.title(),
            "commands": instruction.commands,
            "note": instruction.note,
        })
    });
    each.collect()
}

fn told(instructions: &[Instruction]) -> String {
    let mut text = String::new();
    for instruction in instructions {
        text.push_str(&format!("# {}\n", instruction.platform.title()));
        for command in &instruction.commands {
            text.push_str(&format!("{command}\n"));
        }
        if let Some(note) = instruction.note {
            text.push_str(&format!("# {note}\n"));
        }
        text.push('\n');
    }
    text
}

/// What the bundle is called on a client.
pub(crate) const BUNDLE_NAME: &str = "conduit-ca.crt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_look_as_they_do_elsewhere() {
        assert_eq!(colons("abcdef01"), "AB:CD:EF:01");
    }

    #[test]
    fn the_bundle_is_fetched_where_http_listens() {
        let http = |address: &str| vec![address.to_owned()];
        assert_eq!(bundle_url("internal", &http("0.0.0.0:80")), "http://trust.internal/ca.crt");
        assert_eq!(
            bundle_url("internal", &http("127.0.0.1:8080")),
            "http://trust.internal:8080/ca.crt"
        );
    }

    #[test]
    fn every_platform_is_told() {
        let text = trust_commands("internal", &[]);
        assert!(text.contains("# macOS\n") && text.contains(BUNDLE_NAME), "{text}");
    }
}

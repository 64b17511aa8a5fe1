//! `conduit certs`: the leaves of the services.

use conduit_api::v1::tls::{Certificate, CertificateReply, RotateReply};

use super::args::{CertsAction, CertsArgs, Json, Named};
use super::exit::Failure;
use super::output::table;
use super::session::Session;

/// Lists, inspects or rotates.
pub(crate) async fn run(session: &Session, args: CertsArgs) -> Result<(), Failure> {
    let output = args.output;
    let flagged = match (args.rotate, args.inspect) {
        (Some(name), _) => Some(CertsAction::Rotate(Named { name, output })),
        (None, Some(name)) => Some(CertsAction::Inspect(Named { name, output })),
        (None, None) => None,
    };
    match args.action.or(flagged).unwrap_or(CertsAction::List(output)) {
        CertsAction::List(Json { json }) => {
            let reply = session.client().await?.certificates().await?;
            session.print(json, &reply, |reply| list(&reply.certs))
        }
        CertsAction::Rotate(Named { name, output }) => {
            let reply = session.client().await?.rotate(&name).await?;
            session.print(output.json, &reply, rotated)
        }
        CertsAction::Inspect(Named { name, output }) => {
            let reply = session.client().await?.certificate(&name).await?;
            session.print(output.json, &reply, inspected)
        }
    }
}

fn list(certs: &[Certificate]) -> String {
    if certs.is_empty() {
        return "No certificates yet; registering a service issues them.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = certs
        .iter()
        .map(|cert| {
            vec![
                cert.name.clone(),
                cert.domain.clone(),
                cert.algorithm.clone(),
                cert.not_after.clone(),
                cert.status.to_string(),
            ]
        })
        .collect();
    table(&["SERVICE", "HOST", "ALGORITHM", "EXPIRES", "STATUS"], &rows)
}

fn rotated(reply: &RotateReply) -> String {
    format!("{} has new certificates\n{}", reply.name, list(&reply.certs))
}

fn inspected(reply: &CertificateReply) -> String {
    let mut text = String::new();
    for cert in &reply.certs {
        text.push_str(&details(cert));
        if let Some(pem) = &cert.pem {
            text.push_str(pem.trim_end());
            text.push('\n');
        }
    }
    text
}

fn details(cert: &Certificate) -> String {
    let rows = [
        ("service", cert.name.clone()),
        ("subject", cert.subject.clone()),
        ("issuer", cert.issuer.clone()),
        ("hosts", cert.sans.join(", ")),
        ("algorithm", cert.algorithm.clone()),
        ("serial", cert.serial.clone()),
        ("not before", cert.not_before.clone()),
        ("not after", format!("{} ({})", cert.not_after, cert.status)),
        ("renewal at", cert.renew_at.clone()),
        ("key usage", cert.key_usages.join(", ")),
        ("sha256", cert.fingerprint_sha256.clone()),
    ];
    rows.iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<11} {value}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_api::v1::tls::CertificateStatus;

    fn cert() -> Certificate {
        Certificate {
            name: "grafana".into(),
            domain: "grafana.internal".into(),
            sans: vec!["grafana.internal".into()],
            algorithm: "ecdsa-p256".into(),
            subject: "CN=grafana.internal".into(),
            issuer: "CN=Conduit P-256 Intermediate".into(),
            serial: "01".into(),
            not_before: "2026-04-03T12:00:00Z".into(),
            not_after: "2027-04-03T12:00:00Z".into(),
            renew_at: "2026-12-02T12:00:00Z".into(),
            fingerprint_sha256: "ab".into(),
            status: CertificateStatus::Valid,
            key_usages: Vec::new(),
            pem: None,
        }
    }

    #[test]
    fn the_list_shows_the_expiry() {
        assert_eq!(
            list(&[cert()]),
            "SERVICE  HOST              ALGORITHM   EXPIRES               STATUS\n\
             grafana  grafana.internal  ecdsa-p256  2027-04-03T12:00:00Z  valid\n"
        );
    }

    #[test]
    fn the_details_leave_out_what_is_not_there() {
        let text = details(&cert());
        assert!(text.contains("not after   2027-04-03T12:00:00Z (valid)\n"), "{text}");
        assert!(!text.contains("key usage"), "{text}");
    }
}

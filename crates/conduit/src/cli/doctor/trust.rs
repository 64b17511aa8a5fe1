//! Whether this machine trusts the gateway: a real handshake, judged by the system's own roots.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use conduit_admin::finding::{Check, Finding};
use conduit_api::v1::status::GatewayStatus;
use conduit_core::name::ServiceName;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::doctor::aside::Aside;
use crate::roots;
use crate::selfcheck::reachable;

/// Connects to the gateway's HTTPS for its own host.
pub(super) async fn look(status: &GatewayStatus, aside: &Aside) -> Vec<Finding> {
    let address = status.listen.https.iter().find_map(|address| address.parse().ok());
    let (Some(domain), Some(address)) = (status.domains.first(), address) else {
        return vec![Finding::skipped(CHECK, "HTTPS is off")];
    };
    let host = format!("{}.{domain}", ServiceName::conduit());
    vec![judge(tried(reachable(address), &host, aside).await).about(host)]
}

/// Why there was no handshake.
#[derive(Debug)]
enum Trouble {
    /// Nobody this machine trusts vouches for it.
    Untrusted,
    /// Its certificate is not good, whoever vouches for it.
    Certificate(String),
    /// It did not come to that.
    Unreached(String),
}

async fn tried(address: SocketAddr, host: &str, aside: &Aside) -> Result<(), Trouble> {
    let unreached = |error: &dyn std::fmt::Display| Trouble::Unreached(error.to_string());
    let client = aside.run(|| roots::client(None)).await;
    let client = client.unwrap_or_else(|| Err(io::Error::other("the system's roots hang")));
    let connector = TlsConnector::from(Arc::new(client.map_err(|error| unreached(&error))?));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| unreached(&error))?;
    let stream = TcpStream::connect(address).await.map_err(|error| unreached(&error))?;
    connector.connect(name, stream).await.map(drop).map_err(|error| trouble(&error))
}

fn trouble(error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Trouble::Untrusted
        }
        Some(rustls::Error::InvalidCertificate(_)) => Trouble::Certificate(error.to_string()),
        _ => Trouble::Unreached(error.to_string()),
    }
}

fn judge(tried: Result<(), Trouble>) -> Finding {
    match tried {
        Ok(()) => Finding::ok(CHECK, "this machine trusts the gateway"),
        Err(Trouble::Untrusted) => {
            Finding::warn(CHECK, "this machine does not trust the gateway's roots")
                .hint("`conduit ca trust` prints how to install them, for each system and program")
        }
        Err(Trouble::Certificate(reason)) => Finding::fail(CHECK, reason)
            .hint("`conduit certs` shows what is served; see whether the clocks agree"),
        Err(Trouble::Unreached(reason)) => Finding::fail(CHECK, reason)
            .hint("see that proxy.https_listen is reached from here, and the gateway's log"),
    }
}

const CHECK: Check = Check::TrustStore;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn an_unknown_root_is_a_warning_with_the_verb_that_mends_it() {
        let invalid = |error| io::Error::other(rustls::Error::InvalidCertificate(error));
        for (tried, verdict) in [
            (Ok(()), Verdict::Ok),
            (Err(trouble(&invalid(CertificateError::UnknownIssuer))), Verdict::Warn),
            (Err(trouble(&invalid(CertificateError::Expired))), Verdict::Fail),
            (Err(trouble(&io::ErrorKind::ConnectionRefused.into())), Verdict::Fail),
        ] {
            let found = judge(tried);
            assert_eq!(found.verdict, verdict, "{found:?}");
            if verdict == Verdict::Warn {
                assert!(found.hint.expect("a hint").contains("conduit ca trust"));
            }
        }
    }
}

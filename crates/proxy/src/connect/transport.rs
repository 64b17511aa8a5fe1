//! How an upstream is spoken to, wherever it is.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock, OnceLock};

use conduit_core::policy::UpstreamTls;
use conduit_core::service::Protocol;
use conduit_core::upstream::UpstreamHost;
use foldhash::fast::FixedState;
use rustls::pki_types::ServerName;

use super::Version;
use super::trust::Configs;
use crate::upstream::{NAME_OF_SOCKETS, UpstreamSpec};

/// A protocol, and for TLS whom to expect and how to judge it; prepared once per upstream.
///
/// Two are equal when connections made by one may be used by the other.
#[derive(Debug)]
pub struct Transport {
    what: What,
    hash: u64,
    configs: OnceLock<Configs>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct What {
    protocol: Protocol,
    tls: Option<TlsUse>,
}

/// How TLS is used.
#[derive(Debug, PartialEq, Eq)]
struct TlsUse {
    judged: UpstreamTls,
    /// Who is asked for, or the text that cannot be asked for.
    name: Result<ServerName<'static>, String>,
}

impl Transport {
    /// The transport of an upstream; in the clear there is one for each protocol.
    pub(crate) fn of(spec: &UpstreamSpec) -> Arc<Self> {
        static HTTP: LazyLock<Arc<Transport>> = LazyLock::new(|| clear(Protocol::Http));
        static H2C: LazyLock<Arc<Transport>> = LazyLock::new(|| clear(Protocol::H2c));
        static TCP: LazyLock<Arc<Transport>> = LazyLock::new(|| clear(Protocol::Tcp));
        fn clear(protocol: Protocol) -> Arc<Transport> {
            Arc::new(Transport::new(What { protocol, tls: None }))
        }
        Arc::clone(match spec.protocol {
            Protocol::Http => &HTTP,
            Protocol::H2c => &H2C,
            Protocol::Tcp => &TCP,
            Protocol::Https => {
                let tls = TlsUse { judged: spec.policy.tls.clone(), name: name_of(spec) };
                return Arc::new(Self::new(What { protocol: spec.protocol, tls: Some(tls) }));
            }
        })
    }

    fn new(what: What) -> Self {
        // Any seed will do: equal hashes are compared.
        let hash = FixedState::default().hash_one(&what);
        Self { what, hash, configs: OnceLock::new() }
    }

    /// Whom TLS is for, or why it can be for nobody; `None` in the clear.
    pub(super) fn server_name(&self) -> Option<Result<&ServerName<'static>, String>> {
        let tls = self.what.tls.as_ref()?;
        Some(tls.name.as_ref().map_err(|text| {
            format!("{text:?} cannot be asked for in TLS; set upstream.server_name")
        }))
    }

    /// How its certificate is judged.
    pub(super) fn judged(&self) -> &UpstreamTls {
        self.what.tls.as_ref().map_or(&UpstreamTls::Verify, |tls| &tls.judged)
    }

    /// Its TLS configuration, once it was needed.
    pub(super) fn configs(&self) -> &OnceLock<Configs> {
        &self.configs
    }

    /// The version of HTTP without TLS, where nothing is negotiated.
    pub(super) fn version_in_the_clear(&self) -> Version {
        match self.what.protocol {
            Protocol::H2c => Version::Http2,
            Protocol::Http | Protocol::Https | Protocol::Tcp => Version::Http1,
        }
    }

    /// Whether the version is negotiated.
    pub(crate) fn negotiates(&self) -> bool {
        self.what.tls.is_some()
    }

    /// Whether HTTP/2 is possible.
    pub(crate) fn may_be_http2(&self) -> bool {
        matches!(self.what.protocol, Protocol::H2c | Protocol::Https)
    }

    /// The scheme of its requests.
    pub fn scheme(&self) -> http::uri::Scheme {
        match self.what.tls {
            Some(_) => http::uri::Scheme::HTTPS,
            None => http::uri::Scheme::HTTP,
        }
    }

    /// Its part of a key.
    pub(crate) fn key_hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.what == other.what
    }
}

impl Eq for Transport {}

impl Hash for TlsUse {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match &self.judged {
            UpstreamTls::Verify => 0_u8.hash(hasher),
            UpstreamTls::Insecure => 1_u8.hash(hasher),
            UpstreamTls::Pinned(fingerprint) => fingerprint.hash(hasher),
        }
        self.name.hash(hasher);
    }
}

/// The name in the policy, or the upstream's own.
fn name_of(spec: &UpstreamSpec) -> Result<ServerName<'static>, String> {
    let text = match (&spec.policy.server_name, spec.addr.host()) {
        (Some(name), _) => name.as_str(),
        (None, UpstreamHost::Ip(ip)) => return Ok(ServerName::from(*ip)),
        (None, UpstreamHost::Name(name)) => name,
        (None, UpstreamHost::Unix(_)) => NAME_OF_SOCKETS,
    };
    ServerName::try_from(text.to_owned()).map_err(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use conduit_core::policy::Policy;

    use super::*;
    use crate::fixture::service;
    use crate::upstream::UpstreamPolicy;

    #[test]
    fn connections_are_shared_only_when_everything_is_the_same() {
        let transport = |upstream: &str, protocol, tls: &str, name: Option<&str>| {
            let mut policy = Policy::default();
            policy.upstream.tls = Some(tls.parse().expect("a policy"));
            policy.upstream.server_name = name.map(|name| name.parse().expect("a name"));
            let policy = Arc::new(policy);
            let service = conduit_core::service::Service {
                protocol,
                policy: Arc::clone(&policy),
                ..service("web", &[upstream])
            };
            let policy = Arc::new(UpstreamPolicy::of(&policy));
            Transport::of(&UpstreamSpec::of(&service, &policy, &service.upstreams[0]))
        };
        let (at, https) = ("10.0.0.1:1", Protocol::Https);
        let pin = format!("sha256:{}", "0b".repeat(32));
        let base = transport(at, https, "verify", None);
        assert_eq!(base, transport("10.0.0.1:2", https, "verify", None), "where is another matter");
        for other in [
            transport(at, https, "insecure", None),
            transport(at, https, &pin, None),
            transport(at, https, "verify", Some("web.example")),
            transport("box:1", https, "verify", None),
            transport(at, Protocol::Http, "verify", None),
            transport(at, Protocol::H2c, "verify", None),
        ] {
            assert_ne!(base, other);
        }
        let clear = transport(at, Protocol::Http, "verify", None);
        let same = transport(at, Protocol::Http, "insecure", Some("web.example"));
        assert_eq!(clear, same, "without TLS nothing is judged");
    }

    #[test]
    fn the_name_is_the_policys_or_the_upstreams_own() {
        for (upstream, expected) in [
            ("10.0.0.1:1", "10.0.0.1"),
            ("[fd00::1]:1", "fd00::1"),
            ("GPU-box:1", "gpu-box"),
            ("qp_core:1", "qp_core"),
            ("unix:/run/app.sock", "localhost"),
        ] {
            let service = conduit_core::service::Service {
                protocol: Protocol::Https,
                ..service("web", &[upstream])
            };
            let spec = UpstreamSpec::of(&service, &Arc::default(), &service.upstreams[0]);
            let transport = Transport::of(&spec);
            let name = transport.server_name().expect("TLS").expect("a name");
            assert_eq!(name.to_str(), expected, "{upstream}");
        }
    }
}

//! Why a connection of a byte stream was not served.

/// What happened; as stable words in logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No PROXY header, a malformed one, or too late.
    ProxyHeader,
    /// No TLS hello, a malformed one, or too late.
    Hello,
    /// The hello names no service of this port, or none where one is needed.
    UnknownName,
    /// The client's address is not among those allowed.
    NotAllowed,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// No upstream may receive traffic.
    NoUpstream,
    /// Every upstream has its fill.
    Full,
    /// No upstream accepted a connection.
    ConnectFailed,
    /// The upstream would not speak TLS.
    UpstreamTls,
    /// The upstream is this very port: the bytes would go in a circle.
    Loop,
}

impl Refusal {
    /// Every kind, in the order of their discriminants.
    pub(crate) const ALL: [Self; 10] = [
        Self::ProxyHeader,
        Self::Hello,
        Self::UnknownName,
        Self::NotAllowed,
        Self::Handshake,
        Self::NoUpstream,
        Self::Full,
        Self::ConnectFailed,
        Self::UpstreamTls,
        Self::Loop,
    ];

    /// The stable word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::Hello => "hello",
            Self::UnknownName => "unknown_name",
            Self::NotAllowed => "not_allowed",
            Self::Handshake => "handshake",
            Self::NoUpstream => "no_upstream",
            Self::Full => "full",
            Self::ConnectFailed => "connect_failed",
            Self::UpstreamTls => "upstream_tls",
            Self::Loop => "loop",
        }
    }
}

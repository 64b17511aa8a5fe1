//! The words for what a reply says, and for why there is none.
//!
//! **Invariant:** each has one word, in metrics and logs alike.

use hickory_proto::op::ResponseCode;

/// Defines an enum whose variants are counted under a word.
macro_rules! counted {
    ($(#[$doc:meta])* $type:ident { $($(#[$about:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$about])* $variant),+ }

        impl $type {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word for it in metrics and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

pub(crate) use counted;

counted! {
    /// What a reply says.
    Outcome {
        /// It has records.
        Records = "records",
        /// The name exists without records of that type.
        NoData = "nodata",
        /// The name does not exist.
        NxDomain = "nxdomain",
        /// The client may not ask that.
        Refused = "refused",
        /// The request could not be understood.
        FormErr = "formerr",
        /// The request was of a kind we do not serve.
        NotImp = "notimp",
        /// The request spoke an EDNS version we do not know.
        BadVersion = "badvers",
        /// The client has to come back with the cookie it gets.
        BadCookie = "badcookie",
        /// Too much is asked from its network; the client should come back over TCP.
        Limited = "limited",
        /// It did not fit, and the client should come back over TCP.
        Truncated = "truncated",
        /// Nobody could be asked in time.
        Failed = "servfail",
        /// A whole zone, or what changed in it, went to a secondary.
        Transfer = "transfer",
        /// The signature is wrong, or the zone is not ours.
        NotAuth = "notauth",
        /// Records were changed as a program asked.
        Updated = "updated",
        /// A name of an update is not in its zone.
        NotZone = "notzone",
        /// A name is there that must not be.
        YxDomain = "yxdomain",
        /// A set is there that must not be.
        YxRrSet = "yxrrset",
        /// A set is not there that must be.
        NxRrSet = "nxrrset",
    }
}

counted! {
    /// Why there is no reply.
    Drop {
        /// Too short to be a message.
        Short = "short",
        /// A response rather than a query: answering those is how two servers loop.
        Response = "response",
        /// It came from port 0, where nothing can be sent.
        Source = "source",
        /// It could not be sent.
        Unsent = "unsent",
        /// There were too many TCP or TLS connections.
        Connections = "connections",
        /// A TCP or TLS client sent too much or too slowly.
        Abuse = "abuse",
        /// A TLS handshake failed.
        Handshake = "handshake",
        /// Too much was asked from its network.
        Limited = "limited",
        /// A list says that such questions get no reply.
        Listed = "listed",
        /// Reading from the socket failed.
        Receive = "receive",
        /// The same update came again while it was being made.
        Again = "again",
    }
}

impl Outcome {
    /// The response code by its name in RFC 1035 and its kin.
    pub fn rcode(self) -> &'static str {
        match self {
            Self::Records
            | Self::NoData
            | Self::Truncated
            | Self::Limited
            | Self::Transfer
            | Self::Updated => "NOERROR",
            Self::NotAuth => "NOTAUTH",
            Self::NotZone => "NOTZONE",
            Self::YxDomain => "YXDOMAIN",
            Self::YxRrSet => "YXRRSET",
            Self::NxRrSet => "NXRRSET",
            Self::NxDomain => "NXDOMAIN",
            Self::Refused => "REFUSED",
            Self::FormErr => "FORMERR",
            Self::NotImp => "NOTIMP",
            Self::BadVersion => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
            Self::Failed => "SERVFAIL",
        }
    }

    pub(crate) fn code(self) -> ResponseCode {
        match self {
            Self::Records
            | Self::NoData
            | Self::Truncated
            | Self::Limited
            | Self::Transfer
            | Self::Updated => ResponseCode::NoError,
            Self::NxDomain => ResponseCode::NXDomain,
            Self::Refused => ResponseCode::Refused,
            Self::FormErr => ResponseCode::FormErr,
            Self::NotImp => ResponseCode::NotImp,
            Self::BadVersion => ResponseCode::BADVERS,
            Self::BadCookie => ResponseCode::BADCOOKIE,
            Self::Failed => ResponseCode::ServFail,
            Self::NotAuth => ResponseCode::NotAuth,
            Self::NotZone => ResponseCode::NotZone,
            Self::YxDomain => ResponseCode::YXDomain,
            Self::YxRrSet => ResponseCode::YXRRSet,
            Self::NxRrSet => ResponseCode::NXRRSet,
        }
    }
}

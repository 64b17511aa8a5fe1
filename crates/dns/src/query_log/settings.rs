//! What the query log is set up with.
//!
//! **Invariant:** plain values with one written form each.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Everything that can be chosen about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueryLogSettings {
    /// What is told.
    pub logged: Logged,
    /// How much of it.
    pub share: Share,
    /// What is told of clients.
    pub clients: Clients,
}

/// Defines an enum that is kept in an octet and written as a word.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$about:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $type { $($(#[$about])* $variant),+ }

        impl $type {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What a word means.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.as_str() == text)
            }

            pub(super) fn of(number: u8) -> Self {
                Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
            }
        }
    };
}

words! {
    /// What is told.
    Logged {
        /// Nothing.
        #[default]
        Off = "off",
        /// What went wrong: SERVFAIL, REFUSED, FORMERR, NOTIMP, BADVERS, and what got no reply.
        Errors = "errors",
        /// Everything.
        All = "all",
    }
}

words! {
    /// What is told of clients.
    Clients {
        /// Their addresses.
        #[default]
        Full = "full",
        /// Their networks: /24 of IPv4, /56 of IPv6.
        Network = "network",
        /// Nothing.
        Hidden = "hidden",
    }
}

impl Clients {
    /// What may be told of a client.
    pub fn shown(self, client: IpAddr) -> Option<IpAddr> {
        match (self, client.to_canonical()) {
            (Self::Hidden, _) => None,
            (Self::Full, client) => Some(client),
            (Self::Network, IpAddr::V4(v4)) => {
                Some(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & V4_NETWORK)))
            }
            (Self::Network, IpAddr::V6(v6)) => {
                Some(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & V6_NETWORK)))
            }
        }
    }
}

/// A share of 0 to 1, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// Everything.
    pub const ALL: Self = Self(1_000_000);

    /// Takes a share; `None` when it is none.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
    pub fn new(share: f64) -> Option<Self> {
        let whole = f64::from(Self::ALL.0);
        (0.0..=1.0).contains(&share).then(|| Self((share * whole).round() as u32))
    }

    /// The share as a number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ALL.0)
    }

    pub(super) fn millionths(self) -> u32 {
        self.0
    }

    pub(super) fn of_millionths(millionths: u32) -> Self {
        Self(millionths.min(Self::ALL.0))
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

/// What is left of an IPv4 address: 24 bits.
const V4_NETWORK: u32 = 0xffff_ff00;
/// And of an IPv6 address: 56 bits, what a site has of its provider.
const V6_NETWORK: u128 = 0xffff_ffff_ffff_ff00_0000_0000_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_cut_as_asked() {
        for (clients, client, shown) in [
            (Clients::Full, "10.1.2.3", Some("10.1.2.3")),
            (Clients::Full, "::ffff:10.1.2.3", Some("10.1.2.3")),
            (Clients::Network, "10.1.2.3", Some("10.1.2.0")),
            (Clients::Network, "2001:db8:1:2ff:3::4", Some("2001:db8:1:200::")),
            (Clients::Hidden, "10.1.2.3", None),
        ] {
            let shown: Option<IpAddr> = shown.map(|text| text.parse().expect("valid"));
            assert_eq!(clients.shown(client.parse().expect("valid")), shown, "{client}");
        }
    }

    #[test]
    fn words_and_shares_are_read() {
        assert_eq!(Logged::parse("errors"), Some(Logged::Errors));
        assert_eq!(Logged::parse("Errors"), None);
        for logged in Logged::ALL {
            assert_eq!(
                (Logged::parse(logged.as_str()), Logged::of(logged as u8)),
                (Some(logged), logged)
            );
        }
        assert_eq!(Share::new(0.25).map(|share| share.to_string()), Some("0.25".to_owned()));
        assert_eq!(
            (Share::new(1.0), Share::new(1.1), Share::new(f64::NAN)),
            (Some(Share::ALL), None, None)
        );
    }
}

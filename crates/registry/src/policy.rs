//! Which addresses may stand behind a route.
//!
//! A proxy that forwards anywhere would hand out the cloud's credentials (169.254.169.254 and kin)
//! or call itself for ever.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use conduit_core::domains::Domains;
use conduit_core::name::Host;
use conduit_core::upstream::{UpstreamAddr, UpstreamHost};
use ipnet::IpNet;

/// The configured limits on upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamPolicy {
    /// Lets link-local and metadata addresses through.
    pub allow_link_local: bool,
    /// The only networks upstreams may be in; empty means any.
    pub allowed: Vec<IpNet>,
}

impl UpstreamPolicy {
    /// Judges an upstream as it is written; names are judged again when they are resolved.
    ///
    /// # Errors
    /// Says why it may not be one.
    pub fn check(&self, upstream: &UpstreamAddr, domains: &Domains) -> Result<(), UpstreamRefused> {
        match upstream.host() {
            UpstreamHost::Ip(ip) => self.check_ip(*ip),
            UpstreamHost::Name(name) => {
                // Container names may hold `_`, which hosts may not.
                let ours = Host::parse(&name.replace('_', "-"))
                    .is_ok_and(|host| domains.suffix_of(&host).is_some());
                if ours {
                    Err(UpstreamRefused::Loop)
                } else if self.allowed.is_empty() {
                    Ok(())
                } else {
                    Err(UpstreamRefused::NameWithAllowList)
                }
            }
            UpstreamHost::Unix(path) if controls_the_machine(path) => {
                Err(UpstreamRefused::ControlSocket)
            }
            UpstreamHost::Unix(_) if !self.allowed.is_empty() => {
                Err(UpstreamRefused::SocketWithAllowList)
            }
            UpstreamHost::Unix(_) => Ok(()),
        }
    }

    /// Judges an address, literal or resolved.
    ///
    /// # Errors
    /// Says why it may not be an upstream.
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), UpstreamRefused> {
        let ip = unwrapped(ip);
        if !self.allow_link_local && is_link_local_or_metadata(ip) {
            return Err(UpstreamRefused::LinkLocal);
        }
        if self.allowed.is_empty() || self.allowed.iter().any(|network| network.contains(&ip)) {
            Ok(())
        } else {
            Err(UpstreamRefused::NotAllowed)
        }
    }
}

/// Why an address may not be an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamRefused {
    /// A Unix socket whose owner does whatever it is told, such as a container engine's.
    ControlSocket,
    /// Link-local, or where clouds keep their metadata.
    LinkLocal,
    /// A host of ours, which would call the gateway again.
    Loop,
    /// A name cannot be held against an allow-list of networks.
    NameWithAllowList,
    /// Outside the configured networks.
    NotAllowed,
    /// A Unix socket is in no network, so it cannot be held against an allow-list of them.
    SocketWithAllowList,
}

impl UpstreamRefused {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::ControlSocket => "put a program in front of it that lets through what is meant",
            Self::SocketWithAllowList => "give an IP address instead of a socket",
            Self::LinkLocal => {
                "set upstreams.allow_link_local = true in the configuration if this is meant"
            }
            Self::Loop => "give the address of the machine that runs the service",
            Self::NameWithAllowList => "give an IP address instead of a name",
            Self::NotAllowed => "add its network to upstreams.allow in the configuration",
        }
    }
}

impl fmt::Display for UpstreamRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlSocket => "whoever reaches this socket controls the machine",
            Self::NameWithAllowList | Self::SocketWithAllowList => {
                "only addresses in the allowed networks may be used"
            }
            Self::LinkLocal => "it is a link-local or metadata address",
            Self::Loop => "it is a name of this gateway, so requests would go in a circle",
            Self::NotAllowed => "it is outside the allowed networks",
        })
    }
}

/// An IPv4 address that hides in an IPv6 one (mapped, or NAT64) is judged as what it is.
fn unwrapped(ip: IpAddr) -> IpAddr {
    let ip = ip.to_canonical();
    if let IpAddr::V6(v6) = ip
        && let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments()
    {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    ip
}

/// Whether a socket is one of those that give its callers the machine.
fn controls_the_machine(path: &Path) -> bool {
    let path = path.to_string_lossy();
    // The usual place of both: `/var/run` is a link to `/run`.
    let place = path.strip_prefix("/var").filter(|rest| rest.starts_with("/run/"));
    let place = place.unwrap_or(&path);
    let name = place.rsplit('/').next().unwrap_or_default();
    CONTROL_SOCKETS.contains(&name) || CONTROL_PLACES.iter().any(|dir| place.starts_with(dir))
}

fn is_link_local_or_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || METADATA_V6.contains(&v6),
    }
}

/// Alibaba Cloud, Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 2] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// Amazon's.
const METADATA_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)];
/// What container engines, and this gateway, call the sockets that they take orders on.
const CONTROL_SOCKETS: [&str; 6] = [
    "conduit.sock",
    "containerd.sock",
    "crio.sock",
    "docker.sock",
    "podman.sock",
    "system_bus_socket",
];
/// Where the init system takes orders.
const CONTROL_PLACES: [&str; 2] = ["/run/dbus/", "/run/systemd/"];

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(policy: &UpstreamPolicy, text: &str) -> Option<UpstreamRefused> {
        let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("some");
        let upstream = UpstreamAddr::parse(text).expect("valid");
        policy.check(&upstream, &domains).err()
    }

    #[test]
    fn metadata_addresses_and_our_own_names_are_refused() {
        let policy = UpstreamPolicy::default();
        for (text, expected) in [
            ("10.0.1.50:3000", None),
            ("127.0.0.1:9000", None),
            ("[::1]:80", None),
            ("8.8.8.8:80", None),
            ("localhost:80", None),
            ("qp_core:8000", None),
            ("169.254.169.254:80", Some(UpstreamRefused::LinkLocal)),
            ("169.254.1.1:80", Some(UpstreamRefused::LinkLocal)),
            ("[::ffff:169.254.169.254]:80", Some(UpstreamRefused::LinkLocal)),
            ("[64:ff9b::a9fe:a9fe]:80", Some(UpstreamRefused::LinkLocal)),
            ("[fe80::1]:80", Some(UpstreamRefused::LinkLocal)),
            ("[fd00:ec2::254]:80", Some(UpstreamRefused::LinkLocal)),
            ("100.100.100.200:80", Some(UpstreamRefused::LinkLocal)),
            ("192.0.0.192:80", Some(UpstreamRefused::LinkLocal)),
            ("grafana.internal:3000", Some(UpstreamRefused::Loop)),
            ("a_b.internal:3000", Some(UpstreamRefused::Loop)),
            ("internal:3000", Some(UpstreamRefused::Loop)),
            ("internal.example:3000", None),
            ("unix:/run/app.sock", None),
            ("unix:/run/docker.sock", Some(UpstreamRefused::ControlSocket)),
            ("unix:/var/run/docker.sock", Some(UpstreamRefused::ControlSocket)),
            ("unix:/var/run/systemd/private", Some(UpstreamRefused::ControlSocket)),
            ("unix:/var/lib/conduit/conduit.sock", Some(UpstreamRefused::ControlSocket)),
        ] {
            assert_eq!(judged(&policy, text), expected, "{text}");
        }
        let open = UpstreamPolicy { allow_link_local: true, ..policy };
        assert_eq!(judged(&open, "169.254.169.254:80"), None);
    }

    #[test]
    fn an_allow_list_allows_nothing_else() {
        let policy = UpstreamPolicy {
            allow_link_local: false,
            allowed: vec!["10.0.0.0/8".parse().expect("valid")],
        };
        assert_eq!(judged(&policy, "10.9.9.9:80"), None);
        assert_eq!(judged(&policy, "[::ffff:10.9.9.9]:80"), None);
        for (text, expected) in [
            ("192.168.1.1:80", UpstreamRefused::NotAllowed),
            ("[::1]:80", UpstreamRefused::NotAllowed),
            ("gpu-box:80", UpstreamRefused::NameWithAllowList),
            ("unix:/run/app.sock", UpstreamRefused::SocketWithAllowList),
        ] {
            assert_eq!(judged(&policy, text), Some(expected), "{text}");
        }
    }
}

//! Who has a port, as far as the system lets us see.
//!
//! **Invariant:** only for messages: nothing is decided by what is found here, and not finding
//! anything is normal (another user's process, another namespace, another system).

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use conduit_dns::handler::Transport;

/// A process that listens where we wanted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its number.
    pub(crate) pid: u32,
    /// What it calls itself.
    pub(crate) command: String,
}

impl Holder {
    /// Looks for the process that has this address, or a wildcard over it.
    pub(crate) fn find(address: SocketAddr, transport: Transport) -> Option<Self> {
        let tables = match transport {
            Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
            Transport::Tcp | Transport::Tls | Transport::Https => {
                ["/proc/net/tcp", "/proc/net/tcp6"]
            }
        };
        let inodes: Vec<u64> = tables
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| inodes_at(&table, address, transport))
            .collect();
        if inodes.is_empty() {
            return None;
        }
        let processes = fs::read_dir("/proc").ok()?;
        processes.filter_map(Result::ok).find_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            has_socket(&process.path(), &inodes)
                .then(|| Self { pid, command: command_of(&process.path()) })
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.command, self.pid)
    }
}

/// Reads the inodes of sockets that overlap with `address` from one of the system's tables.
fn inodes_at(table: &str, address: SocketAddr, transport: Transport) -> Vec<u64> {
    let inode_of = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let local = parse_local(fields.get(LOCAL_FIELD)?)?;
        let state = *fields.get(STATE_FIELD)?;
        let overlaps = local.port() == address.port()
            && (local.ip() == address.ip()
                || local.ip().is_unspecified()
                || address.ip().is_unspecified());
        if !overlaps || (transport != Transport::Udp && state != TCP_LISTEN) {
            return None;
        }
        fields.get(INODE_FIELD)?.parse().ok()
    };
    table.lines().skip(1).filter_map(inode_of).collect()
}

/// Reads `0100007F:0035`: the words of the address in this machine's byte order, and the port.
fn parse_local(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (at, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn has_socket(process: &Path, inodes: &[u64]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    files.filter_map(Result::ok).any(|file| {
        let Ok(target) = fs::read_link(file.path()) else {
            return false;
        };
        let inode = target
            .to_str()
            .and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode| inodes.contains(&inode))
    })
}

fn command_of(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let shown: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    if shown.is_empty() { "a process without a name".to_owned() } else { shown }
}

/// Columns of the tables: `sl local_address rem_address st … inode`.
const LOCAL_FIELD: usize = 1;
const STATE_FIELD: usize = 3;
const INODE_FIELD: usize = 9;
/// The state of a listening TCP socket in the tables.
const TCP_LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_ours_is_found() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let ours = Some(std::process::id());
        for (address, transport) in [
            (udp.local_addr().expect("bound"), Transport::Udp),
            (tcp.local_addr().expect("bound"), Transport::Tcp),
        ] {
            let holder = Holder::find(address, transport);
            assert_eq!(holder.map(|h| h.pid), ours, "{transport}");
        }
    }

    #[test]
    fn nonsense_in_the_tables_is_skipped() {
        let address: SocketAddr = "127.0.0.1:53".parse().expect("valid");
        for table in ["", "head\n", "head\n0: zz", "head\n0: 0100007F:00 x 07 a b c d e 7"] {
            assert!(inodes_at(table, address, Transport::Udp).is_empty(), "{table}");
        }
    }
}

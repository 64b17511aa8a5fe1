//! Finds out who has a TCP port, for an error message that helps.
//!
//! **Invariant:** never fails; what cannot be read (another user's process, no `/proc`) makes the
//! answer vaguer.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Who listens on `address`: `held by nginx (pid 812)`, or that it is in use.
pub(crate) fn describe(address: SocketAddr) -> String {
    inode_of(address)
        .and_then(process_of)
        .unwrap_or_else(|| "the port is in use by another process".to_owned())
}

/// The inode of the socket that listens where `address` would.
fn inode_of(address: SocketAddr) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(parse_line)
                .find(|(local, _)| collides(*local, address))
                .map(|(_, inode)| inode)
        })
}

/// Reads `sl local_address rem_address st … inode`, for sockets that listen.
fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != STATE_LISTEN {
        return None;
    }
    let (ip, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.get(9)?.parse().ok()?;
    Some((SocketAddr::new(parse_ip(ip)?, port), inode))
}

/// Addresses are written as 32-bit words in the machine's byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = hex.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    if hex.len() == 8 {
        return word(0).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    }
    let mut bytes = [0_u8; 16];
    for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
        chunk.copy_from_slice(&word(index)?);
    }
    Some(IpAddr::V6(Ipv6Addr::from(bytes)))
}

fn collides(theirs: SocketAddr, ours: SocketAddr) -> bool {
    theirs.port() == ours.port()
        && (theirs.ip() == ours.ip() || theirs.ip().is_unspecified() || ours.ip().is_unspecified())
}

fn process_of(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str());
        if holds {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("held by {} (pid {pid})", command.trim()));
        }
    }
    None
}

/// `TCP_LISTEN` in the kernel's table.
const STATE_LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernels_table_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0";
        let expected = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert_eq!(parse_line(line), Some((expected, 4242)));
        assert_eq!(parse_line(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(parse_line("garbage"), None);
    }

    #[test]
    fn wildcards_collide_with_every_address() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("address");
        assert!(collides(at("0.0.0.0:80"), at("10.0.0.1:80")));
        assert!(collides(at("10.0.0.1:80"), at("0.0.0.0:80")));
        assert!(!collides(at("10.0.0.1:80"), at("10.0.0.2:80")));
        assert!(!collides(at("0.0.0.0:80"), at("0.0.0.0:81")));
    }
}

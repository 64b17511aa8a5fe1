//! Who is at the other end of a connection, before anybody has shown a credential.

use std::fmt;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process on this machine, as the kernel says.
    Local { uid: u32, user: Option<String> },
    /// An address, which proves nothing.
    Tcp(SocketAddr),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid, user: None } => write!(f, "uid:{uid}"),
            Self::Local { user: Some(user), .. } => f.write_str(user),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// The name of a local user, when `/etc/passwd` has one.
pub(crate) async fn user_name(uid: u32) -> Option<String> {
    let file = tokio::fs::File::open("/etc/passwd").await.ok()?;
    let mut text = Vec::new();
    let read = file.take(PASSWD_BYTES_MAX).read_to_end(&mut text).await;
    read.ok()?;
    name_in(&String::from_utf8_lossy(&text), uid)
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

const PASSWD_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_id() {
        let passwd = "root:x:0:0::/:/bin/sh\n\nbroken\nada:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_in(passwd, 7), None);
    }
}

//! Leaving root behind once the privileged ports are bound.
//!
//! **Invariant:** after [`drop_to`] returns `Ok`, no thread of the process can become root again.
//! It must be called before any other thread exists, since Linux keeps credentials per thread.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};

use rustix::process::{Gid, Uid};

/// Becomes the user of this name, with that user's groups.
///
/// # Errors
/// When the user is unknown, or the process may not change users.
pub fn drop_to(user: &str) -> Result<(), PrivilegeError> {
    let account = Account::find(user)?;
    if rustix::process::getuid().as_raw() == account.uid {
        return Ok(());
    }
    let change = |source| PrivilegeError::Change { user: user.into(), source };
    let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
    rustix::thread::set_thread_groups(&groups).map_err(change)?;
    let gid = Gid::from_raw(account.gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(change)?;
    let uid = Uid::from_raw(account.uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(change)?;
    Ok(())
}

/// Gives our directories to the user who will use them, making those that are missing.
///
/// A directory that exists and belongs to somebody else than root is left alone; in one of root's
/// everything goes along, since a former run as root may have made it. Links are not followed.
///
/// # Errors
/// When the user is unknown, or a directory cannot be made or given away.
pub fn hand_over<'a>(
    user: &str,
    directories: impl Iterator<Item = &'a Path>,
) -> Result<(), PrivilegeError> {
    let account = Account::find(user)?;
    for path in directories {
        let failed = |source| PrivilegeError::HandOver { path: path.into(), source };
        // A directory for a socket is entered by the socket's group; what is in the state
        // directory is for its owner, and `State` closes that one.
        fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed)?;
        if fs::symlink_metadata(path).map_err(failed)?.uid() == 0 {
            give(path, &account).map_err(failed)?;
        }
    }
    Ok(())
}

fn give(path: &Path, account: &Account) -> io::Result<()> {
    lchown(path, Some(account.uid), Some(account.gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), account)?;
        }
    }
    Ok(())
}

/// The id of a group, when the system has it.
pub fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// The name of a group, when the system has one with this id.
pub fn group_name(gid: u32) -> Option<String> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let has_it = |line: &&str| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(gid);
    let line = groups.lines().find(has_it)?;
    line.split(':').next().map(str::to_owned)
}

/// A line of the user database.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's id.
    pub uid: u32,
    /// The user's primary group.
    pub gid: u32,
    /// Every group the user is in.
    pub groups: Vec<u32>,
}

impl Account {
    /// Looks a user up in `/etc/passwd` and `/etc/group`; a number is taken as an id.
    ///
    /// # Errors
    /// When there is no such user, or the files cannot be read.
    pub fn find(user: &str) -> Result<Self, PrivilegeError> {
        let read = |path: &'static str| {
            fs::read_to_string(path).map_err(|source| PrivilegeError::Read { path, source })
        };
        Self::parse(user, &read("/etc/passwd")?, &read("/etc/group")?)
            .ok_or_else(|| PrivilegeError::UnknownUser(user.into()))
    }

    fn parse(user: &str, passwd: &str, group: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| {
            let mut fields = line.split(':');
            fields.next() == Some(user) || fields.nth(1) == Some(user)
        })?;
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) =
            (fields.first()?, fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let member = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let members = fields.get(3)?;
            members.split(',').any(|m| m == *name).then(|| fields.get(2)?.parse().ok())?
        };
        let mut groups: Vec<u32> = group.lines().filter_map(member).collect();
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Some(Self { uid, gid, groups })
    }
}

/// Why root could not be dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// The system refused.
    #[error("cannot become user {user}; start as root, or leave gateway.user empty")]
    Change {
        /// Who we wanted to be.
        user: String,
        /// What the system said.
        #[source]
        source: rustix::io::Errno,
    },
    /// A directory cannot be made or given away.
    #[error("{} cannot be given to the user of the gateway", path.display())]
    HandOver {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A user database cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which one.
        path: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody has that name.
    #[error(
        "gateway.user = {0:?}: there is no such user; create it (useradd --system {0}) or correct the name"
    )]
    UnknownUser(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_by_id() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nconduit:x:990:991::/var/lib/conduit:/bin/false\n";
        let group = "root:x:0:\nconduit:x:991:\ndocker:x:998:alice,conduit\n";
        let expected = Account { uid: 990, gid: 991, groups: vec![991, 998] };
        assert_eq!(Account::parse("conduit", passwd, group), Some(expected));
        assert_eq!(Account::parse("990", passwd, group).map(|a| a.uid), Some(990));
        assert_eq!(Account::parse("nobody", passwd, group), None);
    }
}

//! A CA in a temporary directory.

use std::path::PathBuf;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::leaf::LeafPair;
use conduit_core::name::Host;
use conduit_tls::authority::{Authority, AuthoritySettings};
use conduit_tls::error::TlsError;
use tempfile::TempDir;

pub(crate) struct Site {
    temp: TempDir,
    pub(crate) settings: AuthoritySettings,
}

impl Site {
    /// An empty directory, with the default domains.
    pub(crate) fn new() -> Self {
        Self {
            temp: tempfile::tempdir().expect("temp dir"),
            settings: settings(&["internal", "local", "test"]),
        }
    }

    /// A directory with a CA in it.
    pub(crate) fn with_authority() -> (Self, Authority) {
        let site = Self::new();
        let (authority, created) = site.open(now()).expect("created");
        assert!(created);
        (site, authority)
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("tls")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn open(&self, now: Timestamp) -> Result<(Authority, bool), TlsError> {
        Authority::open_or_create(&self.dir(), &self.settings, now)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).expect("read")
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.file(name), content).expect("written");
    }
}

pub(crate) fn settings(domains: &[&str]) -> AuthoritySettings {
    AuthoritySettings {
        domains: Domains::new(hosts(domains)).expect("some"),
        organization: "Test Clinic".into(),
    }
}

pub(crate) fn hosts(names: &[&str]) -> Vec<Host> {
    let parse = |name: &&str| Host::parse(name).expect("valid host");
    names.iter().map(parse).collect()
}

pub(crate) fn issue(authority: &Authority, names: &[&str]) -> LeafPair {
    authority.issue(&hosts(names), DAY * 365, now()).expect("issued")
}

/// Today, so that programs which read the system's clock agree.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

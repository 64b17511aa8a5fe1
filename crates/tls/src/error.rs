//! What can go wrong with the authority, and the mend.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use conduit_core::clock::Timestamp;
use conduit_core::name::Host;

/// Everything this crate refuses or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The clock says that the intermediate is not valid yet.
    #[error(
        "cannot issue at {now}: the intermediate is valid from {from}; set this machine's clock"
    )]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// Since when the intermediate is valid.
        from: Timestamp,
    },
    /// rustls does not take the configuration.
    #[error("cannot configure TLS")]
    Configure(#[source] rustls::Error),
    /// The directory cannot be made.
    #[error("cannot create {path}")]
    CreateDirectory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A configured domain that the roots must not sign for.
    #[error(
        "domain {domain} is outside the name constraints of {path} ({permitted}): remove it from \
         gateway.domains, or make a new CA: {}",
        NEW_AUTHORITY
    )]
    DomainNotPermitted {
        /// The domain.
        domain: Host,
        /// Whose constraints.
        path: PathBuf,
        /// What they permit.
        permitted: String,
    },
    /// A root or cross-certificate that has run out.
    #[error(
        "{path} expired on {at} (this machine's clock says {now}): if the clock is right, make a \
         new CA: {}",
        NEW_AUTHORITY
    )]
    Expired {
        /// The certificate.
        path: PathBuf,
        /// When it ran out.
        at: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// A key could not be generated.
    #[error("cannot generate a key")]
    GenerateKey(#[source] rcgen::Error),
    /// A host that the roots must not sign for.
    #[error("cannot issue for {host}: the CA is limited to {permitted}")]
    HostNotPermitted {
        /// The host.
        host: Host,
        /// What the constraints permit.
        permitted: String,
    },
    /// The intermediate has run out.
    #[error(
        "cannot issue: the intermediate expired on {at}; restart conduit, which makes a new one"
    )]
    IssuerExpired {
        /// When.
        at: Timestamp,
    },
    /// A certificate and the key beside it do not belong together.
    #[error("{certificate} and {key} do not belong together: restore both from one backup")]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A file of the authority whose content makes no sense.
    #[error("{path} {reason}: restore it from a backup")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file of the authority is not there.
    #[error(
        "{path} is missing: restore it from a backup; no new CA is made while others of its files \
         are there. To make a new CA anyway: {}",
        NEW_AUTHORITY
    )]
    MissingFile {
        /// Which.
        path: PathBuf,
    },
    /// A leaf for nobody.
    #[error("cannot issue a leaf without a host")]
    NoHosts,
    /// An address that the roots must not sign for.
    #[error("cannot issue for {address}: the CA is limited to private addresses")]
    AddressNotPermitted {
        /// The address.
        address: IpAddr,
    },
    /// A request for a certificate that cannot be granted.
    #[error("the certificate request {0}")]
    Request(&'static str),
    /// There is no authority in the directory.
    #[error(
        "there is no CA in {path}: restore it from a backup, or make a new CA: {}",
        NEW_AUTHORITY
    )]
    NotFound {
        /// The directory.
        path: PathBuf,
    },
    /// A certificate that its supposed issuer did not sign.
    #[error("{path} is not signed by {issuer}: restore both from one backup")]
    NotSignedBy {
        /// The certificate.
        path: PathBuf,
        /// The issuer's.
        issuer: PathBuf,
    },
    /// A file or directory that others may use.
    #[error(
        "others may use {path} (mode {mode:04o}): make it private with chmod {wanted:04o} {path}"
    )]
    OpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: u32,
    },
    /// An organization that certificates have no room for.
    #[error("the CA's organization is longer than {max} characters")]
    OrganizationTooLong {
        /// The limit.
        max: usize,
    },
    /// Not a certificate.
    #[error("cannot read a certificate: {0}")]
    ParseCertificate(&'static str),
    /// The operating system gives no random bytes.
    #[error("cannot get random bytes from the operating system")]
    Random(#[source] getrandom::Error),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    ReadFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be signed.
    #[error("cannot sign a certificate")]
    Sign(#[source] rcgen::Error),
    /// More hosts than one leaf may carry.
    #[error("a leaf carries at most {max} hosts, not {asked}")]
    TooManyHosts {
        /// How many were asked for.
        asked: usize,
        /// The limit.
        max: usize,
    },
    /// Files of an authority, but nothing that says it was ever complete.
    #[error(
        "{path} is there, but the file that says the CA is complete is not: restore the whole \
         directory from a backup, or make a new CA: {}",
        NEW_AUTHORITY
    )]
    Unmarked {
        /// One of the files.
        path: PathBuf,
    },
    /// A validity nobody could use.
    #[error("a leaf must be valid for at least {min_minutes} minutes")]
    ValidityTooShort {
        /// The limit.
        min_minutes: u64,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    WriteFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl TlsError {
    /// A stable word for programs, when whoever asked for a certificate asked for the wrong thing.
    pub fn is_the_callers(&self) -> Option<&'static str> {
        Some(match self {
            Self::AddressNotPermitted { .. } | Self::HostNotPermitted { .. } => "not_permitted",
            Self::Request(_) => "bad_request",
            Self::ValidityTooShort { .. } => "validity_too_short",
            _ => return None,
        })
    }
}

/// How an operator gets new roots on purpose.
///
/// No authority is made where leaves of another are in use, and without one conduit starts only
/// with `tls.enabled = false`.
const NEW_AUTHORITY: &str = "deregister every service (with tls.enabled = false if conduit does \
                             not start otherwise), stop conduit, move the directory away, start \
                             conduit again with TLS, register the services again, and install the \
                             new trust bundle on every client";

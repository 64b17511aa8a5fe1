//! The authority: opens or makes the CA, and issues leaves from it.
//!
//! **Invariant:** an [`Authority`] never changes: it is opened, used from any number of threads,
//! and replaced by the one that [`Authority::renewed`] gives.
//! **Invariant:** an intermediate is replaced before a leaf of a year would outlive it, and its
//! certificate is kept as long as its leaves may be served.

mod info;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::certificate::{Issuance, KeySource, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::leaf::{Algorithm, Fingerprint, LeafPair};
use conduit_core::name::Host;
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

pub use self::info::{IntermediateInfo, RootInfo};
use crate::constraints::{self, Permitted};
use crate::create::{self, Intermediate, Standing};
use crate::error::TlsError;
use crate::files;
use crate::issuer::Issuer;
use crate::layout::{ALGORITHMS, Layout};
use crate::load::{self, Intermediates, Stored};

/// What the authority is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySettings {
    /// The names it may sign for. New roots are limited to them; old ones must permit them.
    pub domains: Domains,
    /// Whose it is, as written into new CA certificates; may be empty.
    pub organization: String,
}

/// The CA of one site.
pub struct Authority {
    layout: Layout,
    settings: AuthoritySettings,
    bundle: String,
    roots: Vec<RootInfo>,
    intermediates: Vec<IntermediateInfo>,
    chains: Vec<Chain>,
    permitted: Vec<Permitted>,
    renewals: Vec<Timestamp>,
    p256: Issuer,
    ed25519: Issuer,
}

/// By the fingerprint of the intermediate that begins it.
type Chain = (Fingerprint, Arc<[CertificateDer<'static>]>);

impl Authority {
    /// Opens the CA in `dir`, or makes one when there is none; says whether it was made.
    ///
    /// # Errors
    /// When files are missing, damaged, open to others or do not belong together; when a root is
    /// expired, or a domain lies outside its constraints; when the disk fails.
    pub fn open_or_create(
        dir: &Path,
        settings: &AuthoritySettings,
        now: Timestamp,
    ) -> Result<(Self, bool), TlsError> {
        check(settings)?;
        let layout = Layout::new(dir);
        let created = create::standing(&layout)? != Standing::Complete;
        if created {
            create::create(&layout, settings, now)?;
        }
        Ok((Self::read(layout, settings, now)?, created))
    }

    /// Opens the CA in `dir` and never makes one: for a state in which one must be.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], and when there is none.
    pub fn open(
        dir: &Path,
        settings: &AuthoritySettings,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        check(settings)?;
        let layout = Layout::new(dir);
        match create::standing(&layout)? {
            Standing::Complete => Self::read(layout, settings, now),
            Standing::Empty | Standing::Interrupted => Err(TlsError::NotFound { path: dir.into() }),
        }
    }

    /// The same authority with new intermediates, when one has passed half of its life; else
    /// nothing. To be asked about once a day.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn renewed(&self, now: Timestamp) -> Result<Option<Self>, TlsError> {
        if self.renewals.iter().all(|at| now < *at) {
            return Ok(None);
        }
        Self::open(self.layout.dir(), &self.settings, now).map(Some)
    }

    /// Signs both leaves of a service: fresh keys, exactly these hosts.
    ///
    /// The validity is cut where the intermediate's ends.
    ///
    /// # Errors
    /// When there is no host, too many, or one outside the name constraints; when the clock is
    /// before or after the intermediate's validity; when no key can be made.
    pub fn issue(
        &self,
        hosts: &[Host],
        validity: Duration,
        now: Timestamp,
    ) -> Result<LeafPair, TlsError> {
        let mut unique: Vec<Host> = Vec::with_capacity(hosts.len().min(HOSTS_MAX));
        for host in hosts {
            if !unique.contains(host) {
                unique.push(host.clone());
            }
            if unique.len() > HOSTS_MAX {
                return Err(TlsError::TooManyHosts { asked: hosts.len(), max: HOSTS_MAX });
            }
        }
        self.check_permitted(&unique)?;
        Ok(LeafPair {
            ed25519: self.ed25519.issue(&unique, validity, now)?,
            ecdsa_p256: self.p256.issue(&unique, validity, now)?,
        })
    }

    /// Signs a certificate for somebody else to use, with what follows it in a handshake.
    ///
    /// What is made here for Ed25519 is signed with Ed25519; everything else with P-256, which every
    /// program can verify. The validity is cut where the intermediate's ends.
    ///
    /// # Errors
    /// As [`Self::issue`]; when an address is not permitted, or the request is a bad one.
    pub fn sign(
        &self,
        wish: &Issuance,
        default_validity: Duration,
        now: Timestamp,
    ) -> Result<Signed, TlsError> {
        self.check_permitted(&wish.hosts)?;
        for address in &wish.addresses {
            if !constraints::allows_address(*address) {
                return Err(TlsError::AddressNotPermitted { address: *address });
            }
        }
        let issuer = match wish.key {
            KeySource::Generate(Algorithm::Ed25519) => &self.ed25519,
            _ => &self.p256,
        };
        let mut signed = issuer.sign(wish, wish.validity.unwrap_or(default_validity), now)?;
        let chain = self.chain(&signed.issuer).unwrap_or_default();
        signed.chain = chain.iter().map(|der| Arc::from(der.as_ref())).collect();
        Ok(signed)
    }

    fn check_permitted(&self, hosts: &[Host]) -> Result<(), TlsError> {
        for host in hosts {
            if let Some(limit) = self.permitted.iter().find(|limit| !limit.allows(host)) {
                return Err(TlsError::HostNotPermitted {
                    host: host.clone(),
                    permitted: limit.listed(),
                });
            }
        }
        Ok(())
    }

    /// What follows a leaf in the handshake, by the intermediate that signed it; nothing when this
    /// authority does not know it, and then the leaf must be issued anew.
    pub fn chain(&self, issuer: &Fingerprint) -> Option<Arc<[CertificateDer<'static>]>> {
        self.chains
            .iter()
            .find(|(fingerprint, _)| fingerprint == issuer)
            .map(|(_, chain)| Arc::clone(chain))
    }

    /// Both roots in PEM, P-256 first: what clients install.
    pub fn bundle_pem(&self) -> &str {
        &self.bundle
    }

    /// Where the bundle lies.
    pub fn bundle_path(&self) -> PathBuf {
        self.layout.bundle()
    }

    /// Both roots, P-256 first.
    pub fn roots(&self) -> &[RootInfo] {
        &self.roots
    }

    /// The intermediates in use, and the retired ones that are still valid.
    pub fn intermediates(&self) -> &[IntermediateInfo] {
        &self.intermediates
    }

    fn read(
        layout: Layout,
        settings: &AuthoritySettings,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        if let Some(path) = layout.indispensable().into_iter().find(|path| !files::exists(path)) {
            return Err(TlsError::MissingFile { path });
        }
        files::check_directory(layout.dir())?;
        let [p256, ed25519] =
            ALGORITHMS.map(|algorithm| load::root(&layout, algorithm, &settings.domains, now));
        let ((p256, p256_key), (ed25519, ed25519_key)) = (p256?, ed25519?);
        let cross = load::cross(&layout, &p256, &ed25519, &settings.domains, now)?;
        let p256_line = line(&layout, Algorithm::EcdsaP256, &p256, p256_key, settings, now)?;
        let ed_line = line(&layout, Algorithm::Ed25519, &ed25519, ed25519_key, settings, now)?;
        let bundle = format!("{}{}", p256.details.pem, ed25519.details.pem);
        write_bundle(&layout, &bundle)?;
        warn_of_age(&[&p256, &ed25519], now);

        let lines = [(Algorithm::EcdsaP256, &p256_line), (Algorithm::Ed25519, &ed_line)];
        let signing = [&p256, &ed25519, &cross, &p256_line.current, &ed_line.current];
        Ok(Self {
            bundle,
            roots: vec![
                RootInfo::of(Algorithm::EcdsaP256, &p256.details),
                RootInfo::of(Algorithm::Ed25519, &ed25519.details),
            ],
            intermediates: lines
                .into_iter()
                .flat_map(|(algorithm, line)| IntermediateInfo::all(algorithm, line.all()))
                .collect(),
            chains: chains(&p256_line, &ed_line, &cross),
            permitted: permitted(&signing),
            renewals: vec![
                renewal_at(&p256_line.current, &p256),
                renewal_at(&ed_line.current, &ed25519),
            ],
            p256: issuer(Algorithm::EcdsaP256, p256_line)?,
            ed25519: issuer(Algorithm::Ed25519, ed_line)?,
            layout,
            settings: settings.clone(),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.layout.dir())
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}

impl Intermediates {
    fn all(&self) -> impl Iterator<Item = &Stored> {
        std::iter::once(&self.current).chain(&self.retired)
    }
}

/// The intermediates of one algorithm, after replacing the current one if it is due.
fn line(
    layout: &Layout,
    algorithm: Algorithm,
    root: &Stored,
    root_key: KeyPair,
    settings: &AuthoritySettings,
    now: Timestamp,
) -> Result<Intermediates, TlsError> {
    let root_key = Zeroizing::new(root_key);
    let found = load::intermediates(layout, algorithm, root, now)?;
    let permits = |domain: &Host| found.current.permitted.allows(domain);
    if now < renewal_at(&found.current, root) && settings.domains.iter().all(permits) {
        return Ok(found);
    }
    let signer = rcgen::Issuer::from_ca_cert_der(&root.der, &*root_key)
        .map_err(|_| TlsError::ParseCertificate("it cannot be used to sign"))?;
    let fresh = Intermediate::sign(algorithm, &signer, root.validity(), settings, now)?;
    let kept: String = found
        .all()
        .filter(|stored| now < stored.details.not_after)
        .take(RETIRED_MAX)
        .map(|stored| stored.details.pem.as_str())
        .collect();
    fresh.write(layout, &kept)?;
    tracing::info!(%algorithm, "made a new intermediate");
    load::intermediates(layout, algorithm, root, now)
}

/// When an intermediate is to be replaced: at half of its life, unless a new one would not live
/// longer because the root ends.
fn renewal_at(current: &Stored, root: &Stored) -> Timestamp {
    let own = current.validity();
    let half = own.not_before.plus(own.not_after.since(own.not_before) / 2);
    let next = Intermediate::validity(half, root.validity());
    if next.not_after > own.not_after { half } else { own.not_after }
}

/// What follows the leaves of each intermediate; the root itself is the client's to have.
fn chains(p256: &Intermediates, ed25519: &Intermediates, cross: &Stored) -> Vec<Chain> {
    let mut chains = Vec::new();
    for stored in p256.all() {
        chains.push((stored.details.fingerprint, [stored.der.clone()].into()));
    }
    for stored in ed25519.all() {
        let chain = [stored.der.clone(), cross.der.clone()].into();
        chains.push((stored.details.fingerprint, chain));
    }
    chains
}

fn issuer(algorithm: Algorithm, line: Intermediates) -> Result<Issuer, TlsError> {
    let validity = line.current.validity();
    Issuer::new(algorithm, &line.current.der, line.key, validity)
}

fn permitted(signing: &[&Stored]) -> Vec<Permitted> {
    let mut all: Vec<Permitted> = Vec::new();
    for stored in signing {
        if !all.contains(&stored.permitted) {
            all.push(stored.permitted.clone());
        }
    }
    all
}

/// The bundle says nothing that the roots do not say, so a lost or changed one is written again.
fn write_bundle(layout: &Layout, bundle: &str) -> Result<(), TlsError> {
    let path = layout.bundle();
    if files::read(&path).is_ok_and(|found| found.as_str() == bundle) {
        return Ok(());
    }
    files::write(&path, bundle)
}

fn warn_of_age(roots: &[&Stored], now: Timestamp) {
    for root in roots {
        let (from, until) = (root.details.not_before, root.details.not_after);
        if now < from {
            tracing::warn!(path = %root.path.display(), %from, %now, "the clock is before the root's validity; no leaf can be issued");
        } else if until.since(now) < ROOT_WARNING {
            tracing::warn!(path = %root.path.display(), %until, "the root expires within a year; plan for new ones");
        }
    }
}

fn check(settings: &AuthoritySettings) -> Result<(), TlsError> {
    if settings.organization.chars().count() <= ORGANIZATION_CHARS_MAX {
        Ok(())
    } else {
        Err(TlsError::OrganizationTooLong { max: ORGANIZATION_CHARS_MAX })
    }
}

/// Hosts of one leaf: more would not fit a handshake well.
const HOSTS_MAX: usize = 100;
/// RFC 5280, ub-organization-name.
const ORGANIZATION_CHARS_MAX: usize = 64;
/// Retired intermediates kept per algorithm; one is replaced every year and a half.
const RETIRED_MAX: usize = 8;
const ROOT_WARNING: Duration = Duration::from_secs(365 * 86_400);

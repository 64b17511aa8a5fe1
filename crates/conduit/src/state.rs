//! The state directory, opened: lock, seal, registry, authority.
//!
//! **Invariant:** a state directory that exists is taken as it is or refused with the mend; what
//! is missing in it is never silently made anew, except on the very first start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use conduit_audit::{Anchor, SealKey};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;
use conduit_registry::{StateLock, Store};
use conduit_tls::authority::{Authority, AuthoritySettings};

use crate::config::Config;
use crate::error::AppError;

/// Everything that is kept between two starts.
#[derive(Debug)]
pub(crate) struct State {
    /// Held as long as the process lives.
    pub(crate) lock: StateLock,
    /// The registry and the record.
    pub(crate) store: Store,
    /// The authority, when TLS is on.
    pub(crate) authority: Option<Arc<Authority>>,
    /// The stored leaves.
    pub(crate) leaves: Vec<(ServiceName, LeafPair)>,
    /// Whether this start made the state.
    pub(crate) is_new: bool,
    /// How many entries the record once had, when it does not hold them any more.
    pub(crate) cut_from: Option<u64>,
}

impl State {
    /// Opens the state directory, or sets one up when it is empty.
    ///
    /// # Errors
    /// When another process uses it, or something in it is damaged, missing or newer than we are.
    pub(crate) fn open(config: &Config, now: Timestamp) -> Result<Self, AppError> {
        let lock = StateLock::acquire(&config.gateway.state_dir).map_err(AppError::Registry)?;
        Self::open_with(lock, config, now)
    }

    /// The same, under a lock that is held already.
    ///
    /// # Errors
    /// When something in it is damaged, missing or newer than we are.
    pub(crate) fn open_with(
        lock: StateLock,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, AppError> {
        let directory = &config.gateway.state_dir;
        tighten(directory)?;
        let seal = directory.join(SEAL_DIR);
        let had_database = directory.join(DATABASE).exists();
        if had_database && !seal.join("key").exists() {
            return Err(AppError::SealLost { path: seal.join("key") });
        }
        let (key, _created) = SealKey::open_or_create(&seal).map_err(AppError::Audit)?;
        let store = Store::open(directory, key).map_err(AppError::Registry)?;
        let leaves = store.leaves().map_err(AppError::Registry)?;
        let authority = match config.tls.enabled {
            true => Some(Arc::new(open_authority(config, directory, !leaves.is_empty(), now)?)),
            false => None,
        };
        let cut_from = cut_from(&store, &seal)?;
        Ok(Self { is_new: store.is_new(), lock, store, authority, leaves, cut_from })
    }
}

/// How many entries the record once had, when it was cut or rewritten since. The next commit moves
/// the anchor, so it is asked for here, once.
fn cut_from(store: &Store, seal: &Path) -> Result<Option<u64>, AppError> {
    if store.holds_its_anchor().map_err(AppError::Registry)? {
        return Ok(None);
    }
    let anchor = Anchor::read(seal).map_err(AppError::Audit)?;
    let once = anchor.map(|anchor| anchor.count);
    tracing::error!(
        once,
        now = store.head().count,
        "the record is not what it once was: an older state was restored, or it was tampered with"
    );
    Ok(once)
}

/// Takes away what others may do with the directory: private keys are in it.
fn tighten(directory: &Path) -> Result<(), AppError> {
    let failed = |source| AppError::Permissions { path: directory.to_owned(), source };
    let mode = fs::metadata(directory).map_err(failed)?.permissions().mode();
    if mode & OTHERS != 0 {
        let given = format!("{:03o}", mode & 0o777);
        tracing::warn!(path = %directory.display(), given, "closing the state directory to others");
        fs::set_permissions(directory, Permissions::from_mode(mode & !OTHERS)).map_err(failed)?;
    }
    Ok(())
}

fn open_authority(
    config: &Config,
    directory: &Path,
    has_leaves: bool,
    now: Timestamp,
) -> Result<Authority, AppError> {
    let settings = AuthoritySettings {
        domains: config.gateway.domains.clone(),
        organization: config.tls.organization.clone(),
    };
    let path = directory.join(AUTHORITY_DIR);
    if has_leaves {
        // Leaves are in use, so there must be an authority: a new one would make every client
        // distrust every service.
        return Authority::open(&path, &settings, now).map_err(AppError::Tls);
    }
    let (authority, created) =
        Authority::open_or_create(&path, &settings, now).map_err(AppError::Tls)?;
    if created {
        for root in authority.roots() {
            tracing::info!(algorithm = %root.algorithm, fingerprint = %root.fingerprint, "made a root");
        }
    }
    Ok(authority)
}

/// The registry and the record.
const DATABASE: &str = "conduit.db";
/// The seal's key and keyring.
pub(crate) const SEAL_DIR: &str = "seal";
/// Roots, intermediates and the trust bundle.
pub(crate) const AUTHORITY_DIR: &str = "tls";
/// Permission bits of the group and of everybody else.
const OTHERS: u32 = 0o077;

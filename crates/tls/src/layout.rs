//! Where the authority's files lie.
//!
//! **Invariant:** every file of the authority is named here and nowhere else.

use std::path::{Path, PathBuf};

use conduit_core::leaf::Algorithm;

/// The directory `<state>/tls` and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The trust bundle, at its well-known place.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The file that says whether the authority is complete.
    pub(crate) fn marker(&self) -> PathBuf {
        self.dir.join("authority")
    }

    pub(crate) fn root(&self, algorithm: Algorithm) -> PathBuf {
        self.dir.join(format!("{}-root.crt", stem(algorithm)))
    }

    pub(crate) fn root_key(&self, algorithm: Algorithm) -> PathBuf {
        self.dir.join(format!("{}-root.key", stem(algorithm)))
    }

    /// The intermediate in use, followed by retired ones whose leaves may still be served.
    pub(crate) fn intermediate(&self, algorithm: Algorithm) -> PathBuf {
        self.dir.join(format!("{}-intermediate.crt", stem(algorithm)))
    }

    pub(crate) fn intermediate_key(&self, algorithm: Algorithm) -> PathBuf {
        self.dir.join(format!("{}-intermediate.key", stem(algorithm)))
    }

    /// The Ed25519 root's name and key, signed by the P-256 root.
    pub(crate) fn cross(&self) -> PathBuf {
        self.dir.join("ed25519-root-cross.crt")
    }

    /// Every file that must be there, but for the marker and the bundle, which can be made again.
    pub(crate) fn indispensable(&self) -> Vec<PathBuf> {
        let mut all = vec![self.cross()];
        for algorithm in ALGORITHMS {
            all.push(self.root(algorithm));
            all.push(self.root_key(algorithm));
            all.push(self.intermediate(algorithm));
            all.push(self.intermediate_key(algorithm));
        }
        all
    }
}

fn stem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::EcdsaP256 => "p256",
    }
}

/// P-256 first: a tool that reads only the first certificate of the bundle gets the root that
/// every client understands, and that is enough for both chains.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

//! Certificates: our roots, and the leaves we serve.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::wire_words;

/// `GET /api/v1/tls`, and the answer to a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateList {
    /// Two for each service, by name.
    pub certs: Vec<Certificate>,
    /// What `after` takes to go on; absent at the end, and when no limit was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// `GET /api/v1/tls/{name}/inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateReply {
    /// Which service.
    pub name: String,
    /// Its leaves, with all that they hold.
    pub certs: Vec<Certificate>,
}

/// `POST /api/v1/tls/{name}/rotate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotateReply {
    /// Of the catalog, which a rotation does not change.
    pub generation: u64,
    /// Which service.
    pub name: String,
    /// Its new leaves.
    pub certs: Vec<Certificate>,
}

/// One leaf that we serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// The service.
    pub name: String,
    /// Its primary host.
    pub domain: String,
    /// Every host it is good for.
    pub sans: Vec<String>,
    /// Of its key: `ed25519` or `ecdsa-p256`.
    pub algorithm: String,
    /// Who it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// In hexadecimal.
    pub serial: String,
    /// Valid from.
    #[schema(format = DateTime)]
    pub not_before: String,
    /// Valid until.
    #[schema(format = DateTime)]
    pub not_after: String,
    /// When it is due for renewal.
    #[schema(format = DateTime)]
    pub renew_at: String,
    /// SHA-256 over its DER, in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// Where it is in its life.
    pub status: CertificateStatus,
    /// What its key may be used for; in the details only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_usages: Vec<String>,
    /// The certificate; in the details only. Keys never travel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
}

wire_words! {
    /// Where a leaf is in its life.
    CertificateStatus {
        /// It has ended.
        Expired => "expired",
        /// It is due for renewal.
        Expiring => "expiring",
        /// It is good.
        Valid => "valid",
    }
}

/// `GET /api/v1/tls/ca`: everything a client needs to trust us, and nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Authority {
    /// Both roots in PEM, to give to a trust store.
    pub bundle_pem: String,
    /// The roots; either is enough.
    pub roots: Vec<AuthorityCertificate>,
    /// What signs the leaves.
    pub intermediates: Vec<AuthorityCertificate>,
}

/// One certificate of the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorityCertificate {
    /// Who it is.
    pub subject: String,
    /// Of its key.
    pub algorithm: String,
    /// SHA-256 over its DER, in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// Valid from.
    #[schema(format = DateTime)]
    pub not_before: String,
    /// Valid until.
    #[schema(format = DateTime)]
    pub not_after: String,
    /// The certificate.
    pub pem: String,
}

//! Entries of the record, as they go out.

use conduit_api::v1::audit as wire;
use conduit_audit::entry::Entry;
use conduit_audit::proof::{Proof, Sealed};
use conduit_audit::verify::Report;

/// One entry.
pub(crate) fn entry(entry: Entry) -> wire::AuditEntry {
    wire::AuditEntry {
        timestamp: entry.at.to_string(),
        action: entry.action,
        status: entry.status.as_str().to_owned(),
        message: entry.message,
        user: entry.user,
        details: entry.details,
        sequence: entry.sequence,
        id: entry.id,
        hash: entry.hash,
        previous_hash: entry.previous_hash,
    }
}

/// An entry with what proves it.
pub fn proof(proof: Proof) -> wire::AuditProof {
    let failure = proof.judge().err().map(|fault| fault.to_string());
    wire::AuditProof {
        valid: failure.is_none(),
        failure,
        entry: sealed(proof.entry),
        next: proof.next.map(sealed),
    }
}

fn sealed(sealed: Sealed) -> wire::SealedEntry {
    wire::SealedEntry {
        document: sealed.document,
        hash: sealed.hash,
        signature: sealed.signature,
        public_key: sealed.public_key,
    }
}

/// What a verification found.
pub fn report(report: &Report) -> wire::AuditReport {
    let failures = report.failures.iter().map(|failure| wire::AuditFailure {
        sequence: failure.index,
        message: failure.fault.to_string(),
    });
    wire::AuditReport {
        valid: report.valid(),
        entries: report.entries,
        head: report.head.clone(),
        failures: failures.collect(),
    }
}

//! `conduit audit prove`, and `audit verify --proof`: one entry, to be judged without its record.

use std::path::Path;

use conduit_admin::verdict;
use conduit_api::v1::audit::{AuditProof, SealedEntry};
use conduit_audit::proof::{Proof, Sealed, Shown};

use crate::cli::args::{ProveArgs, VerifyArgs};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::{DATABASE, Session};
use crate::cli::written;

use super::SEAL;

/// Prints the proof of an entry; the gateway is asked, and only when none answers its files.
pub(super) async fn prove(session: &Session, args: &ProveArgs) -> Result<Exit, Failure> {
    let proof = match session.gateway().await? {
        Ok(client) => client.audit_proof(args.sequence).await?.value,
        Err(_) => from_files(session, args.sequence)?,
    };
    let judged = proof_of(&proof).judge();
    if args.output.json {
        session.printer.json(&proof)?;
    } else {
        session.printer.text(&match &judged {
            Ok(shown) => told(shown),
            Err(fault) => format!("NOT VALID: {fault}\n"),
        })?;
    }
    Ok(if judged.is_ok() { Exit::Success } else { Exit::Failed })
}

/// Judges a proof in a file, with nothing but the key that its reader trusts.
pub(super) fn verify(session: &Session, file: &Path, args: &VerifyArgs) -> Result<Exit, Failure> {
    let proof = read(file)?;
    let judged = proof_of(&proof).judge();
    let is_known = |shown: &Shown| {
        args.key.as_ref().is_none_or(|key| key.trim().eq_ignore_ascii_case(&shown.public_key))
    };
    let (text, is_good) = match &judged {
        Ok(shown) if is_known(shown) => (format!("valid: {}", told(shown)), true),
        Ok(shown) => (format!("NOT VALID: it is sealed by another key\n{}", told(shown)), false),
        Err(fault) => (format!("NOT VALID: {fault}\n"), false),
    };
    if args.output.json {
        let failure = judged.err().map(|fault| fault.to_string());
        let other = || "it is sealed by another key".to_owned();
        let failure = failure.or_else(|| (!is_good).then(other));
        session.printer.json(&AuditProof { valid: is_good, failure, ..proof })?;
    } else {
        session.printer.text(&text)?;
    }
    Ok(if is_good { Exit::Success } else { Exit::Failed })
}

fn from_files(session: &Session, sequence: u64) -> Result<AuditProof, Failure> {
    let state_dir = session.state_dir()?;
    let proof = Proof::from_file(&state_dir.join(DATABASE), &state_dir.join(SEAL), sequence);
    let proof = proof.map_err(|error| {
        Failure::of(&error).hint("name the gateway's configuration with --config")
    })?;
    let proof = proof.ok_or_else(|| {
        Failure::new(format!("there is no entry {sequence}"))
            .hint("`conduit audit tail` shows the newest with their numbers")
    })?;
    Ok(verdict::proof(proof))
}

fn read(file: &Path) -> Result<AuditProof, Failure> {
    let bytes = written::bytes(file, PROOF_BYTES_MAX)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(format!("{} is no proof of an entry: {error}", file.display()))
            .hint("`conduit audit prove NUMBER --json` writes one")
    })
}

fn told(shown: &Shown) -> String {
    let entry = &shown.entry;
    let next = match shown.is_followed {
        true => format!("entry {} follows it", entry.sequence + 1),
        false => "it is the newest".to_owned(),
    };
    format!(
        "entry {}: {}\nat     {}\nby     {}\nwhat   {} ({})\nhash   {}\nkey    {}\nplace  {next}\n",
        entry.sequence,
        entry.message,
        entry.at,
        entry.user,
        entry.action,
        entry.status.as_str(),
        entry.hash,
        shown.public_key,
    )
}

fn proof_of(wire: &AuditProof) -> Proof {
    let sealed = |sealed: &SealedEntry| Sealed {
        document: sealed.document.clone(),
        hash: sealed.hash.clone(),
        signature: sealed.signature.clone(),
        public_key: sealed.public_key.clone(),
    };
    Proof { entry: sealed(&wire.entry), next: wire.next.as_ref().map(sealed) }
}

/// The largest file that is read: two entries, each character of them escaped.
const PROOF_BYTES_MAX: usize = 16 << 20;

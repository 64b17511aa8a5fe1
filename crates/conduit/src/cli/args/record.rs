//! What can be typed about the record and about tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use conduit_api::v1::audit::PAGE_MAX;

use super::Json;
use crate::cli::candidates;

/// `conduit audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: AuditAction,
}

/// What to do with the record.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Show the newest entries
    Tail(TailArgs),
    /// Verify hashes, signatures and the chain, from the files; the gateway need not run
    Verify(VerifyArgs),
    /// Show that an entry is sealed, in a form that can be kept and judged elsewhere
    Prove(ProveArgs),
    /// Print every entry, oldest first, one JSON object per line; the gateway need not run
    Export,
}

/// `conduit audit tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// How many entries
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_MAX)))]
    pub(crate) lines: u32,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit audit verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Verify this proof of one entry instead; nothing else is needed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) proof: Option<PathBuf>,
    /// The public key that the proof has to be sealed by, in hexadecimal
    #[arg(long, value_name = "KEY", requires = "proof")]
    pub(crate) key: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit audit prove`.
#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    /// The entry's number, as `conduit audit tail` shows it
    #[arg(value_name = "NUMBER")]
    pub(crate) sequence: u64,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: TokenAction,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a token; its secret is shown once
    Create(CreateTokenArgs),
    /// List tokens
    List(Json),
    /// Revoke a token
    Revoke(RevokeArgs),
}

/// `conduit token create`.
#[derive(Debug, Args)]
pub(crate) struct CreateTokenArgs {
    /// What the token is called
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What its holder may do
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = RoleArg::Viewer)]
    pub(crate) role: RoleArg,
    /// Of which part of the API: access, alerts, audit, dns, events, gateway, metrics, nodes, services,
    /// tls; services:PATTERN and tls:PATTERN change those services only; repeat it for several
    #[arg(long, value_name = "SCOPE", value_delimiter = ',',
        add = ArgValueCandidates::new(candidates::scopes))]
    pub(crate) scope: Vec<String>,
    /// How long it is good, such as 90d; without it, until revoked
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// What a user or the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Read everything that is not secret
    Viewer,
    /// Also register, deregister, rotate and flush
    Operator,
    /// Read, and rotate and issue certificates
    CaOfficer,
    /// Read, also who gets in: tokens and users
    Auditor,
    /// Do everything
    Admin,
}

/// `conduit token revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The token's id, from `conduit token list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

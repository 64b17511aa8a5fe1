//! What can be typed about people who may log in.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{Json, RoleArg};

/// `conduit user`.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: UserAction,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// Add a user; the password is asked for, or read from standard input
    Add(AddUserArgs),
    /// List users
    List(ListUsersArgs),
    /// Remove a user; their sessions end at once, their row stays
    Remove(UserNamed),
    /// Set a user's password; their sessions end at once
    Passwd(PasswdArgs),
    /// Change what a user may do; it holds at once
    Role(UserRoleArgs),
}

/// `conduit user add`.
#[derive(Debug, Args)]
pub(crate) struct AddUserArgs {
    /// What they are called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What they may do
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = RoleArg::Viewer)]
    pub(crate) role: RoleArg,
    /// Where the password comes from
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Add them without a password
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) no_password: bool,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// Where a password comes from; never the command line, which others can see.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of this file; "-" is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

/// `conduit user list`.
#[derive(Debug, Args)]
pub(crate) struct ListUsersArgs {
    /// Removed ones too
    #[arg(long)]
    pub(crate) all: bool,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// One user.
#[derive(Debug, Args)]
pub(crate) struct UserNamed {
    /// What they are called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit user passwd`.
#[derive(Debug, Args)]
pub(crate) struct PasswdArgs {
    /// What they are called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Where the password comes from
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit user role`.
#[derive(Debug, Args)]
pub(crate) struct UserRoleArgs {
    /// What they are called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What they may do from now on
    #[arg(value_name = "ROLE", value_enum)]
    pub(crate) role: RoleArg,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

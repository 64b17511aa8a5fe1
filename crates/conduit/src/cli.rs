//! The command line: parses what was typed, asks the gateway, prints the answer.
//!
//! `serve`, `setup`, `restore`, `audit verify`, `config check|show`, `completions` and `man` work on this
//! machine's files; `doctor` looks at both; every other verb is a client of the running gateway.
//!
//! **Invariant:** standard output holds the answer and nothing else; everything that is told
//! besides goes to standard error.

mod args;
mod audit;
mod backup;
mod ca;
mod candidates;
mod certs;
mod completions;
mod config;
mod daemon;
mod deregister;
mod dns;
mod doctor;
mod exit;
mod import;
mod login;
mod logs;
mod man;
mod monitor;
mod output;
mod password;
mod policy;
mod register;
mod resolvers;
mod restore;
mod session;
mod setup;
mod status;
mod status_lines;
mod takeover;
mod token;
mod upgrade;
mod upstream;
mod user;
mod written;

#[cfg(any(test, fuzzing))]
pub(crate) use self::takeover::fuzzed as import_file;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::{Cli, Verb};
pub use self::exit::Exit;
use self::exit::Failure;
use self::session::Session;

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    completions::answer();
    run(std::env::args_os()).into()
}

/// The grammar, to generate documents from.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line; the first argument is the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; whoever closed the pipe has read enough.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                output::notice(text.trim_end());
            }
            failure.exit
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let session = Session::new(cli.config.as_deref(), cli.socket);
    match cli.verb {
        Verb::Serve => return daemon::serve(|| session.source.load()),
        Verb::Setup(args) => setup::run(&session, &args)?,
        Verb::Completions(args) => completions::run(&session, args.shell)?,
        Verb::Man => man::run(&session)?,
        Verb::Logs(args) => logs::run(&session, &args)?,
        Verb::Config(args) => config::run(&session, args.action)?,
        Verb::Audit(args) => return audit::run(&session, args.action),
        Verb::Status(args) => return session.block_on(status::run(&session, &args)),
        Verb::Register(args) => session.block_on(register::run(&session, *args))?,
        Verb::Deregister(args) => session.block_on(deregister::run(&session, args))?,
        Verb::Import(args) => session.block_on(takeover::run(&session, &args))?,
        Verb::Monitor(args) => session.block_on(monitor::run(&session, *args))?,
        Verb::Upstream(args) => session.block_on(upstream::run(&session, args.action))?,
        Verb::Certs(args) => session.block_on(certs::run(&session, args))?,
        Verb::Ca(args) => session.block_on(ca::run(&session, args.action))?,
        Verb::Doctor(args) => return session.block_on(doctor::run(&session, args)),
        Verb::Dns(args) => session.block_on(dns::run(&session, args))?,
        Verb::Login(args) => session.block_on(login::run(&session, args))?,
        Verb::User(args) => session.block_on(user::run(&session, args.action))?,
        Verb::Token(args) => session.block_on(token::run(&session, args.action))?,
        Verb::Backup(args) => session.block_on(backup::run(&session, args))?,
        Verb::Upgrade(args) => session.block_on(upgrade::run(&session, args))?,
        Verb::Restore(args) => restore::run(&session, &args)?,
    }
    Ok(Exit::Success)
}

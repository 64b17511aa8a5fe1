//! `conduit completions`: a script that asks this binary what fits, at each TAB.
//!
//! So flags are those of the binary that is there, and names those of the services that are
//! registered now.

use clap::CommandFactory;
use clap_complete::env::{CompleteEnv, Shells};

use super::args::{Cli, ShellArg};
use super::exit::Failure;
use super::session::Session;

/// Prints the completions of one shell.
pub(crate) fn run(session: &Session, shell: ShellArg) -> Result<(), Failure> {
    session.printer.text(&script(shell)?)
}

/// Answers a shell that asks what fits, and ends the process; does nothing otherwise.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin(BINARY).complete();
}

fn script(shell: ShellArg) -> Result<String, Failure> {
    let shells = Shells::builtins();
    let failed = |reason: &str| Failure::new(format!("cannot write the completions: {reason}"));
    let completer = shells.completer(shell.as_str()).ok_or_else(|| failed("unknown shell"))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, BINARY, BINARY, BINARY, &mut script)
        .map_err(|error| failed(&error.to_string()))?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Set by the script when it asks.
const VARIABLE: &str = "CONDUIT_COMPLETE";
/// What the scripts call, found in the PATH.
const BINARY: &str = "conduit";

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn every_script_asks_this_binary() {
        for shell in [ShellArg::Bash, ShellArg::Zsh, ShellArg::Fish] {
            let script = script(shell).expect("a script");
            assert!(script.contains(VARIABLE), "{script}");
            assert!(script.contains(shell.as_str()), "{script}");
        }
    }

    fn offered(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let last = words.len() - 1;
        let found = clap_complete::engine::complete(&mut Cli::command(), words, last, None);
        let found = found.expect("candidates");
        found.iter().map(|c| c.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn verbs_flags_and_words_are_offered() {
        for verb in Cli::command().get_subcommands() {
            assert!(offered("conduit ").contains(&verb.get_name().to_owned()));
        }
        assert!(offered("conduit register --pre").contains(&"--preset".to_owned()));
        assert!(offered("conduit register --preset ").contains(&"ollama".to_owned()));
        assert_eq!(offered("conduit register --preset a"), ["auto"]);
        assert_eq!(offered("conduit register --balance pe"), ["peak-ewma"]);
        assert_eq!(offered("conduit register --protocol h2"), ["h2c"]);
        assert_eq!(offered("conduit dns resolve x.internal --type SV"), ["SVCB"]);
        assert_eq!(offered("conduit dns why x.internal SO"), ["SOA"]);
    }
}

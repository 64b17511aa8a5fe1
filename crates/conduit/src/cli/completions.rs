//! `conduit completions`: generated from the flags.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::{Cli, ShellArg};
use super::exit::Failure;
use super::session::Session;

/// Prints the completions of one shell.
pub(crate) fn run(session: &Session, shell: ShellArg) -> Result<(), Failure> {
    session.printer.text(&script(shell.into()))
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "conduit", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_knows_every_verb() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for verb in Cli::command().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell}: {}", verb.get_name());
            }
        }
    }
}

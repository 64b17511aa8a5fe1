//! `conduit man`: the manual page, generated from the flags.

use clap::CommandFactory;

use super::args::Cli;
use super::exit::Failure;
use super::session::Session;

/// Prints the page in roff.
pub(crate) fn run(session: &Session) -> Result<(), Failure> {
    session.printer.text(&page()?)
}

fn page() -> Result<String, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot write the manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_verb() {
        let page = page().expect("a page");
        for verb in Cli::command().get_subcommands() {
            assert!(page.contains(verb.get_name()), "{}", verb.get_name());
        }
    }
}

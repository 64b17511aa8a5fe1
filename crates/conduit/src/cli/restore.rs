//! `conduit restore`: a backup, back into the state directory, while no gateway runs.

use super::args::RestoreArgs;
use super::exit::Failure;
use super::session::Session;
use crate::restore::{Restored, restore};

/// Unpacks, verifies, puts in place and says what there is now.
pub(crate) fn run(session: &Session, args: &RestoreArgs) -> Result<(), Failure> {
    let loaded = session.load()?;
    let file = session.source.surroundings().absolute(&args.file);
    let restored =
        restore(&loaded.config, &file, args.force).map_err(|error| Failure::of(&error))?;
    let directory = loaded.config.gateway.state_dir.display().to_string();
    session.printer.text(&text(&directory, &restored))
}

fn text(directory: &str, restored: &Restored) -> String {
    let Restored { services, entries, aside, config } = restored;
    let mut text = format!(
        "restored into {directory}: {services} services, {entries} entries, the record verifies\n"
    );
    if let Some(aside) = aside {
        text.push_str(&format!("the former state is in {}\n", aside.display()));
    }
    if let Some(config) = config {
        let config = config.display();
        text.push_str(&format!("the configuration of then is {config}; nothing reads it\n"));
    }
    text.push_str("start the gateway, and it is what it was\n");
    text
}

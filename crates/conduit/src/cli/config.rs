//! `conduit config`: the same parser as `serve`, and the running gateway's reload.

use conduit_api::v1::config::{ConfigReply, ReloadReply};

use super::args::{ConfigAction, Json};
use super::exit::Failure;
use super::session::Session;
use crate::config::Loaded;

/// Checks, shows or reloads.
pub(crate) fn run(session: &Session, action: ConfigAction) -> Result<(), Failure> {
    match action {
        ConfigAction::Check => session.printer.text(&checked(&session.load()?)),
        ConfigAction::Show(Json { json: false }) => {
            session.printer.text(&session.load()?.config.show())
        }
        ConfigAction::Show(Json { json: true }) => {
            session.printer.json(&effective(&session.load()?))
        }
        ConfigAction::Reload(Json { json }) => session.block_on(async {
            let reply = session.client().await?.reload().await?;
            session.print(json, &reply, reloaded)
        }),
    }
}

/// As the running gateway tells it of itself.
fn effective(Loaded { config, path, .. }: &Loaded) -> ConfigReply {
    let file = path.as_ref().map(|path| path.display().to_string());
    ConfigReply { file, toml: config.show(), config: config.to_json() }
}

fn checked(loaded: &Loaded) -> String {
    match &loaded.path {
        Some(path) => format!("{}: ok\n", path.display()),
        None => "no configuration file; the defaults are ok\n".to_owned(),
    }
}

fn reloaded(reply: &ReloadReply) -> String {
    if reply.applied.is_empty() && reply.needs_restart.is_empty() {
        return "nothing has changed\n".to_owned();
    }
    let mut text = String::new();
    if !reply.applied.is_empty() {
        text.push_str(&format!("applied: {}\n", reply.applied.join(", ")));
    }
    if !reply.needs_restart.is_empty() {
        text.push_str(&format!("needs a restart: {}\n", reply.needs_restart.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_names_what_waits_for_a_restart() {
        let reply = |applied: &[&str], needs_restart: &[&str]| ReloadReply {
            applied: applied.iter().map(|&key| key.to_owned()).collect(),
            needs_restart: needs_restart.iter().map(|&key| key.to_owned()).collect(),
        };
        assert_eq!(reloaded(&reply(&[], &[])), "nothing has changed\n");
        assert_eq!(
            reloaded(&reply(&["log.level"], &["dns.listen", "proxy.workers"])),
            "applied: log.level\nneeds a restart: dns.listen, proxy.workers\n"
        );
    }
}

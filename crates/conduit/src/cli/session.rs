//! What every verb has: the configuration's source, a way to the gateway, and somewhere to print.
//!
//! **Invariant:** a socket that was named is the only one tried; only when none was named are the
//! usual places searched.

use std::path::{Path, PathBuf};

use conduit_api::client::{Client, Reply};

use super::exit::Failure;
use super::output::{Printer, notice};
use crate::config::{Loaded, Source, Surroundings};

/// One run of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) printer: Printer,
    pub(crate) source: Source,
    /// From `--config`: then nothing but its socket is tried.
    named_config: bool,
    socket: Option<PathBuf>,
}

impl Session {
    pub(crate) fn new(config: Option<&Path>, socket: Option<PathBuf>) -> Self {
        Self {
            printer: Printer::of_this_process(),
            source: Source::new(config, Surroundings::of_this_process()),
            named_config: config.is_some(),
            socket,
        }
    }

    /// The configuration, its warnings told.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let loaded = self.source.load()?;
        for warning in &loaded.warnings {
            notice(&format!("warning: {warning}"));
        }
        Ok(loaded)
    }

    /// Runs a client verb to its end.
    pub(crate) fn block_on<T>(
        &self,
        verb: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(verb)
    }

    /// A client of the gateway that answers.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::first_reachable(self.sockets()?).await?)
    }

    /// Prints the API's body when asked to, else what `text` makes of the answer.
    pub(crate) fn print<T>(
        &self,
        json: bool,
        reply: &Reply<T>,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if json { self.printer.body(&reply.body) } else { self.printer.text(&text(&reply.value)) }
    }

    fn sockets(&self) -> Result<Vec<PathBuf>, Failure> {
        let surroundings = self.source.surroundings();
        let variable = surroundings
            .variables
            .get("CONDUIT_SOCKET")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        if let Some(socket) = self.socket.clone().or(variable) {
            return Ok(vec![socket]);
        }
        let configured = match self.source.load() {
            Ok(loaded) => Some(loaded.config.admin.socket),
            Err(error) if self.named_config => return Err(error.into()),
            Err(error) => {
                // A gateway that runs can be asked, whatever became of its file since.
                notice(&format!("warning: {error}"));
                None
            }
        };
        if self.named_config {
            return Ok(configured.into_iter().collect());
        }
        let mut all: Vec<PathBuf> = Vec::new();
        for socket in configured.into_iter().chain(surroundings.usual_sockets()) {
            if !all.contains(&socket) {
                all.push(socket);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn session(config: Option<&Path>, socket: Option<&str>, variables: &[(&str, &str)]) -> Session {
        let surroundings = Surroundings {
            root: false,
            home: Some("/nowhere/ops".into()),
            working_dir: "/nowhere".into(),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        };
        Session {
            printer: Printer::of_this_process(),
            source: Source::new(config, surroundings),
            named_config: config.is_some(),
            socket: socket.map(PathBuf::from),
        }
    }

    fn tried(session: &Session) -> Vec<String> {
        let sockets = session.sockets().expect("sockets");
        sockets.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_named_socket_is_the_only_one() {
        let variables = [("CONDUIT_SOCKET", "/v.sock")];
        assert_eq!(tried(&session(None, Some("/f.sock"), &variables)), ["/f.sock"]);
        assert_eq!(tried(&session(None, None, &variables)), ["/v.sock"]);
    }

    #[test]
    fn without_a_name_the_usual_places_are_searched_in_order() {
        assert_eq!(
            tried(&session(None, None, &[("CONDUIT_CONFIG_DIR", "/state")])),
            [
                "/state/conduit.sock",
                "/nowhere/.conduit/conduit.sock",
                "/nowhere/ops/.config/qp-conduit/conduit.sock",
                "/run/conduit/conduit.sock"
            ]
        );
    }

    #[test]
    fn a_named_configuration_must_be_there_and_names_its_gateway() {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("conduit.toml");
        assert!(session(Some(&file), None, &[]).sockets().is_err());
        std::fs::write(&file, "[admin]\nsocket = \"/run/other.sock\"\n").expect("written");
        assert_eq!(tried(&session(Some(&file), None, &[])), ["/run/other.sock"]);
    }
}

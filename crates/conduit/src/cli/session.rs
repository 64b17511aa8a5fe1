//! What every verb has: the configuration's source, a way to the gateway, and somewhere to print.
//!
//! **Invariant:** a socket that was named is the only one tried; only when none was named are the
//! usual places searched.

use std::path::{Path, PathBuf};

use conduit_api::client::{Client, Reply};
use conduit_api::error::ClientError;

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
        let done = runtime.block_on(verb);
        // A resolver or a mount that hangs has been told of; nobody waits for it.
        runtime.shutdown_background();
        done
    }

    /// Whether only the configuration that was named says where the gateway's socket is.
    pub(crate) fn needs_config_for_socket(&self) -> bool {
        self.named_config && self.named_socket().is_none()
    }

    /// A client of the gateway that answers.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::first_reachable(self.sockets()?).await?)
    }

    /// A client, or why none of the usual places answers; one that was named must answer.
    pub(crate) async fn gateway(&self) -> Result<Result<Client, ClientError>, Failure> {
        match Client::first_reachable(self.sockets()?).await {
            Err(error @ ClientError::Unreachable { .. }) if self.named_socket().is_none() => {
                Ok(Err(error))
            }
            answer => Ok(Ok(answer?)),
        }
    }

    /// The state directory, for what works on files: the configured one, else the first of the
    /// usual places that holds a record.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, Failure> {
        let configured = match self.load() {
            Ok(loaded) => Some(loaded.config.gateway.state_dir),
            Err(failure) if self.named_config => return Err(failure),
            Err(failure) => {
                // Its files can be read, whatever became of its configuration since.
                notice(&format!("warning: {}", failure.message));
                None
            }
        };
        if let (Some(state_dir), true) = (&configured, self.named_config) {
            return Ok(state_dir.clone());
        }
        let usual = self.source.surroundings().usual_state_dirs();
        let all = first_of_each(configured.into_iter().chain(usual));
        // A directory that may not be looked into is one: reading it will say why not.
        let found = all.iter().find(|dir| !matches!(dir.join(DATABASE).try_exists(), Ok(false)));
        found.cloned().ok_or_else(|| {
            let tried: Vec<String> = all.iter().map(|dir| dir.display().to_string()).collect();
            Failure::new(format!("there is no {DATABASE}; looked in {}", tried.join(", ")))
                .hint("name the gateway's configuration with --config")
        })
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
        if let Some(socket) = self.named_socket() {
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
        let usual = self.source.surroundings().usual_sockets();
        Ok(first_of_each(configured.into_iter().chain(usual)))
    }

    fn named_socket(&self) -> Option<PathBuf> {
        let variable = || self.source.surroundings().variables.get("CONDUIT_SOCKET");
        let named = || variable().filter(|path| !path.is_empty()).map(PathBuf::from);
        self.socket.clone().or_else(named)
    }
}

fn first_of_each(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

/// The registry and the record, in a state directory.
pub(crate) const DATABASE: &str = "conduit.db";

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
    fn files_are_looked_for_where_sockets_are() {
        let directory = tempfile::tempdir().expect("directory");
        let mut session = session(None, None, &[]);
        let surroundings = Surroundings {
            working_dir: directory.path().to_owned(),
            ..session.source.surroundings().clone()
        };
        session.source = Source::new(None, surroundings);
        let failure = session.state_dir().expect_err("nowhere");
        let local = directory.path().join(".conduit");
        for place in ["/nowhere/ops/.config/qp-conduit", "/.conduit", "/var/lib/conduit"] {
            assert!(failure.message.contains(place), "{failure}");
        }
        std::fs::create_dir(&local).expect("made");
        std::fs::write(local.join(DATABASE), "").expect("written");
        assert_eq!(session.state_dir().expect("found"), local);
        let file = directory.path().join("conduit.toml");
        std::fs::write(&file, "[gateway]\nstate_dir = \"/elsewhere\"\n").expect("written");
        session.source = Source::new(Some(&file), session.source.surroundings().clone());
        session.named_config = true;
        assert_eq!(session.state_dir().expect("named"), Path::new("/elsewhere"));
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

//! Finding and reading the configuration, and the places that depend on who runs Conduit.
//!
//! **Invariant:** a file that was asked for and is missing is an error; one that nobody asked for
//! is not.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::Places;
use super::file::File;
use super::{Config, ConfigError, check, env};

/// What the process is in: who runs it, where, and with which variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether it runs as root.
    pub root: bool,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// What relative paths are relative to.
    pub working_dir: PathBuf,
    /// The `CONDUIT_*` variables.
    pub variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// Reads them from this process, once.
    pub fn of_this_process() -> Self {
        let prefixed = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok()?;
            let ours = name.starts_with("CONDUIT_");
            ours.then(|| (name, value.to_string_lossy().into_owned()))
        };
        Self {
            root: rustix::process::geteuid().is_root(),
            home: std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()),
            working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            variables: std::env::vars_os().filter_map(prefixed).collect(),
        }
    }

    /// The state directory when none is configured.
    pub(crate) fn default_state_dir(&self, app: &str) -> PathBuf {
        match (&self.home, self.root) {
            (_, true) => PathBuf::from(ROOT_STATE_DIR),
            (Some(home), false) => home.join(".config").join(app),
            (None, false) => self.working_dir.join(LOCAL_STATE_DIR),
        }
    }

    /// The socket when none is configured. Root's well-known place belongs to the well-known
    /// state: a second instance with its own state directory has its own socket in it.
    pub(crate) fn default_socket(&self, state_dir: &Path, default_state: bool) -> PathBuf {
        if self.root && default_state {
            PathBuf::from(ROOT_SOCKET)
        } else {
            state_dir.join(SOCKET_NAME)
        }
    }

    /// The path with the working directory in front and `.` taken out.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.working_dir.join(path).components().collect()
    }

    /// Sockets a client tries when neither flag, variable nor configuration names one.
    pub(crate) fn usual_sockets(&self) -> Vec<PathBuf> {
        let own =
            self.usual_state_dirs().into_iter().filter(|dir| dir != Path::new(ROOT_STATE_DIR));
        let own = own.map(|dir| dir.join(SOCKET_NAME));
        own.chain([PathBuf::from(ROOT_SOCKET)]).collect()
    }

    /// State directories in the order in which a client tries their sockets.
    pub(crate) fn usual_state_dirs(&self) -> Vec<PathBuf> {
        let mut all = vec![self.working_dir.join(LOCAL_STATE_DIR)];
        if let Some(home) = &self.home {
            let app = self.variables.get("CONDUIT_APP_NAME").map_or("qp-conduit", String::as_str);
            all.push(home.join(".config").join(app));
        }
        all.push(PathBuf::from(ROOT_STATE_DIR));
        all
    }

    /// Where a configuration is looked for when none was asked for, in order.
    pub(crate) fn usual_configs(&self) -> Vec<PathBuf> {
        let app = self.variables.get("CONDUIT_APP_NAME").map_or("qp-conduit", String::as_str);
        let state = self
            .variables
            .get("CONDUIT_CONFIG_DIR")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| self.default_state_dir(app), |dir| self.absolute(Path::new(dir)));
        vec![state.join(CONFIG_NAME), PathBuf::from(SYSTEM_CONFIG)]
    }
}

/// Where a configuration comes from; loading it again is a reload.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file that `--config` or `CONDUIT_CONFIG` asked for.
    asked: Option<PathBuf>,
    surroundings: Surroundings,
}

impl Source {
    /// A file that was asked for with a flag, or whatever the usual places hold.
    pub fn new(flag: Option<&Path>, surroundings: Surroundings) -> Self {
        let variable = surroundings.variables.get("CONDUIT_CONFIG").filter(|path| !path.is_empty());
        let asked =
            flag.or_else(|| variable.map(Path::new)).map(|path| surroundings.absolute(path));
        Self { asked, surroundings }
    }

    /// What the process is in.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The file this source reads now: the one asked for, else the first that exists.
    pub fn path(&self) -> Option<PathBuf> {
        self.asked
            .clone()
            .or_else(|| self.surroundings.usual_configs().into_iter().find(|path| path.is_file()))
    }

    /// Where `conduit setup` writes: the file this source reads, or the first usual place.
    pub fn path_to_write(&self) -> PathBuf {
        let usual = || self.surroundings.usual_configs().into_iter().next().unwrap_or_default();
        self.path().unwrap_or_else(usual)
    }

    /// Reads and judges everything.
    ///
    /// # Errors
    /// When the file that was asked for cannot be read, or something in it, in the environment
    /// file or in the environment is wrong.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let path = self.path();
        let text = match &path {
            Some(path) => read(path)?,
            None => String::new(),
        };
        let directory =
            path.as_deref().and_then(Path::parent).unwrap_or(&self.surroundings.working_dir);
        let env_path = directory.join(env::FILE_NAME);
        let env_text = match read(&env_path) {
            Err(ConfigError::Read { source, .. }) if is_absent(&source) => String::new(),
            other => other?,
        };
        self.judge(path, &text, &env_text)
    }

    /// The pure half of [`Self::load`], and what `setup` tries a text with before writing it.
    pub(crate) fn judge(
        &self,
        path: Option<PathBuf>,
        text: &str,
        env_text: &str,
    ) -> Result<Loaded, ConfigError> {
        let places = Places { path: path.as_deref(), text };
        let mut file: File = toml::from_str(text).map_err(|error| places.syntax(&error))?;
        let warnings = env::apply(&mut file, env_text, &self.surroundings.variables);
        let config =
            check::resolve(&file, &self.surroundings).map_err(|all| places.report(&all))?;
        Ok(Loaded { config, path, warnings, source: self.clone() })
    }
}

/// A configuration, where it was found, and what is odd about it without being wrong.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file it was read from; none when defaults and environment are all there is.
    pub path: Option<PathBuf>,
    /// For the operator.
    pub warnings: Vec<String>,
    /// To load it again.
    pub source: Source,
}

/// A file's text alone.
pub(crate) fn parse(text: &str, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let bare = Surroundings { variables: BTreeMap::new(), ..surroundings.clone() };
    Ok(Source::new(None, bare).judge(None, text, "")?.config)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    let limit = CONFIG_BYTES_MAX + 1;
    let size = file.take(limit).read_to_string(&mut text).map_err(failed)?;
    if size as u64 == limit {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

const ROOT_STATE_DIR: &str = "/var/lib/conduit";
const ROOT_SOCKET: &str = "/run/conduit/conduit.sock";
const LOCAL_STATE_DIR: &str = ".conduit";
const SOCKET_NAME: &str = "conduit.sock";
const CONFIG_NAME: &str = "conduit.toml";
const SYSTEM_CONFIG: &str = "/etc/conduit/conduit.toml";
const CONFIG_BYTES_MAX: u64 = 1 << 20;

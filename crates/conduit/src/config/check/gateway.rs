//! The gateway as a whole, its control plane and its log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use conduit_core::domains::Domains;
use conduit_core::name::Host;

use super::super::file::{self, File};
use super::super::value::{Origin, Text};
use super::super::{Admin, Gateway, Log, LogFormat, Surroundings};
use super::judge::Judge;
use super::oidc::oidc;
use super::parse;

/// The section, and whether the state directory is the default one.
pub(super) fn gateway(
    judge: &mut Judge,
    file: &File,
    surroundings: &Surroundings,
) -> (Gateway, bool) {
    let given = &file.gateway;
    let app = judge.take("CONDUIT_APP_NAME", &file.app_name, APP_NAME.to_owned(), app_name);
    let default_state = surroundings.default_state_dir(&app);
    let asked = given.state_dir.as_ref().filter(|dir| !dir.value.0.is_empty());
    let state_dir =
        judge.take("gateway.state_dir", &asked.cloned(), default_state.clone(), |text| {
            path(text, surroundings)
        });
    let is_default = state_dir == default_state;
    let gateway = Gateway {
        state_dir,
        domains: domains(judge, file),
        addresses: judge.list(
            "gateway.addresses",
            &given.addresses,
            Vec::new(),
            ADDRESSES_MAX,
            parse::answer_address,
        ),
        user: judge.take("gateway.user", &given.user, None, user),
        drain: judge.take("gateway.drain", &given.drain, DRAIN, |text| {
            parse::duration(text, Duration::ZERO, DRAIN_MAX)
        }),
        upgrade_drain: judge.take(
            "gateway.upgrade_drain",
            &given.upgrade_drain,
            UPGRADE_DRAIN,
            |text| parse::duration(text, Duration::ZERO, UPGRADE_DRAIN_MAX),
        ),
    };
    (gateway, is_default)
}

/// Socket and address of the control plane.
pub(super) fn admin(
    judge: &mut Judge,
    given: &file::Admin,
    state_dir: &Path,
    default_state: bool,
    surroundings: &Surroundings,
) -> Admin {
    let default_socket = surroundings.default_socket(state_dir, default_state);
    let asked = given.socket.as_ref().filter(|socket| !socket.value.0.is_empty());
    let socket = judge
        .take("admin.socket", &asked.cloned(), default_socket, |text| path(text, surroundings));
    if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let origin = asked.map_or(Origin::Default, |asked| asked.origin.clone());
        let reason = format!(
            "{} is longer than the {SOCKET_PATH_BYTES_MAX} bytes a socket's path may have; set a \
             shorter admin.socket",
            parse::short(&socket.display().to_string())
        );
        judge.refuse("admin.socket", &origin, reason);
    }
    let listen = judge.take("admin.listen", &given.listen, ADMIN_LISTEN, parse::listen);
    Admin { socket, listen, oidc: oidc(judge, &given.oidc) }
}

/// Level and format of the log.
pub(super) fn log(judge: &mut Judge, given: &file::Log) -> Log {
    Log {
        level: judge.take("log.level", &given.level, "info".to_owned(), parse::log_level),
        format: judge.take("log.format", &given.format, LogFormat::Auto, parse::log_format),
    }
}

fn domains(judge: &mut Judge, file: &File) -> Domains {
    let defaults = || {
        let hosts = DOMAINS.iter().filter_map(|text| Host::parse(text).ok());
        hosts.collect::<Vec<Host>>()
    };
    let given = &file.gateway.domains;
    let wrong_before = judge.problems.len();
    let hosts = judge.list("gateway.domains", given, defaults(), DOMAINS_MAX, parse::domain);
    let all_wrong = hosts.is_empty() && judge.problems.len() > wrong_before;
    Domains::new(hosts).unwrap_or_else(|error| {
        if !all_wrong {
            let origin = given.as_ref().map_or(Origin::Default, |g| g.origin.clone());
            judge.refuse("gateway.domains", &origin, error.to_string());
        }
        // Invariant: the defaults are three legal domains.
        Domains::new(defaults()).unwrap_or_else(|_| unreachable!("there are default domains"))
    })
}

fn user(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let legal = text.len() <= USER_BYTES_MAX
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.$".contains(&b));
    if legal {
        Ok(Some(text.to_owned()))
    } else {
        Err(format!("{:?} is not a user's name", parse::short(text)))
    }
}

fn app_name(text: &str) -> Result<String, String> {
    let legal = text.len() <= USER_BYTES_MAX
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if legal {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{:?} is not a directory's name; use letters, digits, '-', '_' and '.'",
            parse::short(text)
        ))
    }
}

/// A path, absolute or relative to the working directory.
pub(super) fn path(text: &str, surroundings: &Surroundings) -> Result<PathBuf, String> {
    if text.is_empty() || text.len() > PATH_BYTES_MAX || text.contains('\0') {
        return Err(format!("{:?} is not a path", parse::short(text)));
    }
    Ok(surroundings.absolute(Path::new(text)))
}

/// The same for a key that may be left out.
pub(super) fn optional_path(
    text: Option<&Text>,
    surroundings: &Surroundings,
) -> Result<Option<PathBuf>, String> {
    text.map(|text| path(&text.0, surroundings)).transpose()
}

const APP_NAME: &str = "qp-conduit";
const DOMAINS: [&str; 3] = ["internal", "local", "test"];
const DOMAINS_MAX: usize = 32;
const ADDRESSES_MAX: usize = 16;
const USER_BYTES_MAX: usize = 32;
const PATH_BYTES_MAX: usize = 4096;
/// `sun_path` holds 108 bytes, one of them the final zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
const DRAIN: Duration = Duration::from_secs(30);
const DRAIN_MAX: Duration = Duration::from_secs(3_600);
/// Long enough for nearly every stream: it costs the memory of a process, and cutting costs a user.
const UPGRADE_DRAIN: Duration = Duration::from_secs(24 * 3_600);
/// The longest that what is open may go on after an upgrade.
const UPGRADE_DRAIN_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
const ADMIN_LISTEN: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_999);

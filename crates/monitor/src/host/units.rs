//! The state of named systemd units: `systemctl show`, run only when there are names.
//!
//! **Invariant:** names are checked before they are kept, never begin with `-`, and stand after
//! `--`; no shell is involved.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::sensors::UNITS_MAX;
use crate::figures::UnitState;

/// Names of units that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units(Vec<String>);

impl Units {
    /// Checks names such as `docker.service`; without a dot, `.service` is meant.
    ///
    /// # Errors
    /// When a name cannot be a unit's, or there are more than 128.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidUnit> {
        let mut units = Vec::new();
        for name in names {
            let legal = |c: char| c.is_ascii_alphanumeric() || "_.:@\\-".contains(c);
            let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
            if !fits || name.starts_with('-') || !name.chars().all(legal) {
                return Err(InvalidUnit::Name(name.chars().take(NAME_BYTES_MAX).collect()));
            }
            let name = if name.contains('.') { name.into() } else { format!("{name}.service") };
            if !units.contains(&name) {
                units.push(name);
            }
        }
        if units.len() > UNITS_MAX { Err(InvalidUnit::TooMany) } else { Ok(Self(units)) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks systemd.
    ///
    /// # Errors
    /// In words for people, when it does not answer or not in time.
    pub(super) async fn ask(&self) -> Result<Vec<UnitState>, String> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = Command::new(PROGRAM);
        command.args(ARGUMENTS).args(&self.0).env("LC_ALL", "C").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = |error| format!("{PROGRAM} cannot be run: {error}");
        let mut child = command.spawn().map_err(failed)?;
        let mut printed = Vec::new();
        let read = async {
            if let Some(output) = child.stdout.take() {
                output.take(PRINTED_BYTES_MAX).read_to_end(&mut printed).await?;
            }
            child.wait().await
        };
        let within = DEADLINE.as_secs();
        match timeout(DEADLINE, read).await {
            Err(_) => Err(format!("{PROGRAM} did not answer within {within} s")),
            Ok(Err(error)) => Err(failed(error)),
            Ok(Ok(status)) if !status.success() => {
                Err(format!("{PROGRAM} failed; does systemd run here?"))
            }
            Ok(Ok(_)) => self.states(&String::from_utf8_lossy(&printed)),
        }
    }

    /// Takes apart what was printed: one paragraph for each name, in their order.
    fn states(&self, printed: &str) -> Result<Vec<UnitState>, String> {
        let mut paragraphs = printed.split("\n\n").filter(|text| !text.trim().is_empty());
        let mut states = Vec::with_capacity(self.0.len());
        for name in &self.0 {
            let text = paragraphs.next().unwrap_or_default();
            let value = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key));
            let Some(active) = value("ActiveState=") else {
                return Err(format!("{PROGRAM} does not say how {name} is"));
            };
            let is_there = value("LoadState=") != Some(NOT_FOUND);
            let active = if is_there { active } else { NOT_FOUND };
            states.push(UnitState { name: name.clone(), active: active.to_owned() });
        }
        Ok(states)
    }
}

/// Why a list of units is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    /// It cannot be a unit.
    #[error(
        "{0:?} is not a unit's name; use letters, digits and any of _ . : @ \\ -, no - in front"
    )]
    Name(String),
    /// There are too many.
    #[error("more than {UNITS_MAX} units; name those that matter")]
    TooMany,
}

/// What is run.
const PROGRAM: &str = "systemctl";
/// Before the names.
const ARGUMENTS: &[&str] =
    &["show", "--no-pager", "--property=LoadState", "--property=ActiveState", "--"];
/// systemd's word for a unit that it does not know.
const NOT_FOUND: &str = "not-found";
/// The longest name of a unit, in bytes, as systemd has it.
const NAME_BYTES_MAX: usize = 255;
/// The most that is read of what was printed, in bytes.
const PRINTED_BYTES_MAX: u64 = 64 << 10;
/// The time that systemd has to answer.
const DEADLINE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_units_and_never_options() {
        let units = Units::parse(["docker", "ssh.socket", "docker.service", "getty@tty1.service"]);
        let names = ["docker.service", "ssh.socket", "getty@tty1.service"];
        assert_eq!(units.expect("units").0, names);
        for bad in ["", "-H", "--host=evil", "a b", "a;b", "a/b", "$(x)", &"x".repeat(256)] {
            assert!(matches!(Units::parse([bad]), Err(InvalidUnit::Name(_))), "{bad}");
        }
        let many: Vec<String> = (0..=UNITS_MAX).map(|number| format!("u{number}")).collect();
        let parsed = Units::parse(many.iter().map(String::as_str));
        assert_eq!(parsed, Err(InvalidUnit::TooMany));
    }

    #[test]
    fn each_name_has_its_paragraph() {
        let units = Units::parse(["docker", "nothing", "broken"]).expect("units");
        let printed = "LoadState=loaded\nActiveState=active\n\n\
                       ActiveState=inactive\nLoadState=not-found\n\n\
                       LoadState=loaded\nActiveState=failed\n";
        let states = units.states(printed).expect("states");
        let words: Vec<&str> = states.iter().map(|state| state.active.as_str()).collect();
        assert_eq!(words, ["active", "not-found", "failed"]);
        assert!(units.states("LoadState=loaded\nActiveState=active\n").is_err());
        assert!(units.states("").is_err());
    }
}

//! A channel as an operator writes it, `[[monitor.channels]]`, and how it becomes one.

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use super::chat::{Chat, Shape};
use super::mail::{Mail, Security};
use super::pacing::Pace;
use super::place::Place;
use super::syslog::Syslog;
use super::{CHANNELS_MAX, Channel, Way};
use crate::alert::Severity;
use crate::glob::Glob;
use crate::rule::file::{check_name, severity_of};
use crate::secret::SecretFrom;

/// A channel as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelFile {
    /// What it is called.
    pub name: String,
    /// `webhook`, `smtp`, `syslog`, `ntfy`, `slack` or `matrix`.
    pub kind: String,
    /// Where messages go; `smtp://HOST:PORT`, `udp://HOST:PORT`… of those kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A file with the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// A variable of the environment with the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// The least severity that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Patterns of the rules that are told; none is every rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// The most messages in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_hour: Option<u32>,
    /// Of `smtp`: who writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of `smtp`: who is written to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Of `smtp`: the name that the secret is the password of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of `smtp`: `starttls`, `tls` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Of `matrix`: the room's id, `!…:server`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
}

/// Reads all channels.
///
/// # Errors
/// The first that makes no sense, with the key and the mend.
pub fn channels(written: &[ChannelFile]) -> Result<Vec<Channel>, ChannelError> {
    if written.len() > CHANNELS_MAX {
        return Err(ChannelError::new(
            "",
            "name",
            format!("there are more than {CHANNELS_MAX} channels"),
        ));
    }
    for (index, file) in written.iter().enumerate() {
        if written[..index].iter().any(|other| other.name == file.name) {
            return Err(ChannelError::new(
                &file.name,
                "name",
                "there are two channels of this name",
            ));
        }
    }
    written.iter().map(Channel::try_from).collect()
}

impl TryFrom<&ChannelFile> for Channel {
    type Error = ChannelError;

    fn try_from(file: &ChannelFile) -> Result<Self, ChannelError> {
        check_name(&file.name).map_err(|problem| file.wrong("name", problem))?;
        let severity = match file.severity.as_deref() {
            None => Severity::Info,
            Some(word) => severity_of(word)
                .ok_or_else(|| file.wrong("severity", "use info, warning or critical"))?,
        };
        let glob = |text: &String| {
            Glob::parse(text).map_err(|error| file.wrong("rules", error.to_string()))
        };
        let rules = file.rules.iter().take(RULES_MAX).map(glob).collect::<Result<_, _>>()?;
        let per_hour_max = file.messages_per_hour.unwrap_or(PER_HOUR);
        if !(1..=PER_HOUR_MAX).contains(&per_hour_max) {
            return Err(file.wrong("messages_per_hour", format!("use 1 to {PER_HOUR_MAX}")));
        }
        file.refuse_strangers()?;
        let way = match file.kind.as_str() {
            "smtp" => Way::Mail(file.mail()?),
            "syslog" => {
                let url = file.given("url", &file.url)?;
                Way::Syslog(Syslog::parse(url).map_err(|problem| file.wrong("url", problem))?)
            }
            "webhook" => Way::Chat(file.chat(Shape::Webhook)?),
            "ntfy" => Way::Chat(file.chat(Shape::Ntfy)?),
            "slack" => Way::Chat(file.chat(Shape::Slack)?),
            "matrix" => {
                let room = file.given("room", &file.room)?;
                if !room.starts_with('!') || room.chars().count() > ROOM_CHARS_MAX {
                    return Err(file.wrong(
                        "room",
                        "write the room's id, as its settings show it: it begins with !",
                    ));
                }
                Way::Chat(file.chat(Shape::Matrix(room.to_owned()))?)
            }
            _ => {
                let kinds = "use webhook, smtp, syslog, ntfy, slack or matrix";
                return Err(file.wrong("kind", kinds));
            }
        };
        let per_hour_max = usize::try_from(per_hour_max).unwrap_or(usize::MAX);
        let pace = Pace::of(per_hour_max);
        Ok(Self { name: file.name.as_str().into(), way, severity, rules, pace })
    }
}

impl ChannelFile {
    fn wrong(&self, key: &'static str, problem: impl Into<String>) -> ChannelError {
        ChannelError::new(&self.name, key, problem)
    }

    fn given<'a>(
        &self,
        key: &'static str,
        value: &'a Option<String>,
    ) -> Result<&'a str, ChannelError> {
        let missing =
            || self.wrong(key, format!("it is missing; a channel of kind {} needs it", self.kind));
        value.as_deref().filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// A key of another kind is a mistake, and not ignored.
    fn refuse_strangers(&self) -> Result<(), ChannelError> {
        let is_mail = self.kind == "smtp";
        let strangers = [
            ("from", self.from.is_some() && !is_mail),
            ("to", !self.to.is_empty() && !is_mail),
            ("user", self.user.is_some() && !is_mail),
            ("tls", self.tls.is_some() && !is_mail),
            ("room", self.room.is_some() && self.kind != "matrix"),
            ("secret_file", self.secret_file.is_some() && self.kind == "syslog"),
            ("secret_env", self.secret_env.is_some() && self.kind == "syslog"),
        ];
        match strangers.iter().find(|(_, is_strange)| *is_strange) {
            Some((key, _)) => {
                Err(self.wrong(key, format!("a channel of kind {} has no such key", self.kind)))
            }
            None => Ok(()),
        }
    }

    fn secret(&self) -> Result<Option<SecretFrom>, ChannelError> {
        match (&self.secret_file, &self.secret_env) {
            (Some(_), Some(_)) => {
                Err(self.wrong("secret_env", "secret_file is given too; keep one"))
            }
            (Some(path), None) if path.is_empty() => Err(self.wrong("secret_file", "write a path")),
            (Some(path), None) => Ok(Some(SecretFrom::File(path.into()))),
            (None, Some(name)) => {
                let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if name.is_empty() || !name.chars().all(is_legal) {
                    return Err(self.wrong("secret_env", "write the name of a variable"));
                }
                Ok(Some(SecretFrom::Variable(name.clone())))
            }
            (None, None) => Ok(None),
        }
    }

    fn chat(&self, shape: Shape) -> Result<Chat, ChannelError> {
        let secret = self.secret()?;
        if matches!(shape, Shape::Matrix(_)) && secret.is_none() {
            return Err(
                self.wrong("secret_file", "Matrix needs an access token; write it to a file")
            );
        }
        // The whole URL of a Slack webhook is a secret.
        if shape == Shape::Slack && self.url.is_none() && secret.is_some() {
            return Ok(Chat { shape, place: None, secret });
        }
        let place = Place::parse(self.given("url", &self.url)?);
        let place = place.map_err(|problem| self.wrong("url", problem))?;
        if shape == Shape::Ntfy && (place.path().ends_with('/') || place.path().contains('?')) {
            return Err(
                self.wrong("url", "end it with the topic, such as https://ntfy.example/alerts")
            );
        }
        Ok(Chat { shape, place: Some(place), secret })
    }

    fn mail(&self) -> Result<Mail, ChannelError> {
        let url = self.given("url", &self.url)?;
        let wrong =
            || self.wrong("url", "write smtp://mail.example:587, or smtps://mail.example:465");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if !["smtp", "smtps"].contains(&scheme) || host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong());
        }
        let security = match (scheme, self.tls.as_deref()) {
            ("smtps", None) | (_, Some("tls")) => Security::Tls,
            (_, None | Some("starttls")) => Security::StartTls,
            (_, Some("none")) => Security::Plain,
            _ => return Err(self.wrong("tls", "use starttls, tls or none")),
        };
        let mailbox = |key, text: &str| {
            let mailbox = text.parse::<Mailbox>();
            mailbox
                .map_err(|_| self.wrong(key, "write an address such as Conduit <ops@example.org>"))
        };
        let from = mailbox("from", self.given("from", &self.from)?)?;
        if self.to.is_empty() || self.to.len() > RECIPIENTS_MAX {
            return Err(self.wrong("to", format!("write 1 to {RECIPIENTS_MAX} addresses")));
        }
        let to = self.to.iter().map(|to| mailbox("to", to)).collect::<Result<_, _>>()?;
        let login = match (self.user.clone(), self.secret()?) {
            (Some(user), Some(secret)) if security != Security::Plain => Some((user, secret)),
            (Some(_), Some(_)) => {
                return Err(
                    self.wrong("tls", "a password is never sent without TLS; use starttls or tls")
                );
            }
            (Some(_), None) => {
                return Err(self.wrong("secret_file", "write the user's password to a file"));
            }
            (None, Some(_)) => {
                return Err(self.wrong("user", "it is missing; whose password is the secret?"));
            }
            (None, None) => None,
        };
        Ok(Mail { host, port, security, from, to, login })
    }
}

/// What is wrong with a channel, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("channel {channel:?}, {key}: {problem}")]
pub struct ChannelError {
    /// The channel's name, as it was written.
    pub channel: String,
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

impl ChannelError {
    fn new(channel: &str, key: &'static str, problem: impl Into<String>) -> Self {
        let channel = channel.chars().take(NAME_CHARS_SHOWN).collect();
        Self { channel, key, problem: problem.into() }
    }
}

/// Messages in an hour, when nobody says.
const PER_HOUR: u32 = 20;
/// The most messages in an hour that can be written.
const PER_HOUR_MAX: u32 = 1_000;
/// The most patterns of rules.
const RULES_MAX: usize = 100;
/// The most people that are written to.
const RECIPIENTS_MAX: usize = 50;
/// The longest id of a room.
const ROOM_CHARS_MAX: usize = 255;
const NAME_CHARS_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Channel, String> {
        let file: ChannelFile = toml::from_str(text).map_err(|error| error.to_string())?;
        Channel::try_from(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_can_be_written() {
        let mail = "name = \"m\"\nkind = \"smtp\"\nurl = \"smtp://mail.example:587\"\n\
                    from = \"Conduit <c@example.org>\"\nto = [\"ops@example.org\"]\n";
        for (text, kind) in [
            (
                "name = \"w\"\nkind = \"webhook\"\nurl = \"https://a.example/x\"\nsecret_env = \"HOOK\"",
                "webhook",
            ),
            ("name = \"n\"\nkind = \"ntfy\"\nurl = \"https://ntfy.example/ops\"", "ntfy"),
            ("name = \"s\"\nkind = \"slack\"\nsecret_file = \"/run/slack\"", "slack"),
            (
                "name = \"x\"\nkind = \"matrix\"\nurl = \"https://m.example\"\nroom = \"!a:m.example\"\nsecret_file = \"/t\"",
                "matrix",
            ),
            (
                "name = \"l\"\nkind = \"syslog\"\nurl = \"unix:///dev/log\"\nseverity = \"warning\"",
                "syslog",
            ),
            (mail, "smtp"),
        ] {
            assert_eq!(parse(text).expect(text).kind(), kind);
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_key_and_the_mend() {
        let mail = "kind = \"smtp\"\nurl = \"smtp://h:25\"\nfrom = \"c@example.org\"\n";
        for (text, expected) in [
            ("kind = \"pager\"".to_owned(), "kind: use webhook, smtp"),
            ("kind = \"webhook\"".into(), "url: it is missing; a channel of kind webhook needs it"),
            (
                "kind = \"webhook\"\nurl = \"https://u:p@x/\"".into(),
                "url: a URL has no name and password",
            ),
            (
                "kind = \"webhook\"\nurl = \"http://x/\"\nto = [\"a@b\"]".into(),
                "to: a channel of kind webhook has no such key",
            ),
            (
                "kind = \"webhook\"\nurl = \"http://x/\"\nsecret = \"s\"".into(),
                "unknown field `secret`",
            ),
            ("kind = \"ntfy\"\nurl = \"https://ntfy.example/\"".into(), "end it with the topic"),
            ("kind = \"ntfy\"\nurl = \"https://ntfy.example/a/\"".into(), "end it with the topic"),
            (
                "kind = \"ntfy\"\nurl = \"https://ntfy.example/a?b=1\"".into(),
                "end it with the topic",
            ),
            (
                "kind = \"matrix\"\nurl = \"http://x\"\nroom = \"#ops:b\"\nsecret_env = \"P\""
                    .into(),
                "room: write the room's id",
            ),
            (
                "kind = \"matrix\"\nurl = \"http://x\"\nroom = \"!a:b\"".into(),
                "Matrix needs an access token",
            ),
            ("kind = \"syslog\"\nurl = \"udp://x\"".into(), "url: write udp://log.example:514"),
            (format!("{mail}to = []"), "to: write 1 to 50"),
            (format!("{mail}to = [\"a@b\\r\\nBcc: c@d\"]"), "to: write an address"),
            (
                format!("{mail}to = [\"a@b\"]\nuser = \"u\"\nsecret_env = \"P\"\ntls = \"none\""),
                "a password is never sent without TLS",
            ),
            (
                format!("{mail}to = [\"a@b\"]\nuser = \"u\""),
                "secret_file: write the user's password",
            ),
            (
                "kind = \"ntfy\"\nurl = \"http://x/t\"\nmessages_per_hour = 0".into(),
                "use 1 to 1000",
            ),
            (
                "kind = \"ntfy\"\nurl = \"http://x/t\"\nseverity = \"loud\"".into(),
                "use info, warning or critical",
            ),
        ] {
            let error = parse(&format!("name = \"c\"\n{text}")).expect_err(&text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

//! One row of a `services.json`, in any of the three shapes.

use std::fmt;

use conduit_core::name::ServiceName;
use conduit_core::policy::Policy;
use conduit_core::service::{Monitoring, ProbePath, Protocol, TlsMode};
use conduit_core::title::Title;
use conduit_core::upstream::UpstreamAddr;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Ignored, shortened};
use crate::mutation::Registration;

/// Reads a row; `None` for one that is history.
pub(super) fn read(
    row: usize,
    value: &Value,
    ignored: &mut Vec<Ignored>,
) -> Result<Option<Registration>, String> {
    let fields = value.as_object().ok_or("it is not an object")?;
    let name = text(fields, "name")?.ok_or("it has no name")?;
    let name = ServiceName::parse(name).map_err(|error| error.to_string())?;
    let mut fields = Fields { row, name: name.clone(), fields, ignored };
    match fields.text("status")? {
        None | Some("active") => {}
        Some("inactive") => {
            fields.ignore("row", "it is inactive; history stays where it was");
            return Ok(None);
        }
        Some(other) => return Err(format!("its status {:?} is unknown", shortened(other))),
    }
    let shape = if fields.has("host") && !fields.has("upstream") && !fields.has("upstreams") {
        Shape::Original
    } else {
        Shape::Seeds
    };
    let registration = Registration {
        upstreams: fields.upstreams(shape)?,
        domain: fields.text("domain")?.map(str::to_owned),
        aliases: fields.texts("aliases")?,
        protocol: fields.protocol(shape)?,
        tls: fields.tls()?,
        dns: fields.word("dns")?,
        probe: fields.probe(shape)?,
        when_all_ejected: fields.word("when_all_ejected")?.unwrap_or_default(),
        monitoring: fields.monitoring()?,
        policy: fields.policy()?.shared(),
        title: fields.title()?,
        name,
    };
    fields.report_unknown();
    Ok(Some(registration))
}

/// Who wrote the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The Bash original: `host`, `port`, `health_path`.
    Original,
    /// The seeds, or we: `upstream`, `health_check`.
    Seeds,
}

struct Fields<'a> {
    row: usize,
    name: ServiceName,
    fields: &'a Map<String, Value>,
    ignored: &'a mut Vec<Ignored>,
}

impl<'a> Fields<'a> {
    fn upstreams(&self, shape: Shape) -> Result<Vec<UpstreamAddr>, String> {
        if shape == Shape::Original {
            let host = self.text("host")?.unwrap_or_default();
            let upstream = match self.port()? {
                Some(port) if host.contains(':') && !host.starts_with('[') => {
                    format!("[{host}]:{port}")
                }
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            };
            return Ok(vec![parsed(UpstreamAddr::parse(&upstream))?]);
        }
        let mut all = self.texts("upstreams")?;
        if let Some(first) = self.text("upstream")?
            && !all.iter().any(|upstream| upstream == first)
        {
            all.insert(0, first.to_owned());
        }
        if all.is_empty() {
            return Err("it has neither upstream nor host".into());
        }
        all.iter().map(|text| parsed(UpstreamAddr::parse(text))).collect()
    }

    fn port(&self) -> Result<Option<u16>, String> {
        let wrong = || "its port is not a number from 1 to 65535".to_owned();
        match self.fields.get("port") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => {
                let port = number.as_u64().and_then(|port| u16::try_from(port).ok());
                port.ok_or_else(wrong).map(Some)
            }
            Some(Value::String(text)) => text.parse().map_err(|_| wrong()).map(Some),
            Some(_) => Err(wrong()),
        }
    }

    fn protocol(&mut self, shape: Shape) -> Result<Protocol, String> {
        match (self.text("protocol")?, shape) {
            (None, _) => Ok(Protocol::Http),
            (Some("https"), Shape::Original) => {
                self.ignore("protocol", "https was never used there; upstreams get plain HTTP");
                Ok(Protocol::Http)
            }
            (Some(word), _) => parsed(word.parse()),
        }
    }

    /// The original's rows say nothing about TLS, and ours say `null` for off.
    fn tls(&self) -> Result<TlsMode, String> {
        match self.fields.get("tls") {
            None | Some(Value::Bool(true) | Value::Object(_)) => Ok(TlsMode::Issued),
            Some(Value::Bool(false) | Value::Null) => Ok(TlsMode::Off),
            Some(_) => Err("its tls is neither an object nor true, false or null".into()),
        }
    }

    /// Ours only, as the policy.
    fn title(&self) -> Result<Option<Title>, String> {
        self.text("title")?.map(|title| parsed(Title::parse(title))).transpose()
    }

    /// Ours only; the original's rows have none.
    fn policy(&self) -> Result<Policy, String> {
        match self.fields.get("policy") {
            None | Some(Value::Null) => Ok(Policy::default()),
            Some(value) => parsed(Policy::deserialize(value)),
        }
    }

    fn probe(&mut self, shape: Shape) -> Result<Option<ProbePath>, String> {
        let field = match shape {
            Shape::Original => "health_path",
            Shape::Seeds => "health_check",
        };
        match self.text(field)? {
            None => Ok(None),
            Some("/healthz") if shape == Shape::Original => {
                self.ignore(field, "/healthz was that tool's default; ours is used");
                Ok(None)
            }
            Some(path) => parsed(ProbePath::parse(path)).map(Some),
        }
    }

    fn monitoring(&mut self) -> Result<Monitoring, String> {
        let block = match self.fields.get("monitoring") {
            None | Some(Value::Null) => return Ok(Monitoring::default()),
            Some(Value::Object(block)) => block,
            Some(_) => return Err("its monitoring is not an object".into()),
        };
        for key in block.keys().filter(|key| !MONITORING.contains(&key.as_str())) {
            self.ignore(&format!("monitoring.{key}"), UNKNOWN);
        }
        let owned = |key| Ok::<_, String>(text(block, key)?.map(str::to_owned));
        Ok(Monitoring {
            kind: owned("type")?,
            container_name: owned("container_name")?,
            ssh_host: owned("ssh_host")?,
        })
    }

    fn word<T: std::str::FromStr<Err: fmt::Display>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, String> {
        self.text(key)?.map(|word| parsed(word.parse())).transpose()
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        let items = match self.fields.get(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(format!("its {key} is not a list")),
        };
        let owned = |item: &Value| item.as_str().map(str::to_owned);
        let all: Option<Vec<String>> = items.iter().map(owned).collect();
        all.ok_or_else(|| format!("its {key} holds something else than texts"))
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        text(self.fields, key)
    }

    fn has(&self, key: &str) -> bool {
        self.fields.get(key).is_some_and(|value| !value.is_null())
    }

    fn ignore(&mut self, field: &str, reason: &'static str) {
        self.ignored.push(Ignored {
            row: self.row,
            service: Some(self.name.clone()),
            field: shortened(field),
            reason,
        });
    }

    fn report_unknown(&mut self) {
        let fields = self.fields;
        for key in fields.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            self.ignore(key, UNKNOWN);
        }
    }
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("its {key} is not a text")),
    }
}

fn parsed<T, E: fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// What is read, and what is made anew after a registration.
const KNOWN: &[&str] = &[
    "aliases",
    "deregistered_at",
    "dns",
    "domain",
    "health_check",
    "health_path",
    "health_status",
    "host",
    "last_health_check",
    "monitoring",
    "name",
    "policy",
    "port",
    "protocol",
    "registered_at",
    "response_time_ms",
    "status",
    "title",
    "tls",
    "upstream",
    "upstreams",
    "when_all_ejected",
];
const MONITORING: &[&str] = &["type", "container_name", "ssh_host"];
const UNKNOWN: &str = "the field is unknown";

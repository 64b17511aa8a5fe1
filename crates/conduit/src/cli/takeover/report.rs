//! What is told about an import.

use std::fmt::Write as _;

use conduit_api::v1::import::ImportReply;
use serde_json::json;

use super::super::args::KindArg;
use super::super::output::counted;
use super::found::Found;

/// What was found, and what the gateway made of it.
pub(super) struct Report<'a> {
    kind: KindArg,
    found: &'a Found,
    reply: &'a ImportReply,
}

impl<'a> Report<'a> {
    pub(super) fn new(kind: KindArg, found: &'a Found, reply: &'a ImportReply) -> Self {
        Self { kind, found, reply }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let ImportReply { services, records, changed, dry_run, .. } = self.reply;
        let verb = match (dry_run, changed) {
            (true, _) => "Would import",
            (false, true) => "Imported",
            (false, false) => "Nothing changed:",
        };
        let services_told = counted(services.len() as u64, "service");
        let records_told = counted(records.len() as u64, "record");
        // Writing into a text cannot fail.
        writeln!(text, "{verb} {services_told} and {records_told} ({}).", self.kind.as_str()).ok();
        for service in services {
            writeln!(text, "  {} {}", service.name, service.outcome).ok();
        }
        for record in records {
            let ttl = record.ttl.map(|ttl| format!(" {ttl}")).unwrap_or_default();
            writeln!(text, "  {}{ttl} {} {}", record.name, record.record_type, record.data).ok();
        }
        if !self.found.settings.is_empty() {
            let toml = self.found.settings.toml();
            writeln!(text, "\nFor the configuration:\n\n{}", toml.trim_end()).ok();
        }
        if !self.found.left.is_empty() {
            writeln!(text, "\nNot carried over:").ok();
            for left in &self.found.left {
                writeln!(text, "  {}: {}\n    {}", left.place, left.text, left.reason).ok();
            }
        }
        text
    }

    /// For programs: the gateway's answer, and beside it what it never saw.
    pub(super) fn json(&self) -> String {
        let left = self.found.left.iter().map(|left| {
            json!({
                "file": &*left.place.file, "line": left.place.line,
                "text": left.text, "reason": left.reason,
            })
        });
        let value = json!({
            "kind": self.kind.as_str(),
            "import": self.reply,
            "configuration": self.found.settings.toml(),
            "not_carried": left.collect::<Vec<_>>(),
        });
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
    }
}

//! Alerts and rules.

use conduit_api::v1::alerts::{Alert, AlertRule};

use crate::cli::output::{Colour, Paint, pad, table, width};

/// A line for each alert.
pub(super) fn lines(alerts: &[Alert], paint: Paint) -> String {
    let widest =
        |cell: fn(&Alert) -> &str| alerts.iter().map(|a| width(cell(a))).max().unwrap_or(0);
    let (severity, rule) = (widest(|alert| &alert.severity), widest(|alert| &alert.rule));
    let mut text = String::new();
    for alert in alerts {
        let colour = match alert.severity.as_str() {
            "critical" => Colour::Red,
            "warning" => Colour::Yellow,
            _ => Colour::Dim,
        };
        let silenced = if alert.silenced { " (silenced)" } else { "" };
        text.push_str(&format!(
            "{}  {}  {}, since {}{silenced}\n",
            paint.colour(colour, &pad(&alert.severity, severity)),
            pad(&alert.rule, rule),
            alert.message,
            alert.raised_at,
        ));
    }
    text
}

/// A table of the rules.
pub(super) fn rules(rules: &[AlertRule]) -> String {
    if rules.is_empty() {
        return "No rules.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            let origin = if rule.enabled { rule.origin.as_str() } else { "off" };
            vec![
                rule.name.clone(),
                rule.severity.clone(),
                origin.to_owned(),
                rule.condition.clone(),
            ]
        })
        .collect();
    table(&["RULE", "SEVERITY", "ORIGIN", "CONDITION"], &rows)
}

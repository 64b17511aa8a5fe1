//! `conduit monitor`: machines, GPUs and containers, and what is wrong with them.

mod alert_lines;
mod amounts;
mod channels;
mod container_lines;
mod gpu_lines;
mod nodes;
mod records;
mod server_lines;
mod silences;

#[cfg(test)]
mod tests;

use std::time::Duration;

use conduit_api::client::Client;
use conduit_api::v1::nodes::{Node, NodeList};
use conduit_monitor::metric::Metric;
use conduit_monitor::ssh::script::SURVEY;
use serde_json::json;

use super::args::{Json, MonitorAction, MonitorArgs};
use super::exit::{Exit, Failure};
use super::output::{Paint, notice, table};
use super::session::Session;

/// Shows what is known, or does what is asked.
pub(crate) async fn run(session: &Session, args: MonitorArgs) -> Result<(), Failure> {
    match args.action {
        None => watch(session, &args).await,
        Some(MonitorAction::Add(add)) => nodes::add(session, add).await,
        Some(MonitorAction::Remove(which)) => nodes::remove(session, which).await,
        Some(MonitorAction::Test(which)) => nodes::test(session, which).await,
        Some(MonitorAction::Silence(silence)) => silences::run(session, silence).await,
        Some(MonitorAction::Channels(Json { json })) => channels::list(session, json).await,
        Some(MonitorAction::TestChannel(which)) => channels::test(session, which).await,
        Some(MonitorAction::Metrics(Json { json })) => metrics(session, json),
        Some(MonitorAction::Script) => session.printer.text(SURVEY),
        Some(MonitorAction::Alerts(Json { json })) => {
            let reply = session.client().await?.alerts().await?;
            let paint = session.printer.paint;
            session.print(json, &reply, |list| match list.alerts.as_slice() {
                [] => "No alerts.\n".to_owned(),
                alerts => alert_lines::lines(alerts, paint),
            })
        }
        Some(MonitorAction::Rules(Json { json })) => {
            let reply = session.client().await?.alert_rules().await?;
            session.print(json, &reply, |list| alert_lines::rules(&list.rules))
        }
    }
}

async fn watch(session: &Session, args: &MonitorArgs) -> Result<(), Failure> {
    let client = session.client().await?;
    if !args.watch {
        return show(session, &client, args, "").await;
    }
    let is_screen = session.printer.terminal && !args.json;
    let clear = if is_screen { CLEAR_SCREEN } else { "" };
    loop {
        match show(session, &client, args, clear).await {
            Ok(()) => {}
            // Watching goes on through a restart of the gateway.
            Err(failure) if failure.exit == Exit::Failed => notice(failure.to_string().trim_end()),
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

async fn show(
    session: &Session,
    client: &Client,
    args: &MonitorArgs,
    clear: &str,
) -> Result<(), Failure> {
    let parts = Parts::of(args);
    let mut list = client.nodes(parts.containers).await?.value;
    if let Some(name) = args.server.as_deref().filter(|name| !name.is_empty()) {
        list.nodes.retain(|node| node.name == name);
        list.alerts.retain(|alert| alert.node == name);
        if list.nodes.is_empty() {
            return Err(Failure::new(format!("there is no node {name:?}"))
                .hint("`conduit monitor` shows the nodes"));
        }
    }
    if args.json {
        return session.printer.text(&records::lines(&list, parts));
    }
    session.printer.text(&format!("{clear}{}", page(&list, parts, session.printer.paint)))
}

/// Which parts were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    servers: bool,
    gpus: bool,
    containers: bool,
}

impl Parts {
    fn of(args: &MonitorArgs) -> Self {
        let servers = args.server.is_some();
        let is_default = !servers && !args.gpu && !args.containers;
        Self {
            servers: servers || is_default,
            gpus: args.gpu || (is_default && args.json),
            containers: args.containers || (is_default && args.json),
        }
    }
}

/// The whole page for people.
fn page(list: &NodeList, parts: Parts, paint: Paint) -> String {
    let mut blocks: Vec<String> = Vec::new();
    for node in &list.nodes {
        if parts.servers {
            // GPUs that have a block of their own are not shown twice.
            blocks.push(server_lines::block(node, list.interval_seconds, !parts.gpus));
        }
        if parts.gpus {
            // What a block of the machine says already is not said twice.
            let remarks = !parts.servers;
            let remarks =
                remarks.then(|| server_lines::remarks_on_gpus(node, list.interval_seconds));
            blocks.extend(gpu_lines::block(node, remarks));
        }
    }
    if parts.gpus && !list.nodes.iter().any(gpu_lines::has_some) {
        blocks.push("No GPU was found.\n".to_owned());
    }
    if parts.containers {
        blocks.extend(containers(list));
    }
    if !list.alerts.is_empty() {
        blocks.push(format!("ALERTS\n{}", alert_lines::lines(&list.alerts, paint)));
    }
    blocks.join("\n")
}

/// A table for each node with an engine; its name is told when there is more than one.
fn containers(list: &NodeList) -> Vec<String> {
    let with_engine: Vec<&Node> =
        list.nodes.iter().filter(|node| node.containers.is_some()).collect();
    if with_engine.is_empty() {
        let said = |node: &Node| {
            let source = node.sources.iter().find(|source| source.kind == "containers")?;
            source.error.as_ref().map(|error| format!("{}: {error}\n", node.name))
        };
        let why: String = list.nodes.iter().filter_map(said).collect();
        return vec![format!("No container engine answers.\n{why}")];
    }
    let is_one = with_engine.len() == 1;
    let each = with_engine.into_iter().filter_map(|node| {
        let found = node.containers.as_ref()?;
        let head = if is_one { String::new() } else { server_lines::head(node) };
        Some(format!("{head}{}", container_lines::table(found)))
    });
    each.collect()
}

/// The words of rules and of the history; no gateway is asked.
fn metrics(session: &Session, json: bool) -> Result<(), Failure> {
    if json {
        let all: Vec<_> = Metric::ALL
            .iter()
            .map(|metric| json!({ "metric": metric.as_str(), "unit": metric.unit().as_str() }))
            .collect();
        return session.printer.text(&format!("{}\n", json!({ "metrics": all })));
    }
    let rows: Vec<Vec<String>> = Metric::ALL
        .iter()
        .map(|metric| vec![metric.to_string(), metric.unit().as_str().to_owned()])
        .collect();
    session.printer.text(&table(&["METRIC", "UNIT"], &rows))
}

const WATCH_INTERVAL: Duration = Duration::from_secs(2);
/// Clears the screen and goes to its top left corner.
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";

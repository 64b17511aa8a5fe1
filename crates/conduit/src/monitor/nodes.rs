//! The machines that are watched over SSH: those of the configuration and those of the registry.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::live;
use conduit_core::node::{Node, NodeName};
use conduit_core::tasks::Tasks;
use conduit_monitor::keeper::{Order, Watched};
use conduit_monitor::sampler::{Pace, sample};
use conduit_monitor::source::SourceKind;
use conduit_monitor::ssh::{Access, Server, SshSource};
use conduit_registry::NodeTable;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, MonitoredServer};

/// Who is watched, and how they are reached; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    configured: Arc<[Node]>,
    added: live::Reader<NodeTable>,
    access: Arc<Access>,
    orders: mpsc::Sender<Order>,
    pace: Pace,
}

impl Nodes {
    pub(super) fn new(
        config: &Config,
        added: live::Reader<NodeTable>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        let access = Access {
            pins: config.gateway.state_dir.join(PINS_FILE),
            user: std::env::var("USER").ok().filter(|user| !user.is_empty()),
            agent: std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        };
        Self {
            configured: configured(&config.monitor.servers).into(),
            added,
            access: Arc::new(access),
            orders,
            pace: Pace::every(config.monitor.interval),
        }
    }

    /// The nodes that the configuration names.
    pub(super) fn configured(&self) -> &[Node] {
        &self.configured
    }

    /// Where pins are, and who we are.
    pub(super) fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Watches whoever is to be watched, and follows the registry.
    pub(super) fn start(self, tasks: &Tasks) {
        let (stop, jobs) = (tasks.stop().clone(), tasks.clone());
        tasks.service("monitor nodes", async move {
            stop.run_until_cancelled(self.follow(jobs)).await;
        });
    }

    async fn follow(mut self, tasks: Tasks) {
        let mut watched: BTreeMap<NodeName, (Node, CancellationToken)> = BTreeMap::new();
        loop {
            let wanted = self.wanted();
            let gone: Vec<NodeName> = watched
                .iter()
                .filter(|(name, (node, _))| wanted.get(*name) != Some(node))
                .map(|(name, _)| name.clone())
                .collect();
            for name in gone {
                if let Some((_, stop)) = watched.remove(&name) {
                    stop.cancel();
                }
                if !wanted.contains_key(&name)
                    && self.orders.send(Order::Forget(name)).await.is_err()
                {
                    return;
                }
            }
            for (place, (name, node)) in wanted.into_iter().enumerate() {
                if watched.contains_key(&name) {
                    continue;
                }
                let stop = tasks.stop().child_token();
                if !self.watch(&node, place, &stop, &tasks).await {
                    return;
                }
                watched.insert(name, (node, stop));
            }
            self.added.changed().await;
        }
    }

    /// Whoever is configured and whoever was added; a name that both have is the configuration's.
    fn wanted(&self) -> BTreeMap<NodeName, Node> {
        let added = self.added.load();
        let nodes = added.iter().map(|node| Node::clone(node)).chain(self.configured.to_vec());
        nodes.map(|node| (node.name.clone(), node)).collect()
    }

    async fn watch(
        &self,
        node: &Node,
        place: usize,
        stop: &CancellationToken,
        tasks: &Tasks,
    ) -> bool {
        let watched = Watched {
            name: node.name.clone(),
            address: Some(node.destination.to_string()),
            tags: node.tags.clone(),
            sources: vec![SourceKind::Ssh],
        };
        if self.orders.send(Order::Watch(watched)).await.is_err() {
            return false;
        }
        let source = Box::new(SshSource::new(server_of(node), Arc::clone(&self.access)));
        let wake = Arc::<Notify>::default();
        let sampling = sample(source, self.pace.spread(place), wake, self.orders.clone());
        let stop = stop.clone();
        tasks.job("monitor node", async move {
            stop.run_until_cancelled(sampling).await;
        });
        true
    }
}

/// How a node is reached.
pub(super) fn server_of(node: &Node) -> Server {
    Server {
        name: node.name.clone(),
        destination: node.destination.clone(),
        key: node.key.clone(),
        known_hosts: node.known_hosts.clone(),
        jump: node.jump.clone(),
        tags: node.tags.clone(),
    }
}

/// The nodes of the configuration, which has judged them.
pub(super) fn configured(servers: &[MonitoredServer]) -> Vec<Node> {
    servers.iter().filter_map(|server| node_of(server).ok()).collect()
}

/// What a server of the configuration is called and how it is reached.
///
/// # Errors
/// When it cannot be reached as it is written; the text says what to write.
pub(crate) fn node_of(server: &MonitoredServer) -> Result<Node, String> {
    let parse = |text: &str| Destination::parse(text).map_err(|error| error.to_string());
    // Here the port has a key of its own, so that an IPv6 address needs no brackets.
    let host = match server.host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => server.host.clone(),
    };
    let user = server.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = server.port.map(|port| format!(":{port}")).unwrap_or_default();
    let destination = parse(&format!("{user}{host}{port}"))?;
    let label = server.label.as_deref().unwrap_or_else(|| destination.host());
    Ok(Node {
        name: NodeName::parse(label).map_err(|error| error.to_string())?,
        jump: server.jump.as_deref().map(parse).transpose()?,
        destination,
        key: server.key.clone(),
        known_hosts: server.known_hosts.clone(),
        fingerprint: None,
        tags: server.tags.clone(),
        added_at: Timestamp::from_seconds(0),
        removed_at: None,
    })
}

/// Our own pins, in the state directory.
const PINS_FILE: &str = "known_hosts";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_server_becomes_a_node() {
        let server = MonitoredServer {
            host: "fd00::5".into(),
            label: Some("gpu".into()),
            user: Some("ops".into()),
            port: Some(2222),
            key: None,
            jump: Some("ops@bastion".into()),
            known_hosts: None,
            tags: vec!["gpu".into()],
        };
        let plain = MonitoredServer { host: "10.0.1.9".into(), label: None, ..server.clone() };
        let nodes = configured(&[server.clone(), plain]);
        let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["gpu", "10.0.1.9"]);
        let reached = server_of(&nodes[0]);
        assert_eq!(reached.destination.to_string(), "ops@[fd00::5]:2222");
        assert_eq!(reached.jump.map(|jump| jump.to_string()).as_deref(), Some("ops@bastion"));
        for wrong in ["10.0.0.256", "-oProxyCommand=x", "gpu:22"] {
            let server = MonitoredServer { host: wrong.into(), ..server.clone() };
            assert!(node_of(&server).is_err(), "{wrong}");
        }
    }
}

//! The machines that are watched over SSH: those of the configuration and those of the registry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_core::node::{Destination, Node, NodeName};
use conduit_core::tasks::Tasks;
use conduit_monitor::keeper::{Order, Watched};
use conduit_monitor::sampler::{Pace, sample};
use conduit_monitor::source::SourceKind;
use conduit_monitor::ssh::{self, Access, Server, SshSource};
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
        let Ok(server) = server_of(node) else {
            // Invariant: the registry and the configuration took it as a destination.
            tracing::error!(node = %node.name, "a node's destination cannot be used");
            return true;
        };
        let source = Box::new(SshSource::new(server, Arc::clone(&self.access)));
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
pub(super) fn server_of(node: &Node) -> Result<Server, ssh::InvalidDestination> {
    let there = |destination: &Destination| {
        let host = match destination.host.contains(':') {
            true => format!("[{}]", destination.host),
            false => destination.host.clone(),
        };
        let user = destination.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = destination.port.map(|port| format!(":{port}")).unwrap_or_default();
        ssh::Destination::parse(&format!("{user}{host}{port}"))
    };
    Ok(Server {
        name: node.name.clone(),
        destination: there(&node.destination)?,
        key: node.key.clone(),
        known_hosts: node.known_hosts.clone(),
        jump: node.jump.as_ref().map(there).transpose()?,
        tags: node.tags.clone(),
    })
}

/// The nodes of the configuration; of two with one name the first counts.
pub(super) fn configured(servers: &[MonitoredServer]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(servers.len());
    for server in servers {
        match node_of(server) {
            Some(node) if nodes.iter().any(|other| other.name == node.name) => {
                tracing::warn!(node = %node.name, "two servers have one name; the second is left out");
            }
            Some(node) => nodes.push(node),
            None => tracing::warn!(
                host = server.host,
                "this server cannot be reached as it is written; write host = \"10.0.1.20\", \
                 with user and port on their own"
            ),
        }
    }
    nodes
}

fn node_of(server: &MonitoredServer) -> Option<Node> {
    let mut destination = Destination::parse(&server.host).ok()?;
    destination.user = server.user.clone().or(destination.user);
    destination.port = server.port.or(destination.port);
    let label = server.label.as_deref().unwrap_or(&destination.host);
    Some(Node {
        name: NodeName::parse(label).ok()?,
        jump: match &server.jump {
            Some(jump) => Some(Destination::parse(jump).ok()?),
            None => None,
        },
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
        let nodes = configured(&[server.clone(), plain, server]);
        let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["gpu", "10.0.1.9"]);
        let reached = server_of(&nodes[0]).expect("a server");
        assert_eq!(reached.destination.to_string(), "ops@[fd00::5]:2222");
        assert_eq!(reached.jump.map(|jump| jump.to_string()).as_deref(), Some("ops@bastion"));
    }
}

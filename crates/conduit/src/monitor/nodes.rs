//! The machines that are watched over SSH: those of the configuration and those of the registry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

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

use crate::config::Config;

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
            configured: config.monitor.servers.clone().into(),
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

/// Our own pins, in the state directory.
const PINS_FILE: &str = "known_hosts";

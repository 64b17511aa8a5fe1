//! The machines that operators added and that are watched.
//!
//! **Invariant:** no two have one name.

use std::collections::BTreeMap;
use std::sync::Arc;

use conduit_core::node::{Node, NodeName};

use crate::rules::NodeStep;

/// The nodes that were not removed, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTable {
    nodes: BTreeMap<NodeName, Arc<Node>>,
}

impl NodeTable {
    /// Takes nodes; of two with one name the last stays.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> Self {
        let pairs = nodes.into_iter().map(|node| (node.name.clone(), Arc::new(node)));
        Self { nodes: pairs.collect() }
    }

    /// A node by name.
    pub fn get(&self, name: &NodeName) -> Option<&Arc<Node>> {
        self.nodes.get(name)
    }

    /// Every node, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The table after a step.
    pub(crate) fn with(&self, step: &NodeStep) -> Self {
        let mut next = self.clone();
        match step {
            NodeStep::Add(node) => next.nodes.insert(node.name.clone(), Arc::clone(node)),
            NodeStep::Remove(node) => next.nodes.remove(&node.name),
        };
        next
    }
}

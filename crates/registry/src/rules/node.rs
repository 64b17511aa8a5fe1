//! Watching a machine, and watching it no more.

use std::path::Path;
use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::node::{Node, NodeName};

use super::{NodeStep, Plan};
use crate::nodes::NodeTable;
use crate::rejection::Rejection;
use crate::settings::Settings;

/// Every name is there once, whether it has a row or comes from the configuration.
pub(super) fn add(
    nodes: &NodeTable,
    node: &Node,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let name = &node.name;
    if let Some(whence) = fixed(settings, name) {
        let message = format!("a node is called {name} already; it comes from {whence}");
        return Err(Rejection::new("node_taken", message).hint("give this one another --name"));
    }
    if let Some(there) = nodes.get(name) {
        let message = format!("a node is called {name} already: {}", there.destination);
        return Err(Rejection::new("node_taken", message).hint(format!(
            "give this one another --name, or run `conduit monitor remove {name}` first"
        )));
    }
    let nodes_max = settings.limits.nodes_max;
    if nodes.len() >= nodes_max {
        let message = format!("there can be at most {nodes_max} nodes");
        return Err(Rejection::new("limit", message).hint("remove what is not needed"));
    }
    check(node)?;
    let node = Node { added_at: now, removed_at: None, ..node.clone() };
    Ok(Plan::of_node(NodeStep::Add(Arc::new(node))))
}

/// What the configuration names is taken out there.
pub(super) fn remove(
    nodes: &NodeTable,
    name: &NodeName,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    if let Some(node) = nodes.get(name) {
        let node = Node { removed_at: Some(now), ..Node::clone(node) };
        return Ok(Plan::of_node(NodeStep::Remove(Arc::new(node))));
    }
    if let Some(whence) = fixed(settings, name) {
        let message = format!("{name} was not added by hand; it comes from {whence}");
        return Err(Rejection::new("node_fixed", message)
            .hint(format!("change {whence}, and restart the gateway")));
    }
    Err(Rejection::new("not_found", format!("no node is called {name}"))
        .hint("`conduit monitor` shows the nodes"))
}

fn fixed(settings: &Settings, name: &NodeName) -> Option<&'static str> {
    let found = settings.fixed_nodes.iter().find(|(fixed, _)| fixed == name);
    found.map(|(_, whence)| *whence)
}

fn check(node: &Node) -> Result<(), Rejection> {
    if node.tags.len() > TAGS_MAX {
        return Err(Rejection::new("limit", format!("a node has at most {TAGS_MAX} tags")));
    }
    let legal = |tag: &String| {
        let chars = tag.chars().count();
        (1..=TAG_CHARS_MAX).contains(&chars) && !tag.chars().any(char::is_control)
    };
    if let Some(tag) = node.tags.iter().find(|tag| !legal(tag)) {
        let shown: String = tag.chars().take(TAG_CHARS_MAX).collect();
        let message = format!("{shown:?} is not a tag; use 1 to {TAG_CHARS_MAX} characters");
        return Err(Rejection::new("invalid_tag", message));
    }
    let paths = [("key", &node.key), ("known_hosts", &node.known_hosts)];
    for (what, path) in paths {
        if path.as_deref().is_some_and(|path| !is_legal(path)) {
            let message = format!("{what} must be the absolute path of a file on the gateway");
            return Err(Rejection::new("invalid_path", message));
        }
    }
    Ok(())
}

fn is_legal(path: &Path) -> bool {
    let text = path.to_str();
    path.is_absolute() && text.is_some_and(|t| t.len() <= PATH_BYTES_MAX && !t.contains('\0'))
}

/// Tags of a node.
const TAGS_MAX: usize = 32;
/// Characters of a tag.
const TAG_CHARS_MAX: usize = 64;
/// Bytes of a path, as Linux has it.
const PATH_BYTES_MAX: usize = 4_095;

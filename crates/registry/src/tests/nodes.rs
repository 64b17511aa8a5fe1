//! Machines that are watched: added, removed, across restarts, and on the record.

use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::node::{Node, NodeName};

use super::fake::{LIMITS, Room, open, publisher, settings, verify};
use crate::writer::start_with;
use crate::{ApplyError, Limits, Mutation, Rejection, Settings};

fn node_name(text: &str) -> NodeName {
    NodeName::parse(text).expect("valid")
}

fn node(name: &str) -> Node {
    Node {
        name: node_name(name),
        destination: Destination::parse("ops@10.0.1.20:2222").expect("valid"),
        key: Some("/etc/conduit/id_ed25519".into()),
        jump: Some(Destination::parse("bastion").expect("valid")),
        known_hosts: None,
        fingerprint: Some("SHA256:abc".into()),
        tags: vec!["gpu".into()],
        added_at: Timestamp::from_seconds(0),
        removed_at: None,
    }
}

fn add(name: &str) -> Mutation {
    Mutation::AddNode(Box::new(node(name)))
}

fn remove(name: &str) -> Mutation {
    Mutation::RemoveNode { name: node_name(name) }
}

fn watched(room: &Room) -> Vec<String> {
    let nodes = room.registry.nodes().load_full();
    nodes.iter().map(|node| node.name.to_string()).collect()
}

fn rejection(result: Result<crate::Committed, ApplyError>) -> Rejection {
    match result {
        Err(ApplyError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_stays_until_it_is_removed_and_its_row_for_ever() {
    let room = Room::new();
    let added = room.apply(add("gpu-server")).await.expect("granted");
    assert_eq!((added.changed, added.generation.0), (true, 0), "no table changes");
    room.apply(add("app-server")).await.expect("granted");
    let room = Room::in_dir(room.close().await, |_| {});
    assert_eq!(watched(&room), ["app-server", "gpu-server"], "across a restart");
    let kept = room.registry.nodes().load_full();
    let expected = Node { added_at: Timestamp::from_seconds(1_775_304_000), ..node("gpu-server") };
    assert_eq!(**kept.get(&node_name("gpu-server")).expect("there"), expected);
    room.apply(remove("gpu-server")).await.expect("granted");
    room.apply(add("gpu-server")).await.expect("its name is free again");
    room.apply(remove("gpu-server")).await.expect("granted");
    assert_eq!(watched(&room), ["app-server"]);
    let rows = room.registry.node_rows().await.expect("read");
    let removed = rows.iter().filter(|row| row.removed_at.is_some()).count();
    assert_eq!((rows.len(), removed), (3, 2));
    let dir = room.close().await;
    let store = open(dir.path());
    let error = store.connection.execute("DELETE FROM nodes", []).expect_err("refused");
    assert!(error.to_string().contains("never deleted"), "{error}");
}

#[tokio::test]
async fn each_decision_has_its_entry_and_no_secret() {
    let room = Room::new();
    room.apply(add("gpu-server")).await.expect("granted");
    room.apply(remove("gpu-server")).await.expect("granted");
    let entries = room.registry.entries_from(0, 9).await.expect("read");
    let told: Vec<(&str, &str)> =
        entries.iter().map(|e| (e.action.as_str(), e.message.as_str())).collect();
    assert_eq!(
        told,
        [
            ("node_add", "Added node gpu-server: ops@10.0.1.20:2222"),
            ("node_remove", "Removed node gpu-server")
        ]
    );
    assert_eq!(entries[0].details["fingerprint"], "SHA256:abc");
    assert_eq!(entries[0].details["key"], "/etc/conduit/id_ed25519");
    verify(room.close().await.path());
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Limits { nodes_max: 1, ..Limits::default() };
    let fixed_nodes = vec![(node_name("fixed"), "monitor.servers")];
    let settings = Settings { fixed_nodes, limits, ..settings() };
    let started = start_with(open(dir.path()), settings, publisher(), LIMITS);
    let (registry, thread) = started.expect("started");
    let apply = |wish| registry.apply(super::fake::operator(), wish);
    apply(add("a")).await.expect("granted");
    let tagged = |tags: Vec<String>| {
        let node = Node { tags, ..node("b") };
        Mutation::AddNode(Box::new(node))
    };
    let keyed = |path: &str| {
        let node = Node { key: Some(path.into()), ..node("b") };
        Mutation::AddNode(Box::new(node))
    };
    for (wish, code, part) in [
        (add("a"), "node_taken", "ops@10.0.1.20:2222"),
        (add("fixed"), "node_taken", "monitor.servers"),
        (add("b"), "limit", "at most 1 nodes"),
        (remove("fixed"), "node_fixed", "it comes from monitor.servers"),
        (remove("b"), "not_found", "no node is called b"),
    ] {
        let rejection = rejection(apply(wish).await);
        assert_eq!(rejection.code, code);
        assert!(rejection.message.contains(part), "{rejection}");
        assert!(rejection.hint.is_some(), "{rejection}");
    }
    apply(remove("a")).await.expect("granted");
    for (wish, code) in [
        (tagged(vec![String::new()]), "invalid_tag"),
        (tagged(vec!["x".into(); 33]), "limit"),
        (keyed("id_ed25519"), "invalid_path"),
    ] {
        assert_eq!(rejection(apply(wish).await).code, code);
    }
    assert_eq!(registry.node_rows().await.expect("read").len(), 1);
    registry.close().await;
    drop(registry);
    thread.join().expect("ended well");
}

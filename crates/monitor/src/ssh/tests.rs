//! The whole room against a machine in the test.

mod machine;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::net::TcpListener;

use self::machine::{Machine, Manner, new_key};
use super::connection::shake_hands;
use super::known_hosts::HOST_KEY_TYPES;
use super::watch::Watch;
use super::*;
use crate::source::{Source, SourceError};

/// A gateway's side: a directory with a key and pins.
struct Side {
    directory: TempDir,
    key: PrivateKey,
    access: Arc<Access>,
}

impl Side {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let key = new_key();
        let path = directory.path().join("id");
        std::fs::write(&path, key.to_openssh(LineEnding::LF).expect("text")).expect("written");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("permitted");
        let pins = directory.path().join("known_hosts");
        let access = Arc::new(Access { pins, user: Some("ops".to_owned()), agent: None });
        Self { directory, key, access }
    }

    fn key_path(&self) -> PathBuf {
        self.directory.path().join("id")
    }

    async fn machine(&self, manner: Manner) -> Machine {
        Machine::start(self.key.public_key(), manner).await
    }

    fn pin(&self, machine: &Machine) {
        pin(&self.access.pins, "127.0.0.1", machine.port, &machine.host_key()).expect("pinned");
    }

    fn server(&self, machine: &Machine) -> Server {
        let destination = format!("127.0.0.1:{}", machine.port);
        Server {
            name: NodeName::parse("gpu").expect("a name"),
            destination: Destination::parse(&destination).expect("a destination"),
            key: Some(self.key_path()),
            known_hosts: None,
            jump: None,
            tags: Vec::new(),
        }
    }

    fn source(&self, machine: &Machine) -> SshSource {
        SshSource::new(self.server(machine), Arc::clone(&self.access))
    }
}

#[tokio::test]
async fn an_unpinned_machine_hears_nothing_and_a_pin_is_seen_at_once() {
    let side = Side::new();
    let machine = side.machine(Manner::Prints(WHOLE, 0)).await;
    let mut source = side.source(&machine);
    let Err(SourceError::Unpinned { host, fingerprint }) = source.read().await else {
        panic!("it is not pinned");
    };
    assert_eq!(host, format!("127.0.0.1:{}", machine.port));
    assert_eq!(fingerprint, pins::fingerprint(&machine.host_key()));
    // The pause is not over, and nobody connects.
    assert!(matches!(source.read().await, Err(SourceError::Unpinned { .. })));
    assert_eq!(machine.connections(), 1);
    assert!(machine.shared.users.lock().expect("unpoisoned").is_empty());

    side.pin(&machine);
    let reading = source.read().await.expect("a reading");
    assert_eq!(reading.problems, Vec::<String>::new());
    source.read().await.expect("another");
    assert_eq!(machine.connections(), 2, "the connection is kept");
    assert_eq!(*machine.shared.users.lock().expect("unpoisoned"), ["ops"]);
    assert_eq!(*machine.shared.commands.lock().expect("unpoisoned"), ["sh -s", "sh -s"]);
    let heard = machine.shared.scripts.lock().expect("unpoisoned").clone();
    assert_eq!(heard, script::SURVEY.repeat(2).into_bytes());
}

#[tokio::test]
async fn a_changed_host_key_gets_neither_name_nor_key() {
    let side = Side::new();
    let machine = side.machine(Manner::Prints(WHOLE, 0)).await;
    side.pin(&machine);
    machine.change_key();
    let failure = side.source(&machine).read().await.expect_err("changed");
    let fingerprint = pins::fingerprint(&machine.host_key());
    let host = format!("127.0.0.1:{}", machine.port);
    assert_eq!(failure, SourceError::KeyChanged { host, fingerprint });
    assert!(machine.shared.users.lock().expect("unpoisoned").is_empty());
}

#[tokio::test]
async fn a_refused_key_is_named_and_not_tried_again_at_once() {
    let side = Side::new();
    let machine = Machine::start(new_key().public_key(), Manner::Prints(WHOLE, 0)).await;
    side.pin(&machine);
    let mut source = side.source(&machine);
    let said = source.read().await.expect_err("refused");
    let SourceError::Refused(text) = &said else { panic!("{said}") };
    for part in ["the user ops", "/id (SHA256:", "authorized_keys"] {
        assert!(text.contains(part), "{text}");
    }
    let again = source.read().await.expect_err("still").to_string();
    assert!(again.contains("tried again in"), "{again}");
    assert_eq!(machine.connections(), 1);
}

#[tokio::test]
async fn whatever_a_machine_answers_is_told_by_its_stage() {
    let side = Side::new();
    for (manner, told) in [
        (Manner::Prints("", 0), "does not run our script: status 0"),
        (Manner::Prints("@@a\nhalf", 1), "was cut before its last line, status 1"),
        (Manner::Prints("Welcome!\n@@a\n@@end\n", 0), "\"Welcome!\""),
        (Manner::Prints("\x1b]0;x\x07garbage", 0), "\"]0;xgarbage\""),
        (Manner::HangsUp("@@a\n"), "closed the connection after 4 bytes"),
        (Manner::HangsUp(""), "closed the connection after 0 bytes"),
        (Manner::Complains("sh: not found\nmore"), "does not run our script: sh: not found"),
        (Manner::Floods, "sends more than the 4194304 bytes"),
        (Manner::FloodsComplaints, "sends more than the 4194304 bytes"),
        (Manner::Refuses, "refuses to run commands"),
    ] {
        let machine = side.machine(manner).await;
        side.pin(&machine);
        let mut source = side.source(&machine);
        let failure = source.read().await.expect_err("a failure").to_string();
        assert!(failure.contains(told), "{manner:?}: {failure}");
        machine.is_left_alone().await;
    }
}

#[tokio::test]
async fn a_forced_command_and_one_that_lingers_are_heard() {
    let side = Side::new();
    for manner in [Manner::IsForced(WHOLE), Manner::Lingers(WHOLE)] {
        let machine = side.machine(manner).await;
        side.pin(&machine);
        let mut source = side.source(&machine);
        for _ in 0..3 {
            source.read().await.expect("a reading");
        }
        assert_eq!(machine.connections(), 1, "{manner:?}");
    }
}

#[tokio::test]
async fn channels_that_a_machine_opens_are_refused() {
    let side = Side::new();
    let machine = side.machine(Manner::OpensChannels).await;
    side.pin(&machine);
    side.source(&machine).read().await.expect("none was opened");
}

#[tokio::test]
async fn a_connection_that_died_unseen_is_replaced_at_once() {
    let side = Side::new();
    let machine = side.machine(Manner::Prints(WHOLE, 0)).await;
    side.pin(&machine);
    let mut source = side.source(&machine);
    source.read().await.expect("a reading");
    machine.hang_up();
    source.read().await.expect("another");
    assert_eq!(machine.connections(), 2);
    // One that dies under the question itself.
    machine.behave(Manner::HangsUp(""));
    assert!(source.read().await.is_err());
    assert_eq!(machine.connections(), 3);
}

#[tokio::test]
async fn dropping_a_read_ends_its_connection_and_counts_as_a_failure() {
    let side = Side::new();
    let machine = side.machine(Manner::IsSilent).await;
    side.pin(&machine);
    let mut source = side.source(&machine);
    {
        let mut read = source.read();
        while machine.shared.commands.lock().expect("unpoisoned").is_empty() {
            assert!(futures_util::poll!(&mut read).is_pending());
            tokio::task::yield_now().await;
        }
    }
    machine.is_left_alone().await;
    let failure = source.read().await.expect_err("a pause").to_string();
    assert!(failure.contains("did not answer in time; tried again in"), "{failure}");
    assert_eq!(machine.connections(), 1);
}

#[tokio::test]
async fn a_flood_before_the_first_command_is_cut_off() {
    let side = Side::new();
    let machine = side.machine(Manner::Prints(WHOLE, 0)).await;
    side.pin(&machine);
    machine.greet("x".repeat(200 << 10));
    let failure = side.source(&machine).read().await.expect_err("a flood").to_string();
    assert!(failure.contains("sends more"), "{failure}");
    machine.is_left_alone().await;

    // And one that never comes to the protocol.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut server = side.server(&machine);
    let place = format!("ops@{}", listener.local_addr().expect("bound"));
    server.destination = Destination::parse(&place).expect("a destination");
    let flooding = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        while stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.is_ok() {}
    };
    let mut source = SshSource::new(server, Arc::clone(&side.access));
    let (failure, ()) = tokio::join!(source.read(), flooding);
    let failure = failure.expect_err("no SSH").to_string();
    assert!(failure.contains("does not open SSH"), "{failure}");
}

#[tokio::test]
async fn nobody_there_is_told_from_no_such_name() {
    let side = Side::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let machine = Machine::absent(side.key.public_key(), Manner::IsSilent, port);
    let failure = side.source(&machine).read().await.expect_err("nobody").to_string();
    assert!(failure.contains("cannot connect to 127.0.0.1"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_left_at_the_deadline() {
    let (near, far) = duplex(1 << 10);
    let destination = Destination::parse("quiet").expect("a destination");
    let watch = Watch::looking(&destination);
    let shaken = shake_hands(near, &destination, HOST_KEY_TYPES.to_vec(), watch).await;
    let failure = shaken.err().expect("no answer").told().to_string();
    assert_eq!(failure, "quiet did not open SSH within 10 s");
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_never_ends_is_left_at_the_deadline() {
    let side = Side::new();
    let machine = Machine::absent(side.key.public_key(), Manner::IsSilent, 22);
    side.pin(&machine);
    let server = side.server(&machine);
    let (near, far) = duplex(64 << 10);
    machine.shared.serve(far);
    let pins = Arc::new(pins::load([side.access.pins.as_path()]).expect("pins"));
    let opened =
        connection::Connection::begin(near, &server.destination, pins, &server, &side.access, None);
    let mut source = SshSource::holding(server.clone(), &side.access, opened.await.expect("open"));
    let failure = source.read().await.expect_err("silence").to_string();
    assert_eq!(failure, "127.0.0.1 did not answer within 45 s");
}

#[tokio::test]
async fn a_jump_host_is_held_to_its_pin_as_well() {
    let side = Side::new();
    let (jump, machine) =
        (side.machine(Manner::Refuses).await, side.machine(Manner::Prints(WHOLE, 0)).await);
    let mut server = side.server(&machine);
    server.jump = Some(side.server(&jump).destination);
    let mut source = SshSource::new(server.clone(), Arc::clone(&side.access));
    let Err(SourceError::Unpinned { host, .. }) = source.read().await else {
        panic!("the jump host is not pinned")
    };
    assert_eq!(host, format!("127.0.0.1:{}", jump.port));
    assert!(matches!(scan(&server, &side.access).await, Err(SourceError::Unpinned { .. })));

    side.pin(&jump);
    let shown = scan(&server, &side.access).await.expect("a key");
    assert_eq!(shown.fingerprint, pins::fingerprint(&machine.host_key()));
    side.pin(&machine);
    source.read().await.expect("a reading");
    source.read().await.expect("another");
    // One to see the key, one that is kept.
    assert_eq!(machine.connections(), 2);
}

#[tokio::test]
async fn keys_are_accepted_by_their_fingerprint_alone() {
    let side = Side::new();
    let (jump, machine) =
        (side.machine(Manner::Refuses).await, side.machine(Manner::Prints(WHOLE, 0)).await);
    let mut server = side.server(&machine);
    server.jump = Some(side.server(&jump).destination);
    let prints = [&jump, &machine].map(|one| pins::fingerprint(&one.host_key()));
    let refusal = accept(&server, &side.access, &prints[1..]).await.expect_err("the jump host");
    assert!(refusal.to_string().contains(&prints[0]), "{refusal}");
    assert!(!side.access.pins.exists());
    let accepted = accept(&server, &side.access, &prints).await.expect("both");
    assert_eq!(accepted.iter().map(|key| &key.fingerprint).collect::<Vec<_>>(), prints.each_ref());
    SshSource::new(server, Arc::clone(&side.access)).read().await.expect("a reading");
    assert!(machine.shared.users.lock().expect("unpoisoned").len() == 1);
}

/// A whole answer.
const WHOLE: &str = "@@clock\n1700000000.5\n100\n@@/proc/uptime\n12.5 40.0\n@@end\n";

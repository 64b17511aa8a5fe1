//! The seeds' files.

use std::os::unix::fs::PermissionsExt;

use conduit_core::clock::Timestamp;
use conduit_core::health::Health;
use serde_json::Value;

use super::fake::{Room, asked, name};
use crate::view::audit_log::AUDIT_LOG_FILE;
use crate::view::services::SERVICES_FILE;
use crate::view::{AuditLog, RowHealth, services_json, write_services};
use crate::{Mutation, import};

#[tokio::test]
async fn services_json_has_the_seeds_fields() {
    let room = Room::new();
    room.register(vec![asked("grafana", "10.0.1.50:3000")]).await.expect("granted");
    room.register(vec![asked("old", "10.0.1.51:3000")]).await.expect("granted");
    room.apply(Mutation::Deregister { name: name("old") }).await.expect("granted");
    let rows = room.registry.rows(true).await.expect("read");
    let generation = room.registry.catalog().load().generation();
    let json = services_json(&rows, generation, |service| {
        (service.as_str() == "grafana").then_some(RowHealth {
            health: Health::Healthy,
            last_probe_at: Some(Timestamp::from_seconds(1_775_304_030)),
            response_time_ms: Some(1.5),
        })
    });
    write_services(room.dir.path(), &json).expect("written");
    let path = room.dir.path().join(SERVICES_FILE);
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).expect("read");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&file["version"], &file["generation"]), (&1.into(), &3.into()));
    let grafana = &file["services"][0];
    for (field, expected) in [
        ("name", Value::from("grafana")),
        ("upstream", "10.0.1.50:3000".into()),
        ("domain", "grafana.internal".into()),
        ("protocol", "http".into()),
        ("status", "active".into()),
        ("registered_at", "2026-04-04T12:00:00Z".into()),
        ("deregistered_at", Value::Null),
        ("health_check", Value::Null),
        ("health_status", "healthy".into()),
        ("last_health_check", "2026-04-04T12:00:30Z".into()),
        ("response_time_ms", 1.5.into()),
    ] {
        assert_eq!(grafana[field], expected, "{field}");
    }
    assert_eq!(grafana["tls"]["not_after"], "2026-04-05T12:00:00Z");
    assert_eq!(grafana["tls"]["fingerprint_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(file["services"][1]["status"], "inactive");
    assert_eq!(file["services"][1]["deregistered_at"], "2026-04-04T12:00:00Z");
    let import = import::services(text.as_bytes()).expect("understood");
    assert_eq!(import.registrations.len(), 1);
    assert_eq!(import.ignored.len(), 1, "{:?}", import.ignored);
}

async fn catch_up(room: &Room) -> AuditLog {
    let count = room.registry.head().load().count;
    let mut log = AuditLog::open(room.dir.path(), count).expect("opened");
    let missing = room.registry.entries_from(log.next_sequence(), 999).await.expect("read");
    log.append(&missing).expect("appended");
    log
}

fn lines(room: &Room) -> Vec<Value> {
    let text = std::fs::read_to_string(room.dir.path().join(AUDIT_LOG_FILE)).expect("read");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn audit_log_is_rebuilt_when_missing_behind_torn_or_ahead() {
    let room = Room::new();
    let path = room.dir.path().join(AUDIT_LOG_FILE);
    let sequences = || -> Vec<u64> {
        let lines = lines(&room).into_iter();
        lines.map(|line| line["sequence"].as_u64().expect("a number")).collect()
    };
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    let mut log = catch_up(&room).await;
    assert_eq!(lines(&room)[0]["action"], "service_register");
    room.register(vec![asked("b", "10.0.0.1:80")]).await.expect("granted");
    let all = room.registry.entries_from(0, 99).await.expect("read");
    log.append(&all).expect("what is there is passed over");
    assert_eq!(sequences(), [0, 1]);
    // Behind, with a torn line.
    room.register(vec![asked("c", "10.0.0.1:80")]).await.expect("granted");
    let whole = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, &whole[..whole.len() - 10]).expect("torn");
    catch_up(&room).await;
    assert_eq!(sequences(), [0, 1, 2]);
    // Missing.
    std::fs::remove_file(&path).expect("removed");
    catch_up(&room).await;
    assert_eq!(sequences(), [0, 1, 2]);
    // Somebody else's.
    std::fs::write(&path, "not ours\n").expect("written");
    catch_up(&room).await;
    assert_eq!(sequences(), [0, 1, 2]);
    // Ahead of a record that was restored from a backup.
    let log = AuditLog::open(room.dir.path(), 1).expect("opened");
    assert_eq!(log.next_sequence(), 0);
    let rotated = std::fs::read_to_string(path.with_extension("log.1")).expect("kept");
    assert_eq!(rotated.lines().count(), 3);
}

#[tokio::test]
async fn a_rotated_log_goes_on_where_it_stopped() {
    let room = Room::new();
    let path = room.dir.path().join(AUDIT_LOG_FILE);
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    room.register(vec![asked("b", "10.0.0.1:80")]).await.expect("granted");
    drop(catch_up(&room).await);
    std::fs::rename(&path, path.with_extension("log.1")).expect("rotated by size");
    std::fs::write(&path, "").expect("begun anew");
    let mut log = AuditLog::open(room.dir.path(), 2).expect("opened");
    assert_eq!(log.next_sequence(), 2);
    room.register(vec![asked("c", "10.0.0.1:80")]).await.expect("granted");
    let later = room.registry.entries_from(0, 99).await.expect("read");
    log.append(&later).expect("appended");
    assert_eq!(lines(&room).len(), 1);
    assert!(log.append(&later[..0]).is_ok());
}

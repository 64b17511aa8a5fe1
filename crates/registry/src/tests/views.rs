//! The seeds' files.

use std::os::unix::fs::PermissionsExt;

use conduit_core::clock::Timestamp;
use conduit_core::health::Health;
use conduit_core::name::ServiceName;
use serde_json::Value;

use super::fake::{Room, asked, name};
use crate::view::audit_log::AUDIT_LOG_FILE;
use crate::view::services::SERVICES_FILE;
use crate::view::{AuditLog, RowHealth};
use crate::{Mutation, RegistryError, import};

#[tokio::test]
async fn services_json_has_the_seeds_fields() {
    let room = Room::new();
    room.register(vec![asked("grafana", "10.0.1.50:3000")]).await.expect("granted");
    room.register(vec![asked("old", "10.0.1.51:3000")]).await.expect("granted");
    room.apply(Mutation::Deregister { name: name("old") }).await.expect("granted");
    let health = |service: &ServiceName| {
        (service.as_str() == "grafana").then_some(RowHealth {
            health: Health::Healthy,
            last_probe_at: Some(Timestamp::from_seconds(1_775_304_030)),
            response_time_ms: Some(5),
        })
    };
    room.registry.write_services(room.dir.path(), health).await.expect("written");
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
        ("response_time_ms", 5.into()),
        ("monitoring", Value::Object(serde_json::Map::new())),
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

#[tokio::test]
async fn services_json_is_the_same_text_however_many_rows_there_are() {
    let room = Room::new();
    let path = room.dir.path().join(SERVICES_FILE);
    let text = async || {
        room.registry.write_services(room.dir.path(), |_| None).await.expect("written");
        std::fs::read_to_string(&path).expect("read")
    };
    let empty = "{\n  \"version\": 1,\n  \"generation\": 0,\n  \"services\": []\n}\n";
    assert_eq!(text().await, empty);
    for service in ["a", "b", "c"] {
        room.register(vec![asked(service, "10.0.0.1:80")]).await.expect("granted");
    }
    let text = text().await;
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["services"].as_array().map(Vec::len), Some(3));
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains("\"name\"")) {
        assert!(line.starts_with("      \"name\": \""), "line {index} is not pretty: {line}");
    }
    assert!(!path.with_extension("json.new").exists());
}

#[tokio::test]
async fn a_damaged_row_leaves_the_old_view_whole() {
    let room = Room::new();
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    room.registry.write_services(room.dir.path(), |_| None).await.expect("written");
    let path = room.dir.path().join(SERVICES_FILE);
    let before = std::fs::read_to_string(&path).expect("read");
    let database = rusqlite::Connection::open(room.dir.path().join("conduit.db")).expect("opened");
    database.execute_batch("UPDATE services SET upstreams = 'x'").expect("damaged");
    let error = room.registry.write_services(room.dir.path(), |_| None).await.expect_err("refused");
    assert!(matches!(error, RegistryError::BadRow { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), before);
    assert!(!path.with_extension("json.new").exists());
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
async fn the_log_is_brought_up_to_the_tip_in_batches() {
    let room = Room::new();
    let services = (0..250).map(|i| asked(&format!("s{i}"), "10.0.0.1:80")).collect();
    room.register(services).await.expect("granted");
    for _ in 0..2 {
        room.registry.write_log(room.dir.path()).await.expect("written");
        assert_eq!(lines(&room).len(), 250);
    }
    assert_eq!(lines(&room)[249]["sequence"], 249);
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

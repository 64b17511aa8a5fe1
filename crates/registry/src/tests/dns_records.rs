//! Records of operators: added, removed, refused, across restarts, and on the record.

use std::sync::Arc;

use conduit_core::catalog::Generation;
use conduit_core::clock::Timestamp;
use conduit_core::record::data::RecordData;
use conduit_core::record::fixed::Builder;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordTtl};

use super::fake::{LIMITS, Next, Room, asked, open, publisher, settings, verify};
use crate::mutation::{RecordWish, RecordsToChange, RecordsToRemove};
use crate::writer::start_with;
use crate::{ApplyError, Committed, Limits, Mutation, Registry, Rejection, Settings};

fn record(text: &str) -> Record {
    let mut words = text.splitn(3, ' ');
    let mut word = || words.next().expect("three words");
    let name = RecordName::parse(word()).expect("a name");
    let kind: RecordType = word().parse().expect("a type");
    Record {
        name,
        data: RecordData::parse(kind, word()).expect("data"),
        ttl: None,
        added_at: Timestamp::from_seconds(0),
    }
}

fn add(text: &str) -> Mutation {
    Mutation::AddRecord(Box::new(record(text)))
}

fn remove(name: &str, kind: Option<RecordType>, data: Option<&str>) -> Mutation {
    let parse = |text| RecordData::parse(kind.expect("a type"), text).expect("data");
    Mutation::RemoveRecords(Box::new(RecordsToRemove {
        name: RecordName::parse(name).expect("a name"),
        kind,
        data: data.map(parse),
    }))
}

fn all(registry: &Registry) -> Vec<String> {
    let catalog = registry.catalog().load_full();
    let mut all: Vec<String> =
        catalog.records().flat_map(|records| records.iter().map(ToString::to_string)).collect();
    assert_eq!(all.len(), catalog.record_count());
    all.sort();
    all
}

fn rejection(result: Result<Committed, ApplyError>) -> Rejection {
    match result {
        Err(ApplyError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_record_stays_until_it_is_removed_and_its_row_for_ever() {
    let room = Room::new();
    let added = room.apply(add("nas.internal A 10.0.0.7")).await.expect("granted");
    assert_eq!((added.changed, added.generation.0, added.records.len()), (true, 1, 1));
    room.apply(add("nas.internal A 10.0.0.8")).await.expect("granted");
    room.apply(add("nas.internal TXT \"a b\"")).await.expect("granted");
    let again = room.apply(add("nas.internal A 10.0.0.8")).await.expect("granted");
    assert_eq!((again.changed, again.generation.0, again.records.len()), (false, 3, 1));

    let mut longer = record("nas.internal A 10.0.0.8");
    longer.ttl = Some(RecordTtl::from_seconds(300).expect("valid"));
    let changed = room.apply(Mutation::AddRecord(Box::new(longer))).await.expect("granted");
    assert_eq!((changed.changed, changed.generation.0), (true, 4));

    let room = Room::in_dir(room.close().await, |_| {});
    let there = ["nas.internal A 10.0.0.7", "nas.internal A 10.0.0.8", "nas.internal TXT \"a b\""];
    assert_eq!(all(&room.registry), there, "across a restart");
    let catalog = room.registry.catalog().load_full();
    let ttls: Vec<_> = catalog.records_at("nas.internal").iter().filter_map(|r| r.ttl).collect();
    assert_eq!(ttls.iter().map(|ttl| ttl.seconds()).collect::<Vec<_>>(), [300]);

    let wish = remove("nas.internal", Some(RecordType::A), None);
    let removed = room.apply(wish).await.expect("granted");
    assert_eq!((removed.records.len(), removed.generation.0), (2, 5));
    assert_eq!(all(&room.registry), ["nas.internal TXT \"a b\""]);
    let wish = remove("nas.internal", Some(RecordType::Txt), Some("\"a b\""));
    room.apply(wish).await.expect("granted");
    assert!(all(&room.registry).is_empty());
    let rows = room.dump().iter().filter(|row| row.starts_with("records:")).count();
    assert_eq!(rows, 4, "nothing is deleted");
    let entries = room.registry.entries_from(0, 99).await.expect("read");
    let told: Vec<(&str, &str)> =
        entries.iter().map(|e| (e.action.as_str(), e.message.as_str())).collect();
    assert_eq!(told.len(), 7, "one for each record: {told:?}");
    assert_eq!(told[0], ("dns_add", "Added the record nas.internal A 10.0.0.7"));
    assert_eq!(told[3], ("dns_add", "Changed the TTL of nas.internal A 10.0.0.8"));
    assert_eq!(told[6], ("dns_remove", "Removed the record nas.internal TXT \"a b\""));
    assert_eq!(entries[3].details["ttl"], 300);
    let dir = room.close().await;
    let store = open(dir.path());
    let error = store.connection.execute("DELETE FROM records", []).expect_err("refused");
    assert!(error.to_string().contains("never deleted"), "{error}");
    drop(store);
    verify(dir.path());
}

fn together(seen: u64, wishes: Vec<Mutation>) -> Mutation {
    let wish = |mutation| match mutation {
        Mutation::AddRecord(record) => RecordWish::Add(*record),
        Mutation::RemoveRecords(which) => RecordWish::Remove(*which),
        other => panic!("{other:?}"),
    };
    let wishes = wishes.into_iter().map(wish).collect();
    Mutation::ChangeRecords(Box::new(RecordsToChange { seen: Generation(seen), wishes }))
}

#[tokio::test]
async fn records_change_together_or_not_at_all() {
    let room = Room::new();
    room.register(vec![asked("web", "10.0.0.1:80")]).await.expect("granted");
    let first = together(
        1,
        vec![
            add("a.internal A 10.0.0.1"),
            add("b.internal CNAME web.internal"),
            add("gone.internal TXT x"),
            remove("gone.internal", None, None),
            remove("never.internal", Some(RecordType::A), None),
        ],
    );
    let changed = room.apply(first).await.expect("granted");
    assert_eq!((changed.changed, changed.generation.0, changed.records.len()), (true, 2, 2));
    let there = ["a.internal A 10.0.0.1", "b.internal CNAME web.internal"];
    assert_eq!(all(&room.registry), there);

    for (seen, wish, code) in [
        (2, add("a.internal CNAME web.internal"), "record_conflict"),
        (2, add("web.internal A 10.0.0.9"), "record_conflict"),
        (2, remove("web.internal", Some(RecordType::A), None), "record_conflict"),
        (2, remove("web.internal", None, None), "record_conflict"),
        (1, add("c.internal A 10.0.0.9"), "changed_meanwhile"),
    ] {
        let wishes = vec![add("c.internal A 10.0.0.3"), wish];
        assert_eq!(rejection(room.apply(together(seen, wishes)).await).code, code);
        assert_eq!(all(&room.registry), there, "nothing of it");
    }

    let moved = together(
        2,
        vec![
            remove("a.internal", Some(RecordType::A), Some("10.0.0.1")),
            add("a.internal CNAME web.internal"),
            add("b.internal CNAME a.internal"),
            remove("web.internal", Some(RecordType::Txt), None),
        ],
    );
    room.apply(moved).await.expect("granted");
    let there = ["a.internal CNAME web.internal", "b.internal CNAME a.internal"];
    assert_eq!(all(&room.registry), there);
    let same =
        together(3, vec![remove("a.internal", None, None), add("a.internal CNAME web.internal")]);
    let same = room.apply(same).await.expect("granted");
    assert_eq!((same.changed, same.generation.0), (false, 3), "nothing differs in the end");
    let entries = room.registry.entries_from(0, 99).await.expect("read");
    let told: Vec<&str> = entries.iter().skip(1).map(|e| e.action.as_str()).collect();
    let expected = ["dns_add", "dns_add", "dns_remove", "dns_add", "dns_remove", "dns_add"];
    assert_eq!(told, expected, "what stayed is not told of");
    verify(room.close().await.path());
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let room = Room::new();
    room.register(vec![asked("web", "10.0.0.1:80")]).await.expect("granted");
    room.apply(add("alias.internal CNAME web.internal")).await.expect("granted");
    room.apply(add("nas.internal A 10.0.0.7")).await.expect("granted");
    // Beside a service everything may stand but what says where it is.
    for fine in ["web.internal TXT x", "web.internal MX 10 nas.internal", "internal A 10.0.0.1"] {
        room.apply(add(fine)).await.expect(fine);
    }
    let before = room.dump();
    for (wish, code, part) in [
        (add("web.internal A 10.0.0.9"), "record_conflict", "is a host of web"),
        (add("web.internal CNAME nas.internal"), "record_conflict", "is a host of web"),
        (add("alias.internal TXT x"), "record_conflict", "beside alias.internal CNAME"),
        (add("alias.internal CNAME nas.internal"), "record_conflict", "beside"),
        (add("nas.internal CNAME web.internal"), "record_conflict", "beside nas.internal A"),
        (add("conduit.internal A 10.0.0.9"), "host_reserved", "Conduit's own routes"),
        (add("internal CNAME nas.internal"), "invalid_name", "is a configured domain"),
        (add("nas.example.com A 10.0.0.9"), "invalid_name", "not under a configured domain"),
        (remove("nope.internal", None, None), "not_found", "has no record"),
        (remove("nas.internal", Some(RecordType::Txt), None), "not_found", "has no TXT record"),
        (remove("nas.internal", Some(RecordType::A), Some("10.0.0.9")), "not_found", "that data"),
    ] {
        let rejection = rejection(room.apply(wish).await);
        assert_eq!(rejection.code, code, "{rejection}");
        assert!(rejection.message.contains(part) && rejection.hint.is_some(), "{rejection:?}");
    }
    let taken = rejection(room.register(vec![asked("nas", "10.0.0.1:80")]).await);
    assert_eq!(
        (taken.code, &*taken.message),
        ("host_taken", "nas.internal has a record already: A 10.0.0.7")
    );
    let hint = taken.hint.expect("a mend");
    assert!(hint.contains("conduit dns remove nas.internal A"), "{hint}");
    for next in [Next::Panic, Next::Refuse] {
        room.script.set(next);
        let refused = room.apply(add("new.internal A 10.0.0.9")).await;
        assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    }
    assert_eq!(room.dump(), before);
}

#[tokio::test]
async fn what_the_configuration_names_stays_and_limits_hold() {
    let mut fixed = Builder::default();
    fixed.add(record("fixed.internal A 10.0.0.5")).expect("alone");
    fixed.add(record("alias.internal CNAME fixed.internal")).expect("alone");
    fixed.add(record("fixed.internal CNAME x.internal")).expect_err("not alone");
    let limits = Limits {
        records_max: 5,
        records_of_name_max: 2,
        record_bytes_of_name_max: 100,
        ..Limits::default()
    };
    let settings = Settings { records: Arc::new(fixed.build()), limits, ..settings() };
    let dir = tempfile::tempdir().expect("a directory");
    let started = start_with(open(dir.path()), settings, publisher(), LIMITS);
    let (registry, thread) = started.expect("started");
    let apply = |wish| registry.apply(super::fake::operator(), wish);
    let again = apply(add("fixed.internal A 10.0.0.5")).await.expect("it is there");
    assert_eq!((again.changed, again.records.len()), (false, 1));
    apply(add("fixed.internal A 10.0.0.6")).await.expect("beside it");
    apply(add("fixed.internal A 10.0.0.8")).await.expect("beside it");
    let long = format!("long.internal TXT {}", "x".repeat(120));
    for (wish, code) in [
        (remove("fixed.internal", Some(RecordType::A), Some("10.0.0.5")), "record_fixed"),
        (add("alias.internal TXT x"), "record_conflict"),
        (add("fixed.internal A 10.0.0.7"), "limit"),
        (add(&long), "limit"),
    ] {
        assert_eq!(rejection(apply(wish).await).code, code);
    }
    let services = vec![asked("fixed", "10.0.0.1:80")];
    let options = crate::RegisterOptions::default();
    let taken = rejection(apply(Mutation::Register { services, options }).await);
    assert!(taken.hint.expect("a mend").contains("[[dns.records]]"));
    for number in 1..4 {
        apply(add(&format!("n{number}.internal A 10.0.0.1"))).await.expect("room");
    }
    assert_eq!(rejection(apply(add("n9.internal A 10.0.0.1")).await).code, "limit");
    registry.close().await;
    drop(registry);
    thread.join().expect("ended well");
}

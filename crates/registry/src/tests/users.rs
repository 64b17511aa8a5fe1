//! People who may log in: added, changed, removed, across restarts, and on the record.

use conduit_core::actor::Role;
use conduit_core::user::{PasswordHash, UserName};

use super::fake::{LIMITS, Room, open, operator, publisher, settings, verify};
use crate::writer::start_with;
use crate::{ApplyError, Limits, Mutation, Settings};

fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect("valid")
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::parse(&format!("$argon2id${text}")).expect("valid")
}

fn add(name: &str, password: Option<&str>) -> Mutation {
    let password = password.map(hash);
    Mutation::AddUser { name: user_name(name), role: Role::Operator, password }
}

fn set_password(name: &str, password: &str) -> Mutation {
    Mutation::SetPassword { name: user_name(name), password: hash(password) }
}

fn set_role(name: &str, role: Role) -> Mutation {
    Mutation::SetRole { name: user_name(name), role }
}

fn remove(name: &str) -> Mutation {
    Mutation::RemoveUser { name: user_name(name) }
}

fn present(room: &Room) -> Vec<(String, Role, bool)> {
    let users = room.registry.users().load_full();
    let each = users.iter().map(|u| (u.name.to_string(), u.role, u.password.is_some()));
    each.collect()
}

#[tokio::test]
async fn a_user_stays_until_removed_and_the_row_for_ever() {
    let room = Room::new();
    let added = room.apply(add("ada", Some("first"))).await.expect("granted");
    assert_eq!((added.changed, added.generation.0), (true, 0), "no table changes");
    room.apply(add("bob", None)).await.expect("granted");
    let expected =
        vec![("ada".to_owned(), Role::Operator, true), ("bob".to_owned(), Role::Operator, false)];
    assert_eq!(present(&room), expected);
    let room = Room::in_dir(room.close().await, |_| {});
    assert_eq!(present(&room), expected, "across a restart");
    room.apply(set_password("bob", "second")).await.expect("granted");
    room.apply(set_role("bob", Role::CaOfficer)).await.expect("granted");
    let same = room.apply(set_role("bob", Role::CaOfficer)).await.expect("granted");
    assert!(!same.changed);
    room.apply(remove("ada")).await.expect("granted");
    room.apply(add("ada", None)).await.expect("the name is free again");
    let room = Room::in_dir(room.close().await, |_| {});
    assert_eq!(
        present(&room),
        [("ada".to_owned(), Role::Operator, false), ("bob".to_owned(), Role::CaOfficer, true)]
    );
    let rows = room.registry.user_rows().await.expect("read");
    let removed = rows.iter().filter(|row| row.removed_at.is_some()).count();
    assert_eq!((rows.len(), removed), (3, 1));
    let dir = room.close().await;
    let store = open(dir.path());
    let error = store.connection.execute("DELETE FROM users", []).expect_err("refused");
    assert!(error.to_string().contains("never deleted"), "{error}");
}

#[tokio::test]
async fn each_decision_has_its_entry_and_none_the_password() {
    let room = Room::new();
    for wish in [
        add("ada", Some("first-hash")),
        set_password("ada", "second-hash"),
        set_role("ada", Role::Auditor),
        remove("ada"),
    ] {
        room.apply(wish).await.expect("granted");
    }
    let entries = room.registry.entries_from(0, 9).await.expect("read");
    let told: Vec<(&str, &str)> =
        entries.iter().map(|e| (e.action.as_str(), e.message.as_str())).collect();
    assert_eq!(
        told,
        [
            ("user_add", "Added user ada with the role operator"),
            ("user_password_set", "Set the password of ada"),
            ("user_role_set", "Changed the role of ada from operator to auditor"),
            ("user_remove", "Removed user ada"),
        ]
    );
    assert_eq!(entries[2].details["previous"], "operator");
    assert!(!format!("{entries:?}").contains("-hash"));
    verify(room.close().await.path());
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Limits { users_max: 1, ..Limits::default() };
    let settings = Settings { limits, ..settings() };
    let started = start_with(open(dir.path()), settings, publisher(), LIMITS);
    let (registry, thread) = started.expect("started");
    let apply = |wish| registry.apply(operator(), wish);
    apply(add("ada", None)).await.expect("granted");
    for (wish, code) in [
        (add("ADA", None), "user_name_taken"),
        (add("bob", None), "limit"),
        (remove("bob"), "not_found"),
        (set_role("bob", Role::Admin), "not_found"),
        (set_password("bob", "x"), "not_found"),
    ] {
        let Err(ApplyError::Rejected(rejection)) = apply(wish).await else {
            panic!("granted: {code}");
        };
        assert_eq!(rejection.code, code);
        assert!(rejection.hint.is_some(), "{rejection}");
    }
    assert_eq!(registry.user_rows().await.expect("read").len(), 1);
    registry.close().await;
    drop(registry);
    thread.join().expect("ended well");
}

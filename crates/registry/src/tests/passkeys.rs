//! Passkeys: added, used and removed, across restarts, with their owner and on the record.

use std::sync::Arc;

use conduit_core::actor::Role;
use conduit_core::clock::Timestamp;
use conduit_core::passkey::{PASSKEYS_MAX, Passkey, PasskeyId, PasskeyLabel};
use conduit_core::user::{User, UserName};

use super::fake::{Room, draft, verify};
use crate::{ApplyError, Mutation};

fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect("valid")
}

fn id(text: &str) -> PasskeyId {
    PasskeyId::parse(&format!("{text:-<22}")).expect("valid")
}

fn add_user(name: &str) -> Mutation {
    Mutation::AddUser { name: user_name(name), role: Role::Operator, password: None }
}

fn add(owner: &str, name: &str) -> Mutation {
    let passkey = Passkey {
        id: id(name),
        label: PasskeyLabel::parse(name).expect("valid"),
        host: "conduit.internal".into(),
        handle: [7; 64],
        key: Arc::new([1, 2, 3]),
        state: Arc::new([0]),
        created_at: Timestamp::from_seconds(0),
        used_at: Some(Timestamp::from_seconds(0)),
    };
    Mutation::AddPasskey { name: user_name(owner), passkey: Box::new(passkey) }
}

fn remove(owner: &str, name: &str) -> Mutation {
    Mutation::RemovePasskey { name: user_name(owner), id: id(name) }
}

fn use_it(owner: &str, name: &str, state: u8) -> Mutation {
    let record = Box::new(draft("ada logged in"));
    Mutation::UsePasskey { name: user_name(owner), id: id(name), state: Arc::new([state]), record }
}

fn owner(room: &Room, name: &str) -> Arc<User> {
    room.registry.users().load_full().get(&user_name(name)).cloned().expect("there")
}

#[tokio::test]
async fn a_passkey_stays_with_its_owner_and_its_use_is_noted() {
    let room = Room::new();
    for wish in [add_user("ada"), add_user("bob"), add("ada", "phone"), add("ada", "laptop")] {
        room.apply(wish).await.expect("granted");
    }
    assert_eq!(owner(&room, "ada").passkeys[0].used_at, None, "not before somebody logged in");
    let used = room.apply(use_it("ada", "phone", 9)).await.expect("granted");
    assert!(used.changed);
    let room = Room::in_dir(room.close().await, |_| {});
    let ada = owner(&room, "ada");
    let labels: Vec<&str> = ada.passkeys.iter().map(|passkey| passkey.label.as_str()).collect();
    assert_eq!(labels, ["phone", "laptop"]);
    let phone = &ada.passkeys[0];
    assert_eq!((&*phone.state, &*phone.key, &phone.handle), (&[9][..], &[1, 2, 3][..], &[7; 64]));
    assert!(phone.used_at.is_some() && phone.created_at > Timestamp::from_seconds(0));
    let users = room.registry.users().load_full();
    assert_eq!(users.passkey(&id("phone")).map(|(user, _)| user.name.as_str()), Some("ada"));
    room.apply(remove("ada", "laptop")).await.expect("granted");
    room.apply(Mutation::RemoveUser { name: user_name("ada") }).await.expect("granted");
    room.apply(add_user("ada")).await.expect("another person");
    let room = Room::in_dir(room.close().await, |_| {});
    assert!(owner(&room, "ada").passkeys.is_empty(), "they are not that person's");
    let entries = room.registry.entries_from(0, 20).await.expect("read");
    let told: Vec<(&str, &str)> =
        entries.iter().map(|e| (e.action.as_str(), e.message.as_str())).collect();
    assert_eq!(
        told[2..6],
        [
            ("passkey_add", "Added the passkey \"phone\" of ada"),
            ("passkey_add", "Added the passkey \"laptop\" of ada"),
            (entries[4].action.as_str(), "ada logged in"),
            ("passkey_remove", "Removed the passkey \"laptop\" of ada"),
        ]
    );
    assert_eq!(entries[2].details["host"], "conduit.internal");
    verify(room.close().await.path());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let room = Room::new();
    for wish in [add_user("ada"), add_user("bob")] {
        room.apply(wish).await.expect("granted");
    }
    for number in 0..PASSKEYS_MAX {
        room.apply(add("ada", &format!("key{number}"))).await.expect("granted");
    }
    for (wish, code) in [
        (add("ada", "more"), "limit"),
        (add("bob", "key3"), "passkey_taken"),
        (add("eve", "new"), "not_found"),
        (remove("bob", "key3"), "not_found"),
        (remove("ada", "none"), "not_found"),
        (use_it("bob", "key3", 1), "not_found"),
    ] {
        let Err(ApplyError::Rejected(rejection)) = room.apply(wish).await else {
            panic!("granted: {code}");
        };
        assert_eq!(rejection.code, code);
    }
    assert_eq!(owner(&room, "ada").passkeys.len(), PASSKEYS_MAX);
    room.close().await;
}

//! What survives a publication, and what is taken off a request.

use super::*;

fn read(json: &str) -> Policy {
    let policy: Policy = serde_json::from_str(json).expect(json);
    policy.check().expect(json);
    policy
}

fn compile(json: &str) -> Access {
    Access::compile(&read(json)).expect("asked")
}

#[test]
fn who_asks_nothing_has_no_gate() {
    assert!(Access::compile(&Policy::default()).is_none());
    assert!(Access::compile(&read(r#"{"compress":true}"#)).is_none());
}

#[test]
fn an_ipv6_client_is_its_network() {
    for (address, counted) in [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("fd00:1:2:3:4:5:6:7", "fd00:1:2:3::"),
        ("fd00:1:2:3::", "fd00:1:2:3::"),
    ] {
        let address = address.parse().expect("an address");
        assert_eq!(network(address).to_string(), counted);
    }
}

#[test]
fn every_spelling_is_removed() {
    let mut headers = HeaderMap::new();
    for name in ["remote-user", "Remote_User", "remote.user", "remote-users", "x_other"] {
        headers.append(HeaderName::try_from(name).expect("a name"), HeaderValue::from_static("x"));
    }
    remove_spellings(&mut headers, |name| name == "remote-user");
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["remote-users", "x_other"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_survives_while_the_same_is_asked() {
    let limited = r#"{"rate":{"requests":1,"per":"60s"}}"#;
    let before = compile(limited);
    let one = || Counted::Network(network(IpAddr::from([10, 0, 0, 9])));
    assert!(before.count(RateKey::Client, one).is_ok());
    assert!(before.count(RateKey::Service, || Counted::Service).is_ok(), "another kind");
    let mut same = compile(limited);
    same.carry_on(&before);
    assert!(same.count(RateKey::Client, one).is_err());
    let mut other = compile(r#"{"rate":{"requests":2,"per":"60s"}}"#);
    other.carry_on(&before);
    assert!(other.count(RateKey::Client, one).is_ok());
}

#[tokio::test]
async fn passwords_are_forgotten_with_their_users() {
    let users = |hash: &str| format!(r#"{{"basic_auth":[{{"user":"ann","hash":"{hash}"}}]}}"#);
    let [one, two] = ["$2b$04$abcdefghijklmnopqrstuu", "$2b$04$bbcdefghijklmnopqrstuu"]
        .map(|salt| users(&format!("{salt}abcdefghijklmnopqrstuvwxyzabcde")));
    let before = compile(&one);
    let same = |access: &Access| {
        let of = |access: &Access| access.passwords.as_ref().map(Arc::as_ptr);
        of(access) == of(&before)
    };
    let mut next = compile(&one);
    assert!(!same(&next));
    next.carry_on(&before);
    assert!(same(&next));
    let mut next = compile(&two);
    next.carry_on(&before);
    assert!(!same(&next));
}

//! People who may log in, and how far each role gets.

use conduit_admin::limits::FAILURES_PER_NAME;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::Role;
use conduit_api::v1::users::{AddUser, SetPassword, SetRole};

use crate::gateway::{Gateway, status};
use crate::sessions::{JSON, Page, json_of, login, try_login};

const SECRET: &str = "correct horse battery";
const OTHER: &str = "staple, tide and lamp";

async fn add(gateway: &Gateway, name: &str, role: Role) {
    let wish = AddUser { name: name.into(), role, password: Some(SECRET.into()) };
    gateway.local().add_user(&wish).await.expect("added");
}

fn body(user: &str, password: &str) -> String {
    format!(r#"{{"user":"{user}","password":"{password}"}}"#)
}

async fn user(gateway: &Gateway, name: &str, role: Role) -> Page {
    add(gateway, name, role).await;
    login(gateway, "", &body(name, SECRET)).await
}

async fn seen(gateway: &Gateway, page: &Page) -> u16 {
    status(&gateway.ask("GET", "/api/v1/session", &page.headers().0, "").await)
}

#[tokio::test]
async fn a_user_logs_in_by_password_until_removed() {
    let gateway = Gateway::start();
    let page = user(&gateway, "ada", Role::Operator).await;
    assert_eq!((&page.reply["name"], &page.reply["role"]), (&"ada".into(), &"operator".into()));
    let upper = login(&gateway, "", &body("ADA", SECRET)).await;
    for (name, password) in [("ada", "wrong"), ("eve", SECRET), ("a b", SECRET), ("ada", "")] {
        assert_eq!(status(&try_login(&gateway, "", &body(name, password)).await), 401, "{name}");
    }
    let (_, both) = page.headers();
    assert_eq!(status(&gateway.ask("POST", "/api/v1/dns/flush", &both, "").await), 200);
    let entries = gateway.local().audit(1, None).await.expect("entries").value.entries;
    assert_eq!(entries[0].user, "user:ada");
    gateway.local().remove_user("ada").await.expect("removed");
    assert_eq!((seen(&gateway, &page).await, seen(&gateway, &upper).await), (401, 401));
    assert_eq!(status(&try_login(&gateway, "", &body("ada", SECRET)).await), 401);
    add(&gateway, "ada", Role::Admin).await;
    assert_eq!(seen(&gateway, &page).await, 401, "another person with the same name");
}

#[tokio::test]
async fn a_new_password_or_role_holds_at_once() {
    let gateway = Gateway::start();
    let page = user(&gateway, "ada", Role::Operator).await;
    let local = gateway.local();
    local.set_user_role("ada", &SetRole { role: Role::Viewer }).await.expect("changed");
    let (cookie, both) = page.headers();
    assert_eq!(status(&gateway.ask("POST", "/api/v1/dns/flush", &both, "").await), 403);
    let shown = json_of(&gateway.ask("GET", "/api/v1/session", &cookie, "").await);
    assert_eq!(shown["role"], "viewer");
    let path = "/api/v1/users/ada/password";
    let json = format!("{both}{JSON}");
    let set = async |wish: &str| gateway.ask("POST", path, &json, wish).await;
    for (wish, expected) in [
        (format!(r#"{{"password":"{OTHER}"}}"#), 422),
        (format!(r#"{{"password":"{OTHER}","old_password":"wrong"}}"#), 403),
        (format!(r#"{{"password":"short","old_password":"{SECRET}"}}"#), 422),
        (format!(r#"{{"password":"i am Ada, let me in","old_password":"{SECRET}"}}"#), 422),
    ] {
        assert_eq!(status(&set(&wish).await), expected, "{wish}");
    }
    let answer = set(&format!(r#"{{"password":"{OTHER}","old_password":"{SECRET}"}}"#)).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(seen(&gateway, &page).await, 401, "every session ends with the old password");
    assert_eq!(status(&try_login(&gateway, "", &body("ada", SECRET)).await), 401);
    let page = login(&gateway, "", &body("ada", OTHER)).await;
    add(&gateway, "bob", Role::Admin).await;
    let wish = format!(r#"{{"password":"{OTHER}","old_password":"{SECRET}"}}"#);
    let json = format!("{}{JSON}", page.headers().1);
    let answer = gateway.ask("POST", "/api/v1/users/bob/password", &json, &wish).await;
    assert_eq!(status(&answer), 403, "nobody else's: {answer}");
    let wish = SetPassword { password: SECRET.into(), old_password: None };
    local.set_user_password("ada", &wish).await.expect("an admin may");
    assert_eq!(seen(&gateway, &page).await, 401);
}

#[tokio::test]
async fn a_name_is_locked_after_some_failures_wherever_they_come_from() {
    let gateway = Gateway::start();
    add(&gateway, "ada", Role::Viewer).await;
    add(&gateway, "bob", Role::Viewer).await;
    for name in ["ada", "nobody"] {
        for attempt in 0..FAILURES_PER_NAME {
            let from = format!("X-Forwarded-For: 10.0.{attempt}.9\r\n");
            let answer = try_login(&gateway, &from, &body(name, "wrong")).await;
            assert_eq!(status(&answer), 401, "{answer}");
        }
        let answer = try_login(&gateway, "", &body(name, SECRET)).await;
        assert_eq!(status(&answer), 429, "{name}: {answer}");
    }
    assert_eq!(status(&try_login(&gateway, "", &body("bob", SECRET)).await), 200);
    let code = gateway.local().login_code().await.expect("a code").value.code;
    let answer = try_login(&gateway, "", &format!(r#"{{"code":"{code}"}}"#)).await;
    assert_eq!(status(&answer), 200, "the way back in: {answer}");
}

#[tokio::test]
async fn each_role_gets_as_far_as_it_should() {
    let gateway = Gateway::start();
    let wish = RegisterService {
        name: "web".into(),
        upstream: Some("127.0.0.1:9".into()),
        ..RegisterService::default()
    };
    gateway.local().register(&wish).await.expect("registered");
    let requests = [
        ("GET", "/api/v1/services"),
        ("GET", "/api/v1/audit/verify"),
        ("GET", "/api/v1/tokens"),
        ("GET", "/api/v1/users?all=true"),
        ("POST", "/api/v1/tls/web/rotate"),
        ("POST", "/api/v1/dns/flush"),
        ("DELETE", "/api/v1/users/nobody"),
    ];
    for (role, expected) in [
        (Role::Viewer, [200, 200, 403, 403, 403, 403, 403]),
        (Role::Operator, [200, 200, 403, 403, 200, 200, 403]),
        (Role::CaOfficer, [200, 200, 403, 403, 200, 403, 403]),
        (Role::Auditor, [200, 200, 200, 200, 403, 403, 403]),
        (Role::Admin, [200, 200, 200, 200, 200, 200, 404]),
    ] {
        let token = gateway.token(role).await;
        let bearer = format!("Authorization: Bearer {}\r\n", token.secret);
        for ((method, path), expected) in requests.iter().zip(expected) {
            let answer = gateway.ask(method, path, &bearer, "").await;
            assert_eq!(status(&answer), expected, "{role} {method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn users_are_added_and_listed_without_secrets() {
    let gateway = Gateway::start();
    add(&gateway, "Ada", Role::CaOfficer).await;
    let local = gateway.local();
    let list = local.users(false).await.expect("a list");
    let text = String::from_utf8_lossy(&list.body).into_owned();
    assert!(!text.contains("argon2") && !text.contains(SECRET), "{text}");
    let ada = &list.value.users[0];
    assert_eq!((ada.name.as_str(), ada.role, ada.has_password), ("ada", Role::CaOfficer, true));
    for (name, password, code) in [
        ("ada", Some(SECRET), "user_name_taken"),
        ("a b", Some(SECRET), "invalid_user_name"),
        ("bob", Some("password1234"), "weak_password"),
        ("bob", Some("short"), "weak_password"),
    ] {
        let password = password.map(str::to_owned);
        let wish = AddUser { name: name.into(), role: Role::Viewer, password };
        let error = local.add_user(&wish).await.expect_err("refused");
        assert_eq!(error.code(), Some(code), "{name}");
    }
    let nobody = AddUser { name: "bob".into(), role: Role::Viewer, password: None };
    let bob = local.add_user(&nobody).await.expect("added").value;
    assert!(!bob.has_password);
    assert_eq!(status(&try_login(&gateway, "", &body("bob", SECRET)).await), 401);
    local.remove_user("ada").await.expect("removed");
    assert_eq!(local.users(false).await.expect("a list").value.users.len(), 1);
    assert_eq!(local.users(true).await.expect("a list").value.users.len(), 2);
    for missing in ["ada", "..", "a b"] {
        let error = local.remove_user(missing).await.expect_err("gone");
        assert_eq!(error.code(), Some("not_found"), "{missing}");
    }
    let record = local.audit(20, None).await.expect("entries");
    assert!(!String::from_utf8_lossy(&record.body).contains("argon2"));
}

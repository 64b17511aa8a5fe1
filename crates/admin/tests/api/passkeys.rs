//! Passkeys, with a device made of P-256 and forty lines.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use conduit_api::v1::tokens::Role;
use conduit_api::v1::users::AddUser;
use serde_json::{Value, json};

use crate::gateway::{Gateway, status};
use crate::sessions::{JSON, Page, json_of};

const HOST: &str = "conduit.internal";
const ORIGIN: &str = "https://conduit.internal";
const SECRET: &str = "correct horse battery";
const USER_IS_THERE: u8 = 0b101;
const WITH_KEY: u8 = 0b100_0000;

struct Device {
    key: EcdsaKeyPair,
    id: [u8; 32],
    handle: Value,
    uses: u32,
}

impl Device {
    /// Makes a key, as asked; with it what the device says of it.
    fn make(options: &Value, id: u8) -> (Self, Value) {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let handle = options["user"]["id"].clone();
        let device = Self { key, id: [id; 32], handle, uses: 0 };
        let point = device.key.public_key().as_ref();
        let mut cose = vec![0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
        cose.extend_from_slice(&point[1..33]);
        cose.extend_from_slice(&[0x22, 0x58, 32]);
        cose.extend_from_slice(&point[33..65]);
        let mut data = device.data(USER_IS_THERE | WITH_KEY);
        data.extend_from_slice(&[[0; 16].as_slice(), &[0, 32], &device.id, &cose].concat());
        let length = u8::try_from(data.len()).expect("short");
        let attestation =
            [b"\xa3cfmtdnonegattStmt\xa0hauthData\x58", &[length][..], &data].concat();
        let client = client("webauthn.create", &options["challenge"], ORIGIN);
        let said = device.said(json!({
            "clientDataJSON": BASE64.encode(client),
            "attestationObject": BASE64.encode(attestation),
            "transports": ["internal"],
        }));
        (device, said)
    }

    /// Signs what a login asks for, on a page of this origin.
    fn sign(&mut self, options: &Value, origin: &str) -> Value {
        self.uses += 1;
        let data = self.data(USER_IS_THERE);
        let client = client("webauthn.get", &options["challenge"], origin);
        let signed = [data.as_slice(), digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("signed");
        self.said(json!({
            "clientDataJSON": BASE64.encode(client),
            "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(signature),
            "userHandle": self.handle,
        }))
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let party = digest(&SHA256, HOST.as_bytes());
        [party.as_ref(), &[flags], &self.uses.to_be_bytes()].concat()
    }

    fn said(&self, response: Value) -> Value {
        let id = BASE64.encode(self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
        })
    }
}

fn client(kind: &str, challenge: &Value, origin: &str) -> String {
    json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false })
        .to_string()
}

async fn ask(
    gateway: &Gateway,
    method: &str,
    path: &str,
    headers: &str,
    body: &Value,
) -> (u16, Value) {
    let headers = format!("{JSON}{headers}");
    let answer = gateway.ask_at(HOST, method, path, &headers, &body.to_string()).await;
    (status(&answer), json_of(&answer))
}

async fn ada(gateway: &Gateway) -> Page {
    let wish = AddUser { name: "ada".into(), role: Role::Operator, password: Some(SECRET.into()) };
    gateway.local().add_user(&wish).await.expect("added");
    crate::sessions::login(gateway, "", &json!({ "user": "ada", "password": SECRET }).to_string())
        .await
}

const PASSKEYS: &str = "/api/v1/users/ada/passkeys";

async fn begun(gateway: &Gateway, page: &Page) -> Value {
    let wish = json!({ "password": SECRET });
    let path = format!("{PASSKEYS}/begin");
    let (code, reply) = ask(gateway, "POST", &path, &page.headers().1, &wish).await;
    assert_eq!(code, 200, "{reply}");
    public_key(&reply)
}

/// What the browser is to ask its device.
fn public_key(reply: &Value) -> Value {
    reply["options"].clone()
}

async fn with_device(gateway: &Gateway, page: &Page, id: u8) -> Device {
    let (device, said) = Device::make(&begun(gateway, page).await, id);
    let wish = json!({ "label": "phone", "credential": said });
    let (code, reply) = ask(gateway, "POST", PASSKEYS, &page.headers().1, &wish).await;
    assert_eq!(
        (code, &reply["label"], &reply["host"]),
        (201, &"phone".into(), &HOST.into()),
        "{reply}"
    );
    device
}

async fn challenge(gateway: &Gateway) -> Value {
    let (code, reply) = ask(gateway, "POST", "/api/v1/session/passkey", "", &json!({})).await;
    assert_eq!(code, 200, "{reply}");
    public_key(&reply)
}

async fn login(gateway: &Gateway, said: &Value) -> (u16, Value) {
    ask(gateway, "POST", "/api/v1/session", "", &json!({ "passkey": said })).await
}

#[tokio::test]
async fn a_device_that_was_added_logs_its_owner_in_until_it_is_removed() {
    let gateway = Gateway::start();
    let page = ada(&gateway).await;
    let mut device = with_device(&gateway, &page, 1).await;
    let said = device.sign(&challenge(&gateway).await, ORIGIN);
    let (code, session) = login(&gateway, &said).await;
    assert_eq!(code, 200, "{session}");
    assert_eq!((&session["name"], &session["way"]), (&"ada".into(), &"passkey".into()));
    let entries = gateway.local().audit(3, None).await.expect("entries").value.entries;
    assert_eq!(
        (entries[0].action.as_str(), &entries[0].details["way"]),
        ("login", &"passkey".into())
    );
    assert_eq!(entries[1].action, "passkey_add");
    let headers = page.headers().1;
    let (_, listed) = ask(&gateway, "GET", PASSKEYS, &headers, &json!({})).await;
    assert!(listed["passkeys"][0]["used_at"].is_string(), "{listed}");
    let path = format!("{PASSKEYS}/{}", listed["passkeys"][0]["id"].as_str().expect("an id"));
    assert_eq!(ask(&gateway, "DELETE", &path, &headers, &json!({})).await.0, 200);
    assert_eq!(ask(&gateway, "DELETE", &path, &headers, &json!({})).await.0, 404);
    let said = device.sign(&challenge(&gateway).await, ORIGIN);
    assert_eq!(login(&gateway, &said).await.0, 401, "it opens nothing any more");
}

#[tokio::test]
async fn an_answer_is_good_once_here_and_for_what_was_asked() {
    let gateway = Gateway::start();
    let page = ada(&gateway).await;
    let mut device = with_device(&gateway, &page, 1).await;
    let said = device.sign(&challenge(&gateway).await, ORIGIN);
    assert_eq!(login(&gateway, &said).await.0, 200);
    assert_eq!(login(&gateway, &said).await.0, 401, "once");
    let elsewhere = device.sign(&challenge(&gateway).await, "https://evil.example");
    assert_eq!(login(&gateway, &elsewhere).await.0, 401, "another page");
    let made_up = json!({ "challenge": BASE64.encode([7; 16]) });
    assert_eq!(login(&gateway, &device.sign(&made_up, ORIGIN)).await.0, 401, "nobody asked that");
    let mut tampered = device.sign(&challenge(&gateway).await, ORIGIN);
    tampered["response"]["userHandle"] = BASE64.encode([9; 64]).into();
    assert_eq!(login(&gateway, &tampered).await.0, 401, "somebody else");
    device.uses = 0;
    let old = device.sign(&challenge(&gateway).await, ORIGIN);
    assert_eq!(login(&gateway, &old).await.0, 401, "a copy that counts less");
    for said in [json!({}), json!([]), json!("x"), json!({ "id": "A".repeat(100_000) })] {
        let code = login(&gateway, &said).await.0;
        assert!([401, 422].contains(&code), "{code}");
    }
    let both = json!({ "passkey": said, "token": "x" });
    assert_eq!(ask(&gateway, "POST", "/api/v1/session", "", &both).await.0, 422);
    let answer = gateway.ask("POST", "/api/v1/session/passkey", JSON, "{}").await;
    assert!(status(&answer) == 422 && answer.contains("no_passkeys_here"), "{answer}");
}

#[tokio::test]
async fn whose_session_it_is_adds_with_their_password_and_for_themselves() {
    let gateway = Gateway::start();
    let page = ada(&gateway).await;
    let headers = page.headers().1;
    let path = format!("{PASSKEYS}/begin");
    for (wish, code) in [(json!({}), 422), (json!({ "password": "wrong" }), 403)] {
        assert_eq!(ask(&gateway, "POST", &path, &headers, &wish).await.0, code, "{wish}");
    }
    let others = "/api/v1/users/eve/passkeys";
    assert_eq!(ask(&gateway, "GET", others, &headers, &json!({})).await.0, 403);
    let admin = gateway.token(Role::Admin).await;
    let token = format!("Authorization: Bearer {}\r\n", admin.secret);
    assert_eq!(ask(&gateway, "POST", &path, &token, &json!({})).await.0, 403, "not for others");
    assert_eq!(ask(&gateway, "GET", PASSKEYS, &token, &json!({})).await.0, 200);
    let options = begun(&gateway, &page).await;
    assert_eq!(options["rp"]["id"], HOST);
    let (_, said) = Device::make(&options, 1);
    let add = |label: &str, said: &Value| json!({ "label": label, "credential": said });
    assert_eq!(ask(&gateway, "POST", PASSKEYS, &headers, &add("", &said)).await.0, 422);
    assert_eq!(ask(&gateway, "POST", PASSKEYS, &headers, &add("a", &said)).await.0, 201);
    let (code, again) = ask(&gateway, "POST", PASSKEYS, &headers, &add("a", &said)).await;
    assert_eq!((code, &again["error"]["code"]), (422, &"passkey_refused".into()), "{again}");
    let (_, same) = Device::make(&begun(&gateway, &page).await, 1);
    let (code, _) = ask(&gateway, "POST", PASSKEYS, &headers, &add("b", &same)).await;
    assert_eq!(code, 422, "a device that has one makes no other");
    let options = begun(&gateway, &page).await;
    assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1), "{options}");
}

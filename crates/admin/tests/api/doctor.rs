//! A look at the whole gateway, as it travels.

use conduit_api::v1::doctor::FindingStatus;
use conduit_api::v1::tokens::{CreateToken, Role};
use serde_json::{Value, json};

use crate::gateway::{Gateway, status};

#[tokio::test]
async fn a_viewer_sees_what_was_found_and_how_to_mend_it() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let reply = gateway.with_token(&token).doctor().await.expect("an answer");
    assert_eq!(reply.value.findings[1].status, FindingStatus::Fail);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(
        body,
        json!({
            "checked_at": "1970-01-01T00:00:00Z",
            "findings": [
                {
                    "check": "clock",
                    "subject": null,
                    "status": "ok",
                    "message": "synchronised",
                    "hint": null,
                },
                {
                    "check": "upstreams",
                    "subject": "web",
                    "status": "fail",
                    "message": "10.0.0.1:80 is ejected: connection refused",
                    "hint": "see that it runs",
                },
            ],
        })
    );
    assert_eq!(status(&gateway.ask("GET", "/api/v1/doctor", "", "").await), 401);
}

#[tokio::test]
async fn a_look_is_of_the_gateway_itself_for_tokens_with_scopes() {
    let gateway = Gateway::start();
    for (scope, expected) in [("gateway", 200), ("services", 403)] {
        let wish = CreateToken {
            name: scope.into(),
            role: Role::Admin,
            scopes: vec![scope.into()],
            expires_in_seconds: None,
        };
        let token = gateway.local().create_token(&wish).await.expect("made").value;
        let header = format!("X-API-Key: {}\r\n", token.secret);
        let answer = gateway.ask("GET", "/api/v1/doctor", &header, "").await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
}

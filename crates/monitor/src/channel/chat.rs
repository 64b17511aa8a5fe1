//! Channels over HTTP: a webhook in our shape, and ntfy, Slack and Matrix in theirs.

use std::sync::Arc;

use aws_lc_rs::hmac;
use http::Method;
use rustls::ClientConfig;
use serde_json::{Value, json};

use super::DeliveryError;
use super::http::{Call, send};
use super::message::Message;
use super::place::Place;
use crate::alert::Severity;
use crate::secret::{Secret, SecretFrom};

/// A channel over HTTP.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) shape: Shape,
    /// `None` of Slack, whose whole URL is the secret.
    pub(super) place: Option<Place>,
    pub(super) secret: Option<SecretFrom>,
}

/// Whose shape a message has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Webhook,
    Ntfy,
    Slack,
    /// With the room's id.
    Matrix(String),
}

impl Chat {
    pub(super) fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Webhook => "webhook",
            Shape::Ntfy => "ntfy",
            Shape::Slack => "slack",
            Shape::Matrix(_) => "matrix",
        }
    }

    /// Where messages go, as far as it may be shown.
    pub(super) fn shown_place(&self) -> String {
        self.place.as_ref().map_or_else(|| "the URL in its secret".into(), ToString::to_string)
    }

    pub(super) async fn deliver(
        &self,
        message: &Message,
        tls: &Arc<ClientConfig>,
    ) -> Result<(), DeliveryError> {
        let secret = match &self.secret {
            Some(from) => Some(from.read().await?),
            None => None,
        };
        send(self.call(message, secret.as_ref())?, tls).await
    }

    /// The request that tells a message.
    fn call(&self, message: &Message, secret: Option<&Secret>) -> Result<Call, DeliveryError> {
        let place = match (&self.place, secret) {
            (Some(place), _) => place.clone(),
            (None, Some(secret)) => Place::parse(secret.reveal()).map_err(|_| {
                DeliveryError::Refused("the secret is no URL; write the one that Slack gave".into())
            })?,
            (None, None) => {
                return Err(DeliveryError::Refused("it has neither url nor secret".into()));
            }
        };
        let bearer =
            || secret.map(|secret| ("authorization", format!("Bearer {}", secret.reveal())));
        let post = |place, body: &Value| Call {
            method: Method::POST,
            place,
            fields: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        let wrong =
            || DeliveryError::Refused("its url has no path that a message can go to".into());
        match &self.shape {
            Shape::Webhook => {
                let mut call = post(place, &message.body());
                call.fields.extend(secret.map(|s| (SIGNATURE, signature(&call.body, s))));
                Ok(call)
            }
            Shape::Slack => {
                let text = format!("*{}*\n{}", message.title(), message.text(TEXT_BYTES_MAX));
                Ok(post(place, &json!({ "text": slack_escaped(&text) })))
            }
            Shape::Ntfy => {
                let (base, topic) = place.path().rsplit_once('/').unwrap_or(("", ""));
                let base = place.at(&format!("{base}/")).ok_or_else(wrong)?;
                let mut call = post(base, &ntfy_body(topic, message));
                call.fields.extend(bearer());
                Ok(call)
            }
            Shape::Matrix(room) => {
                let path = format!(
                    "/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
                    percent_encoded(room),
                    // The same at each try: the server takes it once.
                    percent_encoded(&message.id),
                );
                let text = format!("{}\n{}", message.title(), message.text(TEXT_BYTES_MAX));
                let body = json!({ "msgtype": "m.text", "body": text });
                let mut call = post(place.at(&path).ok_or_else(wrong)?, &body);
                call.method = Method::PUT;
                call.fields.extend(bearer());
                Ok(call)
            }
        }
    }
}

/// The HMAC-SHA256 of a body, as GitHub and others write it.
fn signature(body: &[u8], secret: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

fn ntfy_body(topic: &str, message: &Message) -> Value {
    let (priority, tag) = match message.severity() {
        Some(Severity::Critical) => (5, "rotating_light"),
        Some(Severity::Warning) => (4, "warning"),
        Some(Severity::Info) => (3, "information_source"),
        None => (3, "white_check_mark"),
    };
    json!({
        "topic": topic,
        "title": message.title(),
        "message": message.text(TEXT_BYTES_MAX),
        "priority": priority,
        "tags": [tag],
    })
}

/// The three characters that mean something to Slack.
fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The field of a webhook that says who sent it.
const SIGNATURE: &str = "x-conduit-signature";
/// The longest text: ntfy makes a file of what is over 4,096 bytes, Slack cuts what is over 4,000.
const TEXT_BYTES_MAX: usize = 3_500;

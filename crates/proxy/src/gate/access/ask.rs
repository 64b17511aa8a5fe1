//! Asking another service who may come in, as Traefik and Caddy ask Authelia, Authentik and
//! oauth2-proxy.
//!
//! **Invariant:** only an answer of 2xx lets a request in; silence, garbage and a question that
//! comes back to itself do not. A question has no body, and never more than [`ASK_TIMEOUT`]. Answers
//! are not remembered.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::policy::{ForwardAuth, Url};
use foldhash::fast::RandomState;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::super::Visitor;
use super::refusal::Refusal;
use crate::body::{ClientBody, ResponseBody};
use crate::headers;
use crate::limits::BUFFER_BYTES_MAX;
use crate::worker::Worker;

/// Whom to ask, and what of the answer the upstream gets.
#[derive(Debug)]
pub(crate) struct Ask {
    url: Url,
    copy: Vec<HeaderName>,
}

/// What the other service says.
#[derive(Debug)]
pub(super) enum Reply {
    /// It may come in.
    Admit {
        /// What the upstream gets.
        fields: Vec<(HeaderName, HeaderValue)>,
        /// Whose request it is, when one of the fields says so.
        user: Option<Arc<str>>,
    },
    /// This goes to the client.
    Answer(Box<Response<ResponseBody>>),
}

type Question = Request<Empty<Bytes>>;

impl Ask {
    pub(super) fn new(asked: &ForwardAuth) -> Self {
        // Invariant: a field's name is checked when it is read.
        let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
        let copy = asked.copy.iter().filter_map(|field| name(field.as_str()));
        Self { url: asked.url.clone(), copy: copy.collect() }
    }

    /// Whether this field of the answer goes to the upstream.
    pub(super) fn copies(&self, name: &str) -> bool {
        self.copy.iter().any(|copied| copied.as_str() == name)
    }

    /// Asks about one request.
    pub(super) async fn ask(
        &self,
        visitor: &Visitor<'_>,
        request: &Request<ClientBody>,
    ) -> Result<Reply, Refusal> {
        if request.headers().get_all(LOOP).iter().any(|value| value == OURS) {
            return Err(unreachable("it is reached through the service that asks it"));
        }
        let question = self.question(visitor, request)?;
        match tokio::time::timeout(ASK_TIMEOUT, self.exchange(visitor.worker, question)).await {
            Ok(reply) => reply,
            Err(_) => Err(unreachable(&format!("nothing within {} s", ASK_TIMEOUT.as_secs()))),
        }
    }

    fn question(
        &self,
        visitor: &Visitor<'_>,
        request: &Request<ClientBody>,
    ) -> Result<Question, Refusal> {
        let mut fields = request.headers().clone();
        let host = match (fields.get(header::HOST), request.uri().authority()) {
            (Some(host), _) => host.clone(),
            (None, Some(authority)) => value(authority.as_str())?,
            (None, None) => return Err(unreachable("the request has no host")),
        };
        headers::drop_for_question(&mut fields);
        for name in ABOUT_BODIES {
            fields.remove(name);
        }
        // What the upstream is to believe is not what the client says of itself; what a client
        // comes in with is.
        super::remove_spellings(&mut fields, |name| {
            self.copies(name) && name != header::AUTHORIZATION && name != header::COOKIE
        });
        let scheme = if visitor.is_tls { "https" } else { "http" };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let address = value(&visitor.address.to_canonical().to_string())?;
        let url = [scheme.as_bytes(), b"://", host.as_bytes(), target.as_bytes()].concat();
        let url = HeaderValue::from_bytes(&url).map_err(|_| unreachable("a strange target"))?;
        let method = value(request.method().as_str())?;
        for (name, value) in [
            ("x-forwarded-method", method.clone()),
            ("x-forwarded-proto", HeaderValue::from_static(scheme)),
            ("x-forwarded-host", host),
            ("x-forwarded-uri", value(target)?),
            ("x-forwarded-for", address.clone()),
            ("x-real-ip", address),
            ("x-original-method", method),
            ("x-original-url", url),
            ("host", value(self.url.authority())?),
            (LOOP, HeaderValue::from_static(OURS)),
        ] {
            fields.insert(name, value);
        }
        let mut question = Request::new(Empty::new());
        *question.uri_mut() =
            self.url.path().parse().map_err(|_| unreachable("its URL has a strange path"))?;
        *question.headers_mut() = fields;
        Ok(question)
    }

    async fn exchange(&self, worker: &Rc<Worker>, question: Question) -> Result<Reply, Refusal> {
        let kept = worker.kept();
        if let Some(mut sender) = kept.take(self.url.authority()) {
            let copy = copy_of(&question);
            // It may have been closed at this very moment; a question may be asked twice.
            if let Ok(response) = sender.send_request(copy).await {
                return self.reply(kept, sender, response).await;
            }
        }
        let mut sender = connect(worker, self.url.authority()).await?;
        let response = sender.send_request(question).await;
        let response = response.map_err(|error| unreachable(&error.to_string()))?;
        self.reply(kept, sender, response).await
    }

    async fn reply(
        &self,
        kept: &Kept,
        sender: SendRequest<Empty<Bytes>>,
        response: Response<Incoming>,
    ) -> Result<Reply, Refusal> {
        let (parts, body) = response.into_parts();
        if parts.status.is_informational() {
            return Err(unreachable("it wants to switch protocols"));
        }
        let body = match body.is_end_stream() {
            true => Ok(Bytes::new()),
            false => Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(|all| all.to_bytes()),
        };
        if body.is_ok() {
            kept.keep(self.url.authority(), sender);
        }
        if parts.status.is_success() {
            return Ok(self.admit(&parts.headers));
        }
        let body = body.map_err(|error| unreachable(&error.to_string()))?;
        Ok(Reply::Answer(Box::new(passed_on(parts.status, parts.headers, body))))
    }

    fn admit(&self, answer: &HeaderMap) -> Reply {
        let mut fields = Vec::new();
        let mut user = None;
        for name in &self.copy {
            for value in answer.get_all(name) {
                fields.push((name.clone(), value.clone()));
            }
            if user.is_none() && (name.as_str().ends_with("user") || name == "x-authentik-username")
            {
                user = answer.get(name).and_then(|value| value.to_str().ok()).map(Arc::from);
            }
        }
        Reply::Admit { fields, user }
    }
}

/// An answer that goes to the client, framed anew.
fn passed_on(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    // Its body is here whole, decoded or not, and it stays what `Content-Type` says or a refusal.
    let _judged = headers::to_client(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRAILER);
    headers.remove(header::EXPIRES);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn connect(
    worker: &Rc<Worker>,
    authority: &str,
) -> Result<SendRequest<Empty<Bytes>>, Refusal> {
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(host, _)| !host.ends_with(':') && !host.is_empty())
        && !authority.ends_with(']');
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let failed = |error: std::io::Error| unreachable(&error.kind().to_string());
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error.to_string()))?;
    worker.tasks().local_job("auth connection", async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an auth service ended");
        }
    });
    Ok(sender)
}

fn copy_of(question: &Question) -> Question {
    let mut copy = Request::new(Empty::new());
    question.uri().clone_into(copy.uri_mut());
    question.headers().clone_into(copy.headers_mut());
    copy
}

fn value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|_| unreachable("a strange request"))
}

fn unreachable(why: &str) -> Refusal {
    Refusal::AuthUnreachable(why.to_owned())
}

/// Connections of one worker to services that are asked, kept for the next question.
#[derive(Default)]
pub(crate) struct Kept {
    idle: RefCell<HashMap<Box<str>, Vec<Idle>, RandomState>>,
    closed: Cell<bool>,
}

struct Idle {
    sender: SendRequest<Empty<Bytes>>,
    since: Instant,
}

impl Kept {
    fn take(&self, authority: &str) -> Option<SendRequest<Empty<Bytes>>> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(authority)?;
        list.retain(|idle| !idle.sender.is_closed());
        let place = list.iter().rposition(|idle| idle.sender.is_ready())?;
        Some(list.remove(place).sender)
    }

    fn keep(&self, authority: &str, sender: SendRequest<Empty<Bytes>>) {
        if self.closed.get() || sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let list = match idle.get_mut(authority) {
            Some(list) => list,
            None => idle.entry(authority.into()).or_default(),
        };
        if list.len() < KEPT_MAX {
            list.push(Idle { sender, since: Instant::now() });
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, list| {
            list.retain(|idle| {
                let age = now.saturating_duration_since(idle.since);
                !idle.sender.is_closed() && age < KEPT_FOR
            });
            !list.is_empty()
        });
    }

    /// Closes everything, and keeps nothing from now on.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// From the question to the end of the answer, connecting included.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body of an answer that a client gets.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// Idle connections per worker and service that is asked.
const KEPT_MAX: usize = 16;
/// How long an idle one is kept.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Marks a question (RFC 8586), so that one that comes back is recognised.
const LOOP: &str = "cdn-loop";
const OURS: &str = "conduit-auth";
/// What belongs to a body, or asks for a part or a change of one.
const ABOUT_BODIES: [HeaderName; 14] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::TRAILER,
];

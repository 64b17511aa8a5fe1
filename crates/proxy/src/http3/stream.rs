//! One request over HTTP/3: its head to the service, and the service's answer back.
//!
//! **Invariant:** a request goes through the same [`Service`](crate::service::Service) as over TCP.
//! A client that wants no more ends its request here and at the upstream, and a response that is
//! not whole is reset, never ended as if it were.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;

use super::body::{Rest, StreamBody};
use super::conn::{Talk, Under};
use super::head;
use super::transport::{Fate, Receiving, Sending, Transport};
use crate::body::{ClientBody, ResponseBody};
use crate::headers;
use crate::limits::hits::Limit;
use crate::limits::{CLIENT_TIMEOUT, H3_BREAK_PAUSE_MAX};

/// A request as it was accepted: how to read its head, and how it may end.
pub(super) struct Accepted {
    pub(super) resolver: RequestResolver<Transport, Bytes>,
    pub(super) fate: Rc<Fate>,
    /// Until the client wants no more of the response, or has all of it.
    pub(super) stopped: Pin<Box<dyn Future<Output = ()>>>,
}

/// A request that ended before its response did.
struct Left;

/// Serves one request to its end.
pub(super) async fn serve(talk: Rc<Talk>, accepted: Accepted) {
    let under = Under::way(&talk);
    let Accepted { resolver, fate, mut stopped } = accepted;
    let head_timeout = talk.worker().settings().limits.head;
    let hits = talk.worker().metrics().hits();
    let resolving = tokio::time::timeout(head_timeout, resolver.resolve_request());
    let (request, stream) = match resolving.await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(error)) => {
            if is_too_large(&error) {
                hits.count(Limit::HeadSize);
            }
            tracing::debug!(%error, "a request over HTTP/3 could not be read");
            return talk.cancelled();
        }
        Err(_) => {
            hits.count(Limit::HeadTime);
            return talk.cancelled();
        }
    };
    // What is dropped from here on breaks off, until all was sent.
    fate.reset(Code::H3_INTERNAL_ERROR);
    let (send, receive) = stream.split();
    let rest = Rest::default();
    let held = talk.service().entry().hold();
    let mut serving =
        Serving { talk: &talk, fate: &fate, stopped: stopped.as_mut(), send, has_begun: false };
    let answered = serving.answer(request, receive, &rest).await;
    let has_begun = serving.has_begun;
    drop(serving);
    match answered {
        Ok(()) => {
            talk.answered();
            // The connection is not closed before the client has all.
            let _late = tokio::time::timeout(CLIENT_TIMEOUT, stopped).await;
        }
        Err(Left) if !has_begun => talk.cancelled(),
        Err(Left) => {}
    }
    drop((held, under));
}

/// One request whose head has been read.
struct Serving<'a> {
    talk: &'a Talk,
    fate: &'a Fate,
    stopped: Pin<&'a mut dyn Future<Output = ()>>,
    send: RequestStream<Sending, Bytes>,
    /// Whether the head of the response is on its way.
    has_begun: bool,
}

impl Serving<'_> {
    async fn answer(
        &mut self,
        request: Request<()>,
        mut receive: RequestStream<Receiving, Bytes>,
        rest: &Rest,
    ) -> Result<(), Left> {
        let (parts, ()) = request.into_parts();
        let length = match head::check(&parts) {
            Ok(length) => length,
            Err(why) => {
                tracing::debug!(why, "a request over HTTP/3 is malformed");
                receive.stop_sending(Code::H3_MESSAGE_ERROR);
                self.fate.reset(Code::H3_MESSAGE_ERROR);
                return Err(Left);
            }
        };
        let is_head = parts.method == Method::HEAD;
        let asks = headers::expects_continue(&parts.headers).then(Rc::<Notify>::default);
        let mut body = StreamBody::new(receive, Rc::clone(rest), length, asks.clone());
        let patiently = length.is_none() && asks.is_none() && has_no_body(&parts.method);
        let beginning =
            tokio::time::timeout(self.talk.worker().settings().limits.head, body.begin(patiently));
        if !matches!(self.unless_left(beginning).await?, Ok(Ok(()))) {
            return Err(Left);
        }
        let request = Request::from_parts(parts, ClientBody::Quic(Box::new(body)));
        let service = self.talk.service();
        let clock = service.clocks().start_stream();
        let driver = Rc::clone(clock.clock());
        let mut sent = Err(Left);
        driver
            .drive(async {
                // On the heap: it is large, and is moved several times.
                let answering = Box::pin(Rc::clone(service).serve(request, clock));
                sent = self.exchange(answering, asks, is_head).await;
            })
            .await;
        sent
    }

    async fn exchange<E>(
        &mut self,
        answering: impl Future<Output = Result<Response<ResponseBody>, E>>,
        asks: Option<Rc<Notify>>,
        is_head: bool,
    ) -> Result<(), Left> {
        let mut answering = pin!(answering);
        let asked = async {
            match &asks {
                Some(asks) => asks.notified().await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            biased;
            () = self.stopped.as_mut() => return Err(Left),
            answer = answering.as_mut() => answer,
            () = asked => {
                let mut go_on = Response::new(());
                *go_on.status_mut() = StatusCode::CONTINUE;
                self.send.send_response(go_on).await.map_err(|_| Left)?;
                tokio::select! {
                    biased;
                    () = self.stopped.as_mut() => return Err(Left),
                    answer = answering.as_mut() => answer,
                }
            }
        };
        let Ok(mut response) = answer else { return Err(Left) };
        head::prepare(&mut response);
        self.send(response, is_head).await
    }

    async fn send(&mut self, response: Response<ResponseBody>, is_head: bool) -> Result<(), Left> {
        let (parts, mut body) = response.into_parts();
        let sent = self.send.send_response(Response::from_parts(parts, ())).await;
        self.check(sent)?;
        self.has_begun = true;
        while let Some(frame) = self.unless_left(body.frame()).await? {
            let Ok(frame) = frame else {
                // What was sent is on its way; a reset would overtake it.
                let pause = self.talk.quic().rtt().min(H3_BREAK_PAUSE_MAX);
                tokio::time::sleep(pause).await;
                return Err(Left);
            };
            let sent = match frame.into_data() {
                Ok(data) if is_head || data.is_empty() => continue,
                Ok(data) => self.send.send_data(data).await,
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => self.send.send_trailers(trailers).await,
                    Err(_) => continue,
                },
            };
            self.check(sent)?;
        }
        let finished = self.send.finish().await;
        self.check(finished)?;
        self.fate.finish();
        Ok(())
    }

    fn check(&self, sent: Result<(), StreamError>) -> Result<(), Left> {
        sent.map_err(|error| {
            tracing::debug!(%error, "a response over HTTP/3 broke off");
            Left
        })
    }

    async fn unless_left<F: Future>(&mut self, future: F) -> Result<F::Output, Left> {
        tokio::select! {
            biased;
            () = self.stopped.as_mut() => Err(Left),
            output = future => Ok(output),
        }
    }
}

/// Whether a head was longer than it may be: its fields, or the frame that they came in.
fn is_too_large(error: &StreamError) -> bool {
    match error {
        StreamError::HeaderTooBig { .. } => true,
        StreamError::RemoteTerminate { code } => *code == Code::H3_EXCESSIVE_LOAD,
        _ => false,
    }
}

/// Whether requests of this method nearly always have no body, which their stream's end says only a
/// moment later.
fn has_no_body(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE)
}

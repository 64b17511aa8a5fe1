//! One request, until the head of its answer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, StatusCode, Version};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use super::decode::Malformed;
use super::upload::Broken;
use super::{Connection, Decoder, Held, Reading, head};
use crate::body::RequestBody;
use crate::client::Why;
use crate::client::slot::Slot;
use crate::limits::UPSTREAM_HEAD_BYTES_MAX;
use crate::limits::hits::Limit;

/// Sends a request and waits for the head of its answer; the body may still be on its way then. The
/// connection goes back to `slot` when the answer's end was read.
pub(in crate::client) async fn ask(
    connection: Held,
    slot: Rc<Slot>,
    request: Request<RequestBody>,
) -> Result<Response<Reading>, Why> {
    let method = request.method().clone();
    connection.borrow_mut().begin(request);
    let mut came = 0;
    let head = poll_fn(|context| connection.borrow_mut().poll_head(&mut came, context));
    let answer = head.await?;
    connection.borrow_mut().answered(&method, &answer).map_err(|_| Why::NotHttp)?;
    if !connection.borrow().upload.is_over() {
        send_the_rest(&connection);
    }
    Ok(answer.map(|()| Reading::new(connection, slot)))
}

/// Sends what is left of a request beside its answer: neither waits for the other, as some clients
/// read only when they have sent everything.
fn send_the_rest(connection: &Held) {
    let stop = CancellationToken::new();
    let (stopped, rest) = (stop.clone().cancelled_owned(), Rc::downgrade(connection));
    let mut held = connection.borrow_mut();
    held.uploading = Some(stop.drop_guard());
    held.tasks.local_job("upload", async move {
        tokio::select! {
            () = stopped => {}
            () = rest_of(&rest) => {}
        }
    });
}

/// What is left; nothing once the connection is gone.
async fn rest_of(connection: &Weak<RefCell<Connection>>) {
    let sent = poll_fn(|context| match connection.upgrade() {
        Some(connection) => connection.borrow_mut().poll_upload(context),
        None => Poll::Ready(Ok(())),
    });
    let Err(Broken::Body(error)) = sent.await else { return };
    tracing::debug!(%error, "a request broke off while it was being answered");
    // The upstream hears that there is no more, and what it still says ends soon.
    let shut = poll_fn(|context| match connection.upgrade() {
        Some(connection) => Pin::new(&mut connection.borrow_mut().stream).poll_shutdown(context),
        None => Poll::Ready(Ok(())),
    });
    // An upstream that closed already needs no telling.
    shut.await.ok();
}

impl Connection {
    fn begin(&mut self, request: Request<RequestBody>) {
        self.closes = head::closes(request.version(), request.headers());
        self.upload.begin(request);
    }

    fn poll_head(
        &mut self,
        came: &mut usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Why>> {
        loop {
            match self.poll_upload(context) {
                Poll::Ready(Err(Broken::Body(_))) => return Poll::Ready(Err(Why::Body)),
                // It may have answered before it closed.
                Poll::Ready(Err(Broken::Socket) | Ok(())) | Poll::Pending => {}
            }
            let Some(answer) = head::read(&mut self.read).map_err(|_| Why::NotHttp)? else {
                let count = ready!(self.poll_read(context)).map_err(|_| Why::Closed)?;
                *came += count;
                if count == 0 {
                    return Poll::Ready(Err(Why::Closed));
                }
                if *came > UPSTREAM_HEAD_BYTES_MAX {
                    self.hits.count(Limit::UpstreamHead);
                    return Poll::Ready(Err(Why::NotHttp));
                }
                continue;
            };
            match answer.status() {
                StatusCode::CONTINUE => self.upload.go_on(),
                StatusCode::SWITCHING_PROTOCOLS => return Poll::Ready(Ok(answer)),
                status if status.is_informational() => {}
                _ => return Poll::Ready(Ok(answer)),
            }
        }
    }

    fn answered(&mut self, method: &Method, answer: &Response<()>) -> Result<(), Malformed> {
        let (status, version) = (answer.status(), answer.version());
        self.answers = self.answers.saturating_add(1);
        self.decoder = Decoder::of(method, status, version == Version::HTTP_10, answer.headers())?;
        self.closes |= head::closes(version, answer.headers());
        self.switched = status == StatusCode::SWITCHING_PROTOCOLS;
        Ok(())
    }

    /// Sends what there is of the request; an upstream that takes no more may still answer.
    fn poll_upload(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.upload.is_over() {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(self.upload.poll(&mut self.stream, context));
        if sent.is_err() {
            self.upload.abandon();
            self.closes = true;
        }
        Poll::Ready(sent)
    }
}

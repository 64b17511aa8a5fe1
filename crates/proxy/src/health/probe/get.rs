//! One `GET` over a fresh connection, and the judgement of its answer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper::{Method, Request, Response, Version as HttpVersion, header};
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::failure::failure_of_http;
use super::{Failure, Get, PROBE_BODY_BYTES_MAX, PROBE_HEAD_BYTES_MAX, USER_AGENT};

/// Asks over HTTP/1.1.
pub(super) async fn get<S>(stream: S, asked: &Get) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = question()
        .uri(&*asked.path)
        .header(header::HOST, &*asked.host)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::ProbeBroke)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(PROBE_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure_of_http(&error))?;
    let judged = async move { judge(sender.send_request(request).await, asked).await };
    tokio::pin!(connection, judged);
    tokio::select! {
        biased;
        judged = &mut judged => judged,
        ended = &mut connection => match ended {
            Ok(()) => judged.await,
            Err(error) => Err(failure_of_http(&error)),
        },
    }
}

/// Asks over HTTP/2.
pub(super) async fn get_over_http2<S>(
    stream: S,
    scheme: &Scheme,
    asked: &Get,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = question()
        .version(HttpVersion::HTTP_2)
        .uri(format!("{scheme}://{}{}", asked.host, asked.path))
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::ProbeBroke)?;
    let own = OwnTasks::default();
    let _ending = Ending(own.clone());
    let (mut sender, connection) = http2::Builder::new(own.clone())
        .max_header_list_size(PROBE_HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(PROBE_HEAD_BYTES_MAX as u32)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure_of_http(&error))?;
    own.execute(async {
        // What ends the connection ends the request on it, too.
        connection.await.ok();
    });
    judge(sender.send_request(request).await, asked).await
}

/// What both have in common.
fn question() -> http::request::Builder {
    Request::builder()
        .method(Method::GET)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
}

/// The tasks of one probe.
#[derive(Debug, Clone, Default)]
struct OwnTasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for OwnTasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}

/// Ends them when the probe ends; they hold each other, so dropping the set is not enough.
struct Ending(OwnTasks);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Judges an answer: its head, and its body when a text is to be in it.
async fn judge(answer: hyper::Result<Response<Incoming>>, asked: &Get) -> Result<(), Failure> {
    let answer = answer.map_err(|error| failure_of_http(&error))?;
    asked.counts.judge(answer.status())?;
    match &asked.body {
        Some(text) => find(text, answer.into_body()).await,
        None => Ok(()),
    }
}

/// Reads a body until a text was found, it ends, or enough of it was read.
async fn find(text: &str, mut body: Incoming) -> Result<(), Failure> {
    let finder = Finder::new(text);
    let mut read = Vec::new();
    loop {
        let searched = read.len();
        let Some(frame) = body.frame().await else {
            return Err(Failure::BodyLacks);
        };
        let frame = frame.map_err(|error| failure_of_http(&error))?;
        let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
        let room = PROBE_BODY_BYTES_MAX - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        // The text may begin in the piece before.
        let from = searched.saturating_sub(text.len().saturating_sub(1));
        if finder.find(&read[from..]).is_some() {
            return Ok(());
        }
        if read.len() == PROBE_BODY_BYTES_MAX {
            return Err(Failure::BodyLacks);
        }
    }
}

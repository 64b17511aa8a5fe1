//! What the HTTP/3 library reads from and writes to: streams of quinn's.
//!
//! The adapter that comes with the library neither tells when a client stops a stream that nothing
//! is written to, nor can it be dropped before its end without the client taking what it has for the
//! whole.
//!
//! **Invariant:** a stream that is dropped before its end is reset when its [`Fate`] says so, and when
//! nothing was said on it; what a client still sends to a dropped one is stopped.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use super::sieve::Sieve;

/// One client's QUIC connection.
pub(super) struct Transport {
    quic: quinn::Connection,
    requests: Option<Pending<(quinn::SendStream, quinn::RecvStream)>>,
    others: Option<Pending<quinn::RecvStream>>,
    opening: Option<Pending<quinn::SendStream>>,
}

/// Something that the connection will have one day.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, ConnectionError>>>>;

impl Transport {
    pub(super) fn new(quic: quinn::Connection) -> Self {
        Self { quic, requests: None, others: None, opening: None }
    }
}

impl quic::Connection<Bytes> for Transport {
    type RecvStream = Receiving;
    type OpenStreams = Self;

    fn poll_accept_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Receiving, ConnectionErrorIncoming>> {
        let quic = &self.quic;
        let accepted = ready!(poll_pending(&mut self.others, context, || {
            let quic = quic.clone();
            Box::pin(async move { quic.accept_uni().await })
        }));
        let stream = accepted.map_err(of_connection)?;
        Poll::Ready(Ok(Receiving::new(stream, Sieve::unidirectional())))
    }

    fn poll_accept_bidi(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Both, ConnectionErrorIncoming>> {
        let quic = &self.quic;
        let accepted = ready!(poll_pending(&mut self.requests, context, || {
            let quic = quic.clone();
            Box::pin(async move { quic.accept_bi().await })
        }));
        let (send, receive) = accepted.map_err(of_connection)?;
        Poll::Ready(Ok(Both {
            send: Sending::new(send),
            receive: Receiving::new(receive, Sieve::request()),
        }))
    }

    fn opener(&self) -> Self {
        Self::new(self.quic.clone())
    }
}

impl quic::OpenStreams<Bytes> for Transport {
    type BidiStream = Both;
    type SendStream = Sending;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Both, StreamErrorIncoming>> {
        Poll::Ready(Err(StreamErrorIncoming::Unknown("servers make no requests".into())))
    }

    fn poll_open_send(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Sending, StreamErrorIncoming>> {
        let quic = &self.quic;
        let opened = ready!(poll_pending(&mut self.opening, context, || {
            let quic = quic.clone();
            Box::pin(async move { quic.open_uni().await })
        }));
        Poll::Ready(opened.map(Sending::new).map_err(|error| {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
        }))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.quic.close(number(code.value()), reason);
    }
}

fn poll_pending<T>(
    pending: &mut Option<Pending<T>>,
    context: &mut Context<'_>,
    begin: impl FnOnce() -> Pending<T>,
) -> Poll<Result<T, ConnectionError>> {
    let polled = pending.get_or_insert_with(begin).as_mut().poll(context);
    if polled.is_ready() {
        *pending = None;
    }
    polled
}

/// A stream with a request and its response.
pub(super) struct Both {
    send: Sending,
    receive: Receiving,
}

impl Both {
    /// How the response will end.
    pub(super) fn fate(&self) -> Rc<Fate> {
        Rc::clone(&self.send.fate)
    }

    /// Waits until the client wants no more of the response, has all of it, or is gone.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let stopped = self.send.stream.stopped();
        async move {
            // Either way there is nobody to talk to any more.
            let _why = stopped.await;
        }
    }

    /// Refuses the request, which the client may make elsewhere (RFC 9114 §4.1.1).
    pub(super) fn reject(self) {
        self.send.fate.reset(Code::H3_REQUEST_REJECTED);
        let mut receive = self.receive;
        quic::RecvStream::stop_sending(&mut receive, Code::H3_REQUEST_REJECTED.value());
    }
}

impl quic::BidiStream<Bytes> for Both {
    type SendStream = Sending;
    type RecvStream = Receiving;

    fn split(self) -> (Sending, Receiving) {
        (self.send, self.receive)
    }
}

impl quic::SendStream<Bytes> for Both {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(context)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl quic::RecvStream for Both {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(context)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

/// What becomes of a stream that is dropped.
#[derive(Debug, Default)]
pub(super) struct Fate(Cell<Option<Code>>);

impl Fate {
    /// All was said.
    pub(super) fn finish(&self) {
        self.0.set(None);
    }

    /// It breaks off, for this reason.
    pub(super) fn reset(&self, why: Code) {
        self.0.set(Some(why));
    }
}

/// The side that we write to.
pub(super) struct Sending {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<Bytes>>,
    /// Whether anything was said.
    has_begun: bool,
    fate: Rc<Fate>,
}

impl Sending {
    fn new(stream: quinn::SendStream) -> Self {
        Self { stream, writing: None, has_begun: false, fate: Rc::default() }
    }
}

impl quic::SendStream<Bytes> for Sending {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(writing) = self.writing.as_mut().filter(|writing| writing.has_remaining()) {
            let written = Pin::new(&mut self.stream).poll_write(context, writing.chunk());
            writing.advance(ready!(written).map_err(of_write)?);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            let why = "something is being written already".to_owned();
            let connection_error = ConnectionErrorIncoming::InternalError(why);
            return Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error });
        }
        self.writing = Some(data.into());
        self.has_begun = true;
        Ok(())
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        ready!(self.poll_ready(context))?;
        let finished = self.stream.finish();
        Poll::Ready(finished.map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, code: u64) {
        // A stream that is closed already needs no reset.
        self.stream.reset(number(code)).ok();
    }

    fn send_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // An answer of nothing would be none; clients close the connection for it.
        let nothing = (!self.has_begun).then_some(Code::H3_REQUEST_INCOMPLETE);
        if let Some(why) = self.fate.0.get().or(nothing) {
            self.stream.reset(number(why.value())).ok();
        }
    }
}

/// The side that we read from.
pub(super) struct Receiving {
    stream: quinn::RecvStream,
    sieve: Sieve,
    is_over: bool,
}

impl Receiving {
    fn new(stream: quinn::RecvStream, sieve: Sieve) -> Self {
        Self { stream, sieve, is_over: false }
    }

    fn refuse(&mut self, why: Code) -> StreamErrorIncoming {
        quic::RecvStream::stop_sending(self, why.value());
        StreamErrorIncoming::StreamTerminated { error_code: why.value() }
    }
}

impl quic::RecvStream for Receiving {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            if let Some(bytes) = self.sieve.next() {
                return Poll::Ready(Ok(Some(bytes)));
            }
            if self.is_over {
                return Poll::Ready(Ok(None));
            }
            // Nothing is lost with the future: the stream itself remembers whom to wake.
            let polled = pin!(self.stream.read_chunk(usize::MAX, true)).poll(context);
            let sifted = match ready!(polled) {
                Ok(Some(chunk)) => self.sieve.push(&chunk.bytes),
                Ok(None) => {
                    self.is_over = true;
                    self.sieve.finish()
                }
                Err(error) => {
                    self.is_over = true;
                    return Poll::Ready(Err(of_read(error)));
                }
            };
            if let Err(why) = sifted {
                return Poll::Ready(Err(self.refuse(why)));
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.is_over = true;
        // A stream that is closed already needs no stopping.
        self.stream.stop(number(code)).ok();
    }

    fn recv_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.is_over {
            self.stream.stop(number(Code::H3_NO_ERROR.value())).ok();
        }
    }
}

fn of_connection(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn of_read(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        ReadError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
        }
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}

fn of_write(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        WriteError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
        }
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}

fn id(id: quinn::StreamId) -> StreamId {
    // Invariant: both libraries count streams with 62 bits.
    StreamId::try_from(u64::from(id)).expect("62 bits")
}

pub(super) fn number(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

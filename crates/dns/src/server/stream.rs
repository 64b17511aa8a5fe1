//! Streams of messages, each with its length in front (RFC 7766), whatever carries them.
//!
//! A client may ask the next question before the last one is answered: what is known is answered at
//! once, and what has to be asked elsewhere whenever it is known (RFC 7766 §6.2.1.1).
//!
//! **Invariant:** each step of a connection (a whole request, a whole reply) is bounded in size and
//! in time, and so is the number of its questions that wait. What was read is answered before a
//! connection is closed, unless its client did wrong.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use super::responder::{Next, Outgoing, Responder};
use crate::handler::{Asker, IDLE_TIMEOUT, Transport};
use crate::leaving::Leaving;
use crate::padding;
use crate::reply::Drop;

/// Whose connection it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    pub(super) arrived_at: IpAddr,
    pub(super) transport: Transport,
}

/// One client's connection.
pub(super) struct Connection<S> {
    requests: FramedRead<S, LengthDelimitedCodec>,
    origin: Origin,
    responder: Responder,
    leaving: Leaving,
    /// Replies that somebody else is asked for.
    waiting: FuturesUnordered<Pin<Box<dyn Future<Output = Vec<u8>> + Send>>>,
    /// Replies that are ready, each with its length.
    ready: Vec<u8>,
    /// A zone that follows them; nothing more is read before it is sent.
    outgoing: Option<Box<Outgoing>>,
}

/// What happens next on a connection.
enum Event {
    Request(BytesMut),
    Reply(Vec<u8>),
    /// The client asks nothing more.
    End,
    /// What it sends cannot be a request.
    Nonsense,
}

/// Why a connection ends.
enum Ended {
    /// Nothing is left to be said.
    Done,
    /// The client did wrong, and that was counted.
    Wrong,
    /// The client sent too much, or too slowly, or takes nothing.
    Abuse,
    /// It is gone.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, origin: Origin, responder: Responder, leaving: Leaving) -> Self {
        let codec = LengthDelimitedCodec::builder()
            .length_field_type::<u16>()
            .max_frame_length(REQUEST_BYTES_MAX)
            .new_codec();
        Self {
            requests: FramedRead::with_capacity(stream, codec, READ_BYTES),
            origin,
            responder,
            leaving,
            waiting: FuturesUnordered::new(),
            ready: Vec::new(),
            outgoing: None,
        }
    }

    /// Answers until the client is done, or does wrong.
    pub(super) async fn run(mut self) {
        match self.serve().await {
            Ended::Done => {
                // Says goodbye; whoever does not listen any more does not have to.
                timeout(GOODBYE_TIMEOUT, self.requests.get_mut().shutdown()).await.ok();
            }
            Ended::Abuse => self.responder.dropped(Drop::Abuse),
            Ended::Wrong | Ended::Gone => {}
        }
    }

    async fn serve(&mut self) -> Ended {
        let mut deadline = Instant::now() + self.idle_timeout();
        loop {
            let leaving = self.leaving.clone();
            let left = deadline.saturating_duration_since(Instant::now());
            let event = match leaving.at_most(left, self.event()).await {
                Some(event) => event,
                None if leaving.has_begun() => Event::End,
                None if !self.requests.read_buffer().is_empty() => return Ended::Abuse,
                None => Event::End,
            };
            let ended = match event {
                Event::Request(request) => self.take_in(request),
                Event::Reply(reply) => {
                    self.add(&reply);
                    None
                }
                Event::Nonsense => Some(Ended::Abuse),
                Event::End => Some(self.answer_rest().await),
            };
            match timeout(WRITE_TIMEOUT, self.write_ready()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ended::Gone,
                Err(_elapsed) => return Ended::Abuse,
            }
            if let Some(outgoing) = self.outgoing.take()
                && !self.transfer(*outgoing).await
            {
                return Ended::Gone;
            }
            if let Some(ended) = ended {
                return ended;
            }
            deadline = Instant::now() + self.idle_timeout();
        }
    }

    async fn event(&mut self) -> Event {
        let may_wait = self.waiting.len() < PIPELINED_MAX;
        tokio::select! {
            Some(reply) = self.waiting.next(), if !self.waiting.is_empty() => Event::Reply(reply),
            request = self.requests.next(), if may_wait => Self::read(request),
        }
    }

    fn read(request: Option<std::io::Result<BytesMut>>) -> Event {
        match request {
            Some(Ok(request)) => Event::Request(request),
            // The codec's own error; those of the connection say that it is gone.
            Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => Event::Nonsense,
            Some(Err(_)) | None => Event::End,
        }
    }

    /// Answers a request and those that came with it, so that their replies leave together.
    fn take_in(&mut self, request: BytesMut) -> Option<Ended> {
        let mut request = request;
        let mut together = 0;
        loop {
            together += 1;
            if !self.answer(&request) {
                // Whoever sends such things on a stream will not become sensible.
                return Some(Ended::Wrong);
            }
            if self.outgoing.is_some() {
                return None;
            }
            let is_full = together >= TOGETHER_MAX || self.ready.len() >= READY_BYTES;
            if is_full || self.waiting.len() >= PIPELINED_MAX {
                return None;
            }
            match self.requests.next().now_or_never().map(Self::read) {
                Some(Event::Request(next)) => request = next,
                Some(Event::Nonsense) => return Some(Ended::Abuse),
                // The end is seen again.
                Some(Event::Reply(_) | Event::End) | None => return None,
            }
        }
    }

    /// Answers one request, now or later; `false` when it must not be answered.
    fn answer(&mut self, request: &[u8]) -> bool {
        let Origin { peer, arrived_at, transport } = self.origin;
        let tables = self.responder.tables();
        let asker = Asker { peer, local: tables.local(arrived_at), transport };
        let mut room = [0; SHORT_BYTES];
        if let Some(written) = tables.short(request, &asker, &mut room) {
            // Without options, it asks for no padding.
            self.responder.count_one(transport, written.outcome);
            self.add(room.get(..written.len).unwrap_or_default());
            return true;
        }
        let pads = transport.is_encrypted() && padding::is_asked_for(request);
        match self.responder.respond(request, &asker, &tables) {
            Next::Send(reply) => self.add(&padded(reply, pads)),
            Next::Forward(waiting) => {
                let responder = self.responder.clone();
                self.waiting.push(Box::pin(async move {
                    padded(responder.forward(waiting, transport).await, pads)
                }));
            }
            Next::Transfer(outgoing) => self.outgoing = Some(outgoing),
            Next::Nothing => return false,
        }
        true
    }

    /// Sends a zone, message by message; whether the client took all of it.
    async fn transfer(&mut self, mut outgoing: Outgoing) -> bool {
        let messages = outgoing.transfer.messages(&outgoing.journal);
        let sending = async {
            for message in messages {
                self.add(&message);
                let written = timeout(WRITE_TIMEOUT, self.write_ready()).await;
                if !matches!(written, Ok(Ok(()))) {
                    return false;
                }
                tokio::task::yield_now().await;
            }
            true
        };
        timeout(TRANSFER_TIMEOUT, sending).await.unwrap_or(false)
    }

    /// What still waits, once nothing more is read.
    async fn answer_rest(&mut self) -> Ended {
        while let Some(reply) = self.waiting.next().await {
            self.add(&reply);
        }
        Ended::Done
    }

    fn add(&mut self, reply: &[u8]) {
        // Invariant: the encoder keeps within the transport's limit.
        if let Ok(length) = u16::try_from(reply.len()) {
            self.ready.extend_from_slice(&length.to_be_bytes());
            self.ready.extend_from_slice(reply);
        }
    }

    /// Writes lengths and replies at once: two segments would cost some clients a round trip.
    async fn write_ready(&mut self) -> std::io::Result<()> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let stream = self.requests.get_mut();
        stream.write_all(&self.ready).await?;
        self.ready.clear();
        self.ready.shrink_to(KEPT_BYTES);
        stream.flush().await
    }

    fn idle_timeout(&self) -> Duration {
        self.origin.transport.idle_timeout().unwrap_or(IDLE_TIMEOUT)
    }
}

fn padded(mut reply: Vec<u8>, pads: bool) -> Vec<u8> {
    if pads {
        padding::pad(&mut reply, padding::REPLY_STEP_BYTES);
    }
    reply
}

/// For replies to be taken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// For the last words of a connection.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// For a whole zone: a secondary that takes longer begins again.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(600);
/// An update of about a hundred records; TCP itself would allow 65,535.
const REQUEST_BYTES_MAX: usize = 16_384;
/// Questions of one connection that wait for forwarders; no more is read then.
pub(super) const PIPELINED_MAX: usize = 32;
/// Requests that are answered before anything is written, and how long their replies may become.
const TOGETHER_MAX: usize = 64;
const READY_BYTES: usize = 16 << 10;
/// Of that, what a connection keeps for the next time.
const KEPT_BYTES: usize = 1 << 10;
/// As long as most replies are.
const SHORT_BYTES: usize = 512;
/// What is read at first; most requests come alone.
const READ_BYTES: usize = 512;

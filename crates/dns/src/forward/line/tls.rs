//! Questions over TLS, many at once on one connection (RFC 7858, RFC 7766 §6.2.1.1).
//!
//! **Invariant:** an answer goes to the question whose id it has, which is unique on its connection;
//! whether it is one is for the asker to judge.

use std::collections::HashMap;

use bytes::BytesMut;
use foldhash::fast::RandomState;
use futures_util::stream::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use super::{Ask, IDLE_TIMEOUT, IN_FLIGHT_MAX, Lost, SILENCE_TIMEOUT};
use crate::reply::HEADER_BYTES;

/// Asks until the connection ends, or has been idle; what waits then is gone.
pub(super) async fn speak<S>(stream: S, asks: &mut mpsc::Receiver<Ask>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let codec = LengthDelimitedCodec::builder()
        .length_field_type::<u16>()
        .max_frame_length(usize::from(u16::MAX))
        .new_codec();
    let now = Instant::now();
    let mut talk = Talk {
        replies: FramedRead::with_capacity(stream, codec, READ_BYTES),
        waiting: HashMap::default(),
        next_id: 0,
        heard: now,
        strangers: 0,
    };
    let mut used = now;
    loop {
        let may_ask = talk.waiting.len() < IN_FLIGHT_MAX;
        let deadline = match talk.oldest() {
            Some(oldest) => oldest.max(talk.heard) + SILENCE_TIMEOUT,
            None => used + IDLE_TIMEOUT,
        };
        tokio::select! {
            ask = asks.recv(), if may_ask => {
                used = Instant::now();
                let Some(ask) = ask else { break };
                if !talk.send(ask).await {
                    break;
                }
            }
            message = talk.replies.next() => {
                let Some(Ok(message)) = message else { break };
                if !talk.receive(message) {
                    break;
                }
            }
            () = sleep_until(deadline) => break,
        }
    }
    // Says goodbye; nobody waits for whether it is heard.
    timeout(super::CONNECT_TIMEOUT, talk.replies.get_mut().shutdown()).await.ok();
}

struct Talk<S> {
    replies: FramedRead<S, LengthDelimitedCodec>,
    waiting: HashMap<u16, Waiting, RandomState>,
    next_id: u16,
    heard: Instant,
    strangers: usize,
}

struct Waiting {
    /// The id that the asker knows.
    asked: [u8; 2],
    sent: Instant,
    reply: oneshot::Sender<Result<Vec<u8>, Lost>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    /// Sends a question; `false` when the connection is of no more use.
    async fn send(&mut self, ask: Ask) -> bool {
        let heard = self.heard;
        // Whoever asked has given up, and nothing was heard since: its other end may be gone without
        // a word, as after a change of addresses.
        let swallowed = |one: &Waiting| one.reply.is_closed() && heard <= one.sent;
        if self.waiting.values().any(swallowed) {
            // Dropped, which has the asker come back on another connection.
            return false;
        }
        self.waiting.retain(|_, one| !one.reply.is_closed());
        let Ask { mut query, reply } = ask;
        let length = u16::try_from(query.len());
        let (Some(id), Ok(length)) = (query.first_chunk_mut::<2>(), length) else {
            return true;
        };
        while self.waiting.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let asked = std::mem::replace(id, self.next_id.to_be_bytes());
        let framed = [&length.to_be_bytes(), &*query].concat();
        self.waiting.insert(self.next_id, Waiting { asked, sent: Instant::now(), reply });
        self.next_id = self.next_id.wrapping_add(1);
        let stream = self.replies.get_mut();
        let written = timeout(SILENCE_TIMEOUT, async {
            stream.write_all(&framed).await?;
            stream.flush().await
        });
        matches!(written.await, Ok(Ok(())))
    }

    /// Gives an answer to whoever waits for it; `false` when the server talks nonsense.
    fn receive(&mut self, message: BytesMut) -> bool {
        let mut message = Vec::from(message);
        let is_long = message.len() >= HEADER_BYTES;
        let Some(id) = message.first_chunk_mut::<2>().filter(|_| is_long) else {
            return false;
        };
        match self.waiting.remove(&u16::from_be_bytes(*id)) {
            Some(Waiting { asked, reply, .. }) => {
                self.heard = Instant::now();
                *id = asked;
                // Whoever asked may have given up.
                reply.send(Ok(message)).ok();
            }
            None => self.strangers += 1,
        }
        self.strangers <= STRANGERS_MAX
    }

    fn oldest(&self) -> Option<Instant> {
        self.waiting.values().map(|one| one.sent).min()
    }
}

/// Messages that answer nothing that is asked, late ones among them, after which a server is thought
/// to be confused.
const STRANGERS_MAX: usize = 64;
/// What is read at first.
const READ_BYTES: usize = 4 << 10;

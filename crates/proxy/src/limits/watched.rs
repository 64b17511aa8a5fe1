//! An HTTP/2 connection whose frames are counted below hyper.
//!
//! h2 bounds what costs it memory (streams, heads, empty DATA, CONTINUATION, resets it was made to
//! send), but answers PING and SETTINGS, and takes note of WINDOW_UPDATE, PRIORITY and RST_STREAM, as
//! fast as they come. Here they are seen as they are read.
//!
//! **Invariant:** bytes pass unchanged and nothing of them is kept. When a budget is exceeded, the
//! other side is told (GOAWAY, ENHANCE_YOUR_CALM) where that can be put between two frames, and the
//! connection ends with an error; other connections go on.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flood::{Flood, FrameBudgets};
use super::frames::{Frames, Kind};
use super::hits::{Hits, Limit};

/// A stream of frames in both directions.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    read: Frames,
    written: Frames,
    sent: u64,
    flood: Flood,
    peer: Option<IpAddr>,
    hits: Hits,
    over: Option<Limit>,
}

impl<S> Watched<S> {
    /// What a client sends to us.
    pub(crate) fn client(stream: S, budgets: &FrameBudgets, client: IpAddr, hits: Hits) -> Self {
        Self::new(stream, budgets, (Frames::of_client(), Frames::of_server()), Some(client), hits)
    }

    /// What an upstream sends to us.
    pub(crate) fn upstream(stream: S, budgets: &FrameBudgets, hits: Hits) -> Self {
        Self::new(stream, budgets, (Frames::of_server(), Frames::of_client()), None, hits)
    }

    fn new(
        stream: S,
        budgets: &FrameBudgets,
        (read, written): (Frames, Frames),
        peer: Option<IpAddr>,
        hits: Hits,
    ) -> Self {
        Self { stream, read, written, sent: 0, flood: Flood::new(budgets), peer, hits, over: None }
    }

    fn sent(&mut self, mut bytes: usize, pieces: &[IoSlice<'_>]) {
        self.sent += bytes as u64;
        let mut ended = None;
        for piece in pieces {
            let taken = bytes.min(piece.len());
            self.written.pass(&piece[..taken], |kind, payload| {
                if kind == Kind::GoAway {
                    ended = limit_of(payload);
                }
            });
            bytes -= taken;
        }
        if let Some(limit) = ended {
            self.count(limit);
        }
    }

    fn count(&self, limit: Limit) {
        match self.peer {
            Some(client) => self.hits.count_by(limit, client),
            None => self.hits.count(limit),
        }
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    #[cold]
    fn give_up(&mut self, limit: Limit, context: &mut Context<'_>) -> io::Error {
        if self.over.replace(limit).is_none() {
            self.count(limit);
            self.say_goodbye(limit, context);
        }
        too_many(limit)
    }

    /// Whatever cannot be written at once is not: this is a courtesy.
    fn say_goodbye(&mut self, limit: Limit, context: &mut Context<'_>) {
        if !self.written.is_between() {
            return;
        }
        let why = limit.word().as_bytes();
        // Invariant: a word is short.
        let length = u8::try_from(GOAWAY_BYTES + why.len()).unwrap_or(u8::MAX);
        let mut frame = vec![0, 0, length, GOAWAY, 0, 0, 0, 0, 0];
        frame.extend(self.read.last_stream().to_be_bytes());
        frame.extend(ENHANCE_YOUR_CALM.to_be_bytes());
        frame.extend(why);
        if Pin::new(&mut self.stream).poll_write(context, &frame).is_ready() {
            let _flushed = Pin::new(&mut self.stream).poll_flush(context);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        if let Some(limit) = this.over {
            return Poll::Ready(Err(too_many(limit)));
        }
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let mut over = None;
        let (flood, sent) = (&mut this.flood, this.sent);
        this.read.pass(&buffer.filled()[before..], |kind, _| {
            over = over.or_else(|| flood.add(kind, sent))
        });
        match over {
            Some(limit) => Poll::Ready(Err(this.give_up(limit, context))),
            None => polled,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.sent(*count, &[IoSlice::new(bytes)]);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        if let Poll::Ready(Ok(count)) = &written {
            self.sent(*count, pieces);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The other side sent more frames of a kind than it may.
#[derive(Debug)]
struct TooMany(Limit);

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many frames of one kind ({})", self.0.word())
    }
}

impl std::error::Error for TooMany {}

fn too_many(limit: Limit) -> io::Error {
    io::Error::new(TOO_MUCH, TooMany(limit))
}

/// The limit of h2's own that the other side exceeded, by the GOAWAY that says so.
fn limit_of(payload: &[u8]) -> Option<Limit> {
    let (code, text) = payload.get(4..)?.split_first_chunk()?;
    if u32::from_be_bytes(*code) != ENHANCE_YOUR_CALM {
        return None;
    }
    let known = H2_LIMITS.iter().find(|(word, _)| word.as_bytes() == text);
    Some(known.map_or(Limit::H2Other, |(_, limit)| *limit))
}

/// Marks errors of ours: no socket has it, and h2 passes nothing on but the kind.
pub(crate) const TOO_MUCH: io::ErrorKind = io::ErrorKind::QuotaExceeded;
/// The words of h2 for the limits of its own.
const H2_LIMITS: [(&str, Limit); 5] = [
    ("header_list_way_too_large", Limit::HeadSize),
    ("too_many_continuations", Limit::H2Continuation),
    ("too_many_data_frames", Limit::H2Data),
    ("too_many_internal_resets", Limit::H2ResetProvoked),
    ("too_many_resets", Limit::H2Reset),
];
/// Type of the frame (RFC 9113 §6.8).
const GOAWAY: u8 = 0x7;
/// The last stream and the error code, before the text.
const GOAWAY_BYTES: usize = 8;
/// RFC 9113 §7.
const ENHANCE_YOUR_CALM: u32 = 0xb;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::limits::CLIENT_FRAMES;

    fn watched() -> (Watched<tokio::io::DuplexStream>, tokio::io::DuplexStream, Hits) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let hits = Hits::default();
        let client = IpAddr::from([127, 0, 0, 1]);
        (Watched::client(ours, &CLIENT_FRAMES, client, hits.clone()), theirs, hits)
    }

    fn settings() -> Vec<u8> {
        vec![0, 0, 0, 4, 0, 0, 0, 0, 0]
    }

    async fn flood(theirs: &mut tokio::io::DuplexStream) {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(settings().repeat(60));
        theirs.write_all(&bytes).await.expect("room");
    }

    #[tokio::test]
    async fn a_flood_ends_with_a_word_and_an_error_once() {
        let (mut ours, mut theirs, hits) = watched();
        // A frame that is whole, in two pieces.
        ours.write_all(&settings()[..4]).await.expect("room");
        ours.write_all(&settings()[4..]).await.expect("room");
        flood(&mut theirs).await;
        for _ in 0..3 {
            let error = ours.read(&mut [0; 4_096]).await.expect_err("a flood");
            assert_eq!(error.kind(), TOO_MUCH);
            assert!(error.to_string().contains("h2_settings"), "{error}");
        }
        assert_eq!(hits.of(Limit::H2Settings), 1);
        drop(ours);
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.expect("the end");
        assert_eq!(heard[9..26], [0, 0, 19, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb]);
        assert_eq!(&heard[26..], b"h2_settings");
    }

    #[tokio::test]
    async fn nothing_is_said_in_the_middle_of_a_frame() {
        let (mut ours, mut theirs, _hits) = watched();
        ours.write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2]).await.expect("room");
        flood(&mut theirs).await;
        ours.read(&mut [0; 4_096]).await.expect_err("a flood");
        drop(ours);
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.expect("the end");
        assert_eq!(heard.len(), 11);
    }
}

//! Room for replies that leave by one system call.
//!
//! **Invariant:** replies leave in the order in which they were put in, each from the address at which its
//! request came.

use std::io::{self, IoSlice};
use std::os::fd::RawFd;

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sendmsg,
};

use super::inbox::BATCH_DATAGRAMS;
use super::path::{Info, Path, Source};
use crate::reply::UDP_REPLY_BYTES_MAX;

/// Replies that wait to be sent.
pub(super) struct Outbox {
    plain: MultiHeaders<SockaddrStorage>,
    /// For replies that say where they leave from.
    sourced: Option<MultiHeaders<SockaddrStorage>>,
    room: Box<[u8]>,
    peers: [Option<SockaddrStorage>; BATCH_DATAGRAMS],
    lengths: [usize; BATCH_DATAGRAMS],
    sources: [Option<Source>; BATCH_DATAGRAMS],
    len: usize,
    sent: usize,
}

impl Outbox {
    /// Room for the replies to a batch; `with_sources` where a socket has more than one address.
    pub(super) fn new(with_sources: bool) -> Self {
        let headers = |space| MultiHeaders::preallocate(BATCH_DATAGRAMS, space);
        Self {
            plain: headers(None),
            sourced: with_sources.then(|| headers(Some(cmsg_space!(libc::in6_pktinfo)))),
            room: vec![0; BATCH_DATAGRAMS * REPLY_BYTES_MAX].into(),
            peers: [None; BATCH_DATAGRAMS],
            lengths: [0; BATCH_DATAGRAMS],
            sources: [None; BATCH_DATAGRAMS],
            len: 0,
            sent: 0,
        }
    }

    /// Where the next reply is to be written; empty when there is no room.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.room.chunks_exact_mut(REPLY_BYTES_MAX).nth(self.len).unwrap_or_default()
    }

    /// Takes the reply that was written into the room.
    pub(super) fn push(&mut self, len: usize, path: &Path) {
        if let Some(length) = self.lengths.get_mut(self.len) {
            *length = len;
            self.peers[self.len] = Some(path.raw);
            self.sources[self.len] = path.source;
            self.len += 1;
        }
    }

    /// Whether nothing waits any more; then it is empty again.
    pub(super) fn is_done(&mut self) -> bool {
        let is_done = self.sent == self.len;
        if is_done {
            self.sent = 0;
            self.len = 0;
        }
        is_done
    }

    /// Leaves out the reply that would be sent next.
    pub(super) fn skip(&mut self) {
        self.sent += 1;
    }

    /// Sends replies, as many as leave from the same address as the first and the socket takes.
    ///
    /// # Errors
    /// What the system says about the first of them; `WouldBlock` when the socket takes none.
    pub(super) fn send(&mut self, socket: RawFd) -> io::Result<()> {
        let waiting = self.sent..self.len;
        let source = self.sources.get(self.sent).copied().flatten();
        let same = self.sources[waiting.clone()].iter().take_while(|other| **other == source);
        let until = self.sent + same.count();
        let mut buffers =
            self.room.chunks_exact(REPLY_BYTES_MAX).zip(&self.lengths).skip(self.sent);
        let slices: [[IoSlice<'_>; 1]; BATCH_DATAGRAMS] = std::array::from_fn(|_| {
            let next = buffers.next().and_then(|(buffer, length)| buffer.get(..*length));
            [IoSlice::new(next.unwrap_or_default())]
        });
        let slices = slices.iter().take(until - self.sent);
        let peers = &self.peers[self.sent..until];
        let info = source.map(Info::of);
        let sent = match (&info, &mut self.sourced) {
            (Some(info), Some(headers)) => {
                sendmmsg(socket, headers, slices, peers, [info.message()], MsgFlags::MSG_DONTWAIT)?
            }
            _ => {
                let none: [ControlMessage<'_>; 0] = [];
                sendmmsg(socket, &mut self.plain, slices, peers, none, MsgFlags::MSG_DONTWAIT)?
            }
        };
        self.sent += sent.count();
        Ok(())
    }
}

/// Sends one reply that was long in coming.
///
/// # Errors
/// What the system says; `WouldBlock` when the socket does not take it now.
pub(super) fn send_one(socket: RawFd, reply: &[u8], path: &Path) -> io::Result<()> {
    let info = path.source.map(Info::of);
    let said: Option<_> = info.as_ref().map(Info::message);
    let said = said.as_slice();
    let all = [IoSlice::new(reply)];
    sendmsg(socket, &all, said, MsgFlags::MSG_DONTWAIT, Some(&path.raw))?;
    Ok(())
}

/// As long as a reply over UDP can be.
const REPLY_BYTES_MAX: usize = UDP_REPLY_BYTES_MAX as usize;

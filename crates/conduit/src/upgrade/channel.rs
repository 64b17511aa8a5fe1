//! Messages with file descriptors, between two processes of one machine.
//!
//! **Invariant:** a message is whole or an error, no wait is without a limit, and what comes along
//! with a message that is not understood is closed.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One end of the connection between two processes.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// A connection: this end, and the one that another process gets.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// The end that another process made and left us, if `process` is that one's number.
    pub(super) fn of(socket: OwnedFd, process: u32) -> Option<Self> {
        let is_packets = socket_type(&socket).is_ok_and(|kind| kind == SocketType::SEQPACKET);
        let maker = socket_peercred(&socket).ok()?.pid.as_raw_nonzero().get();
        (is_packets && u32::try_from(maker) == Ok(process)).then_some(Self(socket))
    }

    /// Another handle of the same end.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Sends a message within `limit`.
    pub(super) fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
        limit: Duration,
    ) -> io::Result<()> {
        self.limit(Timeout::Send, limit)?;
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut along = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !along.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many file descriptors for one message"));
        }
        sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut along, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Receives a message within `limit`; `None` when the other end is closed.
    pub(super) fn receive<T: DeserializeOwned>(
        &self,
        limit: Duration,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        self.limit(Timeout::Recv, limit)?;
        let mut bytes = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut along = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(&self.0, &mut slices, &mut along, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for message in along.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::other("a message is too long, or descriptors are used up"));
        }
        let message = serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())?;
        Ok(Some((message, descriptors)))
    }

    fn limit(&self, which: Timeout, limit: Duration) -> io::Result<()> {
        if limit.is_zero() {
            // Zero would mean no limit at all.
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(set_socket_timeout(self.0.as_fd(), which, Some(limit))?)
    }
}

/// File descriptors in one message; the kernel takes up to 253.
pub(super) const DESCRIPTORS_MAX: usize = 64;
/// Room for them.
const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));
/// The longest message: labels of that many sockets, or a reason.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::upgrade::words::{FromNew, FromOld, Label};

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn sockets_arrive_with_their_labels() {
        let (ours, theirs) = Channel::pair().expect("a pair");
        let theirs = Channel::of(theirs, std::process::id()).expect("made by this process");
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let message = FromOld::Sockets { labels: vec![Label::Https], more: false, waiting: 1 };
        ours.send(&message, &[listener.as_fd()], LIMIT).expect("sent");
        let (message, mut descriptors) = theirs.receive(LIMIT).expect("read").expect("open");
        let FromOld::Sockets { labels, more: false, waiting: 1 } = message else {
            panic!("{message:?}");
        };
        assert_eq!(labels, [Label::Https]);
        let same = TcpListener::from(descriptors.remove(0));
        assert_eq!(same.local_addr().ok(), listener.local_addr().ok());
    }

    #[test]
    fn silence_an_end_and_nonsense_are_told_apart() {
        let (ours, theirs) = Channel::pair().expect("a pair");
        let theirs = Channel::of(theirs, std::process::id()).expect("made by this process");
        let silence = theirs.receive::<FromNew>(Duration::from_millis(1)).expect_err("nothing");
        assert_eq!(silence.kind(), io::ErrorKind::WouldBlock);
        ours.send(&"nonsense", &[], LIMIT).expect("sent");
        let nonsense = theirs.receive::<FromNew>(LIMIT).expect_err("not understood");
        assert_eq!(nonsense.kind(), io::ErrorKind::InvalidData);
        drop(ours);
        assert!(theirs.receive::<FromNew>(LIMIT).expect("read").is_none());
    }

    #[test]
    fn only_the_socket_of_the_named_process_is_taken() {
        let (_ours, theirs) = Channel::pair().expect("a pair");
        assert!(Channel::of(theirs, 1).is_none());
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        assert!(Channel::of(listener.into(), std::process::id()).is_none());
    }
}

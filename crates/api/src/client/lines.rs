//! An answer that goes on: one JSON value on each line.
//!
//! **Invariant:** at most one line is held, and none is longer than [`LINE_BYTES_MAX`].

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::error::ClientError;

/// The values of an answer, one after the other.
pub struct Lines<T> {
    request: String,
    body: Incoming,
    /// Makes the body go on; `None` once it has ended.
    connection: Option<Connection>,
    partial: BytesMut,
    kind: PhantomData<fn() -> T>,
}

/// What drives a connection.
pub(super) type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(request: String, body: Incoming, connection: Connection) -> Self {
        let connection = Some(connection);
        Self { request, body, connection, partial: BytesMut::new(), kind: PhantomData }
    }

    /// The next value; `None` at the end.
    ///
    /// # Errors
    /// When the answer breaks off, or a line is not what it should be.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(line) = self.whole_line() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| self.malformed(error.to_string()));
            }
            if self.partial.len() > LINE_BYTES_MAX {
                return Err(self.malformed(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            match self.piece().await? {
                Some(piece) => self.partial.extend_from_slice(&piece),
                None if self.partial.is_empty() => return Ok(None),
                None => self.partial.extend_from_slice(b"\n"),
            }
        }
    }

    fn whole_line(&mut self) -> Option<Bytes> {
        let end = self.partial.iter().position(|byte| *byte == b'\n')?;
        Some(self.partial.split_to(end + 1).freeze())
    }

    /// The next bytes; the connection makes progress only while it is polled.
    async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = match &mut self.connection {
                None => self.body.frame().await,
                Some(connection) => tokio::select! {
                    biased;
                    frame = self.body.frame() => frame,
                    () = connection.as_mut() => {
                        self.connection = None;
                        continue;
                    }
                },
            };
            return match frame {
                None => Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Ok(Some(data)),
                    // Trailers tell nothing.
                    Err(_) => continue,
                },
                Some(Err(error)) => Err(ClientError::Unanswered {
                    request: self.request.clone(),
                    reason: error.to_string(),
                }),
            };
        }
    }

    fn malformed(&self, reason: String) -> ClientError {
        ClientError::Malformed { request: self.request.clone(), reason }
    }
}

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The longest line that is taken, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

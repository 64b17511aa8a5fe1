//! Connections to an engine's socket, one for each question.
//!
//! **Invariant:** no answer is read beyond a bound, whatever it claims; a connection ends with its
//! answer, and with the gateway.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_core::tasks::Tasks;
use http::{HeaderValue, Request, Response, Uri, header};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::source::SourceError;

type Failure = bollard::errors::Error;

/// Where an engine listens; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    socket: Arc<Path>,
    tasks: Tasks,
}

impl Wire {
    pub(super) fn new(socket: PathBuf, tasks: Tasks) -> Self {
        Self { socket: socket.into(), tasks }
    }

    /// Whether somebody listens, and lets us in.
    pub(super) async fn check(&self) -> Result<(), SourceError> {
        let tried = UnixStream::connect(&*self.socket).await;
        tried.map(drop).map_err(|error| refusal(&self.socket, &error))
    }

    /// Asks on a connection of its own, of which at most `bytes_max` are read.
    pub(super) async fn send<B>(
        &self,
        request: Request<B>,
        bytes_max: u64,
    ) -> Result<Response<Incoming>, Failure>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (read, write) = UnixStream::connect(&*self.socket).await?.into_split();
        let io = TokioIo::new(tokio::io::join(read.take(bytes_max), write));
        let (mut sender, connection) = http1::handshake(io).await?;
        let stop = self.tasks.stop().clone();
        self.tasks.job("container engine", async move {
            tokio::select! {
                // How it ended is seen by whoever waits for the answer.
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path.parse::<Uri>()?;
        head.headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        Ok(sender.send_request(Request::from_parts(head, body)).await?)
    }
}

/// What to do about a socket that cannot be opened.
fn refusal(socket: &Path, error: &io::Error) -> SourceError {
    let path = socket.display();
    match error.kind() {
        io::ErrorKind::NotFound => SourceError::Absent(format!(
            "there is no container engine at {path}; start Docker or Podman's socket \
             and name it in monitor.docker_socket (Podman's is /run/podman/podman.sock)"
        )),
        io::ErrorKind::PermissionDenied => SourceError::Refused(format!(
            "may not open {path}; add the user that Conduit runs as to the group docker \
             (usermod -aG docker USER) and restart Conduit"
        )),
        io::ErrorKind::ConnectionRefused => SourceError::Failed(format!(
            "nobody listens at {path}; start the container engine again"
        )),
        _ => SourceError::Failed(format!("cannot connect to {path}: {error}")),
    }
}

/// The longest answer about one thing, in bytes; also of a stream of events, which is then asked
/// for anew.
pub(super) const ANSWER_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_open_the_socket_is_told_whom_to_join() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = refusal(Path::new("/var/run/docker.sock"), &denied);
        assert!(matches!(error, SourceError::Refused(_)));
        let text = error.to_string();
        assert!(text.contains("/var/run/docker.sock") && text.contains("group docker"), "{text}");
    }
}

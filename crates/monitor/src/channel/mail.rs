//! A channel by mail: SMTP with TLS from the start, after STARTTLS, or without, if that is written
//! down.
//!
//! STARTTLS is spoken here and not by the library, so that TLS follows the one client configuration
//! and nothing that came before TLS is believed after it.
//!
//! **Invariant:** no text of an alert can become a header: headers are encoded by the library, and
//! titles are one line. A password is never sent without TLS.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::DeliveryError;
use super::http::{connect, secure};
use super::message::Message;
use crate::secret::SecretFrom;

/// A channel by mail.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    /// A name, and where its password is.
    pub(super) login: Option<(String, SecretFrom)>,
}

/// How a connection is made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the start.
    Tls,
    /// TLS after STARTTLS; a server without it is refused.
    StartTls,
    /// None.
    Plain,
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.security == Security::Tls { "smtps" } else { "smtp" };
        let host = &self.host;
        // An address of IPv6 stands in brackets, as in a URL.
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

impl Mail {
    pub(super) async fn deliver(
        &self,
        message: &Message,
        tls: &Arc<ClientConfig>,
    ) -> Result<(), DeliveryError> {
        let mail = self.compose(message)?;
        let stream = self.open(tls).await?;
        let hello = ClientId::default();
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await;
        let mut connection = connected.map_err(|error| self.judged(&error))?;
        if let Some((user, from)) = &self.login {
            let password = from.read().await?;
            let login = Credentials::new(user.clone(), password.reveal().to_owned());
            let answer = connection.auth(DEFAULT_MECHANISMS, &login).await;
            answer.map_err(|error| self.judged(&error))?;
        }
        let sent = connection.send(mail.envelope(), &mail.formatted()).await;
        sent.map_err(|error| self.judged(&error))?;
        // It is delivered; how the server takes its leave is its own affair.
        let _left = connection.quit().await;
        Ok(())
    }

    fn compose(&self, message: &Message) -> Result<lettre::Message, DeliveryError> {
        let sender = self.from.email.domain();
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .subject(message.title())
            .message_id(Some(format!("<conduit-{}@{sender}>", message.id)))
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let composed = builder.body(message.text(TEXT_BYTES_MAX));
        composed.map_err(|error| DeliveryError::Refused(format!("this is no mail: {error}")))
    }

    /// Opens the connection, as safe as it must be.
    async fn open(&self, tls: &Arc<ClientConfig>) -> Result<Line, DeliveryError> {
        let mut stream = connect(&self.host, self.port).await?;
        match self.security {
            Security::Plain => Ok(Line::plain(stream)),
            Security::Tls => Ok(Line::safe(secure(stream, &self.host, tls, &[]).await?, b"")),
            Security::StartTls => {
                self.ask_for_tls(&mut stream).await?;
                // The library waits for a greeting, which was read before TLS.
                Ok(Line::safe(secure(stream, &self.host, tls, &[]).await?, GREETING))
            }
        }
    }

    async fn ask_for_tls(&self, stream: &mut TcpStream) -> Result<(), DeliveryError> {
        let failed = |problem: &str| {
            DeliveryError::Failed(format!("{} port {} {problem}", self.host, self.port))
        };
        let broken = |error: io::Error| failed(&format!("broke off: {error}"));
        let greeting = read_reply(stream).await.map_err(broken)?;
        if !greeting.starts_with("220") {
            return Err(failed("did not greet with 220"));
        }
        stream.write_all(b"EHLO [127.0.0.1]\r\n").await.map_err(broken)?;
        let features = read_reply(stream).await.map_err(broken)?;
        let has_tls =
            |line: &str| line.get(4..).is_some_and(|f| f.eq_ignore_ascii_case("STARTTLS"));
        if !features.starts_with("250") || !features.lines().any(has_tls) {
            return Err(DeliveryError::Refused(format!(
                "{} port {} offers no STARTTLS; write tls = \"tls\" for port 465, or tls = \"none\" \
                 where nobody listens in",
                self.host, self.port
            )));
        }
        stream.write_all(b"STARTTLS\r\n").await.map_err(broken)?;
        if !read_reply(stream).await.map_err(broken)?.starts_with("220") {
            return Err(failed("did not begin TLS"));
        }
        Ok(())
    }

    fn judged(&self, error: &SmtpError) -> DeliveryError {
        let shown = format!("{} port {}: {error}", self.host, self.port);
        if error.is_permanent() {
            DeliveryError::Refused(shown)
        } else {
            DeliveryError::Failed(shown)
        }
    }
}

/// Reads one reply, all its lines, byte by byte: nothing after it is taken from TLS.
async fn read_reply(stream: &mut TcpStream) -> io::Result<String> {
    let mut reply = Vec::new();
    let mut line_at = 0;
    while reply.len() < REPLY_BYTES_MAX {
        reply.push(stream.read_u8().await?);
        if reply.ends_with(b"\n") {
            // The last line has no - after its number.
            if reply.get(line_at + 3) != Some(&b'-') {
                return Ok(String::from_utf8_lossy(&reply).replace('\r', ""));
            }
            line_at = reply.len();
        }
    }
    Err(io::Error::other("the reply is too long"))
}

/// A connection, and what is read before anything that comes over it.
#[derive(Debug)]
struct Line {
    ahead: &'static [u8],
    peer: io::Result<SocketAddr>,
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Safe(Box<TlsStream<TcpStream>>),
}

impl Line {
    fn plain(stream: TcpStream) -> Self {
        Self { ahead: b"", peer: stream.peer_addr(), stream: Stream::Plain(stream) }
    }

    fn safe(stream: TlsStream<TcpStream>, ahead: &'static [u8]) -> Self {
        let peer = stream.get_ref().0.peer_addr();
        Self { ahead, peer, stream: Stream::Safe(Box::new(stream)) }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let (now, later) = self.ahead.split_at(self.ahead.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.ahead = later;
            return Poll::Ready(Ok(()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Safe(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Safe(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Safe(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Safe(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.peer {
            Ok(peer) => Ok(*peer),
            Err(error) => Err(error.kind().into()),
        }
    }
}

/// What stands for the greeting that was read before TLS.
const GREETING: &[u8] = b"220 TLS\r\n";
/// The longest reply before TLS, in bytes.
const REPLY_BYTES_MAX: usize = 8 << 10;
/// The longest text of a mail, in bytes.
const TEXT_BYTES_MAX: usize = 32 << 10;

//! What comes before the bytes of a stream: a PROXY header, Postgres' wish for TLS, a hello.
//!
//! **Invariant:** every wait here has a deadline, and nothing is kept beyond the bound of what is
//! being read plus one read.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tcp::hello::{Hello, Peek};
use crate::tcp::postgres::{CANCEL_BYTES, NO, Preamble, TLS_REQUEST, YES};
use crate::tcp::proxy_header::{Ends, Parsed, parse};
use crate::tcp::refusal::Refusal;

/// A client's connection and what was read of it ahead.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) stream: TcpStream,
    pub(crate) ahead: Vec<u8>,
}

impl Opening {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// Takes the PROXY header; `None` when it says nothing about the client.
    ///
    /// # Errors
    /// When there is none, or not in time.
    pub(crate) async fn take_proxy_header(&mut self) -> Result<Option<Ends>, Refusal> {
        let taking = async {
            loop {
                match parse(&self.ahead) {
                    Parsed::Whole { length, ends } => {
                        self.ahead.drain(..length);
                        return Ok(ends);
                    }
                    Parsed::Short => self.read_more().await.ok_or(Refusal::ProxyHeader)?,
                    Parsed::Malformed => return Err(Refusal::ProxyHeader),
                };
            }
        };
        timeout(OPENING_TIMEOUT, taking).await.unwrap_or(Err(Refusal::ProxyHeader))
    }

    /// Whether a client of Postgres wants a query of another connection to end; what it said stays
    /// where it is.
    ///
    /// # Errors
    /// When it says nothing in time, or more than that.
    pub(crate) async fn peek_cancel(&mut self) -> Result<bool, Refusal> {
        let cancels = timeout(OPENING_TIMEOUT, self.peek_preamble()).await;
        let cancels = cancels.unwrap_or(Err(Refusal::Hello))? == Preamble::Cancel;
        if cancels && self.ahead.len() != CANCEL_BYTES {
            return Err(Refusal::Hello);
        }
        Ok(cancels)
    }

    /// Looks at the hello, which stays where it is. With `postgres`, says yes to a wish for TLS
    /// first; the answer tells whether there was one.
    ///
    /// # Errors
    /// When there is no hello, or not in time.
    pub(crate) async fn peek_hello(&mut self, postgres: bool) -> Result<(Hello, bool), Refusal> {
        let peeking = async {
            let asked = postgres && self.take_preamble().await?;
            let mut peek = Peek::default();
            let mut fed = 0;
            loop {
                if let Some(hello) = peek.feed(&self.ahead[fed..])? {
                    return Ok((hello, asked));
                }
                fed = self.ahead.len();
                self.read_more().await.ok_or(Refusal::Hello)?;
            }
        };
        timeout(OPENING_TIMEOUT, peeking).await.unwrap_or(Err(Refusal::Hello))
    }

    /// Answers Postgres' clients until one says hello; whether it asked for TLS.
    async fn take_preamble(&mut self) -> Result<bool, Refusal> {
        for _ in 0..PREAMBLES_MAX {
            let answer = match self.peek_preamble().await? {
                Preamble::Tls => YES,
                Preamble::Kerberos => NO,
                Preamble::Absent | Preamble::Cancel | Preamble::Short => return Ok(false),
            };
            // Whoever sends more before our answer sends in the clear what is meant to be
            // encrypted, or was put in by somebody between us (CVE-2021-23214).
            if self.ahead.len() != TLS_REQUEST.len() {
                return Err(Refusal::Hello);
            }
            self.ahead.clear();
            self.stream.write_all(&[answer]).await.map_err(|_| Refusal::Hello)?;
            if answer == YES {
                return Ok(true);
            }
        }
        Err(Refusal::Hello)
    }

    /// What a client of Postgres begins with.
    async fn peek_preamble(&mut self) -> Result<Preamble, Refusal> {
        loop {
            match Preamble::of(&self.ahead) {
                Preamble::Short => self.read_more().await.ok_or(Refusal::Hello)?,
                told => return Ok(told),
            }
        }
    }

    /// Reads what is there; `None` at the end.
    async fn read_more(&mut self) -> Option<()> {
        self.ahead.reserve(READ_BYTES_MAX);
        let count = (&mut self.stream).take(READ_BYTES_MAX as u64).read_buf(&mut self.ahead).await;
        count.ok().filter(|count| *count > 0).map(drop)
    }
}

/// For a PROXY header, and again for a hello.
const OPENING_TIMEOUT: Duration = Duration::from_secs(5);
/// What is read at once here.
const READ_BYTES_MAX: usize = 2 * 1_024;
/// How often a client of Postgres may ask for something: Kerberos, then TLS.
const PREAMBLES_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    /// A connection over which these bytes have come, with the client's end.
    async fn after(bytes: &[u8]) -> (Opening, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let mut client = std::net::TcpStream::connect(address).expect("connects");
        client.write_all(bytes).expect("sent");
        (Opening::new(listener.accept().await.expect("accepted").0), client)
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_the_point_is_ended_at_the_deadline() {
        for beginning in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3], &TLS_REQUEST[..3]] {
            let (mut opening, _client) = after(beginning).await;
            let began = Instant::now();
            let refusal = opening.peek_hello(true).await;
            assert_eq!(refusal, Err(Refusal::Hello), "{beginning:?}");
            assert_eq!(began.elapsed(), OPENING_TIMEOUT, "{beginning:?}");
        }
        for beginning in ["", "PROXY TCP4 10.0.0.1"] {
            let (mut opening, _client) = after(beginning.as_bytes()).await;
            let began = Instant::now();
            assert_eq!(opening.take_proxy_header().await, Err(Refusal::ProxyHeader));
            assert_eq!(began.elapsed(), OPENING_TIMEOUT, "{beginning:?}");
        }
    }

    #[tokio::test]
    async fn a_hello_without_an_end_is_refused_at_its_bound() {
        // Records of a handshake message that says it has 65,000 bytes.
        let mut bytes = Vec::new();
        for index in 0..5 {
            bytes.extend([22, 3, 1, 0x10, 0]);
            let mut record = vec![0; 0x1000];
            if index == 0 {
                record[..4].copy_from_slice(&[1, 0, 0xfd, 0xe8]);
            }
            bytes.extend(record);
        }
        let (mut opening, _client) = after(&bytes).await;
        assert_eq!(opening.peek_hello(false).await, Err(Refusal::Hello));
        assert!(opening.ahead.len() <= crate::tcp::hello::HELLO_BYTES_MAX + READ_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_header_is_taken_and_what_follows_stays() {
        let (mut opening, _client) = after(b"PROXY TCP4 10.0.0.1 10.0.0.2 3 4\r\nrest").await;
        let ends = opening.take_proxy_header().await.expect("a header").expect("a client");
        assert_eq!(ends.source.to_string(), "10.0.0.1:3");
        assert_eq!(opening.ahead, b"rest");
    }
}

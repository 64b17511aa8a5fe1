//! Looking into a TLS hello without taking part in the handshake.
//!
//! rustls reads it, so records and fragments are put together as in a real handshake. It refuses
//! what is older than TLS 1.2.

use rustls::server::Acceptor;

use crate::tcp::refusal::Refusal;

/// What a hello says to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Whom it asks for, in lower case.
    pub(crate) server_name: Option<Box<str>>,
    /// The protocol it offers, when it is exactly one.
    pub(crate) protocol: Option<Vec<u8>>,
}

/// Reads a hello piece by piece.
#[derive(Default)]
pub(crate) struct Peek {
    acceptor: Acceptor,
    read: usize,
}

impl Peek {
    /// Takes the next bytes of a connection; `None` while the hello goes on.
    ///
    /// # Errors
    /// When this is no hello, or a longer one than [`HELLO_BYTES_MAX`].
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<Hello>, Refusal> {
        while !bytes.is_empty() {
            let count = self.acceptor.read_tls(&mut bytes).map_err(|_| Refusal::Hello)?;
            self.read += count;
            match self.acceptor.accept() {
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let offered = hello.alpn().map(|mut all| (all.next(), all.next()));
                    let protocol = match offered {
                        Some((Some(only), None)) => Some(only.to_vec()),
                        _ => None,
                    };
                    let server_name = hello.server_name().map(Into::into);
                    return Ok(Some(Hello { server_name, protocol }));
                }
                Ok(None) if count > 0 && self.read < HELLO_BYTES_MAX => {}
                Ok(None) | Err(_) => return Err(Refusal::Hello),
            }
        }
        Ok(None)
    }
}

/// The longest hello; real ones have one or two thousand bytes, also with post-quantum keys.
pub(crate) const HELLO_BYTES_MAX: usize = 16 * 1_024;

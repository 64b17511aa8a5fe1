//! Sockets for clients that speak TLS.
//!
//! **Invariant:** nobody who asks without TLS depends on them: where `auto` finds no port, there is
//! one way less, and that is all.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use conduit_core::inherited::{Inherited, Purpose};

use super::{Listeners, bind_tcp, is_without_ipv6};
use crate::error::DnsError;
use crate::handler::Transport;
use crate::interfaces::Interfaces;
use crate::listen::ListenAddr;

impl Listeners {
    /// Binds addresses for DNS over TLS as well, or takes them from a former process. What `auto`
    /// cannot have is skipped with a warning, be it all of it.
    ///
    /// # Errors
    /// When an address that was named cannot be had.
    pub fn with_encrypted(
        mut self,
        addresses: &[ListenAddr],
        inherited: &mut Inherited,
    ) -> Result<Self, DnsError> {
        for address in addresses {
            match *address {
                ListenAddr::At(address) => match inherit_or_bind(address, inherited) {
                    Ok(bound) => self.encrypted.push(bound),
                    Err(error) if is_without_ipv6(&error) => self.skip(error),
                    Err(error) => return Err(error),
                },
                ListenAddr::Auto { port } => {
                    for ip in Interfaces::read()?.automatic() {
                        self.bind_if_free(SocketAddr::new(ip, port), inherited);
                    }
                }
            }
        }
        Ok(self)
    }

    /// What handshakes are done with; without it, clients that speak TLS are not served.
    #[must_use]
    pub fn with_tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// The addresses that are listened on for TLS.
    pub fn encrypted_addresses(&self) -> Vec<SocketAddr> {
        self.encrypted.iter().map(|(address, _)| *address).collect()
    }

    /// Second handles of the sockets for TLS, for another process.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn encrypted_duplicates(&self) -> io::Result<Vec<OwnedFd>> {
        self.encrypted.iter().map(|(_, socket)| Ok(socket.try_clone()?.into())).collect()
    }

    fn bind_if_free(&mut self, address: SocketAddr, inherited: &mut Inherited) {
        if self.encrypted.iter().any(|(bound, _)| *bound == address) {
            return;
        }
        match inherit_or_bind(address, inherited) {
            Ok(bound) => self.encrypted.push(bound),
            Err(error) => self.skip(error),
        }
    }
}

fn inherit_or_bind(
    wanted: SocketAddr,
    inherited: &mut Inherited,
) -> Result<(SocketAddr, TcpListener), DnsError> {
    let failed =
        |source: io::Error| DnsError::Bind { address: wanted, transport: Transport::Tls, source };
    let listener = match inherited.take_tcp(Purpose::DnsTls, wanted).into_iter().next() {
        Some(listener) => listener.set_nonblocking(true).map(|()| listener),
        None => bind_tcp(wanted),
    };
    let listener = listener.map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ListenAddr {
        text.parse().expect("valid")
    }

    fn plain() -> Listeners {
        Listeners::bind(&[at("127.0.0.1:0")]).expect("binds")
    }

    #[test]
    fn what_auto_cannot_have_is_no_matter_and_what_is_named_is() {
        let nobody = &mut Inherited::default();
        let first = plain().with_encrypted(&[at("127.0.0.1:0")], nobody).expect("binds");
        let taken = first.encrypted_addresses()[0];
        let auto = ListenAddr::Auto { port: taken.port() };
        let second = plain().with_encrypted(&[auto], nobody).expect("goes without");
        assert!(!second.encrypted_addresses().contains(&taken));
        let skipped = second.skipped().iter().find_map(DnsError::taken);
        assert_eq!(skipped, Some((taken, Transport::Tls)));
        let error = plain().with_encrypted(&[ListenAddr::At(taken)], nobody).expect_err("taken");
        assert_eq!(error.taken(), Some((taken, Transport::Tls)));
        assert!(error.to_string().contains("[dns] tls_listen"), "{error}");
    }

    #[test]
    fn a_socket_of_a_former_process_is_served_on() {
        let wanted = [at("127.0.0.1:0")];
        let former = plain().with_encrypted(&wanted, &mut Inherited::default()).expect("binds");
        let mut inherited = Inherited::default();
        for socket in former.encrypted_duplicates().expect("descriptors") {
            inherited.add_tcp(Purpose::DnsTls, socket.into());
        }
        let heir = plain().with_encrypted(&wanted, &mut inherited).expect("inherits");
        assert_eq!(heir.encrypted_addresses(), former.encrypted_addresses());
        assert!(inherited.is_empty());
    }
}

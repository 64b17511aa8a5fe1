//! How Postgres' clients ask for TLS: eight bytes in the clear, answered with one letter
//! (PostgreSQL documentation, "Message Formats": `SSLRequest`, `GSSENCRequest`).

/// What a client of Postgres begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preamble {
    /// Something else, such as a TLS hello.
    Absent,
    /// It wants Kerberos' encryption, and will want TLS when that is denied.
    Kerberos,
    /// Not enough bytes to tell.
    Short,
    /// It wants TLS.
    Tls,
}

impl Preamble {
    /// Reads the first bytes of a connection.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let known = |request: &[u8; 8]| request.starts_with(&bytes[..bytes.len().min(8)]);
        match bytes.first_chunk() {
            Some(TLS_REQUEST) => Self::Tls,
            Some(KERBEROS_REQUEST) => Self::Kerberos,
            None if known(TLS_REQUEST) || known(KERBEROS_REQUEST) => Self::Short,
            _ => Self::Absent,
        }
    }
}

/// Length 8, code 80877103.
pub(crate) const TLS_REQUEST: &[u8; 8] = &[0, 0, 0, 8, 4, 210, 22, 47];
/// Length 8, code 80877104.
pub(crate) const KERBEROS_REQUEST: &[u8; 8] = &[0, 0, 0, 8, 4, 210, 22, 48];
/// Yes to TLS.
pub(crate) const YES: u8 = b'S';
/// No to Kerberos' encryption.
pub(crate) const NO: u8 = b'N';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_from_a_hello_and_from_half_a_request() {
        for (bytes, expected) in [
            (&b""[..], Preamble::Short),
            (&[0, 0, 0, 8, 4], Preamble::Short),
            (TLS_REQUEST, Preamble::Tls),
            (&[0, 0, 0, 8, 4, 210, 22, 47, 22, 3], Preamble::Tls),
            (KERBEROS_REQUEST, Preamble::Kerberos),
            // A cancellation, a startup in the clear, and TLS.
            (&[0, 0, 0, 16, 4, 210, 22, 46], Preamble::Absent),
            (&[0, 0, 0, 41, 0, 3, 0, 0], Preamble::Absent),
            (&[22], Preamble::Absent),
        ] {
            assert_eq!(Preamble::of(bytes), expected, "{bytes:?}");
        }
    }
}

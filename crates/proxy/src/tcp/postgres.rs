//! How Postgres' clients ask for TLS: eight bytes in the clear, answered with one letter; and how
//! they cancel a query: sixteen bytes, which older clients send in the clear whatever the
//! connection they are about (PostgreSQL documentation, "Message Formats": `SSLRequest`,
//! `GSSENCRequest`, `CancelRequest`).

/// What a client of Postgres begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preamble {
    /// Something else, such as a TLS hello.
    Absent,
    /// It wants a query of another connection to end.
    Cancel,
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
            Some(CANCEL_REQUEST) if bytes.len() < CANCEL_BYTES => Self::Short,
            Some(CANCEL_REQUEST) => Self::Cancel,
            None if [TLS_REQUEST, KERBEROS_REQUEST, CANCEL_REQUEST].into_iter().any(known) => {
                Self::Short
            }
            _ => Self::Absent,
        }
    }
}

/// Length 8, code 80877103.
pub(crate) const TLS_REQUEST: &[u8; 8] = &[0, 0, 0, 8, 4, 210, 22, 47];
/// Length 8, code 80877104.
pub(crate) const KERBEROS_REQUEST: &[u8; 8] = &[0, 0, 0, 8, 4, 210, 22, 48];
/// Length 16, code 80877102; then which connection, and its secret.
pub(crate) const CANCEL_REQUEST: &[u8; 8] = &[0, 0, 0, 16, 4, 210, 22, 46];
/// The whole of a cancellation.
pub(crate) const CANCEL_BYTES: usize = 16;
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
            (CANCEL_REQUEST, Preamble::Short),
            (&[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 7, 1, 2, 3, 4], Preamble::Cancel),
            // A startup in the clear, and TLS.
            (&[0, 0, 0, 41, 0, 3, 0, 0], Preamble::Absent),
            (&[22], Preamble::Absent),
        ] {
            assert_eq!(Preamble::of(bytes), expected, "{bytes:?}");
        }
    }
}

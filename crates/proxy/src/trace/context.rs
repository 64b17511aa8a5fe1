//! Which trace a request belongs to, as `traceparent` says it (W3C Trace Context, level 2 §3.2).
//!
//! **Invariant:** ids are never zero. A field that is wrong in any way is no context at all: it is
//! neither mended nor half believed.

use std::fmt;

use http::header::{HeaderMap, HeaderValue};

/// Names a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// A new one; ids tie spans together and are no secret.
    pub(crate) fn random() -> Self {
        // Zero would mean that there is none.
        Self(fastrand::u128(..).max(1))
    }

    /// As OTLP carries it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The bits that are random in every id: what ratios go by (level 2 §3.2.2.3).
    pub(crate) fn randomness(self) -> u64 {
        (self.0 & u128::from(RANDOM_BITS)) as u64
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names a span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl SpanId {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(fastrand::u64(..).max(1))
    }

    /// As OTLP carries it.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A span, as others are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Its trace.
    pub trace: TraceId,
    /// Itself.
    pub span: SpanId,
    flags: u8,
}

impl Context {
    /// The first span of a new trace.
    pub(crate) fn root(trace: TraceId, sampled: bool) -> Self {
        let flags = RANDOM | if sampled { SAMPLED } else { 0 };
        Self { trace, span: SpanId::random(), flags }
    }

    /// Another span of the same trace, sampled alike.
    pub(crate) fn with_span(self, span: SpanId) -> Self {
        Self { span, ..self }
    }

    /// What a caller says, when it says it once and well.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        Self::parse(line.as_bytes())
    }

    /// Whether the spans of this trace are recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The trace's flags, as OTLP carries them.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// As the next one is told.
    pub(crate) fn header(&self) -> HeaderValue {
        let mut text = [0; TRACEPARENT_BYTES];
        text[..3].copy_from_slice(b"00-");
        write_hex(self.trace.0, &mut text[3..35]);
        text[35] = b'-';
        write_hex(u128::from(self.span.0), &mut text[36..52]);
        text[52] = b'-';
        write_hex(u128::from(self.flags), &mut text[53..]);
        // Invariant: hexadecimal digits and dashes are visible ASCII.
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(TRACEPARENT_BYTES)?;
        let version = read_hex(&known[..2])?;
        let is_extended = version != 0 && rest.first() == Some(&b'-');
        let dashes = [known[2], known[35], known[52]];
        if version == INVALID_VERSION || dashes != [b'-'; 3] || !(rest.is_empty() || is_extended) {
            return None;
        }
        let trace = read_hex(&known[3..35]).filter(|id| *id != 0)?;
        let span = read_hex(&known[36..52]).filter(|id| *id != 0)?;
        let flags = read_hex(&known[53..])?;
        // Flags that are not defined yet are not passed on (§3.2.2.5). Narrowing: the digits read
        // are 16 and 2.
        Some(Self {
            trace: TraceId(trace),
            span: SpanId(u64::try_from(span).ok()?),
            flags: u8::try_from(flags).ok()? & (SAMPLED | RANDOM),
        })
    }
}

/// Reads digits; capital ones are wrong here.
fn read_hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

fn write_hex(mut value: u128, out: &mut [u8]) {
    for place in out.iter_mut().rev() {
        *place = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

/// Where the context of a request is.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// `00-` + 32 digits + `-` + 16 digits + `-` + 2 digits.
const TRACEPARENT_BYTES: usize = 55;
/// Reserved (§3.2.2.1).
const INVALID_VERSION: u128 = 0xff;
/// The spans of this trace are recorded.
const SAMPLED: u8 = 0x01;
/// The last seven bytes of the trace's id are random.
const RANDOM: u8 = 0x02;
/// Those bytes.
const RANDOM_BITS: u64 = (1 << 56) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";

    #[test]
    fn contexts_are_read_strictly() {
        // After the validation suite of the W3C's working group.
        for (text, expected) in [
            ("00-12345678901234567890123456789012-1234567890123456-01", true),
            ("00-12345678901234567890123456789012-1234567890123456-00", true),
            ("00-12345678901234567890123456789012-1234567890123456-ff", true),
            ("", false),
            ("00", false),
            // Version 0 has no more than this.
            ("00-12345678901234567890123456789012-1234567890123456-01.", false),
            ("00-12345678901234567890123456789012-1234567890123456-01-", false),
            ("00-12345678901234567890123456789012-1234567890123456-01-what-the-future", false),
            // Later versions may.
            ("cc-12345678901234567890123456789012-1234567890123456-01", true),
            ("cc-12345678901234567890123456789012-1234567890123456-01-what-the-future", true),
            ("cc-12345678901234567890123456789012-1234567890123456-01.what-the-future", false),
            ("ff-12345678901234567890123456789012-1234567890123456-01", false),
            (".0-12345678901234567890123456789012-1234567890123456-01", false),
            ("0.-12345678901234567890123456789012-1234567890123456-01", false),
            ("000-12345678901234567890123456789012-1234567890123456-01", false),
            ("0000-12345678901234567890123456789012-1234567890123456-01", false),
            ("0-12345678901234567890123456789012-1234567890123456-01", false),
            ("00-00000000000000000000000000000000-1234567890123456-01", false),
            ("00-.2345678901234567890123456789012-1234567890123456-01", false),
            ("00-1234567890123456789012345678901.-1234567890123456-01", false),
            ("00-123456789012345678901234567890123-1234567890123456-01", false),
            ("00-1234567890123456789012345678901-1234567890123456-01", false),
            ("00-12345678901234567890123456789012-0000000000000000-01", false),
            ("00-12345678901234567890123456789012-.234567890123456-01", false),
            ("00-12345678901234567890123456789012-123456789012345.-01", false),
            ("00-12345678901234567890123456789012-12345678901234567-01", false),
            ("00-12345678901234567890123456789012-123456789012345-01", false),
            ("00-12345678901234567890123456789012-1234567890123456-.0", false),
            ("00-12345678901234567890123456789012-1234567890123456-0.", false),
            ("00-12345678901234567890123456789012-1234567890123456-001", false),
            ("00-12345678901234567890123456789012-1234567890123456-1", false),
            ("00_12345678901234567890123456789012-1234567890123456-01", false),
            ("00-1234567890123456789012345678901F-1234567890123456-01", false),
            ("00-ABCDEF78901234567890123456789012-1234567890123456-01", false),
            ("0A-12345678901234567890123456789012-1234567890123456-01", false),
            ("00-12345678901234567890123456789012-1234567890123456-0A", false),
            ("+0-12345678901234567890123456789012-1234567890123456-01", false),
            ("00-+2345678901234567890123456789012-1234567890123456-01", false),
        ] {
            let read = Context::parse(text.as_bytes());
            assert_eq!(read.is_some(), expected, "{text}");
            if let Some(context) = read {
                assert_eq!(context.trace.to_string(), TRACE);
                assert_eq!(context.span.to_string(), "1234567890123456");
            }
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Context::of(&headers), None);
        for _ in 0..2 {
            let line = Context::root(TraceId::random(), true).header();
            headers.append(TRACEPARENT, line);
        }
        assert_eq!(Context::of(&headers), None);
    }

    #[test]
    fn only_defined_flags_are_passed_on_and_always_as_version_0() {
        for (flags, out, sampled) in
            [("00", "00", false), ("01", "01", true), ("02", "02", false), ("ff", "03", true)]
        {
            let text = format!("cc-{TRACE}-00000000000000ab-{flags}-more");
            let context = Context::parse(text.as_bytes()).expect(&text);
            assert_eq!(context.is_sampled(), sampled);
            let line = context.header();
            assert_eq!(line, format!("00-{TRACE}-00000000000000ab-{out}"));
            assert_eq!(Context::parse(line.as_bytes()), Some(context));
        }
    }

    #[test]
    fn new_traces_say_what_they_are() {
        let context = Context::root(TraceId::random(), true);
        let other = Context::root(TraceId::random(), false);
        assert_ne!(context.trace, other.trace);
        assert!(context.header().as_bytes().ends_with(b"-03"));
        assert!(other.header().as_bytes().ends_with(b"-02"));
        assert!(context.trace.randomness() <= RANDOM_BITS);
    }
}

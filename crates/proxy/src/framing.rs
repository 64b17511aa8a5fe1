//! Where a message ends: what others say about it, and what of that is passed on.
//!
//! hyper decides by RFC 9112 §6.3; what it forgives is judged or straightened here, since whoever
//! comes next may decide in another way.
//!
//! **Invariant:** what is passed on has at most one `Content-Length`, of digits only, and none beside
//! `Transfer-Encoding`; and no coding but `chunked` was taken off on the way.

use http::header::{self, HeaderMap, HeaderValue};

/// A message in a transfer coding that is not `chunked`, once and alone.
///
/// We announce no other (RFC 9112 §7.4), and `Transfer-Encoding` ends here: passed on without it, the
/// body would not be what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherCoding;

/// Judges the coding of a request, or of a response, that has one.
pub(crate) fn judge_coding(headers: &HeaderMap) -> Result<(), OtherCoding> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = lines.next().is_none_or(|line| line.as_bytes().eq_ignore_ascii_case(CHUNKED));
    if first && lines.next().is_none() { Ok(()) } else { Err(OtherCoding) }
}

/// Straightens what a response says about its length, which `Transfer-Encoding` overrides
/// (RFC 9112 §6.3).
pub(crate) fn of_response(headers: &mut HeaderMap) -> Result<(), OtherCoding> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
        return judge_coding(headers);
    }
    one_length(headers);
    Ok(())
}

/// Makes one length of several equal ones; drops those that say nothing, where nobody had to read
/// them (the answer to HEAD, 304).
pub(crate) fn one_length(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return };
    if lines.next().is_none() && is_length(first.as_bytes()) {
        return;
    }
    match agreed(headers).and_then(|length| HeaderValue::from_bytes(length).ok()) {
        Some(length) => drop(headers.insert(header::CONTENT_LENGTH, length)),
        None => drop(headers.remove(header::CONTENT_LENGTH)),
    }
}

/// The length that all members of all lines agree on.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    // What is too large for a number is no length either.
    std::str::from_utf8(agreed(headers)?).ok()?.parse().ok()
}

/// Whether `chunked` is the last coding of the last line (RFC 9112 §6.3).
pub(crate) fn ends_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(header::TRANSFER_ENCODING).iter().next_back();
    let coding = last.and_then(|line| line.as_bytes().rsplit(|b| *b == b',').next());
    coding.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(CHUNKED))
}

/// What all members of all lines say.
fn agreed(headers: &HeaderMap) -> Option<&[u8]> {
    let lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut members =
        lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let first = members.next().filter(|member| is_length(member))?;
    members.all(|member| member == first).then_some(first)
}

fn is_length(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

const CHUNKED: &[u8] = b"chunked";

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn chunked_alone_is_taken() {
        const TE: &str = "transfer-encoding";
        for (lines, expected) in [
            (&[][..], true),
            (&[(TE, "chunked")], true),
            (&[(TE, "Chunked")], true),
            (&[(TE, "gzip")], false),
            (&[(TE, "gzip, chunked")], false),
            (&[(TE, "chunked, chunked")], false),
            (&[(TE, ", chunked")], false),
            (&[(TE, "identity")], false),
            (&[(TE, "")], false),
            (&[(TE, "chunked"), (TE, "chunked")], false),
            (&[(TE, "identity"), (TE, "chunked")], false),
        ] {
            assert_eq!(judge_coding(&head(lines)).is_ok(), expected, "{lines:?}");
            assert_eq!(of_response(&mut head(lines)).is_ok(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_length_is_one_number() {
        for (values, expected) in [
            (&["5"][..], Some(5)),
            (&["5, 5", "5"], Some(5)),
            (&["5", "6"], None),
            (&["+5"], None),
            (&[""], None),
            (&["18446744073709551615"], Some(u64::MAX)),
            (&["18446744073709551616"], None),
        ] {
            let lines: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            assert_eq!(length(&head(&lines)), expected, "{values:?}");
        }
    }

    #[test]
    fn one_length_is_passed_on_or_none() {
        const CL: &str = "content-length";
        for (lines, expected) in [
            (&[][..], None),
            (&[(CL, "5")], Some("5")),
            (&[(CL, "5"), (CL, "5")], Some("5")),
            (&[(CL, "5, 5"), (CL, "5")], Some("5")),
            (&[(CL, "5, 6")], None),
            (&[(CL, "5"), (CL, "50")], None),
            (&[(CL, "+5")], None),
            (&[(CL, "")], None),
            (&[(CL, "5"), ("transfer-encoding", "chunked")], None),
        ] {
            let mut headers = head(lines);
            assert_eq!(of_response(&mut headers), Ok(()));
            let lengths: Vec<_> = headers.get_all(CL).iter().collect();
            assert_eq!(lengths, Vec::from_iter(expected), "{lines:?}");
        }
    }
}

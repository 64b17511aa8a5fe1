//! What tracing systems on the way have added to a trace: `tracestate` (W3C Trace Context, level 2
//! §3.3). We add nothing; a caller's is passed on whole or not at all.

use http::header::{HeaderMap, HeaderValue};

/// The members of all its lines as one; `None` when there are none, or anything is wrong with them.
pub(crate) fn of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(TRACESTATE).iter();
    let first = lines.next()?;
    let mut all = Vec::from(first.as_bytes());
    for line in lines {
        all.push(b',');
        all.extend_from_slice(line.as_bytes());
    }
    let mut members = Vec::new();
    for member in all.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        // Empty members are allowed (§3.3.1.2).
        if member.is_empty() {
            continue;
        }
        if members.len() == MEMBERS_MAX || !is_member(member) {
            return None;
        }
        members.push(member);
    }
    // A member is visible ASCII and spaces, so this cannot fail.
    (!members.is_empty()).then(|| HeaderValue::from_bytes(&members.join(&b","[..])).ok())?
}

fn is_member(member: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', member) else { return false };
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    is_key(key) && is_value(value)
}

fn is_key(key: &[u8]) -> bool {
    let begins = key.first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let plain = |b: &u8| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || matches!(b, b'_' | b'-' | b'*' | b'/' | b'@')
    };
    begins && key.len() <= KEY_BYTES_MAX && key.iter().all(plain)
}

/// What stands around it was trimmed, so it cannot end in a space.
fn is_value(value: &[u8]) -> bool {
    let legal = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'=');
    (1..=VALUE_BYTES_MAX).contains(&value.len()) && value.iter().all(legal)
}

/// Where it is.
pub(crate) const TRACESTATE: &str = "tracestate";
/// Members of all lines together (§3.3.1.1).
const MEMBERS_MAX: usize = 32;
/// Characters of a key, and of a value (§3.3.1.3).
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACESTATE, HeaderValue::from_str(line).expect("a value"));
        }
        of(&headers).map(|value| value.to_str().expect("text").to_owned())
    }

    #[test]
    fn it_is_passed_on_whole_or_not_at_all() {
        // After the validation suite of the W3C's working group.
        let allowed: String =
            (' '..='~').filter(|c| !matches!(c, ',' | '=')).chain("!".chars()).collect();
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
        for (lines, expected) in [
            (&[][..], None),
            (&["foo=1"][..], Some("foo=1")),
            (&["foo=1,bar=2"], Some("foo=1,bar=2")),
            (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], Some("foo=1,bar=2,rojo=1,congo=2,baz=3")),
            (&[""], None),
            (&["foo=1", ""], Some("foo=1")),
            (&["", "foo=1"], Some("foo=1")),
            (&["foo=1,foo=2"], Some("foo=1,foo=2")),
            (&["foo=1 \t , \t bar=2, \t baz=3"], Some("foo=1,bar=2,baz=3")),
            (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], Some("foo=1,bar=2,baz=3")),
            (&[" foo=1"], Some("foo=1")),
            (&["foo= 1"], Some("foo= 1")),
            (&["foo =1"], None),
            (&["FOO=1"], None),
            (&["foo.bar=1"], None),
            (&["foo@=1,bar=2"], Some("foo@=1,bar=2")),
            (&["@foo=1,bar=2"], None),
            (&["foo@@bar=1,bar=2"], Some("foo@@bar=1,bar=2")),
            (&["foo@bar@baz=1,bar=2"], Some("foo@bar@baz=1,bar=2")),
            (&["1foo=1"], Some("1foo=1")),
            (&["foo"], None),
            (&["=1"], None),
            (&["foo=bar=baz"], None),
            (&["foo=,bar=3"], None),
            (&["foo=a\tb"], None),
        ] {
            assert_eq!(read(lines).as_deref(), expected, "{lines:?}");
        }
        for key in [letters.to_owned(), format!("{letters}@a-z0-9_-*/"), format!("0{letters}")] {
            let line = format!("{key}={allowed}");
            assert_eq!(read(&[&line]).as_deref(), Some(line.as_str()));
        }
    }

    #[test]
    fn it_has_limits() {
        let many = |count: usize| {
            (0..count).map(|n| format!("bar{n:02}={n}")).collect::<Vec<_>>().join(",")
        };
        assert!(read(&[&many(32)]).is_some());
        assert!(read(&[&many(33)]).is_none());
        for (key, value, expected) in
            [(256, 1, true), (257, 1, false), (1, 256, true), (1, 257, false)]
        {
            let line = format!("foo=1,{}={}", "z".repeat(key), "v".repeat(value));
            assert_eq!(read(&[&line]).is_some(), expected, "{key} {value}");
        }
    }

    #[test]
    fn what_is_not_ascii_is_no_member() {
        let mut headers = HeaderMap::new();
        headers.append(TRACESTATE, HeaderValue::from_bytes(b"foo=\xc3\xa4").expect("a value"));
        assert_eq!(of(&headers), None);
    }
}

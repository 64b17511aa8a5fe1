//! The one form of a path, where rules look at paths.
//!
//! Servers disagree on what `//`, `%2f`, `\`, `..;` and the like mean, and whoever routes by one
//! reading and forwards another can be led around his own rules. So such paths are refused, and the
//! rest has one form: what may be written plainly is written plainly (RFC 3986 §6.2.2.2). Letters
//! keep their case, and lists of what is served fail closed: `/API` is not `/api`.
//!
//! **Invariant:** however an upstream reads the path that comes out (decoded, without parameters,
//! dots resolved, slashes merged), its first `depth` segments are the ones that the rules saw.

use std::borrow::Cow;

use crate::failure::FailureKind;

/// The form that is routed and forwarded. Rules look at the first `depth` segments.
pub(super) fn straight(path: &str, depth: usize) -> Result<Cow<'_, str>, FailureKind> {
    let Some(rest) = path.strip_prefix('/') else {
        return bad("it does not begin with a slash");
    };
    let mut decoded: Option<String> = None;
    let mut place = 1;
    let count = rest.split('/').count();
    for (index, segment) in rest.split('/').enumerate() {
        let is_last = index + 1 == count;
        if segment.is_empty() && !is_last {
            return bad("it has an empty segment");
        }
        judge_name(segment)?;
        let is_ruled = index < depth;
        if is_ruled && segment.contains(';') {
            return bad("it has a parameter where rules look");
        }
        if segment.contains(['%', '\\']) {
            let out = decoded.get_or_insert_with(|| path[..place].to_owned());
            plain(segment, is_ruled, out)?;
        } else if let Some(out) = &mut decoded {
            out.push_str(segment);
        }
        if let (Some(out), false) = (&mut decoded, is_last) {
            out.push('/');
        }
        place += segment.len() + 1;
    }
    Ok(match decoded {
        Some(decoded) if decoded != path => Cow::Owned(decoded),
        _ => Cow::Borrowed(path),
    })
}

/// Refuses segments that mean another place, with or without a parameter behind.
fn judge_name(segment: &str) -> Result<(), FailureKind> {
    let encoded = || segment.to_ascii_lowercase().find("%3b");
    let end = segment.find(';').or_else(|| segment.contains('%').then(encoded).flatten());
    let name = &segment[..end.unwrap_or(segment.len())];
    match name {
        "." | ".." => bad("it has a dot segment"),
        "" if !segment.is_empty() => bad("it has an empty segment"),
        _ => Ok(()),
    }
}

/// Writes a segment with everything plain that may be.
fn plain(segment: &str, is_ruled: bool, out: &mut String) -> Result<(), FailureKind> {
    let mut rest = segment;
    while let Some(place) = rest.find(['%', '\\']) {
        if rest.as_bytes()[place] == b'\\' {
            return bad("it has a backslash");
        }
        out.push_str(&rest[..place]);
        let digits = rest.get(place + 1..place + 3);
        let digits = digits.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()) else {
            return bad("it has a broken escape");
        };
        match byte {
            b'/' | b'\\' | b'.' => {
                return bad("it has an encoded slash, backslash or dot");
            }
            0..0x20 | 0x7f => return bad("it has an encoded control character"),
            b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ if byte.is_ascii_graphic() && is_ruled => {
                return bad("it has an encoded character where rules look");
            }
            _ => out.push_str(&rest[place..place + 3]),
        }
        rest = &rest[place + 3..];
    }
    out.push_str(rest);
    Ok(())
}

fn bad<T>(why: &'static str) -> Result<T, FailureKind> {
    Err(FailureKind::BadPath(why))
}

#[cfg(test)]
mod tests;

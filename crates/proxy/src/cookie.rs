//! Cookies in a request's head, and the one that keeps a client on an upstream (RFC 6265).
//!
//! **Invariant:** the cookies of others pass as they are.

use http::header::{self, HeaderMap, HeaderValue};

/// The value of a cookie. Names are compared without regard to case, since a policy's are in lower
/// case.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| pieces(line.as_bytes()))
        .find_map(|piece| value_of(piece, name))
}

/// The id in our cookie of this name, which is removed, whatever is in it.
pub(crate) fn take_id(headers: &mut HeaderMap, name: &str) -> Option<u64> {
    let id = find(headers, name)?;
    let id = std::str::from_utf8(id).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    let rest: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| pieces(line.as_bytes()))
        .filter(|piece| value_of(piece, name).is_none())
        .collect();
    match HeaderValue::from_bytes(&rest.join(&b"; "[..])) {
        Ok(line) if !rest.is_empty() => drop(headers.insert(header::COOKIE, line)),
        _ => drop(headers.remove(header::COOKIE)),
    }
    id
}

/// `Set-Cookie` that brings the client back to the upstream with this id.
pub(crate) fn set_id(name: &str, id: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={id:016x}; Path=/; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty())
}

fn value_of<'a>(piece: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let equals = piece.iter().position(|b| *b == b'=')?;
    let (found, value) = piece.split_at(equals);
    found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then(|| value[1..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_wherever_it_stands() {
        for (lines, expected) in [
            (&["stick=1f"][..], Some(&b"1f"[..])),
            (&["a=b; STICK = 2 ;c=d"], Some(b"2")),
            (&["a=b", "stick=3"], Some(b"3")),
            (&["sticky=4; xstick=5"], None),
            (&["stick"], None),
            (&["stick="], Some(b"")),
            (&["a=stick=6"], None),
            (&[], None),
        ] {
            assert_eq!(find(&map(lines), "stick"), expected, "{lines:?}");
        }
    }

    #[test]
    fn ours_is_taken_out_and_the_others_stay() {
        for (lines, id, left) in [
            (&["stick=ff"][..], Some(0xff), None),
            (&["a=b; stick=ff; c=\"d e\""], Some(0xff), Some("a=b; c=\"d e\"")),
            (&["stick=no; a=b"], None, Some("a=b")),
            (&["stick=11112222333344445"], None, None),
            (&["a=b;c"], None, Some("a=b;c")),
        ] {
            let mut headers = map(lines);
            assert_eq!(take_id(&mut headers, "stick"), id, "{lines:?}");
            let line = headers.get(header::COOKIE).map(|line| line.to_str().expect("text"));
            assert_eq!(line, left, "{lines:?}");
        }
    }

    #[test]
    fn what_is_set_can_be_read_back() {
        let set = set_id("stick", 0xabc, true).expect("a value");
        assert_eq!(set, "stick=0000000000000abc; Path=/; HttpOnly; SameSite=Lax; Secure");
        let mut headers = HeaderMap::new();
        let piece = set.to_str().expect("text").split(';').next().expect("a piece").to_owned();
        headers.insert(header::COOKIE, HeaderValue::try_from(piece).expect("a value"));
        assert_eq!(take_id(&mut headers, "stick"), Some(0xabc));
        assert!(
            !set_id("stick", 1, false).expect("a value").to_str().expect("text").contains("Sec")
        );
    }
}

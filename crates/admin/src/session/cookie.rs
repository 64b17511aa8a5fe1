//! The cookie that carries a session's secret.
//!
//! `__Host-` makes browsers insist on `Secure`, `Path=/` and no `Domain`, so no other host can set
//! it. Browsers take it from `http://127.0.0.1` and `http://localhost`, too.

use http::{HeaderMap, HeaderValue, header};

use super::secret::is_shaped;
use super::table::SECRET_BYTES;

/// The secret that a request shows; `None` when it shows none, two, or something else.
pub(crate) fn shown(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut ours = pairs.filter(|(name, _)| name.trim() == NAME).map(|(_, value)| value.trim());
    match (ours.next(), ours.next()) {
        (Some(value), None) => is_shaped(value, SECRET_BYTES).then_some(value),
        _ => None,
    }
}

/// What makes a browser keep a secret until it is closed.
pub(crate) fn given(secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{NAME}={secret}; {FLAGS}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What makes a browser forget it.
pub(crate) fn taken() -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{NAME}=; {FLAGS}; Max-Age=0")).ok()
}

/// What it is called.
pub(crate) const NAME: &str = "__Host-conduit";
const FLAGS: &str = "Path=/; HttpOnly; Secure; SameSite=Strict";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_well_shaped_cookie_is_seen() {
        let good = "0123456789abcdef".repeat(4);
        let named = |value: &str| format!("{NAME}={value}");
        for (lines, seen) in [
            (vec![named(&good)], true),
            (vec![format!("a=b; {} ; c=d", named(&good))], true),
            (vec!["a=b".into(), named(&good)], true),
            (vec![named(&good), named(&good)], false),
            (vec![format!("{}; {}", named(&good), named(&good))], false),
            (vec![named(&good[1..])], false),
            (vec![named(&good.to_uppercase())], false),
            (vec![format!("conduit={good}")], false),
            (vec![format!("__host-conduit={good}")], false),
            (vec![String::new()], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(header::COOKIE, line.parse().expect("a header"));
            }
            assert_eq!(shown(&headers), seen.then_some(good.as_str()), "{lines:?}");
        }
    }

    #[test]
    fn it_is_given_to_this_host_alone() {
        let given = given("s").expect("a header");
        let expected = "__Host-conduit=s; Path=/; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(given.to_str().expect("text"), expected);
        assert!(taken().expect("a header").to_str().expect("text").ends_with("Max-Age=0"));
    }
}

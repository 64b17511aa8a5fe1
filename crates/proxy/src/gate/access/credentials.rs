//! What a request says about who sends it.
//!
//! **Invariant:** a field that is there twice, is too long or is not what it should be proves
//! nothing; it is never guessed at. Keys are taken from fields only: a URL ends up in logs and
//! histories.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// A user with a password, as RFC 7617 sends them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Basic {
    /// `user:password`.
    pair: Vec<u8>,
    colon: usize,
}

impl Basic {
    /// Reads `Authorization: Basic …`; `None` when there is none that can be read.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let coded = scheme(only(headers, &header::AUTHORIZATION)?, b"basic")?;
        let pair = CODING.decode(coded).ok()?;
        let colon = pair.iter().position(|b| *b == b':')?;
        // RFC 7617 §2: neither part has control characters.
        let legal = !pair.iter().any(u8::is_ascii_control);
        (colon > 0 && legal).then_some(Self { pair, colon })
    }

    /// The user's name; any bytes without a colon.
    pub(super) fn user(&self) -> &[u8] {
        &self.pair[..self.colon]
    }

    /// The password; any bytes.
    pub(super) fn password(&self) -> &[u8] {
        &self.pair[self.colon + 1..]
    }

    /// Both, with the colon.
    pub(super) fn pair(&self) -> &[u8] {
        &self.pair
    }
}

/// The keys that a request comes with, each with the field it is in.
pub(super) fn keys(headers: &HeaderMap) -> impl Iterator<Item = (HeaderName, &[u8])> {
    let bearer = only(headers, &header::AUTHORIZATION)
        .and_then(|value| scheme(value, b"bearer"))
        .map(|key| (header::AUTHORIZATION, key));
    let named = KEY_FIELDS.into_iter().filter_map(|name| {
        let key = only(headers, &name)?.as_bytes().trim_ascii();
        Some((name, key))
    });
    bearer.into_iter().chain(named).filter(|(_, key)| !key.is_empty())
}

/// Whether a request tries to come in with a password at all.
pub(super) fn tries_basic(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|v| scheme(v, b"basic").is_some())
}

/// Whether a request tries to come in with a key at all.
pub(super) fn tries_key(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|v| scheme(v, b"bearer").is_some())
        || KEY_FIELDS.iter().any(|name| headers.contains_key(name))
}

/// The value of a field that is there exactly once and is not too long.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|value| value.len() <= CREDENTIALS_BYTES_MAX)?;
    values.next().is_none().then_some(value)
}

/// What follows the scheme, which is told in any case (RFC 9110 §11.1).
fn scheme<'a>(value: &'a HeaderValue, name: &[u8]) -> Option<&'a [u8]> {
    let (given, rest) = value.as_bytes().trim_ascii().split_at_checked(name.len())?;
    let rest = given.eq_ignore_ascii_case(name).then_some(rest)?.strip_prefix(b" ")?;
    Some(rest.trim_ascii())
}

/// Programs write keys into these fields besides `Authorization`; the second one for Azure's API.
const KEY_FIELDS: [HeaderName; 2] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];
/// Longer credentials are none.
const CREDENTIALS_BYTES_MAX: usize = 4 * 1_024;
/// Some programs leave the padding out.
const CODING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        headers
    }

    #[test]
    fn users_and_passwords_are_read() {
        // The example of RFC 7617 §2, and one in UTF-8 of §2.1.
        for (value, user, password) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
            ("bAsIc  QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Aladdin", "open sesame"),
            ("Basic dGVzdDoxMjPCow==", "test", "123£"),
            ("Basic YTpiOmM=", "a", "b:c"),
            ("Basic YTo=", "a", ""),
        ] {
            let basic = Basic::of(&headers(&[("authorization", value)])).expect(value);
            assert_eq!(
                (basic.user(), basic.password()),
                (user.as_bytes(), password.as_bytes()),
                "{value}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_proves_nothing() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "BasicYTpi",
            "Basic !!!",
            "Basic YWI=",
            "Basic OmI=",
            "Basic YToKYg==",
            "Bearer YTpi",
            "Basic YTpi YTpi",
            "Basic\tYTpi",
        ] {
            assert_eq!(Basic::of(&headers(&[("authorization", value)])), None, "{value}");
        }
        let twice = headers(&[("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")]);
        assert_eq!(Basic::of(&twice), None);
        assert!(tries_basic(&twice), "but it tried");
        let long = format!("Basic {}", "YTpi".repeat(2_000));
        assert_eq!(Basic::of(&headers(&[("authorization", &long)])), None);
    }

    #[test]
    fn keys_are_found_where_programs_put_them() {
        let all =
            headers(&[("authorization", "bearer  k1 "), ("api-key", "k3"), ("x-api-key", "k2")]);
        let found: Vec<_> = keys(&all).map(|(_, key)| key).collect();
        assert_eq!(found, [b"k1", b"k2", b"k3"]);
        let none = headers(&[("x-api-key", "a"), ("x-api-key", "b"), ("authorization", "Bearer ")]);
        assert_eq!(keys(&none).count(), 0);
        assert!(tries_key(&none));
        assert!(!tries_key(&headers(&[("authorization", "Basic YTpi")])));
    }

    proptest! {
        #[test]
        fn any_field_is_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            for prefix in [&b""[..], b"Basic ", b"Bearer "] {
                let Ok(value) = HeaderValue::from_bytes(&[prefix, &value].concat()) else { continue };
                headers.insert(header::AUTHORIZATION, value);
                if let Some(basic) = Basic::of(&headers) {
                    prop_assert!(tries_basic(&headers));
                    prop_assert!(!basic.user().contains(&b':'));
                    prop_assert_eq!([basic.user(), basic.password()].join(&b':'), basic.pair());
                }
                for (_, key) in keys(&headers) {
                    prop_assert!(tries_key(&headers));
                    prop_assert_eq!(key, key.trim_ascii());
                }
            }
        }

        #[test]
        fn what_is_written_is_read(user in "[^:[:cntrl:]]{1,20}", password in "[^[:cntrl:]]{0,20}") {
            let coded = CODING.encode(format!("{user}:{password}"));
            let value = format!("Basic {coded}");
            let basic = Basic::of(&headers(&[("authorization", &value)])).expect("read");
            prop_assert_eq!(basic.user(), user.as_bytes());
            prop_assert_eq!(basic.password(), password.as_bytes());
        }
    }
}

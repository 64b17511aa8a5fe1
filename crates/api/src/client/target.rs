//! Names and values inside a request's target.

use std::fmt;

/// One segment of a path, percent-encoded (RFC 3986 §2.3 leaves only unreserved characters).
pub(super) fn segment(text: &str) -> Encoded<'_> {
    Encoded(text)
}

/// Text in which everything but unreserved characters is percent-encoded.
pub(super) struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A segment of dots only would be taken for a relative path by what stands between.
        let only_dots = self.0.bytes().all(|b| b == b'.');
        for byte in self.0.bytes() {
            let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if unreserved && !only_dots {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// The query of a target, `?` included; nothing when it has no pairs.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(&format!("{}={}", Encoded(key), Encoded(value)));
        self
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_changes_the_path() {
        for (text, expected) in [
            ("grafana", "grafana"),
            ("qp_core-2.x~", "qp_core-2.x~"),
            ("a/b?c#d e", "a%2Fb%3Fc%23d%20e"),
            ("..", "%2E%2E"),
            ("ä\r\n", "%C3%A4%0D%0A"),
        ] {
            assert_eq!(segment(text).to_string(), expected);
        }
        let query = Query::new().with("name", "a b&c").with("type", "AAAA");
        assert_eq!(query.to_string(), "?name=a%20b%26c&type=AAAA");
    }
}

//! Paths: which are served, where some lead instead, and what the upstream sees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{InvalidText, written};

/// The beginning of a path, in whole segments: `/api` fits `/api` and `/api/v1`, not `/apis`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(Box<str>);

impl PathPrefix {
    /// `/`: of every path.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The prefix, starting with `/`, and not ending with one unless it is `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of `path` follows the prefix, starting with `/` or empty; `None` when it does not fit.
    pub fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        if &*self.0 == "/" {
            return Some(path);
        }
        path.strip_prefix(&*self.0).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let visible = |b: u8| b.is_ascii_graphic() && !b"?#%\\\"<>".contains(&b);
        let bare = match text.strip_suffix('/') {
            Some("") | None => text,
            Some(bare) => bare,
        };
        let dots = bare.split('/').any(|segment| segment == "." || segment == "..");
        let plain = !bare.contains("//") && !dots && bare.bytes().all(visible);
        if bare.starts_with('/') && bare.len() <= PATH_BYTES_MAX && plain {
            Ok(Self(bare.into()))
        } else {
            Err(InvalidText::new(text, "the beginning of a path such as /api"))
        }
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written!(PathPrefix);

/// The upstream sees `to` where the client said `from`; what follows stays. `to` of `/` strips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// As the client says it.
    pub from: PathPrefix,
    /// As the upstream sees it.
    pub to: PathPrefix,
}

/// A path that leads somewhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Paths that begin like this.
    pub from: PathPrefix,
    /// An absolute path, or an `http` or `https` URL; what follows `from` is appended when it ends
    /// with `/`.
    pub to: RedirectTarget,
    /// 301, 302, 303, 307 or 308.
    #[serde(default)]
    pub status: RedirectStatus,
}

/// Where a redirect leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTarget(Box<str>);

impl RedirectTarget {
    /// The target, as it is sent in `Location`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RedirectTarget {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let path = text.starts_with('/') && !text.starts_with("//");
        let url = ["http://", "https://"]
            .iter()
            .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        let visible = |b: u8| b.is_ascii_graphic() && !b"\\\"<>".contains(&b);
        if (path || url) && text.len() <= TARGET_BYTES_MAX && text.bytes().all(visible) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText::new(text, "an absolute path or an http(s) URL"))
        }
    }
}

impl fmt::Display for RedirectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The status of a redirect; 308 when none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectStatus(u16);

impl RedirectStatus {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for RedirectStatus {
    fn default() -> Self {
        Self(308)
    }
}

impl FromStr for RedirectStatus {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "301" => Ok(Self(301)),
            "302" => Ok(Self(302)),
            "303" => Ok(Self(303)),
            "307" => Ok(Self(307)),
            "308" => Ok(Self(308)),
            _ => Err(InvalidText::new(text, "one of 301, 302, 303, 307 and 308")),
        }
    }
}

impl fmt::Display for RedirectStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

written!(RedirectTarget, RedirectStatus);

const PATH_BYTES_MAX: usize = 256;
const TARGET_BYTES_MAX: usize = 1024;

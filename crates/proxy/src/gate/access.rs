//! Who may come in.
//!
//! **Invariant:** a policy that asks for nobody's name admits everybody.

use std::sync::Arc;

use conduit_core::policy::Policy;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;

use super::Visitor;
use crate::body::ResponseBody;
use crate::failure::Failure;

/// What a policy asks of those who come.
#[derive(Debug)]
pub(crate) struct Access;

/// What becomes of somebody.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Comes in, perhaps under a name.
    Admit { identity: Option<Arc<str>> },
    /// Is answered here.
    Answer(Box<Response<ResponseBody>>),
}

/// Fields that an upstream gets about who was let in, carried beside the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Granted(Vec<(HeaderName, HeaderValue)>);

impl Granted {
    /// Writes the fields over whatever is there.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            headers.insert(name, value);
        }
    }
}

impl Access {
    /// Makes a policy ready; `None` when it asks for nothing.
    pub(crate) fn compile(_policy: &Policy) -> Option<Self> {
        None
    }

    /// Goes on with what `before` has counted, where the same is asked.
    pub(crate) fn carry_on(&mut self, _before: &Self) {
        *self = Self;
    }

    /// Judges who sent a request.
    pub(crate) async fn check(
        &self,
        _visitor: &Visitor<'_>,
        request: &mut Request<Incoming>,
    ) -> Result<Verdict, Failure> {
        request.extensions_mut().insert(Granted::default());
        Ok(Verdict::Admit { identity: None })
    }
}

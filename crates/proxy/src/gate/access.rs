//! Who may come in.
//!
//! **Invariant:** a policy that asks for nobody's name admits everybody.

use std::sync::Arc;

use conduit_core::policy::Policy;
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

impl Access {
    /// Makes a policy ready; `None` when it asks for nothing.
    pub(crate) fn compile(_policy: &Policy) -> Option<Self> {
        None
    }

    /// Judges who sent a request.
    pub(crate) async fn check(
        &self,
        _visitor: &Visitor<'_>,
        _request: &mut Request<Incoming>,
    ) -> Result<Verdict, Failure> {
        Ok(Verdict::Admit { identity: None })
    }
}

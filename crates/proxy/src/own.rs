//! Hosts of the gateway itself that are answered in this process, rather than by an upstream.
//!
//! **Invariant:** such a host belongs to the built-in service, so it has its leaf and its limits; its
//! requests are bounded in size and time before anybody else sees them.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::policy::Size;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::body::{ClientBody, ResponseBody};
use crate::failure::{Failure, FailureKind};

/// Answers requests for one of the gateway's own hosts.
pub trait OwnHost: fmt::Debug + Send + Sync {
    /// The label of the host, which is directly under each domain.
    fn label(&self) -> &str;

    /// The largest body that a request may have.
    fn body_bytes_max(&self) -> usize;

    /// Answers one whole request.
    fn answer(&self, request: Request<Bytes>, visitor: Visitor) -> Answering<'_>;
}

/// An answer that is being found.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// The client, which a trusted proxy may speak for.
    pub client: IpAddr,
    /// The address of ours that its connection came to, when that is known.
    pub arrived_at: Option<IpAddr>,
}

/// Reads a request whole and has it answered.
pub(crate) async fn answer(
    own: &dyn OwnHost,
    request: Request<ClientBody>,
    visitor: Visitor,
) -> Result<Response<ResponseBody>, Failure> {
    let max = own.body_bytes_max();
    let too_large = || FailureKind::BodyTooLarge { max: Size(max as u64) };
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > max as u64 {
        return Err(too_large().into());
    }
    let body = timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large().into()),
        Ok(Err(_)) => return Err(FailureKind::BodyBroken.into()),
        Err(_elapsed) => return Err(FailureKind::ClientTimeout { after: BODY_TIMEOUT }.into()),
    };
    let answered = own.answer(Request::from_parts(head, body), visitor).await;
    Ok(answered.map(ResponseBody::full))
}

/// For a body that fits one packet, or three.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

//! Bodies, passed through frame by frame.
//!
//! **Invariant:** nothing is buffered, joined or delayed here: a frame that arrives is the frame that
//! leaves, trailers included, unless a route asks for compression. These wrappers count, tell the
//! clock who is waited for, and know when the body has ended. A response that breaks ends with an
//! error, never as if it were whole.

use bytes::Bytes;
use http_body::Frame;

mod client;
mod error;
mod request;
mod response;
mod upstream;

pub(crate) use client::ClientBody;
pub(crate) use error::BodyError;
pub(crate) use request::RequestBody;
pub(crate) use response::ResponseBody;
pub(crate) use upstream::UpstreamBody;

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

//! A request whose route has a gate: what it lets in is forwarded, and every answer is seen off.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;

use super::outgoing::host_field;
use super::{Passage, Service};
use crate::body::{ClientBody, ResponseBody};
use crate::exchange::Exchange;
use crate::failure::{Failure, FailureKind};
use crate::gate::{Entered, Gate, Visitor};
use crate::headers;
use crate::limits::{LINGER_BYTES_MAX, LINGER_TIMEOUT};
use crate::respond::Asker;

impl Service {
    /// Forwards what a route's gate lets in, and sees every answer off.
    pub(super) async fn through(
        &self,
        gate: &Gate,
        passage: Passage<'_>,
        mut request: Request<ClientBody>,
        asker: &mut Asker,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let parting = gate.parting(&request);
        let is_http1 = request.version() < Version::HTTP_2;
        let visitor = self.visitor(passage.client, &request)?;
        let (answered, rest) = match gate.enter(&visitor, &mut request).await {
            Ok(Entered::Answer(response)) => (Ok(*response), None),
            Ok(Entered::Pass(pass)) => {
                if let (Some(line), Some(identity)) = (exchange.line(), &pass.identity) {
                    line.set_identity(Arc::clone(identity));
                }
                let passage = Passage { pass: Some(&pass), ..passage };
                let answered = self.forward(passage, request, exchange).await;
                match &pass.limit {
                    Some(limit) => (answered.map_err(|f| limit.explain(f)), limit.take_rest()),
                    None => (answered, None),
                }
            }
            Err(failure) => (Err(failure), Some(request.into_body())),
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(failure) => {
                let mut response = self.refuse(&failure, asker, exchange);
                if is_http1 && matches!(failure.kind, FailureKind::BodyTooLarge { .. }) {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                    self.linger(rest);
                }
                response
            }
        };
        gate.leave(&parting, self.worker.compression(), &mut response);
        Ok(response)
    }

    fn visitor<B>(
        &self,
        client: &headers::Client,
        request: &Request<B>,
    ) -> Result<Visitor<'_>, FailureKind> {
        let host = host_field(request.uri(), request.headers())?;
        Ok(Visitor {
            address: client.address(),
            is_tls: client.is_tls(),
            host: client.asked_for(&host).clone(),
            worker: &self.worker,
        })
    }

    /// Reads on for a while after a refusal: a client that is still sending when its connection is
    /// closed gets a reset, and never reads why.
    fn linger(&self, rest: Option<ClientBody>) {
        let Some(mut rest) = rest else { return };
        self.worker.tasks().local_job("request rest", async move {
            let reading = async {
                let mut bytes = 0;
                while let Some(Ok(frame)) = rest.frame().await {
                    bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    if bytes > LINGER_BYTES_MAX {
                        return;
                    }
                }
            };
            let _ended = tokio::time::timeout(LINGER_TIMEOUT, reading).await;
        });
    }
}

//! Why a name is answered as it is.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::why as wire;
use conduit_dns::interfaces::Interfaces;
use conduit_dns::why::{Asking, asked_at, why};
use serde::Deserialize;

use super::{Admin, Answer, dns, dns_queries};
use crate::convert::why::{Additions, reply};
use crate::error::ApiError;
use crate::limits::ADDED_ENTRIES_MAX;
use crate::params::Options;

/// The options of [`explain`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// The name to explain.
    #[param(example = "grafana.internal")]
    name: String,
    /// What of it.
    #[param(default = "A")]
    #[serde(rename = "type", default = "address")]
    record_type: String,
    /// For whom; this machine when it is not given.
    #[param(value_type = Option<String>, example = "10.0.1.7")]
    client: Option<IpAddr>,
    /// Also ask our own server the question, which may ask a forwarder.
    #[param(default = false)]
    #[serde(default)]
    ask: bool,
}

/// Explains step by step how a name is answered; nobody is asked for it, unless `ask` is true.
#[utoipa::path(
    get,
    path = "/dns/why",
    operation_id = "explain_name",
    tag = "dns",
    params(Question),
    responses(
        (
            status = 200,
            body = wire::WhyReply,
            description = "what is looked at, in order, and what comes of it",
            example = json!({
                "name": "web.internal", "type": "A", "client": "127.0.0.1",
                "steps": [
                    { "step": "name", "text": "web.internal is looked up; the case does not matter" },
                    { "step": "domain", "text": "it is under internal, a domain of ours: it is never forwarded" },
                    {
                        "step": "service", "service": "web", "data": ["10.0.0.1"],
                        "text": "web.internal is a host of a service, and answers with the gateway's address 10.0.0.1",
                        "added_at": "2026-11-23T16:51:07Z", "added_by": "user:ada"
                    }
                ],
                "answer": {
                    "text": "NOERROR from our own zone: web.internal. 30 IN A 10.0.0.1", "status": "NOERROR",
                    "authoritative": true, "records": ["web.internal. 30 IN A 10.0.0.1"]
                }
            }),
        ),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: no such name or type can be asked for"),
        (status = 503, body = ErrorBody, description = "`unavailable`: DNS is off, or it does not answer; `timeout`"),
    ),
)]
pub(crate) async fn explain(
    State(state): Admin,
    Options(question): Options<Question>,
) -> Answer<wire::WhyReply> {
    let Question { name, record_type, client, ask } = question;
    let Some(policy) = state.control.dns_policy() else {
        return Err(dns_queries::off());
    };
    let arrives_at = asked_at(&state.control.gateway().dns);
    let interfaces = Interfaces::read();
    let interfaces = interfaces.map_err(|e| ApiError::internal("reading the interfaces", &e))?;
    let client = client.unwrap_or(arrives_at);
    let asking = Asking::parse(&name, &record_type, client, interfaces.local(arrives_at));
    let asking = asking.map_err(|error| ApiError::invalid(error.to_string()))?;
    let explained = why(&asking, &state.zone.load_full(), &policy);
    let additions = Additions {
        catalog: state.registry.catalog().load_full(),
        fixed: state.control.fixed_records(),
        entries: state.registry.entries(ADDED_ENTRIES_MAX, None).await?,
    };
    let asked = match ask {
        true => Some(dns::resolved(&state, name, record_type).await?),
        false => None,
    };
    Ok(Json(reply(explained, client, &additions, asked)))
}

fn address() -> String {
    "A".into()
}

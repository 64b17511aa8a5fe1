//! A look at the whole gateway.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::doctor as wire;

use super::Admin;
use crate::convert::finding::diagnosis;

/// Looks at everything that the gateway stands on, and says how to mend what is wrong.
///
/// It takes some seconds at most. One look goes on at a time; whoever asks meanwhile gets what it
/// finds.
#[utoipa::path(
    get,
    path = "/doctor",
    operation_id = "run_doctor",
    tag = "status",
    responses(
        (
            status = 200,
            body = wire::DoctorReply,
            description = "what was found",
            example = json!({
                "checked_at": "2026-04-04T12:00:00Z",
                "findings": [{
                    "check": "upstreams",
                    "subject": "grafana",
                    "status": "fail",
                    "message": "10.0.1.50:3000 is ejected: connection refused",
                    "hint": "see that it runs and listens there; `conduit status grafana` tells more",
                }],
            }),
        ),
    ),
)]
pub(crate) async fn look(State(state): Admin) -> Json<wire::DoctorReply> {
    Json(diagnosis(state.control.doctor().await.as_ref()))
}

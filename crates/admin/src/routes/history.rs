//! What a node was: samples over time.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::nodes as wire;
use conduit_core::clock::Timestamp;
use conduit_core::node::NodeName;
use conduit_monitor::metric::Metric;
use http::StatusCode;
use serde::Deserialize;

use super::{Admin, Answer};
use crate::convert::node as convert;
use crate::error::ApiError;
use crate::limits::{
    HISTORY_POINTS, HISTORY_POINTS_MAX, HISTORY_SERIES_MAX, HISTORY_SPAN, HISTORY_SPAN_MAX,
    TEXT_CHARS_MAX,
};
use crate::monitor::{HistoryAsked, Monitor};
use crate::params::{Name, NodeParam, Options};

/// The options of [`points`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryOptions {
    /// The number, such as `gpu_temperature`; `conduit monitor metrics` lists them.
    #[param(example = "cpu")]
    metric: String,
    /// Only this one of the node's things; all of them when absent.
    #[param(max_length = 200)]
    subject: Option<String>,
    /// The beginning; a day before the end when absent, and at most 400 days.
    #[param(format = DateTime)]
    from: Option<String>,
    /// The end; now when absent.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Seconds from one point to the next; so that there are at most 2,000 points, and about 500
    /// when absent.
    #[param(minimum = 1)]
    step: Option<u64>,
}

/// The options of [`of_service`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceHistoryOptions {
    /// The number: `service_requests`, `service_5xx`, `service_took`, `service_received` or
    /// `service_sent`.
    #[param(example = "service_requests")]
    metric: String,
    /// The beginning; a day before the end when absent, and at most 400 days.
    #[param(format = DateTime)]
    from: Option<String>,
    /// The end; now when absent.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Seconds from one point to the next; so that there are at most 2,000 points, and about 500
    /// when absent.
    #[param(minimum = 1)]
    step: Option<u64>,
}

/// Shows what a number of a node was over time.
#[utoipa::path(
    get,
    path = "/nodes/{name}/history",
    operation_id = "get_node_history",
    tag = "nodes",
    params(
        ("name" = String, Path, description = "The node.", example = "gpu-server"),
        HistoryOptions,
    ),
    responses(
        (status = 200, body = wire::History, description = "a series for each subject"),
        (status = 404, body = ErrorBody, description = "`not_found`: no node has that name; `monitor_off`: there is no monitor"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, `invalid_metric`, `invalid_time`, or `invalid`: the span or the step is out of bounds"),
    ),
)]
pub(crate) async fn points(
    State(state): Admin,
    NodeParam(node): NodeParam,
    Options(options): Options<HistoryOptions>,
) -> Answer<wire::History> {
    let monitor = state.monitor()?;
    super::nodes::find(&monitor.view().load_full(), &node)?;
    let asked = asked(node, options, Timestamp::now(), monitor.interval())?;
    answer(&asked, monitor.as_ref()).await
}

async fn answer(asked: &HistoryAsked, monitor: &dyn Monitor) -> Answer<wire::History> {
    let mut series = monitor.history(asked).await?;
    series.truncate(HISTORY_SERIES_MAX);
    Ok(Json(wire::History {
        node: asked.node.to_string(),
        metric: asked.metric.to_string(),
        unit: asked.metric.unit().as_str().to_owned(),
        from: asked.from.to_string(),
        to: asked.to.to_string(),
        step_seconds: asked.step.as_secs_f64(),
        series: series.into_iter().map(convert::series).collect(),
    }))
}

/// Shows what a number of a service was over time.
#[utoipa::path(
    get,
    path = "/services/{name}/history",
    operation_id = "get_service_history",
    tag = "services",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
        ServiceHistoryOptions,
    ),
    responses(
        (status = 200, body = wire::History, description = "one series, under the gateway's own node; none when nothing is known"),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name; `monitor_off`: there is no monitor"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, `invalid_metric`, `invalid_time`, or `invalid`: the span or the step is out of bounds"),
    ),
)]
pub(crate) async fn of_service(
    State(state): Admin,
    Name(service): Name,
    Options(options): Options<ServiceHistoryOptions>,
) -> Answer<wire::History> {
    let monitor = state.monitor()?;
    if state.registry.catalog().load().get(&service).is_none() {
        return Err(ApiError::no_service(service.as_str()));
    }
    let ServiceHistoryOptions { metric, from, to, step } = options;
    let subject = Some(service.to_string());
    let options = HistoryOptions { metric, subject, from, to, step };
    let asked = asked(monitor.here(), options, Timestamp::now(), monitor.interval())?;
    if !SERVICE_METRICS.contains(&asked.metric) {
        let words: Vec<_> = SERVICE_METRICS.iter().map(|metric| metric.as_str()).collect();
        let message = format!("{} is not of services", asked.metric);
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_metric", message)
            .hint(format!("use one of {}", words.join(", "))));
    }
    answer(&asked, monitor.as_ref()).await
}

fn asked(
    node: NodeName,
    options: HistoryOptions,
    now: Timestamp,
    interval: Duration,
) -> Result<HistoryAsked, ApiError> {
    let metric =
        options.metric.parse().map_err(|error| ApiError::unparsed("invalid_metric", &error))?;
    let moment = |text: Option<String>| {
        let parsed = text.map(|text| Timestamp::parse(&text)).transpose();
        parsed.map_err(|error| ApiError::unparsed("invalid_time", &error))
    };
    let to = moment(options.to)?.unwrap_or(now);
    let from = moment(options.from)?.unwrap_or_else(|| to.minus(HISTORY_SPAN));
    if from >= to {
        return Err(ApiError::invalid("from must be before to"));
    }
    let span = to.since(from);
    if span > HISTORY_SPAN_MAX {
        let days = HISTORY_SPAN_MAX.as_secs() / 86_400;
        return Err(ApiError::invalid(format!("from and to are more than {days} days apart")));
    }
    let subject = options.subject.filter(|subject| !subject.is_empty());
    if subject.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
        return Err(ApiError::invalid("the subject is too long"));
    }
    let usual = span.as_secs().div_ceil(HISTORY_POINTS).max(interval.as_secs()).max(1);
    let step = options.step.unwrap_or(usual);
    if step == 0 || span.as_secs().div_ceil(step) > HISTORY_POINTS_MAX {
        let least = span.as_secs().div_ceil(HISTORY_POINTS_MAX).max(1);
        let message = format!("step is too small for that time; use {least} seconds or more");
        return Err(ApiError::invalid(message));
    }
    Ok(HistoryAsked { node, metric, subject, from, to, step: Duration::from_secs(step) })
}

/// What is kept of what goes through a service.
const SERVICE_METRICS: [Metric; 5] = [
    Metric::ServiceRequests,
    Metric::Service5xx,
    Metric::ServiceTook,
    Metric::ServiceReceived,
    Metric::ServiceSent,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn options(metric: &str) -> HistoryOptions {
        HistoryOptions { metric: metric.into(), subject: None, from: None, to: None, step: None }
    }

    fn judged(options: HistoryOptions) -> Result<HistoryAsked, ApiError> {
        let node = NodeName::parse("gpu-server").expect("valid");
        asked(node, options, Timestamp::from_seconds(1_000_000), Duration::from_secs(30))
    }

    #[test]
    fn a_day_in_few_points_is_what_nobody_asked_for() {
        let asked = judged(options("cpu")).expect("legal");
        assert_eq!(asked.to.since(asked.from), HISTORY_SPAN);
        assert_eq!(asked.step, Duration::from_secs(173));
        let short = HistoryOptions {
            from: Some("1970-01-12T13:00:00Z".into()),
            to: Some("1970-01-12T14:00:00Z".into()),
            ..options("cpu")
        };
        assert_eq!(judged(short).expect("legal").step, Duration::from_secs(30));
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_its_mend() {
        let text = |text: &str| Some(text.to_owned());
        for (options, part) in [
            (options("cpus"), "conduit monitor metrics"),
            (HistoryOptions { from: text("yesterday"), ..options("cpu") }, "is not a time"),
            (HistoryOptions { from: text("1999-01-01T00:00:00Z"), ..options("cpu") }, "before to"),
            (
                HistoryOptions {
                    to: text("1999-01-01T00:00:00Z"),
                    from: text("1990-01-01T00:00:00Z"),
                    ..options("cpu")
                },
                "400 days",
            ),
            (HistoryOptions { step: Some(0), ..options("cpu") }, "44 seconds or more"),
            (HistoryOptions { step: Some(1), ..options("cpu") }, "44 seconds or more"),
        ] {
            let error = judged(options).expect_err(part);
            assert!(error.message().contains(part), "{}", error.message());
        }
    }
}

//! What is told to OpenTelemetry.

use std::time::Duration;

use conduit_proxy::trace::{Callers, Ratio};
use http::Uri;

use super::super::file::File;
use super::super::{Collector, Telemetry};
use super::judge::Judge;
use super::parse;

/// The section.
pub(super) fn telemetry(judge: &mut Judge, file: &File) -> Telemetry {
    let given = &file.telemetry;
    let sample_ratio = match &given.sample_ratio {
        None => Ratio::ALL,
        Some(share) => Ratio::new(share.value).unwrap_or_else(|| {
            let reason = format!("{} is not a share; use 0.0 to 1.0", share.value);
            judge.refuse("telemetry.sample_ratio", &share.origin, reason);
            Ratio::ALL
        }),
    };
    let asked = given.otlp.clone().filter(|url| !url.value.0.is_empty());
    Telemetry {
        otlp: judge.take("telemetry.otlp", &asked, None, |text| collector(text).map(Some)),
        sample_ratio,
        service_name: judge.take(
            "telemetry.service_name",
            &given.service_name,
            SERVICE_NAME.to_owned(),
            |text| parse::text(text, SERVICE_NAME_CHARS_MAX, "the name"),
        ),
        callers: judge.take(
            "telemetry.continue_traces",
            &given.continue_traces,
            Callers::Proxies,
            callers,
        ),
        timeout: judge.take("telemetry.timeout", &given.timeout, TIMEOUT, |text| {
            parse::duration(text, TIMEOUT_MIN, TIMEOUT_MAX)
        }),
    }
}

/// The address of a collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it: traces go to `v1/traces`
/// below it.
fn collector(text: &str) -> Result<Collector, String> {
    let wrong = |why: &str| {
        format!(
            "{:?} {why}; write http://127.0.0.1:4318 or https://collector.example",
            parse::short(text)
        )
    };
    let uri: Uri = text.trim().parse().map_err(|_| wrong("is not a URL"))?;
    let (is_tls, usual_port) = match uri.scheme_str() {
        Some("https") => (true, 443),
        Some("http") => (false, 80),
        _ => return Err(wrong("is not a URL of http or https")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("has a user in it, and secrets do not belong here"));
    }
    if uri.query().is_some() {
        return Err(wrong("has a query"));
    }
    let host = authority.host();
    let port = match authority.as_str().len() - host.len() {
        0 => Some(usual_port),
        // A colon without a port, or with one that is too large, is no port.
        _ => authority.port_u16().filter(|port| *port != 0),
    };
    let port = port.ok_or_else(|| wrong("has no usable port"))?;
    if host.is_empty() {
        return Err(wrong("names no host"));
    }
    let base = uri.path().trim_end_matches('/');
    let base = base.strip_suffix(TRACES_PATH).unwrap_or(base);
    let path = format!("{base}{TRACES_PATH}");
    Ok(Collector { is_tls, host: host.to_ascii_lowercase(), port, path })
}

fn callers(text: &str) -> Result<Callers, String> {
    match text {
        "nobody" => Ok(Callers::Nobody),
        "proxies" => Ok(Callers::Proxies),
        "everybody" => Ok(Callers::Everybody),
        _ => Err(format!(
            "{:?} does not say whose traces go on; use nobody, proxies or everybody",
            parse::short(text)
        )),
    }
}

/// Where a collector takes traces (OTLP/HTTP).
const TRACES_PATH: &str = "/v1/traces";
const SERVICE_NAME: &str = "conduit";
const SERVICE_NAME_CHARS_MAX: usize = 255;
/// How long one batch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_where_its_url_says() {
        for (text, expected) in [
            ("http://127.0.0.1:4318", Ok("http://127.0.0.1:4318/v1/traces")),
            ("http://127.0.0.1:4318/", Ok("http://127.0.0.1:4318/v1/traces")),
            ("http://127.0.0.1:4318/v1/traces", Ok("http://127.0.0.1:4318/v1/traces")),
            ("https://Otel.Internal/otlp", Ok("https://otel.internal:443/otlp/v1/traces")),
            ("http://collector", Ok("http://collector:80/v1/traces")),
            ("http://[::1]:4318", Ok("http://[::1]:4318/v1/traces")),
            ("127.0.0.1:4318", Err("not a URL of http")),
            ("grpc://127.0.0.1:4317", Err("not a URL of http")),
            ("http://", Err("not a URL")),
            ("http://:4318", Err("names no host")),
            ("http://a b", Err("not a URL")),
            ("http://collector:0", Err("no usable port")),
            ("http://collector:99999", Err("no usable port")),
            ("http://u:p@collector", Err("secrets do not belong here")),
            ("http://collector?token=1", Err("has a query")),
        ] {
            match (collector(text), expected) {
                (Ok(collector), Ok(url)) => assert_eq!(collector.to_string(), url, "{text}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let once = collector("https://otel.internal/otlp").expect("a collector");
        assert_eq!(collector(&once.to_string()), Ok(once));
    }
}

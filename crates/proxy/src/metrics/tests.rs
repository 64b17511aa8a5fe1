//! Counting, scraping, and what a scrape looks like.

use std::time::Duration;

use super::*;

#[test]
fn a_scrape_adds_the_workers_up() {
    let metrics = ProxyMetrics::new();
    let mut registry = Registry::with_prefix("conduit");
    metrics.register(&mut registry);
    let service = ServiceName::parse("grafana").expect("valid");
    for worker in [metrics.worker(), metrics.worker()] {
        let counters = worker.service(&service);
        counters.begin();
        counters.first_byte(Duration::from_millis(2));
        counters.end(200, Duration::from_millis(3), 5, 70);
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    for line in [
        "conduit_proxy_requests_total{service=\"grafana\",status=\"2xx\"} 2",
        "conduit_proxy_requests_in_flight{service=\"grafana\"} 0",
        "conduit_proxy_response_bytes_total{service=\"grafana\"} 140",
        "conduit_proxy_request_duration_seconds_bucket{le=\"0.002\",service=\"grafana\"} 0",
        "conduit_proxy_request_duration_seconds_bucket{le=\"0.005\",service=\"grafana\"} 2",
        "conduit_proxy_first_byte_seconds_bucket{le=\"0.001\",service=\"grafana\"} 0",
        "conduit_proxy_first_byte_seconds_bucket{le=\"0.002\",service=\"grafana\"} 2",
        "conduit_proxy_first_byte_seconds_sum{service=\"grafana\"} 0.004",
        "conduit_proxy_request_duration_seconds_bucket{le=\"+Inf\",service=\"grafana\"} 2",
    ] {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
}

#[test]
fn counts_outlive_publications_and_go_with_their_service() {
    use crate::fixture;
    use conduit_core::catalog::Generation;
    let metrics = ProxyMetrics::new();
    let mut registry = Registry::with_prefix("conduit");
    metrics.register(&mut registry);
    let worker = metrics.worker();
    let scrape = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        text
    };
    let publish = |generation: u64, names: &[&str]| {
        let services = names.iter().map(|name| fixture::service(name, &["10.0.0.1:80"]));
        let mut table = fixture::table(services.collect());
        table.version = Version { generation: Generation(generation), revision: 0 };
        worker.sweep(&table);
    };
    let (web, api) = (ServiceName::parse("web"), ServiceName::parse("api"));
    let (web, api) = (web.expect("valid"), api.expect("valid"));
    let ask = |service| {
        let counters = worker.service(service);
        counters.begin();
        counters.end(200, Duration::ZERO, 0, 0);
    };
    let line = |service: &str, count: u64| {
        format!("conduit_proxy_requests_total{{service=\"{service}\",status=\"2xx\"}} {count}\n")
    };
    publish(1, &["web", "api"]);
    ask(&web);
    // One that is in flight while its service goes ends without a trace.
    let late = worker.service(&api);
    late.begin();
    for generation in 2..10 {
        publish(generation, &["web", "other"]);
        ask(&web);
        let text = scrape();
        assert!(text.contains(&line("web", generation)), "{text}");
        assert!(!text.contains("\"api\"") && !text.contains("\"other\""), "{text}");
    }
    late.end(200, Duration::ZERO, 0, 0);
    publish(10, &["web", "api"]);
    ask(&api);
    assert!(scrape().contains(&line("api", 1)));
    assert!(scrape().contains("conduit_proxy_requests_in_flight{service=\"api\"} 0\n"));
}

#[test]
fn a_service_takes_little_memory_per_worker() {
    // 10,000 services that every one of four workers has served stay below 20 MB.
    let size = size_of::<ServiceCounters>();
    assert!(size <= 480, "{size}");
}

#[test]
fn upstreams_are_shown_as_they_are() {
    use crate::fixture;
    let table = fixture::table(vec![fixture::service("web", &["10.0.0.1:80", "10.0.0.2:80"])]);
    let upstreams = table.pools().next().expect("one").upstreams().to_vec();
    upstreams[0].set_state(conduit_core::health::UpstreamState::Ejected);
    let _busy = upstreams[1].begin();
    let (_writer, reader) = live::channel(Arc::new(table));
    let mut registry = Registry::with_prefix("conduit");
    ProxyMetrics::register_upstreams(&mut registry, reader);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    for line in [
        "conduit_proxy_upstream_state{service=\"web\",upstream=\"10.0.0.1:80\"} 0",
        "conduit_proxy_upstream_state{service=\"web\",upstream=\"10.0.0.2:80\"} -1",
        "conduit_proxy_upstream_in_flight{service=\"web\",upstream=\"10.0.0.2:80\"} 1",
    ] {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
}

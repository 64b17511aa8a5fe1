//! Caddyfiles, site by site.

use super::*;

fn found(text: &str) -> Found {
    let mut found = Found::new(vec!["internal".into()]);
    read(&Lines::of("Caddyfile", text.to_owned()), &mut found);
    found
}

#[test]
fn a_site_with_upstreams_becomes_a_service() {
    let text = "{\n\tlocal_certs\n}\n\n\
        grafana.internal, g.internal {\n\ttls internal\n\tencode gzip\n\
        \treverse_proxy localhost:3000 10.0.0.2:3000 {\n\t\tlb_policy least_conn\n\t\thealth_uri /api/health\n\
        \t\theader_up X-Team ops\n\t\theader_up X-Real-IP {remote_host}\n\t\theader_up -X-Old\n\t}\n\
        \tredir /old* /new 301\n\tbasic_auth {\n\
        \t\tbob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\
        \theader -Server\n\trequest_body {\n\t\tmax_size 10MB\n\t}\n}\n\
        http://plain.internal {\n\treverse_proxy https://10.0.0.3 {\n\t\ttransport http {\n\
        \t\t\ttls_insecure_skip_verify\n\t\t}\n\t}\n}\n\
        api.internal {\n\thandle_path /v1/* {\n\t\treverse_proxy h2c://api:9000\n\t}\n}\n";
    let found = found(text);
    assert_eq!(found.left, [], "{:#?}", found.left);
    let services: Vec<_> = found.services.iter().map(|(_, service)| service).collect();
    assert_eq!(services.len(), 3);
    let grafana = services[0];
    assert_eq!(
        (grafana.name.as_str(), grafana.domain.as_deref()),
        ("grafana", Some("grafana.internal"))
    );
    assert_eq!(grafana.aliases, ["g.internal"]);
    assert_eq!(grafana.upstreams, ["127.0.0.1:3000", "10.0.0.2:3000"]);
    assert_eq!(grafana.health.as_deref(), Some("/api/health"));
    let policy = serde_json::to_value(grafana.policy.as_ref().expect("some")).expect("JSON");
    assert_eq!(policy["balance"], "least-requests");
    assert_eq!(policy["request_headers"]["remove"][0], "x-old");
    assert_eq!(policy["redirects"][0]["status"], "301");
    assert_eq!(policy["basic_auth"][0]["user"], "bob");
    assert_eq!(
        (&policy["compress"], &policy["response_headers"]["remove"][0]),
        (&true.into(), &"server".into())
    );
    let plain = services[1];
    assert_eq!((plain.tls, plain.protocol.as_deref()), (Some(false), Some("https")));
    assert_eq!(plain.upstreams, ["10.0.0.3:443"]);
    let api = services[2];
    assert_eq!((api.protocol.as_deref(), api.upstreams[0].as_str()), (Some("h2c"), "api:9000"));
    let policy = serde_json::to_value(api.policy.as_ref().expect("some")).expect("JSON");
    assert_eq!(
        (&policy["paths"], &policy["rewrites"][0]["to"]),
        (&serde_json::json!(["/v1"]), &"/".into())
    );
}

#[test]
fn what_is_no_service_is_told_with_its_line() {
    let text = "(snip) {\n\tlog\n}\n*.internal {\n\treverse_proxy :80\n}\nfar.example {\n\treverse_proxy :80\n}\n\
        files.internal {\n\tfile_server\n}\nx.internal {\n\timport snip\n\treverse_proxy /a/* :81\n\
        \treverse_proxy /b/* :82\n\treverse_proxy unix//run/x\n\tredir https://other.example{uri}\n}\n";
    let found = found(text);
    let lines: Vec<usize> = found.left.iter().map(|left| left.place.line).collect();
    assert_eq!(lines, [1, 4, 7, 11, 10, 14, 16, 17], "{:#?}", found.left);
    let (_, service) = &found.services[0];
    assert_eq!(service.upstreams, ["127.0.0.1:81"]);
    let policy = serde_json::to_value(service.policy.as_ref().expect("some")).expect("JSON");
    assert_eq!(policy["redirects"][0]["to"], "https://other.example/");
}

#[test]
fn one_site_needs_no_braces_and_a_broken_file_is_told() {
    let one = found("app.internal\n\nreverse_proxy 10.0.0.1:8080\n");
    assert_eq!(one.services[0].1.upstreams, ["10.0.0.1:8080"]);
    let broken = found("app.internal {\n\treverse_proxy :80\n");
    assert!(broken.services.is_empty());
    assert_eq!(
        (broken.left[0].place.line, broken.left[0].reason.as_str()),
        (1, "a brace is not closed")
    );
}

//! Wishes to register, as they come in.

use conduit_api::v1::services as wire;
use conduit_core::name::ServiceName;
use conduit_core::policy::{Policy, Preset};
use conduit_core::service::{DnsMode, Monitoring, ProbePath, Protocol, TlsMode, WhenAllEjected};
use conduit_core::title::Title;
use conduit_core::upstream::UpstreamAddr;
use conduit_proxy::fingerprint::Asked;
use conduit_registry::Registration;

use crate::error::ApiError;

/// One service, parsed, with the preset that was found when it asks for `auto`; the fields that say
/// how to register are the caller's to read.
pub(crate) fn registration(
    wish: &wire::RegisterService,
    found: Option<Preset>,
) -> Result<Registration, ApiError> {
    let name = ServiceName::parse(&wish.name)
        .map_err(|error| ApiError::unparsed("invalid_name", &error))?;
    let asked = wish.policy.as_deref().cloned().unwrap_or_default();
    let policy = Policy { preset: preset(wish, found)?, ..asked };
    let (upstreams, pasted) = upstreams(wish, policy.preset)?;
    let protocol = protocol(wish, pasted)?.or_else(|| policy.preset.map(Preset::protocol));
    let protocol = protocol.unwrap_or(Protocol::Http);
    let mut registration = Registration::new(name, upstreams);
    registration.title = wish
        .title
        .as_deref()
        .map(Title::parse)
        .transpose()
        .map_err(|error| ApiError::unparsed("invalid_title", &error))?;
    registration.domain.clone_from(&wish.domain);
    registration.aliases.clone_from(&wish.aliases);
    registration.protocol = protocol;
    registration.tls = tls(wish, protocol)?;
    registration.dns = word::<DnsMode>(wish.dns.as_deref(), "invalid_dns")?;
    registration.probe = wish
        .health
        .as_deref()
        .map(ProbePath::parse)
        .transpose()
        .map_err(|error| ApiError::unparsed("invalid_probe", &error))?;
    registration.when_all_ejected =
        word(wish.when_all_ejected.as_deref(), "invalid_when_all_ejected")?
            .unwrap_or(WhenAllEjected::Fail);
    registration.monitoring = monitoring(wish.monitoring.as_ref());
    registration.policy = policy.shared();
    Ok(registration)
}

/// Many services, each with what was found for it; options of a single registration are refused,
/// and an error names its service.
pub(crate) fn registrations(
    bulk: &wire::RegisterBulk,
    found: &[Option<Preset>],
) -> Result<Vec<Registration>, ApiError> {
    let mut registrations = Vec::with_capacity(bulk.services.len());
    for (index, wish) in bulk.services.iter().enumerate() {
        if wish.replace || wish.dry_run || wish.wait_healthy.is_some() {
            let message = "replace and dry_run belong beside the list, and wait_healthy nowhere";
            return Err(ApiError::invalid(message).at_service(index, &wish.name));
        }
        let found = found.get(index).copied().flatten();
        let parsed = registration(wish, found).map_err(|e| e.at_service(index, &wish.name))?;
        registrations.push(parsed);
    }
    Ok(registrations)
}

/// What to look at, when a wish asks for the preset `auto`.
pub(crate) fn unknown(wish: &wire::RegisterService) -> Result<Option<Asked>, ApiError> {
    if wish.preset.as_deref() != Some(AUTO) {
        return Ok(None);
    }
    // What else is wrong with it is better known before anybody is asked anything.
    let registration = registration(wish, None)?;
    let (_, pasted) = upstreams(wish, None)?;
    let protocol = protocol(wish, pasted)?;
    Ok(registration.upstreams.into_iter().next().map(|upstream| (upstream, protocol)))
}

fn preset(wish: &wire::RegisterService, found: Option<Preset>) -> Result<Option<Preset>, ApiError> {
    let inside = wish.policy.as_ref().and_then(|policy| policy.preset);
    let beside = match wish.preset.as_deref() {
        Some(AUTO) if inside.is_some() => {
            let message = "the preset auto and policy.preset contradict each other";
            return Err(ApiError::invalid(message).hint("give one of the two"));
        }
        Some(AUTO) => found,
        other => word::<Preset>(other, "invalid_preset")?,
    };
    match (beside, inside) {
        (Some(beside), Some(inside)) if beside != inside => {
            let message = format!("the presets {beside} and {inside} contradict each other");
            Err(ApiError::invalid(message).hint("give preset or policy.preset"))
        }
        (beside, inside) => Ok(beside.or(inside)),
    }
}

/// The upstreams, and what a scheme in front of one of them says that they speak.
fn upstreams(
    wish: &wire::RegisterService,
    preset: Option<Preset>,
) -> Result<(Vec<UpstreamAddr>, Option<Protocol>), ApiError> {
    let given = wish.host.iter().chain(&wish.upstream).chain(&wish.upstreams);
    let mut upstreams = Vec::new();
    let mut pasted = None;
    for text in given {
        let (upstream, protocol) = UpstreamAddr::parse_pasted(text, preset.map(Preset::port))
            .map_err(|error| ApiError::unparsed("invalid_upstream", &error))?;
        pasted = pasted.or(protocol);
        upstreams.push(upstream);
    }
    if upstreams.is_empty() {
        return Err(ApiError::invalid("a service needs an upstream")
            .hint("give upstream (or host) as HOST:PORT, as in 10.0.1.50:3000"));
    }
    Ok((upstreams, pasted))
}

fn protocol(
    wish: &wire::RegisterService,
    pasted: Option<Protocol>,
) -> Result<Option<Protocol>, ApiError> {
    let asked = word::<Protocol>(wish.protocol.as_deref(), "invalid_protocol")?;
    match (asked, pasted) {
        (Some(asked), Some(pasted)) if asked != pasted => {
            let message =
                format!("the protocol {asked} and an upstream with {pasted}:// contradict");
            Err(ApiError::invalid(message).hint("leave the protocol or the scheme out"))
        }
        (asked, pasted) => Ok(asked.or(pasted)),
    }
}

fn tls(wish: &wire::RegisterService, protocol: Protocol) -> Result<TlsMode, ApiError> {
    let asked = match (wish.tls, wish.no_tls) {
        (Some(tls), Some(no_tls)) if tls == no_tls => {
            return Err(ApiError::invalid("tls and no_tls contradict each other"));
        }
        (Some(tls), _) => Some(tls),
        (None, no_tls) => no_tls.map(|no| !no),
    };
    match (asked, protocol) {
        (Some(true), Protocol::Tcp) => {
            let policy = wish.policy.as_ref();
            let passes_tls = policy.is_some_and(|policy| policy.tls_passthrough == Some(true));
            match policy.and_then(|policy| policy.listen) {
                Some(_) if passes_tls => {
                    Err(ApiError::invalid("tls and policy.tls_passthrough contradict each other")
                        .hint("leave one of them out: TLS is ended here or by the upstream"))
                }
                Some(_) => Ok(TlsMode::Issued),
                None => Err(ApiError::invalid(
                    "a tcp service has a certificate only when it listens on a port of the gateway",
                )
                .hint("give policy.listen, or leave tls out")),
            }
        }
        (Some(false), _) | (None, Protocol::Tcp) => Ok(TlsMode::Off),
        (Some(true) | None, _) => Ok(TlsMode::Issued),
    }
}

fn monitoring(monitoring: Option<&wire::Monitoring>) -> Monitoring {
    let Some(monitoring) = monitoring else {
        return Monitoring::default();
    };
    Monitoring {
        kind: monitoring.kind.clone(),
        container_name: monitoring.container_name.clone(),
        ssh_host: monitoring.ssh_host.clone(),
    }
}

fn word<T>(text: Option<&str>, code: &'static str) -> Result<Option<T>, ApiError>
where
    T: std::str::FromStr<Err: std::error::Error + 'static>,
{
    text.map(str::parse).transpose().map_err(|error| ApiError::unparsed(code, &error))
}

/// The preset that is found by looking.
const AUTO: &str = "auto";

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(json: &str) -> Result<Registration, ApiError> {
        crate::body::parse(json.as_bytes()).and_then(|wish| registration(&wish, None))
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let plain = wish(r#"{"name":"Grafana","host":"10.0.1.50:3000"}"#).expect("taken");
        let upstream = UpstreamAddr::parse("10.0.1.50:3000").expect("valid");
        let name = ServiceName::parse("grafana").expect("valid");
        assert_eq!(plain, Registration::new(name, vec![upstream]));
        let tcp = wish(r#"{"name":"db","upstream":"10.0.1.9:5432","protocol":"tcp"}"#);
        let tcp = tcp.expect("taken");
        assert_eq!((tcp.protocol, tcp.tls), (Protocol::Tcp, TlsMode::Off));
        let ended = wish(
            r#"{"name":"a","host":"h:1","tls":true,"protocol":"tcp","policy":{"listen":5432}}"#,
        );
        assert_eq!(ended.expect("taken").tls, TlsMode::Issued);
        let all =
            wish(r#"{"name":"a","host":"h:1","upstream":"u:2","upstreams":["v:3"],"no_tls":true}"#)
                .expect("taken");
        assert_eq!((all.upstreams.len(), all.tls), (3, TlsMode::Off));
    }

    #[test]
    fn a_preset_and_a_scheme_fill_what_is_left_out() {
        let taken = |json: &str| wish(json).expect(json);
        let redis = taken(r#"{"name":"cache","host":"10.0.1.9","preset":"redis"}"#);
        assert_eq!(redis.upstreams[0].to_string(), "10.0.1.9:6379");
        assert_eq!((redis.protocol, redis.tls), (Protocol::Tcp, TlsMode::Off));
        assert_eq!(redis.policy.preset, Some(Preset::Redis));
        let inside = taken(r#"{"name":"llm","host":"10.0.1.9","policy":{"preset":"ollama"}}"#);
        assert_eq!(inside.upstreams[0].to_string(), "10.0.1.9:11434");
        let secure = taken(r#"{"name":"a","upstreams":["https://10.0.1.9"]}"#);
        assert_eq!(secure.upstreams[0].to_string(), "10.0.1.9:443");
        assert_eq!(secure.protocol, Protocol::Https);
        let own = taken(r#"{"name":"a","host":"h:1","preset":"redis","protocol":"http"}"#);
        assert_eq!(own.protocol, Protocol::Http);
    }

    #[test]
    fn what_was_found_is_taken_for_auto_only() {
        let json = r#"{"name":"a","host":"h:1","preset":"auto"}"#;
        let auto: wire::RegisterService = crate::body::parse(json.as_bytes()).expect("parsed");
        let (upstream, protocol) = unknown(&auto).expect("legal").expect("to be looked at");
        assert_eq!((upstream.to_string().as_str(), protocol), ("h:1", None));
        let taken = registration(&auto, Some(Preset::Vllm)).expect("taken");
        assert_eq!(taken.policy.preset, Some(Preset::Vllm));
        let named = wire::RegisterService { preset: Some("tgi".into()), ..auto };
        assert_eq!(unknown(&named).expect("legal"), None);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_code() {
        for (json, code) in [
            (r#"{"name":"-a","host":"h:1"}"#, "invalid_name"),
            (r#"{"name":"conduit","host":"h:1"}"#, "invalid_name"),
            (r#"{"name":"a","host":"h"}"#, "invalid_upstream"),
            (r#"{"name":"a"}"#, "invalid"),
            (r#"{"name":"a","host":"h:1","protocol":"udp"}"#, "invalid_protocol"),
            (r#"{"name":"a","host":"h:1","dns":"no"}"#, "invalid_dns"),
            (r#"{"name":"a","host":"h:1","health":"x"}"#, "invalid_probe"),
            (r#"{"name":"a","host":"h:1","tls":true,"no_tls":true}"#, "invalid"),
            (r#"{"name":"a","host":"h:1","tls":true,"protocol":"tcp"}"#, "invalid"),
            (
                r#"{"name":"a","host":"h:1","tls":true,"protocol":"tcp",
                    "policy":{"listen":5432,"tls_passthrough":true}}"#,
                "invalid",
            ),
            (r#"{"name":"a","host":"h:1","when_all_ejected":"x"}"#, "invalid_when_all_ejected"),
            (r#"{"name":"a","host":"h:1","title":" "}"#, "invalid_title"),
            (r#"{"name":"a","host":"h:1","title":"a\nb"}"#, "invalid_title"),
            (r#"{"name":"a","host":"h:1","preset":"oh"}"#, "invalid_preset"),
            (r#"{"name":"a","host":"h:1","preset":"tgi","policy":{"preset":"nim"}}"#, "invalid"),
            (r#"{"name":"a","host":"h:1","preset":"auto","policy":{"preset":"nim"}}"#, "invalid"),
            (r#"{"name":"a","host":"h:1","policy":{"preset":"auto"}}"#, "invalid_body"),
            (r#"{"name":"a","host":"h","preset":"auto"}"#, "invalid_upstream"),
            (r#"{"name":"a","host":"https://h","protocol":"http"}"#, "invalid"),
            (r#"{"name":"a","host":"h:1","policy":{"oh":1}}"#, "invalid_body"),
            (
                r#"{"name":"a","host":"h:1","policy":{"basic_auth":[{"user":"u","hash":"(hidden)"}]}}"#,
                "invalid_body",
            ),
            (r#"{"name":"a","hots":"h:1"}"#, "invalid_body"),
            (r#"{"name":"a","host":1}"#, "invalid_body"),
            (r#"{"name":"a""#, "invalid_body"),
        ] {
            let error = wish(json).expect_err(json);
            assert_eq!(error.code(), code, "{json}");
        }
    }

    #[test]
    fn an_error_in_a_bulk_names_its_service() {
        let json = r#"{"services":[{"name":"a","host":"h:1"},{"name":"b","host":"h"}]}"#;
        let bulk = crate::body::parse(json.as_bytes()).expect("parsed");
        let error = registrations(&bulk, &[]).expect_err("refused");
        assert!(error.message().starts_with("services[1] (\"b\"): "), "{}", error.message());
        let json = r#"{"services":[{"name":"a","host":"h:1","replace":true}]}"#;
        let bulk = crate::body::parse(json.as_bytes()).expect("parsed");
        assert!(registrations(&bulk, &[]).is_err());
    }
}

//! `conduit register`: one service, or a file of them.

use std::error::Error;
use std::io::IsTerminal;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use conduit_api::client::Client;
use conduit_api::v1::health::HealthStatus;
use conduit_api::v1::services::{
    BulkReply, Monitoring, OutcomeKind, RegisterBulk, RegisterReply, RegisterService, Service,
};

use conduit_core::name::{NameRule, ServiceName};
use conduit_core::policy::{Policy, Preset};
use conduit_core::service::{DnsMode, ProbePath, Protocol, WhenAllEjected};
use conduit_core::title::Title;
use conduit_core::upstream::{InvalidUpstream, UpstreamAddr, UpstreamRule};

use super::args::RegisterArgs;
use super::exit::{Exit, Failure};
use super::import;
use super::output::{Paint, counted, notice};
use super::policy::{self, PresetChoice, TypedUpstream};
use super::session::Session;
use super::status_lines::{planned, services};

/// Registers, waits a moment for the first probe, and prints what became of it.
pub(crate) async fn run(session: &Session, args: RegisterArgs) -> Result<(), Failure> {
    if let Some(file) = &args.file {
        return many(session, &args, file).await;
    }
    let service = wish(&args)?;
    let client = session.client().await?;
    let mut reply = client.register(&service).await?;
    if !reply.value.probed && !args.dry_run {
        await_first_probe(&client, &mut reply.value).await;
    }
    let paint = session.printer.paint;
    session.print(args.output.json, &reply, |reply| registered(&service.name, reply, paint))?;
    let health = reply.value.service.as_ref().map(|service| service.health_status);
    if args.wait_healthy && health != Some(HealthStatus::Healthy) {
        let word = health.unwrap_or_default();
        return Err(Failure::new(format!(
            "{} is registered and still {word} after {WAIT_HEALTHY_SECONDS} seconds",
            service.name
        ))
        .hint(format!("run `conduit status {}` to see why", service.name)));
    }
    Ok(())
}

/// The request that the flags and the bare words make.
fn wish(args: &RegisterArgs) -> Result<RegisterService, Failure> {
    if args.prune {
        // Clap drops `requires` when what is required conflicts with something given.
        return Err(Failure::usage("--prune works with --file only"));
    }
    let mut bare = args.bare.iter();
    let name = match &args.name {
        Some(name) => name,
        None => bare.next().ok_or_else(|| {
            Failure::usage("the service's name is missing").hint(
                "conduit register NAME HOST:PORT, as in: conduit register grafana 10.0.1.50:3000",
            )
        })?,
    };
    let upstreams: Vec<String> = args.host.iter().chain(bare).cloned().collect();
    if upstreams.is_empty() {
        return Err(Failure::usage(format!("no upstream is given for {name}"))
            .hint("give HOST:PORT, as in --host 10.0.1.50:3000"));
    }
    let mut policy = policy::of(&args.traffic)?;
    check(args, name)?;
    let upstreams = addresses(args, name, &upstreams, &mut policy)?;
    policy::check(&policy)?;
    let auto = args.traffic.whole.preset == Some(PresetChoice::Auto);
    Ok(RegisterService {
        name: name.clone(),
        title: args.title.clone(),
        upstreams,
        preset: auto.then(|| "auto".to_owned()),
        policy: (!policy.is_empty()).then(|| Box::new(policy)),
        domain: args.domain.clone(),
        aliases: args.alias.clone(),
        protocol: args.protocol.clone(),
        tls: (args.tls || args.no_tls).then_some(args.tls),
        dns: args.dns.clone(),
        health: args.health.clone(),
        when_all_ejected: args.when_all_ejected.clone(),
        monitoring: monitoring(args),
        wait_healthy: args.wait_healthy.then_some(WAIT_HEALTHY_SECONDS),
        replace: args.replace,
        dry_run: args.dry_run,
        ..RegisterService::default()
    })
}

/// Where it runs, if that was said.
fn monitoring(args: &RegisterArgs) -> Option<Monitoring> {
    let (container_name, ssh_host) = (args.container.clone(), args.node.clone());
    let is_said = container_name.is_some() || ssh_host.is_some();
    is_said.then_some(Monitoring { kind: None, container_name, ssh_host })
}

/// The upstreams with their ports; their shares go into the policy.
fn addresses(
    args: &RegisterArgs,
    name: &str,
    typed: &[String],
    policy: &mut Policy,
) -> Result<Vec<String>, Failure> {
    let port = policy.preset.map(Preset::port);
    let mut addresses = Vec::with_capacity(typed.len());
    let mut shares = Vec::new();
    for text in typed {
        let typed = TypedUpstream::parse(text)
            .map_err(|reason| Failure::usage(format!("--host: {reason}")))?;
        let (upstream, pasted) = UpstreamAddr::parse_pasted(typed.address, port)
            .map_err(|error| no_upstream(&error, args, name, text))?;
        shares.extend(typed.share(&upstream));
        // A scheme is the gateway's to judge: it knows what else was said about the protocol.
        addresses.push(match pasted {
            Some(protocol) => format!("{protocol}://{upstream}"),
            None => upstream.to_string(),
        });
    }
    if !shares.is_empty() {
        policy.shares = shares;
    }
    Ok(addresses)
}

fn no_upstream(error: &InvalidUpstream, args: &RegisterArgs, name: &str, text: &str) -> Failure {
    let failure = malformed(error);
    let is_name = args.bare.iter().any(|word| word == text) && ServiceName::parse(text).is_ok();
    match error.reason {
        UpstreamRule::NoPort if args.traffic.whole.preset == Some(PresetChoice::Auto) => {
            failure.hint("--preset auto cannot guess the port; give it, or name the preset")
        }
        UpstreamRule::NoPort if is_name => failure.hint(format!(
            "one service at a time: the name here is {name}, and every other word is an upstream"
        )),
        UpstreamRule::Unroutable => {
            failure.hint("give the address of the machine that runs the service")
        }
        _ => failure,
    }
}

/// Refuses values that no gateway could take; what only this gateway refuses, it says itself.
fn check(args: &RegisterArgs, name: &str) -> Result<(), Failure> {
    ServiceName::parse(name).map_err(|error| {
        let failure = malformed(&error);
        let reserved = error.reason == NameRule::Reserved;
        if reserved { failure.hint("choose another name") } else { failure }
    })?;
    if let Some(title) = &args.title {
        Title::parse(title)
            .map_err(|error| Failure::usage(format!("--title: {}", malformed(&error).message)))?;
    }
    word::<Protocol>("--protocol", args.protocol.as_deref())?;
    word::<DnsMode>("--dns", args.dns.as_deref())?;
    word::<WhenAllEjected>("--when-all-ejected", args.when_all_ejected.as_deref())?;
    if let Some(path) = &args.health {
        ProbePath::parse(path)
            .map_err(|error| Failure::usage(format!("--health: {}", malformed(&error).message)))?;
    }
    Ok(())
}

fn word<T>(flag: &str, given: Option<&str>) -> Result<(), Failure>
where
    T: FromStr<Err: Error + 'static>,
{
    match given.map(T::from_str) {
        Some(Err(error)) => Err(Failure::usage(format!("{flag}: {}", malformed(&error).message))),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn malformed(error: &(dyn Error + 'static)) -> Failure {
    Failure { exit: Exit::Usage, ..Failure::of(error) }
}

/// The reply tells what was committed; this tells how the service is doing a moment later.
async fn await_first_probe(client: &Client, reply: &mut RegisterReply) {
    let Some(service) = &mut reply.service else {
        return;
    };
    let deadline = tokio::time::Instant::now() + FIRST_PROBE_WAIT;
    while service.health_status == HealthStatus::Unknown {
        if tokio::time::Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(FIRST_PROBE_STEP).await;
        // The registration stands, whatever becomes of asking about it.
        let Ok(now) = client.service(&service.name, false).await else {
            return;
        };
        *service = now.value.service;
    }
    // Tried through the gateway's own listeners, so that the ticks are there to see.
    if let Ok(now) = client.service(&service.name, true).await {
        *service = now.value.service;
    }
}

async fn many(session: &Session, args: &RegisterArgs, file: &Path) -> Result<(), Failure> {
    let services = import::read(file)?;
    let count = services.len() as u64;
    if std::io::stderr().is_terminal() {
        notice(&format!("registering {} …", counted(count, "service")));
    }
    let bulk =
        RegisterBulk { services, replace: args.replace, prune: args.prune, dry_run: args.dry_run };
    let client = session.client().await?;
    let reply = client.register_bulk(&bulk).await?;
    session.print(args.output.json, &reply, registered_many)
}

fn registered(name: &str, reply: &RegisterReply, paint: Paint) -> String {
    let looked = reply.fingerprint.as_ref();
    let looked =
        looked.map_or_else(String::new, |f| format!("preset: {} ({})\n", f.preset, f.evidence));
    if reply.dry_run {
        let mut text = format!("{name} would be {}; nothing was changed\n{looked}", reply.outcome);
        if let Some(service) = &reply.service {
            text.push_str(&planned(service));
        }
        return text;
    }
    let mut text = format!("{name} {}, generation {}\n{looked}", reply.outcome, reply.generation);
    if let Some(service) = &reply.service {
        text.push_str(&shown(service, paint));
    }
    text
}

fn shown(service: &Service, paint: Paint) -> String {
    let url = service.url.as_ref().map_or_else(String::new, |url| format!("{url}\n"));
    format!("{}{url}", services(&[service], paint))
}

fn registered_many(reply: &BulkReply) -> String {
    let mut text = String::new();
    for kind in [
        OutcomeKind::Created,
        OutcomeKind::Replaced,
        OutcomeKind::Unchanged,
        OutcomeKind::Deregistered,
    ] {
        let count = reply.outcomes.iter().filter(|outcome| outcome.outcome == kind).count();
        if count > 0 {
            text.push_str(&format!("{kind}: {count}\n"));
        }
    }
    if reply.dry_run {
        text.push_str("nothing was changed (dry run)\n");
    } else {
        text.push_str(&format!("generation {}\n", reply.generation));
    }
    for outcome in &reply.outcomes {
        if let Some(found) = &outcome.fingerprint {
            let line = format!("{}: preset {} ({})\n", outcome.name, found.preset, found.evidence);
            text.push_str(&line);
        }
    }
    text
}

/// The most that the API waits.
const WAIT_HEALTHY_SECONDS: u64 = 60;
const FIRST_PROBE_WAIT: Duration = Duration::from_secs(1);
const FIRST_PROBE_STEP: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Verb};
    use clap::Parser;
    use conduit_api::v1::services::Outcome;

    fn wished(line: &str) -> Result<RegisterService, Failure> {
        let words = std::iter::once("conduit").chain(line.split_whitespace());
        match Cli::try_parse_from(words).expect("parses").verb {
            Verb::Register(args) => wish(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_spelling_makes_the_same_request() {
        for line in [
            "register grafana 10.0.1.50:3000",
            "register --name grafana --host 10.0.1.50:3000",
            "register --name=grafana --host=10.0.1.50:3000",
            "register --name grafana --upstream 10.0.1.50:3000",
            "register --name grafana 10.0.1.50:3000",
            "register grafana --upstream=10.0.1.50:3000",
        ] {
            let service = wished(line).expect(line);
            assert_eq!(service.name, "grafana", "{line}");
            assert_eq!(service.upstreams, ["10.0.1.50:3000"], "{line}");
        }
        let two = wished("register g --host a:1 --upstream b:2").expect("two");
        assert_eq!(two.upstreams, ["a:1", "b:2"]);
    }

    #[test]
    fn where_it_runs_is_said_by_container_and_node() {
        assert_eq!(wished("register g a:1").expect("legal").monitoring, None);
        let said = wished("register g a:1 --container vllm --node gpu-server").expect("legal");
        let monitoring = said.monitoring.expect("said");
        assert_eq!(monitoring.container_name.as_deref(), Some("vllm"));
        assert_eq!((monitoring.ssh_host.as_deref(), monitoring.kind), (Some("gpu-server"), None));
    }

    #[test]
    fn what_is_missing_is_wrong_usage() {
        for line in ["register", "register grafana", "register --host a:1"] {
            let failure = wished(line).expect_err(line);
            assert_eq!(failure.exit, Exit::Usage, "{line}");
            assert!(failure.hint.is_some(), "{line}");
        }
    }

    #[test]
    fn values_that_no_gateway_takes_are_wrong_usage() {
        for (line, message, hint) in [
            ("register a! h:1", "\"a!\" cannot be a service's name", None),
            ("register conduit h:1", "kept for Conduit's own routes", Some("another name")),
            ("register a h", "\"h\" is not an upstream: the port is missing", Some("one service")),
            ("register a b h:1", "\"b\" is not an upstream", Some("the name here is a")),
            ("register a --host h", "\"h\" is not an upstream: the port is missing", None),
            ("register a 0.0.0.0:80", "cannot be connected to", Some("address of the machine")),
            ("register a h:99999", "the port must be", None),
            ("register a h:1 --protocol udp", "--protocol: \"udp\" is not a protocol", None),
            ("register a h:1 --dns no", "--dns: \"no\" is not", None),
            ("register a h:1 --health up", "--health: \"up\" is not a probe path", None),
            ("register a h:1 --when-all-ejected x", "--when-all-ejected: \"x\" is not", None),
        ] {
            let failure = wished(line).expect_err(line);
            assert_eq!(failure.exit, Exit::Usage, "{line}");
            assert!(failure.message.contains(message), "{line}: {failure}");
            match hint {
                Some(hint) => assert!(failure.hint.expect(line).contains(hint), "{line}"),
                None => assert_eq!(failure.hint, None, "{line}"),
            }
        }
    }

    #[test]
    fn tls_is_asked_for_either_way_or_left_to_the_protocol() {
        for (flags, expected) in [("", None), (" --tls", Some(true)), (" --no-tls", Some(false))] {
            let line = format!("register db 10.0.0.9:5432 --protocol tcp --listen 5432{flags}");
            assert_eq!(wished(&line).expect("parses").tls, expected, "{line}");
        }
    }

    #[test]
    fn flags_travel() {
        let service = wished(
            "register db 10.0.0.9:5432 --protocol tcp --no-tls --dns direct --domain local \
             --alias pg.internal --health /up --when-all-ejected try --replace --dry-run",
        )
        .expect("parses");
        assert_eq!(service.protocol.as_deref(), Some("tcp"));
        assert_eq!((service.tls, service.dns.as_deref()), (Some(false), Some("direct")));
        assert_eq!(service.domain.as_deref(), Some("local"));
        assert_eq!(service.aliases, ["pg.internal"]);
        assert_eq!(service.health.as_deref(), Some("/up"));
        assert_eq!(service.when_all_ejected.as_deref(), Some("try"));
        assert!(service.replace && service.dry_run);
    }

    #[test]
    fn a_bulk_is_told_in_counts() {
        let outcome =
            |name: &str, outcome| Outcome { name: name.into(), outcome, fingerprint: None };
        let reply = BulkReply {
            generation: 7,
            changed: true,
            dry_run: false,
            outcomes: vec![
                outcome("a", OutcomeKind::Created),
                outcome("b", OutcomeKind::Unchanged),
                outcome("c", OutcomeKind::Created),
            ],
        };
        assert_eq!(registered_many(&reply), "created: 2\nunchanged: 1\ngeneration 7\n");
    }
}

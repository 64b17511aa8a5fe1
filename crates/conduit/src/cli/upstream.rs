//! `conduit upstream`: one upstream of one service, by hand.

use conduit_api::v1::upstreams::{UpstreamReply, UpstreamVerb};
use conduit_core::name::ServiceName;
use conduit_core::upstream::UpstreamAddr;

use super::args::{UpstreamAction, WhichUpstream};
use super::exit::{Exit, Failure};
use super::output::{counted, notice};
use super::session::Session;

/// Drains, ejects or admits it.
pub(crate) async fn run(session: &Session, action: UpstreamAction) -> Result<(), Failure> {
    let (verb, which) = match action {
        UpstreamAction::Admit(which) => (UpstreamVerb::Admit, which),
        UpstreamAction::Drain(which) => (UpstreamVerb::Drain, which),
        UpstreamAction::Eject(which) => (UpstreamVerb::Eject, which),
    };
    check(&which)?;
    let client = session.client().await?;
    let reply = client.hold_upstream(&which.service, &which.upstream, verb).await?;
    session.print(which.output.json, &reply, |reply| told(verb, reply))?;
    if let Some(note) = reply.value.note.as_ref().filter(|_| !which.output.json) {
        notice(&format!("warning: {note}"));
    }
    Ok(())
}

/// Says what is wrong before the gateway has to.
fn check(which: &WhichUpstream) -> Result<(), Failure> {
    let mend = || format!("`conduit status {}` lists its upstreams", which.service);
    ServiceName::parse(&which.service)
        .map_err(|error| Failure { exit: Exit::Usage, ..Failure::of(&error) })?;
    UpstreamAddr::parse(&which.upstream)
        .map_err(|error| Failure { exit: Exit::Usage, ..Failure::of(&error) }.hint(mend()))?;
    Ok(())
}

fn told(verb: UpstreamVerb, reply: &UpstreamReply) -> String {
    let done = match (verb, reply.changed) {
        (UpstreamVerb::Admit, _) => "admitted",
        (UpstreamVerb::Drain, true) => "draining",
        (UpstreamVerb::Drain, false) => "draining already",
        (UpstreamVerb::Eject, true) => "ejected",
        (UpstreamVerb::Eject, false) => "ejected already",
    };
    let in_flight = reply.health.as_ref().map_or(0, |health| health.in_flight);
    let left = match verb {
        UpstreamVerb::Admit => String::new(),
        _ => format!(", {} in flight", counted(in_flight, "request")),
    };
    let UpstreamReply { upstream, service, generation, .. } = reply;
    format!("{upstream} of {service} {done}{left}, generation {generation}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Json;

    #[test]
    fn the_line_says_what_was_done_and_what_goes_on() {
        let reply = |changed| UpstreamReply {
            generation: 7,
            changed,
            service: "web".into(),
            upstream: "10.0.1.50:3000".into(),
            health: None,
            note: None,
        };
        for (verb, changed, expected) in [
            (UpstreamVerb::Drain, true, "draining, 0 requests in flight"),
            (UpstreamVerb::Drain, false, "draining already, 0 requests in flight"),
            (UpstreamVerb::Eject, true, "ejected, 0 requests in flight"),
            (UpstreamVerb::Admit, true, "admitted"),
        ] {
            let line = format!("10.0.1.50:3000 of web {expected}, generation 7\n");
            assert_eq!(told(verb, &reply(changed)), line);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_mend() {
        for (service, upstream, mend) in [
            ("web", "10.0.1.50", "conduit status web"),
            ("web", "nonsense:x", "conduit status web"),
            ("not a name", "10.0.1.50:3000", "use letters"),
        ] {
            let (service, upstream) = (service.to_owned(), upstream.to_owned());
            let which = WhichUpstream { service, upstream, output: Json::default() };
            let failure = check(&which).expect_err("refused");
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.to_string().contains(mend), "{failure}");
        }
    }
}

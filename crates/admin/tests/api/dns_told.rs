//! The query log and why a name is answered as it is, through the API.

use conduit_api::client::QueryFilter;
use conduit_api::error::ClientError;
use conduit_api::v1::dns::AddRecord;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::Role;
use conduit_api::v1::why::{WhyReply, WhyStep};

use crate::gateway::Gateway;

fn status<T: std::fmt::Debug>(result: Result<T, ClientError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(ClientError::Api { status, .. }) => status,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn queries_are_listed_as_asked_for() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let some = |text: &str| Some(text.to_owned());
    let all = QueryFilter::default();
    let list = client.dns_queries(&all).await.expect("a list").value;
    assert_eq!((&*list.logged, list.sample, &*list.clients), ("all", 1.0, "full"));
    assert_eq!((&*list.output, list.lost, list.last), ("memory", 3, 4));
    for (filter, expected) in [
        (all.clone(), &[4, 3, 2, 1][..]),
        (QueryFilter { limit: Some(2), ..all.clone() }, &[4, 3]),
        (QueryFilter { after: Some(3), ..all.clone() }, &[4]),
        (QueryFilter { name: some("WEB"), ..all.clone() }, &[2, 1]),
        (QueryFilter { client: some("10.0.1."), ..all.clone() }, &[4, 3, 1]),
        (QueryFilter { outcome: some("nxdomain"), ..all.clone() }, &[3]),
        (QueryFilter { outcome: some("noerror"), ..all.clone() }, &[2, 1]),
        (QueryFilter { outcome: some("nobody"), ..all.clone() }, &[4]),
        (QueryFilter { outcome: some("cache"), ..all.clone() }, &[]),
    ] {
        let found = client.dns_queries(&filter).await.expect("a list").value.queries;
        let found: Vec<u64> = found.iter().filter_map(|query| query.sequence).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    for limit in [0, 1_001] {
        let filter = QueryFilter { limit: Some(limit), ..all.clone() };
        assert_eq!(status(client.dns_queries(&filter).await), 422, "{limit}");
    }
}

#[tokio::test]
async fn who_asks_for_what_is_not_for_everybody() {
    let gateway = Gateway::start();
    for (role, expected) in [
        (Role::Viewer, 403),
        (Role::CaOfficer, 403),
        (Role::Operator, 200),
        (Role::Auditor, 200),
        (Role::Admin, 200),
    ] {
        let client = gateway.with_token(&gateway.token(role).await);
        let queries = client.dns_queries(&QueryFilter::default()).await;
        assert_eq!(status(queries), expected, "{role:?}");
        let why = client.why("web.internal", "A", None, false).await;
        assert_eq!(status(why), expected, "{role:?}");
    }
}

/// The step of this kind.
fn step<'a>(reply: &'a WhyReply, kind: &str) -> &'a WhyStep {
    let found = reply.steps.iter().find(|step| step.step == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {:?}", reply.steps))
}

#[tokio::test]
async fn an_answer_is_explained_with_who_is_behind_it() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let web = RegisterService {
        name: "web".into(),
        upstreams: vec!["10.0.0.1:80".into()],
        ..RegisterService::default()
    };
    let token = gateway.token(Role::Operator).await;
    gateway.with_token(&token).register(&web).await.expect("registered");
    for (name, kind, data) in
        [("nas.internal", "A", "10.0.0.7"), ("files.internal", "CNAME", "nas.internal")]
    {
        let record =
            AddRecord { name: name.into(), record_type: kind.into(), data: data.into(), ttl: None };
        client.add_record(&record).await.expect("added");
    }
    let reply = client.why("Web.Internal.", "a", None, false).await.expect("told").value;
    assert_eq!(
        (&*reply.name, &*reply.record_type, &*reply.client),
        ("web.internal", "A", "127.0.0.1")
    );
    let host = step(&reply, "service");
    assert_eq!(host.service.as_deref(), Some("web"));
    assert_eq!(host.data.first().map(String::as_str), Some("127.0.0.1"));
    let by = format!("token:{}", token.name);
    assert_eq!(host.added_by.as_deref(), Some(by.as_str()));
    assert!(host.text.ends_with(&format!(" by {by}")), "{}", host.text);
    assert_eq!(
        (reply.answer.status.as_deref(), reply.answer.authoritative),
        (Some("NOERROR"), true)
    );
    assert!(reply.asked.is_none());

    let reply = client.why("files.internal", "A", None, false).await.expect("told").value;
    let alias = step(&reply, "alias");
    assert_eq!(
        (alias.target.as_deref(), alias.source.as_deref()),
        (Some("nas.internal"), Some("record"))
    );
    let record = step(&reply, "record");
    assert_eq!((record.data.as_slice(), record.seconds), (&["10.0.0.7".to_owned()][..], Some(30)));
    assert!(record.added_by.is_some() && record.added_at.is_some(), "{record:?}");
    assert_eq!(reply.answer.records.len(), 2);

    let reply = client.why("example.com", "A", Some("203.0.113.9"), false).await;
    let reply = reply.expect("told").value;
    assert_eq!((&*reply.client, step(&reply, "access").allowed), ("203.0.113.9", Some(false)));
    assert_eq!(reply.answer.text, "REFUSED: the client may not ask that");
    let reply = client.why("example.com", "A", None, false).await.expect("told").value;
    step(&reply, "no_forwarder");
    assert_eq!(reply.answer.text, "NXDOMAIN: there is no such name");

    for (name, kind, whom) in
        [("a..b", "A", None), ("web.internal", "AX", None), ("web.internal", "A", Some("me"))]
    {
        assert_eq!(
            status(client.why(name, kind, whom, false).await),
            422,
            "{name} {kind} {whom:?}"
        );
    }
    // The gateway of these tests cannot ask itself, and says so.
    assert_eq!(status(client.why("web.internal", "A", None, true).await), 422);
}

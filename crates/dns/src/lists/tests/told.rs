//! What the query log and a look at a name tell of lists and hosts files.

use std::fs;

use conduit_core::catalog::Catalog;

use super::*;
use crate::fuzzing::version;
use crate::query_log::settings::{Logged, QueryLogSettings};
use crate::query_log::{Noted, Order, QueryLog};
use crate::why::{Asking, why};
use crate::zone::ZoneSettings;

const HOSTS: &str = "10.0.0.5 nas.internal printer.lan\n\nfd00::5 nas.internal\n";

/// Lists with a hosts file, and the zone that has its names.
struct Scene {
    policy: Policy,
    zone: Arc<Zone>,
    hosts: String,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hosts");
        fs::write(&path, HOSTS).expect("written");
        let rpz = "drop.example CNAME rpz-drop.\nsafe.example CNAME nas.internal.\n\
                   out.example CNAME elsewhere.example.\ntcp.example CNAME rpz-tcp-only.";
        let all = vec![
            list("good", Kind::Allow, "ok.ads.example"),
            block("# theirs\nads.example"),
            ListSource { format: Format::Rpz, ..list("policy", Kind::Block, rpz) },
        ];
        let settings = ListSettings { hosts_files: vec![path.clone()], ..settings(all) };
        let domains = settings.domains.clone();
        let lists = Lists::new(settings);
        let compiled = Zone::compile(&Catalog::default(), version(1), &ZoneSettings::new(domains));
        let (writer, zone) = ZoneWriter::start(compiled);
        lists.attach(writer);
        Self {
            policy: Policy { lists, ..Policy::default() },
            zone: zone.load_full(),
            hosts: path.display().to_string(),
            _directory: directory,
        }
    }

    fn asker() -> Asker {
        Asker {
            peer: "10.0.0.9:4000".parse().expect("valid"),
            local: Local::of([10, 0, 0, 1].into()),
            transport: Transport::Udp,
        }
    }

    /// The source and the entry of a line of the log.
    fn logged(&self, name: &str, rtype: RecordType) -> (&'static str, Option<String>) {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
        let request = &message.to_vec().expect("encodes");
        let on = QueryLogSettings { logged: Logged::All, ..QueryLogSettings::default() };
        let (log, queries) = QueryLog::new(&on);
        let Asker { peer, local, transport } = Self::asker();
        let (log, watch, lists) = (&log, log.watch().expect("on"), &self.policy.lists);
        let noted = Noted { watch, log, request, peer, transport, lists };
        match respond(request, &Self::asker(), &self.zone, &self.policy) {
            Reply::Send(encoded) => noted.answered(&encoded, &self.zone, local),
            Reply::Silence(reason) => noted.dropped(reason),
            other => panic!("{name}: {other:?}"),
        }
        match queries.ready() {
            Some(Order::Write(query)) => {
                let line = query.line();
                (line.source.as_str(), line.list)
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The steps that tell of lists, each with its word.
    fn steps(&self, name: &str, rtype: RecordType) -> Vec<String> {
        let Asker { peer, local, .. } = Self::asker();
        let name = Name::from_ascii(name).expect("valid");
        let asking = Asking { name, rtype, client: peer.ip(), local };
        let steps = why(&asking, &self.zone, &self.policy).steps.into_iter();
        let words = ["record", "reverse", "hosts", "list", "screened", "no_forwarder"];
        let told = steps.filter(|step| words.contains(&step.word()));
        told.map(|step| format!("{}: {step}", step.word())).collect()
    }
}

#[test]
fn the_log_tells_which_list_answered() {
    let scene = Scene::new();
    let hosts = |rest: &str| Some(format!("{}, {rest}", scene.hosts));
    for (name, rtype, source, list) in [
        ("nas.internal.", RecordType::A, "hosts", hosts("lines 1, 3")),
        ("5.0.0.10.in-addr.arpa.", RecordType::PTR, "hosts", hosts("lines 1, 3")),
        ("printer.lan.", RecordType::A, "hosts", hosts("line 1: printer.lan")),
        ("printer.lan.", RecordType::TXT, "hosts", hosts("line 1: printer.lan")),
        ("x.ads.example.", RecordType::A, "list", Some("ads, line 2: ads.example".into())),
        ("drop.example.", RecordType::A, "list", Some("policy, line 1: drop.example".into())),
        ("safe.example.", RecordType::A, "list", Some("policy, line 2: safe.example".into())),
        ("tcp.example.", RecordType::A, "list", Some("policy, line 4: tcp.example".into())),
        // Nobody is asked, and no list says so.
        ("ok.ads.example.", RecordType::A, "nobody", None),
        ("other.example.", RecordType::A, "nobody", None),
    ] {
        assert_eq!(scene.logged(name, rtype), (source, list), "{name} {rtype}");
    }
}

#[test]
fn a_look_tells_which_list_has_the_say_and_counts_nothing() {
    let scene = Scene::new();
    let file = &scene.hosts;
    let hits = || -> u64 { scene.policy.lists.status().iter().map(|list| list.hits).sum() };
    let before = hits();
    let nobody = "no_forwarder: there are no forwarders (dns.forwarders), so that others' names do not exist";
    for (name, rtype, expected) in [
        (
            "nas.internal.",
            RecordType::A,
            vec![format!("record: nas.internal has A 10.0.0.5 for 30 s, from {file}, lines 1, 3")],
        ),
        (
            "5.0.0.10.in-addr.arpa.",
            RecordType::PTR,
            vec![format!("reverse: 10.0.0.5 is of nas.internal, from {file}, lines 1, 3")],
        ),
        (
            "printer.lan.",
            RecordType::A,
            vec![format!("hosts: {file}, line 1, has printer.lan: it has 10.0.0.5, and nobody is asked")],
        ),
        (
            "x.ads.example.",
            RecordType::A,
            vec!["list: ads, line 2, has ads.example: it is said not to exist, and nobody is asked".into()],
        ),
        (
            "ok.ads.example.",
            RecordType::A,
            vec![
                "list: good, line 1, has ok.ads.example: it is allowed, whatever other lists say".into(),
                nobody.into(),
            ],
        ),
        (
            "drop.example.",
            RecordType::A,
            vec!["list: policy, line 1, has drop.example: it gets no reply".into()],
        ),
        (
            "safe.example.",
            RecordType::A,
            vec![
                "list: policy, line 2, has safe.example: it is an alias of nas.internal, which is looked up next".into(),
                format!("record: nas.internal has A 10.0.0.5 for 30 s, from {file}, lines 1, 3"),
            ],
        ),
        (
            "out.example.",
            RecordType::A,
            vec![
                "list: policy, line 3, has out.example: it is an alias of elsewhere.example, which is looked up next".into(),
                nobody.into(),
            ],
        ),
        ("other.example.", RecordType::A, vec![nobody.into()]),
    ] {
        assert_eq!(scene.steps(name, rtype), expected, "{name} {rtype}");
    }
    assert_eq!(hits(), before);
}

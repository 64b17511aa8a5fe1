//! Hosts files and lists: from the file to the query, to what is told about it, and to the file's change.

use std::time::Duration;

use conduit_tests::{Gateway, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn names_of_hosts_files_are_listed_in_parts_as_they_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    let names = ["a", "a-b", "a.b", "a0", "b", "web", "z"];
    let lines: Vec<String> = (1..4)
        .flat_map(|last| names.map(|name| format!("10.0.0.{last} {name}.internal\n")))
        .collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let record = "records = [{ name = \"a.internal\", type = \"MX\", data = \"10 b.internal\" }]";
    let gateway =
        Gateway::start_with(&format!("[dns]\nhosts_files = [{:?}]\n{record}", path.display()))
            .await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let whole = gateway.api.dns().await.expect("a list").value;
    assert_eq!(whole.hosts_left_out, 0);
    assert_eq!(whole.entries.iter().filter(|entry| entry.source == "hosts").count(), 18);
    for limit in [1, 2, 5, 100] {
        let (mut entries, mut after) = (Vec::new(), None);
        loop {
            let part = gateway.api.dns_part(limit, after.as_deref()).await.expect("a part").value;
            assert!(part.entries.len() <= limit as usize);
            entries.extend(part.entries);
            after = part.next_after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(entries, whole.entries, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_hosts_files_answer_and_follow_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let hosts =
        write("hosts", "10.0.0.5 nas.internal\n10.0.0.6 web.internal\n10.0.0.7 far.example\nx y\n");
    let ads = write("ads.txt", "ads.example\n*.tracker.example\nweb.internal\n");
    let gateway = Gateway::start_with(&format!(
        "[dns]\nhosts_files = [{hosts:?}]\n[[dns.lists]]\nfile = {ads:?}\n\
         [[dns.lists]]\nname = \"good\"\nkind = \"allow\"\nlines = [\"ok.ads.example\"]\n\
         [[dns.lists]]\nname = \"garden\"\nlines = [\"walled.example\"]\nanswer = \"web.internal\""
    ))
    .await;
    let upstream = Upstream::start("web").await;
    gateway
        .register("web", &[&upstream.host()])
        .await
        .expect("a hosts file takes no service's name");
    for (name, kind, status, first, list) in [
        ("nas.internal", "A", "NOERROR", Some("10.0.0.5"), None),
        ("5.0.0.10.in-addr.arpa", "PTR", "NOERROR", Some("nas.internal."), None),
        ("web.internal", "A", "NOERROR", Some("127.0.0.1"), None),
        (
            "far.example",
            "A",
            "NOERROR",
            Some("10.0.0.7"),
            Some(format!("{hosts}, line 3: far.example")),
        ),
        ("far.example", "AAAA", "NOERROR", None, Some(format!("{hosts}, line 3: far.example"))),
        (
            "7.0.0.10.in-addr.arpa",
            "PTR",
            "NOERROR",
            Some("far.example."),
            Some(format!("{hosts}, line 3: 7.0.0.10.in-addr.arpa")),
        ),
        ("a.ads.example", "A", "NXDOMAIN", None, Some("ads, line 1: ads.example".to_owned())),
        ("ok.ads.example", "A", "NXDOMAIN", None, Some("good, line 1: ok.ads.example".to_owned())),
        (
            "walled.example",
            "A",
            "NOERROR",
            Some("web.internal."),
            Some("garden, line 1: walled.example".to_owned()),
        ),
        ("plain.example", "A", "NXDOMAIN", None, None),
    ] {
        let reply = gateway.api.resolve(name, kind).await.expect("answered").value;
        let value = reply.answers.first().map(|record| record.value.as_str());
        assert_eq!(
            (reply.status.as_str(), value, reply.list),
            (status, first, list),
            "{name} {kind}"
        );
    }
    let told = gateway.api.dns_lists().await.expect("told").value;
    let figures: Vec<(&str, &str, u64, u64)> = told
        .lists
        .iter()
        .map(|list| (list.name.as_str(), list.kind.as_str(), list.entries, list.skipped))
        .collect();
    assert_eq!(
        figures,
        [
            (hosts.as_str(), "hosts", 2, 1),
            ("ads", "block", 2, 1),
            ("good", "allow", 1, 0),
            ("garden", "block", 1, 0)
        ]
    );
    assert_eq!(told.lists[1].skipped_lines[0].line, 3, "ours is never blocked");
    assert_eq!(told.passed_over, ["web.internal"]);
    let listed = gateway.api.dns().await.expect("listed").value.entries;
    let sources: Vec<&str> = listed
        .iter()
        .filter(|entry| ["nas.internal", "web.internal"].contains(&entry.domain.as_str()))
        .map(|entry| entry.source.as_str())
        .collect();
    assert_eq!(sources, ["hosts", "service"]);

    let sources = gateway.api.dns_sources().await.expect("told").value;
    let zone = sources.zones.iter().find(|zone| zone.name == "internal").expect("ours");
    assert_eq!((zone.services, zone.records, zone.config, zone.hosts), (1, 0, 0, 1));
    assert_eq!((sources.lists.len(), &sources.passed_over), (4, &told.passed_over));
    assert!(!sources.mdns.enabled && sources.secondaries.keys.is_empty());
    for (name, step, source, entry) in [
        ("a.ads.example", "list", None, "ads, line 1: ads.example".to_owned()),
        ("far.example", "hosts", None, format!("{hosts}, line 3: far.example")),
        ("nas.internal", "record", Some("hosts"), format!("{hosts}, line 1")),
    ] {
        let why = gateway.api.why(name, "A", None, false).await.expect("told").value;
        let found = why.steps.iter().find(|found| found.step == step).expect("such a step");
        assert_eq!((found.source.as_deref(), &found.lists), (source, &vec![entry]), "{name}");
    }

    // Another file in its place: known without anybody's doing.
    std::fs::write(directory.path().join("next"), "plain.example\n").unwrap();
    std::fs::rename(directory.path().join("next"), &ads).unwrap();
    let follows = async {
        loop {
            let reply = gateway.api.resolve("plain.example", "A").await.expect("answered").value;
            if reply.list.is_some() {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(30), follows).await.expect("in time");
    assert_eq!(reply.list.as_deref(), Some("ads, line 1: plain.example"));
    let old = gateway.api.resolve("a.ads.example", "A").await.expect("answered").value;
    assert_eq!(old.list, None, "the old list is gone as a whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_file_moves_the_serial() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    std::fs::write(&path, "10.0.0.5 nas.internal\n").unwrap();
    let gateway =
        Gateway::start_with(&format!("[dns]\nhosts_files = [{:?}]", path.display().to_string()))
            .await;
    let serial = async || {
        let sources = gateway.api.dns_sources().await.expect("told").value;
        sources.zones.first().expect("a zone").serial
    };
    let before = serial().await;
    std::fs::write(&path, "10.0.0.6 nas.internal\n").unwrap();
    let moves = async {
        loop {
            let now = serial().await;
            if now != before {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(30), moves).await.expect("in time");
    assert_eq!(after, before + 1);
    let reply = gateway.api.resolve("nas.internal", "A").await.expect("answered").value;
    assert_eq!(reply.answers[0].value, "10.0.0.6", "what the serial tells of is there");
}

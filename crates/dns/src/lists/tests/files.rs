//! Lists whose files change, and names of ours in hosts files.

use std::fs;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::name::ServiceName;
use conduit_core::service::DnsMode;

use super::*;
use crate::answer::Answer;
use crate::fuzzing::{service, version};
use crate::lists::loader::Loader;
use crate::zone::ZoneSettings;

fn entries(lists: &live::Reader<Table>) -> (usize, Option<String>) {
    let table = lists.load_full();
    (table.slots[0].list.entries.len(), table.slots[0].error.clone())
}

#[test]
fn a_changed_file_is_read_once_it_stands_still_and_a_lost_one_keeps_what_it_held() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ads.txt");
    fs::write(&path, "a.example\n").expect("written");
    let source = ListSource { place: Place::File(path.clone()), ..block("") };
    let (mut loader, table) = Loader::start(settings(vec![source]));
    assert_eq!(entries(&table), (1, None));
    loader.poll();
    assert_eq!(entries(&table), (1, None));

    fs::write(&path, "a.example\nb.example\n").expect("written");
    loader.poll();
    assert_eq!(entries(&table).0, 1, "it may still be written");
    loader.poll();
    assert_eq!(entries(&table), (2, None));

    // Another file in its place, as editors and downloads do it.
    let next = directory.path().join("next");
    fs::write(&next, "a.example\nb.example\nc.example\n").expect("written");
    fs::rename(&next, &path).expect("renamed");
    (0..2).for_each(|_| loader.poll());
    assert_eq!(entries(&table), (3, None));

    fs::remove_file(&path).expect("removed");
    (0..2).for_each(|_| loader.poll());
    let (kept, error) = entries(&table);
    assert_eq!(kept, 3);
    assert!(error.expect("told").contains("No such file"));

    fs::write(&path, "d.example\n").expect("written");
    (0..2).for_each(|_| loader.poll());
    assert_eq!(entries(&table), (1, None));
}

#[test]
fn a_list_that_was_never_there_is_told_and_blocks_nothing() {
    let missing = PathBuf::from("/nonexistent/ads.txt");
    let directory = PathBuf::from("/");
    for path in [missing, directory] {
        let source = ListSource { place: Place::File(path), ..block("") };
        let policy = lists(vec![source]);
        let status = policy.lists.status();
        assert_eq!((status[0].entries, status[0].loaded_at), (0, None));
        assert!(status[0].error.is_some());
        assert_eq!(told(&policy, "a.example.", RecordType::A), "NXDomain");
    }
}

#[tokio::test]
async fn hits_go_on_when_lists_are_configured_again() {
    let policy = lists(vec![block("a.example")]);
    ask(&policy, "a.example.", RecordType::A);
    let next = settings(vec![list("new", Kind::Allow, "b.example"), block("a.example\nc.example")]);
    policy.lists.refresh(next).await;
    let told: Vec<(String, u64, usize)> =
        policy.lists.status().into_iter().map(|s| (s.name, s.hits, s.entries)).collect();
    assert_eq!(told, [("new".to_owned(), 0, 1), ("ads".to_owned(), 1, 2)]);
}

#[test]
fn lines_that_are_no_text_or_too_long_are_skipped() {
    let source = block("");
    let domains = settings(Vec::new()).domains;
    let mut bytes = b"\xef\xbb\xbfa.example\r\n\xff\xfe\nb.example\n".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 70_000));
    bytes.extend_from_slice(b"\nc.example");
    let list = load::List::of(&source, &domains, &bytes);
    assert_eq!((list.entries.len(), list.skipped.count), (3, 2));
    let lines: Vec<u32> = list.skipped.first.iter().map(|line| line.line).collect();
    assert_eq!(lines, [2, 4]);
}

#[test]
fn what_comments_say_makes_no_list_a_policy_zone() {
    let domains = settings(Vec::new()).domains;
    let entries = |text: &str| {
        let list = load::List::of(&block(""), &domains, text.as_bytes());
        (list.entries.len(), list.skipped.count)
    };
    for text in [
        "! Title: AdGuard CNAME original trackers list\n||a.example^\n||b.example^\n",
        "0.0.0.0 a.example # a CNAME of b.example\n0.0.0.0 b.example\n",
        "# SOA\na.example # seen as CNAME\nb.example\n",
        "; a policy zone, downloaded today\n; SOA\n\n$TTL 60\n@ SOA a. b. 1 2 3 4 5\n\
         a.example CNAME .\nb.example IN CNAME . ; both\n",
    ] {
        assert_eq!(entries(text), (2, 0), "{text}");
    }
}

#[test]
fn a_hosts_file_that_blocks_may_be_as_large_as_a_list() {
    let domains = settings(Vec::new()).domains;
    let count = 200_001;
    let text: String = (0..count).map(|number| format!("0.0.0.0 ads{number}.example\n")).collect();
    let source = ListSource { format: Format::Hosts, ..list("hosts", Kind::Hosts, "") };
    let list = load::List::of(&source, &domains, text.as_bytes());
    assert_eq!((list.entries.len(), list.skipped.count, list.data.len()), (count, 0, 0));
}

#[test]
fn a_policy_zone_that_breaks_off_is_told() {
    let domains = settings(Vec::new()).domains;
    let text =
        "@ SOA a. b. 1 2 3 4 5\na.example CNAME .\nb.example TXT ( \"x\"\nc.example CNAME .\n";
    let list = load::List::of(&block(""), &domains, text.as_bytes());
    assert_eq!((list.entries.len(), list.skipped.count), (1, 1));
    let line = &list.skipped.first[0];
    assert_eq!((line.line, line.reason), (3, "the record between parentheses does not end"));
}

#[test]
fn names_of_ours_in_hosts_files_are_the_zones_and_never_over_a_service() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hosts");
    let text = "10.0.0.5 nas.internal nas.lan\n10.0.0.6 web.internal\n10.0.0.7 conduit.internal\n";
    fs::write(&path, text).expect("written");
    let settings = ListSettings { hosts_files: vec![path], ..settings(Vec::new()) };
    let domains = settings.domains.clone();
    let (mut loader, table) = Loader::start(settings.clone());
    let zone_settings = ZoneSettings::new(domains);
    let catalog = Catalog::default();
    let (writer, zone) = ZoneWriter::start(Zone::compile(&catalog, version(1), &zone_settings));
    loader.attach(writer.clone());
    assert_eq!(table.load().slots[0].list.skipped.count, 1, "conduit.internal is a route of ours");
    assert_eq!(ListStatus::of(&table.load().slots[0]).own, 2);

    let local = Local::of([10, 0, 0, 1].into());
    let at = |name: &str, rtype| {
        let zone = zone.load_full();
        let name = Name::from_ascii(name).expect("valid");
        match zone.answer(&name, rtype, &local) {
            Answer::Records(set) => crate::reply::records_of(&name, &set, 0)
                .iter()
                .map(|r| r.data.to_string())
                .collect(),
            Answer::NoData(_) => "nodata".to_owned(),
            Answer::NxDomain(_) => "nxdomain".to_owned(),
            other => format!("{other:?}"),
        }
    };
    let first = zone.load().serial();
    assert_eq!(at("nas.internal.", RecordType::A), "10.0.0.5");
    assert_eq!(at("nas.internal.", RecordType::MX), "nodata");
    assert_eq!(at("5.0.0.10.in-addr.arpa.", RecordType::PTR), "nas.internal.");

    // A service takes the name, whenever the change was prepared.
    let web = service("web", &["web.internal"], &["10.0.1.1:80"], DnsMode::Direct);
    let prepared = writer.current().with(&[Change::Put(Arc::new(web))], version(2));
    fs::write(&settings.hosts_files[0], "10.0.0.8 nas.internal\n10.0.0.6 web.internal\n")
        .expect("written");
    (0..2).for_each(|_| loader.poll());
    writer.publish(Arc::new(prepared));
    assert_eq!(at("web.internal.", RecordType::A), "10.0.1.1");
    assert_eq!(at("nas.internal.", RecordType::A), "10.0.0.8");
    assert_eq!(zone.load().serial(), first + 2, "of the registry and of hosts files");
    let passed_over: Vec<String> =
        zone.load().hosts_passed_over().map(ToString::to_string).collect();
    assert_eq!(passed_over, ["web.internal"]);

    let gone = [Change::Drop(ServiceName::parse("web").expect("valid"))];
    writer.publish(Arc::new(writer.current().with(&gone, version(3))));
    assert_eq!(at("web.internal.", RecordType::A), "10.0.0.6");
    fs::write(&settings.hosts_files[0], "").expect("written");
    (0..2).for_each(|_| loader.poll());
    assert_eq!(at("web.internal.", RecordType::A), "nxdomain");
    assert_eq!(Generation(3), zone.load().version().generation);
}

#[test]
fn lines_that_move_change_nothing_that_is_published() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hosts");
    fs::write(&path, "10.0.0.5 nas.internal\n").expect("written");
    let settings = ListSettings { hosts_files: vec![path.clone()], ..settings(Vec::new()) };
    let (mut loader, _table) = Loader::start(settings.clone());
    let compiled =
        Zone::compile(&Catalog::default(), version(1), &ZoneSettings::new(settings.domains));
    let before = compiled.serial();
    let (writer, zone) = ZoneWriter::start(compiled);
    loader.attach(writer);
    let places = || zone.load_full().hosts().places("nas.internal");
    assert_eq!((zone.load().serial(), places()), (before + 1, vec![at(&path, "line 1")]));
    fs::write(&path, "# first\n10.0.0.5 nas.internal\nfd00::5 nas.internal\n").expect("written");
    (0..2).for_each(|_| loader.poll());
    assert_eq!((zone.load().serial(), places()), (before + 2, vec![at(&path, "lines 2, 3")]));
    fs::write(&path, "10.0.0.5 nas.internal\n# second\nfd00::5 nas.internal\n").expect("written");
    (0..2).for_each(|_| loader.poll());
    assert_eq!((zone.load().serial(), places()), (before + 2, vec![at(&path, "lines 1, 3")]));
}

fn at(path: &std::path::Path, lines: &str) -> String {
    format!("{}, {lines}", path.display())
}

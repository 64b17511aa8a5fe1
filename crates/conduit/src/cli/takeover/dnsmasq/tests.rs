//! dnsmasq's configuration, line by line.

use conduit_dns::lists::settings::Place;

use super::*;
use crate::config::{Config, Surroundings};

fn found(text: &str) -> Found {
    let mut found = Found::new(vec!["internal".into(), "lab.internal".into()]);
    let lines = Lines::of("dnsmasq.conf", text.to_owned());
    read(&lines, Path::new("dnsmasq.conf"), &mut found);
    found
}

fn records(text: &str) -> Vec<String> {
    let found = found(text);
    let shown = found.records.iter().map(|(place, record)| {
        let ttl = record.ttl.map(|ttl| format!(" {ttl}")).unwrap_or_default();
        format!("{} {}{ttl} {} {}", place.line, record.name, record.record_type, record.data)
    });
    shown.collect()
}

#[test]
fn names_of_ours_become_records() {
    let text = "# comment\n\
        address=/app.internal/10.0.0.1\n\
        host-record=nas.internal,nas.lab.internal,10.0.0.5,fd00::5,300\n\
        cname=www.internal,w.internal,nas.internal,60\n\
        mx-host=internal,mail.internal,50\n\
        mx-host=lab.internal\n\
        srv-host=_pg._tcp.internal,db.internal,5432,1,2\n\
        srv-host=_ldap._tcp,db.internal,389\n\
        domain=lab.internal\n\
        txt-record=internal,\"v=spf1, a\",b # why\n\
        ptr-record=9.0.0.10.in-addr.arpa,nine.internal\n\
        caa-record=internal,0,issue,ca.internal\n\
        address=/*.wild.internal/10.0.0.2\n\
        address=/null.internal/#\n";
    assert_eq!(
        records(text),
        [
            "2 app.internal A 10.0.0.1",
            "2 *.app.internal A 10.0.0.1",
            "3 nas.internal 300 A 10.0.0.5",
            "3 nas.internal 300 AAAA fd00::5",
            "3 nas.lab.internal 300 A 10.0.0.5",
            "3 nas.lab.internal 300 AAAA fd00::5",
            "4 www.internal 60 CNAME nas.internal",
            "4 w.internal 60 CNAME nas.internal",
            "5 internal MX 50 mail.internal",
            "6 lab.internal MX 1 lab.internal",
            "7 _pg._tcp.internal SRV 1 2 5432 db.internal",
            "8 _ldap._tcp.lab.internal SRV 0 0 389 db.internal",
            "10 internal TXT \"v=spf1, a\" \"b\"",
            "11 9.0.0.10.in-addr.arpa PTR nine.internal",
            "12 internal CAA 0 issue \"ca.internal\"",
            "13 *.wild.internal A 10.0.0.2",
            "14 null.internal A 0.0.0.0",
            "14 *.null.internal A 0.0.0.0",
            "14 null.internal AAAA ::",
            "14 *.null.internal AAAA ::",
        ]
    );
}

#[test]
fn what_is_the_configurations_is_written_as_it_is_there() {
    let text = "no-resolv\nno-hosts\nserver=9.9.9.9\nserver=10.0.0.53#5353\n\
        server=/corp.example/sub.corp.example/10.0.0.2\nserver=/corp.example/10.0.0.3\nlocal=/lan/\n\
        rev-server=10.1.0.0/16,10.0.0.2\naddn-hosts=/etc/extra\nport=5300\n\
        listen-address=127.0.0.1,::1\ncache-size=10000\nneg-ttl=60\nmin-cache-ttl=5\nmax-cache-ttl=999999999\n\
        stop-dns-rebind\nrebind-domain-ok=/plex.direct/.example/\nbogus-nxdomain=192.0.2.1\n\
        address=/ads.example/\naddress=/far.example/10.0.0.9\nhost-record=one.example,10.0.0.8\n\
        cname=old.example,new.example\nuser=dnsmasq\n";
    let found = found(text);
    assert_eq!(found.left, [], "{:?}", found.left);
    // The way back from an address is the zone's, wherever the name is.
    let (_, back) = &found.records[0];
    assert_eq!((back.name.as_str(), back.data.as_str()), ("8.0.0.10.in-addr.arpa", "one.example"));
    assert_eq!(found.records.len(), 1);
    let toml = found.settings.toml();
    let expected: toml::Table = toml::from_str(
        "[dns]\nforwarders = [\"9.9.9.9\", \"10.0.0.53:5353\"]\nhosts_files = [\"/etc/extra\"]\n\
         rebind_allow = [\"plex.direct\", \"example\"]\nlisten = [\"127.0.0.1:5300\", \"[::1]:5300\"]\n\
         [[dns.forward]]\ndomains = [\"corp.example\"]\nto = [\"10.0.0.2\", \"10.0.0.3\"]\n\
         [[dns.forward]]\ndomains = [\"sub.corp.example\", \"10.1.0.0/16\"]\nto = [\"10.0.0.2\"]\n\
         [[dns.forward]]\ndomains = [\"lan\"]\nto = []\n\
         [dns.cache]\nsize = \"4000KB\"\nnegative_ttl = \"60s\"\nmin_ttl = \"5s\"\nmax_ttl = \"604800s\"\n\
         [[dns.lists]]\nname = \"imported-bogus\"\nformat = \"rpz\"\n\
         lines = [\"32.1.2.0.192.rpz-ip CNAME .\"]\n\
         [[dns.lists]]\nname = \"imported\"\nformat = \"dnsmasq\"\n\
         lines = [\"address=/ads.example/\", \"address=/far.example/10.0.0.9\"]\n\
         [[dns.lists]]\nname = \"imported-records\"\nformat = \"rpz\"\n\
         lines = [\"one.example. A 10.0.0.8\", \"old.example. CNAME new.example.\"]\n\
         [gateway]\nuser = \"dnsmasq\"\n",
    )
    .expect("valid");
    assert_eq!(toml::from_str::<toml::Table>(&toml).expect("valid"), expected, "{toml}");
}

#[test]
fn what_is_not_carried_over_is_told_with_its_line() {
    let text = "no-resolv\nno-hosts\nstop-dns-rebind\ndhcp-range=10.0.0.50,10.0.0.150\nexpand-hosts\n\
        interface=eth0\nserver=/ok.example/#\nserver=/web.internal/10.0.0.1\naddress=/#/10.0.0.1\n\
        naptr-record=x\nwhat-is-this\ncname=only\ndomain=lan\nserver=1.2.3.4@eth0\nconf-file=/nonexistent\n\
        bogus-priv\nhost-record=-bad-.internal,10.0.0.1\n";
    let found = found(text);
    let lines: Vec<usize> = found.left.iter().map(|left| left.place.line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17, 1], "{:#?}", found.left);
    assert_eq!(found.left[0].text, "dhcp-range=10.0.0.50,10.0.0.150");
    assert_eq!(found.left[7].reason, "this option is not known here");
    let domains =
        "[gateway]\ndomains = [\n    \"internal\",\n    \"lab.internal\",\n    \"lan\",\n]\n";
    assert_eq!(found.settings.toml(), domains);
}

#[test]
fn files_name_files_and_no_circle_is_endless() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let text = format!(
        "no-resolv\nno-hosts\nstop-dns-rebind\nconf-dir={},*.conf\nconf-file={}\n",
        path("d").display(),
        path("again").display()
    );
    fs::create_dir(path("d")).expect("made");
    fs::write(path("d/a.conf"), "host-record=a.internal,10.0.0.1\n").expect("written");
    fs::write(path("d/b.bak"), "host-record=b.internal,10.0.0.1\n").expect("written");
    fs::write(path("d/.c.conf"), "host-record=c.internal,10.0.0.1\n").expect("written");
    fs::write(path("again"), format!("conf-file={}\n", path("again").display())).expect("written");
    let found = found(&text);
    let names: Vec<&str> = found.records.iter().map(|(_, record)| record.name.as_str()).collect();
    assert_eq!(names, ["a.internal"]);
    assert!(found.records[0].0.file.ends_with("d/a.conf"));
    assert_eq!(found.left.len(), 1, "{:?}", found.left);
    assert_eq!(found.left[0].reason, "the file was read already");
}

#[test]
fn validation_is_taken_over_with_its_anchors() {
    let digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
    let text = format!(
        "no-resolv\nno-hosts\nstop-dns-rebind\ndnssec\ndnssec-check-unsigned\ntrust-anchor=.,20326,8,2,{digest}\n\
         trust-anchor=IN,Corp.Example,1,13,2,{digest}\nserver=/corp.example/10.0.0.2\nserver=/lan/10.0.0.3\n\
         trust-anchor=.,20326,8,1,00\ndnssec-no-timecheck\n"
    );
    let found = found(&text);
    let lines: Vec<usize> = found.left.iter().map(|left| left.place.line).collect();
    assert_eq!(lines, [10, 11], "{:#?}", found.left);
    let expected: toml::Table = toml::from_str(&format!(
        "[dns]\ndnssec = true\n\
         trust_anchors = [\". IN DS 20326 8 2 {digest}\", \"corp.example. IN DS 1 13 2 {digest}\"]\n\
         [[dns.forward]]\ndomains = [\"corp.example\"]\nto = [\"10.0.0.2\"]\n\
         [[dns.forward]]\ndomains = [\"lan\"]\nto = [\"10.0.0.3\"]\ndnssec = false\n"
    ))
    .expect("valid");
    let toml = found.settings.toml();
    assert_eq!(toml::from_str::<toml::Table>(&toml).expect("valid"), expected, "{toml}");
}

#[test]
fn comments_and_values_are_told_apart() {
    let text = "no-resolv   # a = b\nno-hosts # c\nstop-dns-rebind\ndomain=#\n\
        domain=part.lan,192.168.0.0/24\naddress=/.app.internal/10.0.0.1\nserver=/#/10.0.0.53\n\
        no-0x20-encode\nuse-stale-cache=0\nlocal-ttl=86400\ncache-size=18446744073709551615\n\
        cache-size=0\nlocalise-queries\ndhcp-host=00:11:22:33:44:55,nas,10.0.0.5\nserver=/#/\n";
    let found = found(text);
    let lines: Vec<usize> = found.left.iter().map(|left| left.place.line).collect();
    assert_eq!(lines, [4, 5, 12, 13, 14, 15], "{:#?}", found.left);
    let names: Vec<&str> = found.records.iter().map(|(_, record)| record.name.as_str()).collect();
    assert_eq!(names, ["app.internal", "*.app.internal"]);
    let expected: toml::Table = toml::from_str(
        "[dns]\nforwarders = [\"10.0.0.53\"]\nmixed_case = false\nttl = \"86400s\"\n\
         [dns.cache]\nserve_stale = \"604800s\"\nsize = \"1000000KB\"\n",
    )
    .expect("valid");
    let toml = found.settings.toml();
    assert_eq!(toml::from_str::<toml::Table>(&toml).expect("valid"), expected, "{toml}");
}

#[test]
fn a_file_that_is_named_has_the_domain_or_is_a_list_as_a_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let blocked = |count: usize| {
        let line = |number| format!("local=/a{number}.example/\naddress=/b{number}.example/#\n");
        (0..count).map(line).collect::<String>()
    };
    let domain = write("domain.conf", "domain=lan\n");
    let many = write("ads.conf", &(blocked(20_000) + "# the end\n"));
    let hosts = write("extra", "");
    let own = write("own.conf", &(blocked(100) + "address=/x.internal/0.0.0.0\n"));
    let few = write("few.conf", &blocked(1));
    let text = format!(
        "no-resolv\nno-hosts\nstop-dns-rebind\nconf-file={domain}\nconf-file={many}\nconf-file={own}\n\
         conf-file={few}\naddn-hosts={hosts}\naddn-hosts={}\n",
        directory.path().display()
    );
    let found = found(&text);
    let told: Vec<&str> = found.left.iter().map(|left| left.text.as_str()).collect();
    assert_eq!(told[1..], ["domain=lan"], "{:#?}", found.left);
    assert!(told[0].starts_with("addn-hosts="));
    let config: toml::Table = toml::from_str(&found.settings.toml()).expect("valid");
    let dns = config["dns"].as_table().expect("a table");
    assert_eq!(dns["hosts_files"].as_array().map(Vec::len), Some(5), "each once");
    let lists = dns["lists"].as_array().expect("lists");
    let expected = format!("name = \"ads\"\nformat = \"dnsmasq\"\nfile = {many:?}");
    assert_eq!(lists[0], Value::Table(toml::from_str(&expected).expect("valid")));
    // Of those where not every line is one of a list, line by line.
    assert_eq!(lists[1]["lines"].as_array().map(Vec::len), Some(100));
    let forwards = dns["forward"].as_array().expect("tables");
    let counts: Vec<Option<usize>> =
        forwards.iter().map(|table| table["domains"].as_array().map(Vec::len)).collect();
    assert_eq!(counts, [Some(64), Some(36)], "those of the same servers share a table");
}

#[test]
fn what_is_printed_keeps_to_the_limits_of_the_configuration() {
    let mut text = "no-resolv\nno-hosts\nstop-dns-rebind\n".to_owned();
    for number in 0..20_000 {
        text += &format!("server=/cn{number}.example/10.0.0.53\naddress=/b{number}.example/\n");
    }
    let found = found(&text);
    let config = Config::parse(&found.settings.toml(), &Surroundings::of_this_process());
    let dns = config.expect("a configuration").dns;
    assert_eq!(dns.forward.conditional.len(), 256);
    let Place::Lines(lines) = &dns.lists.lists[0].place else { panic!("lines") };
    assert_eq!(lines.len(), 10_000);
    let left = found.left.iter().filter(|left| left.text.starts_with("address=")).count();
    assert_eq!((left, found.left.len()), (10_000, 10_001));
    let names = found.left.last().expect("told");
    assert_eq!(names.text, "3616 names of server= or local=", "20,000 less 256 times 64");
}

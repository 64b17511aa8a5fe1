//! What is refused and where it says it is; what wins; and that the shipped files are true.

mod refused;

use std::collections::BTreeMap;

use self::refused::REFUSED;

use super::{Config, ConfigError, Source, Surroundings};

fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
    let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Surroundings {
        root: false,
        home: Some("/home/ops".into()),
        working_dir: "/srv".into(),
        variables: pairs.collect::<BTreeMap<_, _>>(),
    }
}

fn judged(text: &str, env_text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let source = Source::new(None, surroundings(variables));
    let path = Some("conduit.toml".into());
    source.judge(path, text, env_text).map(|loaded| loaded.config)
}

fn parsed(text: &str) -> Config {
    judged(text, "", &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    judged(text, "", &[]).expect_err(text).to_string()
}

#[test]
fn the_shipped_file_equals_the_defaults_and_is_complete() {
    let shipped = include_str!("../../../../config/conduit.toml");
    let defaults = Config::defaults(&surroundings(&[]));
    assert_eq!(parsed(shipped), defaults);
    for line in defaults.show().lines().filter(|line| !line.is_empty()) {
        let key = line.split(" = ").next().unwrap_or(line);
        let there = shipped.lines().any(|l| l == line || l.starts_with(&format!("{key} = ")));
        assert!(there, "{line} is not in config/conduit.toml");
    }
}

#[test]
fn the_quickstart_needs_no_privileges() {
    let config = parsed(include_str!("../../../../config/quickstart.toml"));
    assert_eq!(config.gateway.state_dir.to_str(), Some("/srv/.conduit"));
    assert_eq!(config.admin.socket.to_str(), Some("/srv/.conduit/conduit.sock"));
    assert_eq!(config.dns.listen[0].to_string(), "127.0.0.1:1053");
    assert_eq!(config.proxy.https_listen[0].to_string(), "127.0.0.1:8443");
    assert_eq!(config.proxy.http_listen[0].to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9999");
}

#[test]
fn problems_have_a_place_a_key_and_a_reason() {
    for (text, expected) in REFUSED {
        let report = refused(text);
        assert!(report.contains(expected), "{text}\n{report}\nexpected {expected}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let report = refused("[dns]\nttl = \"x\"\nlisten = [\"y\"]\n[health]\ninterval = 0\n");
    assert_eq!(report.lines().count(), 3, "{report}");
}

#[test]
fn two_listeners_on_one_address_are_refused() {
    for text in [
        "[admin]\nlisten = \"127.0.0.1:443\"\n",
        "[proxy]\nhttps_listen = [\"127.0.0.1:80\", \"127.0.0.1:80\"]\nhttp_listen = []\n",
        "[dns]\nlisten = [\"0.0.0.0:443\"]\n",
        "[dns]\nlisten = [\"auto:9999\"]\n",
    ] {
        let report = refused(text);
        assert!(report.contains("is taken by"), "{text}\n{report}");
        assert!(report.contains("conduit.toml:"), "{text}\n{report}");
    }
    for text in [
        "[admin]\nlisten = \"127.0.0.1:443\"\n[proxy]\nenabled = false\n",
        "[admin]\nlisten = \"127.0.0.1:443\"\n[tls]\nenabled = false\n",
        "[dns]\nlisten = [\"auto:53\", \"203.0.113.5:53\"]\n",
        "[dns]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n",
    ] {
        parsed(text);
    }
}

#[test]
fn the_environment_wins_over_its_file_and_both_over_the_configuration() {
    let text = "[health]\ninterval = \"10s\"\n[log]\nlevel = \"warn\"\n[dns]\nlisten = [\"127.0.0.1:53\"]\n";
    let env = "# comment\nexport CONDUIT_HEALTH_INTERVAL='15' # seconds\nCONDUIT_LOG=\"debug\"\nnonsense\n";
    let config = judged(text, env, &[("CONDUIT_HEALTH_INTERVAL", "20")]).expect("legal");
    assert_eq!(config.health.interval.as_secs(), 20);
    assert_eq!(config.log.level, "debug");
    let config = judged(text, env, &[]).expect("legal");
    assert_eq!(config.health.interval.as_secs(), 15);
    assert_eq!(parsed(text).health.interval.as_secs(), 10);
}

#[test]
fn another_dns_server_of_this_machine_can_be_a_forwarder() {
    let text = "[gateway]\naddresses = [\"10.0.0.9\"]\n[dns]\nforwarders = [\"10.0.0.9:5353\"]\n";
    assert_eq!(parsed(text).dns.forward.forwarders.len(), 1);
}

#[test]
fn every_variable_reaches_its_key() {
    let config = judged(
        "[dns]\nlisten = [\"auto:53\", \"127.0.0.9:53\"]\nforwarders = [\"10.0.0.1\"]\n",
        "",
        &[
            ("CONDUIT_APP_NAME", "lab"),
            ("CONDUIT_DOMAIN", "clinic.lan"),
            ("CONDUIT_DNS_PORT", "1053"),
            ("CONDUIT_DNS_UPSTREAM", "127.0.0.1"),
            ("CONDUIT_CADDY_HTTPS_PORT", "7443"),
            ("CONDUIT_HTTPS_PORT", "8443"),
            ("CONDUIT_HTTP_PORT", "8080"),
            ("CONDUIT_HEALTH_INTERVAL", "3"),
            ("CONDUIT_DOCKER_SOCKET", "unix:///run/podman.sock"),
            ("CONDUIT_REMOTE_SERVERS", "10.0.1.20:gpu-server, 10.0.1.10"),
            ("CONDUIT_ALLOWED_UPSTREAMS", "10.0.0.0/8,192.168.1.1"),
            ("CONDUIT_LOG_FORMAT", "json"),
            ("CONDUIT_LOG", ""),
        ],
    )
    .expect("legal");
    assert_eq!(config.gateway.state_dir.to_str(), Some("/home/ops/.config/lab"));
    assert_eq!(config.gateway.domains.listed(), "clinic.lan, internal, local, test");
    let listen: Vec<String> = config.dns.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["auto:1053", "127.0.0.9:1053"]);
    assert!(config.dns.forward.forwarders.is_empty());
    assert_eq!(config.proxy.https_listen[1].to_string(), "[::]:8443");
    assert_eq!(config.proxy.http_listen[0].to_string(), "0.0.0.0:8080");
    assert_eq!((config.health.interval.as_secs(), config.health.timeout.as_secs()), (3, 3));
    assert_eq!(config.monitor.docker_socket.to_str(), Some("/run/podman.sock"));
    let servers = config.monitor.servers.iter().map(|s| (s.destination.host(), s.name.as_str()));
    assert_eq!(
        servers.collect::<Vec<_>>(),
        [("10.0.1.20", "gpu-server"), ("10.0.1.10", "10.0.1.10")]
    );
    let allow: Vec<String> = config.upstreams.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["10.0.0.0/8", "192.168.1.1/32"]);
    assert_eq!(config.log.format.as_str(), "json");
}

#[test]
fn wrong_variables_are_named() {
    let error = judged("", "", &[("CONDUIT_DNS_PORT", "fifty")]).expect_err("refused");
    assert!(
        error.to_string().starts_with("environment variable CONDUIT_DNS_PORT: dns.listen: "),
        "{error}"
    );
    let error = judged("", "CONDUIT_HEALTH_INTERVAL=0\n", &[]).expect_err("refused");
    assert!(error.to_string().starts_with(".env.conduit: CONDUIT_HEALTH_INTERVAL: "), "{error}");
}

#[test]
fn what_is_odd_without_being_wrong_is_told() {
    let source = Source::new(None, surroundings(&[("CONDUIT_CADDY_ADMIN", "localhost:2019")]));
    let env = "CONDUIT_DNS_PROT=53\nCONDUIT_CONFIG=x\nPATH=/bin\nwhat\n";
    let loaded = source.judge(None, "", env).expect("legal");
    let all = loaded.warnings.join("\n");
    assert!(
        all.contains("CONDUIT_CADDY_ADMIN is ignored") && all.contains("admin.listen"),
        "{all}"
    );
    assert!(all.contains("did you mean CONDUIT_DNS_PORT?"), "{all}");
    assert_eq!(loaded.warnings.len(), 3, "{all}");
}

#[test]
fn the_state_directory_depends_on_who_runs_it() {
    let ops = Config::defaults(&surroundings(&[]));
    assert_eq!(ops.gateway.state_dir.to_str(), Some("/home/ops/.config/qp-conduit"));
    assert_eq!(ops.admin.socket.to_str(), Some("/home/ops/.config/qp-conduit/conduit.sock"));
    let root = Surroundings { root: true, ..surroundings(&[]) };
    let config = Config::defaults(&root);
    assert_eq!(config.gateway.state_dir.to_str(), Some("/var/lib/conduit"));
    assert_eq!(config.admin.socket.to_str(), Some("/run/conduit/conduit.sock"));
    // A second instance of root's keeps away from the well-known socket.
    let other = Config::parse("[gateway]\nstate_dir = \"other\"\n", &root).expect("legal");
    assert_eq!(other.gateway.state_dir.to_str(), Some("/srv/other"));
    assert_eq!(other.admin.socket.to_str(), Some("/srv/other/conduit.sock"));
    let deep = format!("[gateway]\nstate_dir = \"/{}\"\n", "a".repeat(120));
    assert!(refused(&deep).contains("shorter admin.socket"));
}

#[test]
fn a_configured_server_becomes_a_node() {
    let config = parsed(
        "[monitor]\nservers = [{ host = \"fd00::5\", label = \"gpu\", user = \"ops\", port = 2222, jump = \"ops@bastion\" }, { host = \"10.0.1.9\" }]\n",
    );
    let nodes = &config.monitor.servers;
    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["gpu", "10.0.1.9"]);
    assert_eq!(nodes[0].destination.to_string(), "ops@[fd00::5]:2222");
    assert_eq!(nodes[0].jump.as_ref().map(ToString::to_string).as_deref(), Some("ops@bastion"));
    for wrong in ["10.0.0.256", "-oProxyCommand=x", "gpu:22"] {
        let servers = format!("servers = [{{ host = \"{wrong}\", port = 2222 }}]");
        let error = refused(&format!("[monitor]\n{servers}\n"));
        assert!(error.contains("monitor.servers") && error.contains(wrong), "{wrong}: {error}");
    }
}

#[test]
fn what_is_shown_parses_to_the_same() {
    let config = parsed(
        "[gateway]\nuser = \"conduit\"\n[dns]\nforward = [{ domains = [\"corp.example\", \"10.0.0.0/8\"], to = [\"10.0.0.53\"], dnssec = false }]\ndnssec = true\ntrust_anchors = [\"/etc/conduit/root.ds\"]\ninsecure_domains = [\"old.example\"]\nviews = [{ clients = [\"10.8.0.0/24\"], addresses = [\"10.8.0.1\", \"fd00::1\"] }]\nmdns = true\nmdns_interfaces = [\"eth0\"]\nrebind_allow = [\"plex.direct\"]\ncache = { size = \"1MB\", serve_stale = 0 }\n[monitor]\nunits = [\"a@b.service\"]\nregister_containers = true\nhistory = { fine = \"2h\", size = \"1GB\" }\nrules = [{ name = \"gpu-hot\", threshold = 80, for = \"2m\" }]\nquiet_hours = [{ from = \"22:00\", to = \"07:00\" }]\nchannels = [{ name = \"log\", kind = \"syslog\", url = \"udp://127.0.0.1:514\" }]\nservers = [{ host = \"gpu\", port = 22, key = \"k\", tags = [\"a\"] }, { host = \"fd00::5\", user = \"ops\", jump = \"ops@bastion\" }]\n",
    );
    assert_eq!(parsed(&config.show()), config);
    assert!(config.show().starts_with("[gateway]\nstate_dir = \"/home/ops/.config/qp-conduit\"\ndomains = [\"internal\", \"local\", \"test\"]\n"), "{}", config.show());
}

#[test]
fn a_change_says_what_it_takes() {
    let old = parsed("");
    let new = parsed(
        "[log]\nlevel = \"debug\"\n[dns]\nforwarders = [\"10.0.0.1\"]\nttl = 5\n[proxy]\nworkers = 2\n",
    );
    let changes = old.diff(&new);
    assert_eq!(changes.dynamic, ["dns.forwarders", "log.level"]);
    assert_eq!(changes.needs_restart, ["dns.ttl", "proxy.workers"]);
    assert!(old.diff(&old).is_empty());
    let hook = |path: &str| {
        let url = format!("https://hooks.example/{path}");
        parsed(&format!(
            "monitor.channels = [{{ name = \"hook\", kind = \"webhook\", url = \"{url}\" }}]"
        ))
    };
    assert_eq!(hook("a").diff(&hook("b")).dynamic, ["monitor.channels"], "though it is not shown");
    assert!(!hook("a-long-word").show().contains("a-long-word"));
}

/// What was applied is in force: it is not told as changed again, and its return to what it was is a change.
#[test]
fn what_a_reload_applies_is_in_force() {
    let old = parsed("");
    let new = parsed(
        "[dns]\nforwarders = [\"10.0.0.1\"]\nforward_ca = \"/etc/conduit/forward.pem\"\nfastest_first = true\n\
         forward = [{ domains = [\"corp.example\"], to = [\"10.0.0.53\"] }]\nmixed_case = false\n\
         rebind_protection = false\nrebind_allow = [\"plex.direct\"]\ndoh_canary = false\ndnssec = true\n\
         trust_anchors = [\"/etc/conduit/root.ds\"]\ninsecure_domains = [\"old.example\"]\n\
         hosts_files = [\"/etc/hosts\"]\nlists = [{ name = \"ads\", lines = [\"ads.example\"] }]\n\
         allow = [\"10.0.0.0/8\"]\nrate_limit = 7\nquery_log = \"all\"\nquery_log_sample = 0.5\n\
         query_log_clients = \"hidden\"\ntransfer_to = [\"10.0.0.9\"]\nnotify = [\"10.0.0.9\"]\n\
         keys = [{ name = \"k\", algorithm = \"hmac-sha256\", secret_env = \"K\", transfer = true }]\n\
         [dns.cache]\nsize = \"1MB\"\nmin_ttl = \"1s\"\nmax_ttl = \"1h\"\nnegative_ttl = \"1s\"\n\
         serve_stale = 0\nprefetch = false\n\
         [health]\ninterval = \"7s\"\ntimeout = \"1s\"\npath = \"/up\"\nunhealthy_after = 3\nhealthy_after = 2\n\
         [monitor]\nrules = [{ name = \"gpu-hot\", threshold = 80, for = \"2m\" }]\n\
         quiet_hours = [{ from = \"22:00\", to = \"07:00\" }]\n\
         channels = [{ name = \"log\", kind = \"syslog\", url = \"udp://127.0.0.1:514\" }]\n\
         [log]\nlevel = \"debug\"\n",
    );
    let every = old.dynamic_keys();
    assert_eq!(old.diff(&new).dynamic, every, "the test changes every such key");
    let mut in_force = old.clone();
    in_force.adopt_dynamic(&new);
    assert_eq!(in_force.diff(&new).dynamic, [""; 0]);
    assert_eq!(in_force.diff(&old).dynamic, every);
    in_force.adopt_dynamic(&old);
    assert_eq!(in_force, old);
}

#[test]
fn files_are_looked_for_in_order() {
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().to_str().expect("UTF-8");
    let source = Source::new(None, surroundings(&[("CONDUIT_CONFIG_DIR", state)]));
    let loaded = source.load().expect("defaults");
    assert_eq!(loaded.path, None);
    std::fs::write(directory.path().join("conduit.toml"), "[log]\nlevel = \"warn\"\n")
        .expect("written");
    std::fs::write(directory.path().join(".env.conduit"), "CONDUIT_LOG_FORMAT=json\n")
        .expect("written");
    let loaded = source.load().expect("legal");
    assert_eq!(loaded.path, Some(directory.path().join("conduit.toml")));
    assert_eq!(
        (loaded.config.log.level.as_str(), loaded.config.log.format.as_str()),
        ("warn", "json")
    );
    let missing = directory.path().join("missing.toml");
    let error = Source::new(Some(&missing), surroundings(&[])).load().expect_err("missing");
    assert!(error.to_string().contains("missing.toml"), "{error}");
}

#[test]
fn a_huge_file_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("conduit.toml");
    std::fs::write(&file, "#".repeat(1 << 20) + "\n").expect("written");
    let error = Source::new(Some(&file), surroundings(&[])).load().expect_err("too large");
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
}

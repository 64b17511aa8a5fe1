//! Every form that can be typed, and how wrong ones end.

use clap::{CommandFactory, Parser};

use super::args::Cli;
use super::{Exit, run};

fn typed(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("conduit").chain(line.split_whitespace()))
}

fn exit(line: &str) -> Exit {
    run(std::iter::once("conduit").chain(line.split_whitespace()).map(Into::into))
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_documented_form_parses() {
    for line in [
        "serve",
        "serve --config conduit.toml",
        "--config=conduit.toml serve",
        "setup",
        "setup --domain D --dns-port 1053 --https-port=8443 --upstream-dns 10.0.0.1 --skip-dns --skip-tls",
        "register N HOST:1",
        "register --name N --host H:1 --host=H:2 --json",
        "register --name=N --upstream H:1 --wait-healthy",
        "register --file services.json --replace --prune --dry-run",
        "register N H:1 --title Dashboards",
        "register N H:1 --title=Dashboards",
        "register N H --preset ollama --balance least-requests --sticky=lab",
        "register N H:1,weight=3 --host H:2,priority=1 --upstream-tls insecure --upstream-name x.y",
        "register N H:1 --connect-timeout 2s --first-byte-timeout=10m --idle-timeout 90",
        "register N H:1 --max-in-flight 8 --queue 0 --retries 2 --upstream-host upstream",
        "register N H:1 --health-interval 5s --health-timeout 1s --health-status 200,401",
        "register N H:1 --health-body ok --health-kind tcp",
        "register N H:1 --path /a --path=/b --rewrite /a=/x --strip-prefix /b --redirect /c=/d,301",
        "register N H:1 --set-header X-A:1 --remove-header x-b --set-response-header=x-c:2",
        "register N H:1 --remove-response-header server --compress --body-limit 10MB",
        "register N H:1 --rate-limit 10/s,burst=50 --allow 10.0.0.0/8 --allow 192.168.1.5",
        "register N H:1 --basic-auth ann:$2b$12$x --api-key ci:sha3-256:00 --forward-auth http://a/",
        "register N H:1 --cors https://a.internal --cors=https://b.internal --maintenance soon",
        "register N H:1 --no-access-log --policy policy.toml",
        "register N H:1 --protocol tcp --listen 5432 --tls-passthrough --proxy-protocol v2",
        "register N H:1 --protocol tcp --accept-proxy-protocol",
        "deregister N",
        "deregister --name N",
        "deregister --name=N --json",
        "status",
        "status N",
        "status --watch",
        "logs",
        "logs -f --service N --since 10m",
        "logs --follow -n 5 --json",
        "logs -f --container C --container=D --daemon --service N",
        "status --check --json",
        "monitor",
        "monitor --gpu --containers --watch",
        "monitor --server",
        "monitor --server gpu-server --json",
        "monitor --server=gpu-server",
        "monitor add ops@10.0.1.20:22 --name N --key /k --jump b --tag a --tag=b",
        "monitor add 10.0.1.20 --accept-fingerprint SHA256:x --known-hosts=/f --json",
        "monitor remove N --json",
        "monitor test N",
        "monitor test ssh://ops@10.0.1.20 --key=/k --jump bastion",
        "monitor silence",
        "monitor silence gpu-hot --for 2h",
        "monitor silence gpu-* --node N --subject 0 --for=30m --comment fans --json",
        "monitor silence --lift 7",
        "monitor alerts --json",
        "monitor rules",
        "monitor metrics",
        "monitor script",
        "doctor",
        "doctor --json",
        "upstream drain N HOST:1",
        "upstream eject N HOST:1 --json",
        "upstream admit N HOST:1",
        "certs",
        "certs --json",
        "certs list",
        "certs list --json",
        "certs rotate N",
        "certs --rotate N",
        "certs --rotate=N",
        "certs inspect N --json",
        "certs --inspect N",
        "ca export",
        "ca fingerprint --json",
        "ca trust",
        "dns",
        "dns list",
        "dns resolve a.internal",
        "dns resolve a.internal --type AAAA",
        "dns flush",
        "dns flush a.example --json",
        "dns stats",
        "dns stats --json",
        "audit tail",
        "audit tail -n 5",
        "audit tail --json",
        "audit verify",
        "audit verify --json",
        "audit export",
        "login",
        "login --json",
        "user add N",
        "user add N --role ca-officer --password-file /f --json",
        "user add N --role=auditor --no-password",
        "user list --all --json",
        "user remove N",
        "user passwd N --password-file -",
        "user role N admin",
        "token create --name ci --role operator --expires 90d",
        "token list",
        "token revoke T",
        "config check",
        "config show",
        "config reload",
        "backup state.tar",
        "upgrade --binary ./conduit --timeout 30",
        "restore state.tar",
        "restore state.tar --force",
        "completions bash",
        "completions zsh",
        "completions fish",
        "man",
        "status --socket /run/conduit/conduit.sock",
        "--socket=/run/x status",
    ] {
        if let Err(error) = typed(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for line in [
        "",
        "fly",
        "serve now",
        "register",
        "register grafana",
        "register --name grafana --host",
        "register --file a.json grafana h:1",
        "register grafana h:1 --prune",
        "register grafana h:1 --title=",
        "register grafana h:1 --title=\u{7}",
        "register grafana h:1 --preset olama",
        "deregister",
        "deregister a --name b",
        "monitor now",
        "monitor --gpu add a",
        "monitor add",
        "monitor add -oProxyCommand=x",
        "monitor add a --name b/c",
        "monitor add a --key id_ed25519",
        "monitor remove",
        "monitor test",
        "monitor silence gpu-hot",
        "monitor silence --for 2h",
        "monitor silence gpu-hot --for soon",
        "monitor silence gpu-hot --for 2h --lift 7",
        "doctor now",
        "upstream",
        "upstream drain",
        "upstream drain N",
        "upstream drain N 10.0.0.1",
        "upstream eject N 10.0.0.1:0",
        "upstream admit not/a/name 10.0.0.1:1",
        "upstream rest N 10.0.0.1:1",
        "status --watch --check",
        "status a b",
        "certs rotate",
        "certs --rotate a --inspect b",
        "certs --rotate a list",
        "ca",
        "dns resolve",
        "audit",
        "audit tail -n 0",
        "audit tail -n 501",
        "audit tail -n many",
        "token create",
        "token create --name a --role king",
        "token revoke",
        "config",
        "backup",
        "restore",
        "completions cmd",
        "setup --dns-port 70000",
        "--config",
    ] {
        assert_eq!(exit(line), Exit::Usage, "{line:?}");
    }
}

#[test]
fn help_and_version_succeed() {
    for line in
        ["--help", "--version", "help", "register --help", "certs -h", "token create --help"]
    {
        assert_eq!(exit(line), Exit::Success, "{line}");
    }
}

#[test]
fn a_gateway_that_does_not_answer_is_a_failure() {
    let directory = tempfile::tempdir().expect("directory");
    let socket = directory.path().join("none.sock");
    assert_eq!(exit(&format!("status --socket {}", socket.display())), Exit::Failed);
    assert_eq!(exit(&format!("deregister a --socket {}", socket.display())), Exit::Failed);
}

#[test]
fn a_doctor_finds_no_gateway_and_a_broken_configuration() {
    let directory = tempfile::tempdir().expect("directory");
    let socket = directory.path().join("none.sock");
    assert_eq!(exit(&format!("doctor --socket {}", socket.display())), Exit::Failed);
    let file = directory.path().join("conduit.toml");
    std::fs::write(&file, "[dns]\nlisen = []\n").expect("written");
    assert_eq!(exit(&format!("doctor --json --config {}", file.display())), Exit::Failed);
}

#[test]
fn the_configuration_is_checked_without_a_gateway() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("conduit.toml");
    let line = format!("config check --config {}", file.display());
    assert_eq!(exit(&line), Exit::Failed, "missing");
    std::fs::write(&file, "[dns]\nlisen = []\n").expect("written");
    assert_eq!(exit(&line), Exit::Failed, "wrong");
    std::fs::write(&file, "[log]\nlevel = \"debug\"\n").expect("written");
    assert_eq!(exit(&line), Exit::Success);
}

#[test]
fn only_verbs_that_work_are_listed() {
    let verbs: Vec<String> =
        Cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    assert_eq!(
        verbs,
        [
            "serve",
            "setup",
            "register",
            "deregister",
            "import",
            "status",
            "monitor",
            "doctor",
            "upstream",
            "certs",
            "ca",
            "dns",
            "logs",
            "audit",
            "login",
            "user",
            "token",
            "config",
            "backup",
            "upgrade",
            "restore",
            "completions",
            "man"
        ]
    );
}

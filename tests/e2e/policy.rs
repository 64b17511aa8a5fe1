//! Asking for a policy: by flags, by files in both forms, through the API; and seeing it again.

use std::path::Path;

use conduit_api::v1::services::{OutcomeKind, RegisterService};
use conduit_tests::daemon::Daemon;
use conduit_tests::{Gateway, Upstream};
use serde_json::{Value, json};
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// Runs a command of the daemon's own configuration; its exit code, output and errors.
async fn conduit(daemon: &Daemon, words: &[&str]) -> (i32, String, String) {
    let directory = daemon.directory.path();
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(directory.join("conduit.toml")).args(words);
    let output = command.env("HOME", directory).output().await.expect("run");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

async fn policy_of(daemon: &Daemon, name: &str) -> Value {
    let service = daemon.api.service(name, false).await.expect("there").value.service;
    Value::Object(service.policy)
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_files_and_the_api_say_the_same() {
    let daemon = Daemon::start(BINARY).await;
    let upstream = Upstream::start("web").await;
    let at = upstream.host();
    let expected =
        json!({ "balance": "random", "timeouts": { "idle": "9m" }, "allow": ["10.0.0.0/8"] });

    let flags = ["--balance=random", "--idle-timeout", "9m", "--allow", "10.0.0.0/8"];
    let words = [&["register", "flags", &at], &flags[..]].concat();
    let (code, said, errors) = conduit(&daemon, &words).await;
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("flags created"), "{said}");
    assert_eq!(policy_of(&daemon, "flags").await, expected);
    let generation = daemon.api.status().await.expect("status").value.generation;
    let again = [&words[..], &["--replace"]].concat();
    let (_, said, _) = conduit(&daemon, &again).await;
    assert!(said.contains(&format!("flags unchanged, generation {generation}")), "{said}");

    let directory = daemon.directory.path();
    let policy = directory.join("policy.toml");
    let toml = "balance = \"random\"\nallow = [\"10.0.0.0/8\"]\n[timeouts]\nidle = \"1m\"\n";
    std::fs::write(&policy, toml).expect("written");
    let path = text(&policy);
    let words = ["register", "mixed", &at, "--policy", path, "--idle-timeout=9m"];
    let (code, _, errors) = conduit(&daemon, &words).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(policy_of(&daemon, "mixed").await, expected);

    let services = directory.join("services.toml");
    let toml = format!(
        "[[services]]\nname = \"toml\"\nupstream = \"{at}\"\n[services.policy]\n\
         balance = \"random\"\nallow = [\"10.0.0.0/8\"]\ntimeouts = {{ idle = \"9m\" }}\n"
    );
    std::fs::write(&services, toml).expect("written");
    let (code, _, errors) = conduit(&daemon, &["register", "--file", text(&services)]).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(policy_of(&daemon, "toml").await, expected);

    let rows = directory.join("services.json");
    let row = json!([{ "name": "json", "upstream": at, "policy": expected }]);
    std::fs::write(&rows, row.to_string()).expect("written");
    let (code, _, errors) = conduit(&daemon, &["register", "--file", text(&rows)]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(!errors.contains("not carried over"), "{errors}");
    assert_eq!(policy_of(&daemon, "json").await, expected);
    for (name, broken) in [("broken.json", "{\"version\": 1,"), ("broken.toml", "[[services]\n")] {
        let path = directory.join(name);
        std::fs::write(&path, broken).expect("written");
        let (code, _, errors) = conduit(&daemon, &["register", "--file", text(&path)]).await;
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(name), "{errors}");
    }

    let wish = json!({ "name": "api", "upstream": at, "policy": expected });
    let wish: RegisterService = serde_json::from_value(wish).expect("a request");
    daemon.api.register(&wish).await.expect("registered");
    assert_eq!(policy_of(&daemon, "api").await, expected);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_found_and_said_and_kept() {
    let daemon = Daemon::start(BINARY).await;
    let ollama = Upstream::start("ollama 0.5.1").await;
    let at = ollama.host();
    let words = ["register", "llm", &at, "--preset", "auto"];
    let (code, said, errors) = conduit(&daemon, &[&words[..], &["--dry-run"]].concat()).await;
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("llm would be created; nothing was changed"), "{said}");
    assert!(said.contains("timeouts first_byte 15m, idle 2m"), "{said}");
    assert!(daemon.api.service("llm", false).await.is_err(), "nothing was changed");

    let (code, said, errors) = conduit(&daemon, &[&words[..], &["--json"]].concat()).await;
    assert_eq!(code, 0, "{errors}");
    let reply: Value = serde_json::from_str(&said).expect("JSON");
    let evidence = "GET /api/version answered 0.5.1";
    assert_eq!(reply["fingerprint"], json!({ "preset": "ollama", "evidence": evidence }));
    assert_eq!(reply["service"]["policy"], json!({ "preset": "ollama" }));
    assert_eq!(reply["service"]["effective_policy"]["timeouts"]["first_byte"], "15m");
    assert_eq!(reply["service"]["health_check"], "/api/version");
    let (_, said, _) = conduit(&daemon, &["status", "llm"]).await;
    assert!(said.contains("preset ollama") && said.contains("origin remove"), "{said}");

    ollama.stop();
    let (code, said, errors) = conduit(&daemon, &[&words[..], &["--replace"]].concat()).await;
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("llm unchanged") && said.contains("kept what it was"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_before_anything_is_touched() {
    let daemon = Daemon::start(BINARY).await;
    let before = daemon.api.status().await.expect("status").value.generation;
    for (words, code, expected) in [
        (&["register", "a", "h:1", "--balance", "fast"][..], 2, "--balance"),
        (&["register", "a", "h:1", "--rate-limit", "0/s"], 2, "--rate-limit: allow at least one"),
        (&["register", "a", "h", "--preset", "auto"], 2, "name the preset"),
        (&["register", "a", "h:1", "--policy", "/nowhere"], 1, "cannot read /nowhere"),
        (&["register", "a", "https://10.0.0.1", "--protocol", "h2c"], 1, "contradict"),
        // It is not asked, and the rules refuse it.
        (&["register", "a", "169.254.169.254:80", "--preset", "auto"], 1, "metadata"),
    ] {
        let (exit, _, errors) = conduit(&daemon, words).await;
        assert_eq!(exit, code, "{words:?}: {errors}");
        assert!(errors.contains(expected), "{words:?}: {errors}");
    }
    assert_eq!(daemon.api.status().await.expect("status").value.generation, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_and_presets_of_a_bulk_are_looked_at() {
    let gateway = Gateway::start().await;
    let ollama = Upstream::start("ollama 0.6.0").await;
    let other = Upstream::start("web").await;
    let wish = |name: &str, upstream: String| RegisterService {
        name: name.into(),
        upstream: Some(upstream),
        preset: Some("auto".into()),
        ..RegisterService::default()
    };
    let bulk = conduit_api::v1::services::RegisterBulk {
        services: vec![wish("web", other.host()), wish("llm", ollama.host())],
        ..Default::default()
    };
    let reply = gateway.api.register_bulk(&bulk).await.expect("registered").value;
    let found: Vec<_> = reply
        .outcomes
        .iter()
        .map(|done| (done.outcome, done.fingerprint.as_ref().expect("looked").preset.as_str()))
        .collect();
    assert_eq!(found, [(OutcomeKind::Created, "generic"), (OutcomeKind::Created, "ollama")]);
}

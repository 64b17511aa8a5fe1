//! The reference tool's verdict on a database that we wrote: PyPI `qp-capsule` 1.5.4, whose
//! command is `capsule`. `CONDUIT_CAPSULE` names it, or it is on `PATH`.

use std::path::{Path, PathBuf};
use std::process::Command;

use conduit_audit::{Action, Draft, SealKey, Status, store, verify_file};
use conduit_conformance::{skipped, tool};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A state directory whose chain we wrote, and the tool that is to judge it.
struct Bench {
    tool: PathBuf,
    dir: TempDir,
    key: SealKey,
    /// Open, as a running daemon has it: the tool must cope with WAL.
    connection: Connection,
}

impl Bench {
    fn new() -> Option<Self> {
        let Some(tool) = tool("CONDUIT_CAPSULE", "capsule") else {
            skipped("capsule not installed");
            return None;
        };
        let dir = tempfile::tempdir().expect("a directory");
        let (key, _) = SealKey::open_or_create(&dir.path().join("seal")).expect("made");
        let connection = Connection::open(dir.path().join("conduit.db")).expect("opened");
        connection.pragma_update(None, "journal_mode", "wal").expect("set");
        store::create_schema(&connection).expect("created");
        let mut bench = Self { tool, dir, key, connection };
        bench.append_all();
        Some(bench)
    }

    fn append_all(&mut self) {
        let transaction = self.connection.transaction().expect("begun");
        let mut head = store::head(&transaction).expect("read");
        for draft in drafts() {
            head = store::append(&transaction, &self.key, &head, &draft).expect("appended").0;
        }
        transaction.commit().expect("committed");
        assert_eq!(head.count, COUNT);
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("conduit.db")
    }

    fn seal(&self) -> PathBuf {
        self.dir.path().join("seal")
    }

    /// Runs `capsule verify`; gives its exit status and its JSON.
    fn verdict(&self, level: &[&str]) -> (Option<i32>, Value) {
        let output = Command::new(&self.tool)
            .arg("verify")
            .args(level)
            .arg("--json")
            .arg("--db")
            .arg(self.db())
            .env("QUANTUMPIPES_DATA_DIR", self.seal())
            .output()
            .expect("the tool starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let verdict = serde_json::from_str(&text).unwrap_or_else(|error| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            panic!("{error}: {text}{stderr}")
        });
        (output.status.code(), verdict)
    }

    fn assert_accepted(&self, level: &[&str]) {
        let (code, verdict) = self.verdict(level);
        assert_eq!(code, Some(0), "{level:?}: {verdict}");
        assert_eq!(verdict["valid"], true, "{level:?}: {verdict}");
        // The tool also passes an empty or missing database.
        assert_eq!(verdict["capsules_verified"], COUNT, "{level:?}: {verdict}");
    }
}

#[test]
fn the_reference_tool_accepts_our_chain_at_every_level() {
    let Some(bench) = Bench::new() else { return };
    for level in ["--structural", "--full", "--signatures"] {
        bench.assert_accepted(&[level]);
    }
    bench.assert_accepted(&["--pubkey", bench.key.public_key_hex()]);
    let report = verify_file(&bench.db(), &bench.seal()).expect("read");
    assert!(report.valid(), "{:?}", report.failures);
    assert_eq!(report.entries, COUNT);
}

#[test]
fn the_reference_tool_changes_nothing_in_our_seal() {
    let Some(bench) = Bench::new() else { return };
    let before = files(&bench.seal());
    bench.assert_accepted(&["--signatures"]);
    assert!(before == files(&bench.seal()), "the seal changed");
    SealKey::open(&bench.seal()).expect("still ours");
}

#[test]
fn the_reference_tool_and_we_refuse_the_same_tampering() {
    let Some(bench) = Bench::new() else { return };
    let changed = bench.connection.execute(
        "UPDATE capsules SET data = replace(data, 'grafana', 'grafanb') WHERE sequence = 3",
        [],
    );
    assert_eq!(changed, Ok(1));
    let (code, verdict) = bench.verdict(&["--signatures"]);
    assert_eq!(code, Some(1), "{verdict}");
    assert_eq!(verdict["errors"][0]["sequence"], 3, "{verdict}");
    let report = verify_file(&bench.db(), &bench.seal()).expect("read");
    assert_eq!(report.failures[0].index, Some(3));
}

#[test]
fn after_a_rotation_by_the_reference_tool_both_accept_the_whole_chain() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let rotated = Command::new(&bench.tool)
        .args(["keys", "rotate"])
        .env("QUANTUMPIPES_DATA_DIR", bench.seal())
        .output()
        .expect("the tool starts");
    assert!(rotated.status.success(), "{rotated:?}");
    let retired = bench.key.public_key_hex().to_owned();
    bench.key = SealKey::open(&bench.seal()).expect("the new key");
    assert_ne!(bench.key.public_key_hex(), retired);

    let head = store::head(&bench.connection).expect("read");
    let transaction = bench.connection.transaction().expect("begun");
    let last = drafts().next().expect("a draft");
    store::append(&transaction, &bench.key, &head, &last).expect("appended");
    transaction.commit().expect("committed");

    let (code, verdict) = bench.verdict(&["--signatures"]);
    assert_eq!((code, &verdict["valid"]), (Some(0), &json!(true)), "{verdict}");
    assert_eq!(verdict["capsules_verified"], COUNT + 1);
    let report = verify_file(&bench.db(), &bench.seal()).expect("read");
    assert!(report.valid(), "{:?}", report.failures);
    assert_eq!(report.entries, COUNT + 1);
}

/// Entries of every kind, with what canonical JSON is hard about.
fn drafts() -> impl Iterator<Item = Draft> {
    (0..COUNT).map(|number| Draft {
        at: Timestamp::from_micros(1_775_304_000_000_000 + i128::from(number) * 250_000),
        actor: match number % 4 {
            0 => Actor::Local { uid: 0, user: Some("jörg \u{1f600}".into()) },
            1 => Actor::Local { uid: 1000, user: None },
            2 => Actor::System("prober"),
            _ => Actor::Token { id: "tok_1".into(), name: "ci".into() },
        },
        action: match usize::try_from(number).ok().and_then(|n| Action::ALL.get(n)) {
            Some(action) => *action,
            None => Action::CommandError("register"),
        },
        status: if number % 5 == 0 { Status::Failure } else { Status::Success },
        message: format!("\"{number}\"\\ \u{0}\u{1f}\u{7f}\u{8}\u{c}\r\n\t/ \u{2028} \u{10ffff}"),
        details: json!({
            "name": "grafana",
            "none": null,
            "numbers": [0, -1, u64::MAX, i64::MIN, 92.5, 1e-5, 1e16, 9.5e-5, 1e-8, -0.0, 5e-324],
            "odd": 843_081_518_574_926.2,
            "z": { "\u{1f600}": 1, "\u{ff61}": [[], {}], "": "" },
        })
        .as_object()
        .cloned()
        .unwrap_or_default(),
    })
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .expect("listed")
        .map(|file| file.expect("listed").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("read")))
        .collect();
    files.sort();
    files
}

/// Capsules in the chain: one of every action, and two failed commands.
const COUNT: u64 = Action::ALL.len() as u64 + 2;

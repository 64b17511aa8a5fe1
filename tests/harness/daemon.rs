//! The daemon as a process of its own, for what only a process can show: signals, crashes, exit
//! codes, a second daemon.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::gateway::{PATIENCE, configuration};

/// A daemon process.
pub struct Daemon {
    pub directory: TempDir,
    pub child: Child,
    pub api: conduit_api::client::Client,
}

impl Daemon {
    /// Starts one in a new directory and waits until its API answers.
    pub async fn start(binary: &str) -> Self {
        Self::start_with(binary, "").await
    }

    /// The same with more configuration.
    pub async fn start_with(binary: &str, extra: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let child = spawn(binary, directory.path(), extra);
        Self::ready(directory, child).await
    }

    /// Kills it without a word, and starts it again on its state.
    pub async fn kill_and_restart(mut self, binary: &str) -> Self {
        self.child.kill().await.unwrap();
        let child = spawn(binary, self.directory.path(), "");
        Self::ready(self.directory, child).await
    }

    /// Starts another one on the state of one that has ended; says whether it becomes ready.
    pub async fn start_again(binary: &str, ended: &mut Self) -> bool {
        ended.child = spawn(binary, ended.directory.path(), "");
        let end = tokio::time::Instant::now() + PATIENCE;
        while ended.api.ready().await.is_err() {
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Runs a command against it: the exit code, and what it wrote to both.
    pub async fn run(&self, binary: &str, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(binary);
        command.arg("--socket").arg(self.state().join("conduit.sock")).args(args);
        command.env("NO_COLOR", "1").kill_on_drop(true);
        let output = command.output().await.expect("ran");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("text"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let raw = i32::try_from(self.child.id().expect("alive")).unwrap();
        let pid = rustix::process::Pid::from_raw(raw).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    async fn ready(directory: TempDir, child: Child) -> Self {
        let api = conduit_api::client::Client::unix(directory.path().join("state/conduit.sock"));
        let end = tokio::time::Instant::now() + PATIENCE;
        while api.ready().await.is_err() {
            assert!(tokio::time::Instant::now() < end, "the daemon does not become ready");
            tokio::task::yield_now().await;
        }
        Self { directory, child, api }
    }
}

/// Writes the configuration and starts the daemon, without waiting for it.
pub fn spawn(binary: &str, directory: &Path, extra: &str) -> Child {
    spawn_with(binary, directory, extra, |_| {})
}

/// The same, with more about the process.
pub fn spawn_with(
    binary: &str,
    directory: &Path,
    extra: &str,
    more: impl FnOnce(&mut Command),
) -> Child {
    let config = directory.join("conduit.toml");
    std::fs::write(&config, configuration(&directory.join("state"), extra)).unwrap();
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    more(&mut command);
    command.spawn().unwrap()
}

/// Waits for a daemon that must refuse to run; its exit code and what it said.
pub async fn refusal(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.push_str(&line);
        said.push('\n');
    }
    (child.wait().await.unwrap().code(), said)
}

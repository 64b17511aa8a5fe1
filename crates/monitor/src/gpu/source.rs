//! This machine's GPUs, as a source.

use std::path::Path;
use std::process::Stdio;

use conduit_core::clock::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::places::GpuPlaces;
use super::thread::Asker;
use super::{diagnosis, processes, smi};
use crate::node::NodeName;
use crate::reading::Reading;
use crate::reading::gpu::{GpusReading, Vendor};
use crate::source::{BoxFuture, Source, SourceError, SourceKind};

/// Reads this machine's GPUs.
///
/// A machine without one gives a reading with no GPUs.
#[derive(Debug)]
pub struct GpuSource {
    node: NodeName,
    places: GpuPlaces,
    asker: Asker,
    /// The columns that this machine's `nvidia-smi` knows, once it was asked.
    columns: Option<String>,
    /// The run of `nvidia-smi` that is under way; what was killed may stay so, since a signal reaches
    /// a process inside a hanging driver only when that lets go.
    running: Option<Child>,
}

impl GpuSource {
    /// A source for `node`, which is this machine. Nothing is loaded before the first read.
    pub fn new(node: NodeName, places: GpuPlaces) -> Self {
        let asker = Asker::new(places.clone());
        Self { node, places, asker, columns: None, running: None }
    }

    async fn read_once(&mut self) -> Result<Reading, SourceError> {
        let answer = self.asker.ask().await?;
        let mut gpus = answer.reading;
        if let Some(addresses) = answer.smi {
            match self.places.smi.iter().find(|path| path.is_file()).cloned() {
                Some(program) => gpus = merged(self.ask_smi(&program, &addresses).await?, gpus),
                None if addresses.is_empty() => {}
                None => gpus.problems.push(diagnosis::no_library(addresses.len())),
            }
        }
        let mut reading = Reading::empty(Timestamp::now());
        reading.problems = std::mem::take(&mut gpus.problems);
        reading.gpus = Some(gpus);
        Ok(reading)
    }

    /// Runs `nvidia-smi` for GPUs and for processes, and for its columns the first time.
    async fn ask_smi(
        &mut self,
        program: &Path,
        addresses: &[String],
    ) -> Result<GpusReading, SourceError> {
        if self.columns.is_none() {
            let help = self.run(program, &["--help-query-gpu".to_owned()]).await?;
            self.columns = smi::columns(&help);
        }
        let columns = self.columns.clone().unwrap_or_else(|| smi::FIELDS_ALWAYS.join(","));
        let only = (!addresses.is_empty()).then(|| format!("--id={}", addresses.join(",")));
        let query = format!("--query-gpu={columns}");
        let apps = format!("--query-compute-apps={}", smi::APP_FIELDS.join(","));
        let argv = |query: String| {
            [query, FORMAT.to_owned()].into_iter().chain(only.clone()).collect::<Vec<_>>()
        };
        let gpus = self.run(program, &argv(query)).await?;
        let apps = self.run(program, &argv(apps)).await?;
        let procfs = self.places.procfs.clone();
        let described = move || {
            let mut reading = smi::parse(&gpus, &apps);
            processes::describe(&mut reading, &procfs);
            reading
        };
        let described = tokio::task::spawn_blocking(described).await;
        if described.as_ref().is_ok_and(|reading| reading.gpus.is_empty()) {
            // Perhaps a new driver knows other columns.
            self.columns = None;
        }
        described.map_err(|error| SourceError::Failed(format!("nvidia-smi was not read: {error}")))
    }

    /// What it printed within the deadline, at most [`OUTPUT_BYTES_MAX`]; killed after it.
    async fn run(&mut self, program: &Path, argv: &[String]) -> Result<String, SourceError> {
        let mut command = Command::new(program);
        command.args(argv).env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let failed =
            |error| SourceError::Failed(format!("{} did not run: {error}", program.display()));
        if let Some(mut last) = self.running.take() {
            let killed = last.start_kill().and_then(|()| last.try_wait());
            if let Ok(None) = killed {
                self.running = Some(last);
                return Err(SourceError::TimedOut(smi::SMI_DEADLINE));
            }
        }
        let child = self.running.insert(command.spawn().map_err(failed)?);
        let Some(stdout) = child.stdout.take() else {
            return Err(SourceError::Failed(format!("{} has no output", program.display())));
        };
        let mut printed = Vec::new();
        let mut bounded = stdout.take(OUTPUT_BYTES_MAX);
        let whole = async {
            let read = bounded.read_to_end(&mut printed).await;
            // What prints more than that ends when it cannot print the rest.
            drop(bounded);
            read.and(child.wait().await)
        };
        match tokio::time::timeout(smi::SMI_DEADLINE, whole).await {
            Ok(ended) => {
                self.running = None;
                ended.map_err(failed).map(|_| String::from_utf8_lossy(&printed).into_owned())
            }
            Err(_) => {
                let killed = child.start_kill().err();
                tracing::warn!(program = %program.display(), error = ?killed, "killed at its deadline");
                Err(SourceError::TimedOut(smi::SMI_DEADLINE))
            }
        }
    }
}

impl Source for GpuSource {
    fn node(&self) -> &NodeName {
        &self.node
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Gpu
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(self.read_once())
    }
}

/// NVIDIA's by `nvidia-smi`, and what was found without it: those that sleep, AMD's and Intel's.
fn merged(told: GpusReading, others: GpusReading) -> GpusReading {
    let mut reading = told;
    reading.problems.extend(others.problems);
    let (asleep, cards): (Vec<_>, Vec<_>) =
        others.gpus.into_iter().partition(|gpu| gpu.vendor == Vendor::Nvidia);
    super::add_asleep(&mut reading, asleep.into_iter());
    super::add_cards(&mut reading, cards);
    reading
}

/// The form of the tables: with a header line, without units in the cells.
const FORMAT: &str = "--format=csv,nounits";
/// Where `nvidia-smi` looks for what it runs.
const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest output that is read; 16 GPUs and 1000 processes print about 150 KB.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;

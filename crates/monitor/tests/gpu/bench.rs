//! A machine of files: a library in the shape of NVIDIA's, devices, processes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use conduit_monitor::gpu::{GpuPlaces, GpuSource};
use conduit_monitor::node::NodeName;
use conduit_monitor::reading::Reading;
use conduit_monitor::reading::gpu::Gpu;
use conduit_monitor::source::Source;
use tempfile::TempDir;

/// A folder with everything that a source looks at, and the source.
pub(crate) struct Bench {
    root: TempDir,
    pub(crate) source: GpuSource,
}

impl Bench {
    /// With the library; `None`, and a word of it, where no compiler is.
    pub(crate) fn with_library() -> Option<Self> {
        let bench = Self::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/nvml.c");
        let library = bench.path("lib/libnvidia-ml.so.1");
        let compiler =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(library).arg(source).status();
        match compiler {
            Ok(status) => assert!(status.success(), "the library does not compile"),
            Err(error) => {
                drop(writeln!(std::io::stderr(), "SKIPPED: no C compiler (cc): {error}"));
                return None;
            }
        }
        for (address, status) in DEVICES {
            bench.write(
                &format!("sys/bus/pci/drivers/nvidia/{address}/power/runtime_status"),
                status,
            );
        }
        Some(bench)
    }

    /// Without a library, a program or a device.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let places = GpuPlaces {
            library: root.path().join("lib/libnvidia-ml.so.1"),
            smi: vec![root.path().join("bin/none"), root.path().join("bin/nvidia-smi")],
            sysfs: root.path().join("sys"),
            procfs: root.path().join("proc"),
        };
        for folder in ["lib", "bin", "sys", "proc"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
        }
        let node = NodeName::parse("here").expect("a name");
        Self { source: GpuSource::new(node, places), root }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    /// Puts a script where `nvidia-smi` is looked for.
    pub(crate) fn write_program(&self, script: &str) {
        self.write("bin/nvidia-smi", script);
        let runnable = fs::Permissions::from_mode(0o700);
        fs::set_permissions(self.path("bin/nvidia-smi"), runnable).expect("permissions");
    }

    /// What was asked of the library, one call a line.
    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.path("lib/calls")).unwrap_or_default()
    }

    /// How often something was called.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.calls().lines().filter(|line| line.starts_with(call)).count()
    }

    pub(crate) async fn read(&mut self) -> (Reading, Vec<Gpu>) {
        let reading = self.source.read().await.expect("a reading");
        let gpus = reading.gpus.clone().expect("GPUs").gpus;
        (reading, gpus)
    }
}

/// The devices of the library; the last one sleeps.
const DEVICES: &[(&str, &str)] = &[
    ("0000:1b:00.0", "active\n"),
    ("0000:43:00.0", "active\n"),
    ("0000:52:00.0", "active\n"),
    ("0000:9d:00.0", "active\n"),
    ("0000:c3:00.0", "suspended\n"),
];

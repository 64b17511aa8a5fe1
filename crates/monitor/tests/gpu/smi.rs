//! The program that is run where the library cannot be loaded.

use conduit_monitor::gpu::smi::SMI_DEADLINE;
use conduit_monitor::source::{Source, SourceError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::bench::Bench;

/// A program in the shape of `nvidia-smi` with two GPUs; it appends what it was asked.
const SMI: &str = r#"#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
case $1 in
--help-query-gpu) printf '"index"\n"uuid"\n"name" or "gpu_name"\n"pci.bus_id"\n"utilization.gpu"\n' ;;
--query-gpu=index,uuid,name,pci.bus_id,utilization.gpu)
  echo 'index, uuid, name, pci.bus_id, utilization.gpu [%]'
  echo '0, GPU-a, NVIDIA A10, 00000000:1B:00.0, 33'
  echo '1, GPU-b, NVIDIA A10, 00000000:43:00.0, [N/A]' ;;
--query-compute-apps=gpu_uuid,pid,process_name,used_memory)
  echo 'gpu_uuid, pid, process_name, used_gpu_memory [MiB]'
  echo 'GPU-a, 41, /usr/bin/python3, 2048' ;;
*) echo "Field is not a valid field to query: $1"; exit 2 ;;
esac
"#;

#[tokio::test]
async fn the_program_is_asked_for_what_it_knows_and_for_who_computes() {
    let mut bench = Bench::new();
    let container = "d".repeat(64);
    bench.write_program(SMI);
    bench.write("proc/41/cgroup", &format!("0::/machine.slice/libpod-{container}.scope\n"));
    let (reading, gpus) = bench.read().await;
    assert_eq!(reading.problems, Vec::<String>::new());
    assert_eq!((gpus.len(), gpus[0].utilization, gpus[1].utilization), (2, Some(0.33), None));
    let process = &gpus[0].processes[0];
    assert_eq!((process.name.as_str(), process.memory), ("python3", Some(2 << 30)));
    assert_eq!(process.container.as_deref(), Some(container.as_str()));
    bench.read().await;
    let asked = std::fs::read_to_string(bench.path("bin/asked")).expect("asked");
    let helps = asked.lines().filter(|line| line.contains("--help")).count();
    assert_eq!((helps, asked.lines().count()), (1, 5), "its columns are asked for once: {asked}");
    assert!(!asked.contains("--id"), "{asked}");
}

#[tokio::test]
async fn gpus_that_sleep_are_not_asked_for() {
    let mut bench = Bench::new();
    bench.write_program(SMI);
    let status =
        |address: &str| format!("sys/bus/pci/drivers/nvidia/{address}/power/runtime_status");
    bench.write(&status("0000:1b:00.0"), "active\n");
    bench.write(&status("0000:9d:00.0"), "suspended\n");
    let (_, gpus) = bench.read().await;
    let asked = std::fs::read_to_string(bench.path("bin/asked")).expect("asked");
    let queries: Vec<_> = asked.lines().filter(|line| line.contains("--query")).collect();
    assert!(queries.iter().all(|line| line.ends_with("--id=00000000:1B:00.0")), "{asked}");
    assert!(gpus.iter().any(|gpu| gpu.asleep && gpu.id == "00000000:9D:00.0"));
    bench.write(&status("0000:1b:00.0"), "suspended\n");
    bench.read().await;
    let again = std::fs::read_to_string(bench.path("bin/asked")).expect("asked");
    assert_eq!(again, asked, "all sleep: nothing is run");
}

#[tokio::test]
async fn gpus_that_nobody_can_ask_are_said() {
    let mut bench = Bench::new();
    bench.write("sys/bus/pci/drivers/nvidia/0000:1b:00.0/power/runtime_status", "active\n");
    let (reading, gpus) = bench.read().await;
    assert_eq!((gpus.len(), reading.problems.len()), (0, 1));
    assert!(reading.problems[0].contains("install the driver's tools"), "{:?}", reading.problems);
}

#[tokio::test]
async fn columns_are_asked_for_again_when_the_driver_changes() {
    let mut bench = Bench::new();
    bench.write_program(SMI);
    assert_eq!(bench.read().await.1.len(), 2);
    let other = SMI.replace("utilization.gpu", "temperature.gpu");
    bench.write_program(&other);
    assert_eq!(bench.read().await.1.len(), 0, "one unknown column fails the whole");
    let (_, gpus) = bench.read().await;
    assert_eq!((gpus.len(), gpus[0].temperature), (2, Some(33.0)));
}

#[tokio::test]
async fn a_program_that_prints_a_diagnosis_or_garbage_is_no_error() {
    let mut bench = Bench::new();
    bench.write_program(
        "#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\n",
    );
    let (reading, gpus) = bench.read().await;
    assert_eq!((gpus.len(), reading.problems.len()), (0, 1));
    assert!(reading.problems[0].contains("restart the machine"), "{:?}", reading.problems);
    bench.write_program("#!/bin/sh\nhead -c 20000000 /dev/zero | tr '\\0' ','\n");
    let (_, gpus) = bench.read().await;
    assert_eq!(gpus.len(), 0, "what prints without end is cut off");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_hangs_is_killed_at_its_deadline() {
    let mut bench = Bench::new();
    for fifo in ["bin/started", "bin/hang"] {
        let owner = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, bench.path(fifo), FileType::Fifo, owner, 0).expect("a FIFO");
    }
    // It says who it is, and then waits for somebody who never comes.
    bench.write_program("#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho $$ > started\nexec cat hang\n");
    let started = bench.path("bin/started");
    // While this waits, the paused clock stands still; then it jumps to the deadline.
    let started = tokio::task::spawn_blocking(move || std::fs::read_to_string(started));
    let (read, pid) = tokio::join!(bench.source.read(), started);
    assert_eq!(read, Err(SourceError::TimedOut(SMI_DEADLINE)));
    let pid = pid.expect("joined").expect("a number");
    tokio::time::resume();
    bench.write_program(SMI);
    let reading = loop {
        match bench.source.read().await {
            Ok(reading) => break reading,
            Err(SourceError::TimedOut(_)) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(reading.gpus.expect("GPUs").gpus.len(), 2);
    let left = std::path::Path::new("/proc").join(pid.trim());
    assert!(!left.exists(), "killed, and buried");
}

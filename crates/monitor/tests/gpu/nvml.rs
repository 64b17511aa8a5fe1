//! The library that is loaded at run time, call by call.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conduit_monitor::reading::Reading;
use conduit_monitor::reading::gpu::{GpuMemory, GpuProcess, NvLink, RemappedRows, Vendor};
use conduit_monitor::source::{Source, SourceError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::bench::Bench;

#[tokio::test]
async fn a_gpu_tells_everything_that_it_knows() {
    let Some(mut bench) = Bench::with_library() else { return };
    let container = "c".repeat(64);
    bench.write("lib/processes-0", "4711 130000000000\n12 5\n");
    bench.write("proc/4711/cmdline", "/opt/vllm/bin/python3\0-m\0vllm\0");
    bench.write("proc/4711/cgroup", &format!("0::/system.slice/docker-{container}.scope\n"));
    bench.write("proc/12/comm", "kthread\n");
    let (reading, gpus) = bench.read().await;
    assert_eq!(reading.problems, Vec::<String>::new());
    let driver = reading.gpus.as_ref().and_then(|gpus| gpus.driver.as_deref());
    assert_eq!((driver, gpus.len()), (Some("580.95.05"), 5));
    let gpu = &gpus[0];
    assert_eq!((gpu.index, gpu.vendor, gpu.id.as_str()), (0, Vendor::Nvidia, "GPU-0"));
    assert_eq!(
        (gpu.name.as_str(), gpu.bus_id.as_deref()),
        ("NVIDIA H200", Some("00000000:1B:00.0"))
    );
    assert_eq!((gpu.temperature, gpu.margin), (Some(61.0), Some(26.0)));
    assert_eq!(gpu.memory_temperature, Some(58.0));
    let memory =
        GpuMemory { total: 150_754_820_096, used: 1_000_000_000, reserved: Some(600_000_000) };
    assert_eq!(gpu.memory, Some(memory));
    assert_eq!((gpu.utilization, gpu.memory_utilization), (Some(0.97), Some(0.41)));
    assert_eq!((gpu.encoder, gpu.decoder), (Some(0.03), None), "250 % is no share");
    assert_eq!(
        (gpu.power, gpu.power_limit, gpu.energy),
        (Some(654.21), Some(700.0), Some(123_456_789))
    );
    assert_eq!((gpu.sm_clock, gpu.memory_clock, gpu.fan), (Some(1830), Some(3201), None));
    assert_eq!(gpu.performance_state, Some(0));
    let throttle = gpu.throttle.as_ref().expect("reasons");
    assert_eq!(throttle.reasons, ["sw_power_cap", "hw_thermal_slowdown"]);
    assert_eq!(throttle.power, Some(Duration::from_secs(2)));
    assert_eq!(throttle.thermal, Some(Duration::from_nanos(5)));
    let ecc = gpu.ecc.expect("ECC");
    assert_eq!((ecc.corrected_volatile, ecc.corrected_aggregate), (Some(0), Some(1)));
    assert_eq!((ecc.uncorrected_volatile, ecc.uncorrected_aggregate), (Some(10), Some(11)));
    let rows = RemappedRows { corrected: 2, uncorrected: 1, pending: true, failed: false };
    assert_eq!(gpu.remapped, Some(rows));
    let pcie = gpu.pcie.expect("a link");
    assert_eq!((pcie.generation, pcie.generation_max, pcie.replays), (Some(4), Some(5), Some(7)));
    assert_eq!((pcie.width, pcie.width_max), (Some(8), Some(16)));
    assert_eq!((pcie.sent, pcie.received), (Some(1_000_000), Some(2_000_000)));
    let links = [
        NvLink { link: 0, active: true, errors: Some(6) },
        NvLink { link: 1, active: false, errors: None },
    ];
    assert_eq!(gpu.nvlinks, links);
    let python = GpuProcess {
        pid: 4711,
        name: "python3".to_owned(),
        memory: Some(130_000_000_000),
        container: Some(container),
    };
    let kernel =
        GpuProcess { pid: 12, name: "kthread".to_owned(), memory: Some(5), container: None };
    assert_eq!(gpu.processes, [kernel, python], "each once, though listed twice");
    assert_eq!((gpu.asleep, gpu.lost, gpu.xid, gpu.xid_is_watched), (false, false, None, true));
}

#[tokio::test]
async fn a_gpu_that_is_cut_shows_its_parts() {
    let Some(mut bench) = Bench::with_library() else { return };
    bench.write("lib/processes-5", "7 100\n");
    let (_, gpus) = bench.read().await;
    assert_eq!(gpus[1].mig, None, "one that cannot be cut");
    assert_eq!(gpus[0].mig.as_ref().map(|mig| mig.enabled), Some(false));
    let mig = gpus[2].mig.as_ref().expect("cut");
    let parts: Vec<_> =
        mig.instances.iter().map(|part| (part.id.as_str(), part.profile.as_deref())).collect();
    assert_eq!(parts, [("MIG-5", Some("3g.71gb")), ("MIG-6", Some("3g.71gb"))]);
    assert_eq!(mig.instances[0].memory.map(|memory| memory.used), Some(6_000_000_000));
    assert_eq!(gpus[2].utilization, None, "the driver does not tell it of a GPU that is cut");
    assert_eq!(gpus[2].processes[0].pid, 7, "of a part");
}

#[tokio::test]
async fn values_that_a_gpu_does_not_support_are_none() {
    let Some(mut bench) = Bench::with_library() else { return };
    bench.write("lib/mute-1", "");
    let (reading, gpus) = bench.read().await;
    let gpu = &gpus[1];
    assert_eq!((gpu.id.as_str(), gpu.name.as_str()), ("GPU-1", "NVIDIA H200"));
    assert_eq!((gpu.temperature, gpu.margin, gpu.memory_temperature), (None, None, None));
    assert_eq!((gpu.memory, gpu.utilization, gpu.power, gpu.energy), (None, None, None, None));
    assert_eq!((gpu.sm_clock, gpu.performance_state, gpu.fan), (None, None, None));
    assert!(gpu.throttle.is_none() && gpu.ecc.is_none() && gpu.remapped.is_none());
    assert!(gpu.pcie.is_none() && gpu.mig.is_none() && gpu.nvlinks.is_empty());
    assert!(gpu.processes.is_empty() && !gpu.xid_is_watched);
    assert_eq!(gpus[0].utilization, Some(0.97), "the others are as they were");
    assert_eq!(reading.problems, Vec::<String>::new(), "and that is no fault");
}

#[tokio::test]
async fn a_lost_gpu_keeps_its_name_and_leaves_the_others() {
    let Some(mut bench) = Bench::with_library() else { return };
    let (_, before) = bench.read().await;
    bench.write("lib/lost-3", "");
    bench.write("lib/gone-1", "");
    let (reading, gpus) = bench.read().await;
    assert_eq!(gpus.len(), 5);
    for index in [1, 3] {
        let gpu = &gpus[index];
        assert_eq!((gpu.lost, &gpu.id, &gpu.name), (true, &before[index].id, &before[index].name));
        assert_eq!((gpu.utilization, gpu.memory), (None, None));
    }
    assert_eq!((gpus[0].lost, gpus[0].utilization), (false, Some(0.97)));
    assert_eq!(reading.problems.len(), 2, "{:?}", reading.problems);
    assert!(reading.problems[1].contains("00000000:9D:00.0"), "{:?}", reading.problems);
    fs::remove_file(bench.path("lib/lost-3")).expect("there");
    assert!(!bench.read().await.1[3].lost, "it came back");
}

#[tokio::test]
async fn a_gpu_that_was_not_given_to_us_is_not_lost() {
    let Some(mut bench) = Bench::with_library() else { return };
    bench.write("lib/gone-1", "");
    let (reading, gpus) = bench.read().await;
    let ids: Vec<_> = gpus.iter().map(|gpu| gpu.id.as_str()).collect();
    assert_eq!(ids, ["GPU-0", "GPU-2", "GPU-3", "00000000:C3:00.0"]);
    assert_eq!(reading.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_gpu_that_sleeps_is_named_and_not_opened() {
    let Some(mut bench) = Bench::with_library() else { return };
    let information = "Model: \t NVIDIA RTX 4090\nGPU UUID: \t GPU-4\n";
    bench.write("proc/driver/nvidia/gpus/0000:c3:00.0/information", information);
    let (_, gpus) = bench.read().await;
    let gpu = &gpus[4];
    assert_eq!((gpu.asleep, gpu.index), (true, 4));
    assert_eq!((gpu.id.as_str(), gpu.name.as_str()), ("GPU-4", "NVIDIA RTX 4090"));
    assert_eq!((gpu.temperature, gpu.utilization), (None, None));
    assert!(!bench.calls().contains("C3:00.0"), "{}", bench.calls());
    assert_eq!(bench.count("nvmlDeviceGetHandleByIndex"), 0);
}

#[tokio::test]
async fn when_all_sleep_the_library_is_not_even_opened() {
    let Some(mut bench) = Bench::with_library() else { return };
    for address in ["1b", "43", "52", "9d"] {
        let state = format!("sys/bus/pci/drivers/nvidia/0000:{address}:00.0/power_state");
        bench.write(&state, "D3cold\n");
    }
    let (_, gpus) = bench.read().await;
    assert!(gpus.len() == 5 && gpus.iter().all(|gpu| gpu.asleep));
    assert_eq!(bench.calls(), "");
}

#[tokio::test]
async fn the_library_stays_open_unless_that_would_keep_a_gpu_awake() {
    let Some(mut bench) = Bench::with_library() else { return };
    bench.read().await;
    bench.read().await;
    assert_eq!((bench.count("nvmlInit_v2"), bench.count("nvmlShutdown")), (1, 0));
    assert_eq!(bench.count("nvmlDeviceRegisterEvents"), 4);
    bench.write("sys/bus/pci/drivers/nvidia/0000:c3:00.0/power/control", "auto\n");
    bench.read().await;
    assert_eq!((bench.count("nvmlInit_v2"), bench.count("nvmlShutdown")), (1, 1));
    assert_eq!(bench.count("nvmlEventSetFree"), 4);
    let (_, gpus) = bench.read().await;
    assert_eq!((bench.count("nvmlInit_v2"), bench.count("nvmlShutdown")), (2, 2));
    assert!(!gpus[0].xid_is_watched);
}

#[tokio::test]
async fn error_codes_are_counted_for_each_gpu() {
    let Some(mut bench) = Bench::with_library() else { return };
    let (_, gpus) = bench.read().await;
    assert_eq!((gpus[0].xid, gpus[0].xid_is_watched), (None, true));
    bench.write("lib/xid-1", "79");
    let (_, gpus) = bench.read().await;
    assert_eq!(gpus[1].xid.map(|xid| (xid.code, xid.count)), Some((79, 1)));
    assert_eq!(gpus[0].xid, None);
    bench.write("lib/xid-1", "999");
    let (_, gpus) = bench.read().await;
    assert_eq!(gpus[1].xid.map(|xid| (xid.code, xid.count)), Some((999, 2)));
    let (_, gpus) = bench.read().await;
    assert_eq!(gpus[1].xid.map(|xid| (xid.code, xid.count)), Some((999, 2)), "once each");
}

#[tokio::test]
async fn without_a_list_of_devices_the_library_is_asked_for_all() {
    let Some(mut bench) = Bench::with_library() else { return };
    fs::remove_dir_all(bench.path("sys/bus")).expect("there");
    let (_, gpus) = bench.read().await;
    let ids: Vec<_> = gpus.iter().map(|gpu| gpu.id.as_str()).collect();
    assert_eq!(ids, ["GPU-0", "GPU-1", "GPU-2", "GPU-3", "GPU-4"]);
    assert_eq!(gpus[4].bus_id.as_deref(), Some("00000000:C3:00.0"));
}

#[tokio::test]
async fn a_driver_that_refuses_as_a_whole_is_a_diagnosis_and_heals() {
    let Some(mut bench) = Bench::with_library() else { return };
    for (code, words) in [(18, "differ in version"), (999, "daemon-reload"), (9, "modprobe nvidia")]
    {
        bench.write("lib/init", &code.to_string());
        let (reading, gpus) = bench.read().await;
        assert_eq!(gpus.len(), 1, "the one that sleeps");
        assert_eq!(reading.problems.len(), 1, "{:?}", reading.problems);
        assert!(reading.problems[0].contains(words), "{:?}", reading.problems);
    }
    fs::remove_file(bench.path("lib/init")).expect("there");
    assert_eq!(bench.read().await.1.len(), 5);
}

#[tokio::test]
async fn a_machine_without_driver_or_device_has_no_gpu_and_no_fault() {
    let mut bench = Bench::new();
    let (reading, gpus) = bench.read().await;
    assert_eq!((gpus.len(), reading.problems.len()), (0, 0));
    let Some(mut bench) = Bench::with_library() else { return };
    fs::remove_dir_all(bench.path("sys/bus")).expect("there");
    bench.write("lib/init", "9");
    let (reading, gpus) = bench.read().await;
    assert_eq!((gpus.len(), reading.problems.len()), (0, 0), "a library alone is no GPU");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_hangs_is_asked_no_second_time() {
    let Some(mut bench) = Bench::with_library() else { return };
    let fifo = hang(&bench);
    // The clock is paused: nothing else is under way, so it jumps to the deadline at once.
    assert!(matches!(bench.source.read().await, Err(SourceError::TimedOut(_))));
    for _ in 0..3 {
        let again = tokio::time::timeout(Duration::from_millis(1), bench.source.read()).await;
        assert!(matches!(again, Ok(Err(SourceError::TimedOut(_)))), "it must not wait");
    }
    release(&fifo);
    assert_eq!(bench.count("nvmlInit_v2"), 1);
    tokio::time::resume();
    let reading = read_patiently(&mut bench).await;
    assert_eq!(reading.gpus.expect("GPUs").gpus.len(), 5);
}

#[tokio::test]
async fn a_read_that_is_dropped_leaves_the_source_usable() {
    let Some(mut bench) = Bench::with_library() else { return };
    let fifo = hang(&bench);
    let dropped = tokio::time::timeout(Duration::ZERO, bench.source.read()).await;
    assert!(dropped.is_err());
    release(&fifo);
    let reading = read_patiently(&mut bench).await;
    assert_eq!(reading.gpus.expect("GPUs").gpus.len(), 5);
}

/// From now on, who asks for utilisation waits.
fn hang(bench: &Bench) -> PathBuf {
    let fifo = bench.path("lib/hang");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    fifo
}

/// Opening waits for the other side: when it returns, a question did hang, and goes on.
fn release(fifo: &Path) {
    let other_side = fs::OpenOptions::new().write(true).open(fifo).expect("the other side");
    fs::remove_file(fifo).expect("there");
    drop(other_side);
}

/// Asks until the last question has ended.
async fn read_patiently(bench: &mut Bench) -> Reading {
    loop {
        match bench.source.read().await {
            Ok(reading) => return reading,
            Err(SourceError::TimedOut(_)) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
}

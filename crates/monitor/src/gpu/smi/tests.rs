//! What drivers print, old and new, whole and broken, and what is made of it.

use std::time::Duration;

use super::*;
use crate::reading::gpu::{GpuMemory, RemappedRows};

/// Two GPUs as a driver of 2025 prints them, written by hand.
const NEW: &str = "\
index, uuid, name, driver_version, pci.bus_id, pstate, temperature.gpu, temperature.gpu.tlimit, temperature.memory, utilization.gpu [%], utilization.memory [%], utilization.encoder [%], utilization.decoder [%], memory.total [MiB], memory.reserved [MiB], memory.used [MiB], power.draw [W], power.limit [W], enforced.power.limit [W], clocks.current.sm [MHz], clocks.current.memory [MHz], fan.speed [%], pcie.link.gen.current, pcie.link.gen.max, pcie.link.width.current, pcie.link.width.max, ecc.errors.corrected.volatile.total, ecc.errors.uncorrected.volatile.total, ecc.errors.corrected.aggregate.total, ecc.errors.uncorrected.aggregate.total, remapped_rows.correctable, remapped_rows.uncorrectable, remapped_rows.pending, remapped_rows.failure, mig.mode.current, clocks_event_reasons.active, clocks_event_reasons.active, clocks_event_reasons_counters.sw_power_cap [us], clocks_event_reasons_counters.hw_power_brake_slowdown [us], clocks_event_reasons_counters.sw_thermal_slowdown [us], clocks_event_reasons_counters.hw_thermal_slowdown [us]
0, GPU-aaaa, NVIDIA H200, 580.95.05, 00000000:1B:00.0, P0, 61, 26, 58, 97, 41, 0, 0, 143771, 583, 131072, 654.21, 700.00, 650.00, 1830, 3201, [N/A], 5, 5, 16, 16, 3, 0, 12, 0, 1, 0, No, No, Disabled, 0x0000000000000004, 0x0000000000000004, 1500000, 500000, 0, 250000
1, GPU-bbbb, NVIDIA H200, 580.95.05, 00000000:43:00.0, P0, 34, [N/A], [Not Supported], [Unknown Error], 0, 0, 0, 143771, 583, 0, [N/A], [N/A], [N/A], 345, 3201, [N/A], 5, 5, 8, 16, [N/A], [N/A], [N/A], [N/A], 0, 1, Yes, No, Enabled, 0x0000000000000001, 0x0000000000000001, [N/A], [N/A], [N/A], [N/A]
";
const APPS: &str = "\
gpu_uuid, pid, process_name, used_gpu_memory [MiB]
GPU-aaaa, 4711, /opt/vllm/bin/python3, 130000
GPU-aaaa, 4711, /opt/vllm/bin/python3, 130000
GPU-bbbb, 12, a,b, c, [N/A]
GPU-cccc, 13, lonely, 1
GPU-bbbb, x, y, 1
";

#[test]
fn a_new_driver_is_read_in_full() {
    let reading = parse(NEW, APPS);
    assert_eq!((reading.driver.as_deref(), reading.gpus.len()), (Some("580.95.05"), 2));
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    let gpu = &reading.gpus[0];
    assert_eq!((gpu.index, gpu.id.as_str(), gpu.name.as_str()), (0, "GPU-aaaa", "NVIDIA H200"));
    assert_eq!(gpu.bus_id.as_deref(), Some("00000000:1B:00.0"));
    assert_eq!((gpu.temperature, gpu.margin), (Some(61.0), Some(26.0)));
    assert_eq!((gpu.memory_temperature, gpu.utilization), (Some(58.0), Some(0.97)));
    assert_eq!((gpu.memory_utilization, gpu.encoder, gpu.fan), (Some(0.41), Some(0.0), None));
    let expected =
        GpuMemory { total: 143_771 << 20, used: 131_072 << 20, reserved: Some(583 << 20) };
    assert_eq!(gpu.memory, Some(expected));
    assert_eq!((gpu.power, gpu.power_limit), (Some(654.21), Some(650.0)));
    assert_eq!((gpu.sm_clock, gpu.memory_clock), (Some(1830), Some(3201)));
    assert_eq!(gpu.performance_state, Some(0));
    let throttle = gpu.throttle.as_ref().expect("counters");
    assert_eq!(throttle.reasons, ["sw_power_cap"]);
    assert_eq!(throttle.power, Some(Duration::from_secs(2)));
    assert_eq!(throttle.thermal, Some(Duration::from_millis(250)));
    let ecc = gpu.ecc.expect("ECC");
    assert_eq!((ecc.corrected_volatile, ecc.uncorrected_aggregate), (Some(3), Some(0)));
    let pcie = gpu.pcie.expect("a link");
    assert_eq!((pcie.generation, pcie.width, pcie.width_max), (Some(5), Some(16), Some(16)));
    assert_eq!(gpu.mig.as_ref().map(|mig| mig.enabled), Some(false));
    assert_eq!(gpu.processes.len(), 1, "each process once");
    let process = &gpu.processes[0];
    assert_eq!((process.pid, process.name.as_str()), (4711, "python3"));
    assert_eq!(process.memory, Some(130_000 << 20));
}

#[test]
fn what_a_driver_does_not_tell_is_none() {
    let reading = parse(NEW, APPS);
    let gpu = &reading.gpus[1];
    assert_eq!((gpu.margin, gpu.memory_temperature, gpu.utilization), (None, None, None));
    assert_eq!((gpu.power, gpu.power_limit, gpu.ecc), (None, None, None));
    assert_eq!(gpu.memory.map(|memory| memory.used), Some(0), "a zero that was told stays");
    let throttle = gpu.throttle.as_ref().expect("a mask");
    assert_eq!((throttle.reasons.len(), throttle.power, throttle.thermal), (0, None, None));
    let rows = RemappedRows { corrected: 0, uncorrected: 1, pending: true, failed: false };
    assert_eq!(gpu.remapped, Some(rows));
    assert_eq!(gpu.mig.as_ref().map(|mig| mig.enabled), Some(true));
    assert_eq!(gpu.processes[0].name, "a,b, c", "commas belong to the name");
    assert_eq!(gpu.processes[0].memory, None);
}

#[test]
fn an_old_driver_and_a_name_with_a_comma() {
    let old = "index, gpu_name, uuid, memory.used [MiB], memory.total [MiB], clocks_throttle_reasons.active, utilization.gpu [%]\n\
               0, Tesla K80, the one, GPU-k, 5 MiB, 11441 MiB, 0x0000000000000020, 7 %\n";
    let gpu = &parse(old, "").gpus[0];
    assert_eq!((gpu.name.as_str(), gpu.id.as_str()), ("Tesla K80, the one", "GPU-k"));
    assert_eq!(gpu.memory.map(|m| (m.used, m.total)), Some((5 << 20, 11_441 << 20)));
    assert_eq!(gpu.utilization, Some(0.07));
    assert_eq!(gpu.throttle.as_ref().expect("a mask").reasons, ["sw_thermal_slowdown"]);
}

#[test]
fn a_half_line_gives_what_came_whole() {
    let cut = NEW.find("143771, 583, 131072").expect("there") + 4;
    let reading = parse(&NEW[..cut], "GPU-aaaa, 4711, /opt/py");
    let gpu = &reading.gpus[0];
    assert_eq!((gpu.temperature, gpu.decoder), (Some(61.0), Some(0.0)));
    assert_eq!((gpu.memory, gpu.power), (None, None), "1437 is not 143771");
    assert_eq!(gpu.processes[0].name, "", "a cut name is none");
    for end in 0..NEW.len() {
        let _ = parse(&NEW[..end], &APPS[..end.min(APPS.len())]);
    }
}

#[test]
fn prose_is_no_table_but_may_be_a_diagnosis() {
    let mismatch = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n";
    assert_eq!(parse(mismatch, mismatch).problems, [diagnosis::MISMATCH]);
    assert_eq!(parse("No devices were found\n", "").gpus, []);
    let field = "Field \"clocks_event_reasons.active\" is not a valid field to query.\n\n";
    assert_eq!(parse(field, ""), GpusReading::default());
    let lost = "Unable to determine the device handle for GPU0000:1B:00.0: GPU is lost.  Reboot the system to recover this GPU\n";
    let reading = parse(&format!("{NEW}{lost}"), "");
    assert_eq!(reading.gpus.len(), 3);
    let gpu = &reading.gpus[2];
    assert_eq!((gpu.lost, gpu.index, gpu.id.as_str()), (true, 2, "00000000:1B:00.0"));
    assert!(reading.problems[0].contains("00000000:1B:00.0"), "{:?}", reading.problems);
}

#[test]
fn wrong_numbers_are_none() {
    let odd = "index, uuid, temperature.gpu, utilization.gpu [%], memory.total [MiB], memory.used [MiB], power.draw [W]\n\
               0, GPU-a, NaN, 250, 18446744073709551615, 1, -3\n\
               1, [N/A], 50, 1, 1, 1, 1\n\
               index 2, GPU-c, 1, 1, 1, 1, 1\n";
    let reading = parse(odd, "");
    assert_eq!(reading.gpus.len(), 1, "a row without a name of its own, and prose, are none");
    let gpu = &reading.gpus[0];
    assert_eq!((gpu.temperature, gpu.utilization, gpu.memory), (None, None, None));
    assert_eq!(gpu.power, None);
}

#[test]
fn only_columns_that_it_knows_are_asked_for() {
    let help = "\"index\"\nZero based index of the GPU.\n\n\"name\" or \"gpu_name\"\nThe name.\n\
                \"clocks_event_reasons.active\"\n\"clocks_event_reasons_counters.sw_power_cap\"\n";
    let expected =
        "index,name,clocks_event_reasons.active,clocks_event_reasons_counters.sw_power_cap";
    assert_eq!(columns(help).as_deref(), Some(expected));
    assert_eq!(columns("NVIDIA-SMI has failed"), None);
}

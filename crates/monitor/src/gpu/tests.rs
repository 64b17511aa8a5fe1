//! Sections of a remote machine, and the reading that is made of them.

use super::*;
use crate::reading::gpu::Vendor;

const ID: &str = "4f1dd0e6a1a0c8b4d9a0a55c3f0e9b8a7d6c5b4a39281706f5e4d3c2b1a09f8e";

#[test]
fn sections_make_one_reading() {
    let mut survey = Survey::default();
    survey
        .insert("smi", "index, uuid, name, pci.bus_id\n0, GPU-a, NVIDIA H200, 00000000:1B:00.0\n");
    survey.insert(
        "smi-apps",
        "gpu_uuid, pid, process_name, used_gpu_memory [MiB]\nGPU-a, 41, /usr/bin/python3, 10\n",
    );
    survey.insert("cgroups", format!("41 0::/system.slice/docker-{ID}.scope\n"));
    survey.insert("nvidia-power", "0000:1b:00.0 active D0\n0000:43:00.0 suspended D3cold\n");
    survey.insert("drm", "/sys/class/drm/card0/device/vendor:0x1002\n");
    let reading = parse(&survey).expect("GPUs");
    let seen: Vec<_> = reading
        .gpus
        .iter()
        .map(|gpu| (gpu.index, gpu.vendor, gpu.id.as_str(), gpu.asleep))
        .collect();
    let expected = [
        (0, Vendor::Nvidia, "GPU-a", false),
        (1, Vendor::Nvidia, "00000000:43:00.0", true),
        (2, Vendor::Amd, "card0", false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(reading.gpus[0].processes[0].container.as_deref(), Some(ID));
    assert!(reading.problems.is_empty());
}

#[test]
fn nothing_is_none_and_a_hung_driver_is_said() {
    assert_eq!(parse(&Survey::default()), None);
    let mut survey = Survey::default();
    survey.insert("smi-status", "124\n");
    let reading = parse(&survey).expect("a diagnosis");
    assert_eq!(reading.gpus, []);
    assert!(reading.problems[0].contains("within 8 s"), "{:?}", reading.problems);
}

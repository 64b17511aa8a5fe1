//! What a machine prints of its GPUs.

use crate::gpu;
use crate::survey::Survey;

/// Whatever a machine prints of its GPUs, one section after each NUL: what is read of it is within its
/// bounds, fit to be shown, and told apart.
///
/// # Panics
/// When a property does not hold.
pub fn monitor_gpu(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut survey = Survey::default();
    for (name, section) in GPU_SECTIONS.iter().zip(text.split('\0')) {
        survey.insert(*name, section);
    }
    let Some(reading) = gpu::parse(&survey) else { return };
    let mut numbers: Vec<u32> = reading.gpus.iter().map(|gpu| gpu.index).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), reading.gpus.len(), "two GPUs have one number");
    for gpu in &reading.gpus {
        let texts = [&gpu.id, &gpu.name].into_iter().chain(&gpu.bus_id);
        for text in texts.chain(gpu.processes.iter().map(|process| &process.name)) {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        assert!(!gpu.id.is_empty());
        let shares = [gpu.utilization, gpu.memory_utilization, gpu.encoder, gpu.decoder, gpu.fan];
        assert!(shares.into_iter().flatten().all(|share| (0.0..=1.0).contains(&share)));
        let numbers = [gpu.temperature, gpu.margin, gpu.memory_temperature, gpu.power];
        assert!(numbers.into_iter().flatten().all(f64::is_finite));
        for container in gpu.processes.iter().filter_map(|process| process.container.as_ref()) {
            assert!(container.len() == 64 && container.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        assert!(!(gpu.asleep || gpu.lost) || gpu.utilization.is_none(), "it was not asked");
    }
    let page = crate::dcgm::page("host", &reading);
    assert!(page.lines().all(|line| line.starts_with("# ") || line.starts_with("DCGM_FI_DEV_")));
}

/// The sections of a machine with GPUs, in the order of the bytes.
const GPU_SECTIONS: &[&str] = &["smi", "smi-apps", "cgroups", "drm", "nvidia-power", "smi-status"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gpu_bytes(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            super::monitor_gpu(&data);
        }
    }
}

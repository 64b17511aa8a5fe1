//! Power of GPUs that only count energy, from two readings.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::GPUS_MAX;
use crate::reading::gpu::Gpu;

/// The last count of each GPU and when it was read, by id.
#[derive(Debug, Default)]
pub(super) struct Meter(BTreeMap<String, (Instant, u64)>);

impl Meter {
    /// Adds watts where there are none and energy was counted before, at another time.
    pub(super) fn fill(&mut self, gpus: &mut [Gpu], now: Instant) {
        for gpu in gpus.iter_mut().filter(|gpu| gpu.power.is_none()) {
            let Some(millijoules) = gpu.energy else { continue };
            if self.0.len() >= GPUS_MAX && !self.0.contains_key(&gpu.id) {
                continue;
            }
            let last = self.0.insert(gpu.id.clone(), (now, millijoules));
            gpu.power = last.and_then(|(then, before)| {
                let seconds = now.saturating_duration_since(then).as_secs_f64();
                // A count that went back was set to zero by a reset of the device.
                let used = millijoules.checked_sub(before)?;
                (seconds > 0.0).then(|| used as f64 / 1000.0 / seconds)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn watts_are_joules_by_time_and_never_made_up() {
        let mut meter = Meter::default();
        let (start, gpu) = (Instant::now(), |energy| Gpu { energy, ..Gpu::of_bus("a") });
        let mut power_at = |seconds, energy| {
            let mut gpus = [gpu(energy)];
            meter.fill(&mut gpus, start + Duration::from_secs(seconds));
            gpus[0].power
        };
        assert_eq!(power_at(0, Some(1_000_000)), None, "one reading is no rate");
        assert_eq!(power_at(5, Some(1_500_000)), Some(100.0));
        assert_eq!(power_at(5, Some(1_500_000)), None, "no time has passed");
        assert_eq!(power_at(10, Some(7)), None, "a reset");
        assert_eq!(power_at(15, None), None);
        assert_eq!(power_at(20, Some(10_007)), Some(1.0));
        let mut told = [Gpu { power: Some(9.0), ..gpu(Some(20_007)) }];
        meter.fill(&mut told, start + Duration::from_secs(30));
        assert_eq!(told[0].power, Some(9.0), "what the driver tells stays");
    }
}

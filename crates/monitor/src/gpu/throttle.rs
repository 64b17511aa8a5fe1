//! Why a GPU runs slower than it could: the driver's bits and their words.

/// The words of the bits that are set. An idle GPU is not held back, so that bit has no word here;
/// an unknown bit has none either.
pub(super) fn reasons(mask: u64) -> Vec<&'static str> {
    REASONS.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, word)| *word).collect()
}

/// NVML's `nvmlClocksEventReason…` bits, and the words of `nvidia-smi`.
const REASONS: &[(u64, &str)] = &[
    (0x002, "applications_clocks_setting"),
    (0x004, "sw_power_cap"),
    (0x008, "hw_slowdown"),
    (0x010, "sync_boost"),
    (0x020, "sw_thermal_slowdown"),
    (0x040, "hw_thermal_slowdown"),
    (0x080, "hw_power_brake_slowdown"),
    (0x100, "display_clock_setting"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_unknown_bits_are_no_reasons() {
        assert_eq!(reasons(0x1 | 0x8000), Vec::<&str>::new());
        assert_eq!(reasons(0x4 | 0x40), ["sw_power_cap", "hw_thermal_slowdown"]);
    }
}

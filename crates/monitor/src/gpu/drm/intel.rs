//! What only Intel's drivers tell, `xe` and `i915`. How busy they are neither tells in a file.

use super::card::Card;
use crate::reading::gpu::Gpu;

/// Adds the clock, and the card's own memory where the driver tells of it.
pub(super) fn fill(gpu: Gpu, card: &Card<'_>) -> Gpu {
    let total: Option<u64> = card.number("lmem_total_bytes");
    let free: Option<u64> = card.number("lmem_avail_bytes");
    let used = total.zip(free).and_then(|(total, free)| total.checked_sub(free));
    Gpu {
        sm_clock: CLOCKS.iter().find_map(|file| card.number(file)),
        memory: super::memory(total, used),
        ..gpu
    }
}

/// Where the clock is, MHz: with `xe`, and with newer and older `i915`.
const CLOCKS: &[&str] =
    &["device/tile0/gt0/freq0/act_freq", "gt/gt0/rps_act_freq_mhz", "gt_act_freq_mhz"];

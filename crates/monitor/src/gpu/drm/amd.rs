//! What only AMD's driver tells, below `device/`.

use super::card::Card;
use crate::reading::gpu::{Ecc, Gpu};

/// Adds load, memory, clocks and memory errors.
pub(super) fn fill(gpu: Gpu, card: &Card<'_>) -> Gpu {
    let (total, used) =
        (card.number("device/mem_info_vram_total"), card.number("device/mem_info_vram_used"));
    Gpu {
        utilization: card.share("device/gpu_busy_percent"),
        memory_utilization: card.share("device/mem_busy_percent"),
        memory: super::memory(total, used),
        sm_clock: clock(card.lines("device/pp_dpm_sclk")),
        memory_clock: clock(card.lines("device/pp_dpm_mclk")),
        ecc: ecc(card.lines("device/ras/umc_err_count")),
        ..gpu
    }
}

/// Of `0: 500Mhz` and `1: 2482Mhz *`, the one with the star.
fn clock(levels: &[&str]) -> Option<u32> {
    let level = levels.iter().find_map(|level| level.strip_suffix('*'))?;
    let (_, clock) = level.split_once(':')?;
    let digits = clock.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
    digits.parse().ok()
}

/// Of `ue: 0` and `ce: 3`: errors that were not mended, and that were, since the driver was loaded.
fn ecc(lines: &[&str]) -> Option<Ecc> {
    let count = |word: &str| {
        let value = lines.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok())
    };
    let (uncorrected_volatile, corrected_volatile) = (count("ue"), count("ce"));
    let ecc = Ecc { corrected_volatile, uncorrected_volatile, ..Ecc::default() };
    (ecc != Ecc::default()).then_some(ecc)
}

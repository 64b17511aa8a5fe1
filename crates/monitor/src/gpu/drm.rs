//! AMD's and Intel's GPUs, from what the kernel's files say.
//!
//! **Invariant:** a card that sleeps is only named; a file that is not there is `None`.

mod amd;
mod card;
mod intel;

use self::card::{Card, cards_of};
use super::{GPUS_MAX, pci, text};
use crate::reading::gpu::{Gpu, GpuMemory, Pcie, Vendor};

/// Reads lines `path:value` as `grep -sH .` prints them of [`FILES`], into GPUs in the order of the
/// cards, numbered from 0.
pub fn parse(printed: &str) -> Vec<Gpu> {
    let cards = cards_of(printed);
    let gpus = cards.iter().filter_map(|(number, card)| gpu(*number, card)).take(GPUS_MAX);
    (0..).zip(gpus).map(|(index, gpu)| Gpu { index, ..gpu }).collect()
}

/// The GPU of a card; `None` of another maker's.
fn gpu(number: u32, card: &Card<'_>) -> Option<Gpu> {
    let vendor = match card.text("device/vendor")? {
        AMD => Vendor::Amd,
        INTEL => Vendor::Intel,
        _ => return None,
    };
    let bus_id = card.uevent("PCI_SLOT_NAME").and_then(pci::normal);
    let serial = card.text("device/unique_id").filter(|id| id.bytes().any(|b| b != b'0'));
    let serial = serial.map(text::clean).filter(|serial| !serial.is_empty());
    let id = serial.or_else(|| bus_id.clone());
    let gpu = Gpu {
        vendor,
        id: id.unwrap_or_else(|| format!("card{number}")),
        name: name(vendor, card),
        bus_id,
        asleep: card.text("device/power/runtime_status") == Some("suspended"),
        ..Gpu::default()
    };
    if gpu.asleep {
        return Some(gpu);
    }
    let gpu = Gpu { pcie: pcie(card), fan: fan(card), ..with_sensors(gpu, card) };
    Some(match vendor {
        Vendor::Amd => amd::fill(gpu, card),
        _ => intel::fill(gpu, card),
    })
}

/// The product's name where the card tells it, else the maker and the number of its kind.
fn name(vendor: Vendor, card: &Card<'_>) -> String {
    let maker = if vendor == Vendor::Amd { "AMD" } else { "Intel" };
    match (card.text("device/product_name"), card.text("device/device")) {
        (Some(product), _) if product.contains(maker) => text::clean(product),
        (Some(product), _) => text::clean(&format!("{maker} {product}")),
        (None, Some(kind)) => text::clean(&format!("{maker} {kind}")),
        (None, None) => maker.to_owned(),
    }
}

/// Temperatures and power, which both makers' drivers tell in the kernel's common form.
fn with_sensors(gpu: Gpu, card: &Card<'_>) -> Gpu {
    let sensors: Vec<(&str, usize)> =
        SENSORS.iter().map(|n| (card.label(*n).unwrap_or(LABELS[*n - 1]), *n)).collect();
    let of = |words: &[&str]| {
        words.iter().find_map(|word| {
            let (_, number) = sensors.iter().find(|(label, _)| label == word)?;
            card.celsius(&format!("temp{number}_input"))
        })
    };
    let margins = sensors.iter().filter(|(label, _)| CORE.contains(label)).filter_map(|(_, n)| {
        let limit = card.celsius(&format!("temp{n}_crit")).filter(|limit| *limit > 0.0)?;
        Some(limit - card.celsius(&format!("temp{n}_input"))?)
    });
    let watts = |name: &str| card.hwmon::<u64>(name).map(|microwatts| microwatts as f64 / 1e6);
    Gpu {
        temperature: of(CORE),
        memory_temperature: of(MEMORY),
        margin: margins.reduce(f64::min),
        power: watts("power1_average").or_else(|| watts("power1_input")),
        power_limit: watts("power1_cap").or_else(|| watts("power1_max")),
        energy: card.hwmon::<u64>("energy1_input").map(|microjoules| microjoules / 1000),
        ..gpu
    }
}

fn fan(card: &Card<'_>) -> Option<f64> {
    let (now, most) =
        (card.hwmon::<u32>("pwm1")?, card.hwmon::<u32>("pwm1_max").unwrap_or(PWM_MAX));
    (most > 0 && now <= most).then(|| f64::from(now) / f64::from(most))
}

fn pcie(card: &Card<'_>) -> Option<Pcie> {
    // The file of a card without a link says 255 lanes.
    let width = |name| card.number::<u32>(name).filter(|lanes| (1..=WIDTH_MAX).contains(lanes));
    let pcie = Pcie {
        generation: card.text("device/current_link_speed").and_then(generation),
        generation_max: card.text("device/max_link_speed").and_then(generation),
        width: width("device/current_link_width"),
        width_max: width("device/max_link_width"),
        replays: card.number("device/pcie_replay_count"),
        ..Pcie::default()
    };
    (pcie != Pcie::default()).then_some(pcie)
}

/// Of `16.0 GT/s PCIe`, 4.
fn generation(speed: &str) -> Option<u32> {
    let rate = speed.split_whitespace().next()?;
    SPEEDS.iter().find(|(known, _)| *known == rate).map(|(_, generation)| *generation)
}

/// A memory of which both numbers are told.
fn memory(total: Option<u64>, used: Option<u64>) -> Option<GpuMemory> {
    let (total, used) = (total.filter(|bytes| *bytes > 0)?, used?);
    Some(GpuMemory { total, used, reserved: None })
}

/// The makers of PCI devices whose cards are read.
pub(super) const VENDORS: &[&str] = &[AMD, INTEL];
/// What to read of a card that sleeps: its name, which wakes nothing.
pub const FILES_ASLEEP: &[&str] = &[
    "device/vendor",
    "device/device",
    "device/uevent",
    "device/power/runtime_status",
    "device/product_name",
    "device/unique_id",
];
/// AMD's number as a maker of PCI devices.
const AMD: &str = "0x1002";
/// Intel's.
const INTEL: &str = "0x8086";
/// The sensors that are looked at.
const SENSORS: &[usize] = &[1, 2, 3];
/// What the sensors of a driver without labels are.
const LABELS: [&str; 3] = ["edge", "junction", "mem"];
/// Labels of the core's sensors, the best one first.
const CORE: &[&str] = &["edge", "pkg", "junction"];
/// Labels of the memory's sensor.
const MEMORY: &[&str] = &["mem", "vram"];
/// What a fan at full speed is set to where the driver does not say.
const PWM_MAX: u32 = 255;
/// The widest link.
const WIDTH_MAX: u32 = 32;
/// Speeds of a lane and the generation that brought them.
const SPEEDS: &[(&str, u32)] =
    &[("2.5", 1), ("5.0", 2), ("8.0", 3), ("16.0", 4), ("32.0", 5), ("64.0", 6)];
/// What to read below `/sys/class/drm/cardN`, in the shell's patterns, once the card is known to be
/// awake.
pub const FILES: &[&str] = &[
    "device/vendor",
    "device/device",
    "device/uevent",
    "device/power/runtime_status",
    "device/product_name",
    "device/unique_id",
    "device/gpu_busy_percent",
    "device/mem_busy_percent",
    "device/mem_info_vram_total",
    "device/mem_info_vram_used",
    "device/pp_dpm_sclk",
    "device/pp_dpm_mclk",
    "device/current_link_speed",
    "device/current_link_width",
    "device/max_link_speed",
    "device/max_link_width",
    "device/pcie_replay_count",
    "device/ras/umc_err_count",
    "device/hwmon/hwmon*/temp[123]_input",
    "device/hwmon/hwmon*/temp[123]_label",
    "device/hwmon/hwmon*/temp[123]_crit",
    "device/hwmon/hwmon*/power1_average",
    "device/hwmon/hwmon*/power1_input",
    "device/hwmon/hwmon*/power1_cap",
    "device/hwmon/hwmon*/power1_max",
    "device/hwmon/hwmon*/energy1_input",
    "device/hwmon/hwmon*/pwm1",
    "device/hwmon/hwmon*/pwm1_max",
    "device/tile0/gt0/freq0/act_freq",
    "gt/gt0/rps_act_freq_mhz",
    "gt_act_freq_mhz",
    "lmem_total_bytes",
    "lmem_avail_bytes",
];

#[cfg(test)]
pub(super) use self::tests::CARDS as CARDS_FOR_TESTS;
#[cfg(test)]
mod tests;

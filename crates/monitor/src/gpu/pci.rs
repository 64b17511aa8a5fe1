//! PCI addresses, and whether the device behind one sleeps.

use crate::reading::gpu::{Gpu, Vendor};

/// An address as NVML writes it, `00000000:1B:00.0`, from any of its forms; `None` of anything else.
pub(super) fn normal(text: &str) -> Option<String> {
    let mut parts = text.rsplitn(2, '.');
    let function = parts.next()?;
    let mut fields = parts.next()?.split(':');
    let (first, second, third) = (fields.next()?, fields.next()?, fields.next());
    let (domain, bus, device) = third.map_or(("0", first, second), |third| (first, second, third));
    if fields.next().is_some() || [domain, bus, device, function].iter().any(|f| !is_hex(f)) {
        return None;
    }
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let (domain, bus, device) = (number(domain)?, number(bus)?, number(device)?);
    let is_legal = bus <= BUS_MAX && device <= DEVICE_MAX && function.len() == 1;
    is_legal.then(|| format!("{domain:08X}:{bus:02X}:{device:02X}.{function}"))
}

/// Reads the section `nvidia-power`: addresses of NVIDIA's GPUs, and whether each sleeps.
pub(super) fn parse_power(section: &str) -> Vec<(String, bool)> {
    let mut devices: Vec<(String, bool)> = Vec::new();
    for line in section.lines().take(super::GPUS_MAX) {
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(normal) else { continue };
        let asleep = is_asleep(words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if devices.iter().all(|(known, _)| *known != address) {
            devices.push((address, asleep));
        }
    }
    devices.sort();
    devices
}

/// Whether the kernel's two words for a device's power say that it sleeps.
pub(super) fn is_asleep(runtime_status: &str, power_state: &str) -> bool {
    runtime_status == "suspended" || matches!(power_state, "D3hot" | "D3cold")
}

impl Gpu {
    /// A GPU of which only the address is known.
    pub(super) fn of_bus(address: &str) -> Self {
        Self {
            vendor: Vendor::Nvidia,
            id: address.to_owned(),
            bus_id: Some(address.to_owned()),
            ..Self::default()
        }
    }
}

fn is_hex(digits: &str) -> bool {
    (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The last bus of a domain.
const BUS_MAX: u32 = 0xff;
/// The last device of a bus.
const DEVICE_MAX: u32 = 0x1f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for text in ["0000:1b:00.0", "00000000:1B:00.0", "1b:00.0"] {
            assert_eq!(normal(text).as_deref(), Some("00000000:1B:00.0"), "{text}");
        }
        for text in ["", ".", "1b", "0000:1b:00", "0000:1b:20.0", "0:1:2:3.0", "::.", "-1:00.0"] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn a_device_sleeps_by_either_word() {
        let section = "0000:02:00.0 active D0\n0000:01:00.0 suspended D3cold\nx\n0000:03:00.0\n\
                       0000:04:00.0 - D3hot\n";
        let found = parse_power(section);
        let asleep: Vec<_> =
            found.iter().map(|(address, asleep)| (&address[9..], *asleep)).collect();
        let expected =
            [("01:00.0", true), ("02:00.0", false), ("03:00.0", false), ("04:00.0", true)];
        assert_eq!(asleep, expected);
    }
}

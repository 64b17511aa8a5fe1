//! The files of one card, by their path below it.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Files and their lines; the number of a `hwmonN` is left out of the path.
#[derive(Debug, Default)]
pub(super) struct Card<'a> {
    files: BTreeMap<String, Vec<&'a str>>,
}

/// Takes lines `path:value` apart, by card.
pub(super) fn cards_of(printed: &str) -> BTreeMap<u32, Card<'_>> {
    let mut cards: BTreeMap<u32, Card<'_>> = BTreeMap::new();
    for line in printed.lines().take(LINES_MAX) {
        let Some((path, value)) = line.split_once(':') else { continue };
        let Some((number, file)) = place(path) else { continue };
        if cards.len() >= super::GPUS_MAX && !cards.contains_key(&number) {
            continue;
        }
        let lines = cards.entry(number).or_default().files.entry(file).or_default();
        if lines.len() < FILE_LINES_MAX {
            lines.push(value.trim());
        }
    }
    cards
}

impl<'a> Card<'a> {
    /// The first line of a file.
    pub(super) fn text(&self, file: &str) -> Option<&'a str> {
        self.lines(file).first().copied().filter(|line| !line.is_empty())
    }

    /// All lines of a file.
    pub(super) fn lines(&self, file: &str) -> &[&'a str] {
        self.files.get(file).map_or(&[], Vec::as_slice)
    }

    /// A file that holds a number.
    pub(super) fn number<T: FromStr>(&self, file: &str) -> Option<T> {
        self.text(file)?.parse().ok()
    }

    /// Per cent, as a share.
    pub(super) fn share(&self, file: &str) -> Option<f64> {
        let percent = self.number::<u32>(file).filter(|percent| *percent <= 100)?;
        Some(f64::from(percent) / 100.0)
    }

    /// A value of the device's `uevent`.
    pub(super) fn uevent(&self, key: &str) -> Option<&'a str> {
        let lines = self.lines("device/uevent").iter();
        lines.filter_map(|line| line.split_once('=')).find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// A sensor's number, in the kernel's unit.
    pub(super) fn hwmon<T: FromStr>(&self, sensor: &str) -> Option<T> {
        self.number(&format!("device/hwmon/{sensor}"))
    }

    /// A temperature, °C; the kernel counts thousandths.
    pub(super) fn celsius(&self, sensor: &str) -> Option<f64> {
        self.hwmon::<i32>(sensor).map(|thousandths| f64::from(thousandths) / 1000.0)
    }

    /// What a temperature is of.
    pub(super) fn label(&self, number: usize) -> Option<&'a str> {
        self.text(&format!("device/hwmon/temp{number}_label"))
    }
}

/// The card's number and the file below it. Connectors, `card0-DP-1`, are no cards.
fn place(path: &str) -> Option<(u32, String)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (digits, file) = path.split("card").skip(1).enumerate().find_map(|(at, _)| {
        let start = path.match_indices("card").nth(at)?.0;
        let is_part = start == 0 || path[..start].ends_with('/');
        let (digits, file) = path[start + "card".len()..].split_once('/')?;
        (is_part && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .then_some((digits, file))
    })?;
    let parts = file.split('/').filter(|part| !is_hwmon_number(part));
    Some((digits.parse().ok()?, parts.collect::<Vec<_>>().join("/")))
}

/// Whether a part of a path is `hwmon3`.
fn is_hwmon_number(part: &str) -> bool {
    part.strip_prefix("hwmon")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Lines that are looked at: 64 cards with some 50 files.
const LINES_MAX: usize = 8192;
/// Lines of a file that are looked at; clocks have up to 16.
const FILE_LINES_MAX: usize = 64;

//! Temperatures, fans, cooling, power supplies and units.

use std::collections::BTreeMap;

use super::lines::{self, Nonsense};
use crate::figures::UnitState;
use crate::reading::host::HostReading;
use crate::reading::host::sensor::{CoolingDevice, PowerSupply, Sensor};
use crate::survey::Survey;

/// Reads what the hardware says of itself, and the units of interest.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    let problems = &mut reading.problems;
    reading.sensors = sensors(survey, problems);
    reading.cooling = cooling(survey, problems);
    reading.power = lines::read(survey, "power", SUPPLIES_MAX, problems, |line| {
        let (name, _, value) = lines::attribute(line)?;
        let is_online = lines::number::<u8>(Some(value))? != 0;
        Ok(Some(PowerSupply { name: name.to_owned(), is_online }))
    });
    reading.units = lines::read(survey, "units", UNITS_MAX, problems, |line| {
        let mut words = line.split_ascii_whitespace();
        let (name, active) = (words.next().ok_or(Nonsense)?, words.next().ok_or(Nonsense)?);
        Ok(Some(UnitState { name: name.to_owned(), active: active.to_owned() }))
    });
}

/// A chip's files, as they are read.
#[derive(Default)]
struct Chip<'a> {
    name: Option<&'a str>,
    device: Option<&'a str>,
    sensors: BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
}

fn sensors(survey: &Survey, problems: &mut Vec<String>) -> Vec<Sensor> {
    let read =
        lines::read(survey, "hwmon", VALUES_MAX, problems, |line| lines::attribute(line).map(Some));
    let mut chips: BTreeMap<&str, Chip<'_>> = BTreeMap::new();
    for (place, attribute, value) in read {
        let chip = chips.entry(place).or_default();
        match attribute {
            "name" => chip.name = Some(value),
            "device" => chip.device = Some(value),
            _ => {
                if let Some((sensor, word)) =
                    attribute.split_once('_').filter(|(s, _)| is_sensor(s))
                {
                    chip.sensors.entry(sensor).or_default().push((word, value));
                }
            }
        }
    }
    let mut sensors = Vec::new();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (place, chip) in &chips {
        let mut unique = chip.unique_name(place);
        // Two chips of one device have one path; the second is told apart by its number.
        if seen.insert(unique.clone(), place).is_some() {
            unique = format!("{unique}_{place}");
        }
        sensors.extend(
            chip.sensors.iter().map(|(sensor, values)| chip.sensor(&unique, sensor, values)),
        );
    }
    sensors
}

impl Chip<'_> {
    /// The chip by its place in the machine, as `node_exporter` names it: the last two parts of its
    /// device's path, else its name, else its number.
    fn unique_name(&self, place: &str) -> String {
        let mut parts = self.device.unwrap_or_default().rsplit('/').map(clean);
        let (device, bus) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match (bus.is_empty(), device.is_empty()) {
            (false, false) => format!("{bus}_{device}"),
            (true, false) => device,
            _ => {
                let name = clean(self.name.unwrap_or_default());
                if name.is_empty() { clean(place) } else { name }
            }
        }
    }

    fn sensor(&self, unique: &str, sensor: &str, values: &[(&str, &str)]) -> Sensor {
        let label = values.iter().find(|(word, _)| *word == "label").map(|(_, value)| *value);
        let numbers = values.iter().filter_map(|(word, value)| {
            let value = lines::real(Some(value)).ok()?;
            WORDS.contains(word).then(|| ((*word).to_owned(), value))
        });
        Sensor {
            chip: unique.to_owned(),
            chip_name: clean(self.name.unwrap_or_default()),
            sensor: sensor.to_owned(),
            label: label.map(|label| label.chars().take(LABEL_CHARS_MAX).collect()),
            values: numbers.collect(),
        }
    }
}

/// Whether a word is `temp` or `fan` with a number.
fn is_sensor(word: &str) -> bool {
    let number = word.strip_prefix("temp").or_else(|| word.strip_prefix("fan"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

/// Whether a file of a chip is read.
pub(super) fn is_attribute(file: &str) -> bool {
    let parts = file.split_once('_').filter(|(sensor, _)| is_sensor(sensor));
    parts.is_some_and(|(_, word)| word == "label" || WORDS.contains(&word))
}

/// Lower case, and `_` for what a label of Prometheus' older days could not hold.
fn clean(name: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '_';
    let clean = |c: char| if legal(c) { c.to_ascii_lowercase() } else { '_' };
    let name: String = name.chars().take(LABEL_CHARS_MAX).map(clean).collect();
    name.trim_matches('_').to_owned()
}

fn cooling(survey: &Survey, problems: &mut Vec<String>) -> Vec<CoolingDevice> {
    let read = lines::read(survey, "cooling", VALUES_MAX, problems, |line| {
        lines::attribute(line).map(Some)
    });
    let mut devices: BTreeMap<&str, CoolingDevice> = BTreeMap::new();
    for (place, attribute, value) in read {
        let Some(number) = place.strip_prefix("cooling_device") else {
            continue;
        };
        let device = devices.entry(number).or_default();
        number.clone_into(&mut device.name);
        match attribute {
            "type" => device.kind = value.chars().take(LABEL_CHARS_MAX).collect(),
            "cur_state" => device.state = value.parse().ok(),
            "max_state" => device.state_max = value.parse().ok(),
            _ => {}
        }
    }
    devices.into_values().collect()
}

/// The most values of sensors, and of cooling devices.
const VALUES_MAX: usize = 4_096;
/// The most power supplies.
const SUPPLIES_MAX: usize = 64;
/// The most units.
pub(super) const UNITS_MAX: usize = 128;
/// The longest label or name, in characters.
const LABEL_CHARS_MAX: usize = 128;
/// Values of sensors that are kept.
const WORDS: &[&str] = &["input", "crit", "crit_alarm", "crit_hyst", "max", "min"];

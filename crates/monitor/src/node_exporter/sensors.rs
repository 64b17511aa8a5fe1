//! Temperatures, fans, cooling and power.

use super::text::{Kind, Text, count, flag};
use crate::reading::host::HostReading;

pub(super) fn write(reading: &HostReading, text: &mut Text) {
    write_chips(reading, text);
    for (word, name) in TEMPERATURES {
        let metric = format!("node_hwmon_temp_{name}celsius");
        let help = format!("Hardware monitor for temperature ({word})");
        let mut family = text.family(&metric, Kind::Gauge, &help);
        for sensor in reading.sensors.iter().filter(|sensor| sensor.is_temperature()) {
            // The exporter divides alarms too, and dashboards know it.
            let value = sensor.value(word).map(|value| value / MILLIDEGREES);
            family.add(&[("chip", &sensor.chip), ("sensor", &sensor.sensor)], value);
        }
    }
    for (word, name) in FANS {
        let metric = format!("node_hwmon_fan_{name}rpm");
        let help = format!("Hardware monitor for fan revolutions per minute ({word})");
        let mut family = text.family(&metric, Kind::Gauge, &help);
        for sensor in reading.sensors.iter().filter(|sensor| !sensor.is_temperature()) {
            let labels = [("chip", sensor.chip.as_str()), ("sensor", &sensor.sensor)];
            family.add(&labels, sensor.value(word));
        }
    }
    write_cooling(reading, text);
    let help = "online value of /sys/class/power_supply/<power_supply>.";
    let mut family = text.family("node_power_supply_online", Kind::Gauge, help);
    for supply in &reading.power {
        family.add(&[("power_supply", &supply.name)], flag(supply.is_online));
    }
}

fn write_chips(reading: &HostReading, text: &mut Text) {
    let help = "Annotation metric for human-readable chip names";
    let mut family = text.family("node_hwmon_chip_names", Kind::Gauge, help);
    for sensor in reading.sensors.iter().filter(|sensor| !sensor.chip_name.is_empty()) {
        family.add(&[("chip", &sensor.chip), ("chip_name", &sensor.chip_name)], Some(1.0));
    }
    let help = "Label for given chip and sensor";
    let mut family = text.family("node_hwmon_sensor_label", Kind::Gauge, help);
    for sensor in &reading.sensors {
        let Some(label) = &sensor.label else {
            continue;
        };
        let labels = [("chip", sensor.chip.as_str()), ("label", label), ("sensor", &sensor.sensor)];
        family.add(&labels, Some(1.0));
    }
}

fn write_cooling(reading: &HostReading, text: &mut Text) {
    let help = "Current throttle state of the cooling device";
    let mut family = text.family("node_cooling_device_cur_state", Kind::Gauge, help);
    for device in &reading.cooling {
        let labels = [("name", device.name.as_str()), ("type", &device.kind)];
        family.add(&labels, device.state.and_then(count));
    }
    let help = "Maximum throttle state of the cooling device";
    let mut family = text.family("node_cooling_device_max_state", Kind::Gauge, help);
    for device in &reading.cooling {
        let labels = [("name", device.name.as_str()), ("type", &device.kind)];
        family.add(&labels, device.state_max.and_then(count));
    }
}

/// The kernel counts temperatures in thousandths of a degree.
const MILLIDEGREES: f64 = 1_000.0;
/// Values of temperatures, and what the exporter adds to their names.
const TEMPERATURES: &[(&str, &str)] = &[
    ("input", ""),
    ("crit", "crit_"),
    ("crit_alarm", "crit_alarm_"),
    ("crit_hyst", "crit_hyst_"),
    ("max", "max_"),
];
/// Values of fans, and what the exporter adds to their names.
const FANS: &[(&str, &str)] = &[("input", ""), ("min", "min_"), ("max", "max_")];

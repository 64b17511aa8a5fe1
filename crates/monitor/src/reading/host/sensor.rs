//! Temperatures, fans, and what cools and feeds a machine.

/// A temperature or a fan of a chip.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sensor {
    /// The chip by its place, which is unique and lasts, such as `platform_coretemp_0`.
    pub chip: String,
    /// The chip's name, such as `coretemp`; empty when it has none.
    pub chip_name: String,
    /// The sensor, such as `temp1` or `fan2`.
    pub sensor: String,
    /// What it measures, such as `Package id 0`.
    pub label: Option<String>,
    /// What was read, by the kernel's word: `input`, `crit`, `max`, `min`…; millidegrees of a
    /// temperature, revolutions per minute of a fan.
    pub values: Vec<(String, f64)>,
}

impl Sensor {
    /// Whether it is a temperature.
    pub fn is_temperature(&self) -> bool {
        self.sensor.starts_with("temp")
    }

    /// A value by the kernel's word.
    pub fn value(&self, word: &str) -> Option<f64> {
        self.values.iter().find(|(name, _)| name == word).map(|(_, value)| *value)
    }
}

/// Something that the kernel can use to cool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoolingDevice {
    /// Its number.
    pub name: String,
    /// Such as `Processor` or `Fan`.
    pub kind: String,
    /// How much it cools now.
    pub state: Option<u64>,
    /// How much it can.
    pub state_max: Option<u64>,
}

/// A power supply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PowerSupply {
    /// Such as `AC`.
    pub name: String,
    /// Whether it is plugged in.
    pub is_online: bool,
}

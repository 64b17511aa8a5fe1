//! Points of one series, packed: an hour of fine ones, a day of coarse ones.
//!
//! **Invariant:** times within a block only rise, second by second, so that an hour has at most
//! 3,600 points and a day at most 96 slots, whatever the clock does. What is not legal when it is
//! read ends the block there.

use std::collections::BTreeMap;

/// An hour of points: the second of the hour and the value, in the order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fine(Vec<(u16, f32)>);

impl Fine {
    /// Adds a point; whether it was taken: one at or before the last second is not.
    pub(super) fn push(&mut self, second: u16, value: f32) -> bool {
        let is_later = self.0.last().is_none_or(|(last, _)| second > *last);
        if is_later && u32::from(second) < SECONDS {
            self.0.push((second, value));
            return true;
        }
        false
    }

    /// The points.
    pub(super) fn points(&self) -> &[(u16, f32)] {
        &self.0
    }

    /// As bytes: of each point the seconds since the one before and whether the value is the same,
    /// and if not, the value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 4);
        let mut before = (0, None);
        for (second, value) in &self.0 {
            let is_same = before.1 == Some(value.to_bits());
            let head = u32::from(second - before.0) << 1 | u32::from(is_same);
            put_varint(head, &mut bytes);
            if !is_same {
                bytes.extend(value.to_le_bytes());
            }
            before = (*second, Some(value.to_bits()));
        }
        bytes
    }

    /// What [`Self::encode`] wrote, as far as it makes sense.
    pub(super) fn decode(mut bytes: &[u8]) -> Self {
        let mut block = Self::default();
        let mut before: (u32, f32) = (0, 0.0);
        while let Some(head) = take_varint(&mut bytes) {
            let second = before.0.saturating_add(head >> 1);
            let value = if head & 1 == 1 {
                before.1
            } else {
                match take_float(&mut bytes) {
                    Some(value) => value,
                    None => break,
                }
            };
            let is_legal = value.is_finite()
                && u16::try_from(second).is_ok_and(|second| block.push(second, value));
            if !is_legal {
                break;
            }
            before = (second, value);
        }
        block
    }

    /// The quarters of the hour that have points, 0 to 3, each summed up.
    pub(super) fn slots(&self) -> BTreeMap<u8, Slot> {
        let mut slots: BTreeMap<u8, (Slot, f64, u32)> = BTreeMap::new();
        for (second, value) in &self.0 {
            let quarter = u8::try_from(u32::from(*second) / SLOT_SECONDS).unwrap_or(0);
            let first = (Slot { min: *value, mean: *value, max: *value }, 0.0, 0);
            let (slot, sum, count) = slots.entry(quarter).or_insert(first);
            slot.min = slot.min.min(*value);
            slot.max = slot.max.max(*value);
            *sum += f64::from(*value);
            *count += 1;
        }
        let mean = |(slot, sum, count): (Slot, f64, u32)| Slot {
            mean: (sum / f64::from(count)) as f32,
            ..slot
        };
        slots.into_iter().map(|(quarter, summed)| (quarter, mean(summed))).collect()
    }
}

/// What a quarter of an hour was like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slot {
    pub(super) min: f32,
    pub(super) mean: f32,
    pub(super) max: f32,
}

/// A day of slots, by their number, 0 to 95.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Coarse(pub(super) BTreeMap<u8, Slot>);

impl Coarse {
    /// As bytes: of each slot its number, least, mean and greatest value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * SLOT_BYTES);
        for (number, slot) in &self.0 {
            bytes.push(*number);
            for value in [slot.min, slot.mean, slot.max] {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes
    }

    /// What [`Self::encode`] wrote, as far as it makes sense.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut slots = BTreeMap::new();
        for mut part in bytes.chunks_exact(SLOT_BYTES).take(usize::from(SLOTS)) {
            let number = part[0];
            part = &part[1..];
            let mut next = || take_float(&mut part).filter(|value| value.is_finite());
            let (Some(min), Some(mean), Some(max)) = (next(), next(), next()) else {
                break;
            };
            if number >= SLOTS {
                break;
            }
            slots.insert(number, Slot { min, mean, max });
        }
        Self(slots)
    }
}

fn put_varint(mut number: u32, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..VARINT_BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_float(bytes: &mut &[u8]) -> Option<f32> {
    let (value, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(f32::from_le_bytes(*value))
}

/// Seconds of a fine block.
pub(super) const SECONDS: u32 = 3_600;
/// Seconds of a slot.
pub(super) const SLOT_SECONDS: u32 = 900;
/// Slots of a day.
const SLOTS: u8 = 96;
/// A number and three values.
const SLOT_BYTES: usize = 13;
/// The longest number that is read, in bits; a head has 13.
const VARINT_BITS: u32 = 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_read_as_it_was_written() {
        let mut block = Fine::default();
        for (second, value) in [(0, 1.5), (30, 1.5), (31, -0.25), (700, 0.0), (3_599, 9e9)] {
            assert!(block.push(second, value));
        }
        for (second, value) in [(3_599, 1.0), (12, 1.0), (3_600, 1.0)] {
            assert!(!block.push(second, value), "{second}");
        }
        assert_eq!(Fine::decode(&block.encode()), block);
        assert_eq!(block.slots().keys().copied().collect::<Vec<_>>(), [0, 3]);
        let first = block.slots()[&0];
        assert_eq!((first.min, first.mean, first.max), (-0.25, 0.6875, 1.5));
    }

    #[test]
    fn a_number_that_does_not_change_costs_a_byte_or_two() {
        let mut block = Fine::default();
        for second in (0..3_600).step_by(30) {
            block.push(second, 0.0);
        }
        assert!(block.encode().len() < 130, "{}", block.encode().len());
    }

    #[test]
    fn a_day_is_read_as_it_was_written() {
        let slot = |value: f32| Slot { min: value, mean: value + 1.0, max: value + 2.0 };
        let day = Coarse([(0, slot(1.0)), (40, slot(-2.0)), (95, slot(7.0))].into());
        assert_eq!(Coarse::decode(&day.encode()), day);
        assert_eq!(day.encode().len(), 39);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_legal_block(bytes in proptest::collection::vec(0u8.., 0..2_000)) {
            let fine = Fine::decode(&bytes);
            assert!(fine.points().len() <= 3_600);
            assert_eq!(Fine::decode(&fine.encode()), fine);
            let coarse = Coarse::decode(&bytes);
            assert!(coarse.0.len() <= 96);
            assert_eq!(Coarse::decode(&coarse.encode()), coarse);
        }
    }
}

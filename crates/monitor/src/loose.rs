//! Pieces of JSON that others write, taken as they come.
//!
//! **Invariant:** a value of another kind than expected is absent, never an error and never zero;
//! texts, lists and maps are kept up to a bound, and what is not kept costs no memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text without control characters; absent when it is something else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text(pub(crate) Option<String>);

impl Text {
    /// The text, when there is one that is not empty.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

/// A number; absent when it is something else, and when it is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Number(Option<f64>, Option<u64>);

impl Number {
    /// As a whole number; `None` when it is negative, too large or broken.
    pub(crate) fn whole(self) -> Option<u64> {
        self.1
    }

    /// As any number.
    pub(crate) fn real(self) -> Option<f64> {
        self.0
    }
}

/// True or false; absent when it is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flag(pub(crate) Option<bool>);

/// A list, of which at most [`MANY_MAX`] are kept; empty when it is something else.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Many<T>(pub(crate) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An object with any keys, of which at most [`MANY_MAX`] are kept; empty when it is something else.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keyed<T>(pub(crate) BTreeMap<String, T>);

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// An object with known keys; the default one when it is something else.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Part<T>(pub(crate) T);

/// A visitor that takes what `T` wants and passes over everything else.
struct Loose<T>(PhantomData<T>);

/// What a kind of value is made of; everything is passed over unless said otherwise.
pub(crate) trait Take<'de>: Default {
    /// What a text gives.
    fn text(_: &str) -> Self {
        Self::default()
    }

    /// What `true` and `false` give.
    fn truth(_: bool) -> Self {
        Self::default()
    }

    /// What a number gives, as any number and as a whole one.
    fn number(_: f64, _: Option<u64>) -> Self {
        Self::default()
    }

    /// What a list gives; takes it to its end.
    fn list<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    /// What an object gives; takes it to its end.
    fn object<A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl Take<'_> for Text {
    fn text(text: &str) -> Self {
        let visible = |text: &str| text.chars().filter(|c| !c.is_control()).collect();
        Self(Some(visible(cut(text, TEXT_BYTES_MAX))))
    }
}

impl Take<'_> for Number {
    fn text(text: &str) -> Self {
        let real = text.trim().parse().ok().filter(|real: &f64| real.is_finite());
        Self(real, text.trim().parse().ok())
    }

    fn number(real: f64, whole: Option<u64>) -> Self {
        Self(Some(real).filter(|real| real.is_finite()), whole)
    }
}

impl Take<'_> for Flag {
    fn truth(truth: bool) -> Self {
        Self(Some(truth))
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Many<T> {
    fn list<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MANY_MAX {
            match items.next_element()? {
                Some(item) => kept.push(item),
                None => return Ok(Self(kept)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(kept))
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Keyed<T> {
    fn object<A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        let mut kept = BTreeMap::new();
        while kept.len() < MANY_MAX {
            match entries.next_entry::<Text, T>()? {
                Some((Text(Some(key)), value)) => _ = kept.insert(key, value),
                Some(_) => {}
                None => return Ok(Self(kept)),
            }
        }
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self(kept))
    }
}

impl<'de, T: Deserialize<'de> + Default> Take<'de> for Part<T> {
    fn object<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(Self)
    }
}

/// Reads a value that may be of any kind.
pub(crate) fn loose<'de, T: Take<'de>, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    input.deserialize_any(Loose(PhantomData))
}

impl<'de, T: Take<'de>> Visitor<'de> for Loose<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<T, E> {
        Ok(T::truth(truth))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::number(number as f64, Some(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::number(number as f64, u64::try_from(number).ok()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        // Go writes large whole numbers as 1e+09.
        let is_whole = number.fract() == 0.0 && (0.0..=WHOLE_REAL_MAX).contains(&number);
        Ok(T::number(number, is_whole.then_some(number as u64)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::object(entries)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

/// The beginning of a text, at most `bytes` long, cut between two characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The longest text that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// How many items of a list and entries of an object are kept.
pub(crate) const MANY_MAX: usize = 256;
/// The largest number that a double holds exactly.
const WHOLE_REAL_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kind_of_value_is_absent() {
        let texts: Many<Text> =
            serde_json::from_str(r#"["a",1,null,true,[1],{"b":2}]"#).expect("JSON");
        assert_eq!(texts.0.iter().filter_map(Text::get).collect::<Vec<_>>(), ["a"]);
        let numbers: Many<Number> =
            serde_json::from_str(r#"[7,"8",1e3,-1,0.5,"x",null,[9]]"#).expect("JSON");
        let whole: Vec<_> = numbers.0.iter().map(|number| number.whole()).collect();
        assert_eq!(whole, [Some(7), Some(8), Some(1_000), None, None, None, None, None]);
        assert_eq!(numbers.0[3].real(), Some(-1.0));
        assert_eq!(serde_json::from_str::<Many<Text>>("{}").expect("JSON").0, []);
    }

    #[test]
    fn long_things_are_cut() {
        let told: Text = serde_json::from_str(r#""a\u001b[31m\nb""#).expect("JSON");
        assert_eq!(told.get(), Some("a[31mb"));
        let long = format!("[{}1]", "1,".repeat(1_000));
        assert_eq!(serde_json::from_str::<Many<Number>>(&long).expect("JSON").0.len(), MANY_MAX);
        let text = format!("\"{}\"", "ä".repeat(5_000));
        let kept: Text = serde_json::from_str(&text).expect("JSON");
        assert_eq!(kept.get().map(str::len), Some(TEXT_BYTES_MAX));
    }
}

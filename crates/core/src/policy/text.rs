//! Texts that are checked when they are read.

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {what}")]
pub struct InvalidText {
    /// What was given, shortened when it is long.
    pub given: String,
    /// What it should have been, with an example.
    pub what: &'static str,
}

impl InvalidText {
    pub(super) fn new(given: &str, what: &'static str) -> Self {
        Self { given: given.chars().take(80).collect(), what }
    }
}

/// Gives a type its written form: `FromStr` is there, this adds serde's two halves through it. With
/// `or number`, a whole number is read as the text that it is written with.
macro_rules! written {
    ($($type:ty),+ $(,)?) => {
        $crate::policy::text::written!(read_text: $($type),+);
    };
    (or number: $($type:ty),+ $(,)?) => {
        $crate::policy::text::written!(read: $($type),+);
    };
    ($read:ident: $($type:ty),+) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::policy::text::$read(deserializer)
            }
        }
    )+};
}
pub(super) use written;

/// Reads a text.
pub(super) fn read_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    deserializer.deserialize_str(Visitor::<T, false>(std::marker::PhantomData))
}

/// Reads a text, or a number as the text that it is written with.
pub(super) fn read<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    deserializer.deserialize_any(Visitor::<T, true>(std::marker::PhantomData))
}

/// Parses within the visit, where formats still know the line that they are at.
struct Visitor<T, const TAKES_NUMBERS: bool>(std::marker::PhantomData<T>);

impl<T, const TAKES_NUMBERS: bool> serde::de::Visitor<'_> for Visitor<T, TAKES_NUMBERS>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if TAKES_NUMBERS { "a text or a whole number" } else { "a text" })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        if TAKES_NUMBERS {
            return self.visit_str(&number.to_string());
        }
        Err(E::invalid_type(serde::de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        if TAKES_NUMBERS {
            return self.visit_str(&number.to_string());
        }
        Err(E::invalid_type(serde::de::Unexpected::Signed(number), &self))
    }
}

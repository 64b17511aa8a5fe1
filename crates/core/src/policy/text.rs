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
    let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Reads a text, or a number as the text that it is written with.
pub(super) fn read<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);
    impl<T: std::str::FromStr<Err: std::fmt::Display>> serde::de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or a whole number")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }
    deserializer.deserialize_any(Visitor(std::marker::PhantomData))
}

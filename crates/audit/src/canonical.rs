//! Canonical JSON: the one text of a document that is hashed.
//!
//! The form is that of Python's `json.dumps(sort_keys=True, separators=(",", ":"),
//! ensure_ascii=False)`: keys in code-point order, no white space, the short escapes, and floats
//! laid out as Python's `repr` does.
//!
//! **Invariant:** parsing a canonical text and writing it again gives the same bytes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The canonical text of a value.
pub fn to_string(value: &Value) -> String {
    let mut text = String::with_capacity(TYPICAL_BYTES);
    write_value(value, &mut text);
    text
}

/// Parses any JSON text, refusing what could mean two things: a key given twice in one object.
///
/// # Errors
/// When the text is not JSON, repeats a key, is nested too deeply, or holds a number that a
/// double cannot hold.
pub fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0)
}

/// How many levels of objects and arrays a value has.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

pub(crate) fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => write_object(fields, out),
    }
}

pub(crate) fn write_object(fields: &Map<String, Value>, out: &mut String) {
    // Sorted here as well, so that no feature of serde_json elsewhere in the build can change what
    // is hashed. The byte order of UTF-8 is the code-point order.
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
    out.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            literal => out.push(literal),
        }
    }
    out.push('"');
}

fn write_number(number: &Number, out: &mut String) {
    let shortest = number.to_string();
    if number.is_f64() {
        write_float(&shortest, out);
    } else {
        out.push_str(&shortest);
    }
}

/// Lays out the shortest round-trip digits of a float as Python's `repr` does.
fn write_float(shortest: &str, out: &mut String) {
    let (sign, unsigned) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    out.push_str(sign);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading_zeros = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        out.push_str("0.0");
        return;
    }
    // Invariant: a double's text is short, so these lengths and exponents fit in an i32.
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let point = i32::try_from(whole.len()).unwrap_or(0) - i32::try_from(leading_zeros).unwrap_or(0);
    lay_out(digits, exponent + point - 1, out);
}

/// Writes digits whose first one stands at ten to the power of `exponent`.
fn lay_out(digits: &str, exponent: i32, out: &mut String) {
    if (FIXED_FROM..FIXED_BELOW).contains(&exponent) {
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        if exponent < 0 {
            out.push_str("0.");
            out.push_str(&zeros(-exponent - 1));
            out.push_str(digits);
            return;
        }
        let whole = usize::try_from(exponent).unwrap_or(0) + 1;
        if digits.len() > whole {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        } else {
            out.push_str(digits);
            out.push_str(&"0".repeat(whole - digits.len()));
            out.push_str(".0");
        }
        return;
    }
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
}

/// A value none of whose objects names a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(Value::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Strict, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Strict(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict(Value::String(value)))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Strict(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Strict, A::Error> {
        let mut fields = Map::new();
        while let Some((key, Strict(value))) = object.next_entry::<String, Strict>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is given twice")));
            }
            fields.insert(key, value);
        }
        Ok(Strict(Value::Object(fields)))
    }
}

/// What a capsule usually takes, so that its text is allocated once.
const TYPICAL_BYTES: usize = 2_048;
/// The smallest exponent that is written without `e`.
const FIXED_FROM: i32 = -4;
/// The smallest exponent above those written without `e`.
const FIXED_BELOW: i32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_laid_out_as_python_does() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (92.5, "92.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (-1.5e300, "-1.5e+300"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(to_string(&Value::from(number)), expected);
        }
    }

    #[test]
    fn a_key_given_twice_is_refused_wherever_it_is() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":2}}]"#] {
            let error = parse(text).expect_err("ambiguous");
            assert!(error.to_string().contains("twice"), "{error}");
        }
    }

    #[test]
    fn depth_counts_objects_and_arrays() {
        for (text, levels) in [("1", 0), ("[]", 1), (r#"{"a":[1,{}],"b":2}"#, 3)] {
            assert_eq!(depth(&parse(text).expect("JSON")), levels, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_double_survives(bits: u64) {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let parsed = parse(&to_string(&Value::from(number))).expect("JSON");
                assert_eq!(parsed.as_f64().map(f64::to_bits), Some(bits));
            }
        }
    }
}

//! Fuzz target: what an outsider could put into the record, or change in it.

use std::ops::Range;

use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value};

use crate::action::Action;
use crate::canonical;
use crate::entry::{Draft, Head, Status};
use crate::keyring::Keyring;
use crate::seal::SealKey;
use crate::store;
use crate::verify::verify;

/// The bytes choose a message, details and one bit. What is appended reads back as it was and
/// verifies; with that one bit of the stored row flipped it verifies no longer.
///
/// # Panics
/// When the property does not hold.
#[expect(clippy::unwrap_used, reason = "a failure here is what the target looks for")]
pub fn audit_entry(data: &[u8]) {
    parsing_is_stable(data);
    let mut connection = Connection::open_in_memory().unwrap();
    store::create_schema(&connection).unwrap();
    let key = SealKey::from_seed(&[7; 32]);
    let keyring = Keyring::of(&key);
    let draft = draft_of(data);

    let transaction = connection.transaction().unwrap();
    let mut head = Head::default();
    for _ in 0..2 {
        let Ok((next, entry)) = store::append(&transaction, &key, &head, &draft) else {
            return;
        };
        assert_eq!(store::from(&transaction, entry.sequence, 1).unwrap(), [entry]);
        head = next;
    }
    transaction.commit().unwrap();
    assert_eq!(store::head(&connection).unwrap(), head);
    let report = verify(&connection, &keyring, None).unwrap();
    assert!(report.valid(), "{report:?}");

    if flip_one_bit(&connection, data) {
        let report = verify(&connection, &keyring, None).unwrap();
        assert!(!report.valid(), "a flipped bit was not noticed");
    }
}

/// Whatever parses has a canonical text that parses to itself.
#[expect(clippy::unwrap_used, reason = "a failure here is what the target looks for")]
fn parsing_is_stable(data: &[u8]) {
    let Some(value) = std::str::from_utf8(data).ok().and_then(|text| canonical::parse(text).ok())
    else {
        return;
    };
    let text = canonical::to_string(&value);
    assert_eq!(canonical::to_string(&canonical::parse(&text).unwrap()), text);
}

fn draft_of(data: &[u8]) -> Draft {
    let text = String::from_utf8_lossy(data);
    let micros =
        data.iter().fold(0_i128, |sum, byte| (sum * 257 + i128::from(*byte)) % YEAR_9999_MICROS);
    let details = match serde_json::from_slice(data) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::from_iter([("text".to_owned(), Value::from(&*text))]),
    };
    Draft {
        at: Timestamp::from_micros(micros),
        actor: Actor::Token { id: text.chars().rev().collect(), name: text.to_string() },
        action: Action::Import,
        status: if data.len().is_multiple_of(2) { Status::Success } else { Status::Failure },
        message: text.into_owned(),
        details,
    }
}

/// Flips one bit in one column of one row; says whether the database took it.
#[expect(clippy::unwrap_used, reason = "a failure here is what the target looks for")]
fn flip_one_bit(connection: &Connection, data: &[u8]) -> bool {
    let choice = data
        .iter()
        .fold(data.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let name = COLUMNS[choice % COLUMNS.len()];
    let row = pick(choice / COLUMNS.len(), 0..2);
    let column: Column = connection
        .query_row(&format!("SELECT {name} FROM capsules WHERE sequence = ?1"), [row], |row| {
            row.get(0)
        })
        .unwrap();
    let flipped = match column {
        Column::Integer(number) => Column::Integer(number ^ (1 << (choice % 63))),
        Column::Text(text) => {
            let mut bytes = text.into_bytes();
            let bit = choice % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            match String::from_utf8(bytes) {
                Ok(text) => Column::Text(text),
                Err(broken) => Column::Blob(broken.into_bytes()),
            }
        }
        _ => return false,
    };
    connection
        .execute(
            &format!("UPDATE capsules SET {name} = CAST(?1 AS {}) WHERE sequence = ?2", cast(name)),
            params_from_iter([flipped, Column::Integer(row)]),
        )
        .is_ok()
}

fn pick(choice: usize, from: Range<i64>) -> i64 {
    from.start + i64::try_from(choice % 64).unwrap_or(0) % (from.end - from.start)
}

/// A blob cast to text keeps its bytes, valid UTF-8 or not.
fn cast(column: &str) -> &'static str {
    if column == "sequence" { "INTEGER" } else { "TEXT" }
}

const YEAR_9999_MICROS: i128 = 253_402_300_799_999_999;
/// What the signature covers, by itself or by the comparison with the document.
const COLUMNS: [&str; 8] =
    ["data", "data", "data", "hash", "id", "previous_hash", "sequence", "signature"];

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn seeds_hold() {
        replay("audit_entry", audit_entry);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

        #[test]
        fn entries_survive_the_round_trip_and_no_flipped_bit(data: Vec<u8>) {
            audit_entry(&data);
        }

        #[test]
        fn so_do_texts(text in "\\PC{0,64}", number: f64) {
            audit_entry(text.as_bytes());
            audit_entry(format!("{{\"{}\":{number}}}", text.escape_default()).as_bytes());
        }
    }

    #[test]
    fn bits_all_over_a_row_count() {
        for seed in 0..300_u32 {
            audit_entry(&seed.to_le_bytes());
        }
    }
}

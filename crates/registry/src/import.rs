//! Registrations from somebody's `services.json`.
//!
//! Three shapes are understood: our own view, the seeds' rows with an `upstream`, and the
//! original's rows with `host`, `port` and `health_path`.
//!
//! **Invariant:** whole or not at all: a row that cannot be understood refuses the file. What is
//! understood but not carried over is listed, never dropped in silence.

mod row;

use conduit_core::name::ServiceName;
use serde_json::Value;

use crate::mutation::Registration;

/// Reads a `services.json`.
///
/// # Errors
/// Says which row cannot be understood, and why.
pub fn services(bytes: &[u8]) -> Result<Import, ImportError> {
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(ImportError::TooLarge);
    }
    let file: Value = serde_json::from_slice(bytes).map_err(ImportError::Json)?;
    let rows = match &file {
        Value::Array(rows) => rows,
        Value::Object(fields) => {
            match fields.get("version") {
                None => {}
                Some(version) if version.as_u64() == Some(1) => {}
                Some(version) => return Err(ImportError::Version(shortened(&version.to_string()))),
            }
            let rows = fields.get("services").and_then(Value::as_array);
            rows.ok_or(ImportError::NoServices)?
        }
        _ => return Err(ImportError::NoServices),
    };
    let mut import = Import::default();
    for (index, value) in rows.iter().enumerate() {
        let row = index + 1;
        match row::read(row, value, &mut import.ignored) {
            Ok(registration) => import.registrations.extend(registration),
            Err(reason) => return Err(ImportError::Row { row, reason }),
        }
    }
    Ok(import)
}

/// What a file asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Import {
    /// The services to register.
    pub registrations: Vec<Registration>,
    /// What was not carried over.
    pub ignored: Vec<Ignored>,
}

/// Something that an import did not carry over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Which row, from 1.
    pub row: usize,
    /// The service, when the row has a name.
    pub service: Option<ServiceName>,
    /// What it is: a field, or `row` for the whole of it.
    pub field: String,
    /// Why it was not carried over.
    pub reason: &'static str,
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Not JSON.
    #[error("the file is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON of something else.
    #[error(
        "the file has no list of services; it should look like {{\"version\":1,\"services\":[…]}}"
    )]
    NoServices,
    /// One row is wrong.
    #[error("row {row}: {reason}")]
    Row {
        /// Which one, from 1.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// More than anybody has.
    #[error("the file is larger than 32 MiB")]
    TooLarge,
    /// A format of the future.
    #[error("the file has version {0}; only version 1 is known")]
    Version(String),
}

fn shortened(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

/// The largest file that is read.
pub const IMPORT_BYTES_MAX: usize = 32 << 20;
const ECHO_CHARS_MAX: usize = 60;

#[cfg(test)]
mod tests;

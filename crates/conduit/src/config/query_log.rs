//! Where the lines of queries go.

use super::AccessOutput;

/// Where the lines of queries go, of those that `dns.query_log` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLog {
    /// Beside the newest ones, which are kept in memory; off is nowhere else.
    pub output: AccessOutput,
    /// How they look.
    pub format: QueryFormat,
    /// From this size on a file is moved aside, in bytes.
    pub rotate_size: u64,
    /// How many old files stay.
    pub keep: u32,
    /// Whether old files are compressed.
    pub compress: bool,
}

impl QueryLog {
    /// The word for where they go.
    pub fn shown_output(&self) -> String {
        match &self.output {
            AccessOutput::Off => "memory".to_owned(),
            output => output.to_string(),
        }
    }
}

/// How the lines of queries look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryFormat {
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

impl QueryFormat {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

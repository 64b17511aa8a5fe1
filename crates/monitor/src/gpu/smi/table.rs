//! The table that `nvidia-smi --format=csv` prints: no quoting, a comma and a space between cells.

use std::str::FromStr;

use super::super::text;

/// A table, and the lines that are none of it.
pub(super) struct Table<'a> {
    pub(super) rows: Vec<Row<'a>>,
    pub(super) others: Vec<&'a str>,
}

impl<'a> Table<'a> {
    /// Finds the header line, or takes `columns` where there is none, and all rows after it. Cells
    /// that are too many belong to the column `free`, whose text may have commas.
    pub(super) fn of(printed: &'a str, columns: Option<&[&str]>, free: &str) -> Self {
        let mut header: Option<Vec<String>> = None;
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        let own: Option<Vec<String>> = columns.map(|c| c.iter().map(|n| canonical(n)).collect());
        for line in printed.lines().take(LINES_MAX) {
            let cells: Vec<&str> = line.split(',').take(CELLS_MAX).map(str::trim).collect();
            if line.trim().is_empty() {
                continue;
            }
            if is_header(&cells) {
                header = Some(cells.iter().map(|name| canonical(name)).collect());
                continue;
            }
            match header.as_ref().or(own.as_ref()) {
                Some(names) if is_row(&cells, names) => rows.push(Row::of(names, line, free)),
                _ => others.push(line.trim()),
            }
        }
        Self { rows, others }
    }
}

/// A row: cells by the name of their column.
pub(super) struct Row<'a> {
    cells: Vec<(String, &'a str)>,
}

impl<'a> Row<'a> {
    fn of(names: &[String], line: &'a str, free: &str) -> Self {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(line.match_indices(',').map(|(at, _)| at + 1))
            .take(CELLS_MAX)
            .collect();
        let end_of = |cell: usize| starts.get(cell + 1).map_or(line.len(), |next| next - 1);
        let surplus = starts.len().saturating_sub(names.len());
        // The last cell of a line that is too short may have been cut in the middle.
        let whole = if starts.len() < names.len() { starts.len() - 1 } else { starts.len() };
        let (mut cells, mut at) = (Vec::new(), 0);
        for name in names {
            let last = if name == free { at + surplus } else { at };
            if last >= whole {
                break;
            }
            cells.push((name.clone(), line[starts[at]..end_of(last)].trim()));
            at = last + 1;
        }
        Self { cells }
    }

    /// A text; `None` where the driver says in brackets that there is none.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let cell = self.cell(column)?;
        let is_none = cell.is_empty() || cell.starts_with('[') || ABSENT.contains(&cell);
        (!is_none).then(|| text::clean(cell)).filter(|text| !text.is_empty())
    }

    /// A number, with or without its unit behind.
    pub(super) fn number<T: FromStr>(&self, column: &str) -> Option<T> {
        self.cell(column)?.split_whitespace().next()?.parse().ok()
    }

    /// A number that is finite.
    pub(super) fn float(&self, column: &str) -> Option<f64> {
        self.number::<f64>(column).filter(|value| value.is_finite())
    }

    /// Per cent, as a share.
    pub(super) fn share(&self, column: &str) -> Option<f64> {
        self.float(column).filter(|value| (0.0..=100.0).contains(value)).map(|value| value / 100.0)
    }

    /// Mebibytes, as bytes.
    pub(super) fn mebibytes(&self, column: &str) -> Option<u64> {
        self.number::<u64>(column)?.checked_mul(MEBIBYTE)
    }

    /// The cell itself.
    pub(super) fn cell(&self, column: &str) -> Option<&'a str> {
        self.cells.iter().find(|(name, _)| name == column).map(|(_, cell)| *cell)
    }
}

/// A header's first cell is the name of a column, with its unit in brackets.
fn is_header(cells: &[&str]) -> bool {
    let known = |cell: &str| {
        let name = canonical(cell);
        super::FIELDS.iter().chain(super::APP_FIELDS).any(|field| canonical(field) == name)
    };
    cells.len() > 1 && cells.iter().take(2).all(|cell| known(cell))
}

/// A row has cells, and the first is a number where the column is one, so that prose is no row.
fn is_row(cells: &[&str], names: &[String]) -> bool {
    let first = cells.first().copied().unwrap_or_default();
    let is_index = first.bytes().all(|byte| byte.is_ascii_digit());
    cells.len() > 1 && (names.first().is_none_or(|name| name != "index") || is_index)
}

/// A column's name without its unit, and the newest of its names.
fn canonical(name: &str) -> String {
    let bare = name.split(" [").next().unwrap_or_default().trim();
    let renamed = bare.replace("clocks_throttle_reasons", "clocks_event_reasons");
    let newest = RENAMED.iter().find(|(other, _)| *other == renamed).map(|(_, ours)| *ours);
    newest.map_or(renamed, str::to_owned)
}

/// Names that `nvidia-smi` prints for what was asked under another, and ours.
const RENAMED: &[(&str, &str)] = &[
    ("clocks.current.sm", "clocks.sm"),
    ("clocks.current.memory", "clocks.mem"),
    ("gpu_bus_id", "pci.bus_id"),
    ("gpu_name", "name"),
    ("gpu_uuid", "uuid"),
    ("pcie.link.gen.gpucurrent", "pcie.link.gen.current"),
    ("used_gpu_memory", "used_memory"),
];
/// Words for "there is none" that stand without brackets.
const ABSENT: &[&str] = &["N/A", "n/a", "-", "Unknown Error", "ERR!"];
/// Lines that are looked at; a machine has at most 64 GPUs and some hundred processes.
const LINES_MAX: usize = 16_384;
/// Cells of a line that are looked at.
const CELLS_MAX: usize = 256;
/// Bytes of a MiB.
const MEBIBYTE: u64 = 1 << 20;

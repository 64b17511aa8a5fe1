//! Bytes and shares as people read them.
//!
//! Memory is counted as its makers count it (1 GB is 2^30 bytes), disks as theirs do (10^9).

/// How bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    /// Memory.
    Binary,
    /// Disks.
    Decimal,
}

impl Counting {
    fn base(self) -> f64 {
        match self {
            Self::Binary => 1_024.0,
            Self::Decimal => 1_000.0,
        }
    }

    /// The divisor and the word of the unit for an amount: GB, or TB from one of them on.
    fn unit(self, bytes: u64) -> (f64, &'static str) {
        let giga = self.base().powi(3);
        let tera = giga * self.base();
        if bytes as f64 >= tera { (tera, "TB") } else { (giga, "GB") }
    }
}

/// `189.2 / 256.0 GB (74%)`: both in the unit of the whole.
pub(super) fn used_of(used: u64, total: u64, counting: Counting) -> String {
    if total == 0 {
        return MISSING.to_owned();
    }
    let (divisor, unit) = counting.unit(total);
    let (part, whole) = (used as f64 / divisor, total as f64 / divisor);
    let share = used as f64 / total as f64;
    format!("{part:.1} / {whole:.1} {unit} ({})", percent(Some(share)))
}

/// `72.1/141.1 GB`: the memory of a GPU.
pub(super) fn used_of_gpu(used: Option<u64>, total: Option<u64>) -> String {
    let Some(total) = total.filter(|total| *total > 0) else {
        return MISSING.to_owned();
    };
    let (divisor, unit) = Counting::Binary.unit(total);
    let part =
        used.map_or_else(|| MISSING.to_owned(), |used| format!("{:.1}", used as f64 / divisor));
    format!("{part}/{:.1} {unit}", total as f64 / divisor)
}

/// `384 MB`, `1.2 GB`, `2.5 TB`: an amount of memory alone.
pub(super) fn memory(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else {
        return MISSING.to_owned();
    };
    let giga = Counting::Binary.base().powi(3);
    if (bytes as f64) < giga {
        return format!("{:.0} MB", bytes as f64 / MIB);
    }
    let (divisor, unit) = Counting::Binary.unit(bytes);
    format!("{:.1} {unit}", bytes as f64 / divisor)
}

/// `74%`.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| MISSING.to_owned(), |share| format!("{:.0}%", share * 100.0))
}

/// Bytes in units of 2^20, as the records have them.
pub(super) fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// What stands where nothing is known.
pub(super) const MISSING: &str = "–";
/// Bytes.
const MIB: f64 = 1_048_576.0;

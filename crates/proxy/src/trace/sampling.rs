//! Which traces are recorded.

use std::fmt;

use super::context::TraceId;

/// The share of traces that are recorded, to the millionth.
///
/// Whoever goes by the trace's id, as OpenTelemetry's consistent samplers do, decides alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    millionths: u32,
}

impl Ratio {
    /// All of them.
    pub const ALL: Self = Self { millionths: ONE };

    /// A share from 0 to 1; `None` for what is none.
    pub fn new(share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        // From 0 to a million, so nothing is cut off.
        Some(Self { millionths: (share * f64::from(ONE)).round() as u32 })
    }

    /// From 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.millionths) / f64::from(ONE)
    }

    /// Whether this trace is among them.
    pub(crate) fn admits(self, trace: TraceId) -> bool {
        let rejected = u64::from(ONE - self.millionths) * (SPACE / u64::from(ONE));
        trace.randomness() >= rejected && self.millionths > 0
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.share().fmt(f)
    }
}

/// Whose traces go on here; everybody else's begin anew, and say where they came from by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Nobody's.
    Nobody,
    /// Those of trusted proxies.
    Proxies,
    /// Everybody's.
    Everybody,
}

impl Callers {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Proxies => "proxies",
            Self::Everybody => "everybody",
        }
    }

    /// Whether the trace of a caller, who may be a trusted proxy, goes on.
    pub(crate) fn may_continue(self, is_trusted: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Proxies => is_trusted,
            Self::Everybody => true,
        }
    }
}

/// Millionths in a whole.
const ONE: u32 = 1_000_000;
/// How many values the random part of an id has.
const SPACE: u64 = 1 << 56;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_0_to_1() {
        for (share, expected) in [
            (0.0, Some("0")),
            (0.000_001, Some("0.000001")),
            (0.25, Some("0.25")),
            (1.0, Some("1")),
            (1.000_001, None),
            (-0.1, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            let ratio = Ratio::new(share).map(|ratio| ratio.to_string());
            assert_eq!(ratio.as_deref(), expected, "{share}");
        }
    }

    #[test]
    fn a_ratio_admits_its_share() {
        let ids: Vec<TraceId> = (0..20_000).map(|_| TraceId::random()).collect();
        let admitted = |share: f64| {
            let ratio = Ratio::new(share).expect("a ratio");
            ids.iter().filter(|id| ratio.admits(**id)).count()
        };
        assert_eq!((admitted(0.0), admitted(1.0)), (0, 20_000));
        // Twelve standard deviations: it never fails by chance.
        assert!((1_500..2_500).contains(&admitted(0.1)), "{}", admitted(0.1));
    }
}

//! Which leaves are due for renewal.
//!
//! **Invariant:** pure: the same leaves and the same time give the same answer, on every gateway
//! and after every restart.

use conduit_core::clock::Timestamp;
use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;

/// The services whose leaves are due, in the order given.
///
/// Due is two thirds of the validity, spread by name over the tenth of what remains, so that
/// leaves issued together in a bulk are not renewed together. What expired while the machine was
/// off is due as well.
pub fn due<'a>(
    pairs: impl IntoIterator<Item = (&'a ServiceName, &'a LeafPair)>,
    now: Timestamp,
) -> Vec<ServiceName> {
    pairs
        .into_iter()
        .filter(|(name, pair)| now >= at(name, pair))
        .map(|(name, _)| name.clone())
        .collect()
}

/// When one service's leaves are due; always before they expire.
pub fn at(name: &ServiceName, pair: &LeafPair) -> Timestamp {
    let earliest = pair.renew_at();
    let window = pair.not_after().since(earliest) / WINDOW_PART;
    earliest.plus(window.mul_f64(position(name.as_str())))
}

/// Where a name lies in the window, from 0 to 1: FNV-1a, mixed, the same everywhere for good.
fn position(name: &str) -> f64 {
    let hash = name
        .bytes()
        .fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(MIX);
    // Invariant: 32 bits are exact in an f64, so the quotient is below 1.
    f64::from((mixed >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

/// The window is this part of the time between two thirds and the end.
const WINDOW_PART: u32 = 10;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
const MIX: u64 = 0xff51_afd7_ed55_8ccd;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use conduit_core::leaf::{Algorithm, Fingerprint, Leaf, PrivateKey};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn leaf(algorithm: Algorithm, from: Timestamp, days: u32) -> Leaf {
        Leaf {
            algorithm,
            certificate_der: Arc::from([]),
            key: PrivateKey::from_pkcs8(Vec::new()),
            issuer: Fingerprint([0; 32]),
            fingerprint: Fingerprint([0; 32]),
            not_before: from,
            not_after: from.plus(DAY * days),
        }
    }

    fn pair(from: Timestamp, ed25519_days: u32, p256_days: u32) -> LeafPair {
        LeafPair {
            ed25519: leaf(Algorithm::Ed25519, from, ed25519_days),
            ecdsa_p256: leaf(Algorithm::EcdsaP256, from, p256_days),
        }
    }

    #[test]
    fn leaves_are_due_after_two_thirds() {
        let born = Timestamp::from_seconds(1_800_000_000);
        let name = ServiceName::parse("grafana").expect("valid");
        for (ed25519_days, p256_days, age_days, expected) in [
            (360, 360, 0, false),
            (360, 360, 239, false),
            // Two thirds are 240 days; the window after it is 12.
            (360, 360, 253, true),
            (360, 360, 359, true),
            (360, 360, 4_000, true),
            (360, 30, 19, false),
            (360, 30, 21, true),
            (30, 360, 21, true),
        ] {
            let pair = pair(born, ed25519_days, p256_days);
            let found = due([(&name, &pair)], born.plus(DAY * age_days));
            assert_eq!(
                !found.is_empty(),
                expected,
                "{ed25519_days}/{p256_days} days, aged {age_days}"
            );
        }
        let pair = pair(born, 360, 360);
        assert!(due([(&name, &pair)], born.minus(DAY)).is_empty());
    }

    #[test]
    fn renewals_are_spread_by_name_and_stay_in_the_window() {
        let born = Timestamp::from_seconds(1_800_000_000);
        let pair = pair(born, 360, 360);
        let names: Vec<_> =
            (0..1_000).map(|n| ServiceName::parse(&format!("s{n}")).expect("valid")).collect();
        let mut per_day = [0; 12];
        for name in &names {
            let at = at(name, &pair);
            assert!(at >= pair.renew_at() && at < pair.not_after());
            per_day[(at.since(pair.renew_at()).as_secs() / DAY.as_secs()) as usize] += 1;
        }
        assert!(per_day.iter().all(|n| (40..140).contains(n)), "{per_day:?}");
    }
}

//! The choice among the upstreams that are admitted, made ready when one of them flips.
//!
//! Shares are a sequence that goes round: each upstream is in it as often as its weight says, and
//! evenly spread, so that an upstream with weight 100 does not get a hundred requests in a row.
//! A readmitted upstream's share grows without the sequence being made anew: a turn that falls to
//! it is given to the next one, as often as its share is still small. A consistent hash decides
//! that by the key, so that each key moves once.
//!
//! **Invariant:** a selection never changes. What it names may have flipped since: the pool looks
//! again before it takes a place.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use conduit_core::policy::Balance;
use foldhash::quality::FixedState;
use pingora_load_balancing::selection::{
    BackendIter, BackendSelection, Consistent, Random, RoundRobin,
};
use pingora_load_balancing::{Backend, Extensions};
use tokio::time::Instant;

use super::{Ask, Pool};
use crate::upstream::Upstream;

/// How the next upstream is chosen; places are indices into the pool's upstreams.
pub(super) enum Selection {
    Nobody,
    One(usize),
    Several {
        how: How,
        /// Those it is among.
        places: Box<[usize]>,
        /// When the last of them has its whole share.
        whole_at: Option<Instant>,
    },
}

pub(super) enum How {
    /// One after another.
    Turns(Arc<RoundRobin>),
    /// At random.
    Random(Arc<Random>),
    /// The fewest requests in flight for its weight; who is first among equals goes round.
    Least(Arc<RoundRobin>),
    /// The better of two at random.
    Better(Arc<Random>),
    /// By key.
    Ring(Arc<Consistent>),
}

impl Selection {
    /// Chooses among the upstreams of the first rank that has any.
    pub(super) fn of(pool: &Pool) -> Self {
        let rank = pool.places().filter_map(|place| pool.rank(place)).min();
        let places: Box<[usize]> =
            pool.places().filter(|place| rank.is_some() && pool.rank(*place) == rank).collect();
        match *places {
            [] => return Self::Nobody,
            [only] => return Self::One(only),
            _ => {}
        }
        let how = match pool.settings.balance {
            Balance::RoundRobin => How::Turns(Arc::new(RoundRobin::build(&turns(pool, &places)))),
            Balance::Random => How::Random(Arc::new(Random::build(&turns(pool, &places)))),
            Balance::LeastRequests => {
                How::Least(Arc::new(RoundRobin::build(&turns(pool, &places))))
            }
            Balance::PeakEwma => How::Better(Arc::new(Random::build(&turns(pool, &places)))),
            Balance::Hash(_) => How::Ring(Arc::new(Consistent::build(&ring(pool, &places)))),
        };
        let now = Instant::now();
        let missing = |place: &usize| {
            let age = pool.upstreams[*place].admitted_for(now)?;
            pool.settings.slow_start.checked_sub(age).filter(|left| !left.is_zero())
        };
        let whole_at = places.iter().filter_map(missing).max().map(|left| now + left);
        Self::Several { how, places, whole_at }
    }

    /// In one place with all that are the same: those of most pools are.
    pub(super) fn shared(self) -> Arc<Self> {
        match self {
            Self::Nobody => Arc::clone(&NOBODY),
            Self::One(0) => Arc::clone(&FIRST),
            other => Arc::new(other),
        }
    }

    /// The place to try first; `None` when the pool has to look for itself.
    pub(super) fn choose(&self, pool: &Pool, ask: &Ask<'_>) -> Option<usize> {
        let (how, places, whole_at) = match self {
            Self::Nobody => return None,
            Self::One(place) => return Some(*place),
            Self::Several { how, places, whole_at } => (how, places, *whole_at),
        };
        let growing = whole_at.map(|at| (at, Instant::now())).filter(|(at, now)| now < at);
        let growth = Growth { pool, now: growing.map(|(_, now)| now) };
        match how {
            How::Turns(turns) => drawn(|| turns.iter(NO_KEY), &growth),
            How::Random(all) => drawn(|| all.iter(NO_KEY), &growth),
            How::Least(turns) => {
                let first = drawn(|| turns.iter(NO_KEY), &growth)?;
                least(pool, places, first, ask, &growth)
            }
            How::Better(all) => {
                let first = drawn(|| all.iter(NO_KEY), &growth)?;
                let second = (0..SECOND_DRAWS_MAX)
                    .filter_map(|_| drawn(|| all.iter(NO_KEY), &growth))
                    .find(|second| *second != first);
                better(pool, first, second, ask)
            }
            How::Ring(ring) => along(ring, pool, ask, &growth),
        }
    }
}

/// What share of its weight an upstream has by now.
struct Growth<'a> {
    pool: &'a Pool,
    /// `None` when all have their whole share.
    now: Option<Instant>,
}

impl Growth<'_> {
    fn of(&self, place: usize) -> f64 {
        let span = self.pool.settings.slow_start;
        let age = self.now.and_then(|now| self.pool.upstreams[place].admitted_for(now));
        age.map_or(1.0, |age| share_after(age, span))
    }
}

/// The part of its share that an upstream has after `age`, of a slow start that takes `span`.
fn share_after(age: Duration, span: Duration) -> f64 {
    if age >= span {
        return 1.0;
    }
    (age.as_secs_f64() / span.as_secs_f64()).max(FIRST_SHARE)
}

/// The next one of a sequence. What is still growing is passed over, as often as it has to.
fn drawn<I: BackendIter>(mut next: impl FnMut() -> I, growth: &Growth<'_>) -> Option<usize> {
    let mut place = place_of(next().next()?);
    if growth.now.is_some() {
        for _ in 0..PASSES_MAX {
            if fastrand::f64() < growth.of(place) {
                break;
            }
            place = place_of(next().next()?);
        }
    }
    Some(place)
}

/// The one with the fewest requests in flight for its weight, `first` among equals.
fn least(
    pool: &Pool,
    places: &[usize],
    first: usize,
    ask: &Ask<'_>,
    growth: &Growth<'_>,
) -> Option<usize> {
    let begin = places.iter().position(|place| *place == first)?;
    let (before, from) = places.split_at(begin);
    let mut best: Option<(usize, f64)> = None;
    for place in from.iter().chain(before).copied().filter(|place| pool.is_open(*place, ask)) {
        let busy = as_float(pool.upstreams[place].in_flight());
        let cost = busy / (f64::from(pool.share(place).weight) * growth.of(place));
        if best.is_none_or(|(_, least)| cost < least) {
            best = Some((place, cost));
        }
    }
    best.map(|(place, _)| place)
}

/// Of two, the one that answers sooner, given how much it has to do. What is not known counts like
/// the other, so that a new upstream is neither shunned nor flooded.
fn better(pool: &Pool, first: usize, second: Option<usize>, ask: &Ask<'_>) -> Option<usize> {
    let second = second.filter(|place| pool.is_open(*place, ask));
    let (first, second) = match (pool.is_open(first, ask), second) {
        (true, Some(second)) => (first, second),
        (true, None) => return Some(first),
        (false, second) => return second,
    };
    let now = Instant::now();
    let waits = |place: usize| pool.upstreams[place].recent_first_byte(now);
    let (one, other) = (waits(first), waits(second));
    let cost = |place: usize, own: Option<f64>, others: Option<f64>| {
        own.or(others).unwrap_or(1.0) * (as_float(pool.upstreams[place].in_flight()) + 1.0)
    };
    let second_is = cost(second, other, one) < cost(first, one, other);
    Some(if second_is { second } else { first })
}

/// The first one on the ring that can take it, from its key on.
fn along(ring: &Arc<Consistent>, pool: &Pool, ask: &Ask<'_>, growth: &Growth<'_>) -> Option<usize> {
    let mut points = ring.iter(&ask.wish.key.to_le_bytes());
    let mut passed = None;
    for _ in 0..POINTS_MAX {
        let place = place_of(points.next()?);
        if passed == Some(place) || !pool.is_open(place, ask) {
            continue;
        }
        if growth.now.is_none() || takes(growth.of(place), ask.wish.key, &pool.upstreams[place]) {
            return Some(place);
        }
        passed = Some(place);
    }
    None
}

/// Whether a key is among the part of all keys that a growing upstream has already.
fn takes(part: f64, key: u64, upstream: &Upstream) -> bool {
    let drawn = FixedState::default().hash_one((key, upstream.addr()));
    // 32 bits are exact in an `f64`.
    f64::from((drawn >> 32) as u32) < part * f64::from(u32::MAX)
}

/// The sequence of one round: as many turns as there is weight, evenly spread.
fn turns(pool: &Pool, places: &[usize]) -> BTreeSet<Backend> {
    let weights: Vec<u64> =
        places.iter().map(|place| u64::from(pool.share(*place).weight)).collect();
    let divisor = divisor(weights.iter().copied());
    let total: u64 = weights.iter().map(|weight| weight / divisor).sum();
    let mut round = Vec::new();
    for (place, weight) in places.iter().zip(weights) {
        let weight = weight / divisor;
        // A round that would be too long is thinned; nobody drops out of it.
        let count = if total <= TURNS_MAX { weight } else { (weight * TURNS_MAX / total).max(1) };
        // The k-th of n turns comes at (2k + 1) / 2n of the round; equal ones in the order of the
        // pool.
        round.extend((0..count).map(|k| (((2 * k + 1) << 32) / (2 * count), *place)));
    }
    round.sort_unstable();
    let number = |(turn, (_, place)): (usize, (u64, usize))| stand_in(turn as u128, place, 1);
    round.into_iter().enumerate().map(number).collect()
}

/// The points of a ring, which depend on the upstreams' addresses and weights and on nothing else,
/// so that the coming and going of one moves no other.
fn ring(pool: &Pool, places: &[usize]) -> BTreeSet<Backend> {
    let weights = || pool.places().map(|place| u64::from(pool.share(place).weight));
    let divisor = divisor(weights());
    let total = weights().sum::<u64>() / divisor * RING_UNITS;
    let all = places.iter().map(|place| {
        let units = u64::from(pool.share(*place).weight) / divisor * RING_UNITS;
        let scaled = match total {
            ..=RING_UNITS_MAX => units,
            _ => (units * RING_UNITS_MAX / total).max(1),
        };
        let addr = pool.upstreams[*place].addr();
        let half = |salt: u8| u128::from(FixedState::default().hash_one((salt, addr)));
        stand_in(half(0) << 64 | half(1), *place, scaled)
    });
    all.collect()
}

/// What stands for an upstream in pingora's selections: a number written as an address, since a
/// host name has none and two names may share one. The place is in the flow label, which nothing
/// there looks at.
fn stand_in(number: u128, place: usize, weight: u64) -> Backend {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    let weight = usize::try_from(weight).unwrap_or(usize::MAX);
    let address = SocketAddrV6::new(Ipv6Addr::from_bits(number), STAND_IN_PORT, place, 0);
    Backend { addr: SocketAddr::V6(address).into(), weight, ext: Extensions::new() }
}

fn place_of(backend: &Backend) -> usize {
    match backend.addr.as_inet() {
        Some(SocketAddr::V6(address)) => address.flowinfo() as usize,
        // Invariant: all of them are made by `stand_in`.
        _ => usize::MAX,
    }
}

/// What all weights are multiples of.
fn divisor(weights: impl Iterator<Item = u64>) -> u64 {
    weights.fold(0, euclid).max(1)
}

fn euclid(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { euclid(b, a % b) }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 requests in flight")]
fn as_float(count: usize) -> f64 {
    count as f64
}

/// Round robin and random look at no key.
const NO_KEY: &[u8] = b"";
/// The part of its share that a readmitted upstream gets at once.
const FIRST_SHARE: f64 = 0.1;
/// How many turns of growing upstreams are passed over for one request.
const PASSES_MAX: u32 = 16;
/// How often another than the first of two is drawn for.
const SECOND_DRAWS_MAX: u32 = 4;
static NOBODY: LazyLock<Arc<Selection>> = LazyLock::new(|| Arc::new(Selection::Nobody));
static FIRST: LazyLock<Arc<Selection>> = LazyLock::new(|| Arc::new(Selection::One(0)));
/// Turns in a round; weights that need more are rounded.
const TURNS_MAX: u64 = 8_192;
/// Points on a ring that are looked at for one request.
const POINTS_MAX: u32 = 256;
/// Units of 160 points on the ring per weight: shares are even to a few percent.
const RING_UNITS: u64 = 8;
/// Units on a ring as a whole; weights that need more are rounded.
const RING_UNITS_MAX: u64 = 1_024;
/// Means nothing; an address needs one.
const STAND_IN_PORT: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_from_a_tenth_to_the_whole() {
        let seconds = Duration::from_secs;
        for (age, span, expected) in
            [(0, 10, 0.1), (1, 10, 0.1), (5, 10, 0.5), (10, 10, 1.0), (99, 10, 1.0), (0, 0, 1.0)]
        {
            let share = share_after(seconds(age), seconds(span));
            assert!((share - expected).abs() < 1e-9, "{age} of {span}: {share}");
        }
    }
}

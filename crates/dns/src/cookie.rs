//! DNS cookies, as a server gives them (RFC 7873, in the form of RFC 9018).
//!
//! A client that returns what it was given receives at its address, so nobody pretends to be it.
//!
//! **Invariant:** nothing is kept for a client: its cookie is worked out again from its address, its own
//! part, the time in it and a secret. The secret is drawn at the start, and each day has its own of it.

use std::hash::Hasher as _;
use std::net::IpAddr;

/// A client's cookie with ours: what a reply carries.
pub(crate) type Cookie = [u8; CLIENT_BYTES + SERVER_BYTES];

/// Makes and knows cookies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    secret: Secret,
}

/// A key of SipHash.
type Secret = [u64; 2];

/// A request's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What the reply carries.
    pub(crate) reply: Cookie,
    /// Whether the client returned what it had been given.
    pub(crate) is_proven: bool,
}

/// A cookie of a length that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadLength;

impl Cookies {
    /// With a new secret; `None` when the system has no random numbers, which no Linux that runs says.
    pub(crate) fn draw() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self { secret: secret_of(bytes) })
    }

    /// Looks at the cookie that a client shows.
    ///
    /// # Errors
    /// When it has a length that there is not (RFC 7873 §5.2.2).
    pub(crate) fn look(
        &self,
        shown: &[u8],
        client: IpAddr,
        now_s: u32,
    ) -> Result<Shown, BadLength> {
        let (own, server) = shown.split_first_chunk::<CLIENT_BYTES>().ok_or(BadLength)?;
        if !server.is_empty() && !SERVER_BYTES_BOUNDS.contains(&server.len()) {
            return Err(BadLength);
        }
        let age_s = self.age_of(own, server, client, now_s);
        let reply = match age_s {
            // Young enough to go on with (RFC 9018 §4.3).
            Some(age_s) if age_s < RENEWED_AFTER_S => {
                let mut same = [0; CLIENT_BYTES + SERVER_BYTES];
                same.copy_from_slice(shown);
                same
            }
            _ => self.make(own, client, now_s),
        };
        Ok(Shown { reply, is_proven: age_s.is_some() })
    }

    fn make(&self, own: &[u8; CLIENT_BYTES], client: IpAddr, now_s: u32) -> Cookie {
        let mut cookie = [0; CLIENT_BYTES + SERVER_BYTES];
        cookie[..8].copy_from_slice(own);
        cookie[8..12].copy_from_slice(&VERSION);
        cookie[12..16].copy_from_slice(&now_s.to_be_bytes());
        cookie[16..].copy_from_slice(&hash(self.secret_at(now_s), own, now_s, client));
        cookie
    }

    /// How old a cookie of ours is; `None` when it is not ours, not this client's, or not of this hour.
    fn age_of(
        &self,
        own: &[u8; CLIENT_BYTES],
        server: &[u8],
        client: IpAddr,
        now_s: u32,
    ) -> Option<i32> {
        let server: &[u8; SERVER_BYTES] = server.try_into().ok()?;
        let [v0, v1, v2, v3, t0, t1, t2, t3, theirs @ ..] = *server;
        let made_s = u32::from_be_bytes([t0, t1, t2, t3]);
        // Times are serial numbers: they wrap in 2106.
        let age_s = now_s.wrapping_sub(made_s).cast_signed();
        let ours = hash(self.secret_at(made_s), own, made_s, client);
        let is_good = [v0, v1, v2, v3] == VERSION && AGES_S.contains(&age_s) && ours == theirs;
        is_good.then_some(age_s)
    }

    /// The secret of the day.
    fn secret_at(&self, time_s: u32) -> Secret {
        let day = time_s / DAY_S;
        [0_u32, 1].map(|half| {
            let mut hasher = siphash(self.secret);
            hasher.write(&day.to_be_bytes());
            hasher.write(&half.to_be_bytes());
            hasher.finish()
        })
    }
}

fn secret_of(bytes: [u8; 16]) -> Secret {
    let [a0, a1, a2, a3, a4, a5, a6, a7, b @ ..] = bytes;
    [u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]), u64::from_le_bytes(b)]
}

fn hash(secret: Secret, own: &[u8; CLIENT_BYTES], made_s: u32, client: IpAddr) -> [u8; 8] {
    let mut hasher = siphash(secret);
    hasher.write(own);
    hasher.write(&VERSION);
    hasher.write(&made_s.to_be_bytes());
    match client.to_canonical() {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    hasher.finish().to_le_bytes()
}

/// SipHash-2-4, as RFC 9018 §4.4 wants it.
#[expect(deprecated, reason = "for hash tables; what it computes is fixed by its specification")]
fn siphash([first, second]: Secret) -> std::hash::SipHasher {
    std::hash::SipHasher::new_with_keys(first, second)
}

/// A client's part (RFC 7873 §4.1).
pub(crate) const CLIENT_BYTES: usize = 8;
/// Our part (RFC 9018 §4).
const SERVER_BYTES: usize = 16;
/// What servers' parts there are at all (RFC 7873 §4.2).
pub(crate) const SERVER_BYTES_BOUNDS: std::ops::RangeInclusive<usize> = 8..=32;
/// The version, and three octets without a meaning.
const VERSION: [u8; 4] = [1, 0, 0, 0];
/// From five minutes in the future, for clocks that differ, to an hour (RFC 9018 §4.3).
const AGES_S: std::ops::RangeInclusive<i32> = -300..=3_600;
/// Half of that.
const RENEWED_AFTER_S: i32 = 1_800;
const DAY_S: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 8] = *b"conduit!";
    const NOW_S: u32 = 1_800_000_000;

    fn client(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn rfc_9018_appendix_a_1() {
        let secret = hex("e5e973e5a6b2a43f48e7dc849e37bfcf");
        let own: [u8; 8] = hex("2464c4abcf10c957").try_into().expect("8 octets");
        let secret = secret_of(secret.try_into().expect("16 octets"));
        let told = hash(secret, &own, 0x5cf7_9f11, "198.51.100.100".parse().expect("valid"));
        assert_eq!(told.to_vec(), hex("1f8130c3eee29480"));
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits =
            text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("a number")).collect()
    }

    #[test]
    fn what_was_given_is_known_again_for_an_hour_at_one_address() {
        let cookies = Cookies::draw().expect("random");
        let first = cookies.look(&OWN, client(1), NOW_S).expect("8 octets");
        assert!(!first.is_proven);
        for (address, later_s, is_proven, is_same) in [
            (1, 0, true, true),
            (1, 1_799, true, true),
            (1, 1_801, true, false),
            (1, 3_600, true, false),
            (1, 3_601, false, false),
            (1, 2 * DAY_S, false, false),
            (2, 0, false, false),
        ] {
            let shown = cookies.look(&first.reply, client(address), NOW_S + later_s);
            let shown = shown.expect("24 octets");
            assert_eq!(
                (shown.is_proven, shown.reply == first.reply),
                (is_proven, is_same),
                "{later_s}"
            );
            assert_eq!(shown.reply[..8], OWN);
        }
        let early = cookies.look(&first.reply, client(1), NOW_S - 300).expect("24 octets");
        assert!(early.is_proven, "clocks differ");
        let mapped = "::ffff:10.0.0.1".parse().expect("valid");
        assert!(cookies.look(&first.reply, mapped, NOW_S).expect("24 octets").is_proven);
        let other = Cookies::draw().expect("random").look(&first.reply, client(1), NOW_S);
        assert!(!other.expect("24 octets").is_proven, "another secret");
    }

    #[test]
    fn any_changed_bit_is_seen_and_lengths_are_checked() {
        let cookies = Cookies::draw().expect("random");
        let good = cookies.look(&OWN, client(1), NOW_S).expect("8 octets").reply;
        for bit in 0..good.len() * 8 {
            let mut wrong = good;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!cookies.look(&wrong, client(1), NOW_S).expect("24 octets").is_proven, "{bit}");
        }
        for length in 0..64 {
            let shown = cookies.look(&vec![7; length], client(1), NOW_S);
            assert_eq!(shown.is_ok(), length == 8 || (16..=40).contains(&length), "{length}");
        }
    }
}

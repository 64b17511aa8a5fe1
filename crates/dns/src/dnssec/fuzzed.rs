//! What fuzzing drives: a forwarder's answer, as far as it is judged.
//!
//! **Invariant:** the same functions as on an answer's way; proofs are looked at as if they were verified.

use futures_util::FutureExt as _;

use super::chain::{Ask, Chain};
use super::denial::Denial;
use super::rdata;
use super::set::sets;
use super::settings::Validation;
use super::work::Work;
use super::zones::Zones;
use super::{Asked, Said, Security};

/// Nobody is there to be asked for keys.
struct Nobody;

impl Ask for Nobody {
    async fn ask(&self, _name: &[u8], _rtype: u16) -> Option<Said> {
        None
    }
}

/// Judges what was said.
pub(crate) fn judge(asked: &Asked<'_>) {
    let (settings, zones) = (Validation::default(), Zones::default());
    let mut chain = Chain::new(&Nobody, &settings, &zones, NOW_S);
    let (judgement, ..) = chain.judge(asked).now_or_never().expect("nobody is waited for");
    let asks_for_signatures = matches!(asked.rtype, rdata::RRSIG | rdata::ANY);
    match settings.is_exempt(asked.name) || asks_for_signatures {
        true => assert_ne!(judgement.security, Security::Secure, "without a key"),
        false => assert_eq!(judgement.security, Security::Bogus, "the root signs"),
    }
    let proofs = sets(&asked.said.authorities);
    for zone in [&b""[..], b"\x07example"] {
        let mut denial = Denial::new(zone, proofs.iter());
        let mut work = Work::default();
        // Whatever they come to, they do so within the budget.
        std::hint::black_box([
            denial.absent(asked.name, &mut work).is_ok(),
            denial.no_data(asked.name, asked.rtype, &mut work).is_ok(),
            denial.expanded(asked.name, 1, &mut work).is_ok(),
            denial.no_ds(asked.name, &mut work).is_ok(),
        ]);
    }
}

const NOW_S: u32 = 1_700_000_000;

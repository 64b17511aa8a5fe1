//! Clients that may not ask for others' names.

use super::super::value::{Given, Text};
use super::judge::Judge;
use super::parse;

pub(super) fn rate_limit(judge: &mut Judge, given: &Given<Text>) -> u32 {
    judge.take("dns.rate_limit", given, RATE_LIMIT, |text| parse::number(text, 0, RATE_LIMIT_MAX))
}

/// For a network of strangers, two seconds' worth at once: more than people look up, and too little for a
/// flood. Clients of the inside are no strangers.
const RATE_LIMIT: u32 = 100;
const RATE_LIMIT_MAX: u32 = 1_000_000;

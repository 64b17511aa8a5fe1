//! What the monitor judges by, and whom it tells: rules, channels and quiet hours.
//!
//! They are judged by the monitor's own readers and kept as they were written, so that what is
//! shown is what was read.

use conduit_monitor::channel::file::{self as channel, ChannelFile};
use conduit_monitor::rule::defaults;
use conduit_monitor::rule::file::{self as rule, RuleFile};
use conduit_monitor::silence::quiet::{QUIET_HOURS_MAX, QuietHours, QuietHoursFile};

use super::super::value::{Given, Sourced};
use super::judge::Judge;

/// Rules of the operator's, over the defaults.
pub(super) fn rules(judge: &mut Judge, given: &Given<Vec<Sourced<RuleFile>>>) -> Vec<RuleFile> {
    let written = written(given);
    if let Err(error) = rule::rules(&defaults::files(), &written) {
        let place = place(given, |rule| rule.name == error.rule);
        if let Some(origin) = place {
            judge.refuse("monitor.rules", &origin, error.to_string());
        }
        return Vec::new();
    }
    written
}

/// Ways to tell people.
pub(super) fn channels(
    judge: &mut Judge,
    given: &Given<Vec<Sourced<ChannelFile>>>,
) -> Vec<ChannelFile> {
    let written = written(given);
    if let Err(error) = channel::channels(&written) {
        let place = place(given, |channel| channel.name == error.channel);
        if let Some(origin) = place {
            judge.refuse("monitor.channels", &origin, error.to_string());
        }
        return Vec::new();
    }
    written
}

/// Times in which only what is grave is told.
pub(super) fn quiet_hours(
    judge: &mut Judge,
    given: &Given<Vec<Sourced<QuietHoursFile>>>,
) -> Vec<QuietHoursFile> {
    let Some(list) = given else {
        return Vec::new();
    };
    if list.value.len() > QUIET_HOURS_MAX {
        let reason = format!("{} are too many; at most {QUIET_HOURS_MAX}", list.value.len());
        judge.refuse("monitor.quiet_hours", &list.origin, reason);
        return Vec::new();
    }
    for element in &list.value {
        if let Err(error) = QuietHours::try_from(&element.value) {
            judge.refuse("monitor.quiet_hours", &element.origin, error.to_string());
        }
    }
    written(given)
}

fn written<T: Clone>(given: &Given<Vec<Sourced<T>>>) -> Vec<T> {
    let all = given.iter().flat_map(|list| &list.value);
    all.map(|element| element.value.clone()).collect()
}

/// The element that an error is about, else the list.
fn place<T>(
    given: &Given<Vec<Sourced<T>>>,
    is_it: impl Fn(&T) -> bool,
) -> Option<super::super::value::Origin> {
    let list = given.as_ref()?;
    // Of two with one name the later is one too many.
    let element = list.value.iter().rev().find(|element| is_it(&element.value));
    Some(element.map_or_else(|| list.origin.clone(), |element| element.origin.clone()))
}

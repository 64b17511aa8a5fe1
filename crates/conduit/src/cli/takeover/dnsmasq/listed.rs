//! Files that are nothing but a list of names, such as are downloaded: they stay files, which are followed.

use std::net::IpAddr;

use super::super::found::Found;
use super::super::source::Lines;
use super::option_of;

/// Whether every line blocks names of elsewhere, and there are more than anybody writes by hand.
pub(super) fn is_list(lines: &Lines, found: &Found) -> bool {
    let mut count = 0;
    lines.iter().filter_map(|(_, text)| option_of(text)).all(|(option, value)| {
        count += 1;
        value.is_some_and(|value| blocks(&option, &value, found))
    }) && count >= LINES_MIN
}

fn blocks(option: &str, value: &str, found: &Found) -> bool {
    let named = value.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    let Some((names, answer)) = named else {
        return false;
    };
    let is_nowhere = match option {
        "address" => {
            matches!(answer, "" | "#")
                || answer.parse().is_ok_and(|address: IpAddr| address.is_unspecified())
        }
        "local" | "server" => answer.is_empty(),
        _ => false,
    };
    is_nowhere && names.split('/').all(|name| !matches!(name, "" | "#") && !found.is_ours(name))
}

/// Fewer are carried over line by line.
const LINES_MIN: usize = 100;

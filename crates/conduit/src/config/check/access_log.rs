//! One line for each request.

use super::super::file::{self, File};
use super::super::{AccessFormat, AccessLog, AccessOutput, Surroundings};
use super::judge::Judge;
use super::{gateway, parse};

/// The section; `proxy.access_log` decides while no output is given.
pub(super) fn access_log(judge: &mut Judge, file: &File, surroundings: &Surroundings) -> AccessLog {
    let given = &file.access_log;
    let usual = match judge.switch(&file.proxy.access_log, false) {
        true => AccessOutput::Daemon,
        false => AccessOutput::Off,
    };
    let asked = given.output.clone().filter(|output| !output.value.0.is_empty());
    let keys = ["access_log.rotate_size", "access_log.keep"];
    let (rotate_size, keep, compress) = rotation(judge, keys, given);
    AccessLog {
        output: judge.take("access_log.output", &asked, usual, |text| output(text, surroundings)),
        format: judge.take("access_log.format", &given.format, AccessFormat::Json, format),
        rotate_size,
        keep,
        compress,
    }
}

/// From which size on a file is moved aside, how many old ones stay, and whether they are compressed;
/// the keys are those of the first two.
pub(super) fn rotation(
    judge: &mut Judge,
    [size_key, keep_key]: [&'static str; 2],
    given: &file::AccessLog,
) -> (u64, u32, bool) {
    let size = judge.take(size_key, &given.rotate_size, ROTATE_SIZE, |text| {
        parse::size(text, ROTATE_SIZE_MIN, ROTATE_SIZE_MAX)
    });
    let keep = judge.take(keep_key, &given.keep, KEEP, |text| parse::number(text, 1, KEEP_MAX));
    (size, keep, judge.switch(&given.compress, false))
}

/// Where lines go that go somewhere.
pub(super) fn output(text: &str, surroundings: &Surroundings) -> Result<AccessOutput, String> {
    match text {
        "off" => Ok(AccessOutput::Off),
        "log" => Ok(AccessOutput::Daemon),
        "stdout" => Ok(AccessOutput::Stdout),
        "syslog" => Ok(AccessOutput::Syslog),
        path if path.contains('/') => gateway::path(path, surroundings).map(AccessOutput::File),
        _ => Err(format!(
            "{:?} is no place for lines; use off, log, stdout, syslog, or a path with a slash such \
             as /var/log/conduit/access.log",
            parse::short(text)
        )),
    }
}

fn format(text: &str) -> Result<AccessFormat, String> {
    match text {
        "json" => Ok(AccessFormat::Json),
        "common" => Ok(AccessFormat::Common),
        _ => Err(format!("{:?} is not a format; use json or common", parse::short(text))),
    }
}

/// Bytes.
const ROTATE_SIZE: u64 = 100_000_000;
const ROTATE_SIZE_MIN: u64 = 100_000;
const ROTATE_SIZE_MAX: u64 = 1_000_000_000_000;
/// Old files.
const KEEP: u32 = 5;
const KEEP_MAX: u32 = 1_000;

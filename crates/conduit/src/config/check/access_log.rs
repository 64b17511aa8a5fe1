//! One line for each request.

use super::super::file::File;
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
    AccessLog {
        output: judge.take("access_log.output", &asked, usual, |text| output(text, surroundings)),
        format: judge.take("access_log.format", &given.format, AccessFormat::Json, format),
        rotate_size: judge.take(
            "access_log.rotate_size",
            &given.rotate_size,
            ROTATE_SIZE,
            |text| parse::size(text, ROTATE_SIZE_MIN, ROTATE_SIZE_MAX),
        ),
        keep: judge
            .take("access_log.keep", &given.keep, KEEP, |text| parse::number(text, 1, KEEP_MAX)),
        compress: judge.switch(&given.compress, false),
    }
}

fn output(text: &str, surroundings: &Surroundings) -> Result<AccessOutput, String> {
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

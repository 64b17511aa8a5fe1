//! The local machine's survey: reads what [`super`] lists, each file within a bound.
//!
//! **Invariant:** nothing here follows a name from outside, and nothing is written.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use conduit_core::clock::Timestamp;

use super::{FILES, network, sensors};
use crate::survey::Survey;

/// Reads everything below `root`, which is `/` but in tests. What could not be read though it is
/// there is told in `problems`.
pub(super) fn survey(root: &Path, problems: &mut Vec<String>) -> Survey {
    let mut survey = Survey::default();
    for name in FILES {
        match text(&root.join(name.trim_start_matches('/'))) {
            Ok((text, is_whole)) => {
                if !is_whole {
                    problems.push(format!("{name} is longer than {FILE_BYTES_MAX} bytes"));
                }
                survey.insert(*name, text);
            }
            // What a kernel does not have, or has switched off, is a state.
            Err(error) if is_state(&error) => {}
            Err(error) => problems.push(format!("{name} cannot be read: {error}")),
        }
    }
    survey.insert("uname", uname());
    survey.insert("clock", clock());
    survey.insert("hwmon", hwmon(root));
    survey.insert("cooling", class(root, "thermal", &["type", "cur_state", "max_state"]));
    survey.insert("power", class(root, "power_supply", &["online"]));
    survey.insert("net-sysfs", class(root, "net", network::PROPERTIES));
    survey
}

/// A file's text up to the bound, and whether that is all. A cut text ends with a whole line.
fn text(path: &Path) -> io::Result<(String, bool)> {
    let mut bytes = Vec::with_capacity(FILE_BYTES_USUAL);
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() as u64 <= FILE_BYTES_MAX;
    if !is_whole {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(end);
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok((text, is_whole))
}

fn is_state(error: &io::Error) -> bool {
    // PSI that is switched off, and SELinux, answer so.
    let switched_off = [io::ErrorKind::Unsupported, io::ErrorKind::PermissionDenied];
    error.kind() == io::ErrorKind::NotFound || switched_off.contains(&error.kind())
}

fn uname() -> String {
    let uname = rustix::system::uname();
    let words =
        [uname.sysname(), uname.nodename(), uname.release(), uname.version(), uname.machine()];
    words.map(|word| word.to_string_lossy().into_owned() + "\n").concat()
}

fn clock() -> String {
    let micros = Timestamp::now().micros();
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (ticks, page) = (rustix::param::clock_ticks_per_second(), rustix::param::page_size());
    format!("{seconds}.{fraction:06}\n{ticks}\n{page}\n")
}

/// `path:value` of some attributes of each thing of a class, as `grep -H .` prints them.
fn class(root: &Path, class: &str, attributes: &[&str]) -> String {
    let mut printed = String::new();
    for thing in things(root, class) {
        for attribute in attributes {
            append(&mut printed, class, &thing, attribute);
        }
    }
    printed
}

fn hwmon(root: &Path) -> String {
    let mut printed = String::new();
    for chip in things(root, "hwmon") {
        append(&mut printed, "hwmon", &chip, "name");
        if let (Ok(device), Some(name)) = (fs::canonicalize(chip.join("device")), file_name(&chip))
        {
            printed += &format!("/sys/class/hwmon/{name}/device:{}\n", device.display());
        }
        for file in entries(&chip) {
            if let Some(attribute) = file_name(&file).filter(|name| sensors::is_attribute(name)) {
                append(&mut printed, "hwmon", &chip, attribute);
            }
        }
    }
    printed
}

/// Adds the first line of a thing's attribute; one that answers with an error is left out.
fn append(printed: &mut String, class: &str, thing: &Path, attribute: &str) {
    let Some(name) = file_name(thing) else {
        return;
    };
    let path = thing.join(attribute);
    let mut bytes = [0; ATTRIBUTE_BYTES_MAX];
    // One read: drivers that are broken answer a second one with an error, or for ever.
    let Ok(count) = File::open(path).and_then(|mut file| file.read(&mut bytes)) else {
        return;
    };
    let text = String::from_utf8_lossy(&bytes[..count]);
    if let Some(line) = text.lines().next().filter(|line| !line.is_empty()) {
        *printed += &format!("/sys/class/{class}/{name}/{attribute}:{line}\n");
    }
}

fn things(root: &Path, class: &str) -> Vec<PathBuf> {
    entries(&root.join("sys/class").join(class))
}

/// What a directory holds, in order and up to a bound.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.take(ENTRIES_MAX).filter_map(Result::ok).map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The longest file that is read whole, in bytes; 4,096 processors' `/proc/stat` is half of it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long most of them are, in bytes.
const FILE_BYTES_USUAL: usize = 4_096;
/// The longest attribute of a thing in `/sys`, in bytes.
const ATTRIBUTE_BYTES_MAX: usize = 256;
/// The most things of a class, and the most files of a chip.
const ENTRIES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_cut_at_a_line_and_told() {
        let root = tempfile::tempdir().expect("a directory");
        let place = root.path().join("proc");
        fs::create_dir(&place).expect("made");
        let line = "nr_free_pages 1\n";
        let count = usize::try_from(FILE_BYTES_MAX).expect("fits") / line.len() + 1;
        fs::write(place.join("vmstat"), line.repeat(count)).expect("written");
        let mut problems = Vec::new();
        let survey = survey(root.path(), &mut problems);
        assert!(survey.get("/proc/vmstat").expect("text").ends_with(line));
        assert_eq!(problems, ["/proc/vmstat is longer than 1048576 bytes"]);
    }

    #[test]
    fn sensors_are_printed_as_grep_prints_them() {
        let root = tempfile::tempdir().expect("a directory");
        let chip = root.path().join("sys/class/hwmon/hwmon0");
        fs::create_dir_all(&chip).expect("made");
        let files =
            [("name", "coretemp\n"), ("temp1_input", "45000\n"), ("temp1_label", "Package id 0\n")];
        for (name, text) in files {
            fs::write(chip.join(name), text).expect("written");
        }
        fs::write(chip.join("uevent"), "x").expect("written");
        let survey = survey(root.path(), &mut Vec::new());
        let expected = "/sys/class/hwmon/hwmon0/name:coretemp\n\
                        /sys/class/hwmon/hwmon0/temp1_input:45000\n\
                        /sys/class/hwmon/hwmon0/temp1_label:Package id 0\n";
        assert_eq!(survey.get("hwmon"), Some(expected));
    }
}

//! The script that a machine runs, and what is made of its answer.
//!
//! **Invariant:** it is a constant. Nothing configured and nothing heard ever becomes part of it.

use crate::reading::Reading;
use crate::survey::Survey;
use crate::{containers, gpu, host};

/// The script, as `conduit monitor script` prints it: for the standard input of a shell, or to be
/// installed as the forced command of a key. It is one group of commands, so that a shell has read
/// all of it before it runs the first, and no command can eat the rest.
pub const SURVEY: &str = concat!(
    "#!/bin/sh\n",
    "{\n",
    include_str!("survey.sh"),
    // An engine that hangs takes its own section and nothing else.
    "containers() {\n",
    include_str!("../containers/survey.sh"),
    "}\n",
    "patient 9 containers\n",
    "echo\n",
    "echo @@end\n",
    "exit 0\n",
    "} </dev/null\n",
);

/// Fills a reading from what the script printed.
pub(super) fn fill(survey: &Survey, reading: &mut Reading) {
    let mut host = host::parse(survey);
    reading.problems.append(&mut host.problems);
    reading.host = Some(host);
    // No section of GPUs is a machine without them.
    let mut gpus = gpu::parse(survey).unwrap_or_default();
    reading.problems.append(&mut gpus.problems);
    reading.gpus = Some(gpus);
    reading.containers = containers::parse(survey);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn every_shell_prints_a_whole_survey_and_complains_of_nothing() {
        for shell in ["dash", "bash", "busybox ash", "sh"] {
            let mut words = shell.split(' ');
            let program = words.next().expect("a word");
            let mut command = Command::new(program);
            command.args(words).arg("-s").stdin(Stdio::piped());
            let Ok(mut running) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
            else {
                drop(writeln!(std::io::stderr(), "SKIPPED: there is no {program} here"));
                continue;
            };
            let mut input = running.stdin.take().expect("a pipe");
            input.write_all(SURVEY.as_bytes()).expect("written");
            drop(input);
            let printed = running.wait_with_output().expect("an end");
            assert_eq!(String::from_utf8_lossy(&printed.stderr), "", "{shell}");
            let text = String::from_utf8_lossy(&printed.stdout);
            let survey = Survey::parse(&text).expect(shell);
            for name in ["clock", "uname", "/proc/uptime", "/proc/stat", "/proc/meminfo", "df"] {
                assert!(survey.get(name).is_some(), "{shell}: {name}");
            }
            assert!(!text.contains("\nsoftirq "), "{shell}: not all of /proc/stat is sent");
        }
    }

    #[test]
    fn it_asks_for_all_that_is_parsed() {
        let words: std::collections::BTreeSet<_> = SURVEY.split_ascii_whitespace().collect();
        for word in host::FILES.iter().chain(gpu::smi::FIELDS) {
            let is_asked = words.contains(word) || words.contains(format!("{word};").as_str());
            assert!(is_asked, "{word}");
        }
        for file in gpu::drm::FILES {
            let name = file.strip_prefix("device/hwmon/hwmon*/").unwrap_or(file);
            assert!(SURVEY.contains(name), "{file}");
        }
        assert!(SURVEY.contains(containers::SURVEY_SCRIPT));
    }

    #[test]
    fn it_is_one_group_without_input_of_its_own() {
        assert!(SURVEY.starts_with("#!/bin/sh\n{\n"));
        assert!(SURVEY.ends_with("echo @@end\nexit 0\n} </dev/null\n"));
        // What slow servers take in one go; a longer script is sent in two.
        assert!(SURVEY.len() < 24 << 10, "{}", SURVEY.len());
    }
}

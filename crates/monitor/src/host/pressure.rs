//! Pressure stall information: `/proc/pressure/*`.

use super::lines;
use crate::reading::host::{HostReading, Pressure, Stall, StallTime};
use crate::survey::Survey;

/// Reads what work waited for.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    let problems = &mut reading.problems;
    reading.pressure = Pressure {
        cpu: stall(survey, "/proc/pressure/cpu", problems),
        io: stall(survey, "/proc/pressure/io", problems),
        irq: stall(survey, "/proc/pressure/irq", problems),
        memory: stall(survey, "/proc/pressure/memory", problems),
    };
}

fn stall(survey: &Survey, section: &str, problems: &mut Vec<String>) -> Option<Stall> {
    let mut stall = Stall::default();
    lines::read(survey, section, 0, problems, |line| {
        let (kind, rest) = line.split_once(' ').ok_or(lines::Nonsense)?;
        let time = Some(stall_time(rest)?);
        match kind {
            "some" => stall.some = time,
            "full" => stall.full = time,
            _ => {}
        }
        Ok(None::<()>)
    });
    (stall != Stall::default()).then_some(stall)
}

/// `avg10=0.22 avg60=0.17 avg300=1.11 total=58761459`.
fn stall_time(text: &str) -> Result<StallTime, lines::Nonsense> {
    let value = |name: &str| {
        let mut fields = text.split_ascii_whitespace().filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let percent = lines::real(value("avg10"))?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(lines::Nonsense);
    }
    Ok(StallTime { share_10s: percent / 100.0, total_us: lines::number(value("total"))? })
}

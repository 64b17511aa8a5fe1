//! What people see of containers: the last reading, with rates between it and the one before.

use std::collections::HashMap;
use std::time::Duration;

use conduit_core::name::ServiceName;

use crate::figures::ContainerFigures;
use crate::reading::container::{Container, ContainersReading};
use crate::view::ContainersView;

/// The containers of `now`, with the processors that each used since `before`.
///
/// `elapsed` is the time between the two by the clock of the machine they are of; where the engine
/// tells when it counted, that is taken instead. `service_of` says whose container it is.
pub fn figures(
    before: Option<&ContainersReading>,
    now: &ContainersReading,
    elapsed: Duration,
    service_of: impl Fn(&Container) -> Option<ServiceName>,
) -> ContainersView {
    let before: HashMap<&str, &Container> = before
        .into_iter()
        .flat_map(|reading| &reading.containers)
        .map(|container| (container.id.as_str(), container))
        .collect();
    let figures = |container: &Container| ContainerFigures {
        cpu: before
            .get(container.id.as_str())
            .and_then(|earlier| processors(earlier, container, elapsed)),
        service: service_of(container).map(|name| name.as_str().to_owned()),
        container: container.clone(),
    };
    ContainersView {
        engine: now.engine.clone(),
        containers: now.containers.iter().map(figures).collect(),
        left_out: now.left_out,
    }
}

/// Processors in use between two readings of one container; `None` when it was started in between,
/// since its counter began anew.
fn processors(before: &Container, now: &Container, elapsed: Duration) -> Option<f64> {
    if before.started_at != now.started_at {
        return None;
    }
    let used = now.cpu?.checked_sub(before.cpu?)?;
    let counted = match (before.counted_at, now.counted_at) {
        (Some(before), Some(now)) => now.since(before),
        _ => elapsed,
    };
    (counted >= ELAPSED_MIN).then(|| used.as_secs_f64() / counted.as_secs_f64())
}

/// Readings that are closer together say nothing about a rate.
const ELAPSED_MIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use conduit_core::clock::Timestamp;

    use super::*;

    fn container(cpu: Option<u64>, started: i64, counted: Option<i64>) -> ContainersReading {
        let mut reading = super::super::list::read_list(r#"[{"Id":"a","State":"running"}]"#);
        let container = &mut reading.containers[0];
        container.cpu = cpu.map(Duration::from_millis);
        container.started_at = Some(Timestamp::from_seconds(started));
        container.counted_at = counted.map(Timestamp::from_seconds);
        reading
    }

    fn cpu(before: &ContainersReading, now: &ContainersReading) -> Option<f64> {
        let view = figures(Some(before), now, Duration::from_secs(10), |_| None);
        view.containers[0].cpu
    }

    #[test]
    fn a_rate_is_made_of_two_readings_by_the_clock_that_counted() {
        let before = container(Some(1_000), 5, None);
        assert_eq!(cpu(&before, &container(Some(6_000), 5, None)), Some(0.5));
        let before = container(Some(1_000), 5, Some(100));
        assert_eq!(cpu(&before, &container(Some(6_000), 5, Some(120))), Some(0.25));
        assert_eq!(figures(None, &before, Duration::ZERO, |_| None).containers[0].cpu, None);
    }

    #[test]
    fn a_container_that_was_restarted_has_no_rate() {
        let before = container(Some(5_000), 5, None);
        for now in [
            container(Some(1_000), 5, None),
            container(Some(9_000), 6, None),
            container(None, 5, None),
        ] {
            assert_eq!(cpu(&before, &now), None);
        }
        let at_once = container(Some(5_000), 5, Some(100));
        assert_eq!(cpu(&at_once, &at_once), None);
    }

    #[test]
    fn the_service_is_told() {
        let name = ServiceName::parse("web").expect("a name");
        let reading = container(None, 5, None);
        let view = figures(None, &reading, Duration::ZERO, |_| Some(name.clone()));
        assert_eq!(view.containers[0].service.as_deref(), Some("web"));
    }
}

//! The containers of a remote machine, from the sections that its script printed.

use super::details::details_of_lines;
use super::list::{engine_name, read_list};
use super::stats::read_stats;
use crate::reading::container::ContainersReading;
use crate::survey::Survey;

/// The part of the script that prints the sections; POSIX sh that ends with a line break, and
/// defines nothing but variables and functions that begin with `containers_`.
pub const SURVEY_SCRIPT: &str = include_str!("survey.sh");

/// The containers in a survey; `None` when the machine has no engine that answers.
pub fn parse(survey: &Survey) -> Option<ContainersReading> {
    let list = survey.get("containers/list")?;
    let mut reading = read_list(list);
    reading.engine = survey.get("containers/version").map(engine_name).unwrap_or_default();
    let details = survey.get("containers/details").map(details_of_lines).unwrap_or_default();
    let mut stats = survey.get("containers/stats").map(read_stats).unwrap_or_default();
    for container in &mut reading.containers {
        if let Some(details) = details.get(container.id.as_str()) {
            details.apply(container);
        }
        if let Some(used) = stats.take(&container.id) {
            used.apply(container);
        }
    }
    Some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::container::{CONTAINERS_MAX, ContainerHealth};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn survey(sections: &[(&str, &str)]) -> Survey {
        let mut survey = Survey::default();
        for (name, text) in sections {
            survey.insert(*name, text.replace("ID!", ID));
        }
        survey
    }

    #[test]
    fn the_answers_of_a_socket_are_put_together() {
        let reading = parse(&survey(&[
            ("containers/version", r#"{"Components":[{"Name":"Engine","Version":"20.10.24"}],"Version":"20.10.24"}"#),
            (
                "containers/list",
                r#"[{"Id":"ID!","Names":["/other/link","/web"],"Image":"web:1","State":"running",
                "Status":"Up 2 hours (unhealthy)","Labels":{"conduit.name":"web","b":"x"},
                "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8000,"Type":"tcp"}],
                "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2"}}}},
                {"Id":"f00","Names":["/gone"],"State":"stopping-somehow","NetworkSettings":null,"Labels":7}]"#,
            ),
            ("containers/stats", r#"{"id":"ID!","cpu_stats":{"cpu_usage":{"total_usage":5}},"memory_stats":{"usage":9}}"#),
            ("containers/details", r#"ID! 2 0 "2026-04-04T12:00:00Z" {}"#),
        ]))
        .expect("containers");
        assert_eq!((reading.engine.as_str(), reading.left_out), ("Docker 20.10.24", 0));
        let [gone, web] = &reading.containers[..] else { panic!("{reading:?}") };
        assert_eq!((gone.name.as_str(), gone.state.as_str()), ("gone", "stopping-somehow"));
        assert_eq!((web.name.as_str(), web.image.as_str()), ("web", "web:1"));
        assert_eq!(web.health, Some(ContainerHealth::Unhealthy));
        assert_eq!((web.restarts, web.memory, web.memory_limit), (Some(2), Some(9), None));
        assert_eq!(web.cpu.map(|cpu| cpu.as_nanos()), Some(5));
        assert_eq!(web.addresses.len() + web.ports.len() + web.labels.len(), 4);
    }

    #[test]
    fn lines_of_docker_are_read() {
        let reading = parse(&survey(&[
            ("containers/version", r#"{"Components":[{"Name":"Engine"}],"Version":"26.1"}"#),
            (
                "containers/list",
                "{\"ID\":\"ID!\",\"Names\":\"web\",\"State\":\"running\",\"Labels\":\"conduit.name=web,a=b\",\
                 \"Ports\":\"0.0.0.0:8000->80/tcp\",\"Status\":\"Up 1 second (health: starting)\"}\n\n",
            ),
        ]))
        .expect("containers");
        let web = &reading.containers[0];
        assert_eq!((web.id.as_str(), web.name.as_str(), web.cpu), (ID, "web", None));
        assert_eq!(web.health, Some(ContainerHealth::Starting));
        assert_eq!(web.labels.get("conduit.name").map(String::as_str), Some("web"));
    }

    #[test]
    fn no_engine_is_none_and_no_container_is_an_empty_list() {
        assert!(parse(&Survey::default()).is_none());
        let none = parse(&survey(&[("containers/list", "[]\n")])).expect("an engine");
        assert!(none.containers.is_empty() && none.left_out == 0);
    }

    #[test]
    fn a_cut_list_keeps_what_is_whole_and_a_long_one_is_bounded() {
        let cut = r#"[{"Id":"a","Names":["/a"]},{"Id":"b","Na"#;
        let reading = parse(&survey(&[("containers/list", cut)])).expect("an engine");
        assert_eq!((reading.containers.len(), reading.left_out), (1, 1));
        let many: Vec<String> = (0..10_000).map(|n| format!(r#"{{"Id":"{n}"}}"#)).collect();
        for list in [format!("[{}]", many.join(",")), many.join("\n")] {
            let reading = parse(&survey(&[("containers/list", &list)])).expect("an engine");
            assert_eq!(reading.containers.len(), CONTAINERS_MAX);
            assert_eq!(reading.left_out, 10_000 - CONTAINERS_MAX);
        }
    }
}

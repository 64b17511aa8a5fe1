//! From a process to its container, by the process's control group.

use std::collections::BTreeMap;

/// The container in `/proc/PID/cgroup`, or in one path of it: Docker, Podman, containerd and CRI-O,
/// alone or under Kubernetes, in version 1 and 2, named by systemd or by directories. The innermost
/// one counts, and is 64 hexadecimal digits in lower case.
pub fn container_id(text: &str) -> Option<String> {
    text.lines().take(LINES_MAX).find_map(|line| {
        let path = line.splitn(3, ':').nth(2).unwrap_or(line);
        path.rsplit('/').take(PARTS_MAX).find_map(id_of)
    })
}

/// Reads the section `cgroups`: lines `PID path`. Containers by process.
pub(super) fn parse(section: &str) -> BTreeMap<u32, String> {
    let mut texts: BTreeMap<u32, String> = BTreeMap::new();
    for line in section.lines().take(super::PROCESSES_MAX * LINES_MAX) {
        let Some((pid, rest)) = line.trim_start().split_once(' ') else { continue };
        let (Ok(pid), Some(id)) = (pid.parse(), container_id(rest.trim())) else { continue };
        texts.entry(pid).or_insert(id);
    }
    texts
}

/// The container that one part of a path names. The word before the digits is not judged: engines
/// use `docker-`, `libpod-`, `cri-containerd-`, `crio-`, their configured names, or none. What
/// watches a container (`libpod-conmon-…`) is not in it.
fn id_of(part: &str) -> Option<String> {
    let bare =
        part.strip_suffix(".scope").or_else(|| part.strip_suffix(".service")).unwrap_or(part);
    if bare.contains("conmon-") {
        return None;
    }
    // Kubernetes with containerd and systemd separates with colons.
    let digits = bare.rsplit(['-', ':']).next()?;
    let is_id = digits.len() == ID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| digits.to_ascii_lowercase())
}

/// Digits of a container's id.
const ID_DIGITS: usize = 64;
/// Lines of one process that are looked at; version 1 has one for each controller.
const LINES_MAX: usize = 64;
/// Parts of a path that are looked at, from its end.
const PARTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f1dd0e6a1a0c8b4d9a0a55c3f0e9b8a7d6c5b4a39281706f5e4d3c2b1a09f8e";

    #[test]
    fn containers_are_found_in_what_engines_write() {
        let ours = [
            "0::/system.slice/docker-ID.scope",
            "0::/docker/ID",
            "12:devices:/docker/ID\n1:name=systemd:/docker/ID",
            "4:memory:/system.slice/docker-ID.scope",
            "0::/machine.slice/libpod-ID.scope/container",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            "0::/libpod_parent/libpod-ID",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1d_2e.slice/cri-containerd-ID.scope",
            "0::/kubepods.slice/kubepods-pod8.slice/crio-ID.scope",
            "11:pids:/kubepods/besteffort/pod0f9e-11/ID",
            "1:name=systemd:/system.slice/containerd.service/kubepods-pod7.slice:cri-containerd:ID",
            "0::/system.slice/k3s.service/kubepods/pod1/ID",
            "0::/docker/ID/init.scope",
            "0::/default/ID",
            "/system.slice/docker-ID.scope",
        ];
        for text in ours {
            let found = container_id(&text.replace("ID", ID));
            assert_eq!(found.as_deref(), Some(ID), "{text}");
        }
        let nested = format!("0::/docker/{}/docker/{ID}", "a".repeat(64));
        assert_eq!(container_id(&nested).as_deref(), Some(ID), "the innermost one");
    }

    #[test]
    fn what_is_no_container_is_none() {
        let others = [
            "",
            "0::/",
            "0::/user.slice/user-1000.slice/session-2.scope",
            "0::/system.slice/ollama.service",
            "0::/machine.slice/libpod-conmon-ID.scope",
            "0::/docker/IDff",
            "0::/docker/4f1dd0e6a1a0",
            "garbage ID",
        ];
        for text in others {
            assert_eq!(container_id(&text.replace("ID", ID)), None, "{text}");
        }
    }

    #[test]
    fn a_section_gives_containers_by_process() {
        let section =
            format!("41 0::/docker/{ID}\n42 0::/init.scope\nx /docker/{ID}\n43 /docker/{ID}\n");
        assert_eq!(parse(&section).into_keys().collect::<Vec<_>>(), [41, 43]);
    }
}

//! The monitor against Podman and real containers, in a network namespace of their own.
//!
//! Without Podman, runc, gcc and the right to make a network namespace, it says so and passes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::{
    DnsMode, Monitoring, ProbeSpec, Protocol, Service, TlsMode, WhenAllEjected,
};
use conduit_core::tasks::Tasks;
use conduit_core::upstream::UpstreamAddr;
use conduit_monitor::containers::{
    Asked, ContainersSource, LabelWish, SURVEY_SCRIPT, figures, parse, wishes,
};
use conduit_monitor::node::NodeName;
use conduit_monitor::reading::container::{Container, ContainerHealth, ContainersReading};
use conduit_monitor::source::Source;
use conduit_monitor::survey::Survey;
use conduit_monitor::ties::{Place, Ties};
use conduit_monitor::view::ContainersView;
use tokio_util::sync::CancellationToken;

/// Serves HTTP on 8080, fails, or burns processor time, as its first argument says.
const PROGRAM: &str = r#"
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    signal(SIGTERM, _exit);
    if (argc > 1 && !strcmp(argv[1], "fail")) return 3;
    if (argc > 1 && !strcmp(argv[1], "busy")) for (;;) {}
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(8080)};
    bind(listener, (void *)&any, sizeof any);
    listen(listener, 16);
    for (;;) close(accept(listener, 0, 0));
}
"#;

/// A Podman of its own, with an image.
struct Podman {
    directory: tempfile::TempDir,
    service: Child,
}

impl Podman {
    /// Starts one; the error says what is missing.
    fn start() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("podman")).map_err(|error| error.to_string())?;
        fs::write(at("hello.c"), PROGRAM).map_err(|error| error.to_string())?;
        fs::write(at("containers.conf"), CONFIGURATION).map_err(|error| error.to_string())?;
        let storage = format!(
            "[storage]\ndriver=\"vfs\"\ngraphroot={:?}\nrunroot={:?}\n",
            at("root"),
            at("run")
        );
        fs::write(at("storage.conf"), storage).map_err(|error| error.to_string())?;
        run(Command::new("gcc").args(["-static", "-O1", "-o"]).args([at("hello"), at("hello.c")]))?;
        run(Command::new("tar")
            .arg("-C")
            .arg(directory.path())
            .args(["-cf"])
            .arg(at("image.tar"))
            .arg("hello"))?;
        for tool in ["runc", "ip", "curl"] {
            run(Command::new("sh").args(["-c", &format!("command -v {tool}")]))?;
        }
        let socket = at("podman/podman.sock");
        let start = format!(
            "ip link set lo up && exec podman system service --time=0 unix://{}",
            socket.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", &start]).stdout(Stdio::null()).stderr(Stdio::null());
        let service =
            environment(&mut command, directory.path()).spawn().map_err(|e| e.to_string())?;
        let podman = Self { directory, service };
        podman.wait_for_socket()?;
        let import = ["import", "--change", "ENTRYPOINT [\"/hello\"]"];
        podman.podman(&[&import[..], &[at_text(&podman, "image.tar").as_str(), IMAGE]].concat())?;
        podman.podman(&["run", "--rm", "--entrypoint", "/hello", IMAGE, "fail"]).err().map_or(
            Ok(()),
            // It fails with its own status when containers work here.
            |error| if error.contains("exit status: 3") { Ok(()) } else { Err(error) },
        )?;
        Ok(podman)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("podman/podman.sock")
    }

    /// Runs a command of Podman's through its socket.
    fn podman(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("podman");
        command.args(["--remote", "--url", &format!("unix://{}", self.socket().display())]);
        run(environment(&mut command, self.directory.path()).args(words))
    }

    fn wait_for_socket(&self) -> Result<(), String> {
        let socket = self.socket();
        let script = format!(
            "for i in $(seq 100); do [ -S {0} ] && exit 0; sleep 0.1; done; exit 1",
            socket.display()
        );
        run(Command::new("sh").args(["-c", &script])).map(drop)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _removed = self.podman(&["rm", "--all", "--force", "--time", "0"]);
        let _killed = self.service.kill();
        let _ended = self.service.wait();
    }
}

fn at_text(podman: &Podman, name: &str) -> String {
    podman.directory.path().join(name).display().to_string()
}

fn environment<'a>(command: &'a mut Command, directory: &Path) -> &'a mut Command {
    command
        .env("CONTAINERS_CONF", directory.join("containers.conf"))
        .env("CONTAINERS_STORAGE_CONF", directory.join("storage.conf"))
        .env("XDG_RUNTIME_DIR", directory)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn service(name: &str, upstream: &str, container: Option<&str>) -> Change {
    Change::Put(Arc::new(Service {
        name: ServiceName::parse(name).expect("a name"),
        hosts: vec![Host::parse(&format!("{name}.internal")).expect("a host")],
        upstreams: vec![UpstreamAddr::parse(upstream).expect("an upstream")],
        protocol: Protocol::Http,
        tls: TlsMode::Issued,
        dns: DnsMode::Gateway,
        probe: ProbeSpec::Default,
        title: None,
        when_all_ejected: WhenAllEjected::Fail,
        monitoring: Monitoring {
            container_name: container.map(str::to_owned),
            ..Monitoring::default()
        },
        policy: Arc::default(),
        holds: Vec::new(),
        registered_at: Timestamp::from_seconds(0),
    }))
}

async fn read(source: &mut ContainersSource) -> (ContainersReading, Timestamp) {
    let reading = source.read().await.expect("a reading");
    assert_eq!(reading.problems, Vec::<String>::new());
    (reading.containers.expect("containers"), reading.at)
}

fn named<'a>(reading: &'a ContainersReading, name: &str) -> &'a Container {
    let found = reading.containers.iter().find(|container| container.name == name);
    found.unwrap_or_else(|| panic!("{name} is not in {reading:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_containers_are_read_tied_and_followed() {
    let podman = match Podman::start() {
        Ok(podman) => podman,
        Err(why) => {
            return drop(writeln!(
                std::io::stderr(),
                "SKIPPED: no containers can be run here: {why}"
            ));
        }
    };
    start_containers(&podman);
    let tasks = Tasks::new(CancellationToken::new());
    let here = NodeName::parse("here").expect("a name");
    let mut source = ContainersSource::new(here.clone(), podman.socket(), tasks.clone());
    let (reading, at) = read(&mut source).await;

    everything_is_told(&reading);
    containers_are_tied(&here, &reading);
    labels_ask_for_their_container(&reading);
    the_script_tells_the_same(&survey(&podman), &reading);

    let (now, now_at) = who_comes_and_goes_is_seen(&podman, &mut source, &tasks).await;
    rates_are_made(&figures(Some(&reading), &now, now_at.since(at), |_| None));

    drop(podman);
    assert!(source.read().await.is_err(), "the engine is gone");
    tasks.stop().cancel();
    tasks.finish().await;
    assert_eq!((tasks.died(), tasks.panics()), (None, 0));
}

fn start_containers(podman: &Podman) {
    let run = |name: &str, words: &[&str]| {
        let words = [&["run", "-d", "--name", name], words].concat();
        podman.podman(&words).expect("a container");
    };
    run("labelled", &["--label", "conduit.name=by-label", "--label", "conduit.port=8080", IMAGE]);
    run("published", &["-p", "127.0.0.1:18080:8080", "--memory", "64m", IMAGE]);
    run("named", &[IMAGE, "busy"]);
    run("failing", &["--restart", "on-failure:2", IMAGE, "fail"]);
    run("ill", &["--health-cmd", "/hello fail", "--health-retries", "1", IMAGE]);
    // Its outcome is that the container is unhealthy.
    let _unhealthy = podman.podman(&["healthcheck", "run", "ill"]);
    // It is restarted twice, and then it is left alone.
    podman.podman(&["wait", "failing"]).expect("an end");
}

fn everything_is_told(reading: &ContainersReading) {
    assert!(reading.engine.starts_with("Podman "), "{}", reading.engine);
    assert_eq!((reading.containers.len(), reading.left_out), (5, 0));
    let published = named(reading, "published");
    assert_eq!((published.state.as_str(), published.image.as_str()), ("running", IMAGE));
    assert_eq!((published.memory_limit, published.pids), (Some(64 << 20), Some(1)));
    assert_eq!((published.ports[0].host, published.ports[0].container), (18_080, 8_080));
    assert!(published.memory.is_some_and(|bytes| bytes > 0), "{published:?}");
    assert!(published.cpu.is_some() && published.started_at.is_some(), "{published:?}");
    assert_eq!(published.health, None);
    assert_eq!(named(reading, "ill").health, Some(ContainerHealth::Unhealthy));
    assert_eq!(named(reading, "failing").restarts, Some(2));
}

fn containers_are_tied(here: &NodeName, reading: &ContainersReading) {
    let service_of = |changes: Vec<Change>, name: &str| {
        let catalog = Catalog::default().with(Generation(1), changes);
        let ties = Ties::of(&catalog).with_place(here.clone(), Place::here(&catalog));
        ties.service_of(here, named(reading, name)).map(|name| name.as_str().to_owned())
    };
    let own = named(reading, "labelled").addresses[0];
    let all = || {
        vec![
            service("by-name", "10.9.9.9:1", Some("named")),
            service("by-label", "10.9.9.9:2", None),
            service("by-port", "127.0.0.1:18080", None),
        ]
    };
    assert_eq!(service_of(all(), "named").as_deref(), Some("by-name"));
    assert_eq!(service_of(all(), "labelled").as_deref(), Some("by-label"));
    assert_eq!(service_of(all(), "published").as_deref(), Some("by-port"));
    assert_eq!(service_of(all(), "ill"), None);
    let by_address = vec![service("by-address", &format!("{own}:8080"), None)];
    assert_eq!(service_of(by_address, "labelled").as_deref(), Some("by-address"));
}

fn labels_ask_for_their_container(reading: &ContainersReading) {
    let own = named(reading, "labelled").addresses[0];
    let made = wishes(&Asked::default(), reading);
    let [LabelWish::Register(wish)] = &made.wishes[..] else { panic!("{made:?}") };
    assert_eq!(wish.upstreams, [UpstreamAddr::from_socket((own, 8_080).into())]);
}

fn the_script_tells_the_same(surveyed: &ContainersReading, reading: &ContainersReading) {
    assert_eq!(surveyed.engine, reading.engine);
    for near in &reading.containers {
        let far = named(surveyed, &near.name);
        assert_eq!((&far.id, &far.state, &far.labels), (&near.id, &near.state, &near.labels));
        assert_eq!((&far.addresses, &far.ports), (&near.addresses, &near.ports));
        assert_eq!((far.started_at, far.memory_limit), (near.started_at, near.memory_limit));
        assert_eq!((far.pids, far.restarts), (near.pids, near.restarts));
        assert!(far.cpu >= near.cpu && far.cpu.is_some() == near.cpu.is_some(), "{far:?}");
    }
}

async fn who_comes_and_goes_is_seen(
    podman: &Podman,
    source: &mut ContainersSource,
    tasks: &Tasks,
) -> (ContainersReading, Timestamp) {
    let wake = source.watch(tasks);
    wake.notified().await;
    podman.podman(&["run", "-d", "--name", "late", IMAGE]).expect("a container");
    podman.podman(&["stop", "--time", "0", "labelled"]).expect("an end");
    loop {
        let woken = tokio::time::timeout(WAKE_MAX, wake.notified()).await;
        woken.expect("somebody came and somebody went");
        let (now, at) = read(source).await;
        let has_come = now.containers.iter().any(|container| container.name == "late");
        if has_come && named(&now, "labelled").state != "running" {
            assert_eq!(named(&now, "labelled").cpu, None);
            return (now, at);
        }
    }
}

fn rates_are_made(view: &ContainersView) {
    let cpu = |name: &str| {
        let found = view.containers.iter().find(|figures| figures.container.name == name);
        found.expect("the container").cpu
    };
    let busy = cpu("named").expect("a rate");
    assert!((0.01..=1.1).contains(&busy), "{busy}");
    assert_eq!(cpu("late"), None);
}

/// What the script prints on this machine, made to look for our Podman alone.
fn survey(podman: &Podman) -> ContainersReading {
    let script = SURVEY_SCRIPT
        .replace("/var/run/docker.sock", "/nonexistent/docker.sock")
        .replace("/run/podman/podman.sock", "/nonexistent/podman.sock");
    let mut command = Command::new("sh");
    let printed = run(environment(&mut command, podman.directory.path())
        .args(["-c", &format!("{script}\necho @@end")]))
    .expect("the script");
    parse(&Survey::parse(&printed).expect("a survey")).expect("an engine")
}

/// What works without systemd and with little freedom.
const CONFIGURATION: &str = "[containers]\ndefault_ulimits=[\"nofile=1000:1000\",\"nproc=1000:1000\"]\n\
    [engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime=\"runc\"\n";
/// The image that the test makes.
const IMAGE: &str = "localhost/conduit-hello:1";
/// Far longer than an event takes.
const WAKE_MAX: Duration = Duration::from_secs(30);

//! The list of containers, in every form that engines and their command lines print it in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use conduit_core::clock::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::ports::{ListedPorts, published};
use crate::loose::{Keyed, Many, Number, Part, Take, Text, cut, loose};
use crate::reading::container::{
    CONTAINERS_MAX, Container, ContainerHealth, ContainersReading, LABEL_BYTES_MAX, LABELS_MAX,
};

/// Reads the API's list, which must be whole.
pub(super) fn read_whole_list(text: &str) -> Result<ContainersReading, serde_json::Error> {
    let (gathered, whole) = gather(text);
    whole.map(|()| gathered.reading())
}

/// Reads a list: an array, or objects one after the other. What comes after a broken entry is lost
/// and counts as one that was left out.
pub(super) fn read_list(text: &str) -> ContainersReading {
    if text.trim_start().starts_with('[') {
        let (mut gathered, whole) = gather(text);
        gathered.left_out += usize::from(whole.is_err());
        return gathered.reading();
    }
    let mut gathered = Gathered::default();
    for item in serde_json::Deserializer::from_str(text).into_iter::<Part<Listed>>() {
        match item {
            Ok(Part(listed)) => gathered.add(listed),
            Err(_) => gathered.left_out += 1,
        }
    }
    gathered.reading()
}

/// What of an array is whole, and whether all of it is.
fn gather(text: &str) -> (Gathered, Result<(), serde_json::Error>) {
    let mut gathered = Gathered::default();
    let mut input = serde_json::Deserializer::from_str(text);
    let whole = Gather(&mut gathered).deserialize(&mut input);
    (gathered, whole)
}

/// The engine and its version, of what it says about itself; empty when it says nothing.
pub(super) fn engine_name(version: &str) -> String {
    let Ok(Part(told)) = serde_json::from_str::<Part<Version>>(version.trim()) else {
        return String::new();
    };
    let first = told.components.0.first();
    // Podman's own command line tells no components.
    let podman = told.podman_api.get().map(|_| PODMAN_COMPONENT);
    let component = first.and_then(|component| component.0.name.get()).or(podman);
    let version =
        told.version.get().or_else(|| first.and_then(|component| component.0.version.get()));
    name_of(component, version)
}

/// `Podman 4.3.1`, of the name of an engine's first component and of its version.
pub(super) fn name_of(component: Option<&str>, version: Option<&str>) -> String {
    let name = match component {
        Some(PODMAN_COMPONENT) => "Podman",
        Some("Engine") => "Docker",
        Some(other) => other,
        None => "engine",
    };
    version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Version {
    #[serde(rename = "Components")]
    components: Many<Part<Component>>,
    #[serde(rename = "Version")]
    version: Text,
    #[serde(rename = "APIVersion")]
    podman_api: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Component {
    #[serde(rename = "Name")]
    name: Text,
    #[serde(rename = "Version")]
    version: Text,
}

/// A container as it is listed by Docker's API, Podman's API, `docker ps` or `podman ps`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Listed {
    #[serde(rename = "Id")]
    id: Text,
    /// `docker ps` spells it so.
    #[serde(rename = "ID")]
    id_of_line: Text,
    #[serde(rename = "Names")]
    names: Names,
    #[serde(rename = "Image")]
    image: Text,
    #[serde(rename = "State")]
    state: Text,
    #[serde(rename = "Status")]
    status: Text,
    #[serde(rename = "Health")]
    health: Part<ListedHealth>,
    #[serde(rename = "Labels")]
    labels: Labels,
    #[serde(rename = "Ports")]
    ports: ListedPorts,
    #[serde(rename = "NetworkSettings")]
    network_settings: Part<ListedNetworks>,
    /// Seconds since 1970, from `podman ps` alone.
    #[serde(rename = "StartedAt")]
    started_at: Number,
    #[serde(rename = "Restarts")]
    restarts: Number,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ListedHealth {
    #[serde(rename = "Status")]
    status: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ListedNetworks {
    #[serde(rename = "Networks")]
    networks: Networks,
}

/// The networks a container is in, by name.
pub(super) type Networks = Keyed<Part<Network>>;

/// A container's place in a network.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Network {
    #[serde(rename = "IPAddress")]
    v4: Text,
    #[serde(rename = "GlobalIPv6Address")]
    v6: Text,
}

/// The addresses in `networks`, each once.
pub(super) fn addresses_of(networks: &Networks) -> Vec<IpAddr> {
    let texts = networks.0.values().flat_map(|network| [network.0.v4.get(), network.0.v6.get()]);
    let mut addresses: Vec<IpAddr> = texts.flatten().filter_map(|text| text.parse().ok()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

impl Listed {
    fn container(self) -> Option<Container> {
        let id = self.id.get().or_else(|| self.id_of_line.get())?.to_owned();
        if id.len() > ID_BYTES_MAX || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let status = self.status.get().unwrap_or_default();
        let health = self.health.0.status.get().or_else(|| health_word(status));
        Some(Container {
            name: self.names.0.unwrap_or_else(|| cut(&id, SHORT_ID_BYTES).to_owned()),
            image: self.image.get().unwrap_or_default().to_owned(),
            state: self.state.get().unwrap_or(UNKNOWN_STATE).to_ascii_lowercase(),
            health: health.and_then(health_of),
            restarts: self.restarts.whole(),
            started_at: self.started_at.whole().and_then(time_of_seconds),
            cpu: None,
            counted_at: None,
            memory: None,
            memory_limit: None,
            pids: None,
            labels: self.labels.0,
            addresses: addresses_of(&self.network_settings.0.networks),
            ports: published(&self.ports),
            id,
        })
    }
}

/// Whether a container's own check passed, from the engine's word.
pub(super) fn health_of(word: &str) -> Option<ContainerHealth> {
    match word {
        "healthy" => Some(ContainerHealth::Healthy),
        "unhealthy" => Some(ContainerHealth::Unhealthy),
        "starting" => Some(ContainerHealth::Starting),
        _ => None,
    }
}

/// The word for health in a status such as `Up 2 hours (healthy)`.
fn health_word(status: &str) -> Option<&str> {
    let (_, inner) = status.rsplit_once('(')?;
    let word = inner.strip_suffix(')')?;
    Some(word.strip_prefix("health: ").unwrap_or(word))
}

fn time_of_seconds(seconds: u64) -> Option<Timestamp> {
    i64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Timestamp::from_seconds)
}

/// A list of names, or names with commas between them: the container's own one.
#[derive(Default)]
struct Names(Option<String>);

impl Names {
    /// The others, with a slash in the middle, are what other containers call it.
    fn own(name: &str) -> Option<String> {
        let visible: String = name.chars().filter(|c| !c.is_control()).collect();
        let name = visible.trim_start_matches('/');
        (!name.is_empty() && !name.contains('/')).then(|| cut(name, NAME_BYTES_MAX).to_owned())
    }
}

impl<'de> Take<'de> for Names {
    fn text(text: &str) -> Self {
        Self(text.split(',').find_map(Self::own))
    }

    fn list<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        let names = Many::<Text>::list(items)?;
        Ok(Self(names.0.iter().filter_map(Text::get).find_map(Self::own)))
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

/// Labels by name, or `name=value` with commas between them; those of ours first, up to the bound.
#[derive(Default)]
struct Labels(BTreeMap<String, String>);

impl Labels {
    fn bounded(all: impl Iterator<Item = (String, String)>) -> Self {
        let fitting = all.filter(|(name, _)| (1..=LABEL_BYTES_MAX).contains(&name.len()));
        let (ours, others): (Vec<_>, Vec<_>) =
            fitting.partition(|(name, _)| name.starts_with(OUR_LABELS));
        let short =
            |(name, value): (String, String)| (name, cut(&value, LABEL_BYTES_MAX).to_owned());
        Self(ours.into_iter().chain(others).take(LABELS_MAX).map(short).collect())
    }
}

impl<'de> Take<'de> for Labels {
    fn text(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Self::bounded(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn object<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        let labels = Keyed::<Text>::object(entries)?;
        Ok(Self::bounded(labels.0.into_iter().filter_map(|(name, value)| Some((name, value.0?)))))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

/// What is kept of a list.
#[derive(Default)]
struct Gathered {
    containers: Vec<Container>,
    left_out: usize,
}

impl Gathered {
    fn reading(mut self) -> ContainersReading {
        self.containers.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        let Self { containers, left_out } = self;
        ContainersReading { engine: String::new(), containers, left_out }
    }

    fn add(&mut self, listed: Listed) {
        if self.containers.len() < CONTAINERS_MAX {
            self.containers.extend(listed.container());
        } else {
            self.left_out += 1;
        }
    }
}

/// Reads an array into what is kept, so that a cut one is not lost.
struct Gather<'a>(&'a mut Gathered);

impl<'de> DeserializeSeed<'de> for Gather<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Gather<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of containers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while self.0.containers.len() < CONTAINERS_MAX {
            match items.next_element()? {
                Some(Part(listed)) => self.0.add(listed),
                None => return Ok(()),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            self.0.left_out += 1;
        }
        Ok(())
    }
}

/// What Podman calls its first component.
const PODMAN_COMPONENT: &str = "Podman Engine";
/// What labels of ours begin with.
const OUR_LABELS: &str = "conduit.";
/// The state of a container that tells none.
const UNKNOWN_STATE: &str = "unknown";
/// The longest name, in bytes; engines allow about 250.
const NAME_BYTES_MAX: usize = 255;
/// The longest id: 32 bytes in hexadecimal.
const ID_BYTES_MAX: usize = 64;
/// How much of an id people are shown.
const SHORT_ID_BYTES: usize = 12;

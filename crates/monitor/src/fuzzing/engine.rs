//! What an engine or a container engine answers.

use conduit_core::policy::Preset;

use crate::containers;
use crate::engines::{Form, read, samples};
use crate::reading::container::{CONTAINERS_MAX, LABELS_MAX};
use crate::survey::Survey;

/// An answer: its first byte says of what, the rest is the text.
///
/// Figures are counts and shares or absent. A sample is read as the same when it is written again.
/// Containers are bounded, and have ids that can stand in a path.
pub fn monitor_engine(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    match kind {
        b'c' => containers_hold(&text),
        kind => figures_hold(form_of(*kind), &text),
    }
}

fn form_of(kind: u8) -> Form {
    match kind {
        b'l' => Form::Loads,
        b's' => Form::Slots,
        b'm' => Form::Models,
        b'n' => Form::Series(Preset::Nim),
        b'g' => Form::Series(Preset::SgLang),
        b'p' => Form::Series(Preset::LlamaCpp),
        b't' => Form::Series(Preset::Tgi),
        b'r' => Form::Series(Preset::Triton),
        _ => Form::Series(Preset::Vllm),
    }
}

fn figures_hold(form: Form, text: &str) {
    let told = read(form, text);
    let counts = [told.running, told.waiting, told.prompt_tokens, told.generated_tokens];
    assert!(counts.into_iter().flatten().all(|count| count.is_finite() && count >= 0.0));
    assert!(told.cache_used.is_none_or(|share| (0.0..=1.0).contains(&share)));
    assert!(!told.models.iter().any(|model| model.name.chars().any(char::is_control)));
    if matches!(form, Form::Series(_)) {
        for sample in samples(text) {
            assert!(sample.value.is_finite());
            let labels: Vec<_> = sample.labels().collect();
            let written: Vec<_> = labels.iter().map(|(name, value)| label(name, value)).collect();
            let line = format!("{}{{{}}} {:?}", sample.name, written.join(","), sample.value);
            let again = samples(&line).next().unwrap_or_else(|| panic!("{line}"));
            assert_eq!((again.name, again.value), (sample.name, sample.value));
            assert!(again.labels().eq(labels), "{line}");
        }
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

/// The text is each of the sections that a remote machine prints.
fn containers_hold(text: &str) {
    let mut survey = Survey::default();
    for section in ["version", "list", "stats", "details"] {
        survey.insert(format!("containers/{section}"), text);
    }
    let Some(reading) = containers::parse(&survey) else {
        return;
    };
    assert!(reading.containers.len() <= CONTAINERS_MAX);
    for container in &reading.containers {
        assert!(container.id.len() <= 64 && container.id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(container.labels.len() <= LABELS_MAX);
        assert!(container.ports.iter().all(|port| port.host > 0 && port.container > 0));
        let words = [&container.name, &container.image, &container.state];
        assert!(!words.iter().any(|word| word.chars().any(char::is_control)));
    }
    let made = containers::wishes(&containers::Asked::default(), &reading);
    assert!(made.problems.iter().all(|problem| problem.starts_with("container ")));
}

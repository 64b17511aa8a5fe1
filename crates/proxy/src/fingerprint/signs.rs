//! What answers tell about the program that gave them.
//!
//! **Invariant:** pure. A status alone is never a sign: many programs answer 200 with their start
//! page to every path.

use conduit_core::policy::Preset;
use serde_json::Value;

/// What came back from one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// What is asked for, in this order. The first is asked alone, to see whether it is HTTP at all.
pub const PATHS: [&str; 13] = [
    "/api/version",
    "/api/config",
    "/v1/loads",
    "/metrics",
    "/v1/models",
    "/props",
    "/v2/health/ready",
    "/v1/health/ready",
    "/info",
    "/api/health",
    "/-/ready",
    "/system_stats",
    "/api",
];
/// `PostgreSQL`'s `SSLRequest`: a length of 8 and the code 80877103.
pub const POSTGRES_HELLO: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// A command that changes nothing.
pub const REDIS_HELLO: &[u8] = b"PING\r\n";

/// Tells a program by its answers, which are in the order of [`PATHS`].
pub fn of_http(answers: &[Option<Answer>]) -> Option<(Preset, String)> {
    SIGNS.iter().find_map(|sign| {
        let index = PATHS.iter().position(|path| *path == sign.path)?;
        let said = (sign.judge)(answers.get(index)?.as_ref()?)?;
        let said = visible(&said);
        let words = if said.is_empty() { "as it does".to_owned() } else { said };
        Some((sign.preset, format!("GET {} answered {words}", sign.path)))
    })
}

/// Tells a database by what it says to [`POSTGRES_HELLO`] and to [`REDIS_HELLO`].
pub fn of_stream(postgres: &[u8], redis: &[u8]) -> Option<(Preset, String)> {
    match postgres {
        b"S" => return Some((Preset::Postgres, "it answered SSLRequest with S".into())),
        b"N" => return Some((Preset::Postgres, "it answered SSLRequest with N".into())),
        _ => {}
    }
    let known = ["+PONG", "-NOAUTH", "-DENIED Redis"];
    let text = known.iter().find(|text| redis.starts_with(text.as_bytes()))?;
    Some((Preset::Redis, format!("it answered PING with {text}")))
}

/// One thing that gives a program away.
struct Sign {
    preset: Preset,
    path: &'static str,
    /// What it said, when that is the sign.
    judge: fn(&Answer) -> Option<String>,
}

/// Open WebUI stands before Ollama, whose `/api/version` it has as well.
const SIGNS: [Sign; 16] = [
    Sign { preset: Preset::OpenWebUi, path: "/api/config", judge: open_webui },
    Sign { preset: Preset::Ollama, path: "/api/version", judge: version },
    Sign { preset: Preset::SgLang, path: "/v1/loads", judge: sglang_loads },
    Sign { preset: Preset::Vllm, path: "/metrics", judge: |a| series(a, "vllm:") },
    Sign { preset: Preset::SgLang, path: "/metrics", judge: |a| series(a, "sglang:") },
    Sign { preset: Preset::LlamaCpp, path: "/props", judge: llamacpp_props },
    Sign { preset: Preset::Triton, path: "/v2/health/ready", judge: triton },
    Sign { preset: Preset::Nim, path: "/v1/health/ready", judge: nim },
    Sign { preset: Preset::Vllm, path: "/v1/models", judge: |a| owned_by(a, "vllm") },
    Sign { preset: Preset::SgLang, path: "/v1/models", judge: |a| owned_by(a, "sglang") },
    Sign { preset: Preset::LlamaCpp, path: "/v1/models", judge: |a| owned_by(a, "llamacpp") },
    Sign { preset: Preset::Tgi, path: "/info", judge: |a| text_at(a, "/model_id") },
    Sign { preset: Preset::Grafana, path: "/api/health", judge: grafana },
    Sign { preset: Preset::Prometheus, path: "/-/ready", judge: prometheus },
    Sign { preset: Preset::ComfyUi, path: "/system_stats", judge: comfyui },
    Sign { preset: Preset::Jupyter, path: "/api", judge: version },
];

fn open_webui(answer: &Answer) -> Option<String> {
    text_at(answer, "/name").filter(|name| name.contains("Open WebUI"))?;
    text_at(answer, "/version").map(|version| format!("Open WebUI {version}"))
}

fn version(answer: &Answer) -> Option<String> {
    text_at(answer, "/version").filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

fn sglang_loads(answer: &Answer) -> Option<String> {
    let json = json(answer)?;
    let known = json.get("loads").is_some_and(Value::is_array)
        || json.get("num_running_reqs").is_some()
        || json.get(0).is_some_and(|first| first.get("num_running_reqs").is_some());
    known.then(|| "the loads of its workers".into())
}

fn series(answer: &Answer, prefix: &str) -> Option<String> {
    if answer.status != 200 {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().find(|line| line.starts_with(prefix))?;
    line.split(['{', ' ']).next().map(str::to_owned)
}

fn owned_by(answer: &Answer, owner: &str) -> Option<String> {
    let json = json(answer)?;
    let models = json.get("data")?.as_array()?;
    let owns = |model: &Value| model.get("owned_by").and_then(Value::as_str) == Some(owner);
    models.iter().any(owns).then(|| format!("a model owned by {owner}"))
}

fn llamacpp_props(answer: &Answer) -> Option<String> {
    json(answer)?.get("default_generation_settings")?;
    Some(text_at(answer, "/build_info").unwrap_or_else(|| "default_generation_settings".into()))
}

/// Triton answers without a body, other servers of its protocol with an empty object.
fn triton(answer: &Answer) -> Option<String> {
    let bare = matches!(answer.body.trim_ascii(), b"" | b"{}");
    (answer.status == 200 && bare).then(|| "200 without a page".into())
}

fn nim(answer: &Answer) -> Option<String> {
    let ready = text_at(answer, "/object").is_some_and(|object| object.contains("health"))
        || text_at(answer, "/message").is_some_and(|message| message.contains("ready"));
    ready.then(|| "that it is ready".into())
}

fn grafana(answer: &Answer) -> Option<String> {
    text_at(answer, "/database")?;
    Some(text_at(answer, "/version").unwrap_or_default())
}

fn prometheus(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    text.starts_with("Prometheus").then(|| text.trim().to_owned())
}

fn comfyui(answer: &Answer) -> Option<String> {
    let json = json(answer)?;
    let system = json.get("system")?;
    json.get("devices")?.as_array()?;
    let version = system.get("comfyui_version").and_then(Value::as_str);
    Some(version.unwrap_or("its devices").to_owned())
}

fn text_at(answer: &Answer, pointer: &str) -> Option<String> {
    json(answer)?.pointer(pointer)?.as_str().map(str::to_owned)
}

fn json(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}

/// What somebody else said, safe to print.
fn visible(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(SAID_CHARS_MAX).collect()
}

/// Of what a program said about itself.
const SAID_CHARS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Option<(Preset, String)> {
        let answers = PATHS.map(|path| {
            let (_, body) = pairs.iter().find(|(asked, _)| *asked == path)?;
            Some(Answer { status: 200, body: body.as_bytes().to_vec() })
        });
        of_http(&answers)
    }

    #[test]
    fn each_program_is_told_by_its_answers() {
        let version = r#"{"version":"0.5.1"}"#;
        let webui = r#"{"status":true,"name":"Lab (Open WebUI)","version":"0.6.5"}"#;
        let models = r#"{"data":[{"id":"q","owned_by":"vllm"}]}"#;
        let vllm = "# HELP x\nvllm:num_requests_running{model=\"q\"} 0.0\n";
        let props = r#"{"default_generation_settings":{},"build_info":"b4500"}"#;
        let stats = r#"{"system":{"comfyui_version":"0.3.40"},"devices":[]}"#;
        let grafana = r#"{"database":"ok","version":"11.2.0"}"#;
        for (answers, preset, evidence) in [
            (&[("/api/version", version)][..], Preset::Ollama, "GET /api/version answered 0.5.1"),
            (
                &[("/api/version", version), ("/api/config", webui)],
                Preset::OpenWebUi,
                "GET /api/config answered Open WebUI 0.6.5",
            ),
            (&[("/v1/loads", r#"{"loads":[]}"#)], Preset::SgLang, "GET /v1/loads"),
            (&[("/metrics", vllm)], Preset::Vllm, "answered vllm:num_requests_running"),
            (&[("/metrics", "sglang:num_running_reqs 1")], Preset::SgLang, "sglang:num_running"),
            (&[("/v1/models", models)], Preset::Vllm, "a model owned by vllm"),
            (&[("/props", props)], Preset::LlamaCpp, "GET /props answered b4500"),
            (&[("/v2/health/ready", "")], Preset::Triton, "GET /v2/health/ready"),
            (
                &[("/v1/health/ready", r#"{"object":"health.response"}"#), ("/v1/models", models)],
                Preset::Nim,
                "GET /v1/health/ready",
            ),
            (&[("/info", r#"{"model_id":"m/q"}"#)], Preset::Tgi, "GET /info answered m/q"),
            (&[("/api/health", grafana)], Preset::Grafana, "GET /api/health answered 11.2.0"),
            (&[("/-/ready", "Prometheus Server is Ready.\n")], Preset::Prometheus, "is Ready."),
            (&[("/system_stats", stats)], Preset::ComfyUi, "answered 0.3.40"),
            (&[("/api", r#"{"version":"2.14.0"}"#)], Preset::Jupyter, "GET /api answered 2.14.0"),
        ] {
            let (found, said) = told(answers).unwrap_or_else(|| panic!("{answers:?}"));
            assert_eq!(found, preset, "{answers:?}");
            assert!(said.contains(evidence), "{said}");
        }
    }

    #[test]
    fn a_start_page_for_every_path_is_no_sign() {
        for page in ["<html>hello</html>", "{\"status\":\"ok\"}", "OK", "null", "[]", "\"x\""] {
            let all = PATHS.map(|path| (path, page));
            assert_eq!(told(&all), None, "{page}");
        }
        assert_eq!(of_http(&[]), None);
    }

    #[test]
    fn what_a_program_says_is_shortened_and_harmless() {
        let long = format!(r#"{{"version":"1\u001b[31m\n{}"}}"#, "x".repeat(500));
        let (_, said) = told(&[("/api/version", &long)]).expect("told");
        assert!(said.len() < 100 && said.chars().all(|c| !c.is_control()), "{said}");
    }

    #[test]
    fn databases_are_told_by_their_greeting() {
        for (postgres, redis, expected) in [
            (&b"S"[..], &b""[..], Some(Preset::Postgres)),
            (b"N", b"", Some(Preset::Postgres)),
            (b"", b"+PONG\r\n", Some(Preset::Redis)),
            (b"", b"-NOAUTH Authentication required.\r\n", Some(Preset::Redis)),
            (b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 Bad Request", None),
            (b"SSH-2.0-x", b"SSH-2.0-x", None),
            (b"", b"", None),
        ] {
            assert_eq!(of_stream(postgres, redis).map(|(preset, _)| preset), expected);
        }
    }
}

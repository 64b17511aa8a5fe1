//! What engines say, as captured and as bent, and sockets that do not behave.

use std::net::SocketAddr;
use std::sync::Arc;

use conduit_core::name::ServiceName;
use conduit_core::policy::Preset;
use conduit_core::tasks::Tasks;
use conduit_core::upstream::UpstreamAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::node::NodeName;
use crate::reading::engine::EngineReading;
use crate::source::Source;

fn series(preset: Preset, text: &str) -> Told {
    read(Form::Series(preset), text)
}

#[test]
fn series_of_vllm_are_added_over_engines_in_old_and_new_names() {
    let new = r#"# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="llama"} 3.0
vllm:num_requests_running{engine="1",model_name="llama"} 4.0
vllm:num_requests_waiting{engine="0",model_name="llama"} 9.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="llama",reason="capacity"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="llama",reason="deferred"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="llama"} 0.5
vllm:kv_cache_usage_perc{engine="1",model_name="llama"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="llama"} 1.5e+03
vllm:generation_tokens_total{engine="0",model_name="llama"} 700.0
"#;
    let told = series(Preset::Vllm, new);
    assert_eq!((told.running, told.waiting, told.cache_used), (Some(7.0), Some(2.0), Some(0.375)));
    assert_eq!((told.prompt_tokens, told.generated_tokens), (Some(1_500.0), Some(700.0)));
    assert_eq!(told.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["llama"]);
    let old = "vllm:num_requests_waiting 1\nvllm:gpu_cache_usage_perc 1.004\n";
    let told = series(Preset::Vllm, old);
    assert_eq!((told.running, told.waiting, told.cache_used), (None, Some(1.0), Some(1.0)));
}

#[test]
fn series_of_the_other_engines_are_read() {
    for (preset, text, expected) in [
        (
            Preset::SgLang,
            "sglang:num_running_reqs 1\nsglang:num_queue_reqs 2\nsglang:token_usage 0.25\nsglang:prompt_tokens_total 3\nsglang:generation_tokens_total 4\n",
            [1.0, 2.0, 0.25, 3.0, 4.0],
        ),
        (
            Preset::SgLang,
            "sglang_num_running_reqs 1\nsglang_num_queue_reqs 2\nsglang_full_token_usage 0.25\nsglang_prompt_tokens_total 3\nsglang_generation_tokens_total 4\n",
            [1.0, 2.0, 0.25, 3.0, 4.0],
        ),
        (
            Preset::LlamaCpp,
            "llamacpp:requests_processing 1\nllamacpp:requests_deferred 2\nllamacpp:kv_cache_usage_ratio 0.25\nllamacpp:prompt_tokens_total 3\nllamacpp:tokens_predicted_total 4\n",
            [1.0, 2.0, 0.25, 3.0, 4.0],
        ),
        (
            Preset::Nim,
            "num_requests_running 1\nnum_requests_waiting 2\ngpu_cache_usage_perc 0.25\nprompt_tokens_total 3\ngeneration_tokens_total 4\n",
            [1.0, 2.0, 0.25, 3.0, 4.0],
        ),
    ] {
        let told = series(preset, text);
        let figures = [
            told.running,
            told.waiting,
            told.cache_used,
            told.prompt_tokens,
            told.generated_tokens,
        ];
        assert_eq!(figures, expected.map(Some), "{preset}");
    }
    let tgi = series(
        Preset::Tgi,
        "tgi_batch_current_size 1\ntgi_queue_size 2\ntgi_request_input_length_sum 3\n",
    );
    assert_eq!((tgi.running, tgi.waiting, tgi.cache_used), (Some(1.0), Some(2.0), None));
    let triton = r#"nv_inference_pending_request_count{model="a",version="1"} 4
nv_inference_pending_request_count{model="b",version="1"} 5
nv_trt_llm_request_metrics{model="a",request_type="scheduled",version="1"} 2
nv_trt_llm_request_metrics{model="a",request_type="max",version="1"} 512
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="a"} 0.5
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="a"} 6239
"#;
    let told = series(Preset::Triton, triton);
    assert_eq!((told.running, told.waiting, told.cache_used), (Some(2.0), Some(9.0), Some(0.5)));
}

#[test]
fn missing_or_impossible_is_never_idle() {
    for text in [
        "",
        "<html>hello</html>",
        "python_gc_objects_collected_total{generation=\"0\"} 5\n",
        "vllm:num_requests_running NaN\nvllm:kv_cache_usage_perc 55\n",
        "vllm:num_requests_running -1\n",
    ] {
        assert!(series(Preset::Vllm, text).is_nothing(), "{text}");
    }
}

#[test]
fn documents_are_read() {
    let ps = r#"{"models":[{"name":"llama3:8b","model":"llama3:8b","size":6000,"size_vram":4000,
        "details":{"families":["llama"]},"expires_at":"2026-04-04T12:00:00Z"},{"model":"x"},{},7]}"#;
    let told = read_models(ps);
    assert_eq!(told.models.len(), 2);
    assert_eq!((told.models[0].size, told.models[0].vram), (Some(6_000), Some(4_000)));
    assert_eq!((told.models[1].name.as_str(), told.models[1].size), ("x", None));
    assert!(!read_models(r#"{"models":[]}"#).is_nothing());
    let loads = r#"{"loads":[{"num_running_reqs":1,"num_waiting_reqs":2,"token_usage":0.5,"max_total_num_tokens":9},
        {"num_running_reqs":3,"num_waiting_reqs":4,"token_usage":0.0,"max_total_num_tokens":9}]}"#;
    let told = read_loads(loads);
    assert_eq!((told.running, told.waiting, told.cache_used), (Some(4.0), Some(6.0), Some(0.25)));
    for silent in [
        r#"{"loads":[]}"#,
        r#"{"loads":[{"num_running_reqs":0,"max_total_num_tokens":0}]}"#,
        r#"{"loads":[{"num_running_reqs":1},{"num_running_reqs":"x"}]}"#,
        r#"{"models":7}"#,
        "null",
    ] {
        assert!(read_loads(silent).is_nothing(), "{silent}");
    }
    let slots =
        r#"[{"id":0,"is_processing":true},{"id":1,"is_processing":false},{"id":2,"state":1}]"#;
    assert_eq!(read_slots(slots).running, Some(2.0));
    for silent in ["[]", "[{}]", r#"[{"is_processing":true},{}]"#, r#"{"error":{}}"#, "["] {
        assert!(read_slots(silent).is_nothing(), "{silent}");
    }
    assert!(read_models("{").is_nothing() && read_models(r#"{"models":null}"#).models.is_empty());
}

/// An engine that answers by path, for the length of a test.
struct Fake {
    address: SocketAddr,
    tasks: Tasks,
}

impl Fake {
    async fn start(script: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tasks = Tasks::new(CancellationToken::new());
        let (script, jobs) = (Arc::new(script), tasks.clone());
        tasks.job("fake engine", async move {
            while let Ok((stream, _)) = listener.accept().await {
                jobs.job("fake answer", answer(stream, Arc::clone(&script)));
            }
        });
        Self { address, tasks }
    }

    async fn read(&self, preset: Preset) -> EngineReading {
        read_at(self.address, preset).await
    }
}

async fn read_at(address: SocketAddr, preset: Preset) -> EngineReading {
    let target = EngineTarget {
        service: ServiceName::parse("llm").expect("a name"),
        upstream: UpstreamAddr::from_socket(address),
        preset,
        tls: None,
        server_name: None,
        host: None,
    };
    let node = NodeName::parse("here").expect("a name");
    let mut source = EnginesSource::new(node, move || vec![target.clone()], None);
    let reading = source.read().await.expect("a reading");
    reading.engines.expect("engines").into_iter().next().expect("one")
}

async fn answer(mut stream: TcpStream, script: Arc<impl Fn(&str) -> Vec<u8>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    assert!(head.contains("host: 127.0.0.1:"), "{head}");
    let bytes = script(head.split(' ').nth(1).expect("a path"));
    let mut is_open = stream.write_all(&bytes).await.is_ok();
    // A body without length goes on for ever.
    let goes_on = bytes.ends_with(b"\r\n\r\n#");
    while goes_on && is_open {
        is_open = stream.write_all(&[b'#'; 65_536]).await.is_ok();
    }
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn every_question_of_an_engine_adds_what_it_knows() {
    let fake = Fake::start(|path| match path {
        "/v1/loads" => http("200 OK", r#"{"loads":[{"num_running_reqs":2,"num_waiting_reqs":0}]}"#),
        "/metrics" => {
            http("200 OK", "sglang:num_running_reqs 9\nsglang:generation_tokens_total 5\n")
        }
        _ => http("404 Not Found", ""),
    })
    .await;
    let engine = fake.read(Preset::SgLang).await;
    assert_eq!((engine.running, engine.waiting), (Some(2.0), Some(0.0)));
    assert_eq!((engine.generated_tokens, engine.problem), (Some(5.0), None));
    assert_eq!(engine.preset, "sglang");
    assert_eq!(fake.tasks.panics(), 0);
}

#[tokio::test]
async fn what_is_switched_off_is_no_fault_when_something_is_told() {
    let fake = Fake::start(|path| match path {
        "/slots" => http("200 OK", r#"[{"is_processing":false}]"#),
        _ => http("501 Not Implemented", ""),
    })
    .await;
    let engine = fake.read(Preset::LlamaCpp).await;
    assert_eq!((engine.running, engine.problem), (Some(0.0), None));
}

#[tokio::test]
async fn an_engine_that_tells_nothing_has_a_problem_and_no_figures() {
    for (answer, words) in [
        (http("200 OK", "# nothing\n"), "--disable-log-stats"),
        (http("404 Not Found", "no"), "answers /metrics with 404"),
        (
            b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /metrics/\r\ncontent-length: 0\r\n\r\n"
                .to_vec(),
            "with 307",
        ),
        (b"\x00garbage\r\n\r\n".to_vec(), "is broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nvllm:num".to_vec(), "is broken"),
        (b"HTTP/1.1 200 OK\r\n\r\n#".to_vec(), "is broken"),
        (Vec::new(), "is broken"),
    ] {
        let sent = answer.clone();
        let fake = Fake::start(move |_| sent.clone()).await;
        let engine = fake.read(Preset::Vllm).await;
        let problem = engine.problem.expect("a problem");
        assert!(problem.contains(words), "{problem}");
        assert_eq!((engine.running, engine.waiting), (None, None));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    let problem = read_at(closed, Preset::Vllm).await.problem.expect("a problem");
    assert!(problem.contains("cannot connect"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = listener.local_addr().expect("an address");
    let problem = read_at(silent, Preset::Vllm).await.problem.expect("a problem");
    assert!(problem.contains("within"), "{problem}");
}

#[tokio::test]
async fn no_engine_is_an_empty_list() {
    let node = NodeName::parse("here").expect("a name");
    let mut source = EnginesSource::new(node, Vec::new, None);
    let reading = source.read().await.expect("a reading");
    assert_eq!((reading.engines, reading.problems), (Some(Vec::new()), Vec::new()));
}

//! Tokens per second, between two readings.

use std::collections::HashMap;
use std::time::Duration;

use conduit_core::name::ServiceName;
use conduit_core::upstream::UpstreamAddr;

use crate::reading::engine::EngineReading;

/// An engine, with its rates.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineFigures {
    /// As it was read.
    pub engine: EngineReading,
    /// Tokens read per second; `None` until there are two readings, and when the engine began anew.
    pub prompt_rate: Option<f64>,
    /// Tokens written per second.
    pub generated_rate: Option<f64>,
}

/// The engines of `now`, with their rates since `before`, `elapsed` earlier.
pub fn figures(
    before: &[EngineFigures],
    now: Vec<EngineReading>,
    elapsed: Duration,
) -> Vec<EngineFigures> {
    let key = |engine: &EngineReading| -> (ServiceName, UpstreamAddr) {
        (engine.service.clone(), engine.upstream.clone())
    };
    let before: HashMap<_, _> =
        before.iter().map(|earlier| (key(&earlier.engine), &earlier.engine)).collect();
    let rate = |before: Option<f64>, now: Option<f64>| {
        let tokens = now? - before?;
        let is_real = tokens >= 0.0 && elapsed >= ELAPSED_MIN;
        is_real.then(|| tokens / elapsed.as_secs_f64())
    };
    let figures = |engine: EngineReading| {
        // Another kind of engine counts another thing.
        let earlier = before.get(&key(&engine)).filter(|earlier| earlier.preset == engine.preset);
        EngineFigures {
            prompt_rate: earlier.and_then(|e| rate(e.prompt_tokens, engine.prompt_tokens)),
            generated_rate: earlier.and_then(|e| rate(e.generated_tokens, engine.generated_tokens)),
            engine,
        }
    };
    now.into_iter().map(figures).collect()
}

/// Readings that are closer together say nothing about a rate.
const ELAPSED_MIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(tokens: Option<f64>, preset: &'static str) -> Vec<EngineReading> {
        vec![EngineReading {
            service: ServiceName::parse("llm").expect("a name"),
            upstream: UpstreamAddr::parse("10.0.0.1:8000").expect("an upstream"),
            preset,
            running: None,
            waiting: None,
            cache_used: None,
            prompt_tokens: None,
            generated_tokens: tokens,
            models: Vec::new(),
            problem: None,
        }]
    }

    #[test]
    fn rates_need_two_readings_of_the_same_engine() {
        let before = figures(&[], engine(Some(100.0), "vllm"), Duration::ZERO);
        let rate = |now: Vec<EngineReading>, seconds| {
            figures(&before, now, Duration::from_secs(seconds))[0].generated_rate
        };
        assert_eq!(rate(engine(Some(150.0), "vllm"), 10), Some(5.0));
        assert_eq!(rate(engine(Some(100.0), "vllm"), 10), Some(0.0));
        for now in [engine(Some(50.0), "vllm"), engine(None, "vllm"), engine(Some(150.0), "tgi")] {
            assert_eq!(rate(now, 10), None);
        }
        assert_eq!(rate(engine(Some(150.0), "vllm"), 0), None);
        assert_eq!(before[0].generated_rate, None);
    }
}

//! Requests that are carried out once, however often they are sent: `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! Whoever loses the connection before the answer sends the same request with the same key again, and
//! gets the answer. Only successes are kept: what was refused has changed nothing.
//!
//! **Invariant:** of the requests of one caller for one operation with one key, one is carried out
//! within [`ANSWER_KEPT`]; it runs to its end, whether its client waits or not.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sha3::{Digest as _, Sha3_256};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::auth::{Caller, Proof};
use crate::body::read;
use crate::error::ApiError;
use crate::limits::{ANSWER_KEPT, ANSWERS_BYTES_MAX, ANSWERS_MAX, BODY_BYTES_MAX, REQUESTS_MAX};
use crate::state::AdminState;

/// The answers that are kept.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Finished ones, oldest first.
    order: VecDeque<(Key, Instant)>,
    bytes: usize,
}

/// Who asked, for which operation, and the key. What is called the same later is not the same: proof
/// and name together are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    proof: Proof,
    who: String,
    operation: Operation,
    word: String,
}

/// A method and the pattern of the path. Without it, what no route knows would be told that its key was
/// used before, in place of 405.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Operation {
    method: Method,
    path: Option<String>,
}

#[derive(Debug)]
struct Entry {
    request: [u8; 32],
    /// None while it is carried out.
    answer: Option<Answer>,
}

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What to do with a request.
#[derive(Debug)]
enum Turn {
    /// Carry it out.
    First,
    /// It was carried out.
    Again(Answer),
}

/// Stands before everything that changes something; behind [`authorize`](crate::auth::authorize).
pub(crate) async fn once(
    State(state): State<Arc<AdminState>>,
    request: Request,
    next: Next,
) -> Response {
    // Other methods change nothing here, and are told so.
    let changes = matches!(*request.method(), Method::POST | Method::DELETE);
    if !changes || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return next.run(request).await;
    }
    match answered(state, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn answered(
    state: Arc<AdminState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let word = word_of(request.headers())?;
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Ok(next.run(request).await);
    };
    let operation = Operation {
        method: request.method().clone(),
        path: request.extensions().get().map(MatchedPath::as_str).map(str::to_owned),
    };
    let key = Key { proof: caller.proof.clone(), who: caller.actor.to_string(), operation, word };
    let (head, body) = request.into_parts();
    let body = read(body, BODY_BYTES_MAX).await?;
    let asked =
        [head.method.as_str().as_bytes(), b" ", head.uri.to_string().as_bytes(), b"\n", &body]
            .into_iter()
            .fold(Sha3_256::new(), Sha3_256::chain_update)
            .finalize()
            .into();
    match state.answers.turn(&key, asked, Instant::now())? {
        Turn::Again(answer) => Ok(answer.again()),
        Turn::First => {
            let (done, outcome) = oneshot::channel();
            let request = Request::from_parts(head, Body::from(body));
            let keeping = Arc::clone(&state);
            state.tasks.job("idempotent request", async move {
                let mut first = First { answers: &keeping.answers, key: Some(key) };
                let response = first.keep(next.run(request).await).await;
                // Whoever asked may have gone.
                done.send(response).ok();
            });
            outcome.await.map_err(|_| ApiError::outcome_unknown())
        }
    }
}

/// The first request with a key; without an answer to keep, the key is free again.
struct First<'a> {
    answers: &'a Answers,
    key: Option<Key>,
}

impl First<'_> {
    async fn keep(&mut self, response: Response) -> Response {
        if !response.status().is_success() {
            return response;
        }
        let (head, body) = response.into_parts();
        let Ok(body) = axum::body::to_bytes(body, ANSWERS_BYTES_MAX).await else {
            return ApiError::outcome_unknown().into_response();
        };
        let answer =
            Answer { status: head.status, headers: head.headers.clone(), body: body.clone() };
        if let Some(key) = self.key.take() {
            self.answers.keep(key, answer, Instant::now());
        }
        Response::from_parts(head, Body::from(body))
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.answers.lock().entries.remove(&key);
        }
    }
}

impl Answers {
    fn turn(&self, key: &Key, request: [u8; 32], now: Instant) -> Result<Turn, ApiError> {
        let mut kept = self.lock();
        kept.forget(now);
        if let Some(entry) = kept.entries.get(key) {
            if entry.request != request {
                let message = "this Idempotency-Key was used for another request";
                return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", message)
                    .hint("each request needs a key of its own, such as a random UUID"));
            }
            return match &entry.answer {
                Some(answer) => Ok(Turn::Again(answer.clone())),
                None => {
                    let message = "a request with this Idempotency-Key is being carried out";
                    Err(ApiError::new(StatusCode::CONFLICT, "under_way", message).retry_after(1))
                }
            };
        }
        // Those whose clients have gone hold no place among the requests any more.
        if kept.entries.len() - kept.order.len() >= REQUESTS_MAX {
            let message = "too many requests are in progress";
            return Err(
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(1)
            );
        }
        kept.entries.insert(key.clone(), Entry { request, answer: None });
        Ok(Turn::First)
    }

    fn keep(&self, key: Key, answer: Answer, now: Instant) {
        let mut kept = self.lock();
        let size = answer.body.len();
        if let Some(entry) = kept.entries.get_mut(&key) {
            entry.answer = Some(answer);
            kept.bytes += size;
            kept.order.push_back((key, now));
            kept.forget(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Gives up what is old, and the oldest of what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some((key, since)) = self.order.front() {
            let is_much = self.order.len() > ANSWERS_MAX || self.bytes > ANSWERS_BYTES_MAX;
            if !is_much && now.duration_since(*since) < ANSWER_KEPT {
                break;
            }
            let gone = self.entries.remove(key).and_then(|entry| entry.answer);
            self.bytes -= gone.map_or(0, |answer| answer.body.len());
            self.order.pop_front();
        }
    }
}

impl Answer {
    fn again(self) -> Response {
        let mut response = (self.status, self.headers, self.body).into_response();
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// The key that a request has.
fn word_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let one = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let fits = |text: &&str| {
        (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    one.filter(fits).map(str::to_owned).ok_or_else(|| {
        let message = format!(
            "there is one Idempotency-Key, of 1 to {KEY_CHARS_MAX} ASCII characters without blanks"
        );
        ApiError::invalid(message)
    })
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key.
pub(crate) const KEY_CHARS_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn key(word: &str) -> Key {
        of("a", word)
    }

    fn of(id: &str, word: &str) -> Key {
        let operation = Operation { method: Method::POST, path: Some("/services".into()) };
        Key { proof: Proof::Token(id.into()), who: "token:ci".into(), operation, word: word.into() }
    }

    fn answer(size: usize) -> Answer {
        Answer {
            status: StatusCode::CREATED,
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; size]),
        }
    }

    fn carry_out(answers: &Answers, word: &str, size: usize, now: Instant) {
        assert!(matches!(answers.turn(&key(word), [0; 32], now), Ok(Turn::First)), "{word}");
        answers.keep(key(word), answer(size), now);
    }

    #[test]
    fn one_is_carried_out_and_the_others_get_its_answer() {
        let (answers, now) = (Answers::default(), Instant::now());
        assert!(matches!(answers.turn(&key("a"), [1; 32], now), Ok(Turn::First)));
        assert_eq!(answers.turn(&key("a"), [1; 32], now).expect_err("busy").code(), "under_way");
        answers.keep(key("a"), answer(3), now);
        assert!(matches!(answers.turn(&key("a"), [1; 32], now), Ok(Turn::Again(_))));
        assert_eq!(answers.turn(&key("a"), [2; 32], now).expect_err("no").code(), "key_reused");
        // Another token that is called the same.
        let other = of("b", "a");
        assert!(matches!(answers.turn(&other, [2; 32], now), Ok(Turn::First)));
        let later = now + ANSWER_KEPT + Duration::from_secs(1);
        assert!(matches!(answers.turn(&key("a"), [2; 32], later), Ok(Turn::First)));
    }

    #[test]
    fn without_an_answer_to_keep_the_key_is_free_again() {
        let (answers, now) = (Answers::default(), Instant::now());
        assert!(matches!(answers.turn(&key("a"), [1; 32], now), Ok(Turn::First)));
        drop(First { answers: &answers, key: Some(key("a")) });
        assert!(matches!(answers.turn(&key("a"), [2; 32], now), Ok(Turn::First)));
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let (answers, now) = (Answers::default(), Instant::now());
        carry_out(&answers, "done", 1, now);
        for number in 0..REQUESTS_MAX {
            let turn = answers.turn(&key(&number.to_string()), [0; 32], now);
            assert!(matches!(turn, Ok(Turn::First)), "{number}");
        }
        let refused = answers.turn(&key("one more"), [0; 32], now).expect_err("full");
        assert_eq!(refused.code(), "busy");
        assert!(matches!(answers.turn(&key("done"), [0; 32], now), Ok(Turn::Again(_))));
        drop(First { answers: &answers, key: Some(key("0")) });
        assert!(matches!(answers.turn(&key("one more"), [0; 32], now), Ok(Turn::First)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (answers, now) = (Answers::default(), Instant::now());
        for number in 0..ANSWERS_MAX + 10 {
            carry_out(&answers, &number.to_string(), 1, now);
        }
        assert_eq!(answers.lock().entries.len(), ANSWERS_MAX);
        for number in 0..3 {
            carry_out(&answers, &format!("big {number}"), ANSWERS_BYTES_MAX / 2, now);
        }
        let kept = answers.lock();
        assert!(kept.bytes <= ANSWERS_BYTES_MAX, "{}", kept.bytes);
        assert_eq!(kept.entries.len(), kept.order.len());
    }
}

//! The handlers, one module for each noun of the API.
//!
//! **Invariant:** a handler parses, asks the registry or reads what is published, and converts. It
//! decides nothing about services.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod container_logs;
pub(crate) mod discovery;
pub(crate) mod dns;
pub(crate) mod dns_lists;
pub(crate) mod dns_queries;
pub(crate) mod dns_records;
pub(crate) mod dns_sources;
pub(crate) mod dns_why;
pub(crate) mod doctor;
pub(crate) mod document;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod login_codes;
pub(crate) mod metrics;
pub(crate) mod nodes;
pub(crate) mod oidc;
pub(crate) mod original;
pub(crate) mod passkeys;
pub(crate) mod registrations;
pub(crate) mod requests;
pub(crate) mod routing;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod status;
mod streams;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod traffic;
pub(crate) mod upgrade;
pub(crate) mod upstreams;
pub(crate) mod users;

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::State;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::AdminState;

type Admin = State<Arc<AdminState>>;
type By = Extension<Caller>;
type Answer<T> = Result<Json<T>, ApiError>;

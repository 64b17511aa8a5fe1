//! The vocabulary of Conduit, and four small primitives: the live value, the task set, the event
//! sink and the map that copies share.
//!
//! A type belongs here when two rooms need the word and it can be written without I/O. Nothing
//! here reads a socket, a file or (apart from [`clock::Timestamp::now`]) a clock, and nothing here
//! knows how it is stored or sent: domain types are not serializable by design, except the
//! [`policy::Policy`], whose written form is the same everywhere.
//!
//! **Invariant:** a value that exists is legal. Names, hosts and addresses are parsed once, at the
//! door, and cannot be built in any other way.

pub mod actor;
pub mod buckets;
pub mod catalog;
pub mod certificate;
pub mod clock;
pub mod destination;
pub mod domains;
pub mod duration;
pub mod error;
pub mod event;
pub mod glob;
pub mod health;
pub mod hold;
pub mod inherited;
pub mod leaf;
pub mod live;
pub mod name;
pub mod node;
pub mod passkey;
pub mod policy;
pub mod record;
pub mod scope;
pub mod service;
pub mod shared_map;
pub mod tasks;
pub mod title;
pub mod upstream;
pub mod user;

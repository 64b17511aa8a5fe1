//! The authority from outside: on disk, in a handshake, and in OpenSSL's eyes.

mod disk;
mod handshake;
mod issue;
mod openssl;
mod request;
mod site;

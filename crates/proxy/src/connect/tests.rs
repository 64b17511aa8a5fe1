//! Connections to real sockets.

use tokio::net::UnixListener;

use std::time::Duration;

use super::*;
use crate::fixture::service;
use crate::upstream::UpstreamSpec;

fn transport(upstream: &str) -> Arc<Transport> {
    let service = service("web", &[upstream]);
    Transport::of(&UpstreamSpec::of(&service, &Arc::default(), &service.upstreams[0]))
}

#[tokio::test]
async fn our_own_socket_is_never_connected_to_by_any_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let own = UnixListener::bind(path("own.sock")).expect("binds");
    let _other = UnixListener::bind(path("other.sock")).expect("binds");
    std::os::unix::fs::symlink(path("own.sock"), path("link.sock")).expect("a link");
    let connector = Connector::new(None, Some(path("own.sock")));
    for (name, expected) in
        [("other.sock", true), ("own.sock", false), ("link.sock", false), ("none.sock", false)]
    {
        let place = Place::Unix(path(name).into());
        let transport = transport(&format!("unix:{}", path(name).display()));
        let opened = connector.open(&place, &transport, Versions::Any).await;
        assert_eq!(opened.is_ok(), expected, "{name}: {opened:?}");
    }
    let came = tokio::time::timeout(Duration::ZERO, own.accept()).await;
    assert!(came.is_err(), "nobody came");
}

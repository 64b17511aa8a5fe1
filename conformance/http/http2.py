"""HTTP/2 in front of an upstream that speaks HTTP/1.1 (RFC 9113 §8, §10.3): nothing of a stream may
become a line, a second field or a second request there."""

from cases import NOTHING, Stream

T = (("GET", "/t", b""),)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: web.internal\r\n\r\n"


def field(name, value="x", **more):
    return dict(fields=((name, value),), **more)


def got(body, method="POST"):
    return ((method, "/t", body),)


POST = {":method": "POST"}
REFUSED = (400, 405, 421, 501)
INJECTED = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: web.internal\r\n\r\n"

CASES = [
    Stream("h2", "RFC 9113 §8.3.1", answer=(200,), sees=T, seen_fields={"host": "web.internal"}),
    # Lines in names and values.
    Stream("h2-value-crlf", "RFC 9113 §8.2.1, §10.3", **field("x-a", INJECTED)),
    Stream("h2-value-lf", "RFC 9113 §8.2.1", **field("x-a", "b\ntransfer-encoding: chunked")),
    Stream("h2-value-cr", "RFC 9113 §8.2.1", **field("x-a", "b\rc: d")),
    Stream("h2-value-nul", "RFC 9113 §8.2.1", **field("x-a", "b\0c")),
    Stream("h2-value-space", "RFC 9113 §8.2.1: whitespace around a value", **field("x-a", " b "), answer=("reset", 200, 400), sees=None),
    Stream("h2-name-crlf", "RFC 9113 §8.2.1", **field("x-a: b\r\nx-c", "d")),
    Stream("h2-name-lf", "RFC 9113 §8.2.1", **field("x-a\nx-c", "d")),
    Stream("h2-name-nul", "RFC 9113 §8.2.1", **field("x-a\0", "d")),
    Stream("h2-name-colon", "RFC 9113 §8.2.1", **field("transfer-encoding:chunked\r\nx", "d")),
    Stream("h2-name-colon-inside", "RFC 9113 §8.2.1", **field("x-a:b", "d")),
    Stream("h2-name-space", "RFC 9113 §8.2.1", **field("x-a b", "d")),
    Stream("h2-name-upper", "RFC 9113 §8.2.1", **field("X-A", "d")),
    Stream("h2-name-empty", "RFC 9113 §8.2", **field("", "d")),
    Stream("h2-name-obs", "RFC 9113 §8.2.1", **field("x\xe9", "d")),
    # Pseudo-fields.
    Stream("h2-method-crlf", "RFC 9113 §10.3", {":method": "GET /smuggled HTTP/1.1\r\nx: y"}),
    Stream("h2-method-space", "RFC 9113 §10.3", {":method": "GET /smuggled"}),
    Stream("h2-method-empty", "RFC 9113 §8.3.1", {":method": ""}),
    Stream("h2-method-none", "RFC 9113 §8.3.1", {":method": None}),
    Stream("h2-method-trace", "RFC 9110 §9.3.8", {":method": "TRACE"}, answer=REFUSED),
    Stream("h2-path-crlf", "RFC 9113 §10.3", {":path": "/ HTTP/1.1\r\nhost: web.internal\r\n\r\nGET /smuggled"}),
    Stream("h2-path-space", "RFC 9113 §10.3", {":path": "/t HTTP/1.1 /x"}),
    Stream("h2-path-nul", "RFC 9113 §8.3.1", {":path": "/t\0"}),
    Stream("h2-path-tab", "RFC 9113 §8.3.1", {":path": "/t\tx"}),
    Stream("h2-path-obs", "RFC 3986 §2", {":path": "/t\xff"}, answer=("reset", 400)),
    Stream("h2-path-empty", "RFC 9113 §8.3.1", {":path": ""}, answer=("reset", 400)),
    Stream("h2-path-none", "RFC 9113 §8.3.1", {":path": None}, answer=("reset", 400)),
    Stream("h2-path-no-slash", "RFC 9113 §8.3.1", {":path": "t"}, answer=("reset", 400)),
    Stream("h2-path-question", "RFC 9113 §8.3.1", {":path": "?x"}, answer=("reset", 200, 400), sees=None),
    Stream("h2-path-at", "RFC 9113 §8.3.1: it must not extend the authority", {":path": "@other.internal/t"}, answer=("reset", 400)),
    Stream("h2-path-port", "RFC 9113 §8.3.1: it must not extend the authority", {":path": ":80/t"}, answer=("reset", 400)),
    Stream("h2-path-absolute", "RFC 9113 §8.3.1", {":path": "https://other.internal/t"}, answer=("reset", 400, 421)),
    Stream("h2-path-asterisk", "RFC 9113 §8.3.1: only for OPTIONS", {":path": "*"}, answer=("reset", 400)),
    Stream("h2-path-fragment", "RFC 9113 §8.3.1", {":path": "/t#x"}, answer=("reset", 200, 400), sees=None),
    Stream("h2-path-slashes", "RFC 9112 §3.2.1: not an authority", {":path": "//other.internal/t"}, answer=(200,), sees=(("GET", "//other.internal/t", b""),)),
    Stream("h2-scheme-crlf", "RFC 9113 §10.3", {":scheme": "https://x\r\ny"}),
    Stream("h2-scheme-path", "RFC 9113 §10.3: a scheme that is more", {":scheme": "https://web.internal/smuggled?"}, answer=("reset", 400)),
    Stream("h2-scheme-none", "RFC 9113 §8.3.1", {":scheme": None}),
    Stream("h2-scheme-other", "RFC 9113 §8.3.1: another scheme", {":scheme": "http"}, answer=("reset", 200, 400), sees=None),
    Stream("h2-authority-crlf", "RFC 9113 §10.3", {":authority": "web.internal\r\nx: y"}),
    Stream("h2-authority-space", "RFC 9113 §8.3.1", {":authority": "web.internal x"}, answer=("reset", 400)),
    Stream("h2-authority-userinfo", "RFC 9113 §8.3.1", {":authority": "root@web.internal"}, answer=("reset", 400)),
    Stream("h2-authority-path", "RFC 9113 §8.3.1", {":authority": "web.internal/smuggled"}, answer=("reset", 400)),
    Stream("h2-authority-other", "RFC 9113 §9.1.2, RFC 9110 §7.4", {":authority": "other.internal"}, answer=(421,)),
    Stream("h2-authority-none", "RFC 9113 §8.3.1", {":authority": None}, answer=("reset", 400)),
    Stream("h2-authority-host", "RFC 9113 §8.3.1: Host in its place", {":authority": None}, (("host", "web.internal"),), answer=(200,), sees=T, seen_fields={"host": "web.internal"}),
    Stream("h2-host-differs", "RFC 9113 §8.3.1", **field("host", "other.internal", answer=REFUSED)),
    Stream("h2-host-equal", "RFC 9113 §8.3.1", **field("host", "web.internal", answer=(200,), sees=T, at_most_one=("host",))),
    Stream("h2-host-two", "RFC 9113 §8.3.1", fields=(("host", "web.internal"), ("host", "web.internal")), answer=("reset", 400)),
    Stream("h2-pseudo-twice", "RFC 9113 §8.3", block=((":method", "GET"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/t"), (":path", "/smuggled"))),
    Stream("h2-pseudo-late", "RFC 9113 §8.3", block=((":method", "GET"), (":scheme", "https"), (":authority", "web.internal"), ("x-a", "b"), (":path", "/t"))),
    Stream("h2-pseudo-unknown", "RFC 9113 §8.3", block=((":method", "GET"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/t"), (":x", "y"))),
    Stream("h2-pseudo-status", "RFC 9113 §8.3", block=((":method", "GET"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/t"), (":status", "200"))),
    Stream("h2-connect", "RFC 9113 §8.5: refused", block=((":method", "CONNECT"), (":authority", "web.internal:443")), answer=("reset", 405)),
    Stream("h2-connect-path", "RFC 9113 §8.5", {":method": "CONNECT"}, answer=("reset", 400, 405)),
    Stream("h2-protocol-get", "RFC 8441 §4: only with CONNECT", block=((":method", "GET"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/t")), answer=("reset", 400)),
    Stream("h2-protocol-other", "RFC 8441 §4: another protocol", block=((":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/t")), answer=("reset", 400, 405, 501)),
    Stream("h2-protocol-crlf", "RFC 9113 §10.3", block=((":method", "CONNECT"), (":protocol", "websocket\r\nx: y"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/t")), answer=("reset", 400, 405, 501)),
    # Fields about connections.
    Stream("h2-te-chunked", "RFC 9113 §8.2.2", POST, (("transfer-encoding", "chunked"),), data=(b"0\r\n\r\n" + SMUGGLED,)),
    Stream("h2-connection", "RFC 9113 §8.2.2", **field("connection", "upgrade")),
    Stream("h2-keep-alive", "RFC 9113 §8.2.2", **field("keep-alive", "timeout=9")),
    Stream("h2-proxy-connection", "RFC 9113 §8.2.2", **field("proxy-connection", "keep-alive")),
    Stream("h2-upgrade", "RFC 9113 §8.2.2", **field("upgrade", "h2c")),
    Stream("h2-te", "RFC 9113 §8.2.2: only trailers", **field("te", "gzip")),
    Stream("h2-te-trailers", "RFC 9113 §8.2.2", **field("te", "trailers", answer=(200,), sees=T, seen_fields={"te": "trailers"})),
    Stream("h2-te-alias", "CGI folds `_` into `-`", POST, (("transfer_encoding", "chunked"),), data=(b"hello",), answer=(200,), sees=got(b"hello"), seen_fields={"transfer_encoding": None}),
    Stream("h2-http2-settings", "RFC 9113 §3.1", **field("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA", answer=(200,), sees=T, seen_fields={"http2-settings": None})),
    # Lengths.
    Stream("h2-length", "RFC 9113 §8.1.1", POST, (("content-length", "5"),), data=(b"hello",), answer=(200,), sees=got(b"hello")),
    Stream("h2-length-none", "RFC 9113 §8.1", POST, data=(b"hel", b"lo"), answer=(200,), sees=got(b"hello")),
    Stream("h2-length-short", "RFC 9113 §8.1.1: more DATA than told (H2.CL)", POST, (("content-length", "0"),), data=(SMUGGLED,), answer="reset", sees=None),
    Stream("h2-length-short-2", "RFC 9113 §8.1.1: more DATA than told (H2.CL)", POST, (("content-length", "5"),), data=(b"hello" + SMUGGLED,), sees=None),
    Stream("h2-length-long", "RFC 9113 §8.1.1: less DATA than told", POST, (("content-length", "500"),), data=(b"hello",), sees=None),
    Stream("h2-length-no-data", "RFC 9113 §8.1.1: no DATA at all", POST, (("content-length", "5"),)),
    Stream("h2-length-get", "RFC 9113 §8.1.1: no DATA at all", **field("content-length", "5")),
    Stream("h2-length-twice", "RFC 9113 §8.1.1, RFC 9112 §6.3 rule 5", POST, (("content-length", "5"), ("content-length", "5")), data=(b"hello",), answer=("reset", 200, 400), sees=None, at_most_one=("content-length",)),
    Stream("h2-length-differ", "RFC 9113 §8.1.1", POST, (("content-length", "5"), ("content-length", "51")), data=(b"hello",)),
    Stream("h2-length-differ-back", "RFC 9113 §8.1.1", POST, (("content-length", "51"), ("content-length", "5")), data=(b"hello",)),
    Stream("h2-length-list", "RFC 9110 §8.6", POST, (("content-length", "5, 5"),), data=(b"hello",), answer=("reset", 400)),
    Stream("h2-length-plus", "RFC 9110 §8.6", POST, (("content-length", "+5"),), data=(b"hello",), answer=("reset", 400)),
    Stream("h2-length-odd", "RFC 9110 §8.6", POST, (("content-length", "5\x0b"),), data=(b"hello",), answer=("reset", 400)),
    Stream("h2-length-huge", "RFC 9110 §8.6", POST, (("content-length", "18446744073709551621"),), data=(b"hello",), answer=("reset", 400)),
    Stream("h2-length-alias", "CGI folds `_` into `-`", POST, (("content_length", "50"),), data=(b"hello",), answer=(200,), sees=got(b"hello"), seen_fields={"content_length": None}),
    Stream("h2-get-data", "RFC 9110 §9.3.1: a GET with a body", data=(SMUGGLED,), answer=(200,), sees=got(SMUGGLED, "GET")),
    Stream("h2-get-data-empty", "RFC 9113 §8.1: an empty last DATA", data=(b"",), answer=(200,), sees=T),
    Stream("h2-head-data", "RFC 9110 §9.3.2", {":method": "HEAD"}, data=(b"hello",), answer=(200,), sees=got(b"hello", "HEAD")),
    # Trailers.
    Stream("h2-trailers", "RFC 9113 §8.1", POST, (("trailer", "x-sum"),), data=(b"hello",), trailers=(("x-sum", "1"),), answer=(200,), sees=got(b"hello"), seen_fields={"trailer x-sum": "1"}),
    Stream("h2-trailers-claims", "RFC 9110 §6.5.1", POST, (("trailer", "x-forwarded-for, remote_user, x-ok"),), data=(b"hello",), trailers=(("x-forwarded-for", "1.2.3.4"), ("remote_user", "root"), ("x-ok", "1")), answer=(200,), sees=got(b"hello"), seen_fields={"trailer x-forwarded-for": None, "trailer remote_user": None, "trailer x-ok": "1"}),
    Stream("h2-trailers-framing", "RFC 9110 §6.5.1", POST, (("trailer", "content-length, host"),), data=(b"hello",), trailers=(("content-length", "46"), ("host", "other.internal")), answer=("reset", 200, 400), sees=None, seen_fields={"trailer content-length": None, "trailer host": None}),
    Stream("h2-trailers-te", "RFC 9113 §8.2.2", POST, (("trailer", "transfer-encoding"),), data=(b"hello",), trailers=(("transfer-encoding", "chunked"),), sees=None),
    Stream("h2-trailers-crlf", "RFC 9113 §10.3", POST, (("trailer", "x-sum"),), data=(b"hello",), trailers=(("x-sum", INJECTED),), sees=None),
    Stream("h2-trailers-pseudo", "RFC 9113 §8.1: no pseudo-fields", POST, data=(b"hello",), trailers=((":path", "/smuggled"),), answer=("reset", 200), sees=None),
    # Cookies, and what is large.
    Stream("h2-cookies", "RFC 9113 §8.2.3: joined for HTTP/1.1", fields=(("cookie", "a=1"), ("cookie", "b=2")), answer=(200,), sees=T, seen_fields={"cookie": "a=1; b=2"}, at_most_one=("cookie",)),
    Stream("h2-claims", "RFC 7239 §8.1", fields=(("x-forwarded-for", "1.2.3.4"), ("x_real_ip", "1.2.3.4"), ("remote-user", "root")), answer=(200,), sees=T, seen_fields={"x-forwarded-for": "127.0.0.1", "x_real_ip": None, "remote-user": None}),
    Stream("h2-fields-large", "RFC 9113 §10.5.1: bounded", fields=tuple((f"x-{n}", "y" * 4_000) for n in range(30)), answer=("reset", "goaway", 431)),
]

"""The request line, the host, the path, and what a client says about itself."""

from cases import CLOSES, GOES_ON, Case

T = (("GET", "/t", b""),)


def get(target=b"/t", *lines, host=b"web.internal", version=b"1.1", method=b"GET"):
    hosts = () if host is None else (b"host: " + host,)
    head = b"".join(line + b"\r\n" for line in (*hosts, *lines))
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, target, version, head)


def to(target, *lines, status=(200,), seen=None, **more):
    return dict(send=get(target, *lines), status=status, sees=(("GET", seen or target.decode(), b""),), then=GOES_ON, **more)


def raw(*lines):
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def claims(*lines, **fields):
    names = {name.replace("__", "."): value for name, value in fields.items()}
    return dict(send=get(b"/t", *lines), status=(200,), sees=T, then=GOES_ON, fields=names)


H = b"host: web.internal"
BAD_AUTHORITY = dict(status=(400, 421), then=(CLOSES, GOES_ON))

CASES = [
    # Lines.
    Case("line", "RFC 9112 §3", get(), (200,), T, GOES_ON),
    Case("line-bare-lf", "RFC 9112 §2.2: bare LF may end a line, never inside one", b"GET /t HTTP/1.1\nhost: web.internal\n\n", (200, 400), None, None),
    Case("line-bare-cr", "RFC 9112 §2.2: bare CR", raw(b"GET /t HTTP/1.1\rx: y", H)),
    Case("line-cr-in-target", "RFC 9112 §2.2", raw(b"GET /t\rx HTTP/1.1", H)),
    Case("line-nul", "RFC 9112 §3.2", raw(b"GET /t\0 HTTP/1.1", H)),
    Case("line-two-spaces", "RFC 9112 §3", raw(b"GET  /t HTTP/1.1", H)),
    Case("line-tab", "RFC 9112 §3", raw(b"GET\t/t\tHTTP/1.1", H)),
    Case("line-space-in-target", "RFC 9112 §3.2: whitespace in the target", raw(b"GET /t /smuggled HTTP/1.1", H)),
    Case("line-space-after", "RFC 9112 §3", raw(b"GET /t HTTP/1.1 ", H)),
    Case("line-two", "RFC 9112 §3", raw(b"GET /t HTTP/1.1 HTTP/1.1", H)),
    Case("line-http09", "RFC 9112 §2.3: HTTP/0.9", b"GET /t\r\n\r\n"),
    Case("line-version-2", "RFC 9112 §2.3", raw(b"GET /t HTTP/2.0", H)),
    Case("line-version-12", "RFC 9112 §2.3", raw(b"GET /t HTTP/1.2", H), (200, 400, 505), None, None),
    Case("line-version-word", "RFC 9112 §2.3", raw(b"GET /t http/1.1", H)),
    Case("line-version-long", "RFC 9112 §2.3", raw(b"GET /t HTTP/1.10", H)),
    Case("line-preface", "RFC 9113 §3.4: the preface of HTTP/2 where HTTP/1.1 was agreed", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ()),
    Case("line-method-odd", "RFC 9110 §9.1", raw(b"GE(T /t HTTP/1.1", H)),
    Case("line-method-crlf", "RFC 9112 §2.2", b"\r\nGET\r\n /t HTTP/1.1\r\nhost: web.internal\r\n\r\n"),
    Case("line-method-lower", "RFC 9110 §9.1: case-sensitive", get(method=b"get"), (200,), (("get", "/t", b""),), GOES_ON),
    Case("line-method-own", "RFC 9110 §9.1: any token", get(method=b"M-SEARCH"), (200,), (("M-SEARCH", "/t", b""),), GOES_ON),
    Case("line-method-long", "RFC 9110 §9.1", get(method=b"A" * 5_000), (200, 400, 414, 431, 501), None, None),
    Case("line-target-long", "RFC 9112 §3: 414", get(b"/" + b"a" * 70_000), (414, 431)),
    Case("line-garbage", "RFC 9112 §3", bytes(range(1, 256)) * 4 + b"\r\n\r\n"),
    Case("line-tls", "RFC 9112 §3: a TLS hello in the clear", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 505 + b"\r\n\r\n", clear=True),
    # Fields.
    Case("field-no-colon", "RFC 9112 §5", get(b"/t", b"x-a")),
    Case("field-empty-name", "RFC 9110 §5.1", get(b"/t", b": b")),
    Case("field-space-colon", "RFC 9112 §5.1", get(b"/t", b"x-a : b")),
    Case("field-fold", "RFC 9112 §5.2", get(b"/t", b"x-a: b\r\n c")),
    Case("field-first-space", "RFC 9112 §2.2", raw(b"GET /t HTTP/1.1", b" x-a: b", H)),
    Case("field-name-odd", "RFC 9110 §5.1", get(b"/t", b"x(a: b")),
    Case("field-name-obs", "RFC 9110 §5.1", get(b"/t", b"x\xe9a: b")),
    Case("field-value-nul", "RFC 9110 §5.5", get(b"/t", b"x-a: b\0c")),
    Case("field-value-cr", "RFC 9110 §5.5", get(b"/t", b"x-a: b\rc")),
    Case("field-value-del", "RFC 9110 §5.5", get(b"/t", b"x-a: b\x7fc")),
    Case("field-value-obs", "RFC 9110 §5.5: obs-text is opaque", get(b"/t", b"x-a: \xe9"), (200,), T, GOES_ON, {"x-a": "\xe9"}),
    Case("fields-many", "RFC 9112 §5: bounded", get(b"/t", *[b"x-%d: y" % n for n in range(400)]), (431,)),
    Case("fields-large", "RFC 9112 §5: bounded", get(b"/t", *[b"x-%d: " % n + b"y" * 4_000 for n in range(40)]), (431,)),
    Case("field-large", "RFC 9112 §5: bounded", get(b"/t", b"x: " + b"y" * 150_000), (431,)),
    # Hosts.
    Case("host-none", "RFC 9112 §3.2", get(host=None), **BAD_AUTHORITY),
    Case("host-none-http10", "RFC 9112 §3.2", get(host=None, version=b"1.0"), (400,)),
    Case("host-two", "RFC 9112 §3.2", get(b"/t", b"host: other.internal"), **BAD_AUTHORITY),
    Case("host-two-equal", "RFC 9112 §3.2", get(b"/t", H), **BAD_AUTHORITY),
    Case("host-list", "RFC 9112 §3.2", get(host=b"web.internal, other.internal"), **BAD_AUTHORITY),
    Case("host-empty", "RFC 9112 §3.2", get(host=b""), **BAD_AUTHORITY),
    Case("host-userinfo", "RFC 9110 §4.2.4", get(host=b"root@web.internal"), **BAD_AUTHORITY),
    Case("host-userinfo-two", "RFC 9110 §4.2.4", get(host=b"other.internal:80@web.internal"), **BAD_AUTHORITY),
    Case("host-path", "RFC 9110 §7.2", get(host=b"web.internal/x"), **BAD_AUTHORITY),
    Case("host-query", "RFC 9110 §7.2", get(host=b"web.internal?x"), **BAD_AUTHORITY),
    Case("host-fragment", "RFC 9110 §7.2", get(host=b"web.internal#x"), **BAD_AUTHORITY),
    Case("host-space", "RFC 9110 §7.2", get(host=b"web.internal x"), **BAD_AUTHORITY),
    Case("host-port-odd", "RFC 3986 §3.2.3", get(host=b"web.internal:x"), **BAD_AUTHORITY),
    Case("host-port-large", "RFC 3986 §3.2.3", get(host=b"web.internal:99999"), **BAD_AUTHORITY),
    Case("host-port-two", "RFC 3986 §3.2.3", get(host=b"web.internal:1:2"), **BAD_AUTHORITY),
    Case("host-obs", "RFC 3986 §3.2.2", get(host=b"web.internal\xff"), **BAD_AUTHORITY),
    Case("host-percent", "RFC 3986 §3.2.2", get(host=b"web%2einternal"), **BAD_AUTHORITY),
    Case("host-dots", "RFC 1035 §2.3.1", get(host=b"web..internal"), **BAD_AUTHORITY),
    Case("host-other", "RFC 9110 §7.4: another service than the handshake's", get(host=b"other.internal"), (421,), then=(CLOSES, GOES_ON)),
    Case("host-unknown", "RFC 9110 §7.4", get(host=b"unknown.internal"), (404, 421), then=(CLOSES, GOES_ON)),
    Case("host-upper-dot", "RFC 4343, RFC 1034 §3.1", get(host=b"WEB.Internal."), (200,), T, GOES_ON),
    Case("host-alias", "CGI folds `_` into `-`", get(b"/t", b"x_forwarded_host: other.internal"), (200,), T, GOES_ON, {"x_forwarded_host": None, "x-forwarded-host": "web.internal"}),
    Case("host-listed", "RFC 9110 §7.6.1: Host listed in Connection", get(b"/t", b"connection: host"), (200,), T, GOES_ON, {"host": "web.internal"}),
    # Targets.
    Case("absolute", "RFC 9112 §3.2.2: absolute-form", **to(b"https://web.internal/t", seen="/t", fields={"host": "web.internal"})),
    Case("absolute-empty-path", "RFC 9112 §3.2.1", **to(b"https://web.internal", seen="/")),
    Case("absolute-query", "RFC 9112 §3.2.1", **to(b"https://web.internal?x=/y", seen="/?x=/y")),
    Case("absolute-mismatch", "RFC 9112 §3.2.2: it disagrees with Host", get(b"https://other.internal/t"), **BAD_AUTHORITY),
    Case("absolute-mismatch-back", "RFC 9112 §3.2.2", get(b"https://web.internal/t", host=b"other.internal"), **BAD_AUTHORITY),
    Case("absolute-no-host", "RFC 9112 §3.2", get(b"https://web.internal/t", host=None), **BAD_AUTHORITY),
    Case("absolute-userinfo", "RFC 9110 §4.2.4", get(b"https://root@web.internal/t"), **BAD_AUTHORITY),
    Case("absolute-port", "RFC 9112 §3.2.2: ports that differ", get(b"https://web.internal:1/t"), (200, 400), None, None),
    Case("absolute-scheme", "RFC 9110 §7.4: another scheme", get(b"ftp://web.internal/t"), (200, 400, 421), None, None),
    Case("absolute-file", "RFC 9110 §7.4: another scheme", get(b"file:///etc/passwd"), (400,), then=(CLOSES, GOES_ON)),
    Case("authority-form", "RFC 9112 §3.2.3: only for CONNECT", get(b"web.internal:443"), (400,), then=(CLOSES, GOES_ON)),
    Case("asterisk", "RFC 9112 §3.2.4: OPTIONS *", get(b"*", method=b"OPTIONS"), (200, 400), None, None),
    Case("asterisk-get", "RFC 9112 §3.2.4: only for OPTIONS", get(b"*"), (400,), then=(CLOSES, GOES_ON)),
    Case("no-slash", "RFC 9112 §3.2.1", get(b"t"), (400,), then=(CLOSES, GOES_ON)),
    Case("question", "RFC 9112 §3.2.1", get(b"?x=y"), (400,), then=(CLOSES, GOES_ON)),
    Case("fragment", "RFC 9112 §3.2: no fragment", get(b"/t#x"), (200, 400), None, None),
    Case("connect", "RFC 9110 §9.3.6: CONNECT is refused, and what follows is no request", get(b"web.internal:443", method=b"CONNECT") + get(b"/smuggled"), (405, 501)),
    Case("connect-path", "RFC 9112 §3.2.3", get(b"/t", method=b"CONNECT") + get(b"/smuggled"), (400, 405, 501)),
    Case("connect-length", "RFC 9110 §9.3.6", get(b"web.internal:443", b"content-length: 5", method=b"CONNECT") + b"hello", (400, 405, 501)),
    Case("trace", "RFC 9110 §9.3.8: TRACE shows what is secret", get(method=b"TRACE"), (405, 501), then=(CLOSES, GOES_ON)),
    Case("dots", "RFC 3986 §5.2.4: as it came, where no rule looks", **to(b"/a/../t")),
    Case("dots-encoded", "RFC 3986 §6.2.2: as it came", **to(b"/a/%2e%2e/t")),
    Case("slash-encoded", "RFC 3986 §2.2: as it came", **to(b"/a%2ft")),
    Case("slashes", "RFC 9112 §3.2.1: not an authority", **to(b"//other.internal/t")),
    Case("backslash", "RFC 3986 §2", get(b"/a\\..\\t"), (200, 400), None, None),
    Case("percent-broken", "RFC 3986 §2.1", get(b"/a%zz"), (200, 400), None, None),
    Case("percent-nul", "RFC 3986 §7.3", **to(b"/a%00")),
    Case("percent-crlf", "RFC 9112 §11.1: stays encoded", **to(b"/a%0d%0ax-injected:%20y")),
    Case("target-obs", "RFC 3986 §2: octets above 0x7f", get(b"/\xff"), (400,), then=(CLOSES, GOES_ON)),
    Case("target-utf8", "RFC 3986 §2: octets above 0x7f", get("/\u00e9".encode()), (400,), then=(CLOSES, GOES_ON)),
    Case("target-quotes", "RFC 3986 §2", get(b'/"<>^`{|}'), (200, 400), None, None),
    # A service that serves only /api.
    *[
        Case(f"rule-{name}", "RFC 3986 §6: one reading of a path where rules look", get(path, host=b"routed.internal"), (400, 404), then=(CLOSES, GOES_ON))
        for name, path in [
            ("outside", b"/admin"),
            ("dots", b"/api/../admin"),
            ("dots-encoded", b"/api/%2e%2e/admin"),
            ("dots-half", b"/api/.%2e/admin"),
            ("dots-twice", b"/api/%252e%252e/../admin"),
            ("slash-encoded", b"/api%2f..%2fadmin"),
            ("backslash", b"/api\\..\\admin"),
            ("backslash-encoded", b"/api%5c..%5cadmin"),
            ("parameter", b"/api;x/admin"),
            ("parameter-dots", b"/api/..;/admin"),
            ("slashes", b"//admin"),
            ("slashes-api", b"/api//../admin"),
            ("upper", b"/API"),
            ("prefix", b"/apis"),
            ("nul", b"/api%00/admin"),
            ("absolute", b"https://routed.internal/admin"),
        ]
    ],
    Case("rule-inside", "RFC 3986 §6", get(b"/api/t", host=b"routed.internal"), (200,), (("GET", "/api/t", b""),), GOES_ON),
    # What a client says about itself.
    Case("claims", "RFC 7239 §8.1", **claims(
        b"x-forwarded-for: 1.2.3.4", b"x-real-ip: 1.2.3.4", b"x-forwarded-proto: http", b"x-forwarded-host: evil",
        b"forwarded: for=1.2.3.4", b"x-forwarded-prefix: /admin", b"x-forwarded-user: root", b"x-original-url: /admin",
        **{"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "web.internal",
           "forwarded": "for=127.0.0.1;proto=https;host=web.internal", "x-forwarded-prefix": None, "x-forwarded-user": None, "x-original-url": None})),
    Case("claims-aliases", "CGI folds `_` and `.` into `-`", **claims(
        b"x_forwarded_for: 1.2.3.4", b"x-forwarded_for: 1.2.3.4", b"X.Forwarded.For: 1.2.3.4", b"x_real_ip: 1.2.3.4", b"remote_user: root", b"x_remote-user: root", b"x_auth_request_user: root",
        **{name: None for name in ("x_forwarded_for", "x-forwarded_for", "x.forwarded.for", "x_real_ip", "remote_user", "x_remote-user", "x_auth_request_user")})),
    Case("claims-identity", "identity of authenticating proxies", **claims(
        b"remote-user: root", b"x-remote-user: root", b"x-authenticated-user: root", b"x-webauth-user: root", b"x-auth-request-user: root", b"cf-access-authenticated-user-email: root@a", b"tailscale-user-login: root", b"ssl-client-verify: SUCCESS", b"x-client-cert: a",
        **{name: None for name in ("remote-user", "x-remote-user", "x-authenticated-user", "x-webauth-user", "x-auth-request-user", "cf-access-authenticated-user-email", "tailscale-user-login", "ssl-client-verify", "x-client-cert")})),
    Case("claims-listed", "RFC 9110 §7.6.1: our own fields listed in Connection", **claims(
        b"connection: x-forwarded-for, forwarded, x-real-ip, x-request-id",
        **{"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "forwarded": "for=127.0.0.1;proto=https;host=web.internal"})),
    Case("hop-by-hop", "RFC 9110 §7.6.1", **claims(
        b"connection: keep-alive, x-secret", b"x-secret: 1", b"keep-alive: timeout=9", b"proxy-connection: keep-alive", b"proxy-authorization: Basic eA==", b"te: gzip", b"upgrade: foo",
        **{name: None for name in ("connection", "x-secret", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade")})),
    Case("h2c-upgrade", "RFC 9113 §3.1: h2c is no way around the proxy", get(b"/t", b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAoAAAAAIAAAAA"), (200,), T, GOES_ON, {"upgrade": None, "http2-settings": None, "connection": None}),
    Case("h2c-upgrade-hidden", "RFC 9110 §7.8", get(b"/t", b"connection: upgrade", b"upgrade: websocket, H2C"), (200,), T, GOES_ON, {"upgrade": None}),
    Case("h2c-upgrade-lines", "RFC 9110 §7.8", get(b"/t", b"connection: upgrade", b"upgrade: websocket", b"upgrade: h2c"), (200,), T, GOES_ON, {"upgrade": "websocket"}),
    Case("h2c-upgrade-clear", "RFC 9113 §3.1", get(b"/t", b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAoAAAAAIAAAAA", host=b"plain.internal"), (200,), T, GOES_ON, {"upgrade": None}, clear=True),
    Case("h2c-prior", "RFC 9113 §3.3: no HTTP/2 in the clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0", (), clear=True),
    Case("upgrade-http10", "RFC 9110 §7.8: none in HTTP/1.0", get(b"/t", b"connection: upgrade", b"upgrade: websocket", version=b"1.0"), (200,), T, CLOSES, {"upgrade": None}),
    Case("upgrade-unlisted", "RFC 9110 §7.8: Upgrade must be listed", get(b"/ws/accept", b"upgrade: websocket", b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="), (400,), (("GET", "/ws/accept", b""),), GOES_ON, {"upgrade": None}),
    Case("upgrade-premature", "RFC 9110 §7.8, §15.2.2: a refused upgrade, and requests right behind it", get(b"/ws/refuse", b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 777", b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==") + get(b"/smuggled", b"x-forwarded-for: 1.2.3.4"), (426,), (("GET", "/ws/refuse", b""), ("GET", "/smuggled", b"")), GOES_ON),
    Case("upgrade-premature-other", "RFC 9110 §7.8: a request for another service behind a refused upgrade", get(b"/ws/refuse", b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 777") + get(b"/smuggled", host=b"other.internal"), (426,), (("GET", "/ws/refuse", b""),), GOES_ON),
    Case("upgrade-body", "RFC 9110 §7.8: an upgrade with a body", b"POST /ws/refuse HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 5\r\n\r\nhello", (426,), (("POST", "/ws/refuse", b"hello"),), GOES_ON),
]

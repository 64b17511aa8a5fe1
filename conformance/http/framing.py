"""Where a request ends (RFC 9112 §6, §7): every case is a smuggled request, were it read otherwise."""

from cases import CLOSES, GOES_ON, HOST, WAITS, Case

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: web.internal\r\n\r\n"


def post(*lines, body=b"", version=b"1.1"):
    head = b"".join(line + b"\r\n" for line in (b"host: " + HOST.encode(), *lines))
    return b"POST /t HTTP/%s\r\n%s\r\n%s" % (version, head, body)


def got(body):
    return (("POST", "/t", body),)


CHUNKED = b"transfer-encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def length(text):
    return post(b"content-length: " + text, body=SMUGGLED)


def coding(*lines):
    return post(*lines, body=HELLO)


def chunks(body):
    return post(CHUNKED, body=body)


CASES = [
    # Two framings in one head.
    Case("cl-te", "RFC 9112 §6.3 rule 3, §6.1", post(b"content-length: 6", CHUNKED, body=b"0\r\n\r\nX" + SMUGGLED), (200,), got(b"")),
    Case("te-cl", "RFC 9112 §6.3 rule 3, §6.1", post(CHUNKED, b"content-length: 4", body=HELLO), (200,), got(b"hello")),
    Case("te-cl-smuggled", "RFC 9112 §6.3 rule 3", post(CHUNKED, b"content-length: 4", body=b"0\r\n\r\n" + SMUGGLED), (200,), got(b"")),
    Case("te-cl-odd", "RFC 9112 §6.3", post(CHUNKED, b"content-length: -1", body=HELLO), (200, 400), None),
    Case("cl-odd-te", "RFC 9112 §6.3", post(b"content-length: +5", CHUNKED, body=HELLO)),
    # Codings that a server could read in another way.
    Case("te-te-identity-last", "RFC 9112 §6.3 rule 4", coding(CHUNKED, b"transfer-encoding: identity")),
    Case("te-te-identity-first", "RFC 9112 §6.1, §7", coding(b"transfer-encoding: identity", CHUNKED)),
    Case("te-te-twice", "RFC 9112 §6.1: chunked at most once", coding(CHUNKED, CHUNKED)),
    Case("te-list-twice", "RFC 9112 §6.1: chunked at most once", coding(b"transfer-encoding: chunked, chunked")),
    Case("te-gzip-chunked", "RFC 9112 §6.1: unknown codings", coding(b"transfer-encoding: gzip, chunked")),
    Case("te-gzip", "RFC 9112 §6.3 rule 4", coding(b"transfer-encoding: gzip")),
    Case("te-identity", "RFC 9112 §7", coding(b"transfer-encoding: identity")),
    Case("te-x", "RFC 9112 §6.3 rule 4", coding(b"transfer-encoding: xchunked")),
    Case("te-x-word", "RFC 9112 §7", coding(b"transfer-encoding: x chunked")),
    Case("te-chunked-word", "RFC 9112 §7", coding(b"transfer-encoding: chunked x")),
    Case("te-comma-first", "RFC 9110 §5.6.1", coding(b"transfer-encoding: , chunked"), (200, 400, 501), None),
    Case("te-comma-last", "RFC 9110 §5.6.1", coding(b"transfer-encoding: chunked,")),
    Case("te-quoted", "RFC 9112 §7", coding(b'transfer-encoding: "chunked"')),
    Case("te-parameter", "RFC 9112 §7.1: no parameters", coding(b"transfer-encoding: chunked;q=1")),
    Case("te-empty", "RFC 9112 §7", coding(b"transfer-encoding:")),
    Case("te-upper", "RFC 9112 §7: case-insensitive", coding(b"Transfer-Encoding: CHUNKED"), (200,), got(b"hello"), GOES_ON),
    Case("te-tab", "RFC 9112 §5: OWS", coding(b"transfer-encoding:\tchunked \t"), (200,), got(b"hello"), GOES_ON),
    Case("te-vt", "RFC 9110 §5.5: control characters", coding(b"transfer-encoding: \x0bchunked")),
    Case("te-ff", "RFC 9110 §5.5: control characters", coding(b"transfer-encoding: chunked\x0c")),
    Case("te-nul", "RFC 9110 §5.5: NUL", coding(b"transfer-encoding: chunked\0")),
    Case("te-obs-text", "RFC 9112 §7", coding(b"transfer-encoding: chunked\xff")),
    Case("te-nbsp", "RFC 9112 §7", coding(b"transfer-encoding: \xa0chunked")),
    Case("te-space-colon", "RFC 9112 §5.1: no space before the colon", coding(b"transfer-encoding : chunked")),
    Case("te-tab-colon", "RFC 9112 §5.1", coding(b"transfer-encoding\t: chunked")),
    Case("te-space-name", "RFC 9112 §2.2: a line that begins with a space", coding(b" transfer-encoding: chunked")),
    Case("te-folded", "RFC 9112 §5.2: obs-fold", coding(b"transfer-encoding:\r\n chunked")),
    Case("te-hidden-fold", "RFC 9112 §5.2: obs-fold", coding(b"x-a: b\r\n transfer-encoding: chunked")),
    Case("te-bare-cr", "RFC 9112 §2.2: bare CR", coding(b"x-a: b\rtransfer-encoding: chunked")),
    Case("te-name-nul", "RFC 9110 §5.1", coding(b"transfer-encoding\0: chunked")),
    Case("te-http10", "RFC 9112 §6.1: HTTP/1.0", post(CHUNKED, body=HELLO, version=b"1.0")),
    Case("te-http10-keep", "RFC 9112 §6.1: HTTP/1.0", post(b"connection: keep-alive", CHUNKED, body=HELLO, version=b"1.0")),
    Case("te-listed", "RFC 9110 §7.6.1: framing listed in Connection", coding(b"connection: transfer-encoding", CHUNKED), (200,), got(b"hello"), GOES_ON),
    Case("cl-listed", "RFC 9110 §7.6.1: framing listed in Connection", post(b"connection: content-length", b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON),
    Case("te-alias", "CGI folds `_` into `-`", post(b"transfer_encoding: chunked", b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON, fields={"transfer_encoding": None}),
    Case("cl-alias", "CGI folds `_` into `-`", post(b"content_length: 50", b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON, fields={"content_length": None}),
    Case("cl-alias-dot", "PHP folds `.` into `_`", post(b"content.length: 50", b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON, fields={"content.length": None}),
    # Lengths.
    Case("cl", "RFC 9112 §6.2", post(b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON),
    Case("cl-zeros", "RFC 9110 §8.6: digits", post(b"content-length: 0005", body=b"hello"), (200, 400), None, None),
    Case("cl-twice-equal", "RFC 9112 §6.3 rule 5", post(b"content-length: 5", b"content-length: 5", body=b"hello"), (200, 400), None, None),
    Case("cl-twice", "RFC 9112 §6.3 rule 5", post(b"content-length: 0", b"content-length: 46", body=SMUGGLED)),
    Case("cl-twice-back", "RFC 9112 §6.3 rule 5", post(b"content-length: 46", b"content-length: 0", body=SMUGGLED)),
    Case("cl-list", "RFC 9112 §6.3 rule 5", length(b"46, 0")),
    Case("cl-list-equal", "RFC 9112 §6.3 rule 5", length(b"46, 46")),
    Case("cl-negative", "RFC 9110 §8.6", length(b"-46")),
    Case("cl-plus", "RFC 9110 §8.6", length(b"+46")),
    Case("cl-hex", "RFC 9110 §8.6", length(b"0x2e")),
    Case("cl-float", "RFC 9110 §8.6", length(b"46.0")),
    Case("cl-exponent", "RFC 9110 §8.6", length(b"4e1")),
    Case("cl-word", "RFC 9110 §8.6", length(b"46 0")),
    Case("cl-quoted", "RFC 9110 §8.6", length(b'"46"')),
    Case("cl-empty", "RFC 9110 §8.6", length(b"")),
    Case("cl-nul", "RFC 9110 §8.6", length(b"46\0")),
    Case("cl-vt", "RFC 9110 §8.6", length(b"\x0b46")),
    Case("cl-obs-text", "RFC 9110 §8.6", length(b"46\xff")),
    Case("cl-2-64", "RFC 9110 §8.6: overflow", length(b"18446744073709551616")),
    Case("cl-2-64-46", "RFC 9110 §8.6: overflow", length(b"18446744073709551662")),
    Case("cl-huge", "RFC 9110 §8.6: overflow", length(b"9" * 400)),
    Case("cl-space-colon", "RFC 9112 §5.1", post(b"content-length : 46", body=SMUGGLED)),
    Case("cl-folded", "RFC 9112 §5.2", post(b"content-length:\r\n 46", body=SMUGGLED)),
    Case("cl-get", "RFC 9110 §9.3.1: a GET with a body", b"GET /t HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 46\r\n\r\n" + SMUGGLED, (200,), (("GET", "/t", SMUGGLED),), GOES_ON),
    Case("te-get", "RFC 9110 §9.3.1: a GET with a body", b"GET /t HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n2e\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", (200,), (("GET", "/t", SMUGGLED),), GOES_ON),
    Case("te-get-empty", "RFC 9110 §9.3.1: a GET with an empty body", b"GET /t HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", (200,), (("GET", "/t", b""),), GOES_ON),
    Case("te-head", "RFC 9110 §9.3.2: a HEAD with a body", b"HEAD /t HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", (200,), (("HEAD", "/t", b"hello"),), GOES_ON),
    Case("te-delete", "RFC 9110 §9.3.5: a DELETE with a body", b"DELETE /t HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", (200,), (("DELETE", "/t", b"hello"),), GOES_ON),
    Case("cl-short", "RFC 9112 §6.3, §8: a body that ends early", post(b"content-length: 500", body=b"hello"), (), None, leaves=True),
    Case("te-short", "RFC 9112 §8: a body that ends early", chunks(b"5\r\nhello\r\n"), (), None, leaves=True),
    Case("te-short-size", "RFC 9112 §8: a body that ends early", chunks(b"5\r\nhello\r\n0\r\n"), (), None, leaves=True),
    # Chunks.
    Case("chunks", "RFC 9112 §7.1", chunks(b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), (200,), got(b"hello"), GOES_ON),
    Case("chunk-extension", "RFC 9112 §7.1.1", chunks(b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n'), (200,), got(b"hello"), GOES_ON),
    Case("chunk-extension-lf", "RFC 9112 §7.1.1: a bare LF in an extension (TERM.EXT)", chunks(b"5;\nhello\r\n0\r\n\r\n" + SMUGGLED), (400,), None),
    Case("chunk-extension-cr", "RFC 9112 §7.1.1: a bare CR in an extension", chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-extension-long", "RFC 9112 §7.1.1: bounded", chunks(b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-extensions-many", "RFC 9112 §7.1.1: bounded in sum (CVE-2023-39326)", chunks(b"1;aaaaaaaaaaaaaaaa\r\nx\r\n" * 5_000 + b"0\r\n\r\n"), (400,), None),
    Case("chunk-extension-nul", "RFC 9112 §7.1.1", chunks(b"5;a\0b\r\nhello\r\n0\r\n\r\n"), (200, 400), None, None),
    Case("chunk-size-empty", "RFC 9112 §7.1", chunks(b"\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-0x", "RFC 9112 §7.1", chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-plus", "RFC 9112 §7.1", chunks(b"+5\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-minus", "RFC 9112 §7.1", chunks(b"-5\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-space", "RFC 9112 §7.1", chunks(b" 5\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-space-after", "RFC 9112 §7.1.1: BWS", chunks(b"5 \r\nhello\r\n0\r\n\r\n"), (200, 400), None, None),
    Case("chunk-size-word", "RFC 9112 §7.1", chunks(b"5 5\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-g", "RFC 9112 §7.1", chunks(b"5g\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-underscore", "RFC 9112 §7.1", chunks(b"1_0\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-zeros", "RFC 9112 §7.1", chunks(b"0" * 30 + b"5\r\nhello\r\n0\r\n\r\n"), (200, 400), None, None),
    Case("chunk-size-overflow", "RFC 9112 §7.1: overflow", chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-max", "RFC 9112 §7.1: overflow", chunks(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), (400, 413), None, (CLOSES, WAITS)),
    Case("chunk-size-lf", "RFC 9112 §2.2, §7.1: a bare LF", chunks(b"5\nhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-size-cr", "RFC 9112 §2.2: a bare CR", chunks(b"5\rhello\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-no-crlf", "RFC 9112 §7.1: data that goes on (TERM.SPILL)", chunks(b"5\r\nhelloX\r\n0\r\n\r\n"), (400,), None),
    Case("chunk-lf", "RFC 9112 §7.1: a bare LF after data", chunks(b"5\r\nhello\n0\r\n\r\n"), (400,), None),
    Case("chunk-two", "RFC 9112 §7.1: any two bytes after data (TERM.SPILL)", chunks(b"5\r\nhelloXX0\r\n\r\n"), (400,), None),
    Case("chunk-last-lf", "RFC 9112 §7.1: a bare LF at the end", chunks(b"5\r\nhello\r\n0\n\n"), (400,), None),
    Case("chunk-end-lf", "RFC 9112 §7.1.2", chunks(b"5\r\nhello\r\n0\r\n\n"), (400,), None, (CLOSES, WAITS)),
    # Trailers.
    Case("trailer", "RFC 9112 §7.1.2", post(CHUNKED, b"trailer: x-sum", body=b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"), (200,), got(b"hello"), GOES_ON),
    Case("trailer-framing", "RFC 9110 §6.5.1: framing in trailers", post(CHUNKED, b"trailer: content-length, transfer-encoding, host", body=b"5\r\nhello\r\n0\r\ncontent-length: 46\r\ntransfer-encoding: chunked\r\nhost: other.internal\r\n\r\n"), (200,), got(b"hello"), GOES_ON, fields={"trailer content-length": None, "trailer transfer-encoding": None, "trailer host": None}),
    Case("trailer-claims", "RFC 9110 §6.5.1: trailers that claim", post(CHUNKED, b"trailer: x-forwarded-for, remote-user, x-ok", body=b"5\r\nhello\r\n0\r\nx-forwarded-for: 1.2.3.4\r\nremote-user: root\r\nx-ok: 1\r\n\r\n"), (200,), got(b"hello"), GOES_ON, fields={"trailer x-forwarded-for": None, "trailer remote-user": None, "trailer x-ok": "1"}),
    Case("trailer-hop", "RFC 9110 §6.5.1, §7.6.1: hop-by-hop trailers", post(CHUNKED, b"trailer: connection, keep-alive, upgrade, te", body=b"5\r\nhello\r\n0\r\nconnection: x\r\nkeep-alive: 1\r\nupgrade: h2c\r\nte: gzip\r\n\r\n"), (200,), got(b"hello"), GOES_ON, fields={"trailer connection": None, "trailer keep-alive": None, "trailer upgrade": None, "trailer te": None}),
    Case("trailer-odd", "RFC 9112 §7.1.2", post(CHUNKED, b"trailer: x", body=b"5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nx: y\r\n\r\n"), (400,), None),
    Case("trailer-bare-lf", "RFC 9112 §2.2", post(CHUNKED, b"trailer: x", body=b"5\r\nhello\r\n0\r\nx: y\nGET /smuggled HTTP/1.1\r\n\r\n"), (400,), None),
    Case("trailer-space-colon", "RFC 9112 §5.1", post(CHUNKED, b"trailer: x", body=b"5\r\nhello\r\n0\r\nx : y\r\n\r\n"), (400,), None),
    Case("trailers-endless", "RFC 9112 §7.1.2: bounded", post(CHUNKED, b"trailer: x", body=b"5\r\nhello\r\n0\r\n" + b"x: y\r\n" * 30_000 + b"\r\n"), (400, 431), None),
    # What comes around a request.
    Case("pipelined", "RFC 9112 §9.3.2", post(b"content-length: 5", body=b"hello") * 2, (200,), got(b"hello") * 2, GOES_ON),
    Case("crlf-before", "RFC 9112 §2.2: empty lines before a request", b"\r\n\r\n" + post(b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON),
    Case("crlf-after", "RFC 9112 §2.2: an empty line after a body", post(b"content-length: 5", body=b"hello\r\n"), (200,), got(b"hello"), GOES_ON),
    Case("close-then-more", "RFC 9112 §9.6: after close comes nothing", post(b"connection: close", b"content-length: 5", body=b"hello") + SMUGGLED, (200,), got(b"hello")),
    Case("close-twice", "RFC 9112 §9.6: keep-alive after close", post(b"connection: close", b"connection: keep-alive", b"content-length: 5", body=b"hello") + SMUGGLED, (200,), got(b"hello")),
    Case("http10", "RFC 9112 §9.3: HTTP/1.0 closes", post(b"content-length: 5", body=b"hello", version=b"1.0") + SMUGGLED, (200,), got(b"hello")),
    Case("expect", "RFC 9110 §10.1.1", post(b"expect: 100-continue", b"content-length: 5", body=b"hello"), (200,), got(b"hello"), GOES_ON),
    Case("expect-odd", "RFC 9110 §10.1.1: another expectation", post(b"expect: 200-ok", b"content-length: 5", body=b"hello"), (200, 417), None, None),
    Case("expect-no-body", "RFC 9110 §10.1.1: nothing to wait for", b"GET /t HTTP/1.1\r\nhost: web.internal\r\nexpect: 100-continue\r\n\r\n", (200,), (("GET", "/t", b""),), GOES_ON, fields={"expect": None}),
    Case("expect-refused", "RFC 9110 §10.1.1: answered without the body, which is then no request", b"POST /hasty HTTP/1.1\r\nhost: web.internal\r\nexpect: 100-continue\r\ncontent-length: 46\r\n\r\n" + SMUGGLED, (200,), (("POST", "/hasty", b""),), (CLOSES, GOES_ON)),
    Case("early-answer", "RFC 9112 §9.6: answered before the body ended", b"POST /hasty HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 46\r\n\r\n" + SMUGGLED, (200,), (("POST", "/hasty", b""),), (CLOSES, GOES_ON)),
]

"""Upstreams that lie (RFC 9112 §6.3, §11.1, §11.2): the client gets a whole answer in one framing, or
sees that it is broken, and nobody else's answer is touched."""

from cases import Lie

OK = b"HTTP/1.1 200 OK\r\n"
POISON = b"HTTP/1.1 200 OK\r\nx-path: /poison\r\ncontent-length: 6\r\n\r\npoison"


def ok(*lines, body=b"", status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


LENGTH_5 = b"content-length: 5"
CHUNKED = b"transfer-encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
STAYS = False

CASES = [
    Lie("truth", "RFC 9112 §6.3", (ok(LENGTH_5, body=b"hello"),), STAYS, status=(200,), body=b"hello"),
    Lie("truth-chunked", "RFC 9112 §7.1", (ok(CHUNKED, body=HELLO),), STAYS, status=(200,), body=b"hello"),
    Lie("truth-until-close", "RFC 9112 §6.3 rule 8", (ok(body=b"hello"),), status=(200,), body=b"hello"),
    Lie("close-unsaid", "RFC 9112 §9.3.1: closed without a word", (ok(LENGTH_5, body=b"hello"),), status=(200,), body=b"hello"),
    # Lengths.
    Lie("length-long", "RFC 9112 §8: less than told", (ok(b"content-length: 50", body=b"hello"),), status=(200,), body=b"hello", whole=False),
    Lie("length-long-reset", "RFC 9112 §8: reset in the body", (ok(b"content-length: 50", body=b"hello"), 0.05), "reset", status=(200,), whole=False),
    Lie("length-short", "RFC 9112 §9.2: more than told is no answer", (ok(LENGTH_5, body=b"hello" + POISON),), STAYS, status=(200,), body=b"hello"),
    Lie("length-short-later", "RFC 9112 §9.2: bytes on an idle connection", (ok(LENGTH_5, body=b"hello"), 0.02, POISON), STAYS, status=(200,), body=b"hello", pause=0.2),
    Lie("length-twice-equal", "RFC 9112 §6.3 rule 5: one length is passed on", (ok(LENGTH_5, LENGTH_5, body=b"hello"),), STAYS, status=(200, 502), body=None),
    Lie("length-list", "RFC 9112 §6.3 rule 5: one length is passed on", (ok(b"content-length: 5, 5", body=b"hello"),), STAYS, status=(200, 502), body=None),
    Lie("length-twice", "RFC 9112 §6.3 rule 5", (ok(LENGTH_5, b"content-length: 50", body=b"hello"),), STAYS),
    Lie("length-twice-back", "RFC 9112 §6.3 rule 5", (ok(b"content-length: 50", LENGTH_5, body=b"hello"),), STAYS),
    Lie("length-odd", "RFC 9110 §8.6", (ok(b"content-length: five", body=b"hello"),), STAYS),
    Lie("length-plus", "RFC 9110 §8.6", (ok(b"content-length: +5", body=b"hello"),), STAYS),
    Lie("length-negative", "RFC 9110 §8.6", (ok(b"content-length: -5", body=b"hello"),), STAYS),
    Lie("length-empty", "RFC 9110 §8.6", (ok(b"content-length:", body=b"hello"),), STAYS),
    Lie("length-overflow", "RFC 9110 §8.6", (ok(b"content-length: 18446744073709551621", body=b"hello"),), STAYS),
    # Codings.
    Lie("te-cl", "RFC 9112 §6.3 rule 3: the length is not passed on", (ok(CHUNKED, b"content-length: 3", body=HELLO),), STAYS, status=(200, 502), body=b"hello", lacks=("content-length",)),
    Lie("cl-te", "RFC 9112 §6.3 rule 3: the length is not passed on", (ok(b"content-length: 500", CHUNKED, body=HELLO),), STAYS, status=(200, 502), body=b"hello", lacks=("content-length",)),
    Lie("te-cl-head", "RFC 9110 §9.3.2", (ok(CHUNKED, b"content-length: 3"),), STAYS, "HEAD", (200, 502), b"", lacks=("content-length",)),
    Lie("te-gzip-chunked", "RFC 9112 §6.1: a coding that nobody asked for", (ok(b"transfer-encoding: gzip, chunked", body=HELLO),), STAYS),
    Lie("te-gzip", "RFC 9112 §6.1: a coding that nobody asked for", (ok(b"transfer-encoding: gzip", body=b"hello"),)),
    Lie("te-identity", "RFC 9112 §7", (ok(b"transfer-encoding: identity", body=b"hello"),)),
    Lie("te-twice", "RFC 9112 §6.1", (ok(CHUNKED, CHUNKED, body=HELLO),), STAYS),
    Lie("te-chunked-first", "RFC 9112 §6.1", (ok(b"transfer-encoding: chunked, gzip", body=HELLO),)),
    Lie("te-http10", "RFC 9112 §6.1: HTTP/1.0", (b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + HELLO,)),
    Lie("te-space-colon", "RFC 9112 §5.1: removed, or refused", (ok(b"transfer-encoding : chunked", b"content-length: 3", body=HELLO),), True, status=(200, 502), body=None, lacks=("content-length ",)),
    # Chunks.
    Lie("chunk-bad-size", "RFC 9112 §7.1", (ok(CHUNKED, body=b"5\r\nhello\r\nzz\r\n"),), status=(200,), body=b"hello", whole=False),
    Lie("chunk-overflow", "RFC 9112 §7.1", (ok(CHUNKED, body=b"5\r\nhello\r\n10000000000000005\r\nx"),), status=(200,), body=b"hello", whole=False),
    Lie("chunk-spill", "RFC 9112 §7.1", (ok(CHUNKED, body=b"5\r\nhelloXX0\r\n\r\n"),), status=(200,), body=b"hello", whole=False),
    Lie("chunk-lf", "RFC 9112 §2.2", (ok(CHUNKED, body=b"5\nhello\n0\n\n"),), status=(200, 502), whole=False),
    Lie("chunk-no-end", "RFC 9112 §8: no last chunk", (ok(CHUNKED, body=b"5\r\nhello\r\n"),), status=(200,), body=b"hello", whole=False),
    Lie("chunk-half", "RFC 9112 §8: ends in a chunk", (ok(CHUNKED, body=b"50\r\nhello"),), status=(200,), body=b"hello", whole=False),
    Lie("chunk-after", "RFC 9112 §9.2: bytes after the end", (ok(CHUNKED, body=HELLO + POISON),), STAYS, status=(200,), body=b"hello"),
    Lie("chunk-extensions", "RFC 9112 §7.1.1: bounded", (ok(CHUNKED, body=b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"),), status=(200, 502), whole=False),
    Lie("chunk-trailer-framing", "RFC 9110 §6.5.1: framing in trailers", (ok(CHUNKED, b"trailer: content-length", body=b"5\r\nhello\r\n0\r\ncontent-length: 3\r\n\r\n"),), STAYS, status=(200,), body=b"hello", lacks=("trailer content-length",)),
    Lie("chunk-trailers-endless", "RFC 9112 §7.1.2: bounded", (ok(CHUNKED, body=b"5\r\nhello\r\n0\r\n" + b"x: y\r\n" * 30_000 + b"\r\n"),), status=(200,), body=b"hello", whole=False),
    # Answers that have no body.
    Lie("204-length", "RFC 9110 §8.6: no length in a 204", (ok(LENGTH_5, status=b"204 No Content", body=b"hello"),), STAYS, status=(204,), body=b"", lacks=("content-length",)),
    Lie("204-chunked", "RFC 9112 §6.1", (ok(CHUNKED, status=b"204 No Content", body=HELLO),), STAYS, status=(204,), body=b"", lacks=("transfer-encoding",)),
    Lie("204-poison", "RFC 9112 §9.2", (ok(status=b"204 No Content", body=POISON),), STAYS, status=(204,), body=b""),
    Lie("304-body", "RFC 9110 §15.4.5", (ok(LENGTH_5, status=b"304 Not Modified", body=b"hello"),), STAYS, status=(304,), body=b""),
    Lie("304-poison", "RFC 9112 §9.2", (ok(LENGTH_5, status=b"304 Not Modified", body=POISON),), STAYS, status=(304,), body=b""),
    Lie("205-body", "RFC 9110 §15.3.6: passed on whole", (ok(LENGTH_5, status=b"205 Reset Content", body=b"hello"),), STAYS, status=(205,), body=None),
    Lie("head-body", "RFC 9110 §9.3.2", (ok(LENGTH_5, body=b"hello"),), STAYS, "HEAD", (200,), b""),
    Lie("head-poison", "RFC 9112 §9.2", (ok(b"content-length: %d" % len(POISON), body=POISON),), STAYS, "HEAD", (200,), b""),
    Lie("head-chunked", "RFC 9110 §9.3.2", (ok(CHUNKED, body=HELLO),), STAYS, "HEAD", (200,), b""),
    # Heads.
    Lie("garbage", "RFC 9112 §4", (b"\x00\x01\x02garbage\r\n\r\n",)),
    Lie("garbage-long", "RFC 9112 §4: bounded", (b"A" * 1_000_000,)),
    Lie("empty", "RFC 9112 §9.3: closed without an answer", ()),
    Lie("reset", "RFC 9112 §9.3: reset without an answer", (), "reset"),
    Lie("head-half", "RFC 9112 §8: closed in the head", (b"HTTP/1.1 200 OK\r\ncontent-le",)),
    Lie("ssh", "RFC 9112 §4: another protocol", (b"SSH-2.0-OpenSSH_9.2\r\n",)),
    Lie("http2", "RFC 9113 §3.4: HTTP/2 that nobody spoke", (b"\0\0\0\4\0\0\0\0\0",)),
    Lie("http09", "RFC 9112 §2.3", (b"<html>hello</html>",)),
    Lie("version-2", "RFC 9112 §2.3", (b"HTTP/2 200\r\ncontent-length: 5\r\n\r\nhello",)),
    Lie("status-odd", "RFC 9110 §15", (b"HTTP/1.1 20 OK\r\ncontent-length: 5\r\n\r\nhello",)),
    Lie("status-word", "RFC 9110 §15", (b"HTTP/1.1 abc OK\r\ncontent-length: 5\r\n\r\nhello",)),
    Lie("status-0", "RFC 9110 §15", (b"HTTP/1.1 000 OK\r\ncontent-length: 5\r\n\r\nhello",)),
    Lie("status-999", "RFC 9110 §15: passed on or refused", (ok(LENGTH_5, status=b"999 Odd", body=b"hello"),), STAYS, status=(999, 502), body=None),
    Lie("reason-cr", "RFC 9112 §2.2", (b"HTTP/1.1 200 O\rK\r\ncontent-length: 5\r\n\r\nhello",)),
    Lie("field-cr", "RFC 9112 §2.2: response splitting", (ok(b"x-a: b\rset-cookie: c", LENGTH_5, body=b"hello"),)),
    Lie("field-lf", "RFC 9112 §2.2: a bare LF ends a line", (b"HTTP/1.1 200 OK\nx-a: b\ncontent-length: 5\n\nhello",), STAYS, status=(200, 502), body=None),
    Lie("field-nul", "RFC 9110 §5.5", (ok(b"x-a: b\0c", LENGTH_5, body=b"hello"),)),
    Lie("field-fold", "RFC 9112 §5.2", (ok(b"x-a: b\r\n set-cookie: c", LENGTH_5, body=b"hello"),)),
    Lie("field-no-colon", "RFC 9112 §5", (ok(b"x-a", LENGTH_5, body=b"hello"),)),
    Lie("fields-many", "RFC 9112 §5: bounded", (ok(*[b"x-%d: y" % n for n in range(1_000)], LENGTH_5, body=b"hello"),)),
    Lie("fields-endless", "RFC 9112 §5: bounded", (OK + b"x: y\r\n" * 500_000,)),
    Lie("field-endless", "RFC 9112 §5: bounded", (OK + b"x: " + b"y" * 3_000_000,)),
    Lie("hop-by-hop", "RFC 9110 §7.6.1", (ok(b"connection: close, x-secret", b"x-secret: 1", b"keep-alive: timeout=9", b"proxy-authenticate: Basic", b"upgrade: h2c", LENGTH_5, body=b"hello"),), status=(200,), body=b"hello", lacks=("x-secret", "keep-alive", "upgrade", "proxy-authenticate")),
    # Interim answers, and switching.
    Lie("100", "RFC 9110 §15.2.1: nobody asked", (b"HTTP/1.1 100 Continue\r\n\r\n", 0.02, ok(LENGTH_5, body=b"hello")), STAYS, status=(200,), body=b"hello"),
    Lie("103", "RFC 8297", (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", ok(LENGTH_5, body=b"hello")), STAYS, status=(200,), body=b"hello"),
    Lie("1xx-many", "RFC 9110 §15.2: bounded, or passed over", (b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, ok(LENGTH_5, body=b"hello")), STAYS, status=(200, 502), body=None),
    Lie("1xx-length", "RFC 9112 §6.1: no body in a 1xx", (b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n" + ok(LENGTH_5, body=b"hello"),), STAYS, status=(200, 502), body=None),
    Lie("1xx-storm", "RFC 9110 §15.2: bounded", (b"HTTP/1.1 102 Processing\r\nx: y\r\n\r\n" * 200_000,)),
    Lie("101-unasked", "RFC 9110 §15.2.2: nobody asked", (ok(b"connection: upgrade", b"upgrade: websocket", status=b"101 Switching Protocols", body=POISON),)),
    Lie("early", "RFC 9112 §9.6: an answer that was there before its question", (ok(LENGTH_5, body=b"hello") + POISON * 3,), STAYS, status=(200,), body=b"hello"),
]

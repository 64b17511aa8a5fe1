"""A second opinion: the parsers of real upstreams read what the recording upstream got.

uvicorn, and so vLLM, SGLang and Open WebUI, reads requests with httptools (Node's llhttp, in C) or
with h11 (Python). They share no code with hyper or with `strict.py`. All must agree on how many
requests there were, on each one's line and body, and on where the last one ended.
"""

from websocket import NotTried

# Those of which llhttp has heard.
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")


def with_h11(data):
    import h11

    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    parser.receive_data(b"")
    requests, body = [], b""
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Request):
            line, body = (event.method, event.target), b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            requests.append((*line, body))
            parser.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            parser.send(h11.EndOfMessage())
            if parser.our_state is h11.DONE and parser.their_state is h11.DONE:
                parser.start_next_cycle()
        else:
            return requests


def with_httptools(data):
    import httptools

    requests = []

    class Reader:
        def on_message_begin(self):
            self.url, self.body = b"", b""

        def on_url(self, url):
            self.url += url

        def on_body(self, body):
            self.body += body

        def on_message_complete(self):
            requests.append((parser.get_method(), self.url, self.body))

    parser = httptools.HttpRequestParser(Reader())
    parser.feed_data(data)
    return requests


def runs(connection):
    """The requests of a connection that follow each other and that everybody could read."""
    run = []
    for request in connection.requests:
        # One that was answered by its head alone left its body where it was.
        odd = not request.whole or request.target == "/hasty"
        odd = odd or request.field("upgrade") or request.method not in METHODS
        if not odd:
            run.append(request)
        elif run:
            yield run
            run = []
    if run:
        yield run


def agrees(read, upstream):
    connections = requests = 0
    for connection in list(upstream.connections):
        for run in runs(connection):
            ours = [(r.method.encode(), r.target.encode(), r.body) for r in run]
            try:
                theirs = read(bytes(connection.bytes[run[0].begins : run[-1].ends]))
            except Exception as refused:
                raise AssertionError(f"{type(refused).__name__}: {refused}, for {ours[:3]}") from refused
            assert theirs == ours, f"{len(ours)} requests here, {len(theirs)} there: {ours[:3]} {theirs[:3]}"
            requests += len(ours)
        connections += 1
    assert requests, "nothing to compare"
    return f"{requests} requests on {connections} connections"


def opinion(read, name):
    def check(subject, upstream):
        try:
            __import__(name)
        except ImportError as missing:
            raise NotTried(missing) from missing
        return agrees(read, upstream)

    return check


CHECKS = [
    ("opinion-h11", "RFC 9112: h11 reads the same", opinion(with_h11, "h11")),
    ("opinion-httptools", "RFC 9112: llhttp reads the same", opinion(with_httptools, "httptools")),
]

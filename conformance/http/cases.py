"""What a case says: what a client sends, and what may come of it."""

from dataclasses import dataclass, field

HOST = "web.internal"
REFUSED = (400, 408, 413, 414, 417, 426, 431, 501, 505)
# What becomes of the client's connection.
CLOSES, GOES_ON, WAITS = "closes", "goes on", "waits"
NOTHING = ()


@dataclass
class Case:
    """HTTP/1.1. After `send` comes one more request, which shows whether the connection goes on."""

    id: str
    clause: str
    send: bytes
    # The statuses, one of which the first answer has; empty: no answer.
    status: tuple = REFUSED
    # What the upstream gets: (method, target, body) each.
    sees: tuple = NOTHING
    then: str = CLOSES
    # Fields of the first request that the upstream gets: the value, or None for absent.
    fields: dict = field(default_factory=dict)
    # Over TLS, or in the clear.
    clear: bool = False
    # Whether the client closes after `send`; the upstream must not take it for the end.
    leaves: bool = False
    # The word in the header `conduit-error`, when it is ours to say.
    word: str = None


@dataclass
class Stream:
    """HTTP/2: one stream, with fields and DATA as given."""

    id: str
    clause: str
    # Pseudo-fields that differ from those of `GET https://web.internal/t`; None removes one.
    pseudo: dict = field(default_factory=dict)
    fields: tuple = ()
    # The whole field list, in this order, when `pseudo` cannot say it.
    block: tuple = None
    data: tuple = ()
    trailers: tuple = None
    # `reset`, `goaway`, or statuses.
    answer: object = "reset"
    sees: tuple = NOTHING
    seen_fields: dict = field(default_factory=dict)
    # How many of these lines the upstream may get.
    at_most_one: tuple = ()


@dataclass
class Lie:
    """What an upstream answers to `GET /lie/ID`, and what a client may get of it."""

    id: str
    clause: str
    answer: tuple
    # False, True, or "reset".
    closes: object = True
    method: str = "GET"
    status: tuple = (502,)
    body: bytes = None
    # Whether the client must see a whole answer, or a broken one.
    whole: bool = True
    lacks: tuple = ()
    service: str = HOST
    seconds: float = 10
    # How long to wait before others ask.
    pause: float = 0

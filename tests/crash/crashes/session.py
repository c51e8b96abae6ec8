"""The client's side of a session of stream management (XEP-0198), which outlives connections."""
import itertools
from collections import deque

from crashes.stream import Refused

WRAP = 1 << 32


class Session:
    numbers = itertools.count(1)

    def __init__(self, jid, id):
        self.number = next(Session.numbers)
        self.jid = jid
        self.id = id             # None: the server does not offer to resume it
        self.received = 0        # stanzas, ours to acknowledge
        self.acked = 0           # stanzas, acknowledged by the server
        self.unacked = deque()   # (text, message or None) since then
        self.waiting = {}        # id of an IQ -> future of its answer
        self.results = {}        # queryid -> results of the archive that have come

    def take_ack(self, h, on_message):
        """The server has handled h stanzas (section 4)."""
        count = (int(h) - self.acked) % WRAP
        if count > len(self.unacked):
            raise Refused(f'{self.jid}: h={h}, but only {self.acked + len(self.unacked)} '
                          'stanzas were sent')
        for _ in range(count):
            _, message = self.unacked.popleft()
            if message:
                on_message(message)
        self.acked = int(h)

    def end(self):
        """Will not be resumed. The messages nobody knows about."""
        for future in self.waiting.values():
            future.cancel()
        return [message for _, message in self.unacked if message]

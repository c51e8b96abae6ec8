"""Who sent what, what the server said about it, and who has seen it where; and the verdict.

A message is known by the first line of its body, which is unique. A message that is sent again
because its session could not be resumed gets a body of its own, and so is another message: the
server cannot know that they mean the same, and may have taken the first without being able to
say so.
"""
from collections import Counter, namedtuple

Sight = namedtuple('Sight', 'id session')
"""Where a person met a message first: the stanza id (XEP-0359) it came with, and the session of
stream management it came over (None: a page of the archive)."""


class Message:
    __slots__ = ('sender', 'to', 'in_room', 'body', 'session', 'sent', 'acked', 'refused')

    def __init__(self, sender, to, in_room, body):
        self.sender, self.to, self.in_room, self.body = sender, to, in_room, body
        self.session = None     # the sender's session it was sent in
        self.sent = None        # when, by the book's clock
        self.acked = None       # when the server acknowledged it
        self.refused = False    # an error came for it

    @property
    def key(self):
        return key_of(self.body)

    @property
    def accepted(self):
        """The server has taken responsibility for it."""
        return self.acked is not None and not self.refused


def key_of(body):
    return body.partition('\n')[0]


class Reader:
    """What one account has of the messages: what its client has shown, and its archive. A room has
    an archive, and those who are in it show what they hear there."""

    def __init__(self, name):
        self.name = name
        self.view = {}       # key -> Sight, in the order of first sight
        self.archive = []    # (id, key) as last read, oldest first
        self.twice = []      # keys that the client would have shown twice

    def see(self, key, stanza_id, session):
        """A message came to the client. True if it is new to it."""
        before = self.view.get(key)
        if before is None:
            self.view[key] = Sight(stanza_id, session)
            return True
        again = session is not None and before.session == session
        if again or stanza_id is None or before.id != stanza_id:
            self.twice.append(key)
        return False


class Book:
    def __init__(self):
        self.clock = 0
        self.messages = {}
        self.readers = {}
        self.strange = []    # bodies that nobody sent
        self.resent = 0
        self.counts = Counter()

    def reader(self, name):
        return self.readers.setdefault(name, Reader(name))

    def tick(self):
        self.clock += 1
        return self.clock

    # ---- what the sender knows ----

    def write(self, sender, to, filling, in_room=False):
        """in_room: `to` is the name of a room."""
        message = Message(sender, to, in_room, f'{sender}-{to}-{len(self.messages)}\n{filling}')
        self.messages[message.key] = message
        return message

    def sent(self, message, session):
        message.session, message.sent = session, self.tick()

    def acked(self, message):
        message.acked = self.tick()

    def refused(self, key):
        if key in self.messages:
            self.messages[key].refused = True

    # ---- what the recipient knows ----

    def key(self, body, sender):
        """Of a message that came, which must be as it was sent."""
        message = self.messages.get(key_of(body))
        if message is None or message.body != body or message.sender != sender:
            self.strange.append(body)
            return None
        return message.key


class Verdict:
    """The faults, each a list of texts."""

    KINDS = ('missing', 'unarchived', 'unseen', 'twice', 'disorder', 'strange')

    def __init__(self, book):
        self.book = book
        self.missing = []       # acknowledged, and the recipient has it nowhere
        self.unarchived = []    # acknowledged, not in the archives of both, or of the room
        self.unseen = []        # in the archive, but the client came past it
        self.twice = []
        self.disorder = []
        self.strange = [repr(body) for body in book.strange]
        archives = {name: Counter(key for _, key in reader.archive)
                    for name, reader in book.readers.items()}
        for message in book.messages.values():
            self.judge(message, archives)
        for reader in book.readers.values():
            self.judge_reader(reader, archives[reader.name])

    def judge(self, message, archives):
        if not message.accepted:
            return
        if message.in_room:
            if message.key not in archives[message.to]:
                self.unarchived.append(f'{message.key} in the archive of {message.to}')
            return
        seen = message.key in self.book.reader(message.to).view
        kept = message.key in archives[message.to]
        if not seen and not kept:
            self.missing.append(message.key)
        elif not kept or message.key not in archives[message.sender]:
            whose = message.sender if kept else message.to
            self.unarchived.append(f'{message.key} in the archive of {whose}')
        elif not seen:
            self.unseen.append(message.key)

    def judge_reader(self, reader, archive):
        self.twice += [f'{key} in the archive of {reader.name}'
                       for key, times in archive.items() if times > 1]
        self.twice += [f'{key} in the view of {reader.name}' for key in reader.twice]
        self.disorder += [f'{key} in the view of {reader.name}'
                          for key in self.out_of_order(reader.view)]
        self.disorder += [f'{key} in the archive of {reader.name}'
                          for key in self.out_of_order(key for _, key in reader.archive)]

    def out_of_order(self, keys):
        """Those that come behind one that was sent later, of the same pair and direction: in
        the same session, or once the earlier one had been acknowledged. Between two sessions
        nothing else is promised (RFC 6120 section 10.1 speaks of one stream)."""
        latest, latest_in = {}, {}
        for key in keys:
            message = self.book.messages[key]
            pair = message.sender, message.to
            here = *pair, message.session
            if latest_in.get(here, 0) > message.sent or (
                    message.acked is not None and latest.get(pair, 0) > message.acked):
                yield key
            latest[pair] = max(latest.get(pair, 0), message.sent)
            latest_in[here] = max(latest_in.get(here, 0), message.sent)

    def new(self, known):
        """The faults that are not in `known`, which takes them in: {kind: texts}."""
        found = {}
        for kind in self.KINDS:
            texts = [text for text in dict.fromkeys(getattr(self, kind))
                     if (kind, text) not in known]
            known.update((kind, text) for text in texts)
            found[kind] = texts
        return found

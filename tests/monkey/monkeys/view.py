"""What one client sees of one room, held to the order of events of XEP-0045 section 7.1 and to what
follows from it."""
import re
from collections import deque
from enum import Enum
from xml.etree import ElementTree as ET

from crashes.stream import CLIENT

USER = '{http://jabber.org/protocol/muc#user}'
OCCUPANT_ID = '{urn:xmpp:occupant-id:0}occupant-id'
STANZA_ID = '{urn:xmpp:sid:0}stanza-id'
DELAY = '{urn:xmpp:delay}delay'
RESULT = '{urn:xmpp:mam:2}result'

SELF, NICK_CHANGED, ERROR = '110', '303', '333'
SAID = re.compile(r'(m\d+)(\w) (\d+)\.')    # how the body of a monkey's message begins
SHOWN, SHOWN_CHARS = 12, 700               # stanzas that are shown with a fault


class Broken(Exception):
    """A client was shown what must not be."""


State = Enum('State', 'OUT PAST IN')
"""PAST: has seen its own presence, and awaits what was said before."""


def said(text):
    """The person, the client, and its number for the message; or None: the words are nobody's."""
    found = SAID.match(text or '')
    return (found[1], found[1] + found[2], int(found[3])) if found else None


class Hearing:
    """What all clients have heard in one room: a text for each stanza id."""

    def __init__(self):
        self.texts = {}

    def hear(self, id, text):
        return self.texts.setdefault(id, text) == text

    def missing(self, stay):
        """What somebody has not heard between the first and the last that he has heard, or up to
        now if he is still there."""
        if not stay.ids:
            return []
        last = max(self.texts, default='') if stay.open else stay.ids[-1]
        between = {id for id in self.texts if stay.ids[0] <= id <= last}
        return sorted(between - set(stay.ids))


class Stay:
    """From entering to leaving."""

    def __init__(self):
        self.ids = []        # of what was heard live
        self.numbers = {}    # of who said something, the last one
        self.people = {}     # by occupant id
        self.open = True


class View:
    def __init__(self, room, owner, hearing):
        self.room, self.owner, self.hearing = room, owner, hearing
        self.seen = deque(maxlen=SHOWN)
        self.last_id = ''    # of all stays: ids are a clock's
        self.stays = []
        self.entrances = 0       # that were sent since all was at rest
        self.slept = False       # the connection was lost since then
        self.forget()

    def forget(self):
        """The client is out, or its session is over."""
        if self.stays:
            self.stays[-1].open = False
        self.state = State.OUT
        self.nick = None
        self.occupants = {}      # nickname -> (affiliation, role)

    @property
    def stay(self):
        return self.stays[-1]

    @property
    def enters_again(self):
        """Maybe it enters where it is in already, and is told the past once more."""
        return self.entrances > 1

    def check(self, holds, why):
        if not holds:
            trail = '\n    '.join(self.seen)
            raise Broken(f'{self.owner} in {self.room} ({self.state.name}): {why}\n    {trail}')

    def take(self, element):
        self.seen.append(ET.tostring(element, 'unicode')[:SHOWN_CHARS])
        if element.get('type') == 'error':
            return
        if element.tag == f'{CLIENT}presence':
            self.on_presence(element)
        elif element.tag == f'{CLIENT}message':
            self.on_message(element)

    # ---- presence ----

    def on_presence(self, element):
        nick = element.get('from').partition('/')[2]
        codes = {status.get('code') for status in element.iterfind(f'{USER}x/{USER}status')}
        item = element.find(f'{USER}x/{USER}item')
        kind = element.get('type')
        self.check(kind in (None, 'unavailable'), 'presence of a strange type')
        self.check(nick and item is not None, 'presence that says of nobody')
        self.check(self.state != State.PAST, 'presence before the subject')
        if kind is None:
            self.comes(nick, codes, (item.get('affiliation'), item.get('role')))
        else:
            self.goes(nick, codes, item)

    def comes(self, nick, codes, what):
        self.check(what[1] in ('visitor', 'participant', 'moderator'), 'an occupant without a role')
        if self.state == State.OUT and SELF not in codes:
            self.check(nick not in self.occupants, 'an occupant twice before my own presence')
        elif self.state == State.OUT:
            self.check(nick not in self.occupants, 'my nickname is another\'s')
            self.state, self.nick = State.PAST, nick
            self.stays.append(Stay())
        elif SELF in codes:
            self.check(nick == self.nick, 'my own presence under a nickname that is not mine')
        else:
            self.check(nick != self.nick, 'my own presence without status 110')
        self.occupants[nick] = what

    def goes(self, nick, codes, item):
        if self.state == State.OUT:
            self.check({SELF, ERROR} <= codes and not self.occupants,
                       'somebody leaves a room that I am not in')
            return
        if self.slept and SELF not in codes and nick not in self.occupants:
            return    # of others, the newest presence alone is kept for a client that is away
        self.check(nick in self.occupants, 'somebody leaves who was not there')
        self.check((SELF in codes) == (nick == self.nick), 'status 110 and my nickname differ')
        del self.occupants[nick]
        if NICK_CHANGED in codes:
            self.check(self.slept or item.get('nick') not in self.occupants,
                       'a nickname that is in use')
            self.nick = item.get('nick') if nick == self.nick else self.nick
        elif SELF in codes:
            self.forget()

    # ---- messages ----

    def on_message(self, element):
        if element.find(RESULT) is not None:
            return
        if element.get('type') != 'groupchat':
            private = '/' in element.get('from')
            waited = element.find(DELAY) is not None    # for a session of an earlier stay
            self.check(not private or waited or self.state == State.IN,
                       'a private message, and I am not in')
            return
        self.check(self.state != State.OUT, 'a message, and I am not in')
        late = {delay.get('from') for delay in element.iterfind(DELAY)}
        if self.state == State.PAST:
            self.on_past(element, late)
        elif self.room in late or self.is_empty_subject(element):
            self.check(self.enters_again, 'the past, and I have not asked for it')
        else:
            self.on_live(element)

    @staticmethod
    def is_subject(element):
        return element.find(f'{CLIENT}subject') is not None and \
            element.find(f'{CLIENT}body') is None and element.find(f'{CLIENT}thread') is None

    def is_empty_subject(self, element):
        """Of a room where none was ever set."""
        return element.get('from') == self.room and self.is_subject(element)

    def on_past(self, element, late):
        subject = self.is_subject(element)
        self.check(subject or late, 'a message before the subject')
        if subject:
            self.state = State.IN

    def on_live(self, element):
        ids = [e.get('id') for e in element.iterfind(STANZA_ID) if e.get('by') == self.room]
        if not ids:
            self.check(element.get('from') == self.room, 'a message without a stanza id')
            return
        self.check(len(ids) == 1 and ids[0] > self.last_id, 'stanza ids do not grow')
        self.last_id = ids[0]
        self.stay.ids.append(ids[0])
        body = element.findtext(f'{CLIENT}body')
        self.check(self.hearing.hear(ids[0], (element.get('from'), body)),
                   'another has heard something else under this id')
        if said(body):
            self.check_speaker(*said(body), element)

    def check_speaker(self, person, client, number, element):
        ids = [e.get('id') for e in element.iterfind(OCCUPANT_ID)]
        self.check(len(ids) == 1, 'a message without an occupant id')
        self.check(self.stay.people.setdefault(ids[0], person) == person,
                   'an occupant id of two people')
        self.check(list(self.stay.people.values()).count(person) == 1,
                   'a person with two occupant ids')
        self.check(number > self.stay.numbers.get(client, 0), 'a client\'s messages in disorder')
        self.stay.numbers[client] = number

    # ---- at rest ----

    def judge_stays(self):
        """Nothing that others have heard is missing. All that is forgotten but for a stay that
        goes on."""
        for stay in self.stays:
            missing = self.hearing.missing(stay)
            self.check(not missing, f'has not heard {missing} between {stay.ids[:1]} and '
                                    f'{stay.ids[-1:]}')
        self.stays = self.stays[-1:] if self.state != State.OUT else []
        for stay in self.stays:
            stay.ids = stay.ids[-1:]
        self.entrances = 1 if self.state == State.IN else 0
        self.slept = False

"""What a client sees of a room is judged: right is what a room does, wrong is each fault that is
planted."""
import sys
import unittest
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'crash')]

from monkeys.view import Broken, Hearing, State, View  # noqa: E402

ROOM = 'garden@rooms.localhost'
OCCUPANT = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{}'/>"


def presence(nick, *codes, kind='', role='participant', nick_to=''):
    status = ''.join(f"<status code='{code}'/>" for code in codes)
    return (f"<presence xmlns='jabber:client' from='{ROOM}/{nick}'{kind}>"
            f"<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='{role}'"
            f'{nick_to}/>{status}</x></presence>')


def gone(nick, *codes, **options):
    return presence(nick, *codes, kind=" type='unavailable'", **options)


def message(children, nick='', kind='groupchat'):
    sender = f'{ROOM}/{nick}' if nick else ROOM
    return f"<message xmlns='jabber:client' from='{sender}' type='{kind}'>{children}</message>"


def said(id, number, client='m1a', occupant='o1', nick='other'):
    return message(f'<body>{client} {number}.</body>{OCCUPANT.format(occupant)}'
                   f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{id}'/>", nick)


LATE = message(f"<body>x</body><delay xmlns='urn:xmpp:delay' from='{ROOM}'/>", 'other')
SUBJECT = message('<subject/>')
ENTERED = [presence('other'), presence('me', 110), LATE, SUBJECT]


class ViewTest(unittest.TestCase):
    def view(self, *stanzas, hearing=None):
        view = View(ROOM, 'm0a', hearing or Hearing())
        view.entrances = 1
        for stanza in stanzas:
            view.take(ET.fromstring(stanza))
        return view

    def test_what_is_right(self):
        view = self.view(*ENTERED, said('1', 1), said('2', 2), said('3', 1, 'm2a', 'o2'),
                         gone('me', 110, 303, nick_to=" nick='new'"), presence('new', 110),
                         gone('other'), presence('other'))
        self.assertIs(view.state, State.IN)
        self.assertEqual([*view.occupants], ['new', 'other'])
        view.judge_stays()
        view.take(ET.fromstring(gone('new', 110, 307)))
        self.assertIs(view.state, State.OUT)
        for stanza in ENTERED:
            view.take(ET.fromstring(stanza))
        self.assertIs(view.state, State.IN)

    def test_faults(self):
        faults = {
            'a message before I am in': [said('1', 1)],
            'a private message before I am in': [message('<body>x</body>', 'other', 'chat')],
            'no subject': [*ENTERED[:2], said('1', 1)],
            'presence behind my own': [*ENTERED[:2], presence('third')],
            'an occupant twice': [presence('other'), presence('other')],
            'a leave of nobody': [*ENTERED, gone('third')],
            'two leaves': [*ENTERED, gone('other'), gone('other')],
            'a leave where I am out': [gone('other')],
            'my leave without a status': [*ENTERED, gone('me')],
            'my presence without a status': [*ENTERED, presence('me')],
            'my presence as another': [*ENTERED, presence('other', 110)],
            'a nickname in use': [*ENTERED, gone('me', 110, 303, nick_to=" nick='other'")],
            'no role': [*ENTERED, presence('third', role='none')],
            'a message after my leave': [*ENTERED, gone('me', 110), said('1', 1)],
            'the past once more': [*ENTERED, LATE],
            'ids that go back': [*ENTERED, said('2', 1), said('1', 2)],
            'no id': [*ENTERED, message('<body>x</body>', 'other')],
            'disorder': [*ENTERED, said('1', 2), said('2', 1)],
            'two ids of a person': [*ENTERED, said('1', 1), said('2', 2, occupant='o2')],
            'two people of an id': [*ENTERED, said('1', 1), said('2', 1, 'm2a')],
        }
        for name, stanzas in faults.items():
            with self.subTest(name):
                self.view(*stanzas[:-1])
                with self.assertRaises(Broken):
                    self.view(*stanzas)

    def test_a_client_that_was_away(self):
        """XEP-0352: somebody came and left meanwhile."""
        view = self.view(*ENTERED)
        view.slept = True
        view.take(ET.fromstring(gone('third')))
        self.assertEqual([*view.occupants], ['other', 'me'])
        with self.assertRaises(Broken):
            view.take(ET.fromstring(gone('third', 110)))

    def test_others_hear_the_same(self):
        hearing = Hearing()
        self.view(*ENTERED, said('1', 1), hearing=hearing)
        with self.assertRaises(Broken):
            self.view(*ENTERED, said('1', 2), hearing=hearing)

    def test_missing(self):
        hearing = Hearing()
        self.view(*ENTERED, *(said(str(i), i) for i in range(1, 5)), hearing=hearing)
        for heard in ('124', '123'):
            view = self.view(*ENTERED, *(said(i, int(i)) for i in heard), hearing=hearing)
            with self.assertRaises(Broken):
                view.judge_stays()
        left = self.view(*ENTERED, said('1', 1), said('2', 2), gone('me', 110), hearing=hearing)
        left.judge_stays()


if __name__ == '__main__':
    unittest.main()

"""The verdict, with faults planted for it."""
import unittest

from crashes.book import Book, Verdict


class Chat:
    """a writes to b: what both have is what ought to be, until a test changes it."""

    def __init__(self, count=3, session=1):
        self.book = Book()
        self.a, self.b = self.book.reader('a'), self.book.reader('b')
        self.room, self.heard = self.book.reader('room'), self.book.reader('b in the room')
        self.messages = []
        for _ in range(count):
            self.add(session)

    def add(self, session=1, acked=True):
        message = self.book.write('a', 'b', 'text')
        self.book.sent(message, session)
        if acked:
            self.book.acked(message)
        self.messages.append(message)
        key, id = message.key, f'id{len(self.messages)}'
        self.b.see(key, id, 100)
        self.a.archive.append((id, key))
        self.b.archive.append((id, key))
        return message

    def say(self, session=1, acked=True, kept=1):
        """a says something in a room that b is in."""
        message = self.book.write('a', 'room', 'text', in_room=True)
        self.book.sent(message, session)
        if acked:
            self.book.acked(message)
        self.heard.see(message.key, 'id0', 100)
        self.room.archive += [(f'id{n}', message.key) for n in range(kept)]
        return message

    def faults(self):
        """The kinds that are found, with how many."""
        verdict = Verdict(self.book)
        return {kind: len(getattr(verdict, kind)) for kind in Verdict.KINDS
                if getattr(verdict, kind)}


class VerdictTest(unittest.TestCase):
    def test_nothing_wrong(self):
        self.assertEqual(Chat().faults(), {})

    def test_missing(self):
        chat = Chat()
        del chat.b.view[chat.messages[1].key], chat.b.archive[1]
        self.assertEqual(chat.faults(), {'missing': 1})

    def test_unacknowledged_may_be_missing(self):
        chat = Chat()
        message = chat.add(acked=False)
        del chat.b.view[message.key], chat.b.archive[-1], chat.a.archive[-1]
        self.assertEqual(chat.faults(), {})

    def test_refused_may_be_missing(self):
        chat = Chat()
        del chat.b.view[chat.messages[1].key], chat.b.archive[1]
        chat.book.refused(chat.messages[1].key)
        self.assertEqual(chat.faults(), {})

    def test_unarchived(self):
        for reader in ('a', 'b'):
            chat = Chat()
            del chat.book.reader(reader).archive[1]
            self.assertEqual(chat.faults(), {'unarchived': 1}, reader)

    def test_unseen(self):
        chat = Chat()
        del chat.b.view[chat.messages[1].key]
        self.assertEqual(chat.faults(), {'unseen': 1})

    def test_twice_in_an_archive(self):
        for reader in ('a', 'b'):
            for acked in (True, False):
                chat = Chat()
                message = chat.add(acked=acked)
                chat.book.reader(reader).archive.append(('id9', message.key))
                self.assertEqual(chat.faults(), {'twice': 1}, (reader, acked))

    def test_seen_again(self):
        for name, id, session, faults in (
                ('on a later connection, with its stanza id', 'id2', 101, {}),
                ('in the archive', 'id2', None, {}),
                ('with another stanza id', 'id9', 101, {'twice': 1}),
                ('in the archive under another id', 'id9', None, {'twice': 1}),
                ('without a stanza id', None, 101, {'twice': 1}),
                ('in the same session', 'id2', 100, {'twice': 1})):
            chat = Chat()
            self.assertFalse(chat.b.see(chat.messages[1].key, id, session))
            self.assertEqual(chat.faults(), faults, name)

    def test_order_in_a_session(self):
        chat = Chat(2)
        chat.b.archive.reverse()
        self.assertEqual(chat.faults(), {'disorder': 1})
        chat = Chat(2)
        chat.b.view = dict(reversed(chat.b.view.items()))
        self.assertEqual(chat.faults(), {'disorder': 1})

    def test_order_between_sessions(self):
        for acked, faults in ((True, {'disorder': 1}), (False, {})):
            chat = Chat(0)
            chat.add(1, acked)
            chat.add(2)
            chat.b.archive.reverse()
            self.assertEqual(chat.faults(), faults, acked)

    def test_room(self):
        for acked, kept, faults in ((True, 1, {}), (True, 0, {'unarchived': 1}), (False, 0, {}),
                                    (False, 1, {}), (True, 2, {'twice': 1})):
            chat = Chat()
            message = chat.say(acked=acked, kept=kept)
            self.assertEqual(chat.faults(), faults, (acked, kept))
            self.assertEqual(chat.book.key(message.body, 'a'), message.key)

    def test_order_in_a_room(self):
        chat = Chat(0)
        for _ in range(2):
            chat.say()
        chat.room.archive.reverse()
        self.assertEqual(chat.faults(), {'disorder': 1})
        chat.room.archive.reverse()
        chat.heard.view = dict(reversed(chat.heard.view.items()))
        self.assertEqual(chat.faults(), {'disorder': 1})

    def test_heard_again(self):
        for id, session, faults in (('id9', 100, {'twice': 1}), ('id0', 101, {}),
                                    ('id9', 101, {'twice': 1})):
            chat = Chat(0)
            self.assertFalse(chat.heard.see(chat.say().key, id, session))
            self.assertEqual(chat.faults(), faults, (id, session))

    def test_strange(self):
        chat = Chat()
        message = chat.messages[0]
        self.assertEqual(chat.book.key(message.body, 'a'), message.key)
        self.assertIsNone(chat.book.key(message.body + 'x', 'a'))
        self.assertIsNone(chat.book.key(message.body, 'c'))
        self.assertEqual(chat.faults(), {'strange': 2})

    def test_reported_once(self):
        chat, known = Chat(), set()
        del chat.b.view[chat.messages[1].key]
        self.assertTrue(any(Verdict(chat.book).new(known).values()))
        self.assertFalse(any(Verdict(chat.book).new(known).values()))

"""A person with a client and a habit: how long it stays, how it leaves, how it comes back.

A client that comes anew sends its presence and then pages its archive from the last stanza id it
knows. What comes live meanwhile is put behind what the archive has, as good clients do.
"""
import asyncio
import itertools
import random
from collections import namedtuple
from xml.etree import ElementTree as ET

from crashes.session import Session
from crashes.stream import CLIENT, DOMAIN, Gone, Refused, Stream

Habit = namedtuple('Habit', 'name stay pause resumes orderly pages fixed')
"""stay: seconds that a connection lasts, or None. pause: seconds until the next one. resumes: tries
to. orderly: how often it closes its stream before it goes. pages: looks through its archive all the
time. fixed: asks for the same resource each time."""

HABITS = (
    Habit('steady', None, (0, 0), True, 0, False, True),
    Habit('hopping', (0.1, 0.8), (0, 0.3), True, 0, False, True),
    Habit('fleeting', (0.2, 1.0), (0, 0.2), False, 0.5, False, False),
    Habit('away', (0.4, 1.5), (0.4, 1.5), False, 1, False, True),
    Habit('paging', None, (0, 0), True, 0, True, True),
)

PASSWORD = 'O Romeo, Romeo!'
SM = '{urn:xmpp:sm:3}'
MAM = '{urn:xmpp:mam:2}'
RSM = '{http://jabber.org/protocol/rsm}'
STANZA_ID = '{urn:xmpp:sid:0}stanza-id'
RESULT = f'{MAM}result'
MESSAGE = f'{{urn:xmpp:forward:0}}forwarded/{CLIENT}message'
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"

RESUME_SECONDS = 5       # asked for as the time that a lost session waits
RETRY_SECONDS = 0.05     # between tries to connect
PATIENCE_SECONDS = 30    # for the answer to an IQ
ASK_AGAIN_SECONDS = 0.2  # for acknowledgements that are wanted
UNACKED_MAX = 40         # messages under way
PAGE_MAX = 50
BODY_MAX = 600


class Person:
    ids = itertools.count(1)

    def __init__(self, name, habit, partner, partner_habit, load):
        self.name, self.habit, self.partner, self.load = name, habit, partner, load
        self.bare = f'{name}@{DOMAIN}'
        self.book = load.book
        self.reader = load.book.reader(name)
        self.random = random.Random(f'{load.seed} {name}')
        self.session = self.stream = None
        self.online = False      # the session is on this stream
        # One who has a new resource each time is better written to at the bare JID.
        self.locks = partner_habit.fixed
        self.partner_jid = None  # the full JID that the partner has written from
        self.place = None        # the last stanza id it knows in its archive
        self.catching = None     # the task that pages the archive
        self.held = []           # what has come live meanwhile, with its session
        self.again = []          # messages of a session that was not resumed

    # ---- life ----

    async def live(self):
        while True:
            try:
                await self.connect()
                await self.stay()
                pause = 0 if self.load.quiet else self.random.uniform(*self.habit.pause)
            except Gone:
                pause = RETRY_SECONDS
            finally:
                self.hang_up()
            await asyncio.sleep(pause)

    def hang_up(self):
        self.online = False
        if self.stream:
            self.stream.drop()
            self.stream = None

    async def stay(self):
        """Talks until it is time to go, or the connection is lost."""
        tasks = [asyncio.create_task(self.listen()), asyncio.create_task(self.talk())]
        if self.habit.pages:
            tasks.append(asyncio.create_task(self.leaf()))
        try:
            done = set()
            while not done:
                seconds = self.random.uniform(*self.habit.stay) if self.habit.stay else None
                done, _ = await asyncio.wait(tasks, timeout=seconds,
                                             return_when=asyncio.FIRST_COMPLETED)
                if not self.load.quiet:
                    break
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.leave()

    async def leave(self):
        if self.random.random() >= self.habit.orderly:
            return
        self.send("<presence type='unavailable'/>")
        await self.ask_for_ack()
        self.stream.send('</stream:stream>')
        try:
            async with asyncio.timeout(2):
                await self.listen()
        except (Gone, TimeoutError):
            pass

    async def connect(self):
        self.stream = await Stream.connect(self.load.port)
        await self.stream.authenticate(self.name, PASSWORD)
        if self.session and self.session.id and self.habit.resumes and await self.resume():
            self.load.counts['resumed'] += 1
            return
        await self.begin()
        self.load.counts['anew'] += 1

    # ---- sessions ----

    async def resume(self):
        """XEP-0198 section 5."""
        session = self.session
        self.stream.send(f"<resume xmlns='{SM[1:-1]}' h='{session.received}' "
                         f"previd='{session.id}'/>")
        answer = await self.stream.answer(f'{SM}resumed', f'{SM}failed')
        if answer.get('h') is not None:
            session.take_ack(answer.get('h'), self.book.acked)
        if answer.tag == f'{SM}failed':
            self.load.counts['not resumed'] += 1
            return False
        for text, _ in session.unacked:
            self.stream.send(text)
        self.online = True
        return True

    async def begin(self):
        """A new session. The messages of which nobody knows whether they were handled are sent
        again, as new ones."""
        self.end_session()
        wanted = f'<resource>{self.habit.name}</resource>' if self.habit.fixed else ''
        answer = await self.stream.ask(
            'set', f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind>")
        jid = answer.findtext('.//{urn:ietf:params:xml:ns:xmpp-bind}jid')
        self.stream.send(f"<enable xmlns='{SM[1:-1]}' resume='true' max='{RESUME_SECONDS}'/>")
        answer = await self.stream.answer(f'{SM}enabled')
        resumable = answer.get('resume') in ('true', '1')
        self.session = Session(jid, answer.get('id') if resumable else None)
        self.online = True
        self.arrive()
        self.catching = self.load.spawn(self.catch_up(self.session))
        for element in self.stream.early:
            self.on_stanza(element)
        for message in self.again:
            self.book.resent += 1
            self.send_again(message, message.body.partition('\n')[2])
        self.again = []

    def arrive(self):
        self.send('<presence/>')

    def end_session(self):
        if not self.session:
            return
        self.again += self.session.end()
        self.catching.cancel()
        self.session = None

    # ---- sending ----

    def send(self, text, message=None):
        """A stanza. Without a connection it goes when the session is resumed."""
        self.session.unacked.append((text, message))
        if self.online:
            self.stream.send(text)

    def send_again(self, message, filling):
        self.send_message(self.book.write(self.name, self.partner, filling))

    def send_message(self, message):
        self.book.sent(message, self.session.number)
        to = self.partner_jid if self.partner_jid and self.random.random() < 0.2 else \
            f'{self.partner}@{DOMAIN}'
        self.send(f"<message to='{to}' type='chat' id='{message.key}'>"
                  f'<body>{message.body}</body></message>', message)

    async def ask_for_ack(self):
        self.stream.send(f"<r xmlns='{SM[1:-1]}'/>")
        await self.stream.drain()

    def filling(self):
        return 'x' * self.random.randrange(BODY_MAX)

    def say(self):
        if self.random.random() < 0.1:
            self.send(f"<message to='{self.partner}@{DOMAIN}' type='chat'>{TYPING}</message>")
        self.send_message(self.book.write(self.name, self.partner, self.filling()))

    async def talk(self):
        """Messages, as long as it is not to be quiet; then the acknowledgement of all."""
        while True:
            quiet = self.load.quiet
            if not quiet and len(self.session.unacked) < UNACKED_MAX:
                self.say()
            if self.session.unacked and (quiet or self.random.random() < 0.4):
                await self.ask_for_ack()
            await asyncio.sleep(ASK_AGAIN_SECONDS if quiet else
                                self.random.expovariate(self.load.rate))

    @property
    def settled(self):
        """Online, all that it sent acknowledged, its archive read up to now."""
        return self.online and self.catching.done() and not self.session.unacked

    def describe(self):
        return (f'{self.name} ({self.habit.name}, {"online" if self.online else "not online"}, '
                f'{len(self.session.unacked) if self.session else "no"} unacknowledged)')

    # ---- what comes ----

    async def listen(self):
        while True:
            element = await self.stream.next()
            if element.tag == f'{SM}r':
                self.stream.send(f"<a xmlns='{SM[1:-1]}' h='{self.session.received}'/>")
            elif element.tag == f'{SM}a':
                self.session.take_ack(element.get('h'), self.book.acked)
            elif element.tag.startswith(CLIENT):
                self.session.received += 1
                self.on_stanza(element)
            else:
                raise Refused(f'{self.bare} gets {ET.tostring(element, "unicode")}')

    def on_stanza(self, element):
        if element.tag == f'{CLIENT}iq':
            self.on_iq(element)
        elif element.tag == f'{CLIENT}message':
            self.on_message(element)

    def on_iq(self, element):
        if element.get('type') in ('result', 'error'):
            future = self.session.waiting.pop(element.get('id'), None)
            if future and not future.done():
                future.set_result(element)
            return
        to = element.get('from', self.bare)
        self.send(f"<iq type='error' id='{element.get('id')}' to='{to}'><error type='cancel'>"
                  "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                  '</error></iq>')

    def on_message(self, element):
        result = element.find(RESULT)
        if result is not None:
            self.session.results.setdefault(result.get('queryid'), []).append(result)
        elif element.get('type') == 'error':
            self.book.refused(element.get('id'))
        elif self.catching.done():
            self.show(element, self.session)
        else:
            self.held.append((element, self.session))

    def show(self, element, session):
        """A message that came live, or had waited for this person to come online."""
        body = element.findtext(f'{CLIENT}body')
        sender = element.get('from', '')
        if body is None:
            return
        key = self.book.key(body, sender.partition('@')[0])
        if key is None:
            return
        if self.locks:
            self.partner_jid = sender
        ids = [e.get('id') for e in element.findall(STANZA_ID) if e.get('by') == self.bare]
        stanza_id = ids[0] if ids else None
        if self.reader.see(key, stanza_id, session.number) and stanza_id:
            self.place = stanza_id

    # ---- the archive ----

    async def ask(self, session, kind, payload, to=''):
        """The answer to an IQ, which may come over a later connection of the session."""
        number = f'iq{next(Person.ids)}'
        session.waiting[number] = asyncio.get_running_loop().create_future()
        self.send(f"<iq type='{kind}' id='{number}'{to}>{payload}</iq>")
        return await asyncio.wait_for(session.waiting[number], PATIENCE_SECONDS)

    async def page(self, session, where, size=PAGE_MAX, archive=None):
        """A page of the archive (XEP-0313 section 4), or of another one: results, and the element
        fin; or None, None if the archive does not know the place."""
        number = f'q{next(Person.ids)}'
        answer = await self.ask(session, 'set', (
            f"<query xmlns='{MAM[1:-1]}' queryid='{number}'><set xmlns='{RSM[1:-1]}'>"
            f'<max>{size}</max>{where}</set></query>'), f" to='{archive}'" if archive else '')
        results = session.results.pop(number, [])
        fin = answer.find(f'{MAM}fin')
        if fin is None and answer.find('.//{urn:ietf:params:xml:ns:xmpp-stanzas}'
                                       'item-not-found') is not None:
            return None, None
        if fin is None:
            raise Refused(f'an archive query gets {ET.tostring(answer, "unicode")}')
        return results, fin

    async def pages(self, session, after, archive=None):
        """All results behind a place, oldest first; None if the archive does not know it."""
        found = []
        while True:
            results, fin = await self.page(session, f'<after>{after}</after>' if after else '',
                                           archive=archive)
            if results is None:
                return None
            found += results
            if fin.get('complete') in ('true', '1') or not results:
                return found
            after = fin.findtext(f'{RSM}set/{RSM}last')

    async def catch_up(self, session):
        """What came while this person was not there, then what has come live since."""
        results = await self.pages(session, self.place)
        if results is None:
            self.load.counts['place unknown'] += 1
            results = await self.pages(session, None)
        for result in results:
            self.place = result.get('id')
            sender, key = self.archived(result)
            if key and sender != self.name:
                self.reader.see(key, result.get('id'), None)
        held, self.held = self.held, []
        for element, came_in in held:
            self.show(element, came_in)

    async def leaf(self):
        """Looks through the archive from its end (section 4.3: pages that follow each other)."""
        while True:
            await asyncio.sleep(0.2)
            if self.load.quiet:
                continue
            ids, where = [], '<before/>'
            for _ in range(self.random.randrange(1, 5)):
                session = self.session
                results, fin = await self.page(session, where, self.random.randrange(1, PAGE_MAX))
                if not results:
                    break
                ids = [result.get('id') for result in results] + ids
                where = f"<before>{fin.findtext(f'{RSM}set/{RSM}first')}</before>"
            if len(set(ids)) < len(ids):
                raise Refused(f'{self.bare}: pages that follow each other overlap')
            self.load.counts['walks'] += 1

    async def read_archive(self):
        """All of it, for the verdict."""
        results = await self.pages(self.session, None)
        found = [(result.get('id'), self.archived(result)[1]) for result in results]
        self.reader.archive = [(id, key) for id, key in found if key]

    def archived(self, result):
        """Sender and key of a message in the archive."""
        message = result.find(MESSAGE)
        body = message.findtext(f'{CLIENT}body')
        sender = message.get('from', self.bare).partition('@')[0]
        return sender, self.book.key(body, sender) if body is not None else None

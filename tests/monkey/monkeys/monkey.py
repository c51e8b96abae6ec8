"""A client that does anything at all in rooms, loses its connection, and comes back."""
import asyncio
import itertools
import random
from collections import Counter
from xml.etree import ElementTree as ET

from crashes.session import Session
from crashes.stream import CLIENT, DOMAIN, Gone, Refused, Stream
from monkeys.mischief import Mischief
from monkeys.view import Broken, State, View

PASSWORD = 'bananas'
SM = '{urn:xmpp:sm:3}'
RESUME_SECONDS = 2       # that a lost session waits
STAY_SECONDS = 1, 30     # of a connection
AWAY_SECONDS = 0, 4      # some come too late to resume
CUT_SECONDS = 0.5        # that the server may take to end a broken stream
RETRY_SECONDS = 0.1
PATIENCE_SECONDS = 60    # for an answer, when all is at rest
SPOILT = 0.15            # of the stanzas
BROKEN_XML = "<message to='x'><body>", '</iq>', '<presence to=>', '\0', '<a:b/>', '</stream:stream>'
PING = "<ping xmlns='urn:xmpp:ping'/>"


class Monkey:
    ids = itertools.count(1)

    def __init__(self, person, letter, troop):
        self.person, self.name, self.troop = person, person + letter, troop
        self.random = random.Random(f'{troop.seed} {self.name}')
        people = [f'{name}@{DOMAIN}' for name in troop.people]
        self.mischief = Mischief(self.name, self.random, people)
        self.views = {room: View(room, self.name, hearing)
                      for room, hearing in troop.hearings.items()}
        self.session = self.stream = None
        self.online = False      # the session is on this stream
        self.asked = {}          # id of an IQ that must be answered -> its text
        self.hoped = set()       # ids of those for other clients: answered once, unless they vanish

    # ---- life ----

    async def live(self):
        while True:
            try:
                await self.connect()
                await self.stay()
            except Gone:
                pass
            finally:
                self.online = False
                for view in self.views.values():
                    view.slept = True
                if self.stream:
                    self.stream.drop()
            away = RETRY_SECONDS if self.troop.quiet else self.random.uniform(*AWAY_SECONDS)
            await asyncio.sleep(away)

    async def connect(self):
        self.stream = await Stream.connect(self.troop.port)
        await self.stream.authenticate(self.person, PASSWORD)
        if not (self.session and await self.resume()):
            await self.begin()

    async def stay(self):
        """Until it is time to go. While all is to be at rest, it stays."""
        tasks = [asyncio.create_task(self.listen()), asyncio.create_task(self.act())]
        try:
            done = set()
            while not done:
                seconds = self.random.uniform(*STAY_SECONDS)
                done, _ = await asyncio.wait(tasks, timeout=seconds,
                                             return_when=asyncio.FIRST_COMPLETED)
                if not self.troop.quiet:
                    break
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.random.random() < 0.3:
            await self.break_xml()

    async def break_xml(self):
        """What is cut in the middle waits for more, until the connection ends."""
        self.online = False
        self.stream.send(self.random.choice(BROKEN_XML))
        try:
            async with asyncio.timeout(CUT_SECONDS):
                await self.listen()
        except TimeoutError:
            pass

    # ---- sessions (XEP-0198) ----

    async def resume(self):
        session = self.session
        self.stream.send(f"<resume xmlns='{SM[1:-1]}' h='{session.received}' "
                         f"previd='{session.id}'/>")
        answer = await self.stream.answer(f'{SM}resumed', f'{SM}failed')
        if answer.tag == f'{SM}failed':
            return False
        session.take_ack(answer.get('h'), None)
        for text, _ in session.unacked:
            self.stream.send(text)
        self.troop.counts['resumed'] += 1
        self.online = True
        return True

    async def begin(self):
        for view in self.views.values():
            view.forget()
        if self.session:
            self.session.end()
        self.session = None
        self.asked.clear()
        self.hoped.clear()
        answer = await self.stream.ask('set', "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
        jid = answer.findtext('.//{urn:ietf:params:xml:ns:xmpp-bind}jid')
        self.stream.send(f"<enable xmlns='{SM[1:-1]}' resume='true' max='{RESUME_SECONDS}'/>")
        answer = await self.stream.answer(f'{SM}enabled')
        self.session = Session(jid, answer.get('id'))
        self.troop.counts['sessions'] += 1
        self.online = True
        self.send('<presence/>')

    # ---- sending ----

    def send(self, text):
        """A stanza. Without a connection it goes when the session is resumed."""
        self.session.unacked.append((text, None))
        if self.online:
            self.stream.send(text)

    def ask_for_ack(self):
        self.stream.send(f"<r xmlns='{SM[1:-1]}'/>")

    async def act(self):
        while True:
            await asyncio.sleep(self.random.expovariate(self.troop.rate))
            if self.troop.quiet:
                continue
            self.do_something(self.views[self.random.choice([*self.views])])
            if self.random.random() < 0.1:
                self.ask_for_ack()
            await self.stream.drain()

    def do_something(self, view):
        text = self.mischief.choose(view)
        if self.random.random() < SPOILT:
            text = self.mischief.spoil(text)
            self.troop.counts['spoilt'] += 1
        self.troop.counts['actions'] += 1
        if text.startswith('<iq '):
            text = self.number(text)
        self.send(text)

    def number(self, text):
        """An IQ with an id. What an occupant is asked is his to answer, if he is still there."""
        id = f'{self.name}-{next(Monkey.ids)}'
        to = ET.fromstring(text).get('to')
        if '/' in to:
            self.hoped.add(id)
        else:
            self.asked[id] = text
        return f"<iq id='{id}' {text[len('<iq '):]}"

    async def ask(self, to):
        """The answer to a ping."""
        id = f'{self.name}-{next(Monkey.ids)}'
        future = self.session.waiting[id] = asyncio.get_running_loop().create_future()
        self.asked[id] = f'ping of {to}'
        address = ET.tostring(ET.Element('iq', to=to, id=id, type='get'), 'unicode')
        self.send(address.replace(' />', f'>{PING}</iq>'))
        return await asyncio.wait_for(future, PATIENCE_SECONDS)

    # ---- what comes ----

    async def listen(self):
        while True:
            element = await self.stream.next()
            if element.tag == f'{SM}r':
                self.stream.send(f"<a xmlns='{SM[1:-1]}' h='{self.session.received}'/>")
            elif element.tag == f'{SM}a':
                self.session.take_ack(element.get('h'), None)
            elif element.tag.startswith(CLIENT):
                self.session.received += 1
                self.on_stanza(element)
            else:
                raise Refused(f'{self.name} gets {ET.tostring(element, "unicode")}')

    def on_stanza(self, element):
        if element.tag == f'{CLIENT}iq':
            self.on_iq(element)
            return
        view = self.views.get(element.get('from', '').partition('/')[0])
        if view:
            view.take(element)

    def on_iq(self, element):
        id, sender = element.get('id'), element.get('from', '')
        if element.get('type') in ('get', 'set'):
            answer = ET.Element('iq', type='result', id=id, to=sender)
            self.send(ET.tostring(answer, 'unicode'))
            return
        if id not in self.asked and id not in self.hoped:
            raise Broken(f'{self.name} gets an answer that it does not wait for: '
                         f'{ET.tostring(element, "unicode")}')
        self.asked.pop(id, None)
        future = self.session.waiting.pop(id, None)
        if future and not future.done():
            future.set_result(element)

    # ---- at rest ----

    @property
    def settled(self):
        """Online, all that it sent acknowledged, all that it asked answered."""
        return self.online and not self.session.unacked and not self.asked

    async def ping_rooms(self):
        """By the answers, all that it has sent to the rooms has been done, and all that they have
        sent to it has come. Whether it is in is what it takes itself to be (XEP-0410)."""
        for view in self.views.values():
            nick = view.nick or 'nobody'
            answer = await self.ask(f'{view.room}/{nick}')
            is_in = answer.get('type') == 'result'
            view.check(is_in == (view.state == State.IN), 'the answer to a ping is '
                       + ET.tostring(answer, 'unicode'))

    def describe(self):
        unacked = [text for text, _ in self.session.unacked] if self.session else []
        return (f'{self.name} ({"online" if self.online else "not online"}, {len(unacked)} not '
                f'acknowledged: {unacked[:3]}, not answered: {[*self.asked.values()][:3]})')


class Troop:
    """All monkeys together: each person has one or two clients."""

    def __init__(self, port, seed, people, rooms, rate, hearing):
        self.port, self.seed, self.rate = port, seed, rate
        self.people = [f'm{n}' for n in range(people)]
        self.hearings = {f'room{n}@rooms.{DOMAIN}': hearing() for n in range(rooms)}
        self.counts = Counter()
        self.quiet = False
        self.monkeys = [Monkey(person, letter, self) for n, person in enumerate(self.people)
                        for letter in ('ab' if n % 2 else 'a')]
        self.tasks = []

    async def register(self):
        for person in self.people:
            stream = await Stream.connect(self.port)
            await stream.register(person, PASSWORD)
            await stream.close()

    def begin(self):
        self.tasks = [asyncio.create_task(monkey.live()) for monkey in self.monkeys]

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def check(self):
        """Raises what a monkey has found."""
        for task in self.tasks:
            if task.done():
                task.result()

    async def play(self, seconds):
        self.quiet = False
        for _ in range(int(seconds * 10)):
            await asyncio.sleep(0.1)
            self.check()

    async def rest(self):
        """Until nothing is under way. Two rounds of pings: in the first each hears what it has
        caused, in the second what others have."""
        self.quiet = True
        for _ in range(int(PATIENCE_SECONDS / RETRY_SECONDS)):
            self.check()
            if all(monkey.settled for monkey in self.monkeys):
                break
            for monkey in self.monkeys:
                if monkey.online:
                    monkey.ask_for_ack()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            raise Broken('does not come to rest: ' + ', '.join(
                monkey.describe() for monkey in self.monkeys if not monkey.settled))
        for _ in range(2):
            await asyncio.gather(*(monkey.ping_rooms() for monkey in self.monkeys))
            self.check()

"""Those who use the server: pairs of persons who write to each other and have errands besides,
their second devices, and visitors whose accounts come and go.

They are the persons of tests/crash, with time for more than messages.
"""
import asyncio
import ssl
from contextlib import asynccontextmanager
from xml.etree import ElementTree as ET

from crashes.person import MAM, PASSWORD, RSM, Habit, Person
from crashes.stream import CLIENT, DOMAIN, Gone, Refused, Stream

# All have errands, in the place of the pages of tests/crash.
HABITS = (
    Habit('steady', None, (0, 0), True, 0, True, True),
    Habit('hopping', (5, 40), (0, 8), True, 0, True, True),    # some stay away too long to resume
    Habit('fleeting', (10, 60), (0, 5), False, 0.5, True, False),
    Habit('away', (15, 60), (10, 60), False, 1, True, True),
)
DEVICE = Habit('device', (20, 90), (0, 20), True, 0.3, True, True)

ERRAND_SECONDS = (2, 12)    # between two errands
BLOCKED_SECONDS = (1, 4)
VISIT_SECONDS = (4, 10)     # between two visitors
VISIT_ENDS = 30             # of one who comes, acts and goes
AVATAR = 'iVBORw0KGgo' * 300

CARBONS = 'urn:xmpp:carbons:2'
BLOCKING = 'urn:xmpp:blocking'
CSI = 'urn:xmpp:csi:0'
SHOWS = 'away', 'chat', 'dnd', 'xa'


async def dial(ports, secure):
    """A stream over TCP, or over direct TLS (XEP-0368)."""
    if not secure:
        return await Stream.connect(ports['c2s'])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return Stream(*await asyncio.open_connection('127.0.0.1', ports['tls'], ssl=context))
    except OSError as e:
        raise Gone(str(e)) from None


class Resident(Person):
    """One of a pair. Every second one uses TLS."""

    def __init__(self, name, habit, partner, partner_habit, load):
        super().__init__(name, habit, partner, partner_habit, load)
        self.partner_bare = f'{partner}@{DOMAIN}'
        self.secure = load.next_is_secure()
        self.blocking = False

    async def connect(self):
        self.stream = await dial(self.load.ports, self.secure)
        await self.stream.authenticate(self.name, PASSWORD)
        if self.session and self.session.id and self.habit.resumes and await self.resume():
            self.load.counts['resumed'] += 1
            return
        await self.begin()
        self.load.counts['anew'] += 1
        self.send(f"<presence type='subscribe' to='{self.partner_bare}'/>")

    def on_stanza(self, element):
        if element.tag == f'{CLIENT}presence':
            self.load.counts['presences'] += 1
            if element.get('type') == 'subscribe':
                self.send(f"<presence type='subscribed' to='{element.get('from')}'/>")
            return
        if element.find(f'{{{CARBONS}}}*') is not None:
            self.load.counts['carbons'] += 1
            return
        super().on_stanza(element)

    # ---- errands ----

    async def wish(self, kind, payload, to='', may_fail=False):
        """An IQ, which is granted."""
        answer = await self.ask(self.session, kind, payload, to)
        if answer.get('type') != 'result' and not may_fail:
            raise Refused(f'{payload} gets {ET.tostring(answer, "unicode")}')
        return answer

    async def leaf(self):
        """What it does besides writing, as long as it is connected."""
        errands = (self.walk, self.search, self.show_state, self.block, self.publish_card,
                   self.look_at_card, self.store_privately, self.read_roster, self.look_away)
        while True:
            if self.blocking:
                await self.unblock()
            if self.load.quiet:
                await asyncio.sleep(1)
                continue
            await asyncio.sleep(self.random.uniform(*ERRAND_SECONDS))
            errand = self.random.choice(errands)
            await errand()
            self.load.counts['errands'] += 1

    async def walk(self):
        """Through the archive from its end."""
        where = '<before/>'
        for _ in range(self.random.randrange(1, 5)):
            results, fin = await self.page(self.session, where, self.random.randrange(1, 50))
            if not results:
                break
            where = f"<before>{fin.findtext(f'{RSM}set/{RSM}first')}</before>"

    async def search(self):
        """In the conversation with the partner; then the archive's metadata."""
        await self.wish('set', (
            f"<query xmlns='{MAM[1:-1]}' queryid='none'><x xmlns='jabber:x:data' type='submit'>"
            f"<field var='FORM_TYPE'><value>{MAM[1:-1]}</value></field>"
            f"<field var='with'><value>{self.partner_bare}</value></field></x>"
            f"<set xmlns='{RSM[1:-1]}'><max>10</max><before/></set></query>"))
        self.session.results.pop('none', None)
        await self.wish('get', f"<metadata xmlns='{MAM[1:-1]}'/>")

    async def show_state(self):
        self.send(f'<presence><show>{self.random.choice(SHOWS)}</show>'
                  f'<status>{self.random.random()}</status></presence>')

    async def block(self):
        self.blocking = True
        await self.wish('get', f"<blocklist xmlns='{BLOCKING}'/>")
        await self.wish('set', f"<block xmlns='{BLOCKING}'><item jid='{self.partner_bare}'/>"
                        f"<item jid='spam{self.random.randrange(100)}.example'/></block>")
        await asyncio.sleep(self.random.uniform(*BLOCKED_SECONDS))
        await self.unblock()

    async def unblock(self):
        await self.wish('set', f"<unblock xmlns='{BLOCKING}'/>")
        self.blocking = False

    async def publish_card(self):
        photo = AVATAR[:4 * self.random.randrange(1, len(AVATAR) // 4)]
        await self.wish('set', (
            f"<vCard xmlns='vcard-temp'><FN>{self.name}</FN><PHOTO><TYPE>image/png</TYPE>"
            f'<BINVAL>{photo}</BINVAL></PHOTO></vCard>'))

    async def look_at_card(self):
        """Of the partner, who may block this person."""
        await self.wish('get', "<vCard xmlns='vcard-temp'/>", f" to='{self.partner_bare}'",
                        may_fail=True)

    async def store_privately(self):
        filling = 'x' * self.random.randrange(2000)
        await self.wish('set', "<query xmlns='jabber:iq:private'><notes xmlns='soak:notes'>"
                        f'{filling}</notes></query>')
        await self.wish('get', "<query xmlns='jabber:iq:private'><notes xmlns='soak:notes'/>"
                        '</query>')

    async def read_roster(self):
        await self.wish('get', "<query xmlns='jabber:iq:roster'/>")

    async def look_away(self):
        """XEP-0352."""
        self.stream.send(f"<inactive xmlns='{CSI}'/>")
        await asyncio.sleep(self.random.uniform(*ERRAND_SECONDS))
        self.stream.send(f"<active xmlns='{CSI}'/>")


class Device(Resident):
    """Another device of a resident: it has copies of what its owner says and hears (XEP-0280), and
    writes nothing."""

    def __init__(self, owner, load):
        super().__init__(owner.name, DEVICE, owner.partner, owner.habit, load)
        self.reader = load.book.reader(f'{owner.name} device')

    async def begin(self):
        await super().begin()
        self.send(f"<iq type='set' id='carbons'><enable xmlns='{CARBONS}'/></iq>")

    async def talk(self):
        while True:
            if self.session.unacked:
                await self.ask_for_ack()
            await asyncio.sleep(1)

    async def block(self):
        """Its owner does that."""


class Visitor:
    """Somebody whose account is made, used and deleted."""

    def __init__(self, number, load):
        self.name, self.load, self.secure = f'visitor{number}', load, number % 2

    @asynccontextmanager
    async def connected(self):
        stream = await dial(self.load.ports, self.secure)
        try:
            yield stream
        finally:
            stream.drop()

    async def visit(self):
        async with asyncio.timeout(VISIT_ENDS):
            async with self.connected() as stream:
                await stream.register(self.name, PASSWORD)
                await stream.close()
            async with self.connected() as stream:
                await stream.authenticate(self.name, PASSWORD)
                await self.act(stream)
        self.load.counts['visitors'] += 1

    async def act(self, stream):
        bare = f'{self.name}@{DOMAIN}'
        await stream.ask('set', "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
        stream.send('<presence/>')
        for n in range(5):
            stream.send(f"<message to='{bare}' type='chat'><body>note {n}</body></message>")
        for kind, payload in (
                ('get', "<query xmlns='jabber:iq:roster'/>"),
                ('set', f"<vCard xmlns='vcard-temp'><FN>{self.name}</FN></vCard>"),
                ('set', f"<block xmlns='{BLOCKING}'><item jid='spam.example'/></block>"),
                ('set', "<query xmlns='jabber:iq:roster'><item jid='friend@b.example'/></query>"),
                ('set', f"<query xmlns='{MAM[1:-1]}'/>"),
                ('set', "<query xmlns='jabber:iq:private'><a xmlns='soak:notes'>b</a></query>")):
            await self.ask(stream, kind, payload)
        await self.ask(stream, 'set', "<query xmlns='jabber:iq:register'><remove/></query>")

    @staticmethod
    async def ask(stream, kind, payload):
        """Pushes may come before the answer."""
        stream.send(f"<iq type='{kind}' id='ask'>{payload}</iq>")
        while (answer := await stream.answer(f'{CLIENT}iq')).get('id') != 'ask':
            pass
        if answer.get('type') != 'result':
            raise Refused(f'{payload} gets {ET.tostring(answer, "unicode")}')

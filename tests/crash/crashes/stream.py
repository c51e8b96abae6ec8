"""An XMPP stream over TCP, without TLS, up to the end of SASL (RFC 6120).

Nothing is done behind the back of who uses it: each element that comes is handed over, each that
goes is sent where it is said. Acknowledgements depend on that.
"""
import asyncio
import base64
import socket
from collections import deque
from xml.etree import ElementTree as ET

DOMAIN = 'localhost'
ANSWER_SECONDS = 30
CLOSE_SECONDS = 2
READ_BYTES = 65536

CLIENT = '{jabber:client}'
STREAM = '{http://etherx.jabber.org/streams}'
SASL = '{urn:ietf:params:xml:ns:xmpp-sasl}'

HEADER = ("<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")


class Gone(Exception):
    """The connection is lost, or the server does not answer on it."""


class Refused(Exception):
    """The server answers as no test of this harness expects it."""


class Stream:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.come = deque()
        self.early = []    # stanzas that came while something else was awaited
        self.restart()

    @classmethod
    async def connect(cls, port):
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
        except OSError as e:
            raise Gone(str(e)) from None
        writer.get_extra_info('socket').setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer)

    def restart(self):
        self.parser = ET.XMLPullParser(['start', 'end'])
        self.depth = 0
        self.root = None

    # ---- elements ----

    def send(self, text):
        """What is sent on a lost connection is lost with it."""
        if not self.writer.is_closing():
            self.writer.write(text.encode())

    async def drain(self):
        try:
            await self.writer.drain()
        except OSError as e:
            raise Gone(str(e)) from None

    async def next(self):
        """The next element below the stream's root."""
        while not self.come:
            try:
                data = await self.reader.read(READ_BYTES)
            except OSError as e:
                raise Gone(str(e)) from None
            if not data:
                raise Gone('the connection is closed')
            self.parse(data)
        element = self.come.popleft()
        if element is None:
            raise Gone('the stream is closed')
        if element.tag == f'{STREAM}error':
            raise Gone(f'stream error: {ET.tostring(element, "unicode")}')
        return element

    def parse(self, data):
        """A server that stops behind <success/> opens the next stream by itself, to say so."""
        before, declaration, behind = data.partition(b'<?xml')
        if declaration and self.root is not None:
            self.parse(before)
            self.restart()
            data = declaration + behind
        try:
            self.parser.feed(data)
            events = list(self.parser.read_events())
        except ET.ParseError as e:
            raise Refused(f'{e} in: {data.decode(errors="replace")}') from None
        for event, element in events:
            if event == 'start':
                if self.depth == 0:
                    self.root = element
                self.depth += 1
                continue
            self.depth -= 1
            if self.depth == 1:
                self.come.append(element)
                self.root.clear()
            elif self.depth == 0:
                self.come.append(None)

    async def answer(self, *tags):
        """The next element of these, which must come soon. To a resource that is bound
        messages may come at any time."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    element = await self.next()
                    if element.tag in tags:
                        return element
                    if element.tag not in (f'{CLIENT}message', f'{CLIENT}presence'):
                        raise Refused(f'{ET.tostring(element, "unicode")} instead of {tags}')
                    self.early.append(element)
        except TimeoutError:
            raise Gone('no answer') from None

    # ---- negotiation ----

    async def open(self):
        """Sends a stream header and takes the features."""
        self.restart()
        self.send(HEADER.format(DOMAIN))
        await self.answer(f'{STREAM}features')

    async def ask(self, kind, payload, to=None):
        """The answer to an IQ."""
        address = f" to='{to}'" if to else ''
        self.send(f"<iq type='{kind}' id='ask'{address}>{payload}</iq>")
        answer = await self.answer(f'{CLIENT}iq')
        if answer.get('type') != 'result':
            raise Refused(f'{payload} gets {ET.tostring(answer, "unicode")}')
        return answer

    async def register(self, user, password):
        """Makes an account (XEP-0077)."""
        await self.open()
        await self.ask('set', "<query xmlns='jabber:iq:register'>"
                       f'<username>{user}</username><password>{password}</password></query>')

    async def authenticate(self, user, password):
        """SASL PLAIN; ends with the features behind it."""
        await self.open()
        text = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
        self.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='PLAIN'>{text}</auth>")
        await self.answer(f'{SASL}success')
        await self.open()

    # ---- end ----

    def drop(self):
        """Without a word."""
        self.writer.transport.abort()

    async def close(self):
        """In order (RFC 6120 section 4.4)."""
        self.send('</stream:stream>')
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while True:
                    await self.next()
        except (Gone, TimeoutError):
            pass
        self.drop()

"""A client of raw bytes: what a test sends goes on the wire as it stands."""
import base64
import hashlib
import itertools
import socket
import ssl
import struct
from xml.etree import ElementTree as ET

from harness.scram import Scram
from harness.xmpp import NS, condition, find, name, show, text_of

SECONDS = 60  # that a client waits for anything; the server may run under sanitizers

HEADER = ("<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")


class StreamClosed(AssertionError):
    """The server closed where something else was awaited."""


class Client:
    """A connection. What has come and was not looked at waits in `inbox`."""

    open_ones = set()
    numbers = itertools.count(1)

    def __init__(self, server, kind='c2s', source=None, receive_buffer=None):
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            connection.bind((source, 0))
        connection.settimeout(SECONDS)
        connection.connect(('127.0.0.1', server.ports[kind]))
        self.talk_over(server, connection)

    def talk_over(self, server, connection):
        """Begins on a connection that is there."""
        self.server = server
        self.domain = 'example.org'
        self.jid = None
        self.inbox = []
        self.header = None
        self.ended = False       # </stream:stream> has come
        self.closed = False      # the connection is at its end
        self.socket = connection
        self.socket.settimeout(SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.restart()
        Client.open_ones.add(self)

    # ---- bytes ----

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def close(self):
        """Without a word."""
        Client.open_ones.discard(self)
        self.socket.close()

    def reset(self):
        """As a peer that crashes: TCP RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close()

    def restart(self):
        """Awaits a new stream header."""
        self.parser = ET.XMLPullParser(['start', 'end'])
        self.depth = 0
        self.root = None

    def _receive(self, waiting_for):
        """Reads once and parses what came."""
        try:
            data = self.socket.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            data = b''
        except TimeoutError:
            seen = ' '.join(show(e) for e in self.inbox)
            raise AssertionError(f'waited in vain for {waiting_for}; there is: {seen}') from None
        if not data:
            self.closed = True
            return
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            self._on_event(event, element)

    def _on_event(self, event, element):
        if event == 'start':
            if self.depth == 0:
                self.header = self.root = element
            self.depth += 1
            return
        self.depth -= 1
        if self.depth == 1:
            self.inbox.append(element)
            self.root.remove(element)
        elif self.depth == 0:
            self.ended = True

    # ---- elements ----

    def take(self, tag=None, **attributes):
        """The first element with this name ('message', 'sasl:success') and these attributes
        (`from_` is from), waiting for it; others stay in the inbox."""
        wanted = {key.rstrip('_'): value for key, value in attributes.items()}
        what = f'<{tag or "any"}> {wanted}'
        seen = 0
        while True:
            for place in range(seen, len(self.inbox)):
                element = self.inbox[place]
                if (tag is None or element.tag == name(tag)) and all(
                        element.get(key) == value for key, value in wanted.items()):
                    return self.inbox.pop(place)
            seen = len(self.inbox)
            if self.ended or self.closed:
                there = ' '.join(show(e) for e in self.inbox)
                raise StreamClosed(f'closed before {what}; there is: {there}')
            self._receive(what)

    def message(self, **attributes):
        return self.take('message', **attributes)

    def presence(self, **attributes):
        return self.take('presence', **attributes)

    def iq(self, **attributes):
        return self.take('iq', **attributes)

    def wait_end(self):
        """Until the server's </stream:stream> and the end of the connection."""
        while not self.closed:
            self._receive('the end of the stream')
        assert self.ended, 'the connection ended without </stream:stream>'
        self.close()

    def wait_closed(self):
        """Until the end of the connection, however it comes and whatever comes before it."""
        try:
            while self.socket.recv(65536):
                pass
        except (ssl.SSLEOFError, ConnectionResetError):
            pass
        self.close()

    def stream_error(self):
        """The condition of the stream error that ends the stream, whose form is checked
        (RFC 6120 section 4.9.2)."""
        error = self.take('stream:error')
        found = [child.tag.partition('}')[2] for child in error
                 if child.tag.startswith(f'{{{NS["streams"]}}}') and
                 child.tag != name('streams:text')]
        assert len(found) == 1, show(error)
        assert self.header.get('from') is not None
        assert self.header.get('id')
        self.wait_end()
        return found[0]

    # ---- IQs ----

    def ask(self, payload, type='get', to=None):
        """The answer to an IQ."""
        number = f'ask-{next(Client.numbers)}'
        address = f" to='{to}'" if to else ''
        self.send(f"<iq type='{type}' id='{number}'{address}>{payload}</iq>")
        return self.iq(id=number)

    def get(self, payload, to=None):
        answer = self.ask(payload, 'get', to)
        assert answer.get('type') == 'result', show(answer)
        return answer

    def set(self, payload, to=None):
        answer = self.ask(payload, 'set', to)
        assert answer.get('type') == 'result', show(answer)
        return answer

    def refused(self, payload, type='get', to=None):
        """The condition with which an IQ is refused."""
        return condition(self.ask(payload, type, to))

    def sync(self):
        """What the server has sent up to now, by its answer to a ping of one's own account."""
        self.get("<ping xmlns='urn:xmpp:ping'/>", to=self.jid.partition('/')[0])
        before, self.inbox = self.inbox, []
        return before

    def sync_from(self, other):
        """What has come up to now from another client, by a message through the same queues."""
        number = f'sync-{next(Client.numbers)}'
        other.send(f"<message to='{self.jid}' type='headline' id='{number}'/>")
        self.message(id=number)
        before, self.inbox = self.inbox, []
        return before

    # ---- negotiation ----

    def open(self, domain=None, header=None):
        """Sends a stream header and returns the features."""
        self.domain = domain or self.domain
        self.restart()
        self.send(header or HEADER.format(self.domain))
        features = self.take('stream:features')
        assert self.header.get('from') == self.domain
        return features

    def wrap_tls(self, version=None, alpn=None):
        """A TLS handshake, with the server's certificate checked."""
        context = ssl.create_default_context(cafile=self.server.certificate(self.domain))
        if version:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(alpn)
        self.socket = context.wrap_socket(self.socket, server_hostname=self.domain,
                                          suppress_ragged_eofs=False)
        self.restart()

    def starttls(self, version=None):
        """From the features on; returns those of the secure stream."""
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.take('tls:proceed')
        self.wrap_tls(version)
        return self.open()

    def auth(self, mechanism, data=None):
        """Sends <auth/>, and returns what comes: success, failure or challenge."""
        text = '' if data is None else base64.b64encode(data).decode() or '='
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>"
                  f"{text}</auth>")
        return self.take()

    def respond(self, data):
        text = base64.b64encode(data).decode()
        self.send(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{text}</response>")
        return self.take()

    def plain(self, user, password, authzid=''):
        return self.auth('PLAIN', f'{authzid}\0{user}\0{password}'.encode())

    def scram(self, user, password, mechanism='SCRAM-SHA-256', **options):
        """A whole exchange; returns success or failure."""
        exchange = Scram(mechanism, user, password, **options)
        answer = self.auth(mechanism, exchange.first())
        if answer.tag != name('sasl:challenge'):
            return answer
        self.exchange = exchange
        answer = self.respond(exchange.final(base64.b64decode(answer.text)))
        if answer.tag == name('sasl:success'):
            exchange.verify(base64.b64decode(answer.text))
        return answer

    def end_point(self):
        """The data of tls-server-end-point (RFC 5929) for a certificate signed with SHA-256."""
        return hashlib.sha256(self.socket.getpeercert(True)).digest()

    def authenticate(self, account):
        """From the features of a secure stream to those behind SASL."""
        answer = self.scram(account.user, account.password)
        assert answer.tag == name('sasl:success'), show(answer)
        return self.open()

    def bind(self, resource=None):
        """The full JID."""
        wanted = f'<resource>{resource}</resource>' if resource else ''
        answer = self.set(f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind>")
        self.jid = text_of(answer, 'bind:bind/bind:jid')
        return self.jid


def failure(element):
    """The condition of a SASL failure."""
    assert element.tag == name('sasl:failure'), show(element)
    assert len(element) == 1, show(element)
    return element[0].tag.partition('}')[2]


def mechanisms(features):
    found = find(features, 'sasl:mechanisms')
    return [] if found is None else [m.text for m in found]

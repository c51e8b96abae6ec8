"""A server of raw bytes, which the server under test talks to: it opens streams (Peer) and takes
them (Place), over clear connections, STARTTLS or direct TLS."""
import base64
import contextlib
import signal
import socket
import ssl

from harness.client import SECONDS, Client
from harness.xmpp import NS, find, name, show

NS.update({
    'bidi': 'urn:xmpp:features:bidi',
    'db': 'jabber:server:dialback',
    'db-feature': 'urn:xmpp:features:dialback',
})
CONTENT = '{jabber:server}'

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
          "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' "
          "{}>")

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
EXTERNAL = ("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
            '</mechanisms>')
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"

FEDERATION = '''\
federation {{
	ca_file = "{authority}"
	dns_servers = {{ "127.0.0.1@1" }}
	dns_anchor = none
	{more}
}}
listener {{ type = s2s address = "127.0.0.1" port = 0 }}
listener {{ type = s2s_direct_tls address = "127.0.0.1" port = 0 }}
'''


def federation(authority, remotes, more=''):
    """A configuration that finds remotes by routes. remotes: the options of each; more: of all."""
    sections = [f'remote "{domain}" {{\n{options}\n}}' for domain, options in remotes.items()]
    return FEDERATION.format(authority=authority.certificate, more=more) + '\n'.join(sections)


def reload(server, **options):
    """Another configuration holds when it returns."""
    server.write_config(**options)
    reloads = len(server.log('reloaded'))
    server.process.send_signal(signal.SIGHUP)
    while len(server.log('reloaded')) == reloads:
        server.process.poll()


def attributes(**values):
    return ' '.join(f"{key.rstrip('_')}='{value}'" for key, value in values.items() if value)


class Peer(Client):
    """A stream with the server under test, as its other end. Its elements have the names of a
    client's. `domain`: the server's, `own`: the one that the test speaks for."""

    def __init__(self, server, own, domain='a.example', kind='s2s', identity=None, **options):
        super().__init__(server, kind, **options)
        self.domain, self.own = domain, own
        if kind == 's2s_direct_tls':
            self.show(identity)

    @classmethod
    def over(cls, server, connection):
        """One that the server has opened."""
        peer = cls.__new__(cls)
        peer.talk_over(server, connection)
        peer.domain = peer.own = None
        return peer

    def _on_event(self, event, element):
        if event == 'end':
            element.tag = element.tag.replace(CONTENT, '{jabber:client}')
        super()._on_event(event, element)

    def wait_header(self):
        while self.header is None and not self.closed:
            self._receive('a header')
        return self.header

    def wait_last_word(self):
        """Until the server's </stream:stream>."""
        while not self.ended and not self.closed:
            self._receive('the end of the stream')

    def wait_end(self):
        """As a server does: ends its own stream, too."""
        self.wait_last_word()
        with contextlib.suppress(OSError):
            self.send('</stream:stream>')
        super().wait_end()

    def show(self, identity=None, alpn='xmpp-server'):
        """TLS as its client, with a certificate or none. What the server shows is not looked at."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols([alpn])
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        self.socket = context.wrap_socket(self.socket, server_hostname=self.domain,
                                          suppress_ragged_eofs=False)
        self.restart()

    def guard(self, identity, ask=True):
        """TLS as its server. ask: for the client's certificate, whatever it is."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        if ask:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self.server.certificate(self.domain or 'a.example'))
        self.socket = context.wrap_socket(self.socket, server_side=True,
                                          suppress_ragged_eofs=False)
        self.restart()

    def rest(self):
        """The bytes up to the end of the connection, as text."""
        data = b''
        try:
            while more := self.socket.recv(65536):
                data += more
        except (ssl.SSLEOFError, ConnectionResetError):
            pass
        self.close()
        return data.decode()

    # ---- opening ----

    def open(self, header=None, **changes):
        """Sends a header; the features. changes: of its attributes, None: without."""
        self.restart()
        self.send(header or HEADER.format(attributes(**{
            'from_': self.own, 'to': self.domain, 'version': '1.0', **changes})))
        return self.take('stream:features')

    def starttls(self, identity=None):
        """From the features on; those of the secure stream."""
        self.send(STARTTLS)
        self.take('tls:proceed')
        self.show(identity)
        return self.open()

    def external(self, authzid=None):
        """What answers."""
        text = base64.b64encode(authzid.encode()).decode() if authzid else '='
        self.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>"
                  f'{text}</auth>')
        return self.take()

    def ask_bidi(self):
        self.send("<bidi xmlns='urn:xmpp:bidi'/>")

    def join(self, identity, bidi=False):
        """Up to where stanzas flow, by a certificate."""
        if not isinstance(self.socket, ssl.SSLSocket):
            self.open()
            self.starttls(identity)
        else:
            self.open()
        if bidi:
            self.ask_bidi()
        answer = self.external()
        assert answer.tag == name('sasl:success'), show(answer)
        self.features = self.open()
        return self

    # ---- being opened ----

    def greet(self, features='', id='s1', **changes):
        """Waits for the header, and answers it."""
        header = self.wait_header()
        assert header is not None, 'closed before its header'
        self.domain, self.own = header.get('from'), header.get('to')
        assert header.get('version') == '1.0'
        self.send(HEADER.format(attributes(**{'id': id, 'from_': self.own, 'to': self.domain,
                                              'version': '1.0', **changes})))
        self.send(f'<stream:features>{features}</stream:features>')
        return self

    def secure(self, identity, features, id='s2', **options):
        """Offers STARTTLS alone, and the features behind it."""
        self.greet(STARTTLS)
        self.take('tls:starttls')
        self.send(PROCEED)
        self.guard(identity, **options)
        return self.greet(features, id)

    def accept(self, features=''):
        """Lets EXTERNAL succeed."""
        auth = self.take('sasl:auth')
        assert base64.b64decode(auth.text).decode() == self.domain
        self.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
        self.restart()
        return self.greet(features, 's3')

    # ---- dialback ----

    def result(self, key='key', from_=None, to=None):
        """Wants to speak for a domain."""
        words = attributes(from_=from_ or self.own, to=to or self.domain)
        self.send(f'<db:result {words}>{key}</db:result>')

    def verify(self, id, key, from_=None, to=None):
        """Asks the server for a key that may be its own; the type of the answer."""
        words = attributes(from_=from_ or self.own, to=to or self.domain, id=id)
        self.send(f'<db:verify {words}>{key}</db:verify>')
        return self.take('db:verify', id=id).get('type')

    def refusal(self, **wanted):
        """The condition in the answer to a result."""
        answer = self.take('db:result', **wanted)
        assert answer.get('type') == 'error', show(answer)
        return find(answer, 'error')[0].tag.partition('}')[2]

    def grant(self, type='valid', **changes):
        """Answers the result that comes, and returns it."""
        asked = self.take('db:result')
        words = attributes(**{'from_': asked.get('to'), 'to': asked.get('from'), 'type': type,
                              **changes})
        self.send(f'<db:result {words}/>')
        return asked

    def judge(self, type='valid', **changes):
        """Answers the verify that comes, and returns it."""
        asked = self.take('db:verify')
        self.send('<db:verify ' + attributes(**{
            'from_': asked.get('to'), 'to': asked.get('from'), 'id': asked.get('id'),
            'type': type, **changes}) + '/>')
        return asked

    # ---- stanzas ----

    def say(self, to, body, from_=None, id=None):
        self.send(f"<message from='{from_ or f'x@{self.own}'}' to='{to}' type='chat' "
                  f"id='{id or body}'><body>{body}</body></message>")

    def ping(self, id='sync'):
        """What the server sends up to the answer, on a bidirectional stream."""
        self.send(f"<iq type='get' id='{id}' from='sync@{self.own}' to='{self.domain}'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
        self.iq(id=id)
        before, self.inbox = self.inbox, []
        return before


class Place:
    """Where the server connects to, for all domains of a test."""

    def __init__(self, backlog=2000):
        self.socket = socket.create_server(('127.0.0.1', 0), backlog=backlog)
        self.socket.settimeout(SECONDS)
        self.others = []

    @property
    def route(self):
        return 'route = "127.0.0.1:%d"' % self.socket.getsockname()[1]

    def connection(self):
        return self.socket.accept()[0]

    def take(self, server, domain):
        """The next stream to a domain, at its header; those to others wait."""
        for peer in self.others:
            if peer.header.get('to') == domain:
                self.others.remove(peer)
                return peer
        while True:
            peer = Peer.over(server, self.connection())
            header = peer.wait_header()
            if header is not None and header.get('to') == domain:
                return peer
            if header is not None:
                self.others.append(peer)

    def guarded(self, server, identity):
        """The next connection, by direct TLS."""
        peer = Peer.over(server, self.connection())
        peer.guard(identity)
        return peer

    def is_quiet(self):
        """Whether nobody has connected that was not taken."""
        self.socket.setblocking(False)
        try:
            self.others.append(Peer.over(None, self.connection()))
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(SECONDS)
        return False

    def close(self):
        self.socket.close()

"""A component of raw bytes (XEP-0114)."""
import hashlib

from harness.client import Client

CONTENT = '{jabber:component:accept}'
HEADER = ("<stream:stream xmlns='jabber:component:accept' to='{}' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")

LISTENERS = '''
listener { type = component address = "127.0.0.1" port = 0 }
listener { type = component_direct_tls address = "127.0.0.1" port = 0 }
'''


def section(domain, secret='test', **options):
    """A component in the configuration."""
    lines = [f'secret = "{secret}"', *(f'{key} = {value}' for key, value in options.items())]
    return f'component "{domain}" {{\n' + '\n'.join(lines) + '\n}\n'


class Component(Client):
    """Its elements have the names of a client's."""

    def __init__(self, server, domain, kind='component', **options):
        super().__init__(server, kind, **options)
        self.domain = domain

    def _on_event(self, event, element):
        if event == 'end':
            element.tag = element.tag.replace(CONTENT, '{jabber:client}')
        super()._on_event(event, element)

    def open(self, header=None):
        """Sends a header, and waits for the server's."""
        self.send(header or HEADER.format(self.domain))
        while self.header is None and not self.closed:
            self._receive('a header')
        return self.header

    def handshake(self, secret='test'):
        digest = hashlib.sha1((self.header.get('id') + secret).encode()).hexdigest()
        self.send(f'<handshake>{digest}</handshake>')

    def join(self, secret='test'):
        """Up to where stanzas flow."""
        self.open()
        assert self.header.get('from') == self.domain
        self.handshake(secret)
        answer = self.take('handshake')
        assert answer.text is None and len(answer) == 0
        return self

    def sync(self, user='sync'):
        """What the server has sent up to now to a user of the component (connections share the
        users), by its answer to a ping."""
        jid = f'{user}@{self.domain}'
        self.send(f"<iq type='get' id='sync' from='{jid}' to='example.org'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
        self.iq(id='sync', to=jid)
        before, self.inbox = self.inbox, []
        return before

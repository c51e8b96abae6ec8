"""Servers that find each other by routes of the configuration, without DNS (docs/federation.md): what
proves a domain, pins, who may talk to whom, and a reload that changes it."""
import base64
import signal
from pathlib import Path

import pytest

from harness import condition, find
from harness.authority import Identity

FEDERATION = '''\
federation {{
	dns_servers = {{ "127.0.0.1@1" }}
	dns_anchor = none
	connect_seconds = 5
	{federation}
}}
remote "{other}" {{
	{remote}
}}
listener {{ type = s2s address = "127.0.0.1" port = 0 }}
listener {{ type = s2s_direct_tls address = "127.0.0.1" port = 0 }}
'''

# A name that leads nowhere, at once: of this machine, and nobody listens.
NOWHERE = '127.0.0.1:1'


class Side:
    """One of two servers, and what it is told of the other."""

    def __init__(self, make_server, domain, other, host=''):
        self.domain, self.other, self.host = domain, other, host
        self.server = make_server(hosts={domain: host}, top=self.top('', f'route = "{NOWHERE}"'))
        self.account = self.server.account(domain=domain)

    def top(self, federation, remote):
        return FEDERATION.format(federation=federation, other=self.other, remote=remote)

    def port(self, kind='s2s'):
        return self.server.ports[kind]

    def pin(self):
        """Of the certificate that the server has made itself."""
        identity = Identity(Path(self.server.certificate(self.domain)), None)
        return 'sha256/' + base64.b64encode(identity.key_digest()).decode()

    def meet(self, peer, remote='', federation='', direct=False):
        """Knows where the other is from now on."""
        port = peer.port('s2s_direct_tls' if direct else 's2s')
        direct = 'direct_tls = true' if direct else ''
        self.server.write_config(hosts={self.domain: self.host}, top=self.top(
            federation, f'route = "127.0.0.1:{port}"\n{direct}\n{remote}'))
        reloads = len(self.server.log('reloaded'))
        self.server.process.send_signal(signal.SIGHUP)
        while len(self.server.log('reloaded')) == reloads:
            self.server.process.poll()

    def online(self):
        return self.server.online(self.account)


@pytest.fixture
def sides(make_server):
    return Side(make_server, 'a.example', 'b.example'), Side(make_server, 'b.example', 'a.example')


def say(sender, receiver, body):
    """Sends a message to the other side, where it comes."""
    sender.send(f"<message to='{receiver.jid}' id='{body}'><body>{body}</body></message>")
    message = receiver.message(from_=sender.jid)
    assert find(message, 'body').text == body


def refused(client, to, id='refused'):
    """The condition of the error that a message to the other side gets."""
    client.send(f"<message to='{to}' id='{id}'><body>{id}</body></message>")
    return condition(client.message(type='error', id=id))


def both_ways(a, b):
    first, second = a.online(), b.online()
    say(first, second, 'there')
    say(second, first, 'back')


def pinned(side):
    return f'pins = {{ "{side.pin()}" }}'


@pytest.mark.parametrize('direct', [False, True], ids=['starttls', 'direct'])
def test_pins(sides, direct):
    """Certificates of nobody's: the pins of both are enough."""
    a, b = sides
    a.meet(b, pinned(b), direct=direct)
    b.meet(a, pinned(a), direct=direct)
    both_ways(a, b)


def test_wrong_pin(sides):
    """Another key than the one that is pinned is refused, whatever it is worth otherwise."""
    a, b = sides
    trust = f'ca_file = "{b.server.certificate(b.domain)}"'
    a.meet(b, pinned(a), trust)
    b.meet(a, 'security = dialback')
    assert refused(a.online(), b.account.jid) == 'remote-server-not-found'


def test_nobody_signed_it(sides):
    """By default a certificate has to be of an authority."""
    a, b = sides
    a.meet(b)
    b.meet(a)
    assert refused(a.online(), b.account.jid) == 'remote-server-not-found'
    assert a.server.log('peer_certificate', remote=b.domain)


def test_authorities(sides):
    """ca_file: a certificate can be an authority for itself."""
    a, b = sides
    a.meet(b, federation=f'ca_file = "{b.server.certificate(b.domain)}"')
    b.meet(a, federation=f'ca_file = "{a.server.certificate(a.domain)}"')
    both_ways(a, b)


def test_dialback(sides):
    """Where a certificate proves nothing, dialback does, if both sides' rules say so."""
    a, b = sides
    a.meet(b, 'security = dialback')
    b.meet(a, 'security = dialback')
    both_ways(a, b)


def listed(side, kind):
    """The lines of `stentorctl federation` of a kind, in fields."""
    lines = [line.split('\t') for line in side.server.ctl('federation').stdout.splitlines()]
    return [fields[1:] for fields in lines if fields[0] == kind]


def test_listing(sides):
    """stentorctl federation: what is open, by what proof, and what has failed."""
    a, b = sides
    assert a.server.ctl('federation').stdout == ''
    client = a.online()
    refused(client, b.account.jid)
    (local, remote, state, waiting, seconds, fault, words), = listed(a, 'pair')
    assert (local, remote, state, waiting) == ('a.example', 'b.example', 'resting', '0')
    assert 0 <= int(seconds) <= 300 and fault == 'remote-server-timeout' and words
    a.meet(b, pinned(b))
    b.meet(a, pinned(a))
    second = b.online()
    say(second, client, 'there')
    for side, way in (a, 'in'), (b, 'out'):
        (local, remote, direction, proof, address, tls, bidi), = listed(side, 'stream')
        assert (local, remote) == (side.domain, side.other)
        assert (direction, proof, bidi) == (way, 'pin', 'bidi')
        assert address.startswith('127.0.0.1:') and tls.startswith('TLS1.3 ')
    assert [fields[2] for fields in listed(b, 'pair')] == ['open']


def test_nobody_is_there(sides):
    """A route that leads nowhere: each message gets its error, at once when it is known."""
    a, b = sides
    client = a.online()
    for id in 'first', 'second':
        assert refused(client, b.account.jid, id) == 'remote-server-timeout'


@pytest.mark.parametrize('federation, wanted', [
    ('block = { "b.example" }', 'not-allowed'), ('allow = { "c.example" }', 'not-allowed'),
    ('enabled = false', 'remote-server-not-found')])
def test_who_may(sides, federation, wanted):
    """A domain that is blocked, or not allowed, gets nothing from here, and may not come."""
    a, b = sides
    a.meet(b, pinned(b), federation)
    b.meet(a, pinned(a))
    assert refused(a.online(), b.account.jid) == wanted
    client = b.online()
    assert refused(client, a.account.jid).startswith('remote-server-')


def test_host_alone(make_server):
    """A host that does not federate."""
    a = Side(make_server, 'a.example', 'b.example', 'federation = false')
    assert refused(a.online(), 'x@b.example') == 'remote-server-not-found'


def test_reload_ends_it(sides):
    """A domain that is blocked by a reload is cut off, and back when it is not any more."""
    a, b = sides
    a.meet(b, pinned(b))
    b.meet(a, pinned(a))
    first, second = a.online(), b.online()
    say(first, second, 'before')
    a.meet(b, pinned(b), 'block = { "b.example" }')
    assert refused(first, second.jid) == 'not-allowed'
    a.meet(b, pinned(b))
    say(first, second, 'after')

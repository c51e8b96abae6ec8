"""Servers of raw bytes that we call: what becomes of stanzas whose server goes wrong (RFC 6120
sections 5, 6, 10.4, XEP-0178, XEP-0198, XEP-0288; docs/federation.md)."""
import pytest

from harness import StreamClosed, condition
from harness.authority import Authority
from harness.s2s import DIALBACK, EXTERNAL, SM, Place, federation

OURS, THEIRS = 'a.example', 'b.example'
USER = f'x@{THEIRS}'


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def place():
    place = Place()
    yield place
    place.close()


@pytest.fixture
def server(make_server, authority, place):
    return make_server(hosts={OURS: ''}, top=federation(authority, {THEIRS: place.route}))


@pytest.fixture
def juliet(server):
    return server.online(server.account(domain=OURS))


def stream_error(peer):
    """The condition with which the server ends the stream."""
    error = peer.take('stream:error')
    peer.wait_closed()
    return error[0].tag.partition('}')[2]


def write(client, *ids):
    client.send(''.join(f"<message to='{USER}' id='{i}' type='chat'><body>{i}</body></message>"
                        for i in ids))


def refusals(client, count):
    """The conditions of the next errors, and the ids of what they are about."""
    errors = [client.message(type='error') for _ in range(count)]
    return {condition(e) for e in errors}, [e.get('id') for e in errors]


def secured(server, place, authority, features, domain=THEIRS):
    """The stream that the server opens, behind TLS."""
    peer = place.take(server, THEIRS)
    peer.secure(authority.issue(domain), features, ask=False)
    return peer


def managed(server, place, authority):
    """One with stream management that takes stanzas."""
    peer = secured(server, place, authority, EXTERNAL).accept(SM)
    peer.take('sm:enable')
    peer.send("<enabled xmlns='urn:xmpp:sm:3'/>")
    return peer


# ---- what waits ----

def test_queue_goes_out_in_order(server, authority, place, juliet):
    """What waits while a stream comes up goes first, and nothing overtakes it (section 10.1)."""
    ids = [str(i) for i in range(300)]
    write(juliet, *ids[:150])
    peer = place.take(server, THEIRS)
    write(juliet, *ids[150:])
    peer.secure(authority.issue(THEIRS), EXTERNAL, ask=False)
    peer.accept()
    assert [peer.message().get('id') for _ in ids] == ids


def test_connection_that_ends(server, place, juliet):
    """Each stanza that waited gets its error, once; what follows gets it at once, and nobody is
    dialled for a while (section 10.4)."""
    ids = [str(i) for i in range(10)]
    write(juliet, *ids)
    place.take(server, THEIRS).close()
    assert refusals(juliet, 10) == ({'remote-server-timeout'}, ids)
    write(juliet, 'later')
    assert refusals(juliet, 1) == ({'remote-server-timeout'}, ['later'])
    assert place.is_quiet()


def test_dialback_in_the_header_alone(server, authority, place, juliet):
    """XEP-0220 section 2.4.1: who declares it in the header can be asked, whatever is offered."""
    write(juliet, 'a', 'b')
    peer = secured(server, place, authority, '')
    peer.grant()
    assert [peer.message().get('id') for _ in range(2)] == ['a', 'b']


# ---- who it is ----

def test_certificate_of_somebody_else(server, authority, place, juliet):
    """Section 13.7.2: nothing is sent to who does not prove to be the domain."""
    write(juliet, 'secret')
    with pytest.raises((StreamClosed, AssertionError, OSError)):
        secured(server, place, authority, EXTERNAL, 'c.example').take('sasl:auth')
    assert refusals(juliet, 1) == ({'remote-server-not-found'}, ['secret'])


def test_without_tls(server, place, juliet):
    """Section 5.3.1: a server that offers no TLS gets nothing."""
    write(juliet, 'clear')
    place.take(server, THEIRS).greet(DIALBACK)
    assert refusals(juliet, 1)[1] == ['clear']


# ---- who we are ----

def test_dialback_when_external_is_refused(server, authority, place, juliet):
    """XEP-0178 section 3, item 10"""
    write(juliet, 'm')
    peer = secured(server, place, authority, EXTERNAL + DIALBACK)
    peer.take('sasl:auth')
    peer.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
    peer.grant()
    assert peer.message().get('id') == 'm'


def test_dialback_is_refused(server, authority, place, juliet):
    """XEP-0220 section 2.2.1"""
    write(juliet, 'm')
    secured(server, place, authority, DIALBACK).grant('invalid')
    assert refusals(juliet, 1) == ({'remote-server-not-found'}, ['m'])


# ---- one way ----

def test_stanza_on_a_stream_that_goes_one_way(server, authority, place, juliet):
    """XEP-0288: without it nothing comes back on our own stream (RFC 6120 section 4.9.3.9)."""
    write(juliet, 'm')
    peer = secured(server, place, authority, EXTERNAL).accept()
    peer.message(id='m')
    peer.say(juliet.jid, 'back')
    assert stream_error(peer) == 'invalid-from'


# ---- stream management ----

def test_what_was_not_acknowledged(server, authority, place, juliet):
    """XEP-0198: what the peer has not taken over when its stream is lost gets
    remote-server-timeout, once; what it has does not."""
    write(juliet, 'a', 'b', 'c')
    peer = managed(server, place, authority)
    assert [peer.message().get('id') for _ in range(3)] == ['a', 'b', 'c']
    peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    write(juliet, 'd')
    peer.message(id='d')
    peer.reset()
    assert refusals(juliet, 2) == ({'remote-server-timeout'}, ['c', 'd'])
    assert juliet.ask("<query xmlns='jabber:iq:roster'/>").get('type') == 'result'
    assert not [m for m in juliet.inbox if m.get('type') == 'error']


def test_more_is_acknowledged_than_was_sent(server, authority, place, juliet):
    """XEP-0198 section 4"""
    write(juliet, 'a')
    peer = managed(server, place, authority)
    peer.message(id='a')
    peer.send("<a xmlns='urn:xmpp:sm:3' h='7'/>")
    assert stream_error(peer) == 'undefined-condition'
    assert refusals(juliet, 1) == ({'remote-server-timeout'}, ['a'])

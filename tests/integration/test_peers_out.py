"""Servers of raw bytes that we call: what becomes of stanzas whose server goes wrong (RFC 6120
sections 5, 6, 10.4, XEP-0178, XEP-0198, XEP-0288; docs/federation.md)."""
import time

import pytest

from harness import StreamClosed, condition
from harness.authority import Authority
from harness.s2s import (BIDI, DIALBACK, EXTERNAL, PROCEED, SM, STARTTLS, Peer, Place, attributes,
                         federation, reload)

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
    assert refusals(juliet, 1) == ({'remote-server-not-found'}, ['clear'])


def test_certificate_that_expires(server, authority, place, juliet):
    """Section 13.7.2.3: a stream does not outlive what proved its domain; the next stanza opens
    another."""
    write(juliet, 'a')
    peer = place.take(server, THEIRS)
    peer.secure(authority.issue(THEIRS, days=(-1, 4 / 86400)), EXTERNAL, ask=False)
    peer.accept().message(id='a')
    assert stream_error(peer) == 'reset'
    write(juliet, 'b')
    secured(server, place, authority, EXTERNAL).accept().message(id='b')


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


def test_enabling_is_refused(make_server, authority, place):
    """XEP-0198 section 3: who will not is not asked again for another domain of ours."""
    server = make_server(hosts={OURS: '', 'second.example': ''}, top=federation(
        authority, {THEIRS: f'{place.route}\nsecurity = dialback'}))
    romeo, juliet = (server.online(server.account(domain=domain))
                     for domain in ('second.example', OURS))
    write(juliet, 'a')
    peer = secured(server, place, authority, DIALBACK + SM)
    peer.grant()
    peer.take('sm:enable')
    peer.send("<failed xmlns='urn:xmpp:sm:3'><unexpected-request "
              "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
    peer.message(id='a')
    write(romeo, 'b')
    assert peer.grant().get('from') == 'second.example'
    peer.message(id='b')
    assert peer.inbox == []


def test_more_is_acknowledged_than_was_sent(server, authority, place, juliet):
    """XEP-0198 section 4"""
    write(juliet, 'a')
    peer = managed(server, place, authority)
    peer.message(id='a')
    peer.send("<a xmlns='urn:xmpp:sm:3' h='7'/>")
    assert stream_error(peer) == 'undefined-condition'
    assert refusals(juliet, 1) == ({'remote-server-timeout'}, ['a'])


# ---- servers that stand still ----

# How far each gets before it says nothing more.
def at_connection(peer, identity):
    pass


def at_features(peer, identity):
    peer.send("<stream:stream xmlns='jabber:server' id='1' version='1.0' "
              "xmlns:stream='http://etherx.jabber.org/streams'>")


def at_starttls(peer, identity):
    peer.greet(STARTTLS).take('tls:starttls')


def at_handshake(peer, identity):
    peer.greet(STARTTLS).take('tls:starttls')
    peer.send(PROCEED)


def at_external(peer, identity):
    peer.secure(identity, EXTERNAL, ask=False).take('sasl:auth')


def at_success(peer, identity):
    at_external(peer, identity)
    peer.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")


def at_dialback(peer, identity):
    peer.secure(identity, DIALBACK, ask=False).take('db:result')


STEPS = [at_connection, at_features, at_starttls, at_handshake, at_external, at_success,
         at_dialback]


def test_standing_still(make_server, authority):
    """connect_seconds: wherever a server stands still, what waits for it gets its error once, in
    time, and other servers get theirs meanwhile."""
    places = [Place() for _ in STEPS]
    good = Place()
    remotes = {f'd{n}.example': place.route for n, place in enumerate(places)}
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {**remotes, THEIRS: good.route},
        'connect_seconds = 4\nqueue_seconds = 3600'), limits='login_seconds = 60')
    juliet = server.online(server.account(domain=OURS))
    for domain in remotes:
        juliet.send(f"<message to='x@{domain}' id='{domain}'/>")
    stuck = []
    for step, (domain, place) in zip(STEPS, zip(remotes, places)):
        stuck.append(place.take(server, domain))
        step(stuck[-1], authority.issue(domain))
    write(juliet, 'other')
    peer = good.take(server, THEIRS).secure(authority.issue(THEIRS), EXTERNAL, ask=False).accept()
    peer.message(id='other')
    found, ids = refusals(juliet, len(STEPS))
    assert (found, sorted(ids)) == ({'remote-server-timeout'}, sorted(remotes))
    for each in stuck:
        each.wait_closed()
    assert juliet.sync() == []
    for place in [*places, good]:
        place.close()


def test_verdict_that_never_comes(make_server, authority, place):
    """connect_seconds, for a question of dialback: who asked is told, and the next is asked
    anew."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: f'{place.route}\nsecurity = none'}, 'connect_seconds = 2'))
    peer = Peer(server, THEIRS)
    peer.open()
    peer.result('first')
    authoritative = place.take(server, THEIRS).greet(DIALBACK)
    assert authoritative.take('db:verify').text == 'first'
    assert peer.refusal() == 'remote-server-timeout'
    other = Peer(server, THEIRS)
    other.open()
    other.result('second')
    assert authoritative.judge().text == 'second'
    assert other.take('db:result').get('type') == 'valid'


def test_question_while_external_is_under_way(make_server, authority, place):
    """A question of dialback waits for the outcome of our EXTERNAL on the same stream, and does not
    fail."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: f'{place.route}\nsecurity = dialback'}))
    juliet = server.online(server.account(domain=OURS))
    write(juliet, 'm')
    out = secured(server, place, authority, EXTERNAL + DIALBACK)
    out.take('sasl:auth')
    peer = Peer(server, THEIRS)
    peer.open()
    peer.starttls()
    peer.result('key')
    peer.verify('x', 'y')  # the result was taken
    out.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    out.restart()
    out.greet(DIALBACK, 's3')
    assert out.judge().text == 'key'
    assert peer.take('db:result').get('type') == 'valid'
    assert out.message().get('id') == 'm'


def test_question_to_one_that_stands_still(make_server, authority, place):
    """connect_seconds, where a question of dialback waits, too: it is not tried at once again."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: f'{place.route}\nsecurity = none'}, 'connect_seconds = 2'))
    juliet = server.online(server.account(domain=OURS))
    write(juliet, 'm')
    place.take(server, THEIRS)
    time.sleep(1)
    peer = Peer(server, THEIRS)
    peer.open()
    peer.result()
    assert peer.refusal() == 'remote-server-timeout'
    assert refusals(juliet, 1) == ({'remote-server-timeout'}, ['m'])
    assert juliet.sync() == []
    assert place.is_quiet()


def test_verdicts_that_never_come(make_server, authority, place):
    """As many questions as may be asked on a stream, none of them answered: when nobody waits for
    that any more, others are asked there."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: f'{place.route}\nsecurity = none'}, 'connect_seconds = 2'))
    peers = [Peer(server, THEIRS) for _ in range(64)]
    for peer in peers:
        peer.open()
        peer.result('never')
    authoritative = place.take(server, THEIRS).greet(DIALBACK)
    for peer in peers:
        assert peer.refusal() == 'remote-server-timeout'
    last = Peer(server, THEIRS)
    last.open()
    last.result('last')
    while (asked := authoritative.take('db:verify')).text != 'last':
        pass
    authoritative.inbox.append(asked)
    authoritative.judge()
    assert last.take('db:result').get('type') == 'valid'


def test_question_on_a_stream_that_was_idle(make_server, authority, place):
    """idle_seconds begins anew with each question of dialback."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: f'{place.route}\nsecurity = none'}, 'idle_seconds = 10'))
    peer, other = Peer(server, THEIRS), Peer(server, THEIRS)
    peer.open()
    peer.result('first')
    authoritative = place.take(server, THEIRS).greet(DIALBACK)
    assert authoritative.judge().text == 'first'
    time.sleep(8)
    other.open()
    other.result('second')
    asked = authoritative.take('db:verify')
    time.sleep(4)
    authoritative.inbox.append(asked)
    authoritative.judge()
    assert other.take('db:result').get('type') == 'valid'


# ---- servers that refuse ----

@pytest.mark.parametrize('error, wanted', [
    ('host-unknown', 'remote-server-not-found'), ('host-gone', 'remote-server-not-found'),
    ('not-authorized', 'remote-server-not-found'), ('policy-violation', 'remote-server-not-found'),
    ('system-shutdown', 'remote-server-timeout'), ('no-such-error', 'remote-server-timeout')])
def test_stream_errors(server, place, juliet, error, wanted):
    """Section 4.9: what the server ended the stream for is what our own are told of it."""
    write(juliet, 'm')
    peer = place.take(server, THEIRS).greet(STARTTLS)
    peer.send(f"<stream:error><{error} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
              '</stream:error>')
    peer.take('tls:starttls')
    peer.wait_end()
    assert refusals(juliet, 1) == ({wanted}, ['m'])


def test_starttls_is_refused(server, place, juliet):
    """Section 5.4.2.2"""
    write(juliet, 'm')
    peer = place.take(server, THEIRS).greet(STARTTLS)
    peer.take('tls:starttls')
    peer.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
    peer.wait_closed()
    assert refusals(juliet, 1) == ({'remote-server-not-found'}, ['m'])


def test_no_way_to_prove_it(server, authority, place, juliet):
    """Neither EXTERNAL nor dialback, which asks for an id of the stream."""
    write(juliet, 'm')
    peer = place.take(server, THEIRS).greet(STARTTLS)
    peer.take('tls:starttls')
    peer.send(PROCEED)
    peer.guard(authority.issue(THEIRS), ask=False)
    peer.greet('', id=None)
    peer.wait_end()
    assert refusals(juliet, 1) == ({'remote-server-not-found'}, ['m'])


@pytest.mark.parametrize('data', [
    b'HTTP/1.1 400 Bad Request\r\n\r\n', b'\x15\x03\x01\x00\x02\x02\x28', b'\xff' * 100,
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' "
    b"version='1.0'>", b"<stream:stream xmlns='jabber:server' id='" + b'x' * 100000])
def test_no_server_at_all(server, place, juliet, data):
    """Whatever answers: the stream ends, and with it the waiting."""
    write(juliet, 'm')
    peer = place.take(server, THEIRS)
    peer.send(data)
    peer.wait_closed()
    assert refusals(juliet, 1) == ({'remote-server-timeout'}, ['m'])
    assert juliet.sync() == []


def test_answers_from_the_wrong_side(server, authority, place, juliet):
    """XEP-0220 section 3.1: only who was asked can grant, for the domains it was asked about."""
    write(juliet, 'm')
    peer = secured(server, place, authority, DIALBACK)
    asked = peer.take('db:result')
    for words in (attributes(from_='c.example', to=OURS, type='valid'),
                  attributes(from_=OURS, to=THEIRS, type='valid')):
        peer.send(f'<db:result {words}/>')
    peer.send(f"<db:result {attributes(from_=asked.get('to'), to=asked.get('from'))} "
              "type='invalid'/>")
    assert refusals(juliet, 1) == ({'remote-server-not-found'}, ['m'])
    assert peer.inbox == []


# ---- both ways ----

def test_both_ways_on_our_stream(server, authority, place, juliet):
    """XEP-0288: on our stream stanzas of the domain it goes to come back, and no others."""
    write(juliet, 'm')
    peer = secured(server, place, authority, EXTERNAL + BIDI)
    assert peer.take().tag == '{urn:xmpp:bidi}bidi'
    peer.accept().message(id='m')
    peer.say(juliet.jid, 'back')
    assert juliet.message().get('id') == 'back'
    peer.say(juliet.jid, 'forged', from_='x@c.example')
    assert stream_error(peer) == 'invalid-from'


def test_keys_on_our_stream(make_server, authority, place):
    """XEP-0288 section 2.2: a server that we called asks to speak for another domain, and to another
    of ours; the key is for the id that it gave the stream, and goes over another one."""
    rules = f'{place.route}\nsecurity = dialback'
    server = make_server(hosts={OURS: '', 'second.example': ''},
                         top=federation(authority, {'*.example': rules}))
    juliet, romeo = (server.online(server.account(domain=domain))
                     for domain in (OURS, 'second.example'))
    write(juliet, 'm')
    peer = place.take(server, THEIRS)
    peer.secure(authority.issue(THEIRS, self_signed=True), DIALBACK + BIDI, ask=False)
    assert peer.take().tag == '{urn:xmpp:bidi}bidi'
    peer.grant()
    peer.message(id='m')
    for from_, to, person in (('c.example', OURS, juliet), (THEIRS, 'second.example', romeo)):
        peer.result(from_=from_, to=to)
        authoritative = place.take(server, from_)
        authoritative.secure(authority.issue(from_), DIALBACK, ask=False)
        asked = authoritative.judge()
        assert (asked.get('id'), asked.get('from'), asked.get('to')) == ('s2', to, from_)
        assert peer.take('db:result', to=from_).get('type') == 'valid'
        peer.say(person.jid, 'back', from_=f'x@{from_}')
        person.message(id='back')


# ---- where they are ----

def test_second_address(make_server, authority, place):
    """RFC 8305 section 5: the first address (::1) refuses, the second is taken."""
    route = place.route.replace('127.0.0.1', 'localhost')
    server = make_server(hosts={OURS: ''}, top=federation(authority, {THEIRS: route}))
    juliet = server.online(server.account(domain=OURS))
    write(juliet, 'm')
    secured(server, place, authority, EXTERNAL).accept().message(id='m')


def test_domain_that_leads_to_us(make_server, authority):
    """A domain that is said to be here, and is not: host-unknown, once, and no storm."""
    server = make_server(hosts={OURS: ''}, top=federation(authority, {}))
    for kind, direct in (('s2s', 'false'), ('s2s_direct_tls', 'true')):
        domain = kind.replace('_', '-') + '.example'
        route = f'route = "127.0.0.1:{server.ports[kind]}"\ndirect_tls = {direct}'
        reload(server, hosts={OURS: ''},
               top=federation(authority, {domain: f'{route}\nsecurity = dialback'}))
        juliet = server.online(server.account(domain=OURS))
        before = server.stats()['connections_accepted']
        for n in range(20):
            juliet.send(f"<message to='x@{domain}' id='{n}'/>")
        assert refusals(juliet, 20) == ({'remote-server-not-found'}, [str(n) for n in range(20)])
        assert juliet.sync() == []
        assert server.stats()['connections_accepted'] == before + 1


# ---- bounds and life ----

def test_full_queue(make_server, authority, place):
    """queue_bytes: what has no room is refused at once, the rest comes in order."""
    server = make_server(hosts={OURS: ''}, limits='stanza_bytes = 20000', top=federation(
        authority, {THEIRS: place.route}, 'queue_bytes = 64K'))
    juliet = server.online(server.account(domain=OURS))
    for n in range(20):
        juliet.send(f"<message to='{USER}' id='{n}'><body>{'x' * 15000}</body></message>")
    found, refused = refusals(juliet, 16)
    assert found == {'resource-constraint'}
    assert [int(n) for n in refused] == list(range(4, 20))
    peer = secured(server, place, authority, EXTERNAL).accept()
    assert [peer.message().get('id') for _ in range(4)] == [str(n) for n in range(4)]


def test_too_many_at_once(make_server, authority, place):
    """Domains that nobody has heard of are connected to up to a bound, and others later."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {'*.example': place.route}), shards=2)
    juliet = server.online(server.account(domain=OURS))
    for n in range(1100):
        juliet.send(f"<message to='x@d{n}.example' id='{n}'/>")
    assert refusals(juliet, 1100 - 1024)[0] == {'resource-constraint'}
    server.wait_stat('peer_streams', 1024)
    assert juliet.sync() == []


def test_time_in_the_queue(make_server, authority, place):
    """queue_seconds: the error comes in time, and what is younger goes out when the stream is
    there."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: place.route}, 'queue_seconds = 2'))
    juliet = server.online(server.account(domain=OURS))
    write(juliet, 'old')
    peer = place.take(server, THEIRS)
    assert refusals(juliet, 1) == ({'remote-server-timeout'}, ['old'])
    write(juliet, 'young')
    peer.secure(authority.issue(THEIRS), EXTERNAL, ask=False)
    assert peer.accept().message().get('id') == 'young'


def test_back_after_a_rest(server, authority, place, juliet):
    """After a failure nothing is tried for a while; then it is, and what comes then goes out."""
    write(juliet, 'early')
    place.take(server, THEIRS).close()
    refusals(juliet, 1)
    n = 0
    while place.is_quiet():
        write(juliet, f'try {n}')
        juliet.sync()
        n += 1
    write(juliet, 'late')
    peer = place.others.pop()
    peer.server = server
    peer.secure(authority.issue(THEIRS), EXTERNAL, ask=False).accept().message(id='late')


def test_reload_blocks_whom_we_call(server, authority, place, juliet):
    """A domain that is blocked while a stream to it comes up, and while one is there."""
    def rules(more=''):
        reload(server, hosts={OURS: ''}, top=federation(authority, {THEIRS: place.route}, more))

    write(juliet, 'waits')
    peer = place.take(server, THEIRS)
    rules(f'block = {{ "{THEIRS}" }}')
    peer.wait_closed()
    assert refusals(juliet, 1) == ({'not-allowed'}, ['waits'])
    rules()
    write(juliet, 'm')
    peer = secured(server, place, authority, EXTERNAL).accept()
    peer.message(id='m')
    rules(f'block = {{ "{THEIRS}" }}')
    assert stream_error(peer) == 'policy-violation'
    write(juliet, 'no')
    assert refusals(juliet, 1) == ({'not-allowed'}, ['no'])


def test_stop(server, authority, place, juliet):
    """Section 4.9.3.19, on streams of ours too."""
    write(juliet, 'm')
    peer = secured(server, place, authority, EXTERNAL).accept()
    peer.message(id='m')
    server.stop()
    assert stream_error(peer) == 'system-shutdown'


def enabled(server, account):
    """A client with stream management that may resume, and its id."""
    client = server.online(account)
    client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    return client, client.take('sm:enabled').get('id')


def stopped(server, *clients):
    """The server has ended the streams of clients, and then itself; what they got before."""
    server.process.terminate()
    for client in clients:
        while not client.ended:
            client._receive('the end of the stream')
        client.close()
    server.wait()
    return [[(m.get('id'), condition(m)) for m in client.inbox if m.get('type') == 'error']
            for client in clients]


def test_what_waits_at_a_stop(server, place, juliet):
    """Whoever can be told is told that it did not go out."""
    write(juliet, 'a', 'b')
    place.take(server, THEIRS)
    assert stopped(server, juliet) == [[(i, 'remote-server-timeout') for i in ('a', 'b')]]


def test_not_acknowledged_at_a_stop(server, authority, place, juliet):
    """XEP-0198: what the peer has not taken over when we stop comes back to who sent it."""
    others = [server.online(server.account(domain=OURS)) for _ in range(6)]
    write(juliet, 'a', 'b')
    peer = managed(server, place, authority)
    peer.message(id='b')
    peer.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    for n, other in enumerate(others):
        write(other, f'o{n}')
        peer.message(id=f'o{n}')
    told = stopped(server, juliet, *others)
    assert told == [[(i, 'remote-server-timeout')] for i in ('b', *(f'o{n}' for n in range(6)))]


def test_kept_by_the_client_at_a_stop(server, authority, place):
    """XEP-0198: a client that was not told that its message is handled sends it again when it
    comes back, so it gets no error."""
    account = server.account(domain=OURS)
    client, id = enabled(server, account)
    write(client, 'a', 'b')
    peer = managed(server, place, authority)
    peer.message(id='b')
    peer.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    while client.take('sm:a').get('h') != '1':
        client.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert stopped(server, client) == [[]]
    server.start()
    again = server.secure(OURS)
    again.authenticate(account)
    again.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{id}'/>")
    assert again.take('sm:resumed').get('h') == '1'
    again.jid = client.jid
    assert [m for m in again.sync() if m.get('type') == 'error'] == []


def test_idle(make_server, authority, place):
    """idle_seconds: a stream that nobody uses is closed in order, and made anew when needed."""
    server = make_server(hosts={OURS: ''}, top=federation(
        authority, {THEIRS: place.route}, 'idle_seconds = 10'))
    juliet = server.online(server.account(domain=OURS))
    write(juliet, 'm')
    peer = secured(server, place, authority, EXTERNAL).accept()
    peer.message(id='m')
    peer.wait_end()
    assert peer.inbox == []
    write(juliet, 'again')
    secured(server, place, authority, EXTERNAL).accept().message(id='again')

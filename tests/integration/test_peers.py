"""Servers that come, by raw bytes: who they prove to be, what they may say, and how much of it (RFC
6120, XEP-0178, XEP-0198, XEP-0220, XEP-0288)."""
import itertools
import socket
import time

import pytest

from harness import Client, Server, StreamClosed, condition, find, text_of
from harness.authority import Authority
from harness.client import failure, mechanisms
from harness.s2s import DIALBACK, HEADER, STARTTLS, Peer, Place, attributes, federation, reload
from harness.xmpp import name

HOSTS = {'a.example': '', 'second.example': '', 'alone.example': 'federation = false'}
NUMBERS = itertools.count(1)


@pytest.fixture(scope='module')
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp('authority'))


@pytest.fixture(scope='module')
def place():
    made = Place()
    yield made
    made.close()


def top(authority, place, more=''):
    """Domains within clear.example need no TLS and prove themselves by dialback, those within
    dialback.example need TLS; all others need a certificate."""
    return federation(authority, {
        '*.example': place.route,
        '*.clear.example': f'{place.route}\nsecurity = none',
        '*.dialback.example': f'{place.route}\nsecurity = dialback',
        '*.nowhere.example': 'route = "127.0.0.1:1"\nsecurity = none',
    }, more or 'block = { "blocked.example", "*.blocked.example" }')


@pytest.fixture(scope='module')
def options(authority, place):
    return {'hosts': HOSTS, 'top': top(authority, place)}


@pytest.fixture(scope='module')
def server(options):
    made = Server(**options)
    try:
        yield made.start()
        made.stop()
    finally:
        made.remove()


@pytest.fixture(scope='module')
def witness(server):
    client = server.online(server.account('witness', 'a.example'))
    Client.open_ones.discard(client)
    yield client
    client.close()


@pytest.fixture
def person(server):
    return server.online(server.account(domain='a.example'))


def fresh(within):
    """A domain that no other test has."""
    return f'd{next(NUMBERS)}.{within}.example'


def issue(authority, domain, **options):
    return authority.issue(domain, **options)


def known(server, authority, bidi=True, **options):
    """A peer that a certificate has proved."""
    own = fresh('known')
    return Peer(server, own, **options).join(authority.issue(own), bidi)


def by_dialback(server, place, own=None):
    """A peer that has asked to speak for a domain over a clear stream, and the stream on which the
    server asks who is authoritative for it."""
    own = own or fresh('clear')
    peer = Peer(server, own)
    peer.open()
    peer.result()
    return peer, place.take(server, own).greet(DIALBACK)


# ---- headers ----

def header(**changes):
    return HEADER.format(attributes(**{'from_': 'b.example', 'to': 'a.example', 'version': '1.0',
                                       **changes}))


HEADERS = [
    (b'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n', 'not-well-formed'),
    (b"<!DOCTYPE stream [<!ENTITY a 'a'>]>", 'restricted-xml'),
    (header().replace('jabber:server', 'jabber:client', 1), 'invalid-namespace'),
    (header().replace('jabber:server', 'jabber:component:accept', 1), 'invalid-namespace'),
    (header().replace('etherx.jabber.org/streams', 'etherx.jabber.org/x'), 'invalid-namespace'),
    (header(to=None), 'improper-addressing'),
    (header(from_='x@b.example/r y'), 'improper-addressing'),
    (header(to='unserved.example'), 'host-unknown'),
    (header(to='alone.example'), 'host-unknown'),
    (header(from_='second.example'), 'invalid-from'),
    (header(from_='a.example'), 'invalid-from'),
    (header(from_='blocked.example'), 'policy-violation'),
    (header(from_='x.blocked.example'), 'policy-violation'),
    (header(version=None), 'unsupported-version'),
    (header(version='x'), 'unsupported-version'),
    ("<stream:stream xmlns='jabber:server' to='" + 'x' * 20000, 'policy-violation'),
    (header() + "<message from='x@b.example' to='x@a.example'/>", 'not-authorized'),
    (header() + "<x xmlns='urn:nobody:knows'/>", 'unsupported-stanza-type'),
    (header().encode() + b'\xff', 'unsupported-encoding'),
]


@pytest.mark.parametrize('data, wanted', HEADERS)
def test_header(server, others_are_served, data, wanted):
    """RFC 6120 sections 4.7 to 4.9, 5.3.1: an error behind a header, then the end."""
    peer = Peer(server, 'b.example')
    peer.send(data)
    assert peer.stream_error() == wanted


def test_nobody_named(server):
    """RFC 6120 section 4.7.1: a header without `from` gets on, but not by EXTERNAL."""
    peer = Peer(server, None)
    peer.open()
    assert mechanisms(peer.starttls()) == []


def test_old_and_clear(server, place):
    """RFC 6120 section 4.7.5: a header without version gets no features, only dialback."""
    peer = Peer(server, fresh('clear'))
    peer.send(HEADER.format(attributes(from_=peer.own, to='a.example')))
    assert peer.wait_header().get('version') is None
    peer.result()
    place.take(server, peer.own).greet(DIALBACK).judge()
    assert peer.take().get('type') == 'valid'


def test_nothing_before_tls(server):
    """RFC 6120 section 5.3.1: only STARTTLS is offered, and dialback is refused until then."""
    peer = Peer(server, fresh('dialback'))
    features = peer.open()
    assert [child.tag for child in features] == [name('tls:starttls')]
    peer.result()
    assert peer.refusal() == 'policy-violation'


def test_injection(server):
    """RFC 6120 section 5.4.3.3: what is pipelined behind <starttls/> is no part of the stream."""
    peer = Peer(server, 'b.example')
    peer.open()
    peer.send(STARTTLS + '<db:result/>')
    peer.wait_closed()


# ---- certificates ----

CERTIFICATES = {
    'dns': {},
    'dns and client use': {'client': True},
    'wildcard': {'dns': ('*.known.example',)},
    'SRVName': {'dns': (), 'srv': ('{own}',)},
    'xmppAddr': {'dns': (), 'xmpp': ('{own}',)},
}


@pytest.mark.parametrize('kind', CERTIFICATES)
def test_right_certificate(server, authority, kind, person):
    """RFC 6120 section 13.7.1.2: each kind of identity proves the domain; use by clients is not
    asked for, as public authorities do not grant it to servers."""
    own = fresh('known')
    options = {key: tuple(v.format(own=own) for v in value) if isinstance(value, tuple) else value
               for key, value in CERTIFICATES[kind].items()}
    peer = Peer(server, own).join(authority.issue(own, **options))
    peer.say(person.jid, 'hello')
    assert text_of(person.message(), 'body') == 'hello'


WRONG = {
    'another name': {'dns': ('other.example',)},
    'expired': {'days': (-30, -1)},
    'not valid yet': {'days': (1, 30)},
    'of nobody': {'self_signed': True},
    'wildcard of two labels': {'dns': ('*.example',)},
    'wildcard of a part': {'dns': ('d*.known.example',)},
    'wildcard of all': {'dns': ('*',)},
    'subject besides another name': {'dns': (), 'xmpp': ('other.example',)},
    'SRVName of another': {'dns': (), 'srv': ('other.example',)},
}


def is_refused(peer, identity):
    """EXTERNAL is not offered, does not work, and dialback changes nothing."""
    peer.open()
    assert 'EXTERNAL' not in mechanisms(peer.starttls(identity))
    assert failure(peer.external()) == 'invalid-mechanism'
    peer.result()
    assert peer.refusal() == 'not-authorized'
    peer.say('x@a.example', 'in vain')
    assert peer.stream_error() == 'not-authorized'


@pytest.mark.parametrize('kind', WRONG)
def test_wrong_certificate(server, authority, place, kind):
    """RFC 6120 section 13.7.2, RFC 6125 section 6.4."""
    own = fresh('known')
    is_refused(Peer(server, own), authority.issue(own, **WRONG[kind]))
    assert place.is_quiet()


def expiring(authority, domain, **options):
    """A certificate that is right for some seconds."""
    return authority.issue(domain, days=(-1, 4 / 86400), **options)


def test_certificate_that_expires(server, authority, others_are_served):
    """RFC 6120 section 13.7.2.3: a stream does not outlive what proved its domain."""
    own = fresh('known')
    peer = Peer(server, own).join(expiring(authority, own), bidi=True)
    lasting = known(server, authority)
    assert peer.ping() == []
    assert peer.stream_error() == 'reset'
    assert lasting.ping() == []


def test_certificate_that_proved_nothing_expires(server, authority, place):
    """The same certificate beside dialback, which is as right as before."""
    own = fresh('dialback')
    peer = Peer(server, own)
    peer.open()
    peer.starttls(expiring(authority, own, self_signed=True))
    peer.result()
    place.take(server, own).secure(authority.issue(own), DIALBACK, ask=False).judge()
    assert peer.take('db:result').get('type') == 'valid'
    time.sleep(6)
    assert peer.verify('x', 'y') == 'invalid'


def test_certificate_of_another_authority(server, tmp_path):
    own = fresh('known')
    is_refused(Peer(server, own), Authority(tmp_path).issue(own))


def test_no_certificate(server):
    is_refused(Peer(server, fresh('known')), None)


def test_other_authzid(server, authority):
    """XEP-0178 section 3, item 11: the identity is that of the header."""
    own = fresh('known')
    peer = Peer(server, own)
    peer.open()
    peer.starttls(authority.issue(own, dns=(own, 'b.example')))
    assert failure(peer.external('b.example')) == 'invalid-authzid'
    assert failure(peer.external('x y')) == 'invalid-authzid'
    assert peer.external(own).tag == name('sasl:success')


def test_too_many_tries(server, authority):
    """RFC 6120 section 6.4.5: a number of failures is enough."""
    own = fresh('known')
    peer = Peer(server, own)
    peer.open()
    peer.starttls(authority.issue(own))
    for _ in range(19):
        assert failure(peer.external('other.example')) == 'invalid-authzid'
    assert failure(peer.external('other.example')) == 'invalid-authzid'
    assert peer.stream_error() == 'policy-violation'


def test_names_change_behind_sasl(server, authority):
    """RFC 6120 section 6.4.6: the header behind SASL names who was authenticated."""
    for changes, wanted in (({'from_': 'other.example'}, 'invalid-from'),
                            ({'to': 'second.example'}, 'host-unknown')):
        own = fresh('known')
        peer = Peer(server, own)
        peer.open()
        peer.starttls(authority.issue(own))
        peer.external()
        with pytest.raises(StreamClosed):
            peer.open(**changes)
        assert peer.stream_error() == wanted


def test_direct_tls(server, authority, person):
    """XEP-0368: TLS from the first byte, for servers."""
    own = fresh('known')
    peer = Peer(server, own, kind='s2s_direct_tls', identity=authority.issue(own))
    peer.join(None, bidi=True)
    peer.say(person.jid, 'direct')
    assert person.message(from_=f'x@{own}').get('id') == 'direct'
    assert peer.ping() == []


def test_dialback_by_certificate(server, authority, place):
    """Who has proved by its certificate who it is need not be asked back."""
    own = fresh('known')
    peer = Peer(server, own)
    peer.open()
    peer.starttls(authority.issue(own))
    peer.result('whatever')
    assert peer.take('db:result').get('type') == 'valid'
    assert place.is_quiet()


# ---- dialback ----

def test_dialback(server, place, person):
    """XEP-0220 section 2.1: the key goes to who is authoritative, with the id of the stream."""
    own = fresh('clear')
    peer = Peer(server, own)
    peer.open()
    id = peer.header.get('id')
    peer.result('a key')
    asked = place.take(server, own).greet(DIALBACK).judge()
    assert (asked.get('id'), asked.text) == (id, 'a key')
    assert (asked.get('from'), asked.get('to')) == ('a.example', own)
    answer = peer.take('db:result')
    assert (answer.get('type'), answer.get('from')) == ('valid', 'a.example')
    peer.say(person.jid, 'proved')
    assert person.message().get('id') == 'proved'


def test_denied_key(server, place, others_are_served):
    """XEP-0220 section 2.2.1: invalid, and the stream ends."""
    peer, authoritative = by_dialback(server, place)
    authoritative.judge('invalid')
    assert peer.take('db:result').get('type') == 'invalid'
    peer.wait_end()


def test_nobody_is_authoritative(server):
    """XEP-0220 section 2.4.2."""
    peer = Peer(server, fresh('nowhere'))
    peer.open()
    peer.result()
    assert peer.refusal() == 'remote-server-timeout'


@pytest.mark.parametrize('said, wanted', [
    ('item-not-found', 'remote-server-not-found'), ('policy-violation', 'policy-violation')])
def test_authority_has_an_error(server, place, said, wanted):
    """XEP-0220 section 2.4.2, table 2."""
    peer, authoritative = by_dialback(server, place)
    asked = authoritative.take('db:verify')
    words = attributes(from_=asked.get('to'), to=asked.get('from'), id=asked.get('id'),
                       type='error')
    authoritative.send(f"<db:verify {words}><error type='cancel'><{said} "
                       "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>")
    assert peer.refusal() == wanted


@pytest.mark.parametrize('changes', [
    {'id': 'another'}, {'from_': 'a.example', 'to': 'evil.clear.example'},
    {'from_': 'other.example'}, {'to': 'second.example'}])
def test_wrong_answer(server, place, changes):
    """XEP-0220 section 3.1: an answer that fits no question changes nothing; the right one, which
    comes late, does."""
    peer, authoritative = by_dialback(server, place)
    asked = authoritative.judge(**changes)
    words = attributes(from_=asked.get('to'), to=asked.get('from'), id=asked.get('id'),
                       type='invalid')
    authoritative.send(f'<db:verify {words}/>')
    assert peer.take('db:result').get('type') == 'invalid'


def test_answers_of_others(server, place, others_are_served):
    """Answers that nobody asked for authorise nobody; too many end the stream."""
    own = fresh('clear')
    peer = Peer(server, own)
    peer.open()
    words = attributes(from_=own, to='a.example', type='valid')
    peer.send(f'<db:result {words}/>' + f"<db:verify {words} id='{peer.header.get('id')}'/>")
    peer.say('x@a.example', 'in vain')
    assert peer.stream_error() == 'not-authorized'
    peer = Peer(server, own)
    peer.open()
    peer.send(f'<db:result {words}/>' * 20)
    assert peer.stream_error() == 'policy-violation'


def test_one_domain_answers_for_another(server, place):
    """The question went to the owner of the one domain; another's stream cannot answer it."""
    peer, authoritative = by_dialback(server, place)
    asked = authoritative.take('db:verify')
    words = attributes(from_=asked.get('to'), to=asked.get('from'), id=asked.get('id'),
                       type='valid')
    other, others_authority = by_dialback(server, place)
    others_authority.send(f'<db:verify {words}/>')
    others_authority.judge()
    assert other.take('db:result').get('type') == 'valid'
    words = words.replace("'valid'", "'invalid'")
    authoritative.send(f'<db:verify {words}/>')
    assert peer.take('db:result').get('type') == 'invalid'


def test_same_question_again(server, place):
    """A domain that is asked for many times on one stream, by keys of which one is right, does not
    keep its owner from being heard."""
    own = fresh('clear')
    authoritative = None
    for _ in range(3):
        first = Peer(server, own)
        first.open()
        for n in range(63):
            first.result(f'key {n}')
        authoritative = authoritative or place.take(server, own).greet(DIALBACK)
        authoritative.judge('invalid')
        assert first.take('db:result').get('type') == 'invalid'
        first.wait_end()
        second = Peer(server, own)
        second.open()
        second.result('right')
        while authoritative.judge().text != 'right':
            pass  # those of before, too late for anybody
        assert second.take('db:result').get('type') == 'valid'


def test_two_at_once(server, place, person):
    """XEP-0220 section 2.6: a stream that asks for two domains at once goes where the first of them
    belongs, whatever the second one's owner still has to say of it, and that follows it there."""
    for n in range(8):
        first, second = fresh('clear'), fresh('clear')
        peer = Peer(server, first)
        peer.open()
        peer.result(from_=first)
        peer.result(from_=second)
        place.take(server, first).greet(DIALBACK).judge()
        late = place.take(server, second).greet(DIALBACK)
        assert peer.take('db:result', to=first).get('type') == 'valid'
        peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
        peer.take('sm:enabled')
        peer.say(person.jid, f'first {n}')
        assert person.message().get('id') == f'first {n}'
        late.judge()
        assert peer.take('db:result', to=second).get('type') == 'valid'
        peer.say(person.jid, f'second {n}', from_=f'x@{second}')
        assert person.message().get('id') == f'second {n}'


def test_two_at_once_and_gone(server, place, others_are_served):
    """The same with a stream that is not there any more when the second answer comes."""
    for _ in range(8):
        first, second = fresh('clear'), fresh('clear')
        peer = Peer(server, first)
        peer.open()
        peer.result(from_=first)
        peer.result(from_=second)
        place.take(server, first).greet(DIALBACK).judge()
        late = place.take(server, second).greet(DIALBACK)
        asked = late.take('db:verify')
        assert peer.take('db:result', to=first).get('type') == 'valid'
        peer.reset()
        words = attributes(from_=second, to='a.example', id=asked.get('id'), type='valid')
        late.send(f'<db:verify {words}/>')


def test_questions_of_streams_that_are_gone(make_server, authority, place):
    """What streams asked for that are gone does not keep others from being asked for."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    own = fresh('clear')
    streams = [Peer(server, own) for _ in range(64)]
    for peer in streams:
        peer.open()
        peer.result('theirs')
    for peer in streams:
        peer.verify('x', 'y')  # the result was taken
    authoritative = place.take(server, own)
    last = Peer(server, own)
    last.open()
    last.result('one too many')
    assert last.refusal() == 'resource-constraint'
    for peer in streams:
        peer.reset()
    server.wait_stat('peer_streams', 2)
    last.result('right')
    assert authoritative.greet(DIALBACK).judge().text == 'right'
    assert last.take('db:result').get('type') == 'valid'


@pytest.mark.parametrize('from_, to, wanted', [
    ('{own}', 'unserved.example', 'item-not-found'), ('{own}', 'alone.example', 'item-not-found'),
    ('second.example', 'a.example', 'not-allowed'), ('a.example', 'a.example', 'not-allowed'),
    ('blocked.example', 'a.example', 'not-allowed'),
    ('d.dialback.example', 'a.example', 'policy-violation')])
def test_refused_without_asking(server, place, from_, to, wanted):
    """XEP-0220 section 2.4.2, and rules of ours."""
    peer = Peer(server, fresh('clear'))
    peer.open()
    peer.result(from_=from_.format(own=peer.own), to=to)
    assert peer.refusal() == wanted
    assert place.is_quiet()


@pytest.mark.parametrize('data, wanted', [
    ("<db:result from='b c' to='a.example'>k</db:result>", 'improper-addressing'),
    ("<db:result to='a.example'>k</db:result>", 'improper-addressing'),
    ("<db:verify from='b.example' to='a.example'>k</db:verify>", 'bad-format'),
    ("<db:result from='b.example' to='a.example' type='perhaps'/>", 'bad-format'),
    ("<db:other from='b.example' to='a.example'/>", 'unsupported-stanza-type')])
def test_malformed_dialback(server, data, wanted):
    peer = Peer(server, fresh('clear'))
    peer.open()
    peer.send(data)
    assert peer.stream_error() == wanted


def test_long_key(server):
    """A key is no place to put things."""
    peer = Peer(server, fresh('clear'))
    peer.open()
    peer.result('k' * 257)
    assert peer.refusal() == 'not-acceptable'
    peer.result('')
    assert peer.refusal() == 'not-acceptable'


def test_our_keys(server, person, place):
    """XEP-0220 section 2.3: the server knows the keys it has made, for the stream and the pair of
    domains that they were made for, and no others."""
    own = fresh('clear')
    person.send(f"<message to='x@{own}'/>")
    out = place.take(server, own).greet(DIALBACK, id='theirs')
    key = out.take('db:result').text
    peer = Peer(server, own)
    peer.open()
    assert peer.verify('theirs', key) == 'valid'
    assert peer.verify('others', key) == 'invalid'
    assert peer.verify('theirs', key[:-1]) == 'invalid'
    assert peer.verify('theirs', key.upper()) == 'invalid'
    assert peer.verify('theirs', key, from_='other.example') == 'invalid'
    assert peer.verify('theirs', key, to='second.example') == 'invalid'
    assert peer.verify('theirs', key, to='unserved.example') == 'error'
    assert peer.verify('theirs', 'k' * 257) == 'invalid'


def test_64_pairs(server, authority):
    """XEP-0220 section 2.6: several domains on one stream, up to a bound; those that are there
    stay."""
    domains = [fresh('many') for _ in range(65)]
    peer = Peer(server, domains[0])
    peer.open()
    peer.starttls(authority.issue(domains[0], dns=domains))
    for domain in domains[:64]:
        peer.result(from_=domain)
        assert peer.take('db:result').get('type') == 'valid'
    peer.result(from_=domains[64])
    assert peer.refusal() == 'resource-constraint'
    client = server.online(server.account(domain='a.example'))
    peer.say(client.jid, 'first', from_=f'x@{domains[0]}')
    peer.say(client.jid, 'last', from_=f'x@{domains[63]}')
    assert [client.message().get('id') for _ in range(2)] == ['first', 'last']
    peer.say(client.jid, 'forged', from_=f'x@{domains[64]}')
    assert peer.stream_error() == 'invalid-from'


# ---- stanzas ----

@pytest.mark.parametrize('stanza, wanted', [
    ("<message from='x@other.example' to='x@a.example'/>", 'invalid-from'),
    ("<message from='x@a.example' to='x@a.example'/>", 'invalid-from'),
    ("<message from='x@sub.{own}' to='x@a.example'/>", 'invalid-from'),
    ("<message from='x@{own}' to='x@second.example'/>", 'invalid-from'),
    ("<message from='x@{own}' to='x@unserved.example'/>", 'host-unknown'),
    ("<message from='x@{own}'/>", 'improper-addressing'),
    ("<message to='x@a.example'/>", 'improper-addressing'),
    ("<message from='x y@{own}' to='x@a.example'/>", 'improper-addressing'),
    ("<message from='x@{own}' to='@a.example'/>", 'improper-addressing'),
    ("<message xmlns='jabber:client' from='x@{own}' to='x@a.example'/>", 'invalid-namespace'),
    ("<c:iq xmlns:c='jabber:client' from='x@{own}' to='x@a.example'/>", 'invalid-namespace'),
    ("<other from='x@{own}' to='x@a.example'/>", 'unsupported-stanza-type'),
    ("<x xmlns='urn:nobody:knows'/>", 'unsupported-stanza-type'),
    ('<message>', 'not-well-formed'),
])
def test_stanzas(server, authority, others_are_served, stanza, wanted):
    """RFC 6120 sections 4.9.3, 8.1.1.2 and 8.1.2.2."""
    peer = known(server, authority)
    peer.send(stanza.format(own=peer.own) + ('</presence>' if wanted == 'not-well-formed' else ''))
    assert peer.stream_error() == wanted


def test_huge_stanza(server, authority, others_are_served):
    """RFC 6120 section 13.12, item 4: bounds before and behind authorisation."""
    peer = Peer(server, fresh('known'))
    peer.open()
    peer.send("<x xmlns='urn:x'>" + 'x' * 20000)
    assert peer.stream_error() == 'policy-violation'
    peer = known(server, authority)
    peer.say('x@a.example', 'x' * 300000)
    assert peer.stream_error() == 'policy-violation'


def test_depth(server, authority, others_are_served):
    peer = known(server, authority)
    peer.send(f"<message from='x@{peer.own}' to='x@a.example'>" + '<a>' * 5000)
    assert peer.stream_error() == 'policy-violation'


def test_faults_in_stanzas(server, authority):
    """RFC 6120 section 8.3: errors go back to who sent the stanza, over the same stream where it
    is bidirectional."""
    peer = known(server, authority)
    peer.send(f"<iq type='get' id='1' from='x@{peer.own}' to='a.example'><a/><b/></iq>")
    assert condition(peer.iq(id='1')) == 'bad-request'
    peer.send(f"<iq type='get' id='2' from='x@{peer.own}' to='nobody@a.example/r'><a/></iq>")
    assert condition(peer.iq(id='2')) == 'service-unavailable'


# ---- bidirectional streams ----

def test_bidi(server, authority, place, person):
    """XEP-0288: stanzas go both ways, and no other stream is made."""
    peer = known(server, authority)
    person.send(f"<message to='x@{peer.own}' id='back'/>")
    assert peer.message(id='back').get('from') == person.jid
    assert place.is_quiet()


def test_not_bidi(server, authority, place, person):
    """Who does not ask for it gets nothing over the stream."""
    peer = known(server, authority, bidi=False)
    person.send(f"<message to='x@{peer.own}' id='back'/>")
    assert place.take(server, peer.own).header.get('from') == 'a.example'
    peer.send('</stream:stream>')
    peer.wait_end()
    assert peer.inbox == []


def test_no_bidi(make_server, authority, place):
    """bidi = false: it is neither offered nor taken."""
    server = make_server(hosts=HOSTS, top=top(authority, place, 'bidi = false'))
    own = fresh('known')
    peer = Peer(server, own)
    peer.open()
    features = peer.starttls(authority.issue(own))
    assert find(features, 'bidi:bidi') is None
    peer.ask_bidi()
    assert peer.stream_error() == 'unsupported-stanza-type'


# ---- stream management ----

def test_acknowledged_when_durable(make_server, authority, place):
    """XEP-0198 section 4: a message counts when it is stored, or refused; each once. A crash loses
    nothing of it."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    account = server.account(domain='a.example')
    peer = known(server, authority)
    assert find(peer.features, 'sm:sm') is not None
    peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
    peer.take('sm:enabled')
    for n in range(10):
        peer.say(account.jid, f'm{n}')
        peer.say('nobody@a.example', f'n{n}')
    peer.send("<r xmlns='urn:xmpp:sm:3'/>")
    h = 0
    while h < 20:
        h = int(peer.take('sm:a').get('h'))
        peer.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert h == 20
    server.kill()
    server.start()
    client = server.online(account)
    assert [client.message().get('id') for _ in range(10)] == [f'm{n}' for n in range(10)]


def test_acknowledges_too_much(server, authority, person):
    """XEP-0198 section 4: more than was sent ends the stream; what was on its way gets its error
    once (RFC 6120 section 8.3.3.17)."""
    peer = known(server, authority)
    peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
    peer.take('sm:enabled')
    person.send(f"<message to='x@{peer.own}' id='lost'/>")
    peer.message(id='lost')
    peer.send("<a xmlns='urn:xmpp:sm:3' h='100'/>")
    assert peer.stream_error() == 'undefined-condition'
    assert condition(person.message(id='lost')) == 'remote-server-timeout'
    assert person.sync() == []


@pytest.mark.parametrize('words', ["h='x'", '', "h='-1'", "h='4294967296'"])
def test_malformed_acknowledgement(server, authority, words):
    peer = known(server, authority)
    peer.send(f"<enable xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' {words}/>")
    assert peer.stream_error() == 'bad-format'


def test_enabled_twice(server, authority):
    """XEP-0198 section 3: once, and only before the first stanza."""
    peer = known(server, authority)
    peer.send("<enable xmlns='urn:xmpp:sm:3'/>" * 2)
    peer.take('sm:enabled')
    assert find(peer.take('sm:failed'), 'stanzas:unexpected-request') is not None


def test_lost_unacknowledged(server, authority, person):
    """Each sender whose stanza may be lost is told once; what was acknowledged is not refused."""
    peer = known(server, authority)
    peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
    peer.take('sm:enabled')
    for n in range(4):
        person.send(f"<message to='x@{peer.own}' id='m{n}'/>")
        peer.message(id=f'm{n}')
    peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    peer.ping()
    peer.reset()
    for n in (2, 3):
        assert condition(person.message(id=f'm{n}')) == 'remote-server-timeout'
    assert person.sync() == []


# ---- too many, too slow, too much ----

def test_streams_of_a_domain(make_server, authority, place):
    """streams: incoming ones of a remote domain."""
    server = make_server(hosts=HOSTS, top=top(authority, place, 'streams = 2'))
    own = fresh('known')
    identity = authority.issue(own)
    two = [Peer(server, own).join(identity, bidi=True) for _ in range(2)]
    third = Peer(server, own)
    third.open()
    third.starttls(identity)
    third.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    assert '<resource-constraint ' in third.rest()
    two[1].send(f"<iq type='get' id='1' from='x@{own}' to='a.example'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>")
    two[0].iq(id='1')  # the way out is the first that came
    two[0].close()
    server.wait_stat('peer_streams', 1)
    Peer(server, own).join(identity)


def test_streams_of_two_domains(make_server, authority, place):
    """streams, for those that ask for two domains at once."""
    server = make_server(hosts=HOSTS, top=top(authority, place, 'streams = 2'))
    own, authoritative = fresh('clear'), None
    for n in range(3):
        peer, other = Peer(server, own), fresh('clear')
        peer.open()
        peer.result(from_=own)
        peer.result(from_=other)
        authoritative = authoritative or place.take(server, own).greet(DIALBACK)
        authoritative.judge()
        assert peer.take('db:result', to=own).get('type') == 'valid'
        if n < 2:
            place.take(server, other).greet(DIALBACK).judge()
            assert peer.take('db:result', to=other).get('type') == 'valid'
    assert peer.stream_error() == 'resource-constraint'


def test_a_thousand_that_say_nothing(make_server, authority, place):
    """login_seconds and half_open_per_address, for connections that get nowhere."""
    server = make_server(hosts=HOSTS, top=top(authority, place),
                         limits='half_open_per_address = 500\nlogin_seconds = 8')
    client = server.online(server.account(domain='a.example'))
    halves = [socket.create_connection(('127.0.0.1', server.ports['s2s'])) for _ in range(1000)]
    server.wait_stat('connections_refused', 500)
    client.sync()
    for half in halves[::2]:
        half.close()
    server.wait_stat('peer_streams', 0)
    for half in halves[1::2]:
        half.close()
    assert known(server, authority).ping() == []


def test_never_done(make_server, authority, place):
    """login_seconds: wherever a negotiation stands still, it ends."""
    server = make_server(hosts=HOSTS, top=top(authority, place), limits='login_seconds = 3')
    joined = known(server, authority)
    header, tls, clear = Peer(server, 'b.example'), Peer(server, 'b.example'), Peer(
        server, fresh('clear'))
    hello, dialback = Peer(server, 'b.example'), Peer(server, fresh('clear'))
    header.send("<stream:stream xmlns='jabber:server' ")
    tls.open()
    tls.starttls()
    clear.open()
    hello.open()
    hello.send(STARTTLS)
    hello.take('tls:proceed')
    hello.send(b'\x16\x03\x01\x02\x00\x01')
    dialback.open()
    dialback.result()
    authoritative = place.take(server, dialback.own).greet(DIALBACK)
    authoritative.take('db:verify')
    for peer in header, tls, clear, dialback:
        assert peer.stream_error() == 'connection-timeout'
    hello.wait_closed()
    words = attributes(from_=dialback.own, to='a.example', id='x', type='valid')
    authoritative.send(f'<db:verify {words}/>')
    assert joined.ping() == []


def test_slow_reader(make_server, authority, place):
    """A peer that does not read: what is for it waits up to queue_bytes and queue_seconds, others
    are served, and each message that did not come gets its error once."""
    server = make_server(
        hosts=HOSTS, limits='output_bytes = 64K\nstanza_bytes = 20000',
        top=top(authority, place, 'queue_bytes = 64K\nqueue_seconds = 2'))
    person = server.online(server.account(domain='a.example'))
    other = server.online(server.account(domain='a.example'))
    peer = known(server, authority, receive_buffer=4096)
    peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
    peer.take('sm:enabled')
    sent, refused = 0, []
    while 'resource-constraint' not in refused:
        person.send(f"<message to='x@{peer.own}' id='{sent}'><body>{'x' * 15000}</body></message>")
        sent += 1
        refused += [condition(stanza) for stanza in person.sync()]
        assert sent < 2000
    other.sync()
    peer.reset()
    place.take(server, peer.own).reset()
    while len(refused) < sent:
        refused.append(condition(person.message(type='error')))
    assert set(refused) == {'resource-constraint', 'remote-server-timeout'}
    assert person.sync() == []


def test_flood(server, authority, witness, person):
    """One that sends as fast as it can: others are served, and all that it sent comes, in order."""
    peer = known(server, authority, bidi=False)
    for n in range(2000):
        peer.say(person.jid, f'{n}')
        if n % 500 == 0:
            witness.sync()
    for n in range(2000):
        assert person.message().get('id') == str(n)


def test_cut_off_anywhere(server, authority, others_are_served):
    """A peer may vanish at any byte."""
    data = header() + STARTTLS
    for n in range(0, len(data), 20):
        peer = Peer(server, 'b.example')
        peer.send(data[:n])
        peer.reset()
    server.wait_stat('peer_streams', lambda n: n < 50)


# ---- life ----

def test_reload_blocks(make_server, authority, place):
    """A domain that is blocked by a reload is cut off, also where it shares a stream with one that
    is not."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    blocked, shared = fresh('known'), fresh('known')
    peer = Peer(server, blocked).join(authority.issue(blocked), bidi=True)
    other = Peer(server, shared)
    other.open()
    other.starttls(authority.issue(shared, dns=(shared, blocked)))
    for domain in shared, blocked:
        other.result(from_=domain)
        assert other.take('db:result').get('type') == 'valid'
    free = known(server, authority)
    reload(server, hosts=HOSTS, top=top(authority, place, f'block = {{ "{blocked}" }}'))
    assert peer.stream_error() == 'policy-violation'
    assert other.stream_error() == 'policy-violation'
    assert free.ping() == []


def test_reload_blocks_who_is_asked_about(make_server, authority, place):
    """A domain that is blocked while its owner is asked for it."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    peer, authoritative = by_dialback(server, place)
    authoritative.judge()
    assert peer.take('db:result').get('type') == 'valid'
    blocked = fresh('clear')
    peer.result(from_=blocked)
    late = place.take(server, blocked).greet(DIALBACK)
    late.take('db:verify')
    reload(server, hosts=HOSTS, top=top(authority, place, f'block = {{ "{blocked}" }}'))
    assert peer.refusal(to=blocked) == 'not-allowed'
    assert find(late.take('stream:error'), 'streams:policy-violation') is not None


def test_allow(make_server, authority, place):
    """allow: these and no others."""
    server = make_server(hosts=HOSTS, top=top(authority, place, 'allow = { "*.known.example" }'))
    assert known(server, authority).ping() == []
    peer = Peer(server, 'b.example')
    peer.send(header())
    assert peer.stream_error() == 'policy-violation'


def test_stop(make_server, authority, place):
    """RFC 6120 section 4.9.3.19."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    joined, half = known(server, authority), Peer(server, 'b.example')
    half.open()
    server.stop()
    assert joined.stream_error() == 'system-shutdown'
    assert half.stream_error() == 'system-shutdown'




def test_presence_at_a_stop(make_server, authority, place):
    """RFC 6121 section 4.5.2: who was shown as available over there is not any more when we stop."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    peer = known(server, authority)
    people = [server.online(server.account(domain='a.example')) for _ in range(8)]
    for person in people:
        person.send(f"<presence to='x@{peer.own}'/>")
        peer.presence(from_=person.jid)
    server.process.terminate()
    peer.wait_last_word()
    gone = [p.get('from') for p in peer.inbox if p.get('type') == 'unavailable']
    assert sorted(gone) == sorted(person.jid for person in people)


def test_on_its_way_at_a_stop(make_server, authority, place):
    """RFC 6120 section 4.4, item 2: what a server had sent before it read our end is not lost; nobody
    else gets in by that."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    account = server.account(domain='a.example')
    joined, forger, half = [known(server, authority, bidi=False) for _ in range(2)] + [
        Peer(server, fresh('known'))]
    half.open()
    server.process.terminate()
    for peer in joined, forger, half:
        peer.wait_last_word()
    joined.say(account.jid, 'a')
    joined.say(account.jid, 'b')
    joined.send('</stream:stream>')
    forger.say(account.jid, 'forged', from_='x@other.example')
    forger.say(account.jid, 'behind it')
    half.say(account.jid, 'not proved')
    server.wait()
    server.start()
    client = server.online(account)
    assert [client.message().get('id') for _ in range(2)] == ['a', 'b']
    assert [m.get('id') for m in client.sync()] == []


def test_not_acknowledged_any_more(make_server, authority, place):
    """XEP-0198: who counts knows that what we did not acknowledge before our end is not taken."""
    server = make_server(hosts=HOSTS, top=top(authority, place))
    account = server.account(domain='a.example')
    peer = known(server, authority, bidi=False)
    peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
    peer.take('sm:enabled')
    server.process.terminate()
    peer.wait_last_word()
    peer.say(account.jid, 'late')
    peer.send('</stream:stream>')
    server.wait()
    server.start()
    assert server.online(account).sync() == []


def test_on_its_way_when_idle(make_server, authority, place):
    """RFC 6120 section 4.4, item 2, on a stream that is closed in order; item 3: it does not wait for
    the other end for ever."""
    server = make_server(hosts=HOSTS, top=top(authority, place, 'idle_seconds = 10'))
    person = server.online(server.account(domain='a.example'))
    peer, silent = (known(server, authority, bidi=False) for _ in range(2))
    peer.wait_last_word()
    peer.say(person.jid, 'late')
    assert person.message().get('id') == 'late'
    peer.send('</stream:stream>')
    peer.wait_closed()
    silent.wait_last_word()
    silent.wait_closed()
    assert server.stats()['peer_streams'] == 0

"""Rules for stanzas: addresses, IQs, errors (RFC 6120 sections 8 and 10)."""
import pytest

from harness import condition, find, text_of
from harness.xmpp import findall, show

pytestmark = pytest.mark.usefixtures('others_are_served')

PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture
def people(server):
    """Two accounts on different shards, both online."""
    return [server.online(account) for account in server.two_accounts()]


@pytest.fixture
def juliet(server):
    return server.online(server.account(), 'balcony')


# ---- from and to ----

def test_from_is_stamped(people):
    """RFC 6120 section 8.1.2.1: the full JID of the sender, whatever it wrote or left out."""
    juliet, romeo = people
    bare = juliet.jid.partition('/')[0]
    for i, own in enumerate(['', f" from='{juliet.jid}'", f" from='{bare}'"]):
        juliet.send(f"<message to='{romeo.jid}' id='m{i}'{own}/>")
        message = romeo.message(id=f'm{i}')
        assert message.get('from') == juliet.jid
        assert message.get('to') == romeo.jid


@pytest.mark.parametrize('forged', ['romeo@example.org', 'romeo@example.org/orchard',
                                    'example.org', 'OWN/other', '', '@', 'x@'])
@pytest.mark.parametrize('stanza', ["<message from='{}' to='{}'/>",
                                    "<presence from='{}' to='{}'/>",
                                    "<iq from='{}' to='{}' type='get' id='1'>" + PING + '</iq>'])
def test_invalid_from(juliet, witness, forged, stanza):
    """RFC 6120 sections 4.9.3.9 and 8.1.2.1: a forged from; the stanza goes nowhere."""
    forged = forged.replace('OWN', juliet.jid.partition('/')[0])
    juliet.send(stanza.format(forged, witness.jid))
    assert juliet.stream_error() == 'invalid-from'
    assert witness.sync() == []


MALFORMED = ['@example.org', 'a@', 'a b@example.org', 'a@example.org/', 'a"b@example.org',
             'a@b@example.org', '/resource', 'x' * 1024 + '@example.org',
             'a@' + 'x' * 1024, 'a@example.org/' + 'x' * 1024, 'a@exa mple.org', '']


@pytest.mark.parametrize('to', MALFORMED, ids=[m[:20] or 'empty' for m in MALFORMED])
def test_jid_malformed(juliet, to):
    """RFC 6120 section 8.3.3.8, RFC 7622: malformed and overlong addresses."""
    to = to.replace('"', '&quot;')
    juliet.send(f"<message to='{to}' id='m'><body>Hist!</body></message>")
    assert condition(juliet.message(id='m')) == 'jid-malformed'
    juliet.send(f"<iq to='{to}' id='i' type='get'>{PING}</iq>")
    assert condition(juliet.iq(id='i')) == 'jid-malformed'
    juliet.send(f"<presence to='{to}' id='p'/>")
    assert condition(juliet.presence(id='p')) == 'jid-malformed'


def test_addresses_are_prepared(people):
    """RFC 7622 section 3: the case of localpart and domainpart means nothing."""
    juliet, romeo = people
    bare, _, resource = romeo.jid.partition('/')
    juliet.send(f"<message to='{bare.upper()}/{resource}' id='m'/>")
    assert romeo.message(id='m').get('to') == romeo.jid


def test_message_without_to_is_for_oneself(juliet):
    """RFC 6120 section 10.3.1: as if `to` were one's own bare JID."""
    juliet.send("<message id='m'><body>Ay me!</body></message>")
    assert text_of(juliet.message(id='m'), 'body') == 'Ay me!'


def test_iq_without_to_is_for_ones_account(juliet):
    """RFC 6120 section 10.3.3: the server answers for the account."""
    answer = juliet.ask("<query xmlns='jabber:iq:roster'/>")
    assert answer.get('type') == 'result'
    assert answer.get('from') in (None, juliet.jid.partition('/')[0])
    assert answer.get('to') == juliet.jid


def test_remote_server_not_found(juliet):
    """RFC 6120 sections 8.3.3.16 and 10.4: a domain that is not served here."""
    juliet.send("<message to='romeo@example.com' id='m'><body>Hist!</body></message>")
    message = juliet.message(id='m')
    assert condition(message) == 'remote-server-not-found'
    assert message.get('from') == 'romeo@example.com'
    assert juliet.refused(PING, to='example.com') == 'remote-server-not-found'
    juliet.send("<presence to='romeo@example.com' id='p'/>")
    assert condition(juliet.presence(id='p')) == 'remote-server-not-found'


# ---- IQs ----

@pytest.mark.parametrize('iq', [
    f"<iq type='get'>{PING}</iq>",
    f"<iq id='1'>{PING}</iq>",
    f"<iq id='1' type='subscribe'>{PING}</iq>",
    f"<iq id='1' type=''>{PING}</iq>",
    f"<iq id='1' type='GET'>{PING}</iq>",
    f"<iq id='1' type='get'>{PING}{PING}</iq>",
    "<iq id='1' type='get'/>",
    "<iq id='1' type='set'>text</iq>",
], ids=['no id', 'no type', 'bad type', 'empty type', 'upper case', 'two payloads', 'no payload',
        'text'])
@pytest.mark.parametrize('to', ['', " to='example.org'", " to='witness@example.org'",
                                " to='nobody@example.com'"])
def test_bad_request(juliet, witness, iq, to):
    """RFC 6120 sections 8.2.3 and 8.3.3.1: an IQ has an id, a type that exists and, as get or
    set, one payload; where it is bound for does not matter."""
    juliet.send(iq.replace('<iq', f'<iq{to}'))
    assert condition(juliet.iq(type='error')) == 'bad-request'
    assert witness.sync() == []


def test_error_repeats_the_payload(juliet):
    """RFC 6120 section 8.3.1: the error may carry what it answers to; clients look at it."""
    error = juliet.ask("<query xmlns='urn:unknown' node='n'><x>&lt;</x></query>")
    assert condition(error) == 'service-unavailable'
    query = error.find('{urn:unknown}query')
    assert query.get('node') == 'n'
    assert query.find('{urn:unknown}x').text == '<'
    assert error[-1].tag.endswith('}error'), 'the error stands behind the payload'


def test_error_repeats_a_payload_with_prefixes(juliet):
    """The same when its prefix is declared outside of the payload."""
    juliet.send("<iq type='get' id='q' xmlns:u='urn:unknown'><u:query u:a='b'/></iq>")
    error = juliet.iq(id='q')
    assert error.find('{urn:unknown}query').get('{urn:unknown}a') == 'b'


def test_id_comes_back_as_it_was(juliet):
    """RFC 6120 section 8.1.3."""
    for raw, seen in (("'a&amp;b&lt;&quot;'", 'a&b<"'), ('"it\'s"', "it's"),
                      ("'&#x20ac;'", '\u20ac')):
        juliet.send(f'<iq type="get" id={raw}>{PING}</iq>')
        assert juliet.iq(id=seen).get('type') == 'result'


def test_answers_are_addressed(juliet):
    """RFC 6120 section 8.2.3: an answer comes from where the request went."""
    answer = juliet.ask(PING, to='example.org')
    assert (answer.get('from'), answer.get('to')) == ('example.org', juliet.jid)


@pytest.mark.parametrize('type', ['result', 'error'])
def test_answers_are_not_answered(juliet, type):
    """RFC 6120 section 8.2.3: a result or an error to nobody ends there."""
    for to in ('example.org', 'nobody@example.org', 'nobody@example.org/x', 'example.com'):
        juliet.send(f"<iq type='{type}' id='r' to='{to}'/>")
    assert juliet.sync() == []


def test_errors_are_not_answered(juliet):
    """RFC 6120 section 8.3.1: nor is a message or presence of type error."""
    for to in ('example.org', 'nobody@example.org', 'nobody@example.org/x', 'example.com'):
        juliet.send(f"<message type='error' id='e' to='{to}'/>"
                    f"<presence type='error' id='e' to='{to}'/>")
    assert juliet.sync() == []


def test_iq_between_resources(server):
    """RFC 6121 section 8.5.3.1: to a full JID, and the answer back."""
    account = server.account()
    first, second = server.online(account), server.online(account)
    first.send(f"<iq type='get' id='v' to='{second.jid}'><query xmlns='jabber:iq:version'/></iq>")
    request = second.iq(id='v')
    assert request.get('from') == first.jid
    second.send(f"<iq type='result' id='v' to='{request.get('from')}'>"
                "<query xmlns='jabber:iq:version'><name>x</name></query></iq>")
    assert text_of(first.iq(id='v'), 'version:query/version:name') == 'x'


def test_service_unavailable_for_an_unknown_payload(juliet, witness):
    """RFC 6121 section 8.5.2.1.3: the server answers for host and accounts, and never hands an
    IQ for a bare JID to a resource."""
    for to in ('example.org', 'witness@example.org', juliet.jid.partition('/')[0]):
        assert juliet.refused("<x xmlns='urn:unknown'/>", to=to) == 'service-unavailable'
    assert witness.sync() == []


PAYLOADS = ["<x xmlns='urn:unknown'/>", "<query xmlns='jabber:iq:roster'/>", PING,
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "<query xmlns='http://jabber.org/protocol/disco#items'/>",
            "<query xmlns='jabber:iq:last'/>", "<query xmlns='jabber:iq:register'/>"]


@pytest.mark.parametrize('payload', PAYLOADS)
@pytest.mark.parametrize('type', ['get', 'set'])
def test_nobody_learns_who_exists(server, juliet, type, payload):
    """RFC 6120 section 13.11: an account that tells a stranger nothing answers as one that
    does not exist."""
    offline = server.account()
    answers = {juliet.refused(payload, type, to)
               for to in (offline.jid, 'nobody@example.org', 'witness@example.org')}
    assert len(answers) == 1, answers
    assert answers <= {'service-unavailable', 'forbidden'}


def test_unknown_resources_and_users(juliet):
    """RFC 6121 sections 8.5.1 and 8.5.3.2: service-unavailable."""
    for to in ('nobody@example.org', 'nobody@example.org/x', 'witness@example.org/unknown'):
        assert juliet.refused("<x xmlns='urn:unknown'/>", to=to) == 'service-unavailable'
        juliet.send(f"<message to='{to}' id='m'><body>Hist!</body></message>")
        assert condition(juliet.message(id='m')) == 'service-unavailable'


def test_presence_does_not_leak_to_strangers(server, juliet, witness):
    """RFC 6121 section 8.5.3.1: a get or set to the full JID of somebody who does not share
    presence is answered as if the resource were not there."""
    assert juliet.refused(PING, to=witness.jid) == 'service-unavailable'
    assert witness.sync() == []


def test_directed_presence_lets_requests_through(people):
    """RFC 6121 section 8.5.3.1: who got directed presence may ask; until it is taken back."""
    juliet, romeo = people
    romeo.send(f"<presence to='{juliet.jid}'/>")
    juliet.presence(from_=romeo.jid)
    juliet.send(f"<iq type='get' id='p' to='{romeo.jid}'>{PING}</iq>")
    romeo.iq(id='p', type='get', from_=juliet.jid)
    romeo.send(f"<presence to='{juliet.jid}' type='unavailable'/>")
    juliet.presence(from_=romeo.jid, type='unavailable')
    assert juliet.refused(PING, to=romeo.jid) == 'service-unavailable'


def test_stanza_to_a_resource_of_the_host(juliet):
    """RFC 6120 section 10.5.2: there is none."""
    assert juliet.refused(PING, to='example.org/x') == 'service-unavailable'
    juliet.send("<message to='example.org' id='m'/>")
    assert condition(juliet.message(id='m')) == 'service-unavailable'


# ---- small services of the host ----

def test_ping(juliet):
    """XEP-0199 sections 4.2 and 4.3."""
    assert len(juliet.get(PING, to='example.org')) == 0
    assert len(juliet.get(PING)) == 0
    assert len(juliet.get(PING, to=juliet.jid.partition('/')[0])) == 0


def test_version(juliet):
    """XEP-0092."""
    answer = juliet.get("<query xmlns='jabber:iq:version'/>", to='example.org')
    assert text_of(answer, 'version:query/version:name') == 'Stentor'
    assert text_of(answer, 'version:query/version:version')


def test_time(juliet):
    """XEP-0202."""
    answer = juliet.get("<time xmlns='urn:xmpp:time'/>", to='example.org')
    assert text_of(answer, 'time:time/time:tzo') == '+00:00'
    assert text_of(answer, 'time:time/time:utc').endswith('Z')


def test_last_activity_of_the_host(juliet):
    """XEP-0012 section 5: how long it runs."""
    answer = juliet.get("<query xmlns='jabber:iq:last'/>", to='example.org')
    assert int(find(answer, 'last:query').get('seconds')) >= 0


def test_disco_info(juliet):
    """XEP-0030 section 3.1: identity and features, each once."""
    query = find(juliet.get("<query xmlns='http://jabber.org/protocol/disco#info'/>",
                            to='example.org'), 'info:query')
    identity = find(query, 'info:identity')
    assert (identity.get('category'), identity.get('type')) == ('server', 'im')
    features = [f.get('var') for f in findall(query, 'info:feature')]
    assert len(features) == len(set(features))
    assert {'http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items',
            'urn:xmpp:ping', 'jabber:iq:version', 'jabber:iq:last', 'urn:xmpp:time',
            'msgoffline'} <= set(features)


def test_disco_of_ones_account(juliet):
    """XEP-0030 section 8: an account is registered, and tells its owner."""
    query = find(juliet.get("<query xmlns='http://jabber.org/protocol/disco#info'/>",
                            to=juliet.jid.partition('/')[0]), 'info:query')
    identity = find(query, 'info:identity')
    assert (identity.get('category'), identity.get('type')) == ('account', 'registered')


def test_disco_of_an_unknown_node(juliet):
    """XEP-0030 section 7: item-not-found."""
    assert juliet.refused("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
                          to='example.org') == 'item-not-found'


def test_disco_items(juliet):
    """XEP-0030 section 4: nothing else is there yet."""
    answer = juliet.get("<query xmlns='http://jabber.org/protocol/disco#items'/>", to='example.org')
    assert find(answer, 'items:query') is not None, show(answer)

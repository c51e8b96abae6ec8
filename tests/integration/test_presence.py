"""Presence (RFC 6121 section 4), between accounts of different shards."""
import pytest

from harness import condition, find, text_of
from harness.person import Person, both, subscribe

pytestmark = pytest.mark.usefixtures('others_are_served')


@pytest.fixture
def friends(server):
    """Two accounts with a subscription both ways; their clients are online."""
    juliet, romeo = (Person(server, account) for account in server.two_accounts())
    both(juliet, romeo)
    juliet.client.inbox, romeo.client.inbox = [], []
    return juliet, romeo


def presences(stanzas):
    return [e for e in stanzas if e.tag.endswith('}presence')]


def test_initial_presence(server, friends):
    """RFC 6121 section 4.2: to subscribers and one's own resources, and theirs come back."""
    juliet, romeo = friends
    second = server.login(romeo.account)
    second.send("<presence><show>away</show><status>I come</status><priority>5</priority>"
                "</presence>")
    for client in (juliet.client, romeo.client, second):
        seen = client.presence(from_=second.jid)
        assert text_of(seen, 'show') == 'away'
        assert text_of(seen, 'status') == 'I come'
        assert text_of(seen, 'priority') == '5'
    assert second.presence(from_=romeo.client.jid).get('type') is None
    assert second.presence(from_=juliet.client.jid).get('to') == second.jid


def test_resource_without_presence_gets_none(server, friends):
    """RFC 6121 section 4.2.3: a connected resource is not available."""
    juliet, romeo = friends
    silent = server.login(romeo.account)
    juliet.client.send('<presence><status>x</status></presence>')
    romeo.client.presence(from_=juliet.client.jid)
    assert presences(silent.sync()) == []


def test_update(friends):
    """RFC 6121 section 4.4."""
    juliet, romeo = friends
    juliet.client.send('<presence><show>dnd</show></presence>')
    assert text_of(romeo.sees(juliet), 'show') == 'dnd'


def test_unavailable(friends):
    """RFC 6121 section 4.5: said by the client, with its status."""
    juliet, romeo = friends
    juliet.client.send("<presence type='unavailable'><status>Good night</status></presence>")
    seen = romeo.sees(juliet)
    assert seen.get('type') == 'unavailable'
    assert text_of(seen, 'status') == 'Good night'


@pytest.mark.parametrize('end', ['stream', 'close', 'reset'])
def test_unavailable_on_behalf_of_the_client(friends, end):
    """RFC 6121 section 4.5.2: the server says it for a client that went without a word."""
    juliet, romeo = friends
    if end == 'stream':
        juliet.client.send('</stream:stream>')
    elif end == 'close':
        juliet.client.close()
    else:
        juliet.client.reset()
    assert romeo.sees(juliet).get('type') == 'unavailable'
    assert presences(romeo.client.sync()) == [], 'once'


def test_one_way(server):
    """RFC 6121 section 4.2.2: only who is subscribed sees."""
    juliet, romeo = (Person(server, account) for account in server.two_accounts())
    subscribe(juliet, romeo)
    romeo.client.inbox = []
    juliet.client.send('<presence><status>unseen</status></presence>')
    assert presences(romeo.client.sync_from(juliet.client)) == []


def test_probe(server, friends):
    """RFC 6121 section 4.3: at login the server asks for the contacts' presence; the answer
    is the whole last presence."""
    juliet, romeo = friends
    juliet.client.send("<presence><show>xa</show><x xmlns='urn:x'/></presence>")
    romeo.sees(juliet)
    romeo.leave()
    romeo.come()
    seen = romeo.sees(juliet)
    assert text_of(seen, 'show') == 'xa'
    assert seen.find('{urn:x}x') is not None


def test_probe_of_who_is_offline(friends):
    """RFC 6121 section 4.3.2.3: unavailable presence from the bare JID, or nothing."""
    juliet, romeo = friends
    juliet.leave()
    romeo.leave()
    romeo.come()
    for seen in presences(romeo.client.sync()):
        assert (seen.get('from'), seen.get('type')) == (juliet.bare, 'unavailable')


def test_probe_of_a_stranger(friends, witness):
    """RFC 6121 sections 4.3.2 and 11: it reveals nothing."""
    juliet, romeo = friends
    witness.inbox = []
    witness.send(f"<presence type='probe' to='{juliet.bare}'/>")
    assert presences(witness.sync()) == []
    assert presences(juliet.client.sync_from(witness)) == []


def test_directed_presence(server):
    """RFC 6121 section 4.6: to who has no subscription; and unavailable follows, once."""
    juliet, romeo = (server.online(account) for account in server.two_accounts())
    juliet.send(f"<presence to='{romeo.jid}'><status>for you</status></presence>")
    assert text_of(romeo.presence(from_=juliet.jid), 'status') == 'for you'
    juliet.send('<presence><status>for all</status></presence>')
    assert presences(romeo.sync_from(juliet)) == []
    juliet.send("<presence type='unavailable'/>")
    assert romeo.presence(from_=juliet.jid).get('type') == 'unavailable'
    juliet.send('</stream:stream>')
    juliet.wait_end()
    assert presences(romeo.sync()) == []


def test_directed_presence_of_who_never_was_available(server):
    """RFC 6121 section 4.6.3: its end is told, too."""
    first, second = server.two_accounts()
    juliet, romeo = server.login(first), server.online(second)
    juliet.send(f"<presence to='{romeo.jid}'/>")
    romeo.presence(from_=juliet.jid)
    juliet.reset()
    assert romeo.presence(from_=juliet.jid).get('type') == 'unavailable'


def test_directed_unavailable(friends):
    """RFC 6121 section 4.6.3: to one contact; the others go on seeing the user."""
    juliet, romeo = friends
    juliet.client.send(f"<presence type='unavailable' to='{romeo.bare}'/>")
    assert romeo.sees(juliet).get('type') == 'unavailable'


@pytest.mark.parametrize('priority', ['128', '-129', 'high', '1.5', ''])
def test_bad_priority(server, priority):
    """RFC 6121 section 4.7.2.3: an integer from -128 to +127."""
    client = server.login(server.account())
    client.send(f"<presence id='p'><priority>{priority}</priority></presence>")
    assert condition(client.presence(id='p')) == 'bad-request'


@pytest.mark.parametrize('type', ['available', 'x', ''])
def test_bad_type(server, type):
    """RFC 6121 section 4.7.1: no other types."""
    client = server.online(server.account())
    client.send(f"<presence type='{type}' id='p'/>")
    assert condition(client.presence(id='p')) == 'bad-request'


def test_presence_to_nobody_is_ignored(server):
    """RFC 6121 section 8.5.1."""
    client = server.online(server.account())
    client.send("<presence to='nobody@example.org'/><presence to='nobody@example.org/x'/>"
                "<presence to='witness@example.org/unknown'/><presence to='example.org'/>")
    assert client.sync() == []


def test_last_activity(server, friends):
    """XEP-0012 sections 3 and 4: for who is subscribed; with the status of the last presence."""
    juliet, romeo = friends
    query = "<query xmlns='jabber:iq:last'/>"
    assert find(romeo.client.get(query, to=juliet.bare), 'last:query').get('seconds') == '0'
    juliet.client.send("<presence type='unavailable'><status>Good night</status></presence>")
    romeo.sees(juliet)
    assert find(romeo.client.get(query, to=juliet.bare), 'last:query').text is None  # connected
    juliet.leave()
    last = find(romeo.client.get(query, to=juliet.bare), 'last:query')
    assert int(last.get('seconds')) >= 0
    assert last.text == 'Good night'
    stranger = server.online(server.account())
    assert stranger.refused(query, to=juliet.bare) == 'forbidden'

"""Personal eventing (XEP-0163) and what stands on it, over sockets: what was acknowledged is there
after a crash, and the hashes of what clients and the server can do are those of the specifications."""
import base64
import hashlib

import pytest

from harness import find, findall
from harness.authority import Authority
from harness.person import Person, both
from harness.s2s import Peer, federation

PUBSUB = 'http://jabber.org/protocol/pubsub'
EVENT = f'{{{PUBSUB}#event}}'
MOOD = 'http://jabber.org/protocol/mood'
CAPS = 'http://jabber.org/protocol/caps'
CAPS_2 = 'urn:xmpp:caps'
HASHES = 'urn:xmpp:hashes:2'
INFO = 'http://jabber.org/protocol/disco#info'
CRASHES = 5


def crash(server):
    server.kill()
    server.start()


def publish(node, item, payload):
    return (f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='{item}'>{payload}</item>"
            "</publish></pubsub>")


def mood(word):
    return f"<mood xmlns='{MOOD}'><{word}/></mood>"


def items(client, node, of=None):
    """Ids and payloads, as the account has them."""
    answer = client.get(f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", to=of)
    return [(i.get('id'), i[0]) for i in answer.iter(f'{{{PUBSUB}}}item')]


# ---- capabilities ----

def identities_and_features(query):
    return ([(i.get('category'), i.get('type'),
              i.get('{http://www.w3.org/XML/1998/namespace}lang', ''), i.get('name', ''))
             for i in findall(query, 'info:identity')],
            [f.get('var') for f in findall(query, 'info:feature')])


def version_1(identities, features):
    """XEP-0115 section 5.1, without forms."""
    text = ''.join('/'.join((i[0], i[1], i[2], i[3])) + '<' for i in sorted(identities))
    text += ''.join(f + '<' for f in sorted(features))
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def version_2(identities, features, function):
    """XEP-0390 section 4.1, without forms."""
    text = ''.join(sorted(f + '\x1f' for f in features)) + '\x1c'
    text += ''.join(sorted(''.join(part + '\x1f' for part in i) + '\x1e' for i in identities))
    text += '\x1c\x1c'
    return base64.b64encode(hashlib.new(function, text.encode()).digest()).decode()


WANTS = ([('client', 'pc', '', '')], [INFO, f'{MOOD}+notify'])
SHOWS = (f"<c xmlns='{CAPS}' hash='sha-1' node='urn:test' ver='{version_1(*WANTS)}'/>")


def answer_capabilities(client):
    """The next question for them."""
    question = client.iq(type='get')
    query = question[0]
    assert query.tag == f'{{{INFO}}}query'
    assert query.get('node') == f'urn:test#{version_1(*WANTS)}'
    said = ''.join(f"<identity category='{i[0]}' type='{i[1]}'/>" for i in WANTS[0])
    said += ''.join(f"<feature var='{f}'/>" for f in WANTS[1])
    client.send(f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'>"
                f"<query xmlns='{INFO}' node='{query.get('node')}'>{said}</query></iq>")


def test_hashes_of_the_server(server):
    """XEP-0115 section 6.3, XEP-0390 section 5.2: they are made of what it answers."""
    client = server.secure()
    features = client.authenticate(server.account())
    client.bind()
    old = features.find(f'{{{CAPS}}}c')
    new = {h.get('algo'): h.text for h in features.find(f'{{{CAPS_2}}}c')}
    said = identities_and_features(client.get(f"<query xmlns='{INFO}'/>", to='example.org')[0])
    assert len(set(said[1])) == len(said[1])
    assert (old.get('hash'), old.get('ver')) == ('sha-1', version_1(*said))
    assert new == {'sha-256': version_2(*said, 'sha256'),
                   'sha3-256': version_2(*said, 'sha3_256')}
    for node in (f"{old.get('node')}#{old.get('ver')}",
                 *(f'urn:xmpp:caps#{name}.{value}' for name, value in new.items())):
        query = client.get(f"<query xmlns='{INFO}' node='{node}'/>", to='example.org')[0]
        assert query.get('node') == node
        assert identities_and_features(query) == said


# ---- crashes ----

def test_items_after_crashes(server):
    """XEP-0060 section 7.1.2, XEP-0223: what was acknowledged is in the node."""
    account = server.account()
    published = {}
    for i in range(CRASHES):
        client = server.login(account)
        for n in range(20):
            client.set(publish(f'urn:test:{n % 4}', 'i', f"<x xmlns='urn:test'>{i}.{n}</x>"))
            published[f'urn:test:{n % 4}'] = f'{i}.{n}'
        crash(server)
        client = server.login(account)
        for node, text in published.items():
            assert [(item, x.text) for item, x in items(client, node)] == [('i', text)]
        client.close()


def test_last_item_after_a_crash(server):
    """XEP-0163 section 4.3.4: of an owner who is offline, to a contact who comes."""
    juliet, romeo = (Person(server, account) for account in server.two_accounts())
    both(juliet, romeo)
    juliet.client.set(publish(MOOD, 'm', mood('sad')))
    crash(server)
    client = server.login(romeo.account, presence=f'<presence>{SHOWS}</presence>')
    answer_capabilities(client)
    if not shard_is_shared(server, juliet, romeo):
        answer_capabilities(client)
    event = client.message(from_=juliet.bare)
    assert event.get('type') == 'headline'
    assert find(event, 'delay:delay') is not None
    item = event.find(f'{EVENT}event/{EVENT}items[@node="{MOOD}"]/{EVENT}item')
    assert item.get('id') == 'm'
    assert item[0][0].tag == f'{{{MOOD}}}sad'


def shard_is_shared(server, one, other):
    """Each shard asks a client that shows a hash which it does not know."""
    return server.owner(one.bare) == server.owner(other.bare)


def test_bookmarks_after_crashes(server):
    """XEP-0402 section 5.3: what was written in one shape is there in the other one."""
    account = server.account()
    for i in range(CRASHES):
        client = server.login(account)
        client.set("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
                   f"<conference jid='a@b' name='{i}'/><conference jid='new{i}@b'/>"
                   "</storage></query>")
        crash(server)
        client = server.login(account)
        assert {(room, c.get('name')) for room, c in items(client, 'urn:xmpp:bookmarks:1')} == {
            ('a@b', str(i)), (f'new{i}@b', None)}
        client.close()


# ---- contacts of other servers ----

@pytest.fixture
def remote(make_server, tmp_path):
    """A server, and what makes a peer that is montague.example."""
    authority = Authority(tmp_path)
    identity = authority.issue('montague.example')
    server = make_server(hosts={'a.example': ''}, top=federation(authority, {
        'montague.example': 'route = "127.0.0.1:1"'}))
    return server, lambda: Peer(server, 'montague.example').join(identity, bidi=True)


ROMEO = 'romeo@montague.example'
ORCHARD = f'{ROMEO}/orchard'


def befriend(client, juliet, peer):
    """Subscriptions both ways."""
    client.get("<query xmlns='jabber:iq:roster'/>")
    client.send(f"<presence/><presence type='subscribe' to='{ROMEO}'/>")
    peer.presence(type='subscribe')
    for type in ('subscribed', 'subscribe'):
        peer.send(f"<presence type='{type}' from='{ROMEO}' to='{juliet.jid}'/>")
    client.presence(type='subscribe')
    client.send(f"<presence type='subscribed' to='{ROMEO}'/>")
    peer.presence(type='subscribed')


def say_presence(peer, juliet, show=''):
    peer.send(f"<presence from='{ORCHARD}' to='{juliet.jid}'>{show}{SHOWS}</presence>")


def probe(peer, juliet):
    peer.send(f"<presence type='probe' from='{ORCHARD}' to='{juliet.jid}'/>")
    assert peer.presence(from_=juliet.jid).get('type') == 'unavailable'


def answer_as_romeo(peer):
    question = peer.iq(type='get', to=ORCHARD)
    said = ''.join(f"<identity category='{i[0]}' type='{i[1]}'/>" for i in WANTS[0])
    said += ''.join(f"<feature var='{f}'/>" for f in WANTS[1])
    peer.send(f"<iq type='result' id='{question.get('id')}' from='{ORCHARD}' "
              f"to='{question.get('from')}'><query xmlns='{INFO}'>{said}</query></iq>")


def heard_since(peer):
    """What has come before the answer to a ping through the same queues."""
    peer.send(f"<iq type='get' id='heard' from='{ORCHARD}' to='a.example'>"
              "<ping xmlns='urn:xmpp:ping'/></iq>")
    peer.iq(id='heard')
    before, peer.inbox = peer.inbox, []
    return [e.tag.rpartition('}')[2] for e in before]


@pytest.mark.parametrize('order', ['presence first', 'probe first'])
def test_contact_elsewhere(remote, order):
    """XEP-0163 sections 4.3.3 and 4.3.4: the owner is offline. Who comes, with a probe of his server,
    gets the last item; who only changes his presence gets nothing, whether it is known that he is
    there or not."""
    server, connect = remote
    juliet = server.account('juliet', 'a.example')
    client, peer = server.login(juliet), connect()
    befriend(client, juliet, peer)
    client.set(publish(MOOD, 'm', mood('sad')))
    server.stop()
    server.start()
    peer = connect()
    if order == 'probe first':
        probe(peer, juliet)
    say_presence(peer, juliet)
    if order == 'presence first':
        probe(peer, juliet)
    answer_as_romeo(peer)
    event = peer.message(from_=juliet.jid, to=ORCHARD)
    assert event.find(f'{EVENT}event/{EVENT}items/{EVENT}item').get('id') == 'm'
    say_presence(peer, juliet, '<show>away</show>')
    assert heard_since(peer) == []
    server.stop()
    server.start()
    peer = connect()
    say_presence(peer, juliet, '<show>dnd</show>')
    answer_as_romeo(peer)
    assert heard_since(peer) == []


def test_event_for_a_contact_elsewhere(remote):
    """XEP-0163 section 4.3.1: to the resource, from the account, with the resource that published."""
    server, connect = remote
    juliet = server.account('juliet', 'a.example')
    client, peer = server.login(juliet), connect()
    befriend(client, juliet, peer)
    say_presence(peer, juliet)
    answer_as_romeo(peer)
    heard_since(peer)
    client.set(publish(MOOD, 'm', mood('happy')))
    event = peer.message(from_=juliet.jid, to=ORCHARD)
    assert event.get('type') == 'headline'
    address = event.find('{http://jabber.org/protocol/address}addresses/*')
    assert (address.get('type'), address.get('jid')) == ('replyto', client.jid)
    peer.send(f"<presence type='unavailable' from='{ORCHARD}' to='{juliet.jid}'/>")
    client.presence(type='unavailable', from_=ORCHARD)
    client.set(publish(MOOD, 'm', mood('sad')))
    assert heard_since(peer) == []

"""stentorctl and nodes of publish-subscribe: what it says of them, what it does to them, and what
it refuses (stentorctl(8))."""
import itertools
import re
from xml.etree import ElementTree

import pytest

from test_ctl_rooms import refused

PUBSUB = 'http://jabber.org/protocol/pubsub'
EVENT = f'{{{PUBSUB}#event}}'
SERVICE = 'pubsub.example.org'
STAMP = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z')

numbers = itertools.count(1)


def pubsub(inside, of=''):
    return f"<pubsub xmlns='{PUBSUB}{of}'>{inside}</pubsub>"


def publish(client, owner, node, item, payload='<x xmlns="urn:test"/>'):
    client.set(pubsub(f"<publish node='{node}'><item id='{item}'>{payload}</item></publish>"),
               to=owner)


def subscribe(client, owner, node):
    client.set(pubsub(f"<subscribe node='{node}' jid='{client.jid}'/>"), to=owner)


@pytest.fixture(name='owner', params=['service', 'account'])
def fixture_owner(request, server):
    """Whose nodes they are, and a client who may publish to them."""
    account = server.account()
    client = server.online(account)
    return (SERVICE if request.param == 'service' else account.jid), client


def node_name():
    """They lie on all shards."""
    return f'node{next(numbers)}'


def lines(server, *words):
    """The columns of each line."""
    return [line.split('\t') for line in server.ctl(*words).stdout.splitlines()]


def shown(server, owner, node, kind):
    """The columns of the lines of `node show` of a kind."""
    return [line[1:] for line in lines(server, 'node', 'show', owner, node) if line[0] == kind]


def event(client, owner, child):
    """The next notification of an owner's that has this."""
    while True:
        message = client.message(from_=owner)
        found = message.find(f'{EVENT}event/{EVENT}{child}')
        if found is not None:
            return found


# ---- lists ----

def test_owners(make_server):
    """Accounts and services that have nodes, and no others."""
    server = make_server()
    assert lines(server, 'nodes') == []
    account = server.account()
    client = server.online(account)
    publish(client, account.jid, 'urn:test:a', '1')
    publish(client, SERVICE, 'a', '1')
    server.account()
    assert sorted(lines(server, 'nodes')) == sorted([[account.jid], [SERVICE]])


def test_nodes_of_an_owner(make_server):
    """All fields, of nodes on both shards, in the order of their names."""
    server = make_server()
    account = server.account()
    client = server.online(account)
    names = [f'n{i}' for i in range(8)]
    for i, name in enumerate(names):
        publish(client, SERVICE, name, '1', f'<x xmlns="urn:test">{"x" * i}</x>')
    publish(client, SERVICE, 'n3', '2', '<x xmlns="urn:test"/>')
    subscribe(client, SERVICE, 'n3')
    client.set(pubsub("<configure node='n4'><x xmlns='jabber:x:data' type='submit'><field "
                      f"var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field><field "
                      "var='pubsub#title'><value>The\tfourth</value></field><field "
                      "var='pubsub#access_model'><value>whitelist</value></field></x></configure>",
                      '#owner'), to=SERVICE)
    listed = {line[0]: line[1:] for line in lines(server, 'nodes', SERVICE)}
    assert list(listed) == names
    assert listed['n0'][0] == '1 items' and listed['n0'][2:] == ['0 subscriptions', 'listed', '']
    assert listed['n3'][0] == '2 items' and listed['n3'][2] == '1 subscriptions'
    assert listed['n4'][3:] == ['hidden', 'The fourth']
    bytes_of = {name: int(line[1].removesuffix(' bytes')) for name, line in listed.items()}
    assert bytes_of['n7'] - bytes_of['n5'] == 2
    assert lines(server, 'nodes', 'pubsub.example.net') == lines(server, 'nodes', account.jid) == []


def test_a_name_makes_no_line(server):
    """What stands in names and titles of others is one column."""
    client = server.online(server.account())
    publish(client, SERVICE, 'one&#10;two&#9;three', '1')
    (line,) = [line for line in lines(server, 'nodes', SERVICE) if line[0].startswith('one')]
    assert line[:2] == ['one two three', '1 items'] and len(line) == 6


# ---- one node ----

def test_show(server, owner):
    """When it was made and by whom, the configuration, affiliations, subscriptions."""
    jid, client = owner
    node, before = node_name(), server.account()
    publish(client, jid, node, '1')
    subscribe(client, jid, node)
    client.set(pubsub(f"<affiliations node='{node}'><affiliation jid='{before.jid}' "
                      "affiliation='publisher'/></affiliations>", '#owner'), to=jid)
    bare = client.jid.partition('/')[0]
    (made,) = shown(server, jid, node, 'made')
    assert STAMP.fullmatch(made[0]) and made[1:] == [bare]
    config = {name: values for name, *values in shown(server, jid, node, 'config')}
    assert config['access_model'] == (['open'] if jid == SERVICE else ['presence'])
    assert config['persist_items'] == ['1']
    affiliations = shown(server, jid, node, 'affiliation')
    assert ['publisher', before.jid] in affiliations
    if jid == SERVICE:
        assert ['owner', bare] in affiliations
    (subscription,) = shown(server, jid, node, 'subscription')
    assert subscription[:2] == ['subscribed', client.jid] and subscription[2]


def test_items(server, owner):
    """The oldest first, with when, id, publisher and bytes."""
    jid, client = owner
    node = node_name()
    client.set(pubsub(f"<create node='{node}'/><configure><x xmlns='jabber:x:data' type='submit'>"
                      f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
                      "<field var='pubsub#max_items'><value>10</value></field></x></configure>"),
               to=jid)
    assert lines(server, 'node', 'items', jid, node) == []
    for item in ('first', 'second'):
        publish(client, jid, node, item)
    found = lines(server, 'node', 'items', jid, node)
    assert [line[1] for line in found] == ['first', 'second']
    for line in found:
        assert STAMP.fullmatch(line[0])
        assert line[2].partition('/')[0] == client.jid.partition('/')[0]
        assert line[3] == f"{len('<x xmlns=' + repr('urn:test') + '/>')} bytes"


def test_export(server, owner):
    """XML that a parser takes, though the name of the node and the ids are odd."""
    jid, client = owner
    node = f"{node_name()} &lt;&amp;&apos;&quot;"
    publish(client, jid, node, 'a&lt;&amp;&apos;', "<x xmlns='urn:test'>a&lt;b</x>")
    name = node.replace('&lt;', '<').replace('&amp;', '&').replace('&apos;', "'").replace('&quot;',
                                                                                         '"')
    root = ElementTree.fromstring(server.ctl('node', 'export', jid, name).stdout)
    (items,) = root
    (item,) = items
    assert items.tag == f'{{{PUBSUB}}}items' and items.get('node') == name
    assert item.get('id') == "a<&'"
    assert item[0].tag == '{urn:test}x' and item[0].text == 'a<b'


def test_export_of_many(make_server):
    """More than one page of the store's."""
    server = make_server(limits='node_items_per_second = 0')
    client = server.online(server.account())
    for begin in range(0, 1200, 400):
        client.set(pubsub("<publish node='many'>" + ''.join(
            f"<item id='i{i}'><x xmlns='urn:test'>{i}</x></item>"
            for i in range(begin, begin + 400)) + '</publish>'), to=SERVICE)
    root = ElementTree.fromstring(server.ctl('node', 'export', SERVICE, 'many').stdout)
    assert [item.get('id') for item in root[0]] == [f'i{i}' for i in range(1200)]
    assert [line[1] for line in lines(server, 'node', 'items', SERVICE, 'many')] == \
        [f'i{i}' for i in range(1200)]


# ---- changing ----

def test_purge(server, owner):
    """Items go, for good; who is subscribed is told (XEP-0060 section 8.5)."""
    jid, client = owner
    node = node_name()
    subscribed(client, jid, node)
    server.ctl('node', 'purge', jid, node)
    assert event(client, jid, 'purge').get('node') == node
    assert lines(server, 'node', 'items', jid, node) == []
    assert len(shown(server, jid, node, 'subscription')) == 1


def test_delete(server, owner):
    """Nothing is left, and who is subscribed is told (XEP-0060 section 8.4)."""
    jid, client = owner
    node = node_name()
    subscribed(client, jid, node)
    server.ctl('node', 'delete', jid, node)
    assert event(client, jid, 'delete').get('node') == node
    assert node not in [line[0] for line in lines(server, 'nodes', jid)]
    for word in ('show', 'items', 'export', 'purge', 'delete'):
        assert 'no such node' in refused(server, 'node', word, jid, node)
    publish(client, jid, node, 'new')
    assert shown(server, jid, node, 'subscription') == []


def subscribed(client, jid, node):
    publish(client, jid, node, '1')
    subscribe(client, jid, node)


def test_changes_are_durable(make_server):
    """What was answered is so after a crash."""
    server = make_server()
    client = server.online(server.account())
    for node in ('purged', 'deleted'):
        publish(client, SERVICE, node, '1')
    server.ctl('node', 'purge', SERVICE, 'purged')
    server.ctl('node', 'delete', SERVICE, 'deleted')
    server.kill()
    server.start()
    assert [line[:2] for line in lines(server, 'nodes', SERVICE)] == [['purged', '0 items']]


# ---- what cannot be ----

@pytest.mark.parametrize('word', ['show', 'items', 'export', 'purge', 'delete'])
@pytest.mark.parametrize('name', ['never-made', 'x' * 1024, 'x' * 1025],
                         ids=['unknown', 'longest', 'too long'])
def test_no_such_node(server, word, name):
    account = server.account()
    assert 'no such node' in refused(server, 'node', word, SERVICE, name)
    assert 'no such node' in refused(server, 'node', word, account.jid, name)


@pytest.mark.parametrize('words, why', [
    (['nodes', 'juliet@example.org/r'], 'give an account'), (['nodes', '@'], 'give an account'),
    (['nodes', 'example.org'], 'no nodes at'),
    (['nodes', 'pubsub.elsewhere.example'], 'no nodes at'),
    (['nodes', 'juliet@elsewhere.example'], 'not served'),
    (['nodes', SERVICE, 'x'], 'too many words'),
    (['node', 'show', SERVICE], 'too few'), (['node', 'show', SERVICE, 'a', 'b'], 'too many words'),
    (['node', 'purge', 'rooms.example.org', 'a'], 'no nodes at'),
    (['node', 'unknown', SERVICE, 'a'], 'no such command'),
])
def test_words_that_cannot_be(server, words, why):
    assert why in refused(server, *words)

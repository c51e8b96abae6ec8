"""Publish-subscribe (XEP-0060) over sockets: what no client would send, crashes, full disks, slow
readers, floods; what was answered holds."""
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import condition, find
from harness.xmpp import show
from test_disk_full import disk, fill, free  # noqa: F401

pytestmark = pytest.mark.usefixtures('others_are_served')

SERVICE = 'pubsub.example.org'
NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
PUBSUB, EVENT = f'{{{NS_PUBSUB}}}', f'{{{NS_PUBSUB}#event}}'
ERRORS = f'{{{NS_PUBSUB}#errors}}'
NS_RSM = 'http://jabber.org/protocol/rsm'
CRASHES = 6
SECONDS = 60  # that the end of an account may take to be known everywhere
MIB = 1024 * 1024


def pubsub(inside, of=''):
    return f"<pubsub xmlns='{NS_PUBSUB}{of}'>{inside}</pubsub>"


def item(name, text=''):
    return f"<item id='{name}'><x xmlns='urn:test'>{text}</x></item>"


def publish(node, *items):
    return pubsub(f"<publish node='{node}'>{''.join(items)}</publish>")


def subscribe(node, jid):
    return pubsub(f"<subscribe node='{node}' jid='{jid}'/>")


def form(kind, **fields):
    """Names without pubsub#."""
    return ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
            f'{NS_PUBSUB}#{kind}</value></field>' + ''.join(
                f"<field var='pubsub#{name}'><value>{value}</value></field>"
                for name, value in fields.items()) + '</x>')


def create(node, **fields):
    return pubsub(f"<create node='{node}'/><configure>{form('node_config', **fields)}</configure>")


def items(client, node, of=SERVICE):
    """Ids and texts of a page."""
    answer = client.get(pubsub(f"<items node='{node}'/>"), to=of)
    return [(i.get('id'), i[0].text) for i in answer.iter(f'{PUBSUB}item')]


def events(client, node, count, of=SERVICE):
    """Ids of the items that are published next."""
    heard = []
    while len(heard) < count:
        message = client.message(from_=of)
        about = f'{EVENT}event/{EVENT}items[@node="{node}"]/{EVENT}item'
        heard += [i.get('id') for i in message.findall(about)]
    return heard


def why(answer):
    """The condition, and the one of publish-subscribe."""
    particular = [child.tag.removeprefix(ERRORS) for child in find(answer, 'error')
                  if child.tag.startswith(ERRORS)]
    return (condition(answer), *particular)


@pytest.fixture(name='client')
def fixture_client(server):
    return server.online(server.account())


def bare(client):
    return client.jid.partition('/')[0]


# ---- what no client would send ----

@pytest.mark.parametrize('node, wanted', [
    ('', ('bad-request', 'nodeid-required')), ('x' * 1025, ('not-acceptable',)),
    ('x' * 200000, ('not-acceptable',)), ('\u20ac' * 342, ('not-acceptable',)),
], ids=['empty', 'too long', 'huge', 'too many bytes'])
def test_names_of_nodes(client, node, wanted):
    """docs/pubsub.md, XEP-0060 section 7.2.3.3: at the service and at an account."""
    for owner in (SERVICE, bare(client)):
        assert why(client.ask(publish(node, item('i')), 'set', to=owner)) == wanted
        assert why(client.ask(pubsub(f"<items node='{node}'/>"), to=owner)) == wanted


def test_the_longest_name(client):
    """1,024 bytes, of any kind: what is a wildcard, a path or a quote elsewhere means nothing."""
    for node in ('x' * 1024, '\u20ac' * 341, '%', '../../etc/passwd',
                 '&apos;; DROP TABLE nodes; --', '\U0001f339', ' ', '&#10;', '*'):
        client.set(publish(node, item('i', 'here')), to=bare(client))
        assert items(client, node, bare(client)) == [('i', 'here')]


def test_ids_of_items(client):
    """Up to 1,024 bytes; what is longer makes no node."""
    node = f'ids-{bare(client)}'
    assert client.refused(publish(node, item('x' * 1025)), 'set', SERVICE) == 'not-acceptable'
    assert why(client.ask(pubsub(f"<items node='{node}'/>"), to=SERVICE)) == ('item-not-found',)
    client.set(publish(node, item('x' * 1024)), to=SERVICE)
    assert items(client, node) == [('x' * 1024, None)]


def test_thousands_of_items(make_server):
    """docs/pubsub.md: 1,000 items of a request at most, all of them or none; a page has no more,
    and says where to go on (XEP-0059)."""
    server = make_server(limits='node_items_per_second = 0')
    client = server.online(server.account())
    many = [item(f'i{n}') for n in range(1001)]
    assert why(client.ask(publish('many', *many), 'set', to=SERVICE))[0] == 'not-allowed'
    assert client.refused(pubsub("<items node='many'/>"), to=SERVICE) == 'item-not-found'
    for part in range(3):
        client.set(publish('many', *[item(f'{part}-{n}') for n in range(1000)]), to=SERVICE)
    heard, after = [], ''
    while len(heard) < 3000:
        answer = client.get(pubsub("<items node='many'/><set xmlns="
                                   f"'{NS_RSM}'><max>5000</max>{after}</set>"), to=SERVICE)
        page = [i.get('id') for i in answer.iter(f'{PUBSUB}item')]
        assert 0 < len(page) <= 1000
        heard += page
        last = next(answer.iter(f'{{{NS_RSM}}}last')).text
        after = f'<after>{last}</after>'
    assert heard == [f'{part}-{n}' for part in range(3) for n in range(1000)]
    ids = ''.join(f"<item id='0-{n % 1000}'/>" for n in range(1001))
    assert client.refused(pubsub(f"<items node='many'>{ids}</items>"), to=SERVICE) == 'not-allowed'
    assert client.refused(pubsub(f"<retract node='many'>{ids}</retract>"), 'set', SERVICE) == \
        'not-allowed'


def nested(depth):
    return f"<e xmlns='urn:test'>{'<e>' * (depth - 1)}{'</e>' * (depth - 1)}</e>"


def test_deep_payloads(server, client):
    """What a stream takes, a node keeps and sends unchanged; what is deeper ends the stream
    (RFC 6120 section 4.9.3.14)."""
    node = f'deep-{bare(client)}'
    depths = []
    for depth in (10, 40, 100, 400, 5000):
        other = server.online(server.account())
        other.send(f"<iq type='set' id='d' to='{bare(other)}'>" +
                   publish(node, f"<item id='d'>{nested(depth)}</item>") + '</iq>')
        came = other.take()
        if came.tag.endswith('}error'):
            break
        assert came.get('type') == 'result', show(came)
        answer = other.get(pubsub(f"<items node='{node}'/>"), to=bare(other))
        assert len(list(answer.iter('{urn:test}e'))) == depth
        depths.append(depth)
    assert depths[:2] == [10, 40] and depth <= 5000 and came.tag.endswith('}error')


@pytest.mark.parametrize('inside, wanted', [
    ("<publish node='{n}'><item id='i'><x xmlns='a'/><y xmlns='b'/></item></publish>",
     ('bad-request', 'invalid-payload')),
    ("<publish node='{n}'><item id='i'/></publish>", ('bad-request', 'payload-required')),
    ("<publish node='{n}'><item id='i'>words alone</item></publish>",
     ('bad-request', 'payload-required')),
    ("<publish node='{n}'/>", ('bad-request', 'item-required')),
    ("<retract node='{n}'/>", ('bad-request', 'item-required')),
    ("<retract node='{n}'><item/></retract>", ('bad-request', 'item-required')),
    ("<subscribe node='{n}'/>", ('bad-request', 'jid-required')),
    ("<subscribe node='{n}' jid='@'/>", ('jid-malformed',)),
    ("<subscribe node='{n}' jid='witness@example.org'/>", ('bad-request', 'invalid-jid')),
    ("<subscribe node='{n}' jid='example.org'/>", ('bad-request', 'invalid-jid')),
    ("<unknown node='{n}'/>", ('bad-request',)), ('', ('bad-request',)),
    ('words', ('bad-request',)),
])
def test_requests_that_cannot_be(client, inside, wanted):
    """XEP-0060 sections 6.1.3.1, 7.1.3.6, 7.1.3.7, 7.2.3.4; nothing changes."""
    node = f'n-{bare(client)}'
    client.ask(publish(node, item('first')), 'set', to=SERVICE)
    answer = client.ask(pubsub(inside.format(n=node)), 'set', to=SERVICE)
    assert why(answer) == wanted
    assert answer.find(f'{PUBSUB}pubsub') is not None    # as clients want it
    assert items(client, node) == [('first', None)]
    owned = client.get(pubsub(f"<subscriptions node='{node}'/>", '#owner'), to=SERVICE)
    assert len(owned[0][0]) == 0


def test_events_are_the_services_alone(server, client):
    """A client cannot speak for a service: RFC 6120 section 8.1.2.1 takes a stanza from another
    address for a bad one, and so the stream ends."""
    other = server.online(server.account())
    other.send(f"<message from='{SERVICE}' to='{client.jid}' type='headline'><event xmlns="
               f"'{NS_PUBSUB}#event'><items node='n'>{item('forged')}</items></event></message>")
    assert other.stream_error() == 'invalid-from'
    other = server.online(server.account())
    other.send(f"<iq from='{client.jid}' to='{SERVICE}' type='set' id='f'>"
               f"{publish('forged', item('i'))}</iq>")
    assert other.stream_error() == 'invalid-from'
    assert client.refused(pubsub("<items node='forged'/>"), to=SERVICE) == 'item-not-found'
    assert client.sync() == []


def test_what_others_may_not(server, client):
    """XEP-0060 sections 7.1.3.1, 7.2.3.1, 8.2.3.1, 8.4.3.1, 8.5.3.2, 8.8.1.1, 8.9.1.1: who is
    nobody to the node changes nothing of it, nor of the subscriptions of others."""
    node, other = f'n-{bare(client)}', server.online(server.account())
    client.set(publish(node, item('first')), to=SERVICE)
    client.set(subscribe(node, client.jid), to=SERVICE)
    for request, of in (
            (f"<publish node='{node}'>{item('forged')}</publish>", ''),
            (f"<retract node='{node}'><item id='first'/></retract>", ''),
            (f"<purge node='{node}'/>", '#owner'), (f"<delete node='{node}'/>", '#owner'),
            (f"<configure node='{node}'>{form('node_config', title='x')}</configure>", '#owner'),
            (f"<affiliations node='{node}'><affiliation jid='{bare(other)}' affiliation='owner'/>"
             '</affiliations>', '#owner'),
            (f"<subscriptions node='{node}'><subscription jid='{client.jid}' subscription='none'/>"
             '</subscriptions>', '#owner')):
        assert other.refused(pubsub(request, of), 'set', SERVICE) == 'forbidden', request
    assert other.refused(pubsub(f"<unsubscribe node='{node}' jid='{client.jid}'/>"), 'set',
                         SERVICE) == 'forbidden'
    assert events(client, node, 1) == ['first']       # upon the subscription
    client.set(publish(node, item('second')), to=SERVICE)
    assert events(client, node, 1) == ['second']
    assert items(client, node) == [('first', None), ('second', None)]


def test_floods(make_server):
    """node_items_per_second: what is beyond it is refused, and others are not."""
    server = make_server(limits='node_items_per_second = 10')
    client, other = (server.online(account) for account in server.two_accounts())
    client.set(create('busy', publish_model='open'), to=SERVICE)
    sent = [client.ask(publish('busy', item(f'i{n}')), 'set', to=SERVICE) for n in range(100)]
    refused = [answer for answer in sent if answer.get('type') == 'error']
    assert {condition(answer) for answer in refused} == {'resource-constraint'}
    assert len(refused) < 100
    other.set(publish('busy', item('calm')), to=SERVICE)
    kept = [name for name, _ in items(client, 'busy')]
    assert len(kept) == 100 - len(refused) + 1 and kept[-1] == 'calm'


def test_a_slow_reader(make_server):
    """output_bytes: who subscribes to a busy node and does not read is cut off; others hear all,
    and memory stays bounded."""
    server = make_server(limits='output_bytes = 131072\nstanza_bytes = 30000\n'
                         'node_items_per_second = 0\nnode_item_bytes = 24K')
    writer, watcher = (server.online(account) for account in server.two_accounts())
    reader = server.online(server.account(), receive_buffer=4096)
    writer.set(create('busy', max_items=1), to=SERVICE)
    for client in (watcher, reader):
        client.set(subscribe('busy', client.jid), to=SERVICE)
    before = server.stats()['resident_bytes']
    for number in range(2000):
        writer.set(publish('busy', item(f'i{number}', 'x' * 20000)), to=SERVICE)
        assert events(watcher, 'busy', 1) == [f'i{number}']
        if number % 20 == 0 and server.log('slow_reader'):
            break
    assert server.log('slow_reader')
    server.gone_offline(reader.jid)
    assert server.stats()['resident_bytes'] - before < 48 * MIB
    writer.set(publish('busy', item('last')), to=SERVICE)
    assert events(watcher, 'busy', 1) == ['last']


# ---- crashes and ends ----

def all_items(client, node):
    """Ids, page after page."""
    heard, after, count = [], '', None
    while count is None or len(heard) < count:
        answer = client.get(pubsub(f"<items node='{node}'/><set xmlns='{NS_RSM}'><max>500</max>"
                                   f'{after}</set>'), to=SERVICE)
        heard += [i.get('id') for i in answer.iter(f'{PUBSUB}item')]
        count = int(next(answer.iter(f'{{{NS_RSM}}}count')).text)
        after = f"<after>{next(answer.iter(f'{{{NS_RSM}}}last')).text}</after>"
    return heard


def publish_until_killed(client, prefix, killed, acknowledged):
    """Without a pause."""
    number = 0
    try:
        while True:
            name = f'{prefix}-{number}'
            client.set(publish('busy', item(name)), to=SERVICE)
            acknowledged.append(name)
            number += 1
    except (AssertionError, OSError):
        assert killed.is_set()


def test_publishing_and_crashes(make_server):
    """Killed while two clients publish without a pause: each item that was answered is there, each
    client's in the order it had, none twice; the database opens; who was subscribed is."""
    server = make_server(limits='node_items_per_second = 0')
    accounts = server.two_accounts()
    choices = random.Random(1)
    acknowledged = {'a': [], 'b': []}
    client = server.online(accounts[0])
    client.set(create('busy', publish_model='open'), to=SERVICE)
    client.set(subscribe('busy', bare(client)), to=SERVICE)
    for crash in range(CRASHES):
        killed = threading.Event()
        clients = [server.online(account) for account in accounts]
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(publish_until_killed, client, f'{name}{crash}', killed,
                                   acknowledged[name])
                       for name, client in zip(acknowledged, clients)]
            time.sleep(choices.uniform(0.2, 1))
            killed.set()
            server.kill()
            for future in running:
                future.result()
        server.start()
        kept = all_items(server.online(accounts[1]), 'busy')
        assert len(set(kept)) == len(kept)
        for names in acknowledged.values():
            assert names and [name for name in kept if name in set(names)] == names
    subscriber = server.online(accounts[0])
    server.online(accounts[1]).set(publish('busy', item('after all')), to=SERVICE)
    while events(subscriber, 'busy', 1) != ['after all']:
        pass    # the newest one, as it was when he came


def test_a_stop(make_server):
    """Items, subscriptions with their options, affiliations, configurations stay; items in memory
    alone do not."""
    server = make_server()
    accounts = server.two_accounts()
    owner, reader = (server.online(account) for account in accounts)
    owner.set(create('kept', title='The title'), to=SERVICE)
    owner.set(create('fleeting', persist_items=0), to=SERVICE)
    for node in ('kept', 'fleeting'):
        owner.set(publish(node, item('i', 'text')), to=SERVICE)
        assert items(owner, node) == [('i', 'text')]
    reader.set(subscribe('kept', bare(reader)), to=SERVICE)
    before = [server.ctl('node', 'show', SERVICE, 'kept').stdout,
              server.ctl('node', 'items', SERVICE, 'kept').stdout]
    server.stop()
    server.start()
    assert before == [server.ctl('node', 'show', SERVICE, 'kept').stdout,
                      server.ctl('node', 'items', SERVICE, 'kept').stdout]
    owner, reader = (server.online(account) for account in accounts)
    assert items(owner, 'kept') == [('i', 'text')]
    assert items(owner, 'fleeting') == []
    owner.set(publish('kept', item('new')), to=SERVICE)
    while events(reader, 'kept', 1) != ['new']:
        pass


def test_the_end_of_an_account(make_server):
    """Its subscriptions at a service end with it, and its own nodes: an account that is made anew
    under its name finds neither, also after a crash."""
    server = make_server()
    first, second = server.two_accounts()
    owner, leaving = server.online(first), server.online(second)
    nodes = [f'n{number}' for number in range(8)]    # on each shard
    for node in nodes:
        owner.set(publish(node, item('i')), to=SERVICE)
        for jid in (bare(leaving), leaving.jid):
            leaving.set(subscribe(node, jid), to=SERVICE)
    leaving.set(publish('own', item('i')), to=second.jid)
    server.ctl('deluser', second.jid)
    for node in nodes:
        deadline = time.monotonic() + SECONDS
        while second.jid in (shown := server.ctl('node', 'show', SERVICE, node).stdout):
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
    server.kill()
    server.start()
    server.account(second.user)
    again = server.online(second)
    assert len(again.get(pubsub('<subscriptions/>'), to=SERVICE)[0][0]) == 0
    assert again.refused(pubsub("<items node='own'/>"), to=second.jid) == 'item-not-found'


# ---- a disk without room ----

def test_a_full_disk(make_server, disk):  # noqa: F811
    """Who publishes gets an error, and nothing is half done; when there is room again all goes on,
    with what was answered."""
    server = make_server(data=disk, limits='disk_reserve_bytes = 0\nnode_items_per_second = 0')
    server.expected |= {'store_failed', 'node'}
    account = server.account()
    client = server.online(account)
    client.set(create('full'), to=SERVICE)
    fill(disk, 0)
    kept = []
    for number in range(20000):
        name = f'i{number}'
        answer = client.ask(publish('full', item(name, 'x' * 20000)), 'set', to=SERVICE)
        if answer.get('type') == 'error':
            break
        kept.append(name)
    assert condition(answer) in ('resource-constraint', 'internal-server-error')
    client.sync()
    free(disk)
    while client.ask(publish('full', item('late')), 'set', to=SERVICE).get('type') == 'error':
        assert server.process.poll() is None
    assert all_items(client, 'full') == [*kept, 'late']
    server.kill()
    server.start()
    assert all_items(server.online(account), 'full') == [*kept, 'late']

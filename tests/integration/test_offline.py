"""Offline messages (XEP-0160, XEP-0203), between accounts of different shards."""
import datetime

import pytest

from harness import condition, find, text_of
from harness.moved import archive
from harness.server import Account

pytestmark = pytest.mark.usefixtures('others_are_served')


@pytest.fixture
def people(server):
    first, second = server.two_accounts()
    return server.online(first), second


@pytest.fixture
def nothing_waits(server):
    """Waits until the messages of this test wait no longer."""
    before = server.stats()['ledger_waiting']
    return lambda: server.wait_stat('ledger_waiting', before)


def store(server, sender, to, number, type='chat'):
    """Sends messages that are stored, and waits until they are durable."""
    before = server.stats()['offline_stored']
    sender.send(''.join(f"<message to='{to}' type='{type}' id='o{i}'><body>{i}</body></message>"
                        for i in range(number)))
    server.wait_stat('offline_stored', before + number)


def messages(stanzas):
    return [e for e in stanzas if e.tag.endswith('}message')]


@pytest.mark.parametrize('type', ['chat', 'normal'])
def test_delivered_at_login_with_delay(server, people, nothing_waits, type):
    """XEP-0160 section 2 and XEP-0203: in order, with from and time of the server."""
    juliet, romeo = people
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    store(server, juliet, romeo.jid, 3, type)
    client = server.online(romeo)
    for i in range(3):
        message = client.message()
        assert (message.get('id'), message.get('from')) == (f'o{i}', juliet.jid)
        assert (message.get('to'), message.get('type')) == (romeo.jid, type)
        assert text_of(message, 'body') == str(i)
        delay = find(message, 'delay:delay')
        assert delay.get('from') == 'example.org'
        stamp = datetime.datetime.fromisoformat(delay.get('stamp').replace('Z', '+00:00'))
        assert before <= stamp <= datetime.datetime.now(datetime.timezone.utc)
    nothing_waits()
    assert messages(server.online(romeo).sync()) == [], 'once'


def test_not_for_a_negative_priority(server, people):
    """XEP-0160 section 2: who comes with a negative priority does not get them; they come when
    it rises."""
    juliet, romeo = people
    store(server, juliet, romeo.jid, 1)
    client = server.online(romeo, 'r', -1)
    assert messages(client.sync()) == []
    client.send('<presence><priority>0</priority></presence>')
    assert client.message().get('id') == 'o0'


def test_not_for_a_resource_without_presence(server, people):
    """XEP-0160 section 2: initial presence calls for them, not the login."""
    juliet, romeo = people
    store(server, juliet, romeo.jid, 1)
    client = server.login(romeo)
    assert messages(client.sync()) == []
    client.send('<presence/>')
    assert client.message().get('id') == 'o0'


def test_order_of_offline_and_live(server, people):
    """What comes while the stored messages are delivered comes behind them."""
    juliet, romeo = people
    store(server, juliet, romeo.jid, 300)
    client = server.login(romeo)
    client.send('<presence/>')
    juliet.send(''.join(f"<message to='{romeo.jid}' type='chat' id='l{i}'><body>live</body>"
                        '</message>' for i in range(300)))
    got = [client.message().get('id') for _ in range(600)]
    assert got == [f'o{i}' for i in range(300)] + [f'l{i}' for i in range(300)]


NO_ARCHIVE = {'example.org': 'archive = false'}


def test_many(make_server):
    """As many as the default bound allows, 1,000, and not one more."""
    server = make_server(hosts=NO_ARCHIVE)
    first, romeo = server.two_accounts()
    juliet = server.online(first)
    store(server, juliet, romeo.jid, 1000)
    juliet.send(f"<message to='{romeo.jid}' type='chat' id='more'><body>x</body></message>")
    assert condition(juliet.message(id='more')) == 'service-unavailable'
    client = server.online(romeo)
    for i in range(1000):
        assert client.message().get('id') == f'o{i}'
    server.wait_stat('ledger_waiting', 0)
    client.send('</stream:stream>')
    client.wait_end()
    store(server, juliet, romeo.jid, 1)


def test_bound_of_the_configuration(make_server):
    """offline_messages of the limits; it counts for each account alone."""
    server = make_server(hosts=NO_ARCHIVE, limits='offline_messages = 3')
    juliet = server.online(server.account())
    romeo, tybalt = server.two_accounts()
    store(server, juliet, romeo.jid, 3)
    juliet.send(f"<message to='{romeo.jid}' id='more'><body>x</body></message>")
    assert condition(juliet.message(id='more')) == 'service-unavailable'
    store(server, juliet, tybalt.jid, 3)


def test_bound_where_there_is_an_archive(make_server):
    """More than offline_messages wait for nobody, but are in the archive: none goes back."""
    server = make_server(limits='offline_messages = 3')
    first, romeo = server.two_accounts()
    juliet = server.online(first)
    for i in range(5):
        juliet.send(f"<message to='{romeo.jid}' type='chat' id='o{i}'><body>{i}</body></message>")
    server.wait_stat('messages_kept', 5)
    assert messages(juliet.sync()) == []
    client = server.online(romeo)
    assert [client.message().get('id') for _ in range(3)] == ['o0', 'o1', 'o2']
    server.wait_stat('ledger_waiting', 0)
    assert messages(client.sync()) == []
    assert [m[0] for m in archive(client)] == [f'o{i}' for i in range(5)]


@pytest.mark.parametrize('content', [
    "<active xmlns='http://jabber.org/protocol/chatstates'/>",
    "<composing xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>",
    "<body>secret</body><no-store xmlns='urn:xmpp:hints'/>",
    '',
])
def test_not_stored(server, people, nothing_waits, content):
    """XEP-0160 section 3 and XEP-0334: chat states, and what asks not to be stored."""
    juliet, romeo = people
    juliet.send(f"<message to='{romeo.jid}' type='chat' id='m'>{content}</message>")
    store(server, juliet, romeo.jid, 1)
    client = server.online(romeo)
    assert client.message().get('id') == 'o0'
    nothing_waits()
    assert messages(client.sync()) == []


def test_several_resources_get_them_once(server, people, nothing_waits):
    """XEP-0160 section 2: one resource takes them."""
    juliet, romeo = people
    store(server, juliet, romeo.jid, 100)
    clients = [server.login(romeo) for _ in range(3)]
    for client in clients:
        client.send('<presence/>')
    nothing_waits()
    got = [m.get('id') for client in clients for m in messages(client.sync())]
    assert sorted(got, key=lambda i: int(i[1:])) == [f'o{i}' for i in range(100)]


def test_deleted_account_leaves_none(server, people, nothing_waits):
    """XEP-0077 section 3.2: what waited for a deleted account is erased."""
    juliet, romeo = people
    store(server, juliet, romeo.jid, 2)
    server.ctl('deluser', romeo.jid)
    nothing_waits()
    again = server.account(romeo.user)
    assert messages(server.online(again).sync()) == []


def test_content_is_kept(server, people):
    """What was in the message is in it later, prefixes included."""
    juliet, romeo = people
    before = server.stats()['offline_stored']
    juliet.send(f"<message to='{romeo.jid}' type='chat' id='m' xml:lang='it'>"
                "<body>&lt;\u00e8&gt;</body><a:x xmlns:a='urn:a' a:b='&amp;'/></message>")
    server.wait_stat('offline_stored', before + 1)
    message = server.online(romeo).message(id='m')
    assert text_of(message, 'body') == '<\u00e8>'
    assert message.find('{urn:a}x').get('{urn:a}b') == '&'
    assert message.get('{http://www.w3.org/XML/1998/namespace}lang') == 'it'


def test_feature(server, people):
    """XEP-0160 section 4: msgoffline."""
    juliet, _ = people
    info = find(juliet.get("<query xmlns='http://jabber.org/protocol/disco#info'/>",
                           to='example.org'), 'info:query')
    assert 'msgoffline' in {f.get('var') for f in info}


@pytest.fixture
def slow_reader(make_server):
    """Somebody with a backlog far larger than output_bytes, whose client reads nothing yet."""
    server = make_server(limits='output_bytes = 128K\nstanza_bytes = 50000')
    first, second = server.two_accounts()
    sender = server.online(first)
    for i in range(100):
        sender.send(f"<message to='{second.jid}' type='chat' id='o{i}'>"
                    f"<body>{'x' * 40000}</body></message>")
    server.wait_stat('offline_stored', 100)
    reader = server.login(second, receive_buffer=4096)
    reader.send('<presence/>')
    server.wait_stat('ledger_waiting', lambda n: n < 100)
    return server, sender, reader


def test_backlog_larger_than_the_output(slow_reader):
    """XEP-0160 section 2: the reader's pace is kept; nobody is cut off for what waited."""
    server, _, reader = slow_reader
    for i in range(100):
        assert reader.message().get('id') == f'o{i}'
    server.wait_stat('ledger_waiting', 0)
    assert not server.log('slow_reader')


def test_live_messages_behind_a_backlog(slow_reader):
    """What comes meanwhile waits behind it, up to a bound; the senders of more are told."""
    server, sender, reader = slow_reader
    bare = reader.jid.partition('/')[0]
    for i in range(100):
        sender.send(f"<message to='{bare}' type='chat' id='l{i}'><body>{'x' * 4000}</body>"
                    '</message>')
    refused = {sender.message(type='error')}
    while server.stats()['stanza_errors'] > len(refused):
        refused.add(sender.message(type='error'))
    assert {condition(m) for m in refused} == {'resource-constraint'}
    taken = [f'l{i}' for i in range(100) if f'l{i}' not in {m.get('id') for m in refused}]
    assert taken
    for i in range(100):
        assert reader.message().get('id') == f'o{i}'
    assert [reader.message().get('id') for _ in taken] == taken


def test_reader_that_leaves_within_the_backlog(slow_reader):
    """What was not given to it waits for the next login, in order, the live ones behind."""
    server, sender, reader = slow_reader
    bare = reader.jid.partition('/')[0]
    sender.send(f"<message to='{bare}' type='chat' id='live'><body>x</body></message>")
    sender.sync()
    reader.reset()
    server.gone_offline(bare)
    server.wait_stat('offline_stored', 101)
    left = server.stats()['ledger_waiting']
    account = Account(bare.partition('@')[0], 'example.org', 'O Romeo, Romeo!')
    again = server.online(account)
    got = [again.message().get('id') for _ in range(left)]
    assert got == [f'o{i}' for i in range(101 - left, 100)] + ['live']

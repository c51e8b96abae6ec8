"""Where messages go (RFC 6121 sections 5 and 8.5), between accounts of different shards."""
import pytest

from harness import condition, find, text_of

pytestmark = pytest.mark.usefixtures('others_are_served')

TYPES = ['normal', 'chat', 'groupchat', 'headline']

# RFC 6121 section 8.5.4, table 1, with the choices that are made here where it leaves some.
# O: stored for later; E: service-unavailable; S: ignored; D: delivered to the resource; M: to
# the resources with the highest priority; A: to all whose priority is not negative.
TABLE = {
    # who is online, kind of address:        normal, chat, groupchat, headline
    ('no account', 'bare'):                  'E E E S',
    ('no account', 'full'):                  'E E E S',
    ('none', 'bare'):                        'O O E S',
    ('none', 'no match'):                    'E O E S',
    ('negative', 'bare'):                    'O O E S',
    ('negative', 'match'):                   'D D D D',
    ('negative', 'no match'):                'E O E S',
    ('one', 'bare'):                         'M M E A',
    ('one', 'match'):                        'D D D D',
    ('one', 'no match'):                     'E M E S',
    ('many', 'bare'):                        'M M E A',
    ('many', 'match'):                       'D D D D',
    ('many', 'no match'):                    'E M E S',
}
PRIORITIES = {'none': {}, 'negative': {'match': -1}, 'one': {'match': 0, 'minus': -1},
              'many': {'match': 1, 'low': 1, 'best': 5, 'best2': 5, 'minus': -1}}
CASES = [(who, address, type, outcome) for (who, address), outcomes in TABLE.items()
         for type, outcome in zip(TYPES, outcomes.split())]


@pytest.fixture
def juliet_and_romeo(server):
    first, second = server.two_accounts()
    return server.online(first), second


def takers(outcome, resources):
    if outcome == 'D':
        return {'match'}
    best = max(resources.values(), default=-1)
    if outcome == 'M':
        return {r for r, p in resources.items() if p == best}
    return {r for r, p in resources.items() if p >= 0} if outcome == 'A' else set()


@pytest.mark.parametrize('who, address, type, outcome', CASES)
def test_table_1(server, juliet_and_romeo, who, address, type, outcome):
    """RFC 6121 section 8.5.4."""
    juliet, romeo = juliet_and_romeo
    to = romeo.jid if who != 'no account' else 'nobody@example.org'
    resources = PRIORITIES.get(who, {})
    clients = {r: server.online(romeo, r, p) for r, p in resources.items()}
    for client in clients.values():
        client.sync()
    to += {'bare': '', 'full': '/x', 'match': '/match', 'no match': '/unknown'}[address]
    stored = server.stats()['offline_stored']
    juliet.send(f"<message to='{to}' type='{type}' id='m'><body>Hist!</body></message>")
    for resource in takers(outcome, resources):
        message = clients[resource].message(id='m')
        assert message.get('from') == juliet.jid
        assert message.get('to') == to, 'the address is left as it was'
        assert text_of(message, 'body') == 'Hist!'
    if outcome == 'E':
        assert condition(juliet.message(id='m')) == 'service-unavailable'
    if outcome == 'O':
        server.wait_stat('offline_stored', stored + 1)
    for client in clients.values():
        assert [m for m in client.sync_from(juliet) if m.tag.endswith('}message')] == []
    assert juliet.sync() == []
    assert server.stats()['offline_stored'] == stored + (outcome == 'O')


@pytest.mark.parametrize('address', ['', '/match', '/unknown'])
def test_error_reaches_a_resource_only(server, juliet_and_romeo, address):
    """RFC 6121 section 8.5: a message of type error goes to a resource that matches, and is
    ignored otherwise."""
    juliet, romeo = juliet_and_romeo
    client = server.online(romeo, 'match')
    juliet.send(f"<message to='{romeo.jid}{address}' type='error' id='m'/>")
    got = [m.get('id') for m in client.sync_from(juliet) if m.tag.endswith('}message')]
    assert got == (['m'] if address == '/match' else [])
    assert juliet.sync() == []


def test_unknown_type_is_normal(server, juliet_and_romeo):
    """RFC 6121 section 5.2.2."""
    juliet, romeo = juliet_and_romeo
    client = server.online(romeo)
    juliet.send(f"<message to='{romeo.jid}' type='x' id='m'/>")
    assert client.message(id='m') is not None


def test_order_between_two(server, juliet_and_romeo):
    """RFC 6120 section 10.1: in-order processing, across shards, messages and IQs alike."""
    juliet, romeo = juliet_and_romeo
    client = server.online(romeo, 'r')
    client.send(f"<presence to='{juliet.jid}'/>")
    juliet.presence(from_=client.jid)
    juliet.send(''.join(
        f"<message to='{client.jid}' id='{i}'/>" if i % 2 else
        f"<iq to='{client.jid}' id='{i}' type='get'><x xmlns='urn:x'/></iq>" for i in range(1000)))
    for i in range(1000):
        assert client.take().get('id') == str(i)


def test_many_senders(server):
    """Many at once to one receiver: each one's order holds, nothing is lost or doubled."""
    receiver = server.online(server.account())
    senders = [server.online(server.account()) for _ in range(8)]
    for sender in senders:
        sender.send(''.join(f"<message to='{receiver.jid}' id='{i}'/>" for i in range(100)))
    seen = {sender.jid: [] for sender in senders}
    for _ in range(800):
        message = receiver.message()
        seen[message.get('from')].append(int(message.get('id')))
    assert all(ids == list(range(100)) for ids in seen.values())


def test_both_ways(server, juliet_and_romeo):
    """RFC 6121 section 5.1: a conversation."""
    juliet, romeo = juliet_and_romeo
    client = server.online(romeo)
    juliet.send(f"<message to='{romeo.jid}' type='chat'><body>Art thou not Romeo?</body>"
                "<thread>t1</thread></message>")
    message = client.message(type='chat')
    assert text_of(message, 'thread') == 't1'
    client.send(f"<message to='{message.get('from')}' type='chat'><body>Neither, fair saint</body>"
                "<thread>t1</thread></message>")
    assert text_of(juliet.message(type='chat'), 'body') == 'Neither, fair saint'


def test_large_message(server, juliet_and_romeo):
    """RFC 6120 section 13.12: 10,000 bytes must pass; here nearly 256 KiB do."""
    juliet, romeo = juliet_and_romeo
    client = server.online(romeo)
    for size in (10000, 250000):
        juliet.send(f"<message to='{romeo.jid}' id='m{size}'><body>{'x' * size}</body></message>")
        assert len(text_of(client.message(id=f'm{size}'), 'body')) == size


def test_error_of_a_message_repeats_its_id(juliet_and_romeo):
    """RFC 6120 section 8.3.1: so that a client knows which one it was."""
    juliet, _ = juliet_and_romeo
    juliet.send("<message to='nobody@example.org' id='which' type='chat'><body>x</body></message>")
    error = juliet.message(id='which')
    assert error.get('from') == 'nobody@example.org'
    assert find(error, 'error') is not None

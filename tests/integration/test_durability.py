"""What was confirmed is there after a crash, once (SIGKILL at any moment)."""
import random
import threading
import time

import pytest

from harness import condition, find, findall
from harness.client import failure
from harness.xmpp import name

ROSTER = "<query xmlns='jabber:iq:roster'>{}</query>"
CRASHES = 6
NO_ARCHIVE = {'example.org': 'archive = false'}


@pytest.fixture
def server(make_server):
    return make_server(limits='offline_messages = 100000')


def crash(server):
    server.kill()
    server.start()


def numbers_of(receiver, count):
    """The numbers of the messages that come: `count` at least, and all that come with them."""
    numbers = []
    while len(numbers) < count:
        numbers.append(int(receiver.message().get('id')))
    return numbers + [int(m.get('id')) for m in receiver.sync() if m.tag.endswith('}message')]


def test_account_is_there_after_a_crash(server):
    """stentorctl's exit code 0 means durable; a deleted account does not come back."""
    for i in range(CRASHES):
        kept = server.account(f'kept{i}')
        server.ctl('passwd', kept.jid, stdin='changed\n')
        gone = server.account(f'gone{i}')
        server.ctl('deluser', gone.jid)
        crash(server)
        assert server.secure().plain(kept.user, 'changed').tag == name('sasl:success')
        client = server.secure()
        assert failure(client.plain(kept.user, kept.password)) == 'not-authorized'
        assert failure(client.plain(gone.user, gone.password)) == 'not-authorized'
    users = server.ctl('users').stdout.split()
    assert sorted(users) == sorted(f'kept{i}@example.org' for i in range(CRASHES))


def test_registered_account_is_there_after_a_crash(server):
    """XEP-0077: so does the result of a registration."""
    for i in range(CRASHES):
        client = server.secure('example.net')
        client.set("<query xmlns='jabber:iq:register'>"
                   f'<username>new{i}</username><password>x</password></query>')
        crash(server)
        assert server.secure('example.net').plain(f'new{i}', 'x').tag == name('sasl:success')


def test_roster_is_there_after_a_crash(server):
    """RFC 6121 section 2: a result means durable; items, groups, removals."""
    account = server.account()
    for i in range(CRASHES):
        client = server.login(account)
        for k in range(20):
            client.set(ROSTER.format(f"<item jid='c{i}-{k}@example.org' name='{k}'>"
                                     f'<group>g{i}</group></item>'))
        client.set(ROSTER.format(f"<item jid='c{i}-0@example.org' subscription='remove'/>"))
        version = find(client.get(ROSTER.format('')), 'roster:query').get('ver')
        crash(server)
        client = server.login(account)
        query = find(client.get(ROSTER.format('')), 'roster:query')
        assert query.get('ver') == version
        items = {item.get('jid'): item for item in query}
        assert len(items) == len(query) == 19 * (i + 1)
        last = items[f'c{i}-19@example.org']
        assert (last.get('name'), last.get('subscription')) == ('19', 'none')
        assert [g.text for g in findall(last, 'roster:group')] == [f'g{i}']


def test_subscription_is_there_after_a_crash(server):
    """RFC 6121 section 3: what was pushed is durable."""
    first, second = server.two_accounts()
    juliet, romeo = server.online(first), server.online(second)
    for client in (juliet, romeo):
        client.get(ROSTER.format(''))
    juliet.send(f"<presence type='subscribe' to='{second.jid}'/>")
    romeo.presence(type='subscribe')
    romeo.send(f"<presence type='subscribed' to='{first.jid}'/>")
    juliet.presence(type='subscribed')
    romeo.iq(type='set')
    for subscription in (None, 'to'):
        item = find(juliet.iq(type='set'), 'roster:query/roster:item')
        assert subscription in (None, item.get('subscription'))
    crash(server)
    juliet = server.login(first)
    item = find(juliet.get(ROSTER.format('')), 'roster:query/roster:item')
    assert (item.get('jid'), item.get('subscription')) == (second.jid, 'to')


def test_confirmed_messages_are_there_once(server):
    """The crash comes while a sender sends without a pause. What had been counted as stored
    before it is there; nothing is there twice; nothing is missing in between."""
    first, second = server.two_accounts()
    random.seed(1)
    stored = set()
    sent = 0
    for _ in range(CRASHES):
        sender = server.online(first)
        stop = threading.Event()

        def send():
            nonlocal sent
            try:
                while not stop.is_set():
                    sender.send(''.join(
                        f"<message to='{second.jid}' type='chat' id='{sent + i}'><body>"
                        f"{'x' * 100}</body></message>" for i in range(20)))
                    sent += 20
                    time.sleep(0.005)
            except OSError:
                pass

        begin = sent
        thread = threading.Thread(target=send)
        thread.start()
        confirmed = server.wait_stat('offline_stored', lambda n: n >= random.randint(1, 200))
        time.sleep(random.random() / 20)
        confirmed = max(confirmed, server.stats()['offline_stored'])
        server.kill()
        stop.set()
        thread.join()
        sender.close()
        server.start()
        waiting = server.stats()['ledger_waiting']
        assert waiting - len(stored) >= confirmed
        stored |= set(range(begin, begin + waiting - len(stored)))
        sent += 20
    receiver = server.online(second)
    assert numbers_of(receiver, len(stored)) == sorted(stored)
    server.wait_stat('ledger_waiting', 0)


def test_delivered_messages_do_not_come_back(server):
    """What was taken out before the crash is out; what was not comes again, in order."""
    first, second = server.two_accounts()
    sender = server.online(first)
    count = 400
    sender.send(''.join(f"<message to='{second.jid}' type='chat' id='{i}'><body>x</body></message>"
                        for i in range(count)))
    server.wait_stat('offline_stored', count)
    seen = set()
    for _ in range(3):
        receiver = server.login(second)
        receiver.send('<presence/>')
        seen.add(int(receiver.message().get('id')))
        waiting = server.stats()['ledger_waiting']
        server.kill()
        receiver.close()
        server.start()
        left = server.stats()['ledger_waiting']
        assert left <= waiting
        if not left:
            break
    receiver = server.online(second)
    got = numbers_of(receiver, left)
    assert got == list(range(count - left, count))
    server.wait_stat('ledger_waiting', 0)
    crash(server)
    assert [m for m in server.online(second).sync() if m.tag.endswith('}message')] == []


def test_erased_messages_do_not_come_back(make_server):
    """An account's messages are erased with it; a crash does not bring them back. Where the sender
    has an archive the words stay in it, so there is none."""
    server = make_server(hosts=NO_ARCHIVE)
    first, second = server.two_accounts()
    sender = server.online(first)
    secret = 'a-word-that-stands-nowhere-else'
    sender.send(f"<message to='{second.jid}' id='m'><body>{secret}</body></message>")
    server.wait_stat('offline_stored', 1)
    server.ctl('deluser', second.jid)
    server.wait_stat('ledger_waiting', 0)
    crash(server)
    server.account(second.user)
    assert server.online(second).sync()[1:] == []
    for file in (server.data / 'ledger').iterdir():
        assert secret.encode() not in file.read_bytes(), file


def test_torn_tail(server):
    """A record that was cut in the middle is no record; what stands before it is there."""
    first, second = server.two_accounts()
    sender = server.online(first)
    sender.send(''.join(f"<message to='{second.jid}' type='chat' id='{i}'><body>x</body></message>"
                        for i in range(50)))
    server.wait_stat('offline_stored', 50)
    server.kill()
    segment = max((server.data / 'ledger').glob('*'), key=lambda f: f.stat().st_size)
    data = segment.read_bytes()
    place = data.rindex(b"id='49'")
    with segment.open('r+b') as file:
        file.seek(place)
        file.write(bytes(len(data) - place))
    server.start()
    assert numbers_of(server.online(second), 49) == list(range(49))


def test_error_for_what_was_not_stored(make_server):
    """A sender who sees no error may rely on it: refused messages are not there later."""
    server = make_server(hosts=NO_ARCHIVE, limits='offline_messages = 5')
    first, second = server.two_accounts()
    sender = server.online(first)
    sender.send(''.join(f"<message to='{second.jid}' type='chat' id='{i}'><body>x</body></message>"
                        for i in range(8)))
    refused = [sender.message(type='error') for _ in range(3)]
    assert {condition(m) for m in refused} == {'service-unavailable'}
    crash(server)
    got = numbers_of(server.online(second), 5)
    assert sorted(got + [int(m.get('id')) for m in refused]) == list(range(8))

"""What the disk has of an archive (XEP-0313): its index (XEP-0431), erasing, retracting."""
import time

import pytest

from harness.moved import archive

MAM = "xmlns='urn:xmpp:mam:2'"
FORM = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        "<value>urn:xmpp:mam:2</value></field>")
FIELD = '{urn:xmpp:fulltext:0}fulltext'


def holds(server, text):
    """The files of messages and of their index that have a text in them."""
    files = [*(server.data / 'ledger').rglob('*'), *server.data.glob('search.db*')]
    return [file.name for file in files if file.is_file() and text.encode() in file.read_bytes()]


def wait_for(wanted, seconds=20):
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def search(client, text):
    """The bodies that are found."""
    client.set(f"<query {MAM}>{FORM}<field var='{FIELD}'><value>{text}</value></field></x></query>")
    found = [e.text for m in client.inbox for e in m.iter('{jabber:client}body')]
    client.inbox = []
    return found


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def talk(server):
    """Two accounts, and a function that sends a message from one to the other."""
    first, second = server.two_accounts()
    sender = server.online(first)

    def send(text, id='m'):
        before = server.stats()['messages_kept']
        sender.send(f"<message to='{second.jid}' type='chat' id='{id}'><body>{text}</body>"
                    '</message>')
        server.wait_stat('messages_kept', before + 1)

    return first, second, sender, send


def test_index_is_filled_in_the_background(server, talk):
    """Without a query, some seconds after a message came."""
    _, _, _, send = talk
    send('zyzzogeton')
    wait_for(lambda: any(name.startswith('search.db') for name in holds(server, 'zyzzogeton')))


def test_index_catches_up_after_a_crash(server, talk):
    """What was not indexed when the server died is found when it is back."""
    _, second, _, send = talk
    send('a lark')
    server.kill()
    server.start()
    assert search(server.login(second), 'lark') == ['a lark']


@pytest.mark.parametrize('wrong', [b'no database at all' * 1000, b''], ids=['damaged', 'empty'])
def test_index_is_made_anew(server, talk, wrong):
    """A file that is no index any more costs nothing but the time to read the ledger."""
    _, second, _, send = talk
    send('a lark')
    assert search(server.login(second), 'lark') == ['a lark']
    server.stop()
    (server.data / 'search.db').write_bytes(wrong)
    server.start()
    assert bool(server.log('search_made_anew')) == bool(wrong)
    assert search(server.login(second), 'lark') == ['a lark']


def test_option_search(server, talk):
    """search = false: no index is left, nobody is offered one; and back again."""
    _, second, _, send = talk
    send('a lark')
    assert search(server.login(second), 'lark') == ['a lark']
    server.stop()
    server.write_config(top='search = false')
    server.start()
    assert not list(server.data.glob('search.db*'))
    client = server.login(second)
    features = [e.get('var') for e in
                client.get("<query xmlns='http://jabber.org/protocol/disco#info'/>").iter()]
    assert 'urn:xmpp:mam:2' in features and 'urn:xmpp:fulltext:0' not in features
    assert client.refused(f"<query {MAM}>{FORM}<field var='{FIELD}'><value>lark</value></field></x>"
                          '</query>', 'set') == 'feature-not-implemented'
    server.stop()
    server.write_config()
    server.start()
    assert search(server.login(second), 'lark') == ['a lark']


def test_erase(server, talk):
    """stentorctl erase: the archive and what waits, not the account; the other side keeps its
    own. When both have erased it, the text is nowhere on the disk."""
    first, second, sender, send = talk
    send('zyzzogeton')
    waiting = server.stats()['ledger_waiting']
    server.ctl('erase', second.jid)
    assert server.stats()['ledger_waiting'] == waiting - 1
    client = server.online(second)
    assert archive(client) == [] and search(client, 'zyzzogeton') == []
    assert [m[2] for m in archive(sender)] == ['zyzzogeton']
    assert search(sender, 'zyzzogeton') == ['zyzzogeton']
    server.ctl('erase', first.jid)
    assert archive(sender) == []
    assert holds(server, 'zyzzogeton') == []
    send('another')
    assert [m[2] for m in archive(client)] == ['another']


def test_deleted_accounts_leave_nothing(server, talk):
    """XEP-0077 section 3.2."""
    first, second, sender, send = talk
    send('zyzzogeton')
    assert search(sender, 'zyzzogeton') == ['zyzzogeton']
    assert holds(server, 'zyzzogeton')
    server.ctl('deluser', first.jid)
    server.ctl('deluser', second.jid)
    wait_for(lambda: holds(server, 'zyzzogeton') == [])


def test_what_is_retracted_is_overwritten(server, talk):
    """XEP-0424 section 4: the text is gone from the ledger, not hidden."""
    _, second, sender, send = talk
    send('zyzzogeton', id='m1')
    assert search(sender, 'zyzzogeton') == ['zyzzogeton']
    sender.send(f"<message to='{second.jid}' type='chat' id='r1'>"
                "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/></message>")
    wait_for(lambda: not [name for name in holds(server, 'zyzzogeton')
                          if not name.startswith('search.db')])
    assert search(sender, 'zyzzogeton') == []
    # The index forgets it for good within hours, or when the server starts again.
    server.stop()
    server.start()
    wait_for(lambda: holds(server, 'zyzzogeton') == [])

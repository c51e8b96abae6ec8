"""Rosters (RFC 6121 section 2)."""
import pytest

from harness import condition, find, findall, text_of
from harness.xmpp import show

pytestmark = pytest.mark.usefixtures('others_are_served')

QUERY = "<query xmlns='jabber:iq:roster'>{}</query>"


def item(inner='', **attributes):
    text = ''.join(f" {key}='{value}'" for key, value in attributes.items())
    return QUERY.format(f'<item{text}>{inner}</item>')


@pytest.fixture
def account(server):
    return server.account()


@pytest.fixture
def juliet(server, account):
    return server.login(account)


def items_of(client):
    answer = client.get(QUERY.format(''))
    return {i.get('jid'): i for i in findall(answer, 'roster:query/roster:item')}


def pushed(client):
    """The item of the next roster push, which is acknowledged."""
    push = client.iq(type='set')
    client.send(f"<iq type='result' id='{push.get('id')}'/>")
    assert push.get('from') in (None, client.jid.partition('/')[0])
    query = find(push, 'roster:query')
    assert len(query) == 1, show(push)
    return query[0]


def test_empty_roster(juliet):
    """RFC 6121 section 2.1.4: a result with an empty query."""
    query = find(juliet.get(QUERY.format('')), 'roster:query')
    assert query is not None and len(query) == 0


def test_item_is_added_and_pushed(server, account, juliet):
    """RFC 6121 section 2.3: the result for who asked, and a push for all interested resources."""
    second = server.login(account)
    third = server.login(account)
    items_of(juliet)
    items_of(second)
    juliet.set(item('<group>Servants</group><group>Family</group>', jid='nurse@example.org',
                    name='Nurse &amp; friend'))
    for client in (juliet, second):
        added = pushed(client)
        assert added.get('jid') == 'nurse@example.org'
        assert added.get('name') == 'Nurse & friend'
        assert added.get('subscription') == 'none'
        assert {g.text for g in findall(added, 'roster:group')} == {'Servants', 'Family'}
    assert third.sync() == [], 'who never asked for the roster is not interested'
    assert items_of(third).keys() == {'nurse@example.org'}


def test_item_is_updated(juliet):
    """RFC 6121 section 2.4: the handle and the groups are those of the last set."""
    juliet.set(item('<group>Servants</group>', jid='nurse@example.org', name='Nurse'))
    juliet.set(item('<group>Family</group>', jid='nurse@example.org'))
    only = items_of(juliet)['nurse@example.org']
    assert only.get('name') is None
    assert [g.text for g in findall(only, 'roster:group')] == ['Family']


def test_item_is_removed(juliet):
    """RFC 6121 section 2.5."""
    items_of(juliet)
    juliet.set(item(jid='nurse@example.org'))
    pushed(juliet)
    juliet.set(item(jid='nurse@example.org', subscription='remove'))
    removed = pushed(juliet)
    assert (removed.get('jid'), removed.get('subscription')) == ('nurse@example.org', 'remove')
    assert items_of(juliet) == {}


def test_push_comes_before_or_after_the_result_but_once(juliet):
    """RFC 6121 section 2.1.6: one push for one change."""
    items_of(juliet)
    juliet.set(item(jid='nurse@example.org'))
    pushed(juliet)
    assert juliet.sync() == []


@pytest.mark.parametrize('query, why', [
    (QUERY.format(''), 'bad-request'),
    (QUERY.format("<item jid='a@example.org'/><item jid='b@example.org'/>"), 'bad-request'),
    (item(name='Nobody'), 'bad-request'),
    (item('<group>A</group><group>A</group>', jid='a@example.org'), 'bad-request'),
    (item('<group/>', jid='a@example.org'), 'not-acceptable'),
    (item(f'<group>{"x" * 1024}</group>', jid='a@example.org'), 'not-acceptable'),
    (item(jid='a@example.org', name='x' * 1024), 'not-acceptable'),
    (item(''.join(f'<group>{i}</group>' for i in range(100)), jid='a@example.org'),
     'not-acceptable'),
    (item(jid='@example.org'), 'jid-malformed'),
    (item(jid=''), 'jid-malformed'),
    (QUERY.format("<other jid='a@example.org'/>"), 'bad-request'),
], ids=['empty', 'two items', 'no jid', 'same group twice', 'empty group', 'long group',
        'long name', 'many groups', 'malformed', 'empty jid', 'other child'])
def test_refused(juliet, query, why):
    """RFC 6121 section 2.3.3: what is wrong with an item; nothing is changed."""
    items_of(juliet)
    assert juliet.refused(query, 'set') == why
    assert juliet.sync() == []
    assert items_of(juliet) == {}


def test_item_not_found(juliet):
    """RFC 6121 section 2.5.3: what is not there cannot be removed."""
    assert juliet.refused(item(jid='nurse@example.org', subscription='remove'), 'set') == \
        'item-not-found'


def test_forbidden(server, juliet, witness):
    """RFC 6121 sections 2.1.5 and 2.3.3: another's roster is not to be read or changed."""
    other = server.account()
    for to in (other.jid, 'witness@example.org', 'nobody@example.org'):
        assert juliet.refused(QUERY.format(''), 'get', to) == 'forbidden'
        assert juliet.refused(item(jid='juliet@example.org'), 'set', to) == 'forbidden'
    assert witness.sync() == []


def test_only_remove_is_taken_of_subscription(juliet):
    """RFC 6121 section 2.1.2.5: a client cannot subscribe itself; `ask` and `approved` are the
    server's, too."""
    juliet.set(item(jid='witness@example.org', subscription='both', ask='subscribe',
                    approved='true'))
    added = items_of(juliet)['witness@example.org']
    assert added.get('subscription') == 'none'
    assert added.get('ask') is None
    assert added.get('approved') in (None, 'false')


def test_addresses_are_prepared(juliet):
    """RFC 7622: one contact, however it is written."""
    juliet.set(item(jid='Nurse@Example.ORG'))
    juliet.set(item(jid='nurse@example.org', name='Nurse'))
    assert items_of(juliet).keys() == {'nurse@example.org'}


def test_roster_items_are_bounded(make_server):
    """roster_items of the limits: resource-constraint for one more; changes still go."""
    server = make_server(limits='roster_items = 3')
    client = server.login(server.account())
    for i in range(3):
        client.set(item(jid=f'c{i}@example.org'))
    assert client.refused(item(jid='c3@example.org'), 'set') == 'resource-constraint'
    client.set(item(jid='c0@example.org', name='x'))
    client.send("<presence type='subscribe' to='c4@example.org' id='s'/>")
    assert condition(client.presence(id='s')) == 'resource-constraint'
    client.set(item(jid='c0@example.org', subscription='remove'))
    client.set(item(jid='c3@example.org'))


def test_large_roster(server, account, juliet):
    """2,000 contacts, the default bound, come in one answer."""
    juliet.send(''.join(f"<iq type='set' id='s{i}'>{item(jid=f'contact{i}@example.org')}</iq>"
                        for i in range(2000)))
    for i in range(2000):
        assert juliet.iq(id=f's{i}').get('type') == 'result'
    assert len(items_of(juliet)) == 2000


# ---- versions ----

def version_of(client, known):
    """The answer's query, or None for an empty result."""
    return find(client.get(f"<query xmlns='jabber:iq:roster' ver='{known}'/>"), 'roster:query')


def test_unchanged_roster_is_not_sent(server, account, juliet):
    """RFC 6121 section 2.6.3: an empty result; the version comes with roster and pushes."""
    assert version_of(juliet, '') is not None
    juliet.set(item(jid='nurse@example.org'))
    push = juliet.iq(type='set')
    version = find(push, 'roster:query').get('ver')
    assert version
    assert version_of(juliet, version) is None
    again = server.login(account)
    assert version_of(again, version) is None


def test_changed_roster_is_sent(juliet):
    """RFC 6121 section 2.6.3: the roster, or the changes as pushes."""
    before = version_of(juliet, '').get('ver')
    juliet.set(item(jid='nurse@example.org'))
    query = version_of(juliet, before)
    pushes = [e for e in juliet.sync() if e.get('type') == 'set']
    assert query is not None and len(query) == 1 or pushes
    assert (query if query is not None else find(pushes[-1], 'roster:query')).get('ver') != before


def test_unknown_version_gets_the_roster(juliet):
    """RFC 6121 section 2.6.3: what the server never gave is not current."""
    juliet.set(item(jid='nurse@example.org'))
    for known in ('x', '0', '999999', '-1', 'a' * 1000):
        assert len(version_of(juliet, known)) == 1


def test_versions_survive_a_restart(make_server):
    """RFC 6121 section 2.6: a version means the same roster for ever."""
    server = make_server()
    account = server.account()
    client = server.login(account)
    client.set(item(jid='nurse@example.org'))
    version = version_of(client, '').get('ver')
    client.close()
    server.stop()
    server.start()
    client = server.login(account)
    assert version_of(client, version) is None
    client.set(item(jid='nurse@example.org', name='Nurse'))
    assert version_of(client, version) is not None


def test_version_of_an_earlier_account_of_that_name(make_server):
    """RFC 6121 section 2.6: a new account's roster is another one."""
    server = make_server()
    account = server.account('juliet')
    client = server.login(account)
    client.set(item(jid='nurse@example.org'))
    version = version_of(client, '').get('ver')
    server.ctl('deluser', account.jid)
    client.stream_error()
    client = server.login(server.account('juliet'))
    client.set(item(jid='romeo@example.org'))
    query = version_of(client, version)
    assert query is not None and text_of(query, 'roster:item') is not None
    assert [i.get('jid') for i in query] == ['romeo@example.org']

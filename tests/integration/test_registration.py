"""In-band registration (XEP-0077)."""
import itertools

import pytest

from harness import condition, find, text_of
from harness.client import failure
from harness.server import Account
from harness.xmpp import name

pytestmark = pytest.mark.usefixtures('others_are_served')

QUERY = "<query xmlns='jabber:iq:register'>{}</query>"
numbers = itertools.count(1)


def fields(user, password):
    return QUERY.format(f'<username>{user}</username><password>{password}</password>')


def register(server, user=None, password='secret'):
    """A guest's stream that has made an account."""
    account = Account(user or f'new{next(numbers)}', 'example.net', password)
    client = server.secure('example.net')
    client.set(fields(account.user, password))
    return client, account


@pytest.fixture
def member(server):
    """Somebody who is logged in to an account that was made in-band."""
    _, account = register(server)
    client = server.online(account)
    client.account = account
    return client


def test_feature(server):
    """XEP-0077 section 8: it is offered before SASL, where it is on."""
    assert find(server.secure('example.net').features, 'register-feature:register') is not None
    assert find(server.secure('example.org').features, 'register-feature:register') is None


def test_form(server):
    """XEP-0077 section 3.1: what is asked for."""
    query = find(server.secure('example.net').get(QUERY.format('')), 'register:query')
    assert text_of(query, 'register:username') == ''
    assert text_of(query, 'register:password') == ''
    assert text_of(query, 'register:instructions')


def test_account_is_made(server):
    """XEP-0077 section 3.1: and can be used on the same stream at once."""
    client, account = register(server)
    client.authenticate(account)
    assert client.bind().startswith(account.jid + '/')
    assert account.jid in server.ctl('users').stdout.split()


def test_conflict(server):
    """XEP-0077 section 3.1, example 5: the name is taken, in whatever case."""
    _, account = register(server)
    client = server.secure('example.net')
    assert client.refused(fields(account.user, 'x'), 'set') == 'conflict'
    assert client.refused(fields(account.user.upper(), 'x'), 'set') == 'conflict'
    assert failure(client.plain(account.user, 'x')) == 'not-authorized'


@pytest.mark.parametrize('query, why', [
    (QUERY.format('<username>x</username>'), 'not-acceptable'),
    (QUERY.format('<password>x</password>'), 'not-acceptable'),
    (fields('', 'x'), 'not-acceptable'),
    (fields('x', ''), 'not-acceptable'),
    (fields('a b', 'x'), 'jid-malformed'),
    (fields('a@b', 'x'), 'jid-malformed'),
    (fields('x' * 1024, 'x'), 'jid-malformed'),
    (fields('x', 'tab&#9;'), 'not-acceptable'),
    (QUERY.format('<remove/>'), 'unexpected-request'),
])
def test_refused(server, query, why):
    """XEP-0077 section 3.1: what cannot become an account."""
    assert server.secure('example.net').refused(query, 'set') == why


def test_off_by_default(server):
    """XEP-0077 section 3.1: where it is off, an IQ before SASL ends the stream."""
    client = server.secure('example.org')
    client.send(f"<iq type='get' id='r'>{QUERY.format('')}</iq>")
    assert client.stream_error() == 'not-authorized'


def test_not_without_tls(server):
    """RFC 6120 section 5.3.1: a password does not go in clear: no registration before TLS."""
    client = server.connect()
    features = client.open('example.net')
    assert find(features, 'register-feature:register') is None
    client.send(f"<iq type='set' id='r'>{fields('clear', 'x')}</iq>")
    assert client.stream_error() == 'not-authorized'


def test_whether_registered(member):
    """XEP-0077 section 3.1, example 4: who is logged in learns that he is registered."""
    query = find(member.get(QUERY.format(''), to='example.net'), 'register:query')
    assert find(query, 'register:registered') is not None
    assert text_of(query, 'register:username') == member.account.user


def test_change_of_password(server, member):
    """XEP-0077 section 3.3: the old one is worth nothing then."""
    member.set(fields(member.account.user, 'changed'), to='example.net')
    client = server.secure('example.net')
    assert failure(client.plain(member.account.user, member.account.password)) == 'not-authorized'
    assert client.plain(member.account.user, 'changed').tag == name('sasl:success')


def test_change_of_anothers_password(server, member):
    """XEP-0077 section 3.3, example 12: not-allowed."""
    _, other = register(server)
    assert member.refused(fields(other.user, 'stolen'), 'set', 'example.net') == 'not-allowed'
    assert member.refused(QUERY.format('<password>x</password>'), 'set') == 'bad-request'
    client = server.secure('example.net')
    assert client.plain(other.user, other.password).tag == name('sasl:success')


def test_cancel(server, member):
    """XEP-0077 section 3.2: the account, its roster and its sessions are gone."""
    second = server.online(member.account)
    member.send(f"<iq type='set' id='x'>{QUERY.format('<remove/>')}</iq>")
    assert member.iq(id='x').get('type') == 'result'
    assert member.stream_error() == 'not-authorized'
    assert second.stream_error() == 'not-authorized'
    client = server.secure('example.net')
    assert failure(client.plain(member.account.user, member.account.password)) == 'not-authorized'
    assert member.account.jid not in server.ctl('users').stdout.split()


def test_cancel_with_more_in_it(member):
    """XEP-0077 section 3.2, example 8: bad-request."""
    assert member.refused(QUERY.format('<remove/><username>x</username>'), 'set') == 'bad-request'
    member.sync()


def test_cancel_of_anothers_account(server, member):
    """XEP-0077 section 3.2: one's own account only."""
    _, other = register(server)
    assert member.refused(QUERY.format('<remove/>'), 'set', other.jid) in (
        'forbidden', 'not-allowed', 'service-unavailable')
    assert other.jid in server.ctl('users').stdout.split()


def test_cancelled_name_begins_anew(server, member, witness):
    """XEP-0077 section 3.2: who takes a name that was free again gets nothing of the old one:
    no roster, no messages."""
    user = member.account.user
    member.set(f"<query xmlns='jabber:iq:roster'><item jid='{witness.jid.partition('/')[0]}'/>"
               '</query>')
    member.send("<presence type='unavailable'/>")
    witness.send(f"<message to='{member.account.jid}'><body>Hist!</body></message>")
    server.wait_stat('offline_stored', 1)
    member.send(f"<iq type='set' id='x'>{QUERY.format('<remove/>')}</iq>")
    member.iq(id='x')
    member.stream_error()
    _, account = register(server, user)
    client = server.online(account)
    roster = find(client.get("<query xmlns='jabber:iq:roster'/>"), 'roster:query')
    assert len(roster) == 0
    assert client.sync() == []


def test_guests_have_no_account(server):
    """XEP-0175: who came by ANONYMOUS has nothing to change or cancel."""
    client = server.secure('example.net')
    client.auth('ANONYMOUS', b'')
    client.open()
    client.bind()
    for query in (QUERY.format('<remove/>'), fields(client.jid.partition('@')[0], 'x')):
        assert condition(client.ask(query, 'set', 'example.net')) == 'not-allowed'

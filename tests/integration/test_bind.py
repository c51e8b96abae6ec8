"""Resource binding (RFC 6120 section 7)."""
import pytest

from harness import condition, find, text_of
from harness.xmpp import show

pytestmark = pytest.mark.usefixtures('others_are_served')

BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{}</bind>"


@pytest.fixture
def account(server):
    return server.account()


@pytest.fixture
def client(server, account):
    client = server.secure()
    client.features = client.authenticate(account)
    return client


def test_features_behind_sasl(client):
    """RFC 6120 section 7.4; RFC 6121 sections 2.6.1 and 3.4; the session of RFC 3921 is
    optional."""
    for feature in ('bind:bind', 'session:session/session:optional', 'ver:ver', 'sub:sub'):
        assert find(client.features, feature) is not None, show(client.features)
    assert find(client.features, 'sasl:mechanisms') is None


def test_server_makes_a_resource(client, account):
    """RFC 6120 section 7.6: without <resource/> the server makes one that is hard to guess."""
    bare, _, resource = client.bind().partition('/')
    assert bare == account.jid
    assert len(resource) >= 16


def test_client_chooses_a_resource(client, account):
    """RFC 6120 section 7.7."""
    assert client.bind('balcony') == f'{account.jid}/balcony'


def test_empty_resource(client, account):
    """RFC 6120 section 7.7.2.1: the server makes one instead."""
    answer = client.set(BIND.format('<resource/>'))
    bare, _, resource = text_of(answer, 'bind:bind/bind:jid').partition('/')
    assert bare == account.jid
    assert len(resource) >= 16


def test_resource_that_needs_escaping(client, account):
    """RFC 7622 section 3.4: a resourcepart may hold what XML escapes."""
    assert client.bind("a&lt;b&amp;c'\"\u00e9") == f"{account.jid}/a<b&c'\"\u00e9"
    client.send('<presence/>')
    client.presence(from_=client.jid)


@pytest.mark.parametrize('resource', ['x' * 1024, '\t', 'a\nb'],
                         ids=['too long', 'tab', 'line end'])
def test_bad_request_and_another_try(client, resource):
    """RFC 6120 sections 7.7.2.1 and 7.7.3: what is no resourcepart; another try may follow."""
    assert condition(client.ask(BIND.format(f'<resource>{resource}</resource>'), 'set')) == \
        'bad-request'
    client.bind('balcony')


def test_longest_resource(client):
    """RFC 7622 section 3.4: 1,023 bytes."""
    assert client.bind('x' * 1023).endswith('/' + 'x' * 1023)


def test_tries_are_bounded(client):
    """RFC 6120 section 7.7.3: policy-violation behind the bound, which is 5 to 10."""
    refused = 0
    for _ in range(11):
        client.send(f"<iq type='set' id='b'>{BIND.format('<resource>&#9;</resource>')}</iq>")
    for element in iter(client.take, None):
        if element.tag.endswith('}error'):
            client.inbox.insert(0, element)
            break
        assert condition(element) == 'bad-request'
        refused += 1
    assert client.stream_error() == 'policy-violation'
    assert 5 <= refused <= 10


def test_bind_without_id(client):
    """RFC 6120 section 8.2.3: an IQ has an id."""
    client.send(f"<iq type='set'>{BIND.format('')}</iq>")
    assert condition(client.iq()) == 'bad-request'
    client.bind()


def test_bind_in_a_get(client):
    """RFC 6120 section 7.6: binding is a set; anything else comes too early."""
    client.send(f"<iq type='get' id='b'>{BIND.format('')}</iq>")
    assert client.stream_error() == 'not-authorized'


def test_second_bind_is_not_allowed(client):
    """RFC 6120 section 7.6.2.1 leaves several resources on a stream open; here there is one."""
    client.bind()
    assert client.refused(BIND.format('<resource>other</resource>'), 'set') == 'not-allowed'


def test_session_of_old_clients(client):
    """RFC 6121 appendix E: a request for a session does nothing, well."""
    client.bind()
    client.set("<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>")
    client.set("<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", to='example.org')


def test_bind_and_more_in_one_packet(client):
    """What follows the bind request at once is processed behind it."""
    client.send(f"<iq type='set' id='b'>{BIND.format('')}</iq><iq type='get' id='p'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert client.take().get('id') == 'b'
    assert client.take().get('id') == 'p'


def test_conflict(server, client, account):
    """RFC 6120 sections 4.9.3.3 and 7.7.2.2: who binds a resource a second time takes it over;
    contacts see the old one go and the new one come."""
    watcher = server.online(account, 'watcher')
    client.bind('balcony')
    client.send("<presence><status>old</status></presence>")
    watcher.presence(from_=client.jid)
    other = server.login(account, 'balcony')
    assert other.jid == client.jid
    assert client.stream_error() == 'conflict'
    assert watcher.presence(from_=other.jid).get('type') == 'unavailable'
    other.send('<presence/>')
    assert watcher.presence(from_=other.jid).get('type') is None
    other.sync()


def test_resources_are_case_sensitive(server, client, account):
    """RFC 7622 section 3.4: OpaqueString has case: these are two resources."""
    client.bind('balcony')
    assert server.login(account, 'Balcony').jid == f'{account.jid}/Balcony'
    client.sync()


def test_sessions_per_account_are_bounded(make_server):
    """RFC 6120 section 7.6.2.1: resource-constraint for one resource more than may be."""
    server = make_server(limits='sessions_per_account = 3')
    account = server.account()
    clients = [server.login(account, f'r{i}') for i in range(3)]
    client = server.secure()
    client.authenticate(account)
    assert client.refused(BIND.format(''), 'set') == 'resource-constraint'
    clients[0].send('</stream:stream>')
    clients[0].wait_end()
    client.bind()

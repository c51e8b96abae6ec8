"""SASL: mechanisms, failures, tries (RFC 6120 section 6, RFC 5802, RFC 7677, RFC 4616)."""
import base64
import ssl

import pytest

from harness import find, findall
from harness.client import failure, mechanisms
from harness.xmpp import name

pytestmark = pytest.mark.usefixtures('others_are_served')

SUCCESS = name('sasl:success')


@pytest.fixture(scope='module')
def juliet(server):
    return server.account('juliet')


@pytest.fixture
def client(server):
    return server.secure()


def test_mechanisms_offered(client):
    """RFC 6120 section 6.3.3: in the order of the server's preference; no EXTERNAL without a
    client certificate, no ANONYMOUS where it is off."""
    assert mechanisms(client.features) == [
        'SCRAM-SHA-512-PLUS', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS',
        'SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']


def test_channel_bindings_offered(server):
    """XEP-0440: the types are named; tls-unique is not defined for TLS 1.3 (RFC 9266)."""
    def types(version):
        client = server.secure(version=version)
        return {b.get('type') for b in
                findall(client.features, 'cb:sasl-channel-binding/cb:channel-binding')}

    assert types(ssl.TLSVersion.TLSv1_3) == {'tls-exporter', 'tls-server-end-point'}
    assert types(ssl.TLSVersion.TLSv1_2) == {'tls-exporter', 'tls-server-end-point', 'tls-unique'}


@pytest.mark.parametrize('mechanism', ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
def test_scram(server, juliet, client, mechanism):
    """RFC 5802 and RFC 7677: both sides prove that they know the password."""
    assert client.scram(juliet.user, juliet.password, mechanism).tag == SUCCESS
    assert client.exchange.rounds >= 4096
    assert server.log('auth', user='juliet')[-1]['mechanism'] == mechanism


@pytest.mark.parametrize('mechanism', ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS',
                                       'SCRAM-SHA-512-PLUS'])
def test_scram_plus_with_the_certificate(server, juliet, client, mechanism):
    """RFC 5802 section 6 and RFC 5929 section 4: bound to the server's certificate."""
    answer = client.scram(juliet.user, juliet.password, mechanism,
                          gs2='p=tls-server-end-point,,', binding=client.end_point())
    assert answer.tag == SUCCESS
    assert server.log('auth', user='juliet')[-1]['mechanism'] == mechanism


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_scram_plus_with_tls_unique(server, juliet, version):
    """RFC 5929 section 3; on TLS 1.3 as docs/security.md says."""
    client = server.secure(version=version)
    answer = client.scram(juliet.user, juliet.password, 'SCRAM-SHA-256-PLUS',
                          gs2='p=tls-unique,,',
                          binding=client.socket.get_channel_binding('tls-unique'))
    assert answer.tag == SUCCESS


@pytest.mark.parametrize('gs2, binding, why', [
    ('p=tls-server-end-point,,', b'x' * 32, 'not-authorized'),
    ('p=tls-exporter,,', b'x' * 32, 'not-authorized'),
    ('p=tls-unknown,,', b'x' * 32, 'not-authorized'),
    ('n,,', b'', 'malformed-request'),
])
def test_scram_plus_with_a_wrong_binding(juliet, client, gs2, binding, why):
    """RFC 5802 section 6: somebody who sits between has other data; then it is no login."""
    assert failure(client.scram(juliet.user, juliet.password, 'SCRAM-SHA-256-PLUS', gs2=gs2,
                                binding=binding)) == why


def test_scram_downgrade(juliet, client):
    """RFC 5802 section 6: `y` says that the server offers no -PLUS; it did, so somebody took
    it out on the way."""
    assert failure(client.scram(juliet.user, juliet.password, gs2='y,,')) == 'not-authorized'


def test_plain(server, juliet, client):
    """RFC 4616."""
    assert client.plain(juliet.user, juliet.password).tag == SUCCESS
    assert server.log('auth', user='juliet')[-1]['mechanism'] == 'PLAIN'


def test_plain_without_initial_response(juliet, client):
    """RFC 6120 section 6.4.2: an empty challenge asks for it."""
    challenge = client.auth('PLAIN')
    assert challenge.tag == name('sasl:challenge')
    assert challenge.text in (None, '=')
    assert client.respond(f'\0{juliet.user}\0{juliet.password}'.encode()).tag == SUCCESS


@pytest.mark.parametrize('user', ['juliet', 'JULIET', 'Juliet'])
def test_names_are_prepared(juliet, client, user):
    """RFC 7622 section 3.3: a localpart has no case."""
    assert client.plain(user, juliet.password).tag == SUCCESS


def test_password_and_name_of_any_letters(server, client):
    """RFC 7613 and RFC 7622: not only ASCII."""
    account = server.account('бориc', password='пароль, з пробелом=ё')
    assert client.scram(account.user, account.password).tag == SUCCESS


@pytest.mark.parametrize('authzid', ['juliet@example.org', 'juliet'])
def test_authzid_of_oneself(juliet, client, authzid):
    """RFC 6120 section 6.3.8: one may say that one acts for oneself."""
    assert client.plain(juliet.user, juliet.password, authzid).tag == SUCCESS


@pytest.mark.parametrize('authzid', ['romeo@example.org', 'juliet@example.net', 'romeo', '@', '/'])
def test_invalid_authzid(juliet, client, authzid):
    """RFC 6120 section 6.5.6."""
    assert failure(client.plain(juliet.user, juliet.password, authzid)) == 'invalid-authzid'


def test_wrong_password_and_unknown_user_look_the_same(juliet, client):
    """RFC 6120 sections 6.5.10 and 13.11: nobody learns who has an account."""
    for _ in range(2):
        assert failure(client.plain(juliet.user, 'wrong')) == 'not-authorized'
        assert failure(client.plain('nobody', 'wrong')) == 'not-authorized'
        assert failure(client.scram(juliet.user, 'wrong')) == 'not-authorized'
        real = client.exchange
        assert failure(client.scram('nobody', 'wrong')) == 'not-authorized'
        fake = client.exchange
        assert (len(fake.salt), fake.rounds) == (len(real.salt), real.rounds)
    assert client.scram(juliet.user, juliet.password).tag == SUCCESS


def test_salt_of_an_unknown_user_stays_the_same(make_server):
    """RFC 5802 section 9: a salt that changes with each try, or each start, tells as much."""
    server = make_server()

    def salt():
        client = server.secure()
        client.scram('nobody', 'x')
        return client.exchange.salt

    before = salt()
    assert salt() == before
    server.stop()
    server.start()
    assert salt() == before


@pytest.mark.parametrize('mechanism', ['DIGEST-MD5', 'EXTERNAL', 'ANONYMOUS', '', 'plain'])
def test_invalid_mechanism(client, mechanism):
    """RFC 6120 section 6.5.7: what was not offered."""
    assert failure(client.auth(mechanism, b'x')) == 'invalid-mechanism'


@pytest.mark.parametrize('mechanism, data', [
    ('PLAIN', b'juliet'), ('PLAIN', b'\0juliet'), ('PLAIN', b'\0\0x'), ('PLAIN', b'\0a\0b\0c'),
    ('PLAIN', b'\0juliet\0'), ('PLAIN', b'\0\xff\0x'), ('PLAIN', b''),
    ('SCRAM-SHA-256', b'n,,'), ('SCRAM-SHA-256', b'x,,n=juliet,r=abc'),
    ('SCRAM-SHA-256', b'n,,n=ju=liet,r=abc'), ('SCRAM-SHA-256', b'n,,m=ext,n=juliet,r=abc'),
])
def test_malformed_request(client, mechanism, data):
    """RFC 6120 section 6.5.8: what breaks the mechanism's grammar."""
    assert failure(client.auth(mechanism, data)) == 'malformed-request'


@pytest.mark.parametrize('text', ['!!!!', 'AGp1bGlldAByMG0z=', 'A', 'AAA', 'AG p1', 'AB=='])
def test_incorrect_encoding(client, text):
    """RFC 6120 section 6.5.5: what is no base 64 (RFC 4648 section 4)."""
    client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{text}</auth>")
    assert failure(client.take()) == 'incorrect-encoding'


def test_aborted(juliet, client):
    """RFC 6120 section 6.4.4."""
    assert client.auth('SCRAM-SHA-256', b'n,,n=juliet,r=abc').tag == name('sasl:challenge')
    client.send("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    assert failure(client.take()) == 'aborted'
    assert client.scram(juliet.user, juliet.password).tag == SUCCESS


def test_second_auth_begins_anew(juliet, client):
    """RFC 6120 section 6.4.2: it discards the handshake that goes on."""
    assert client.auth('SCRAM-SHA-256', b'n,,n=juliet,r=abc').tag == name('sasl:challenge')
    assert client.scram(juliet.user, juliet.password, 'SCRAM-SHA-1').tag == SUCCESS


@pytest.mark.parametrize('element', ['response', 'abort'])
def test_answer_without_an_exchange(client, element):
    """RFC 6120 section 6.4.3: nothing was asked."""
    client.send(f"<{element} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    assert client.stream_error() == 'unsupported-stanza-type'


def test_answer_that_belongs_to_a_failed_exchange(juliet, client):
    """RFC 6120 section 6.4.5: a failure is the end of its exchange."""
    assert failure(client.scram(juliet.user, 'wrong')) == 'not-authorized'
    client.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdz</response>")
    assert client.stream_error() == 'unsupported-stanza-type'


def test_changed_nonce(juliet, client):
    """RFC 5802 section 5.1: the nonce of the answer is the server's."""
    challenge = client.auth('SCRAM-SHA-256', b'n,,n=juliet,r=abc')
    nonce = base64.b64decode(challenge.text).decode().split(',')[0][2:]
    assert nonce.startswith('abc') and len(nonce) > 20
    proof = base64.b64encode(b'x' * 32).decode()
    assert failure(client.respond(f'c=biws,r={nonce}x,p={proof}'.encode())) in (
        'not-authorized', 'malformed-request')


def test_too_many_tries(server, juliet, client):
    """RFC 6120 section 6.4.5: policy-violation when the tries are used up; two at least."""
    for _ in range(9):
        assert failure(client.plain(juliet.user, 'wrong')) == 'not-authorized'
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X'/>")
    assert failure(client.take()) == 'invalid-mechanism'
    assert client.stream_error() == 'policy-violation'


def test_data_over_the_limit(client):
    """RFC 6120 section 13.12: stanza_bytes_before_login bounds SASL's elements, too."""
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
                + 'A' * 100000)
    assert client.stream_error() == 'policy-violation'


def test_anonymous(server):
    """RFC 4505 and XEP-0175: a guest gets an address of the server's making."""
    client = server.secure('example.net')
    answer = client.auth('ANONYMOUS', b'')
    assert answer.tag == SUCCESS
    features = client.open()
    assert find(features, 'bind:bind') is not None
    jid = client.bind()
    assert '@example.net/' in jid
    client.send('<presence/>')
    client.presence(from_=jid)


def test_guests_are_different(server):
    """XEP-0175 section 4: each guest is somebody else."""
    jids = set()
    for _ in range(5):
        client = server.secure('example.net')
        client.auth('ANONYMOUS', b'')
        client.open()
        jids.add(client.bind().partition('/')[0])
    assert len(jids) == 5


def test_accounts_belong_to_their_host(server, juliet):
    """RFC 6120 section 6.3.7: juliet of example.org is nobody at example.net."""
    client = server.secure('example.net')
    assert failure(client.plain(juliet.user, juliet.password)) == 'not-authorized'


def test_auth_in_the_same_packet_as_the_header(server, juliet):
    """A client may not wait for features; nothing is lost of what it sends at once."""
    client = server.connect('c2s_direct_tls')
    client.wrap_tls()
    data = base64.b64encode(f'\0{juliet.user}\0{juliet.password}'.encode()).decode()
    client.send("<stream:stream to='example.org' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>"
                f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{data}</auth>")
    client.take('stream:features')
    client.take('sasl:success')
    client.open()
    client.bind()

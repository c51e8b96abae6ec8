"""TLS: by STARTTLS and from the first byte (RFC 6120 section 5, XEP-0368)."""
import ssl
import time

import pytest

from harness import find
from harness.client import HEADER, failure, mechanisms

pytestmark = pytest.mark.usefixtures('others_are_served')

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def test_starttls_is_required(server):
    """RFC 6120 section 5.3.1: nothing but STARTTLS is offered before TLS."""
    features = server.connect().open()
    assert find(features, 'tls:starttls/tls:required') is not None
    assert len(features) == 1


def test_login_over_starttls(server):
    """RFC 6120 section 5.4: proceed, handshake, new header, no second STARTTLS."""
    client = server.connect()
    client.open()
    features = client.starttls()
    assert find(features, 'tls:starttls') is None
    assert 'SCRAM-SHA-256' in mechanisms(features)
    client.authenticate(server.account())
    assert client.bind().startswith('user')


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize('direct', [False, True], ids=['starttls', 'direct'])
def test_tls_versions(server, version, direct):
    """RFC 7590 section 3.1: TLS 1.2 at least."""
    if direct:
        client = server.secure(version=version)
    else:
        client = server.connect()
        client.open()
        client.starttls(version)
    assert client.socket.version() == version.name.replace('_', '.')
    client.authenticate(server.account())
    client.bind()


def test_old_tls_is_refused(server):
    """RFC 8996: TLS 1.1 is not spoken."""
    client = server.connect('c2s_direct_tls')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers('ALL:@SECLEVEL=0')
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(client.socket, server_hostname='example.org')


def test_alpn_of_direct_tls(server):
    """XEP-0368 section 2: the protocol is named xmpp-client."""
    client = server.connect('c2s_direct_tls')
    client.wrap_tls(alpn=['h2', 'xmpp-client'])
    assert client.socket.selected_alpn_protocol() == 'xmpp-client'
    client.open()


@pytest.mark.parametrize('domain', ['example.org', 'example.net'])
def test_certificate_is_chosen_by_server_name(server, domain):
    """RFC 6066 section 3: each host shows its own certificate; wrap_tls() checks it."""
    client = server.secure(domain)
    assert client.header.get('from') == domain


def test_injection_behind_starttls(server):
    """RFC 6120 section 5.4.3.3: what came in clear behind <starttls/> is no part of the secure
    stream. Here it would be a stream header that is answered inside TLS."""
    client = server.connect()
    client.open()
    client.send(STARTTLS + HEADER.format('example.org'))
    client.take('tls:proceed')
    client.wait_closed()
    assert server.wait_log('starttls_injection')


def test_injection_in_a_packet_of_its_own(server):
    """The same, when the bytes come before the handshake: they are no TLS and end it."""
    client = server.connect()
    client.open()
    client.send(STARTTLS)
    client.take('tls:proceed')
    client.send(HEADER.format('example.org'))
    client.wait_closed()


def test_no_tls_from_the_first_byte_on_the_starttls_port(server):
    """A TLS hello there is no XML."""
    client = server.connect()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.wrap_tls()


def test_no_clear_text_on_the_direct_port(server):
    """XEP-0368: the first byte is TLS's; XML in clear ends the connection."""
    client = server.connect('c2s_direct_tls')
    client.send(HEADER.format('example.org'))
    client.wait_closed()


@pytest.mark.parametrize('mechanism', ['PLAIN', 'SCRAM-SHA-256'])
def test_encryption_required(server, mechanism):
    """RFC 6120 section 6.5.4: no login without TLS; the stream goes on with STARTTLS."""
    client = server.connect()
    client.open()
    assert failure(client.auth(mechanism, b'\0juliet\0secret')) == 'encryption-required'
    client.starttls()
    client.authenticate(server.account())


def test_starttls_inside_tls(server):
    """RFC 6120 section 5.4.2: not a second time."""
    client = server.secure()
    client.send(STARTTLS)
    assert client.stream_error() == 'unsupported-stanza-type'


def test_starttls_during_sasl(make_server):
    """RFC 6120 section 5.3.4: TLS comes before SASL, not within."""
    server = make_server(top='tls_required = false')
    client = server.connect()
    features = client.open()
    assert find(features, 'tls:starttls') is not None
    assert find(features, 'tls:starttls/tls:required') is None
    client.auth('SCRAM-SHA-256', b'n,,n=juliet,r=abc')
    client.send(STARTTLS)
    assert client.stream_error() == 'unsupported-stanza-type'


def test_plain_without_tls_only_when_told(make_server):
    """RFC 6120 section 13.8.3: PLAIN in clear is offered by plain_without_tls alone."""
    server = make_server(top='tls_required = false')
    account = server.account()
    client = server.connect()
    offered = mechanisms(client.open())
    assert 'SCRAM-SHA-256' in offered and 'PLAIN' not in offered
    assert failure(client.plain(account.user, account.password)) == 'encryption-required'
    client.authenticate(account)
    server.write_config(top='tls_required = false\nplain_without_tls = true')
    server.ctl('reload')
    client = server.connect()
    deadline = time.monotonic() + 60
    while 'PLAIN' not in mechanisms(client.open()) and time.monotonic() < deadline:
        client.close()
        client = server.connect()
    assert client.plain(account.user, account.password).tag.endswith('success')


def test_handshake_that_stops_half_way(server):
    """A client that never ends its handshake keeps nobody else from being served."""
    client = server.connect('c2s_direct_tls')
    client.send(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
    other = server.online(server.account())
    other.sync()


def test_cut_under_tls_ends_the_session(server):
    """RFC 6120 section 5.3.3 and RFC 8446 section 6.1: a cut is noticed; contacts are told."""
    account = server.account()
    watcher = server.online(account)
    other = server.online(account)
    watcher.presence(from_=other.jid)
    other.reset()
    assert watcher.presence(from_=other.jid, type='unavailable') is not None

"""What one peer may take of the server (RFC 6120 section 13.12, docs/configuration.md)."""
import itertools
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import StreamClosed, text_of
from harness.client import HEADER, failure
from harness.xmpp import name

PING = "<ping xmlns='urn:xmpp:ping'/>"


def online(server, **options):
    return server.online(server.account(), **options)


# ---- sizes ----

def test_stanza_before_login(server):
    """RFC 6120 sections 4.9.3.14 and 13.12: 16 KiB before login by default, never ended."""
    client = server.secure()
    client.send(f"<iq type='get' id='1'><x>{'x' * 20000}")
    assert client.stream_error() == 'policy-violation'


@pytest.mark.parametrize('end', ['</body></message>', ''], ids=['ended', 'never ended'])
def test_stanza_after_login(server, end):
    """RFC 6120 section 13.12: 256 KiB by default."""
    witness, client = online(server), online(server)
    client.send(f"<message to='{witness.jid}'><body>{'x' * 270000}{end}")
    assert client.stream_error() == 'policy-violation'
    assert witness.sync() == []


def test_limit_of_the_configuration(make_server):
    """stanza_bytes, for clients that are there already, too, after a reload."""
    server = make_server(limits='stanza_bytes = 20000')
    first, second = online(server), online(server)
    first.send(f"<message to='{second.jid}' id='m'><body>{'x' * 19000}</body></message>")
    second.message(id='m')
    server.write_config(limits='stanza_bytes_before_login = 10000\nstanza_bytes = 10000')
    server.ctl('reload')
    for client in (first, second):
        client.sync()
        client.send(f"<message to='{client.jid}'><body>{'x' * 19000}</body></message>")
        assert client.stream_error() == 'policy-violation'


# ---- time ----

def wait_at_connect(server):
    return server.connect()


def wait_at_features(server):
    client = server.connect()
    client.open()
    return client


def wait_in_a_header(server):
    client = server.connect()
    client.send(HEADER[:30])
    return client


def wait_in_sasl(server):
    client = server.secure()
    client.auth('SCRAM-SHA-256', b'n,,n=juliet,r=abc')
    return client


def wait_at_bind(server):
    client = server.secure()
    client.authenticate(server.account())
    return client


@pytest.mark.parametrize('wait', [wait_at_connect, wait_in_a_header, wait_at_features,
                                  wait_in_sasl, wait_at_bind])
def test_connection_timeout(make_server, wait):
    """RFC 6120 section 4.9.3.4 and login_seconds: who does not get on is closed, at each step;
    who has a resource may be silent."""
    server = make_server(limits='login_seconds = 2')
    silent = online(server)
    client = wait(server)
    assert client.stream_error() == 'connection-timeout'
    silent.sync()


def test_timeout_of_a_tls_handshake(make_server):
    """login_seconds counts for direct TLS from the connection on."""
    server = make_server(limits='login_seconds = 2')
    client = server.connect('c2s_direct_tls')
    client.send(b'\x16\x03\x01')
    client.wait_closed()


# ---- half-open connections ----

def flood(server, number, sources):
    """Connections that never say a word."""
    made = []
    for source in itertools.islice(itertools.cycle(sources), number):
        made.append(socket.create_connection(('127.0.0.1', server.ports['c2s']), 60, (source, 0)))
    return made


def test_a_thousand_half_open_connections(make_server):
    """half_open_per_address: more than 200 of one address are refused; sessions that are there
    and clients of other addresses do not notice."""
    server = make_server(limits='half_open_per_address = 200')
    account = server.account()
    session = online(server)
    made = flood(server, 1000, ['127.0.0.1'])
    server.wait_stat('connections_refused', 800)
    session.sync()
    other = server.login(account, source='127.0.0.2')
    other.sync()
    with pytest.raises((StreamClosed, ssl.SSLError, ConnectionError)):
        server.login(account)
    for one in made:
        one.close()
    server.login(account, source='127.0.0.2').sync()
    while True:  # the server notices the ends one after the other
        try:
            server.login(account).sync()
            return
        except (StreamClosed, ssl.SSLError, ConnectionError):
            continue


def test_a_thousand_half_open_connections_of_many_addresses(server):
    """Within the quota they are kept, and cost others nothing."""
    session = online(server)
    made = flood(server, 1000, [f'127.0.1.{i}' for i in range(1, 11)])
    session.sync()
    online(server).sync()
    for one in made:
        one.sendall(HEADER.format('example.org').encode())
    session.sync()
    for one in made:
        assert one.recv(100).startswith(b'<?xml')
        one.close()


def test_sessions_do_not_count_as_half_open(make_server):
    """half_open_per_address counts connections before login only."""
    server = make_server(limits='half_open_per_address = 3')
    account = server.account()
    clients = [server.login(account) for _ in range(10)]
    for client in clients:
        client.sync()


# ---- slow and fast ----

def test_slow_reader(make_server):
    """output_bytes: who does not read is cut off at the bound; memory stays bounded, and
    others are served meanwhile."""
    server = make_server(limits='output_bytes = 65536\nstanza_bytes = 30000')
    watcher, writer = online(server), online(server)
    reader = online(server, receive_buffer=4096)
    before = server.stats()['resident_bytes']
    body = 'x' * 20000
    for _ in range(64):
        writer.send(''.join(f"<message to='{reader.jid}' type='headline'><body>{body}</body>"
                            '</message>' for _ in range(50)))
        watcher.sync()
    assert server.wait_log('slow_reader')
    server.gone_offline(reader.jid)
    assert server.stats()['resident_bytes'] - before < 48 * 1024 * 1024
    assert writer.sync() == []


def ask_until_cut_off(asker):
    """Asks and asks and reads nothing."""
    question = "<iq type='get' id='x' to='example.org'>" \
               "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    with pytest.raises((ConnectionError, ssl.SSLError)):
        for _ in range(100000):
            asker.send(question * 100)


def test_asker_that_does_not_read(make_server):
    """The same for answers: who asks and asks and reads nothing is cut off."""
    server = make_server(limits='output_bytes = 65536\nstanza_bytes = 30000')
    watcher = online(server)
    asker = online(server, receive_buffer=4096)
    # In a thread of its own: Python 3.13 leaves the error of a failed write in the thread's
    # error queue of OpenSSL, where the watcher's next read would take it for its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask_until_cut_off, asker).result()
    assert server.wait_log('slow_reader')
    watcher.sync()


def test_slow_writer(server):
    """Who sends one byte at a time is served like others, from the header on, also in TLS."""
    account = server.account()
    client = server.connect('c2s_direct_tls')
    client.wrap_tls()
    whole = client.send
    client.send = lambda data: [whole(bytes([byte])) for byte in
                                (data.encode() if isinstance(data, str) else data)]
    client.open()
    client.authenticate(account)
    client.bind()
    client.send(f"<message to='{client.jid}' id='m'><body>\u00e9\u20ac</body></message>")
    assert text_of(client.message(id='m'), 'body') == '\u00e9\u20ac'


def test_flood_of_one_client(server):
    """A client that sends without a pause gets all its answers; others are served meanwhile."""
    watcher, busy = online(server), online(server)
    for i in range(50):
        busy.send(f"<iq type='get' id='f' to='example.org'>{PING}</iq>" * 100)
        watcher.sync()
        for _ in range(100):
            busy.iq(id='f')


# ---- passwords ----

def test_password_checks_are_bounded(make_server):
    """password_checks_per_second: RFC 6120 section 6.5.11 for more PLAIN than that; SCRAM,
    which costs the server little, goes on."""
    server = make_server(limits='password_checks_per_second = 1')
    account = server.account()
    client = server.secure()
    answers = [failure(client.plain(account.user, 'wrong')) for _ in range(9)]
    assert 'temporary-auth-failure' in answers
    assert set(answers) <= {'temporary-auth-failure', 'not-authorized'}
    assert client.scram(account.user, account.password).tag == name('sasl:success')

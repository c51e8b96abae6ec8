"""Reloading: by SIGHUP and by stentorctl (docs/configuration.md)."""
import os
import shutil
import signal
import ssl
import subprocess

import pytest

from harness import find
from harness.certs import make_certificate
from harness.client import mechanisms
from harness.server import HOSTS, environment, program


def reload(server, how):
    if how == 'ctl':
        server.ctl('reload')
        return
    before = len(server.log('reloaded'))
    server.process.send_signal(signal.SIGHUP)
    while len(server.log('reloaded')) == before:
        assert server.process.poll() is None


@pytest.fixture(params=['ctl', 'SIGHUP'])
def how(request):
    return request.param


def shown(server, domain='example.org'):
    """The certificate that a new client sees."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = server.connect('c2s_direct_tls')
    with context.wrap_socket(client.socket, server_hostname=domain) as tls:
        return tls.getpeercert(True)


def der(path):
    return ssl.PEM_cert_to_DER_cert(open(path).read())


def test_new_certificate(make_server, tmp_path, how):
    """A renewed certificate is shown to new clients; sessions go on."""
    first, second = tmp_path / 'first', tmp_path / 'second'
    for folder in (first, second):
        folder.mkdir()
        make_certificate(folder, 'example.org')
    names = ('example.org.pem', 'example.org.key')
    for name in names:
        shutil.copy(first / name, tmp_path / name)
    server = make_server(hosts={
        'example.org': f'certificate = "{tmp_path}/{names[0]}"\nkey = "{tmp_path}/{names[1]}"'})
    server.certificate = lambda domain: str(tmp_path / names[0])
    session = server.online(server.account())
    assert shown(server) == der(first / names[0])
    for name in names:
        os.replace(second / name, tmp_path / name)
    reload(server, how)
    assert shown(server) == der(tmp_path / names[0]) != der(first / names[0])
    session.sync()
    server.online(server.account()).sync()


def test_certificate_without_its_key(make_server, tmp_path):
    """A pair that does not fit is refused; the old one goes on."""
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        make_certificate(tmp_path / name, 'example.org')
    server = make_server()
    before = shown(server)
    server.expected.add('certificate')
    server.write_config(hosts={'example.org': f'certificate = "{tmp_path}/a/example.org.pem"\n'
                                              f'key = "{tmp_path}/b/example.org.key"'})
    done = server.ctl('reload', check=False)
    assert done.returncode == 1
    assert 'nothing was changed' in done.stderr
    assert server.log('certificate', level='error')
    assert shown(server) == before


def test_broken_file_changes_nothing(make_server):
    """The message has file and line; the server keeps what it has, also at a SIGHUP."""
    server = make_server()
    session = server.online(server.account())
    right = server.config.read_text()
    server.config.write_text('registration = true\n' + right)
    done = server.ctl('reload', check=False)
    assert done.returncode in (1, 2)
    assert f'{server.config}:1: ' in done.stderr
    server.expected.add('reload')
    server.process.send_signal(signal.SIGHUP)
    assert f'{server.config}:1: ' in server.wait_log('reload', level='error')['error']
    session.sync()
    assert find(server.secure('example.net').features, 'register-feature:register') is not None
    server.config.write_text(right)
    server.ctl('reload')


def test_broken_file_by_the_socket(make_server):
    """The same where stentorctl does not read the file itself: the server says it."""
    server = make_server()
    server.config.write_text('registration = true\n' + server.config.read_text())
    done = subprocess.run([program('STENTORCTL'), '-s', str(server.data / 'stentord.sock'),
                           'reload'], capture_output=True, text=True, env=environment())
    assert done.returncode == 1
    assert f'{server.config}:1: ' in done.stderr
    assert 'nothing was changed' in done.stderr


def test_host_gone(make_server, how):
    """RFC 6120 section 4.9.3.5: streams of a domain that is no longer served end; others stay."""
    server = make_server()
    stays = server.online(server.account())
    goes = server.online(server.account(domain='example.net'))
    half_open = server.secure('example.net')
    server.write_config(hosts={'example.org': ''})
    reload(server, how)
    assert goes.stream_error() == 'host-gone'
    assert half_open.stream_error() == 'host-gone'
    stays.sync()
    client = server.connect()
    client.send("<stream:stream to='example.net' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>")
    assert client.stream_error() == 'host-unknown'
    stays.send("<message to='juliet@example.net' id='m'/>")
    assert find(stays.message(id='m'), 'error/stanzas:remote-server-not-found') is not None


def test_new_host(make_server, how):
    """A domain that is added is served at once, with a certificate of its own."""
    server = make_server()
    session = server.online(server.account())
    server.write_config(hosts={**HOSTS, 'example.com': ''})
    reload(server, how)
    client = server.online(server.account(domain='example.com'))
    session.send(f"<message to='{client.jid}' id='m'/>")
    assert client.message(id='m').get('from') == session.jid


def test_options_of_a_host(make_server, how):
    """registration and anonymous of new streams."""
    server = make_server()
    server.write_config(hosts={'example.org': 'anonymous = true', 'example.net': ''})
    reload(server, how)
    assert 'ANONYMOUS' in mechanisms(server.secure('example.org').features)
    features = server.secure('example.net').features
    assert 'ANONYMOUS' not in mechanisms(features)
    assert find(features, 'register-feature:register') is None


def test_what_needs_a_restart_is_named(make_server):
    """It is said, and waits."""
    server = make_server()
    server.config.write_text(server.config.read_text().replace('shards = 2', 'shards = 3'))
    assert 'shards' in server.ctl('reload').stdout
    assert server.stats()['shards'] == 2
    server.stop()
    server.shards = 3
    server.start()
    assert server.stats()['shards'] == 3


def test_log_level(make_server, how):
    """log_level: debug lines begin to come."""
    server = make_server()
    server.secure()
    assert not server.log('tls')
    server.write_config(top='log_level = debug')
    reload(server, how)
    server.secure()
    assert server.wait_log('tls', level='debug')


def test_many_reloads_under_load(make_server):
    """Settings are swapped while shards work with them."""
    server = make_server()
    first, second = (server.online(account) for account in server.two_accounts())
    for i in range(20):
        first.send(''.join(f"<message to='{second.jid}' id='{i}-{k}'/>" for k in range(50)))
        server.ctl('reload')
        server.secure()
        for k in range(50):
            second.message(id=f'{i}-{k}')

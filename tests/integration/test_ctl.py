"""stentorctl: its commands and what it says when they cannot be done (stentorctl(8))."""
import socket
import subprocess

import pytest

from harness.client import failure
from harness.server import environment, program
from harness.xmpp import name


def refused(server, *words, stdin='x\n'):
    """What is said on standard error of a command that exits with 1."""
    done = server.ctl(*words, stdin=stdin, check=False)
    assert done.returncode == 1, done
    assert done.stdout == ''
    assert done.stderr.startswith('stentorctl: ')
    return done.stderr


def run(*arguments, stdin=''):
    return subprocess.run([program('STENTORCTL'), *map(str, arguments)], input=stdin,
                          capture_output=True, text=True, env=environment(), timeout=60)


# ---- accounts ----

def test_adduser(server):
    """The password comes on standard input; the account can log in."""
    server.ctl('adduser', 'juliet@example.org', stdin='pencil\n')
    client = server.secure()
    assert client.plain('juliet', 'pencil').tag == name('sasl:success')
    assert 'already' in refused(server, 'adduser', 'juliet@example.org')
    assert 'already' in refused(server, 'adduser', 'JULIET@example.org')


def test_adduser_takes_the_password_without_a_line_end(server):
    server.ctl('adduser', 'nurse@example.org', stdin='no line end')
    assert server.secure().plain('nurse', 'no line end').tag == name('sasl:success')


@pytest.mark.parametrize('stdin', ['', '\n', 'x' * 1024 + '\n', 'x' * 5000, 'a\tb\n', '\x7f\n'],
                         ids=['nothing', 'empty', 'long', 'very long', 'tab', 'control'])
def test_adduser_with_a_bad_password(server, stdin):
    refused(server, 'adduser', 'bad@example.org', stdin=stdin)
    assert 'bad@example.org' not in server.ctl('users').stdout.split()


@pytest.mark.parametrize('command', ['adduser', 'passwd', 'deluser', 'erase', 'kick'])
@pytest.mark.parametrize('jid, why', [
    ('juliet', 'address'), ('@example.org', 'address'), ('a b@example.org', 'address'),
    ('example.org', 'address'), ('juliet@example.com', 'not served'),
    ('juliet@rooms.example.org', 'no accounts'),
])
def test_bad_address(server, command, jid, why):
    assert why in refused(server, command, jid)


@pytest.mark.parametrize('command', ['passwd', 'deluser', 'erase'])
def test_no_such_account(server, command):
    assert 'no such account' in refused(server, command, 'nobody@example.org')


def test_passwd(server):
    account = server.account()
    session = server.online(account)
    server.ctl('passwd', account.jid, stdin='changed\n')
    client = server.secure()
    assert failure(client.plain(account.user, account.password)) == 'not-authorized'
    assert client.plain(account.user, 'changed').tag == name('sasl:success')
    session.sync()


def test_deluser(server):
    """The account and its sessions end."""
    account = server.account()
    session = server.online(account)
    server.ctl('deluser', account.jid)
    assert session.stream_error() == 'not-authorized'
    assert failure(server.secure().plain(account.user, account.password)) == 'not-authorized'
    assert account.jid not in server.ctl('users').stdout.split()


def test_deluser_between_auth_and_bind(server):
    """Who has logged in to an account that is deleted then gets no resource."""
    account = server.account()
    client = server.secure()
    client.authenticate(account)
    server.ctl('deluser', account.jid)
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    assert client.stream_error() == 'not-authorized'


def test_users(make_server):
    """All accounts, or those of one host; more than one page of them."""
    server = make_server()
    wanted = {f'u{i}@{domain}' for domain in ('example.org', 'example.net') for i in range(3)}
    for jid in wanted:
        server.ctl('adduser', jid, stdin='x\n')
    assert set(server.ctl('users').stdout.split()) == wanted
    assert set(server.ctl('users', 'example.net').stdout.split()) == {
        jid for jid in wanted if jid.endswith('net')}
    assert server.ctl('users', 'example.com').stdout == ''


# ---- sessions ----

def test_sessions(server):
    account = server.account()
    client = server.online(account, 'balcony', 7)
    connected = server.login(account, 'orchard')
    lines = {line.split('\t')[0]: line for line in server.ctl('sessions').stdout.splitlines()}
    assert '\tavailable\tpriority 7\t' in lines[client.jid]
    assert '127.0.0.1:' in lines[client.jid]
    assert '\tconnected\t' in lines[connected.jid]


def test_kick_one_session(server):
    account = server.account()
    first, second = server.online(account), server.online(account)
    server.ctl('kick', first.jid)
    assert first.stream_error() == 'policy-violation'
    second.sync()


def test_kick_all_sessions(server):
    account = server.account()
    clients = [server.online(account), server.online(account), server.login(account)]
    server.ctl('kick', account.jid)
    for client in clients:
        assert client.stream_error() == 'policy-violation'
    server.online(account).sync()


def test_kick_nobody(server):
    assert 'no such session' in server.ctl('kick', server.account().jid).stdout
    assert 'no such session' in server.ctl('kick', 'nobody@example.org').stdout


# ---- numbers ----

def test_stats(server):
    """Numbers by name, that move with what happens."""
    before = server.stats()
    assert before['shards'] == 2
    assert before['resident_bytes'] > 1000000
    account = server.account()
    client = server.online(account)
    client.sync()
    after = server.stats()
    assert after['logins'] == before['logins'] + 1
    assert after['sessions'] == before['sessions'] + 1
    assert after['stanzas_in'] >= before['stanzas_in'] + 2
    client.send('</stream:stream>')
    client.wait_end()
    server.wait_stat('sessions', before['sessions'])


def test_login_failures_are_counted(server):
    before = server.stats()['login_failures']
    client = server.secure()
    failure(client.plain('nobody', 'x'))
    failure(client.auth('X', b''))
    assert server.stats()['login_failures'] == before + 2


# ---- usage ----

def test_version_and_help():
    assert run('--version').stdout.startswith('stentorctl ')
    assert 'usage: stentorctl' in run('--help').stdout


@pytest.mark.parametrize('words', [[], ['--unknown'], ['-c'], ['-s']])
def test_wrong_usage(words):
    done = run(*words)
    assert done.returncode == 2
    assert 'usage: stentorctl' in done.stderr


@pytest.mark.parametrize('words', [['adduser'], ['users', ''], ['kick', 'a\nb']])
def test_words_that_mean_nothing(server, words):
    assert server.ctl(*words, stdin='x\n', check=False).returncode == 2


@pytest.mark.parametrize('words, why', [
    (['unknown'], 'no such command'), (['users', 'a', 'b'], 'too many words'),
    (['deluser'], 'too few'), (['kick'], 'too few'), (['stats', 'x'], 'too many words'),
    (['users', *'abcdefghijklmnop'], 'no command'), (['sessions', 'x'], 'too many words'),
])
def test_commands_that_are_none(server, words, why):
    assert why in refused(server, *words)


def test_wrong_configuration(tmp_path):
    """Exit code 2, with file and line as the server says it."""
    (tmp_path / 'x.conf').write_text('host "example.org" { }\nshards = many\n')
    done = run('-c', tmp_path / 'x.conf', 'stats')
    assert done.returncode == 2
    assert f'{tmp_path}/x.conf:2: ' in done.stderr


def test_no_server(make_server):
    """Exit code 1; it says where it looked."""
    server = make_server()
    server.stop()
    done = server.ctl('stats', check=False)
    assert done.returncode == 1
    assert 'stentord.sock' in done.stderr


def test_socket_by_name(server):
    assert 'uptime_seconds' in run('-s', server.data / 'stentord.sock', 'stats').stdout
    assert run('-s', '/' + 'x' * 200, 'stats').returncode == 2


# ---- the socket itself ----

def admin(server):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(60)
    one.connect(str(server.data / 'stentord.sock'))
    return one


@pytest.mark.parametrize('data', [b'\n\n', b'x' * 100000, b'\n' * 5000, b'a\nb\n',
                                  b'adduser\n\xff@example.org\nx\n\n', b'\0\n\n'])
def test_garbage_on_the_socket(server, data):
    """Its owner alone can reach the socket; what it gets there does no harm all the same."""
    with admin(server) as one:
        try:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            while one.recv(4096):
                pass
        except ConnectionError:
            pass
    server.ctl('stats')


def test_asker_that_goes_away(server):
    """The answer has nobody to go to."""
    for command in (b'sessions\n\n', b'users\n\n', b'adduser\ngone@example.org\nx\n\n'):
        with admin(server) as one:
            one.sendall(command)
    server.ctl('stats')
    server.stats()


def test_many_askers(server):
    """The socket takes 16 at once; who comes on top of that is sent away and can come again."""
    held = [admin(server) for _ in range(16)]
    server.ctl('stats', check=False)
    for one in held:
        one.close()
    while server.ctl('stats', check=False).returncode:
        assert server.process.poll() is None

"""Starting and ending: options, configuration, signals, the world around (stentord(8))."""
import os
import pwd
import signal
import socket
import stat
import subprocess

import pytest

from harness.server import Failed, environment, program

OPTIONS = 'data_dir = "data"\nhost "example.org" { }\n'


def run(*arguments, cwd=None):
    return subprocess.run([program('STENTORD'), *map(str, arguments)], capture_output=True,
                          text=True, env=environment(), cwd=cwd, timeout=60)


def check(folder, text):
    """stentord --check with a file of this text."""
    file = folder / 'stentor.conf'
    file.write_text(text)
    return run('--check', '-c', file)


# ---- options ----

def test_version_and_help():
    for option in ('-V', '--version'):
        assert run(option).stdout.startswith('stentord ')
    for option in ('-h', '--help'):
        assert 'usage: stentord' in run(option).stdout


@pytest.mark.parametrize('arguments', [['--unknown'], ['-c'], ['extra']])
def test_wrong_usage(arguments):
    """Exit code 2, and the usage on standard error."""
    done = run(*arguments)
    assert done.returncode == 2
    assert 'usage: stentord' in done.stderr


def test_check_of_a_right_file(tmp_path):
    """--check says so and starts nothing: no folder is made."""
    done = check(tmp_path, OPTIONS)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'right' in done.stdout
    assert not (tmp_path / 'data').exists()


def test_check_of_the_example():
    """The file that the project ships is right."""
    example = os.path.join(os.path.dirname(__file__), '../../stentor.conf.example')
    assert run('--check', '-c', example).returncode == 0


def test_check_without_a_file():
    """The built-in configuration is right."""
    assert run('--check').returncode == 0


@pytest.mark.parametrize('text, line, words', [
    (OPTIONS + 'shards = many\n', 3, ['shards', 'many', '0 to 256']),
    (OPTIONS + 'shards = 257\n', 3, ['shards', '257']),
    (OPTIONS + 'log_level = loud\n', 3, ['debug info warn error']),
    (OPTIONS + 'tls_required = maybe\n', 3, ['true or false']),
    (OPTIONS + 'host "a.example" {\nregisration = true\n}\n', 4, ['do you mean registration?']),
    (OPTIONS + 'registration = true\n', 3, ['registration', 'host']),
    (OPTIONS + 'plain_without_tls = true\n', 3, ['tls_required']),
    (OPTIONS + 'shards = 1\nshards = 2\n', 4, ['line 3']),
    (OPTIONS + 'client_ca_file = "none.pem"\n', 3, ['client_ca_file', 'cannot be read']),
    (OPTIONS + 'user = "nobody-of-this-name"\n', 3, ['nobody-of-this-name']),
    (OPTIONS + 'host "example.org" { }\n', 3, ['example.org']),
    (OPTIONS + 'host "exa mple" { }\n', 3, ['exa mple']),
    (OPTIONS + 'host "a.example" {\ncertificate = "x.pem"\n}\n', 4, ['key']),
    (OPTIONS + 'listener {\naddress = "localhost"\n}\n', 4, ['localhost', 'numeric']),
    (OPTIONS + 'listener {\nport = 70000\n}\n', 4, ['70000']),
    (OPTIONS + 'limits {\nstanza_bytes = 1\n}\n', 4, ['stanza_bytes', '10000']),
    (OPTIONS + 'limits {\noutput_bytes = 64K\n}\n', 3, ['output_bytes']),
    (OPTIONS + 'data_dir = \n', 4, ['NAME = VALUE']),
    (OPTIONS + 'limits {\n', 3, ['never closed']),
    ('data_dir = "data"\n', None, ['no host']),
], ids=lambda value: value.splitlines()[-1] if isinstance(value, str) else '')
def test_check_of_a_wrong_file(tmp_path, text, line, words):
    """--check names file and line, what stands there and what would be right; exit code 2. A
    server does not start with such a file."""
    done = check(tmp_path, text)
    assert done.returncode == 2
    place = f'{tmp_path}/stentor.conf' + (f':{line}: ' if line else ': ')
    assert done.stderr.startswith(place), done.stderr
    for word in words:
        assert word in done.stderr
    assert run('-c', tmp_path / 'stentor.conf').returncode == 2
    assert not (tmp_path / 'data').exists()


def test_all_faults_are_told_at_once(tmp_path):
    done = check(tmp_path, OPTIONS + 'shards = many\nlog_level = loud\nx = 1\n')
    assert {line.split(':')[1] for line in done.stderr.splitlines()} == {'3', '4', '5'}


def test_missing_file(tmp_path):
    done = run('-c', tmp_path / 'none.conf')
    assert done.returncode == 2
    assert 'none.conf' in done.stderr


# ---- starting ----

def test_folders_and_files_are_private(make_server):
    """Accounts, messages, keys and the administration are for the server's user alone."""
    server = make_server()
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    for name in ('example.org.key', 'stentord.sock', 'secret'):
        assert stat.S_IMODE((server.data / name).stat().st_mode) & 0o077 == 0, name


def test_port_in_use(make_server):
    """Exit code 1, and the log says what and why."""
    with socket.create_server(('127.0.0.1', 0)) as taken:
        server = make_server(start=False)
        port = taken.getsockname()[1]
        server.config.write_text(server.config.read_text().replace('port = 0', f'port = {port}', 1))
        with pytest.raises(Failed):
            server.start()
        assert server.wait() == 1
        assert server.log('listen', level='error', port=port)
        server.process = None


def test_second_server_on_the_same_data(make_server):
    """It ends with 1 and leaves the first one alone."""
    server = make_server()
    client = server.online(server.account())
    done = run('-c', server.config)
    assert done.returncode == 1
    assert 'in use' in done.stderr
    client.sync()
    server.ctl('stats')


def test_broken_certificate(make_server, tmp_path):
    """A certificate that is none: exit code 1."""
    (tmp_path / 'x.pem').write_text('no certificate')
    server = make_server(start=False, hosts={
        'example.org': f'certificate = "{tmp_path}/x.pem"\nkey = "{tmp_path}/x.pem"'})
    done = run('-c', server.config)
    assert done.returncode == 1
    assert 'certificate' in done.stderr


def test_pid_file(make_server):
    """pid_file: there while the server is."""
    server = make_server(top='pid_file = "stentord.pid"')
    file = server.folder / 'stentord.pid'
    assert file.read_text() == f'{server.process.pid}\n'
    server.stop()
    assert not file.exists()


def test_readiness(make_server):
    """sd_notify(3): READY=1 once clients can come, STOPPING=1 at the end."""
    server = make_server(start=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(server.folder / 'notify'))
        notified.settimeout(60)
        server.start(env={'NOTIFY_SOCKET': str(server.folder / 'notify')})
        assert notified.recv(100) == b'READY=1'
        server.secure()
        server.stop()
        assert notified.recv(100) == b'STOPPING=1'


def test_readiness_by_an_abstract_socket(make_server):
    server = make_server(start=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(f'\0stentor-test-{os.getpid()}')
        notified.settimeout(60)
        server.start(env={'NOTIFY_SOCKET': f'@stentor-test-{os.getpid()}'})
        assert notified.recv(100) == b'READY=1'


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can become somebody else')
def test_privileges_are_dropped(make_server):
    """user: who starts as root becomes that user for good, groups included, and works so."""
    server = make_server(start=False, top='user = nobody')
    server.folder.chmod(0o755)
    server.start()
    nobody = pwd.getpwnam('nobody')
    lines = dict(line.split(':', 1) for line in
                 open(f'/proc/{server.process.pid}/status') if ':' in line)
    assert lines['Uid'].split() == [str(nobody.pw_uid)] * 4
    assert lines['Gid'].split() == [str(nobody.pw_gid)] * 4
    assert '0' not in lines['Groups'].split()
    assert server.data.stat().st_uid == nobody.pw_uid
    assert server.log('privileges_dropped', user='nobody')
    client = server.online(server.account())
    client.sync()
    server.ctl('reload')
    client.sync()


@pytest.mark.skipif(os.geteuid() != 0, reason='only root stays root')
def test_root_is_warned_of(make_server):
    assert make_server().log('root', level='warn')


# ---- ending ----

@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGINT])
def test_system_shutdown(make_server, how):
    """RFC 6120 section 4.9.3.20: every stream ends with system-shutdown and an end tag,
    whatever step it is at, on all shards."""
    server = make_server()
    clients = [server.online(account) for account in server.two_accounts()]
    half_open = server.connect()
    half_open.open()
    clients += [half_open, server.secure(), server.connect()]
    server.wait_stat('connections_accepted', len(clients))
    server.process.send_signal(how)
    for client in clients:
        assert client.stream_error() == 'system-shutdown'
    assert server.wait() == 0


def test_stop_does_not_wait_for_silent_peers(make_server):
    """Peers that do not close, or do not even read, are given up after a while."""
    server = make_server()
    account = server.account()
    clients = [server.online(account), server.connect('c2s_direct_tls'), server.connect()]
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    assert clients


def test_stop_with_messages_that_wait(make_server):
    """Offline messages are no work to be waited for; they are there after the next start."""
    server = make_server()
    first, second = server.two_accounts()
    sender = server.online(first)
    sender.send(f"<message to='{second.jid}' id='m'><body>x</body></message>")
    server.wait_stat('offline_stored', 1)
    sender.close()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(15) == 0
    server.process = None
    server.start()
    assert server.online(second).message(id='m') is not None


def test_work_on_its_way_is_finished(make_server):
    """What the server took before the stop is durable after it, or its sender has an error."""
    server = make_server()
    first, second = server.two_accounts()
    sender = server.online(first)
    sender.send(''.join(f"<message to='{second.jid}' type='chat' id='m{i}'><body>x</body></message>"
                        for i in range(500)))
    sender.sync()
    server.stop()
    server.start()
    receiver = server.online(second)
    got = [m.get('id') for m in receiver.sync() if m.tag.endswith('}message')]
    while len(got) < 500:
        got.append(receiver.message().get('id'))
    assert got == [f'm{i}' for i in range(500)]


def test_text_log(make_server):
    """log_format = text: a line is time, level, event and fields; forged ones are quoted."""
    server = make_server(start=False)
    server.config.write_text(server.config.read_text().replace('log_format = json', ''))
    with open(server.folder / 'log', 'w') as log:
        process = subprocess.Popen([program('STENTORD'), '-c', str(server.config)], stderr=log,
                                   env=environment())
    try:
        while ' ready ' not in (text := (server.folder / 'log').read_text()):
            assert process.poll() is None
        assert ' info  ready version=' in text
    finally:
        process.terminate()
        assert process.wait(60) == 0

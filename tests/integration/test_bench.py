"""Each scenario of stentor-bench once, small: that the server gets through it and the bench finds
nothing wrong. Speed is no matter here."""
import json
import os
import subprocess
from pathlib import Path

import pytest

USERS = 12
SECONDS = 110

SERVER = {
    'hosts': {'localhost': 'registration = true'},
    'top': 'tls_required = false\nplain_without_tls = true',
    'limits': 'room_stanzas_per_second = 0',
}

SCENARIOS = {
    'login-plain': ('login', 'none', ['--at-once', '4']),
    'login-sasl-plain': ('login', 'none', ['--at-once', '2', '--mech', 'PLAIN']),
    'login-tls': ('login', 'starttls', ['--at-once', '4']),
    'login-direct': ('login', 'direct', ['--at-once', '4']),
    'login-resumed': ('login', 'starttls', ['--at-once', '4', '--resume']),
    'idle': ('idle', 'starttls', []),
    'chat': ('chat', 'none', ['--window', '4']),
    'chat-across': ('chat', 'none', ['--across', '2']),
    'chat-tls': ('chat', 'starttls', ['--window', '1', '--bytes', '5000']),
    'chat-rate': ('chat', 'starttls', ['--rate', '200']),
    'presence': ('presence', 'none', ['--contacts', '4']),
    'offline': ('offline', 'none', ['--messages', '10']),
    'chat-acks': ('chat', 'none', ['--window', '4', '--ack-every', '3']),
    'archive': ('archive', 'none', ['--window', '3']),
    'archive-rate': ('archive', 'starttls', ['--rate', '200']),
    'resume': ('resume', 'none', ['--rate', '200', '--breaks', '30']),
    'resume-tls': ('resume', 'starttls', ['--breaks', '30', '--ack-every', '4']),
    'room': ('room', 'none', ['--rooms', '3', '--occupants', '4', '--window', '2']),
    'room-tls': ('room', 'starttls', ['--occupants', '12', '--window', '1']),
    'room-rate': ('room', 'none', ['--rooms', '2', '--occupants', '5', '--rate', '100']),
    'room-acks': ('room', 'none', ['--occupants', '6', '--rate', '100', '--ack-every', '3']),
    'room-join': ('room-join', 'none', ['--occupants', '9', '--at-once', '3']),
    'room-join-tls': ('room-join', 'starttls', ['--occupants', '1', '--at-once', '1']),
    'room-idle': ('room-idle', 'none', ['--rooms', '30', '--at-once', '7']),
}


def program(name):
    """Stands in the build of the server that is tested."""
    return Path(os.environ['STENTORD']).resolve().parents[2] / 'bench' / name


def bench(scenario, tls, port, pid, *options):
    """The report of a run, which must have found no error."""
    done = subprocess.run(
        [program('stentor-bench'), scenario, '--json', '--quiet', '--tls', tls, '--port', str(port),
         '--pid', str(pid), '--users', str(USERS), *options],
        capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert not report['errors'], report['first_error']
    assert done.returncode == 0
    return report


@pytest.fixture(scope='module')
def registered(server):
    """The server, with the accounts of the bench made by the bench."""
    report = bench('register', 'starttls', server.ports['c2s'], server.process.pid)
    assert report['phases'][0]['units'] == USERS
    return server


@pytest.mark.parametrize('name', SCENARIOS)
def test_scenario(registered, name):
    scenario, tls, options = SCENARIOS[name]
    port = registered.ports['c2s_direct_tls' if tls == 'direct' else 'c2s']
    report = bench(scenario, tls, port, registered.process.pid, '--seconds', '0.8', *options)
    for phase in report['phases']:
        assert phase['units'] > 0
        assert phase['server_cpu_us_per_unit'] >= 0
    assert bool(report['tls']) == (tls != 'none')


def test_counts(registered):
    """What is counted is what was asked for."""
    port, pid = registered.ports['c2s'], registered.process.pid
    offline = bench('offline', 'none', port, pid, '--messages', '7')
    assert [p['units'] for p in offline['phases']] == [USERS // 2 * 7] * 2
    presence = bench('presence', 'none', port, pid, '--contacts', '4', '--seconds', '0.1')
    assert presence['phases'][0]['units'] >= USERS * 4
    rooms = bench('room', 'none', port, pid, '--rooms', '2', '--occupants', '6', '--window', '1',
                  '--seconds', '0.5')
    assert [p['name'] for p in rooms['phases']] == ['enter', 'talk', 'half']
    assert rooms['phases'][0]['units'] == USERS
    idle = bench('room-idle', 'none', port, pid, '--rooms', '25')
    assert [p['units'] for p in idle['phases']] == [25, 25]


def test_archive_is_paged_whole(registered):
    """Both archives of the pair hold what was written, so both take as many pages."""
    report = bench('archive', 'none', registered.ports['c2s'], registered.process.pid, '--seconds',
                   '5', '--rate', '20', '--messages', '330', '--users', '2')
    write, back, on = report['phases']
    assert [p['name'] for p in report['phases']] == ['write', 'page back', 'page on']
    assert write['units'] >= 90
    assert back['units'] == on['units'] == 7


def test_server_without_archive(make_server):
    """What a server does not have is no error of it, and is told apart."""
    server = make_server(hosts={'localhost': 'registration = true\narchive = false'},
                         top=SERVER['top'])
    port, pid = server.ports['c2s'], server.process.pid
    bench('register', 'none', port, pid)
    done = subprocess.run(
        [program('stentor-bench'), 'archive', '--json', '--quiet', '--tls', 'none', '--port',
         str(port), '--users', '2'], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 3
    assert json.loads(done.stdout)['lacks'] == 'XEP-0313'


def test_room_that_slows_its_occupants(make_server):
    """What a room refuses is an error, and is said."""
    server = make_server(hosts=SERVER['hosts'], top=SERVER['top'],
                         limits='room_stanzas_per_second = 1')
    port, pid = server.ports['c2s'], server.process.pid
    bench('register', 'none', port, pid)
    done = subprocess.run(
        [program('stentor-bench'), 'room', '--json', '--quiet', '--tls', 'none', '--port',
         str(port), '--occupants', '2'], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert 'a message was refused' in json.loads(done.stdout)['first_error']


def test_histogram_and_picture(registered, tmp_path):
    picture = tmp_path / 'latency.svg'
    report = bench('chat', 'none', registered.ports['c2s'], registered.process.pid,
                   '--seconds', '0.3', '--plot', str(picture))
    phase = report['phases'][0]
    assert sum(count for _, count in phase['histogram']) == phase['units']
    assert picture.read_text().startswith('<svg')


def test_wrong_password_fails(registered):
    """An error makes the run fail, and is said."""
    done = subprocess.run(
        [program('stentor-bench'), 'login', '--json', '--quiet', '--tls', 'none', '--port',
         str(registered.ports['c2s']), '--first', '500', '--users', '1', '--seconds', '0.1'],
        capture_output=True, text=True, timeout=SECONDS)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert 'login refused' in report['first_error']


@pytest.mark.parametrize('tls', ['none', 'direct'])
@pytest.mark.parametrize('scenario, phases', [('floor', ['floor']), ('room-floor', ['talk', 'half'])])
def test_floor(registered, tls, scenario, phases):
    """The floor carries the same messages."""
    domain = registered.data / 'localhost'
    sealed = ['--cert', f'{domain}.crt', '--key', f'{domain}.key'] if tls == 'direct' else []
    rooms = ['--occupants', '5'] if scenario == 'room-floor' else []
    floor = subprocess.Popen([program('bench-floor'), *sealed, *rooms], stdout=subprocess.PIPE,
                             text=True)
    try:
        port = floor.stdout.readline().split()[1]
        report = bench(scenario, tls, port, floor.pid, '--seconds', '0.3', *rooms)
        assert [p['name'] for p in report['phases']] == phases
        assert all(p['units'] > 0 for p in report['phases'])
    finally:
        floor.kill()
        floor.wait()
        floor.stdout.close()

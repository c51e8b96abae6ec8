"""Profanity in a terminal against the server: login, messages both ways, one left for later."""
import os
import shutil
import subprocess
import time
import uuid

import pytest

SECONDS = 60


class Terminal:
    """A tmux session of its own with Profanity in it, typed into and read."""

    def __init__(self, home):
        self.socket = f'stentor-{uuid.uuid4().hex}'
        environment = {**os.environ, 'HOME': str(home), 'XDG_CONFIG_HOME': f'{home}/config',
                       'XDG_DATA_HOME': f'{home}/data', 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'}
        subprocess.run(['tmux', '-L', self.socket, '-f', '/dev/null', 'new-session', '-d', '-x',
                        '120', '-y', '40', 'profanity'], env=environment, check=True)

    def tmux(self, *words):
        return subprocess.run(['tmux', '-L', self.socket, *words], capture_output=True,
                              text=True).stdout

    def type(self, line):
        self.tmux('send-keys', '-l', line)
        self.tmux('send-keys', 'Enter')

    def wait(self, text):
        deadline = time.monotonic() + SECONDS
        while text not in self.tmux('capture-pane', '-p'):
            assert time.monotonic() < deadline, self.tmux('capture-pane', '-p')
            time.sleep(0.1)

    def login(self, server, account):
        self.wait('Profanity')
        self.type(f'/connect {account.jid} server 127.0.0.1 port {server.ports["c2s"]} tls trust')
        self.wait('password:')
        self.type(account.password)
        self.wait('logged in successfully')

    def close(self):
        self.type('/quit')
        self.tmux('kill-server')


@pytest.fixture
def open_terminal(tmp_path):
    opened = []

    def make(name):
        home = tmp_path / name
        home.mkdir()
        opened.append(Terminal(home))
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.close()


@pytest.mark.skipif(not shutil.which('profanity') or not shutil.which('tmux'),
                    reason='profanity and tmux are needed')
def test_two_people(server, open_terminal):
    """RFC 6120 and 6121 as this client speaks them."""
    one, two = server.two_accounts()
    juliet, romeo = open_terminal('juliet'), open_terminal('romeo')
    juliet.login(server, one)
    romeo.login(server, two)

    juliet.type(f'/roster add {two.jid} Romeo')
    juliet.wait('Roster item added')
    juliet.type(f'/sub request {two.jid}')
    romeo.wait('authorization request')
    romeo.type(f'/sub allow {one.jid}')
    juliet.wait(f'Subscription received from {two.jid}')

    juliet.type(f'/msg {two.jid} wherefore art thou')
    romeo.wait('<< chat message')
    romeo.type('/win 2')
    romeo.wait('wherefore art thou')
    romeo.type('call me but love')
    juliet.type('/win 2')
    juliet.wait('call me but love')

    before = server.stats()['offline_stored']
    romeo.type('/win 1')
    romeo.type('/clear')
    romeo.type('/disconnect')
    server.gone_offline(two.jid)
    juliet.type(f'/msg {two.jid} good night')
    server.wait_stat('offline_stored', before + 1)
    romeo.login(server, two)
    romeo.wait('<< chat message')
    romeo.type('/win 2')
    romeo.wait('good night')


@pytest.mark.skipif(not shutil.which('profanity') or not shutil.which('tmux'),
                    reason='profanity and tmux are needed')
def test_archive(server, open_terminal):
    """XEP-0313: on a new device, what was said before (it asks the host for the feature)."""
    one, two = server.two_accounts()
    juliet = open_terminal('juliet')
    juliet.login(server, one)
    before = server.stats()['messages_kept']
    juliet.type(f'/msg {two.jid} wherefore art thou')
    server.wait_stat('messages_kept', before + 1)

    juliet.type('/disconnect')
    server.gone_offline(one.jid)
    new = open_terminal('new')
    new.wait('Profanity')
    new.type('/mam on')
    new.wait('Message Archive Management enabled')
    new.login(server, one)
    new.type(f'/msg {two.jid}')
    new.wait('wherefore art thou')

"""Profanity in a terminal against the server: login, messages both ways, one left for later; the
archive, copies on a second device, a connection that breaks, a room."""
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import uuid

import pytest

SECONDS = 60

pytestmark = pytest.mark.skipif(not shutil.which('profanity') or not shutil.which('tmux'),
                                reason='profanity and tmux are needed')


class Relay:
    """Carries bytes to a port of the server until it is cut; then it can be reached again."""

    def __init__(self, port):
        self.to = port
        self.sockets = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:    # closed
                return
            far = socket.create_connection(('127.0.0.1', self.to))
            self.sockets += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        self.end(source, target)

    @staticmethod
    def end(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:    # it is down already
                pass

    def cut(self):
        """Nobody says goodbye."""
        cut, self.sockets = self.sockets, []
        self.end(*cut)

    def close(self):
        self.cut()
        self.listener.close()


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

    def shown(self):
        return self.tmux('capture-pane', '-p')

    def wait(self, text):
        deadline = time.monotonic() + SECONDS
        while text not in self.shown():
            assert time.monotonic() < deadline, self.shown()
            time.sleep(0.1)

    def login(self, server, account, port=None):
        self.wait('Profanity')
        port = port or server.ports['c2s']
        self.type(f'/connect {account.jid} server 127.0.0.1 port {port} tls trust')
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


def test_copies(server, open_terminal):
    """XEP-0280: what is said on one device is seen on the other."""
    one, two = server.two_accounts()
    laptop, phone, romeo = map(open_terminal, ('laptop', 'phone', 'romeo'))
    for device in (laptop, phone):
        device.wait('Profanity')
        device.type('/carbons on')
        device.login(server, one)
    romeo.login(server, two)

    phone.type(f'/msg {two.jid}')
    laptop.type(f'/msg {two.jid} wherefore art thou')
    phone.wait('wherefore art thou')
    romeo.wait('<< chat message')
    romeo.type('/win 2')
    romeo.type('call me but love')
    for device in (laptop, phone):
        device.wait('call me but love')


def test_a_broken_connection(server, open_terminal):
    """XEP-0198 section 5: the session goes on, with what came meanwhile, once."""
    one, two = server.two_accounts()
    juliet, romeo = map(open_terminal, ('juliet', 'romeo'))
    romeo.login(server, two)
    relay = Relay(server.ports['c2s'])
    juliet.wait('Profanity')
    juliet.type('/reconnect 5')
    juliet.login(server, one, relay.port)
    romeo.type(f'/msg {one.jid} before')
    juliet.wait('<< chat message')
    juliet.type('/win 2')
    juliet.wait('before')

    before = server.stats()
    relay.cut()
    server.wait_stat('sessions_away', before['sessions_away'] + 1)
    romeo.type(f'/msg {one.jid} meanwhile')
    server.wait_stat('sessions_resumed', before['sessions_resumed'] + 1)
    juliet.wait('meanwhile')
    romeo.type(f'/msg {one.jid} afterwards')
    juliet.wait('afterwards')
    assert juliet.shown().count('meanwhile') == 1
    relay.close()


def test_a_room(server, open_terminal):
    """XEP-0045 as this client speaks it: making and configuring a room, inviting, talking, giving
    voice, the subject, kicking; what was said before is there when somebody enters."""
    one, two = server.two_accounts()
    juliet, romeo = open_terminal('juliet'), open_terminal('romeo')
    juliet.login(server, one)
    romeo.login(server, two)
    room = f'garden-{one.user}@rooms.{one.domain}'

    juliet.type(f'/join {room} nick juliet')
    juliet.wait('Room locked')
    juliet.type('/room config')
    juliet.wait("Use '/form submit' to save changes.")
    field = re.search(r'\[(field\d+)\] Only those with voice', juliet.shown()).group(1)
    juliet.type(f'/{field} on')
    juliet.wait(f'[{field}] Only those with voice may speak: TRUE')
    juliet.type('/form submit')
    juliet.wait('Room configuration successful')
    juliet.type('/win 2')
    juliet.type('But soft')
    juliet.wait('juliet: But soft')

    juliet.type(f'/invite send {two.jid} come')
    romeo.wait('Chat room invite received')
    romeo.type(f'/join {room} nick romeo')
    romeo.wait('role: visitor')
    romeo.wait('But soft')
    romeo.type('may I?')
    romeo.wait('forbidden')
    juliet.type('/role set participant romeo')
    romeo.wait('participant')
    romeo.type('what light')
    juliet.wait('romeo: what light')
    juliet.type('/subject set Capulet orchard')
    romeo.wait('Capulet orchard')
    juliet.type('/kick romeo goodnight')
    romeo.wait(f'Kicked from {room} by juliet, reason: goodnight')
    juliet.type('/leave')

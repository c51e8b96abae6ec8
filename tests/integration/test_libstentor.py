"""Components made with libstentor: its two examples with the real server, with Prosody, with
servers that misbehave; and programs that are built against the library as it is installed."""
import os
import shutil
import signal
import socket
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from harness import condition, text_of
from harness.component import LISTENERS, Component, section
from harness.peers import Prosody, free_port, login
from harness.program import Program, build_folder, example
from harness.server import environment

BOT, STORE = 'echo.example.org', 'items.example.org'
SERVER = {'top': LISTENERS + section(BOT) + section(STORE)}
ROOT = Path(__file__).resolve().parents[2]
COMMANDS = 'http://jabber.org/protocol/commands'


@pytest.fixture(autouse=True)
def no_program_stays():
    yield
    for program in list(Program.running):
        program.kill()


@pytest.fixture
def bot(server, tmp_path):
    started = start_bot(server, tmp_path).ready()
    yield started
    started.stop()


@pytest.fixture
def juliet(server):
    return server.online(server.account())


def start_bot(server, tmp_path, domain=BOT, **options):
    return example('echo-bot', tmp_path, domain, '127.0.0.1', server.ports['component'], **options)


def say(person, text, to=f'x@{BOT}'):
    person.send(f"<message to='{to}' type='chat'><body>{text}</body></message>")


# ---- the echo bot ----

def test_echo(bot, juliet):
    """From the address that was written to; what it is made of stays what it is."""
    for address in (f'x@{BOT}', BOT, f'ä@{BOT}/r'):
        say(juliet, '1 &lt; 2 &amp; ü😀', to=address)
        assert text_of(juliet.message(from_=address), 'body') == '1 < 2 & ü😀'


def test_many_at_once(bot, juliet):
    """Every one, in order."""
    juliet.send(''.join(f"<message to='x@{BOT}' type='chat'><body>{n}</body></message>"
                        for n in range(2000)))
    for n in range(2000):
        assert text_of(juliet.message(from_=f'x@{BOT}'), 'body') == str(n)


def test_what_it_answers(bot, juliet):
    """XEP-0030, XEP-0092, XEP-0199; RFC 6120 section 8.4 for what nobody handles."""
    info = juliet.get("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=f'x@{BOT}')
    assert info.find('.//{*}identity').get('type') == 'bot'
    assert COMMANDS in {feature.get('var') for feature in info.iterfind('.//{*}feature')}
    version = juliet.get("<query xmlns='jabber:iq:version'/>", to=BOT)
    assert version[0].findtext('{jabber:iq:version}name') == 'echo-bot'
    juliet.get("<ping xmlns='urn:xmpp:ping'/>", to=BOT)
    assert juliet.refused("<x xmlns='urn:x'/>", to=BOT) == 'service-unavailable'


def command(person, node, inside='', **attributes):
    """The <command/> that answers."""
    more = ''.join(f" {key}='{value}'" for key, value in attributes.items())
    return person.set(f"<command xmlns='{COMMANDS}' node='{node}'{more}>{inside}</command>",
                      to=BOT)[0]


def form(**fields):
    inside = ''.join(f"<field var='{var}'><value>{value}</value></field>"
                     for var, value in fields.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{inside}</x>"


def test_a_command_with_one_form(bot, juliet):
    """XEP-0050 section 2.4, with a form that is filled in wrongly at first (4.4)."""
    asked = command(juliet, 'repeat')
    assert asked.get('status') == 'executing'
    session = asked.get('sessionid')
    wrong = (f"<command xmlns='{COMMANDS}' node='repeat' sessionid='{session}'>"
             f"{form(text='ho', times='99')}</command>")
    assert juliet.refused(wrong, type='set', to=BOT) == 'bad-request'
    done = command(juliet, 'repeat', form(text='ho', times='3'), sessionid=session)
    assert done.get('status') == 'completed'
    for _ in range(3):
        assert text_of(juliet.message(from_=BOT), 'body') == 'ho'


def test_a_command_with_two_forms(bot, juliet):
    """Section 3.4: back to the first form, and on."""
    session = command(juliet, 'manners').get('sessionid')
    second = command(juliet, 'manners', form(style='plain'), sessionid=session, action='next')
    assert second.find(f'{{{COMMANDS}}}actions/{{{COMMANDS}}}prev') is not None
    command(juliet, 'manners', sessionid=session, action='prev')
    command(juliet, 'manners', form(style='loud'), sessionid=session, action='next')
    done = command(juliet, 'manners', form(prefix='I say: '), sessionid=session, action='complete')
    assert done.get('status') == 'completed'
    assert done.find('.//{jabber:x:data}value').text == 'loud'
    say(juliet, 'hello')
    assert text_of(juliet.message(from_=f'x@{BOT}'), 'body') == 'I say: hello!'


# ---- the life of a connection ----

def test_wrong_secret(server, tmp_path):
    """It is not tried again."""
    program = start_bot(server, tmp_path, secret='no')
    assert program.wait() == 1
    assert program.lines()[-1] == 'over: not-authorized: the handshake is wrong'


def test_unknown_domain(server, tmp_path):
    program = start_bot(server, tmp_path, domain='no.example.org')
    assert program.wait() == 1
    assert program.lines()[-1].startswith('over: host-unknown')


def test_somebody_else_is_there(server, bot, tmp_path, juliet):
    """`conflict`: it waits until the other one has gone."""
    second = start_bot(server, tmp_path)
    second.wait_line('waiting: conflict', 2)
    bot.process.send_signal(signal.SIGTERM)
    second.ready()
    say(juliet, 'hello')
    juliet.message(from_=f'x@{BOT}')
    second.stop()


def test_tls(server, tmp_path, juliet):
    """A listener of type component_direct_tls, and its certificate."""
    where = ('127.0.0.1', server.ports['component_direct_tls'])
    program = example('echo-bot', tmp_path, BOT, *where, 'example.org',
                      server.certificate('example.org')).ready()
    say(juliet, 'x' * 100000)
    assert text_of(juliet.message(from_=f'x@{BOT}'), 'body') == 'x' * 100000
    program.stop()
    for name, authority in (('other.example', server.certificate('example.org')),
                            ('example.org', server.certificate('example.net')),
                            ('example.org', '/nonexistent')):
        refused = example('echo-bot', tmp_path, BOT, *where, name, authority)
        deadline = time.monotonic() + 60
        while not any('ertificate' in line for line in refused.lines()):
            assert time.monotonic() < deadline, refused.lines()
            time.sleep(0.02)
        assert 'ready' not in refused.lines()
        refused.stop()


FIXED = 'listener {{ type = component address = "127.0.0.1" port = {} }}\n'


def test_restart_of_the_server(make_server, tmp_path):
    """In order, and by a crash: the component comes back by itself."""
    port = free_port()
    server = make_server(top=FIXED.format(port) + section(BOT))
    account = server.account()
    program = example('echo-bot', tmp_path, BOT, '127.0.0.1', port).ready()
    for number, end in enumerate((server.stop, server.kill), 2):
        end()
        server.start()
        program.ready(number)
        person = server.online(account)
        say(person, 'again')
        person.message(from_=f'x@{BOT}')
        person.close()
    assert any('system-shutdown' in line for line in program.lines())
    program.stop()


def test_a_server_that_is_not_there_yet(make_server, tmp_path):
    port = free_port()
    program = example('echo-bot', tmp_path, BOT, 'localhost', port)
    program.wait_line('waiting: Connection refused', 2)
    make_server(top=FIXED.format(port) + section(BOT))
    program.ready()
    program.stop()


# ---- servers that misbehave ----

HEADER = ("<stream:stream xmlns='jabber:component:accept' id='1' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")

MISCHIEF = [b'', b'\x16\x03\x01\x02\x00', b'HTTP/1.1 400 Bad Request\r\n\r\n', b'<' * 100000,
            b'\xff' * 100, b"<!DOCTYPE x [<!ENTITY a 'a'>]>",
            b"<stream:stream id='" + b'x' * 200000,
            HEADER.encode(), HEADER.encode() + b'<handshake>' * 1000,
            (HEADER + '</stream:stream>').encode(), (HEADER + '<handshake/><message').encode(),
            (HEADER + '<handshake/>' + '<a>' * 1000).encode(),
            (HEADER + "<handshake/><iq type='get' id='1' from='a@b' to='c@d'><x/></iq>").encode(),
            (HEADER + "<handshake/><message from='a@b' to='echo.example.org'><body>"
             + 'x' * 300000).encode(),
            (HEADER + '<handshake/><handshake/>').encode()]


@pytest.fixture
def false_server():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(60)
        yield listener


@pytest.mark.parametrize('said', MISCHIEF, ids=range(len(MISCHIEF)))
def test_false_servers(false_server, tmp_path, said):
    """Whatever a server says and however it goes away, the component comes again."""
    program = example('echo-bot', tmp_path, BOT, '127.0.0.1', false_server.getsockname()[1])
    with false_server.accept()[0] as connection:
        try:
            connection.sendall(said)
        except OSError:
            pass
    false_server.accept()[0].close()
    program.stop()


def test_a_server_that_does_not_read(false_server, tmp_path):
    """What waits for it is bounded: the component stops reading; and goes on when it is read
    again, with every answer."""
    program = example('echo-bot', tmp_path, BOT, '127.0.0.1', false_server.getsockname()[1])
    connection, _ = false_server.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.sendall((HEADER + '<handshake/>').encode())
    program.ready()
    message = f"<message from='a@b' to='{BOT}' type='chat'><body>{'x' * 1000}</body></message>"
    connection.settimeout(2)
    sent = 0
    try:
        while True:
            sent += connection.send(message.encode()[sent % len(message):])
    except TimeoutError:
        pass
    assert sent < 64 * 1024 * 1024
    assert program.memory() < 64 * 1024 * 1024
    connection.settimeout(60)
    got, wanted = b'', sent // len(message)
    while got.count(b'</message>') < wanted:
        more = connection.recv(65536)
        assert more, 'the component went away'
        got += more
    program.process.terminate()
    while not got.endswith(b'</stream:stream>'):
        got += connection.recv(65536)
    connection.close()
    assert program.wait() == 0


# ---- the service for devices ----

ITEMS = 'urn:example:items'


def items(person, verb, key, value='', type='set', to=STORE):
    return person.ask(f"<{verb} xmlns='{ITEMS}' key='{key}'>{value}</{verb}>", type, to)


def start_store(server, tmp_path):
    return example('key-value', tmp_path, STORE, '127.0.0.1', server.ports['component'],
                   tmp_path / 'items.db').ready()


def value_of(person, key):
    answer = items(person, 'read', key, type='get')
    return answer.findtext(f'{{{ITEMS}}}value')


def test_values_of_devices(server, tmp_path, juliet):
    store = start_store(server, tmp_path)
    romeo = server.online(server.account())
    assert items(juliet, 'register', 'door').get('type') == 'result'
    assert items(juliet, 'register', 'door').get('type') == 'result'
    assert value_of(romeo, 'door') == ''
    assert items(juliet, 'write', 'door', 'open &lt;').get('type') == 'result'
    assert value_of(romeo, 'door') == 'open <'
    for verb, key, type, error in (('register', 'door', 'set', 'forbidden'),
                                   ('write', 'door', 'set', 'forbidden'),
                                   ('write', 'none', 'set', 'item-not-found'),
                                   ('read', 'none', 'get', 'item-not-found'),
                                   ('subscribe', 'none', 'set', 'item-not-found'),
                                   ('register', '', 'set', 'not-acceptable'),
                                   ('register', 'k' * 257, 'set', 'not-acceptable'),
                                   ('read', 'door', 'set', 'service-unavailable'),
                                   ('write', 'door', 'get', 'service-unavailable'),
                                   ('eat', 'door', 'set', 'service-unavailable')):
        assert condition(items(romeo, verb, key, type=type)) == error, verb
    assert condition(items(juliet, 'write', 'door', 'x' * 4097)) == 'not-acceptable'
    store.stop()


def changed(person):
    """The next change that is told: key and value."""
    message = person.message(from_=STORE)
    assert message.get('type') == 'headline'
    element = message.find(f'{{{ITEMS}}}changed')
    return element.get('key'), element.text


def test_subscriptions(server, tmp_path, juliet):
    """The value at once, then each change, until the end of it; over restarts of the service,
    too."""
    store = start_store(server, tmp_path)
    romeo = server.online(server.account())
    items(juliet, 'register', 'lamp')
    items(juliet, 'write', 'lamp', 'on')
    assert items(romeo, 'subscribe', 'lamp').get('type') == 'result'
    assert changed(romeo) == ('lamp', 'on')
    for value in ('off', 'on', 'dim'):
        items(juliet, 'write', 'lamp', value)
        assert changed(romeo) == ('lamp', value)
    store.kill()
    store = start_store(server, tmp_path)
    assert value_of(romeo, 'lamp') == 'dim'
    items(juliet, 'write', 'lamp', 'off')
    assert changed(romeo) == ('lamp', 'off')
    assert items(romeo, 'unsubscribe', 'lamp').get('type') == 'result'
    items(juliet, 'write', 'lamp', 'on')
    assert value_of(romeo, 'lamp') == 'on'
    assert [m for m in romeo.inbox if m.tag.endswith('message')] == []
    store.stop()


def test_what_was_answered_is_kept(server, tmp_path, juliet):
    """Killed right behind an answer."""
    for number in range(5):
        store = start_store(server, tmp_path)
        assert items(juliet, 'register', f'k{number}').get('type') == 'result'
        assert items(juliet, 'write', f'k{number}', number).get('type') == 'result'
        store.kill()
    store = start_store(server, tmp_path)
    assert [value_of(juliet, f'k{n}') for n in range(5)] == list('01234')
    store.stop()


# ---- another server ----

@pytest.mark.skipif(Prosody.missing() is not None, reason='Prosody is not installed')
def test_prosody(tmp_path):
    """Its component port takes the same handshake; `conflict` and a wrong secret too."""
    peer, port = Prosody(), free_port()
    bot = f'echo.{peer.domain}'
    text = peer.config.read_text()
    peer.config.write_text(f'component_ports = {{ {port} }}\n{text}Component "{bot}"\n'
                           '\tcomponent_secret = "test"\n')
    try:
        account = peer.account('juliet', 'secret')
        peer.start()
        program = example('echo-bot', tmp_path, bot, '127.0.0.1', port).ready()
        person = login(peer, account, 'balcony')
        say(person, 'hello', to=f'x@{bot}')
        assert text_of(person.message(from_=f'x@{bot}'), 'body') == 'hello'
        refused = example('echo-bot', tmp_path, bot, '127.0.0.1', port, secret='no')
        assert refused.wait() == 1
        assert 'not-authorized' in refused.lines()[-1]
        peer.stop()
        peer.start()
        program.ready(2)
        program.stop()
    finally:
        peer.remove()


# ---- the library as it is installed ----

@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """The folder of pkg-config's files, and the compiler's options of the build."""
    folder = tmp_path_factory.mktemp('installed')
    subprocess.run(['meson', 'install', '-C', build_folder(), '--destdir', folder, '--no-rebuild',
                    '--quiet'], check=True, capture_output=True)
    package = next(folder.rglob('libstentor.pc'))
    names = subprocess.run(['nm', next(folder.rglob('libstentor.a'))], check=True,
                           capture_output=True, text=True).stdout
    sanitize = ['-fsanitize=address,undefined'] if '__asan_init' in names else []
    return folder, package, sanitize


def pkg_config(installed, *what):
    folder, package, _ = installed
    env = {**os.environ, 'PKG_CONFIG_SYSROOT_DIR': str(folder),
           'PKG_CONFIG_PATH': str(package.parent)}
    done = subprocess.run(['pkg-config', *what, 'libstentor'], check=True, capture_output=True,
                          text=True, env=env)
    return done.stdout.split()


def test_nothing_else_is_exported(installed):
    """Only stentor_*, in the shared library and in the static one."""
    folder = installed[0]
    for flags, name in ((['-D'], 'libstentor.so'), (['-g'], 'libstentor.a')):
        listed = subprocess.run(['nm', *flags, '--defined-only', next(folder.rglob(name))],
                                check=True, capture_output=True, text=True).stdout
        names = [line.split()[-1] for line in listed.splitlines() if len(line.split()) == 3]
        assert 'stentor_component_new' in names
        assert [n for n in names if not n.startswith('stentor_')] == []


@pytest.mark.parametrize('how', ['shared', 'static'])
def test_building_against_it(installed, server, tmp_path, juliet, how):
    """The echo bot as C99, by pkg-config alone."""
    folder, package, sanitize = installed
    shutil.copy(ROOT / 'examples/component/echo_bot.c', tmp_path)
    static = how == 'static'
    libraries = pkg_config(installed, '--libs', *(['--static'] if static else []))
    if static:
        libraries = [str(package.parent.parent / 'libstentor.a') if f == '-lstentor' else f
                     for f in libraries]
    program = tmp_path / 'bot'
    subprocess.run(['cc', '-std=gnu99', '-Wall', '-Werror', *sanitize, 'echo_bot.c', '-o', program,
                    *pkg_config(installed, '--cflags'), *libraries,
                    f'-Wl,-rpath,{package.parent.parent}'], cwd=tmp_path, check=True)
    running = Program(program, tmp_path, BOT, '127.0.0.1', server.ports['component']).ready()
    say(juliet, 'hello')
    juliet.message(from_=f'x@{BOT}')
    running.stop()


def test_the_program_of_the_page(installed, server, tmp_path, juliet):
    """What docs/libstentor.md begins with, as strict C99."""
    _, package, sanitize = installed
    page = (ROOT / 'docs/libstentor.md').read_text()
    (tmp_path / 'hello.c').write_text(page.split('```c\n')[1].split('```')[0])
    subprocess.run(['cc', '-std=c99', '-pedantic', '-Wall', '-Wextra', '-Wno-unused-parameter',
                    '-Werror', *sanitize, 'hello.c', '-o', 'hello',
                    *pkg_config(installed, '--cflags', '--libs'),
                    f'-Wl,-rpath,{package.parent.parent}'], cwd=tmp_path, check=True)
    running = subprocess.Popen([tmp_path / 'hello', BOT, str(server.ports['component'])],
                               env={**environment(), 'SECRET': 'test'})
    try:
        server.wait_stat('components', 1)
        say(juliet, 'who is there?')
        assert text_of(juliet.message(from_=f'x@{BOT}'), 'body') == 'Hello!'
    finally:
        running.kill()
        running.wait()


OTHER_LOOP = textwrap.dedent('''\
    // A component in a loop of the program's own, in C++.
    #include <stentor/component.h>
    #include <cstdio>
    #include <poll.h>
    #include <string>

    static bool on_message(stentor_entity *e, const stentor_element *message, void *)
    {
        stentor_send(e, stentor_answer_new(message));
        return true;
    }

    int main(int, char **argv)
    {
        stentor_component *c = stentor_component_new(argv[1], "test");
        stentor_component_set_server(c, argv[2], (uint16_t)std::stoi(argv[3]));
        stentor_on_message(stentor_component_entity(c), on_message, nullptr);
        stentor_component_start(c);
        bool stop = false;
        struct pollfd p[2] = { { stentor_component_fd(c), POLLIN, 0 }, { 0, POLLIN, 0 } };
        do {
            poll(p, stop ? 1 : 2, (int)stentor_component_timeout(c));
            if (!stop && p[1].revents && std::getchar() == EOF) {
                stop = true;
                stentor_component_stop(c);
            }
        } while (stentor_component_process(c));
        enum stentor_error error = stentor_component_error(c, nullptr);
        stentor_component_free(&c);
        return error;
    }
''')


@pytest.mark.skipif(shutil.which('g++') is None, reason='there is no C++ compiler')
def test_cplusplus(installed, server, tmp_path, juliet):
    """As C++, in a loop of its own that waits for two things."""
    _, package, sanitize = installed
    (tmp_path / 'other.cc').write_text(OTHER_LOOP)
    subprocess.run(['g++', '-Wall', '-Werror', *sanitize, 'other.cc', '-o', 'other',
                    *pkg_config(installed, '--cflags', '--libs'),
                    f'-Wl,-rpath,{package.parent.parent}'], cwd=tmp_path, check=True)
    port = str(server.ports['component'])
    running = subprocess.Popen([tmp_path / 'other', BOT, '127.0.0.1', port],
                               stdin=subprocess.PIPE)
    try:
        server.wait_stat('components', 1)
        say(juliet, 'x', to=BOT)
        juliet.message(from_=BOT)
        running.stdin.close()
        assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait()

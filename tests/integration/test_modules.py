"""Modules of others (docs/modules.md): the example, built outside the tree with what is installed;
a probe that does all that a module can; and what must not be loaded."""
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from harness import condition, find, text_of
from harness.component import LISTENERS, Component, section
from harness.server import Failed, Server, environment, program
from harness.xmpp import show

ROOT = Path(__file__).resolve().parents[2]
WORDS = 'urn:stentor:wordfilter'
PROBE = 'urn:probe'
FLAGS = ['-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-Wno-missing-field-initializers',
         '-Werror', '-fPIC', '-shared', '-pthread']


def build(target, *flags):
    subprocess.run([os.environ.get('CC', 'cc'), *FLAGS, *flags, f'-I{ROOT}/include', '-o', target,
                    ROOT / 'tests/integration/modules/probe.c'], check=True)
    return target


def module(path, **options):
    """A section of the configuration."""
    lines = ''.join(f'\t{name} = "{value}"\n' for name, value in options.items())
    return f'module "{path}" {{\n{lines}}}\n'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('modules')


@pytest.fixture(scope='module')
def probe(folder):
    return build(folder / 'probe.so')


@pytest.fixture(scope='module')
def wordfilter(folder):
    """Built as somebody does it who has nothing but an installed server."""
    installed, source = folder / 'installed', folder / 'source'
    built = Path(program('STENTORD')).parents[2]
    subprocess.run(['meson', 'install', '-C', built, '--no-rebuild', '--destdir', installed,
                    '--tags', 'devel'], check=True, capture_output=True)
    shutil.copytree(ROOT / 'examples/module', source)
    found = next(installed.rglob('stentor-module.pc'))
    env = {**os.environ, 'PKG_CONFIG_PATH': str(found.parent),
           'PKG_CONFIG_SYSROOT_DIR': str(installed),
           'CFLAGS': '-O1 -g -Wall -Wextra -Wpedantic -Werror'}
    subprocess.run(['make', '-C', source], check=True, env=env, capture_output=True)
    return source / 'wordfilter.so'


# ---- the example ----

def set_words(client, *words):
    all_words = ''.join(f'<word>{w}</word>' for w in words)
    client.set(f"<words xmlns='{WORDS}'>{all_words}</words>")


def words_of(client):
    answer = client.get(f"<words xmlns='{WORDS}'/>")
    return [word.text for word in answer.iter(f'{{{WORDS}}}word')]


@pytest.mark.parametrize('standard', [['-x', 'c', '-std=c99'], ['-x', 'c++', '-std=c++11']])
def test_header(standard):
    """The public header is C99 and C++, and needs no other."""
    compiler = 'g++' if standard[1] == 'c++' and shutil.which('g++') else 'clang++' \
        if standard[1] == 'c++' else os.environ.get('CC', 'cc')
    text = ('#include <stentor/module.h>\nextern "C" int x(void);\n' if standard[1] == 'c++' else
            '#include <stentor/module.h>\nint x(void);\n')
    subprocess.run([compiler, *standard, '-Wall', '-Wextra', '-Wpedantic', '-Werror',
                    '-fsyntax-only', f'-I{ROOT}/include', '-'], input=text, text=True, check=True)


def test_word_filter(make_server, wordfilter):
    """Each has his own words, which outlive the server; what is masked is so in the archive."""
    server = make_server(top=module(wordfilter))
    first, second = server.two_accounts()
    juliet, romeo = server.online(first), server.online(second)
    features = [f.get('var') for f in juliet.get(
        "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=first.jid).iter()]
    assert features.count(WORDS) == 1
    assert words_of(juliet) == []
    set_words(juliet, 'rose', '&lt;thorn&gt;')
    assert words_of(juliet) == ['rose', '<thorn>']
    assert words_of(romeo) == []
    romeo.send(f"<message to='{first.jid}' type='chat' id='1'>"
               '<body>a ROSE &lt;thorn&gt;&amp; a</body>'
               "<body xml:lang='de'>Prose</body><x xmlns='urn:x'>rose</x></message>")
    message = juliet.message(id='1')
    bodies = [(b.get('{http://www.w3.org/XML/1998/namespace}lang'), b.text)
              for b in message.iter('{jabber:client}body')]
    assert bodies == [(None, 'a **** *******& a'), ('de', 'P****')], show(message)
    assert message.get('from') == romeo.jid
    assert message.findtext('{urn:x}x') == 'rose'
    juliet.send(f"<message to='{second.jid}' type='chat' id='2'><body>a rose</body></message>")
    assert text_of(romeo.message(id='2'), 'body') == 'a rose'
    juliet.close()
    server.gone_offline(first.jid)
    romeo.send(f"<message to='{first.jid}' type='chat' id='3'><body>rose, later</body></message>")
    romeo.sync()
    server.stop()
    server.start()
    juliet = server.online(first)
    assert text_of(juliet.message(id='3'), 'body') == '****, later'
    assert words_of(juliet) == ['rose', '<thorn>']
    set_words(juliet)
    assert words_of(juliet) == []


def test_word_filter_refuses(make_server, wordfilter):
    server = make_server(top=module(wordfilter, mask=''))
    first, second = server.two_accounts()
    juliet, romeo = server.online(first), server.online(second)
    set_words(juliet, 'rose')
    romeo.send(f"<message to='{first.jid}' type='chat' id='1'><body>rose</body></message>"
               f"<message to='{first.jid}' type='chat' id='2'><body>lily</body></message>")
    error = romeo.message(id='1', type='error')
    assert condition(error) == 'not-acceptable'
    assert error.get('from') == first.jid
    assert text_of(juliet.message(), 'body') == 'lily'
    many = ''.join(f'<word>{i:099}</word>' for i in range(11))
    assert juliet.refused(f"<words xmlns='{WORDS}'>{many}</words>",
                          'set') == 'resource-constraint'


# ---- the probe ----

@pytest.fixture(scope='module')
def probed(probe):
    server = Server(top=module(probe) + LISTENERS + section('irc.example.org'),
                    hosts={'example.org': 'anonymous = true'})
    try:
        yield server.start()
        server.stop()
        assert server.log('module_says', text='unloaded in order')
    finally:
        server.remove()


def ask(client, element, to='example.org', kind='get', **attributes):
    text = ''.join(f" {name}='{value}'" for name, value in attributes.items())
    return client.ask(f"<{element} xmlns='{PROBE}'{text}/>", kind, to)


def asked(client, element, *args, **options):
    answer = ask(client, element, *args, **options)
    assert answer.get('type') == 'result', show(answer)
    return answer[0]


def test_places(probed):
    """An IQ reaches a module at its places alone; an account, who may see its presence."""
    juliet = probed.online(probed.account())
    romeo = probed.online(probed.account())
    own, other = juliet.jid.partition('/')[0], romeo.jid.partition('/')[0]
    at_host = asked(juliet, 'where')
    assert [at_host.get(key) for key in ('account', 'from', 'to', 'type')] == \
        ['', juliet.jid, 'example.org', 'get']
    for to in (own, None):
        at_own = asked(juliet, 'where', to=to)
        assert at_own.get('account') == own
        assert at_own.get('shard') == str(probed.owner(own))
    assert condition(ask(juliet, 'where', to=other)) == 'service-unavailable'
    assert condition(ask(juliet, 'where', to='nobody@example.org')) == 'service-unavailable'
    juliet.send(f"<presence type='subscribe' to='{other}'/>")
    romeo.presence(type='subscribe')
    romeo.send(f"<presence type='subscribed' to='{own}'/>")
    juliet.presence(type='subscribed')
    assert asked(juliet, 'where', to=other).get('account') == other
    assert condition(ask(juliet, 'own', to=other)) == 'service-unavailable'
    assert condition(ask(juliet, 'own')) == 'service-unavailable'
    assert condition(ask(juliet, 'host', to=own)) == 'service-unavailable'
    assert condition(ask(juliet, 'where', kind='set')) == 'service-unavailable'
    assert condition(ask(juliet, 'unknown')) == 'service-unavailable'
    assert condition(juliet.ask("<where xmlns='urn:other'/>", 'get', 'example.org')) == \
        'service-unavailable'


def test_features(probed):
    """XEP-0030 section 3.1: each is named once, also where the server has it itself."""
    client = probed.online(probed.account())
    for to, feature in (('example.org', PROBE), ('example.org', 'urn:xmpp:ping'),
                        (client.jid.partition('/')[0], PROBE + ':account')):
        answer = client.get("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=to)
        assert [e.get('var') for e in answer.iter()].count(feature) == 1
    client.sync() # its own ping, and not the module's


def test_reading(probed):
    client = probed.online(probed.account())
    answer = client.get(
        f"<echo xmlns='{PROBE}' xmlns:p='urn:p'> <p:a a='&lt;1&gt;'>x<![CDATA[&]]>y<b/>z</p:a>text"
        "<c xmlns='urn:c' p:a='2'/></echo>", to='example.org')
    first, second = answer[0]
    assert (first.get('name'), first.get('ns'), first.get('a'), first.get('text')) == \
        ('a', 'urn:p', '<1>', 'x&yz')
    assert first[0].tag == '{urn:p}a' and first[0][0].tag == f'{{{PROBE}}}b'
    assert (second.get('name'), second.get('ns'), second.get('a')) == ('c', 'urn:c', '-')
    client.send("<iq type='get' id='&quot;&lt;&amp;' to='example.org'>"
                f"<where xmlns='{PROBE}'/></iq>")
    assert client.iq(id='"<&')[0].get('id') == '"<&'


def test_addresses(probed):
    client = probed.online(probed.account())
    for jid, parts in (('Romeo@Example.org/a/b@c', ('romeo@example.org', 'romeo', 'example.org',
                                                     'a/b@c')),
                       ('EXAMPLE.org/x@y', ('example.org', '', 'example.org', 'x@y')),
                       ('a@b', ('a@b', 'a', 'b', ''))):
        answer = asked(client, 'address', jid=jid)
        assert tuple(answer.get(k) for k in ('bare', 'local', 'domain', 'resource')) == parts
    answer = ask(client, 'address', jid='@')
    assert condition(answer) == 'jid-malformed'
    assert text_of(answer, 'error/stanzas:text') == 'no <address>'


def test_answers(probed):
    """Each request is answered once, whatever the module does."""
    probed.expected |= {'module_has_no_answer', 'module_answers_badly'}
    client = probed.online(probed.account())
    assert condition(ask(client, 'silent')) == 'internal-server-error'
    assert condition(ask(client, 'bad')) == 'internal-server-error'
    error = find(ask(client, 'unknown-condition'), 'error')
    assert find(error, 'stanzas:undefined-condition') is not None, show(error)
    assert ask(client, 'twice', kind='set').get('type') == 'result'
    assert client.sync() == []
    assert probed.log('module_says', text='once')
    assert not probed.log('module_says', text='more than once')


def test_threads(probed):
    """Work is handed to a thread of the module's own, and to the owner of an account."""
    client = probed.online(probed.account())
    for _ in range(20):
        assert asked(client, 'thread').tag == f'{{{PROBE}}}done'
    for jid in (probed.account().jid for _ in range(4)):
        answer = asked(client, 'owner', jid=jid.upper())
        assert (answer.get('found'), answer.get('owner')) == (jid, str(probed.owner(jid)))
    for jid in ('nobody@example.org', 'example.org', 'x@irc.example.org', 'x@nowhere.example'):
        assert asked(client, 'owner', jid=jid).get('found') == ''
    assert condition(ask(client, 'owner', jid='@')) == 'jid-malformed'


def test_data(probed):
    """Of an account: durable, bounded, and gone with it."""
    account = probed.account()
    client = probed.online(account)

    def kept(key):
        return asked(client, 'kept', to=None, key=key).get('n')

    def keep(key, n):
        return ask(client, 'keep', to=None, kind='set', key=key, of=n)

    assert kept('a') == '-1'
    assert keep('a', 10).get('type') == 'result'
    assert keep('b b', 3).get('type') == 'result'
    assert keep('a', 20).get('type') == 'result'
    assert (kept('a'), kept('b b'), kept('b')) == ('20', '3', '-1')
    assert keep('c', 256 * 1024 - 100).get('type') == 'result'
    assert condition(keep('d', 200)) == 'resource-constraint'
    assert kept('d') == '-1'
    assert keep('c', 0).get('type') == 'result'
    assert kept('c') == '-1'
    assert condition(keep('d', 256 * 1024 + 1)) == 'not-allowed'
    assert condition(keep('k' * 257, 1)) == 'not-allowed'
    assert condition(keep('', 1)) == 'not-allowed'
    assert condition(ask(client, 'keep', kind='set', key='a', of=1)) == 'not-allowed'
    client.close()
    probed.kill()
    probed.start()
    client = probed.online(account)
    assert (kept('a'), kept('b b')) == ('20', '3')
    probed.ctl('deluser', account.jid)
    probed.account(account.user, account.domain, account.password)
    client = probed.online(account)
    assert kept('a') == '-1'


def test_guest_has_no_data(probed):
    client = probed.secure()
    client.auth('ANONYMOUS')
    client.open()
    client.bind()
    assert condition(ask(client, 'keep', to=None, kind='set', key='a', of=1)) == 'not-allowed'


def test_messages_are_judged(probed):
    """Where it is sent and where it arrives a message may go back, vanish and be changed."""
    first, second = probed.two_accounts()
    juliet, romeo = probed.online(first), probed.online(second)

    def say(body, more='', sender=romeo, to=first.jid):
        number = f'm{time.monotonic_ns()}'
        sender.send(f"<message to='{to}' type='chat' id='{number}'><body>{body}</body>{more}"
                    "</message>")
        return number

    for place, by in (('sent', 'example.org'), ('arrives', None)):
        number = say(f'refuse at {place}')
        error = romeo.message(id=number)
        assert condition(error) == 'policy-violation'
        assert text_of(error, 'error/stanzas:text') == 'not <so>'
        assert (error.get('from'), find(error, 'error').get('by')) == (first.jid, by)
        say(f'drop at {place}')
        number = say(f'spoil at {place}')
        assert text_of(juliet.message(), 'body') == f'spoil at {place}'
        say(f'empty at {place}', f"<next xmlns='{PROBE}'/>")
        message = juliet.message()
        assert find(message, 'body') is None
        assert message.find(f'{{{PROBE}}}next') is not None
        number = say(f'whole at {place}')
        message = juliet.message()
        assert (message.get('id'), message.get('from'), message.get('to')) == \
            ('new', romeo.jid, first.jid)
        assert text_of(message, 'body') == 'twice'
        say(f'echo at {place}')
        assert text_of(juliet.message(), 'body') == f'echo at {place}'
        assert text_of(romeo.message(from_=first.jid), 'body') == 'from the module'
    assert juliet.sync_from(romeo) == []
    assert len(probed.log('module_says', text='a stale element is not looked at')) == 0


def test_a_refused_message_is_acknowledged(probed):
    """XEP-0198 section 4: a message that goes back or vanishes has been handled."""
    first, second = probed.two_accounts()
    romeo = probed.online(second)
    romeo.send("<enable xmlns='urn:xmpp:sm:3'/>")
    assert romeo.take().tag == '{urn:xmpp:sm:3}enabled'
    for body in ('refuse at sent', 'drop at sent', 'refuse at arrives', 'drop at arrives', 'well'):
        romeo.send(f"<message to='{first.jid}' type='chat'><body>{body}</body></message>")
    for _ in range(200):
        romeo.send("<r xmlns='urn:xmpp:sm:3'/>")
        answer = romeo.take()
        while answer.tag != '{urn:xmpp:sm:3}a':
            answer = romeo.take()
        if answer.get('h') == '5':
            return
        time.sleep(0.05)
    raise AssertionError('the messages are not acknowledged')


def test_what_enters_is_judged(probed):
    client = probed.online(probed.account())
    component = Component(probed, 'irc.example.org').join()
    bare = client.jid.partition('/')[0]
    for body in ('refuse at entered', 'drop at entered', 'whole at entered'):
        component.send(f"<message from='x@irc.example.org' to='{bare}' id='1' type='chat'>"
                       f'<body>{body}</body></message>')
    assert condition(component.message(type='error')) == 'policy-violation'
    message = client.message()
    assert (message.get('from'), text_of(message, 'body')) == ('x@irc.example.org', 'twice')


def test_presence_is_changed(probed):
    client = probed.online(probed.account())
    client.send(f"<presence><mark xmlns='{PROBE}'/><status>s</status></presence>")
    presence = client.presence(from_=client.jid)
    assert [e.tag for e in presence][:2] == [f'{{{PROBE}}}marked', f'{{{PROBE}}}again']
    assert text_of(presence, 'status') == 's'


def test_sessions_and_time(probed):
    """Sessions that begin and end, and ticks, are counted on the shards."""
    client = probed.online(probed.account())
    before = asked(client, 'count')
    assert before.get('mine') == '1'
    assert before.get('shards') == str(probed.shards)
    other = probed.login(probed.account(), 'greet-me')
    assert text_of(other.message(from_='example.org'), 'body') == 'welcome'
    other.close()
    deadline = time.monotonic() + 30
    while True:
        now = asked(client, 'count')
        grown = {key: int(now.get(key)) - int(before.get(key)) for key in
                 ('began', 'ended', 'ticks')}
        if grown['ended'] >= 1 and grown['ticks'] >= probed.shards:
            break
        assert time.monotonic() < deadline, grown
        time.sleep(0.1)
    assert grown['began'] == 1


# ---- what is not loaded ----

def refused(path, text, number=1):
    """What stentord --check says, and that it does not start either."""
    file = path.parent / 'stentor.conf'
    file.write_text(text + 'data_dir = "data"\nhost "example.org" {\n}\n')
    done = subprocess.run([program('STENTORD'), '--check', '-c', file], capture_output=True,
                          text=True, env=environment(), timeout=60)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count('\n') == number, done.stderr
    assert done.stderr.startswith(f'{file}:'), done.stderr
    return done.stderr.replace(f'{file}:', '')


@pytest.mark.parametrize('flags, words', [
    (['-DABI=2'], 'is for version 2 of the interface for modules, and this server has 1'),
    (['-DABI=0'], 'is for version 0'),
    (['-DSIZE=8'], 'has a descriptor of 8 bytes'),
    (['-DFAULT_SYMBOL', '-Wno-unused'], 'has no symbol stentor_module'),
    (['-DNAME=""'], 'has no name'),
    (['-DNAME="Probe"'], 'has no name'),
    (['-DNAME=NULL'], 'has no name'),
    (['-DFAULT_IQ'], 'has an IQ without type'),
    (['-DTICK=0'], 'has a tick without its seconds'),
    (['-DLATER=tick'], 'needs a newer server'),
], ids=lambda value: value[0][2:] if isinstance(value, list) else '')
def test_faults(tmp_path, flags, words):
    path = build(tmp_path / 'x.so', *flags)
    assert words in refused(path, '# first\n' + module(path))


def test_a_later_module(tmp_path, make_server):
    """One of a later minor version is taken when it leaves empty what is not known here."""
    server = make_server(top=module(build(tmp_path / 'x.so', '-DLATER=NULL')))
    assert server.log('module', module='probe', spec='test')


def test_where_a_fault_is_told(tmp_path, probe):
    path = tmp_path / 'x.so'
    shutil.copy(probe, path)
    assert refused(path, '\n\n' + module(path, colour='red')).startswith(
        '4: probe has no option "colour"; there are: color mode nothing')
    assert refused(path, module(path, color='blue')) == '2: color is "blue"; give red\n'
    both = module(path) + module(tmp_path / 'y.so')
    shutil.copy(probe, tmp_path / 'y.so')
    assert refused(path, both).startswith('3: module ')
    assert 'is named probe, as one on line 1 is' in refused(path, both)
    two = module(path, color='blue') + module(tmp_path / 'none.so')
    assert 'No such file' in refused(path, two, number=2)


def test_files_that_are_not_safe(tmp_path, probe):
    """Who can write the file, or put another in its place, would be the server."""
    path = tmp_path / 'inner/x.so'
    path.parent.mkdir()
    shutil.copy(probe, path)
    for target, mode in ((path, 0o666), (path, 0o664), (path.parent, 0o777), (path.parent, 0o770)):
        before = target.stat().st_mode
        target.chmod(mode)
        said = refused(path, module(path))
        assert f'others may write "{target}"' in said, said
        target.chmod(before)
    link = tmp_path / 'link.so'
    link.symlink_to(path)
    path.chmod(0o666)
    assert 'others may write' in refused(link, module(link))
    path.chmod(0o644)
    assert 'is no file' in refused(path, module(path.parent))
    path.write_text('no shared object')
    assert 'cannot be loaded' in refused(path, module(path))


@pytest.mark.skipif(os.geteuid() != 0, reason='only root gives files away')
def test_files_of_others(tmp_path, probe):
    path = tmp_path / 'x.so'
    shutil.copy(probe, path)
    os.chown(path, 12345, 12345)
    assert 'belongs to the user 12345' in refused(path, module(path))


def test_a_server_does_not_start(make_server, tmp_path, probe):
    """The log says why, with the line; a module may refuse too."""
    for text, words in ((module(tmp_path / 'none.so'), 'No such file'),
                        (module(probe, mode='refuse to load'), 'it was told not to')):
        server = make_server(start=False, top=text)
        server.expected |= {'module', 'not_started'}
        with pytest.raises(Failed):
            server.start()
        assert server.wait() == 1
        server.process = None
        assert any(words in line['error'] for line in server.log('module', level='error'))


def test_a_reload_says_that_a_restart_is_needed(make_server, probe):
    server = make_server(top=module(probe))
    server.write_config(top=module(probe, color='red'))
    server.ctl('reload')
    assert server.log('module_says', text='red')
    server.write_config()
    assert 'module' in server.ctl('reload').stdout

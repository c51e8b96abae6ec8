"""Components of others (XEP-0114): one made with slixmpp, and Biboumi as Debian packages it."""
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.exceptions import IqError

from harness.component import LISTENERS, section
from test_slixmpp import SECONDS, Person

DOMAIN = 'echo.example.org'
SERVER = {
    'hosts': {'example.org': 'room_makers = anybody'},
    'top': LISTENERS + section(DOMAIN) + section('two.example.org', connections=2) +
           section('irc.example.org') +
           section('bridge.example.org', roster='both', message='outgoing',
                   presence='managed_entity', iq='{ "jabber:iq:version both", "urn:x:y get" }')}


class Echo(ComponentXMPP):
    """Answers messages, and accepts who wants its presence."""

    def __init__(self, server, domain=DOMAIN):
        super().__init__(domain, 'test', '127.0.0.1', server.ports['component'])
        for plugin in ('xep_0030', 'xep_0045', 'xep_0092', 'xep_0199'):
            self.register_plugin(plugin)
        self.plugin['xep_0030'].add_identity(category='gateway', itype='echo', name='Echo')
        self.ready, self.gone = asyncio.Event(), asyncio.Event()
        self.subscribed, self.presences = asyncio.Queue(), asyncio.Queue()
        self.groupchat = asyncio.Queue()
        self.auto_authorize = None
        self.add_event_handler('session_start', lambda _: self.ready.set())
        self.add_event_handler('disconnected', lambda _: self.gone.set())
        self.add_event_handler('message', self.on_message)
        self.add_event_handler('groupchat_message', self.groupchat.put_nowait)
        self.add_event_handler('presence_subscribe', self.on_subscribe)
        self.add_event_handler('presence_subscribed', self.subscribed.put_nowait)
        self.add_event_handler('presence_available', self.presences.put_nowait)

    def on_message(self, message):
        if message['type'] in ('chat', 'normal'):
            message.reply(f"{self.boundjid.bare} says {message['body']}").send()

    def on_subscribe(self, request):
        me, who = request['to'].bare, request['from'].bare
        self.send_presence(pto=who, pfrom=me, ptype='subscribed')
        self.send_presence(pto=who, pfrom=f'{me}/here', pstatus='listening')
        self.send_presence(pto=who, pfrom=me, ptype='subscribe')

    async def __aenter__(self):
        self.connect()
        await asyncio.wait_for(self.ready.wait(), SECONDS)
        return self

    async def __aexit__(self, *_):
        if not self.gone.is_set():
            self.disconnect()
            await asyncio.wait_for(self.gone.wait(), SECONDS)


def test_messages(server):
    """Both ways, with a user and with the domain."""
    async def run():
        async with Echo(server) as echo:
            person = await Person(server.account(), 'a').online(server)
            for to in (DOMAIN, f'somebody@{DOMAIN}', f'somebody@{DOMAIN}/here'):
                person.send_message(to, f'to {to}', mtype='chat')
                answer = await person.next_message()
                assert answer['from'] == to
                assert answer['body'] == f'{DOMAIN} says to {to}'
            person.leave()
    asyncio.run(run())


def test_presence(server):
    """A subscription both ways, and what each knows of the other then (RFC 6121 section 3)."""
    async def run():
        async with Echo(server) as echo:
            account = server.account()
            person = await Person(account, 'a').online(server)
            contact = f'juliet@{DOMAIN}'
            person.send_presence_subscription(contact)
            presence = await person.presence_of(contact)
            assert presence['from'] == f'{contact}/here' and presence['status'] == 'listening'
            await asyncio.wait_for(echo.subscribed.get(), SECONDS)
            seen = await asyncio.wait_for(echo.presences.get(), SECONDS)
            assert seen['from'] == f'{account.jid}/a' and seen['to'] == contact
            await person.until(lambda: person.client_roster[contact]['subscription'] == 'both')
            person.leave()
    asyncio.run(run())


def test_discovery(server):
    """XEP-0030: found among the services of its host, and asked itself."""
    async def run():
        async with Echo(server) as echo:
            person = await Person(server.account(), 'a').online(server)
            items = await person.plugin['xep_0030'].get_items('example.org')
            assert DOMAIN in {jid for jid, _, _ in items['disco_items']['items']}
            info = await person.plugin['xep_0030'].get_info(DOMAIN)
            assert ('gateway', 'echo', None, 'Echo') in info['disco_info']['identities']
            info = await echo.plugin['xep_0030'].get_info('example.org', ifrom=f'x@{DOMAIN}')
            assert ('server', 'im') in {i[:2] for i in info['disco_info']['identities']}
            person.leave()
    asyncio.run(run())


def test_room(server):
    """A user of the component is an occupant among others (XEP-0045)."""
    async def run():
        async with Echo(server) as echo:
            person = await Person(server.account(), 'a').online(server)
            room, ghost = 'hall@rooms.example.org', f'ghost@{DOMAIN}/x'
            person.register_plugin('xep_0045')
            await person.plugin['xep_0045'].join_muc_wait(room, 'person', timeout=SECONDS)
            form = await person.plugin['xep_0045'].get_room_config(room)
            await person.plugin['xep_0045'].set_room_config(room, form)
            echo.send_raw(f"<presence from='{ghost}' to='{room}/ghost'>"
                          "<x xmlns='http://jabber.org/protocol/muc'/></presence>")
            nicknames = set()
            while nicknames != {'person', 'ghost'}:
                seen = await asyncio.wait_for(echo.presences.get(), SECONDS)
                nicknames.add(seen['from'].resource)
            echo.send_message(room, 'boo', mtype='groupchat', mfrom=ghost)
            while (message := await person.next_message())['body'] != 'boo':
                pass
            assert message['from'] == f'{room}/ghost'
            person.send_message(room, 'who is there?', mtype='groupchat')
            heard = await asyncio.wait_for(echo.groupchat.get(), SECONDS)
            while heard['body'] != 'who is there?':
                heard = await asyncio.wait_for(echo.groupchat.get(), SECONDS)
            assert heard['from'] == f'{room}/person' and heard['to'] == ghost
            person.leave()
    asyncio.run(run())


def test_two_connections(server):
    """Both are served; each addressee by one of them."""
    async def run():
        both = [Echo(server, 'two.example.org') for _ in range(2)]
        for echo in both:
            await echo.__aenter__()
        person = await Person(server.account(), 'a').online(server)
        for n in range(20):
            person.send_message(f'u{n}@two.example.org', str(n), mtype='chat')
        answers = {(await person.next_message())['body'] for _ in range(20)}
        assert answers == {f'two.example.org says {n}' for n in range(20)}
        person.leave()
        for echo in both:
            await echo.__aexit__()
    asyncio.run(run())


class Bridge(Echo):
    """Acts for users (XEP-0356)."""

    def __init__(self, server):
        super().__init__(server, 'bridge.example.org')
        self.told = asyncio.Event()
        self.register_plugin('xep_0356')
        self.add_event_handler('privileges_advertised', lambda _: self.told.set())


def test_privileges(server):
    """XEP-0356: the plugin of slixmpp learns what it may do, and does it."""
    async def run():
        async with Bridge(server) as bridge:
            acts = bridge.plugin['xep_0356']
            await asyncio.wait_for(bridge.told.wait(), SECONDS)
            granted = acts.granted_privileges['example.org']
            assert (granted.roster, granted.message) == ('both', 'outgoing')
            assert granted.presence == 'managed_entity'
            assert granted.iq['jabber:iq:version'] == 'both'
            account = server.account()
            person = await Person(account, 'a').online(server)
            seen = await asyncio.wait_for(bridge.presences.get(), SECONDS)
            assert seen['from'] == f'{account.jid}/a'
            await acts.set_roster(account.jid, {'x@bridge.example.org': {
                'name': 'X', 'groups': ['Bridge']}}, timeout=SECONDS)
            await person.until(lambda: person.client_roster['x@bridge.example.org']['name'] == 'X')
            roster = await acts.get_roster(account.jid, timeout=SECONDS)
            items = roster['roster']['items']
            assert items['x@bridge.example.org']['groups'] == ['Bridge']
            message = bridge.make_message(mto=f'{account.jid}/a', mfrom=account.jid, mbody='own')
            acts.send_privileged_message(message)
            heard = await person.next_message()
            assert (heard['from'], heard['body']) == (account.jid, 'own')
            request = bridge.make_iq_get(ifrom=account.jid, ito='example.org')
            request.enable('software_version')
            answer = await acts.send_privileged_iq(request)
            assert answer['software_version']['name'] == 'Stentor'
            with pytest.raises(IqError) as refused:
                request = bridge.make_iq_set(ifrom=account.jid, ito='example.org')
                request.enable('software_version')
                await acts.send_privileged_iq(request)
            assert refused.value.nested_error().condition == 'service-unavailable'
            person.leave()
    asyncio.run(run())


PROGRAM = '''\
import sys
from slixmpp.componentxmpp import ComponentXMPP

class Echo(ComponentXMPP):
    def on_message(self, message):
        message.reply(message['body']).send()

echo = Echo(sys.argv[1], 'test', '127.0.0.1', int(sys.argv[2]))
echo.add_event_handler('message', echo.on_message)
echo.add_event_handler('session_start', lambda _: print('ready', flush=True))
echo.connect()
echo.loop.run_forever()
'''


def run_echo(server):
    """A component as a process of its own."""
    process = subprocess.Popen([sys.executable, '-c', PROGRAM, DOMAIN,
                                str(server.ports['component'])], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n'
    return process


def test_killed_component(server):
    """kill -9: what is sent meanwhile waits for the one that is started next."""
    async def run():
        echo = run_echo(server)
        try:
            person = await Person(server.account(), 'a').online(server)
            person.send_message(f'x@{DOMAIN}', 'before', mtype='chat')
            assert (await person.next_message())['body'] == 'before'
            os.kill(echo.pid, signal.SIGKILL)
            echo.wait()
            await asyncio.to_thread(server.wait_stat, 'components', 0)
            for n in range(5):
                person.send_message(f'x@{DOMAIN}', str(n), mtype='chat')
            await asyncio.to_thread(server.wait_stat, 'component_bytes_waiting', bool)
            echo = run_echo(server)
            for n in range(5):
                assert (await person.next_message())['body'] == str(n)
            person.leave()
        finally:
            echo.kill()
            echo.wait()
    asyncio.run(run())


def test_server_restarts(make_server):
    """A component connects again by itself."""
    async def run():
        server = make_server(**SERVER)
        port = server.ports['component']
        async with Echo(server) as echo:
            await asyncio.to_thread(server.stop)
            await asyncio.wait_for(echo.gone.wait(), SECONDS)
            server.config.write_text(server.config.read_text().replace(
                'type = component address = "127.0.0.1" port = 0',
                f'type = component address = "127.0.0.1" port = {port}'))
            await asyncio.to_thread(server.start)
            echo.ready.clear()
            echo.gone.clear()
            await echo.__aenter__()
            person = await Person(server.account(), 'a').online(server)
            person.send_message(DOMAIN, 'again', mtype='chat')
            assert (await person.next_message())['body'] == f'{DOMAIN} says again'
            person.leave()
    asyncio.run(run())


# ---- Biboumi ----

BIBOUMI = shutil.which('biboumi')


@pytest.fixture(name='biboumi')
def fixture_biboumi(server, tmp_path):
    """A gateway to IRC that runs, without any network to reach."""
    config = tmp_path / 'biboumi.cfg'
    config.write_text(textwrap.dedent(f'''\
        hostname=irc.example.org
        password=test
        xmpp_server_ip=127.0.0.1
        port={server.ports['component']}
        db_name={tmp_path}/biboumi.sqlite
        log_level=0
        '''))
    process = subprocess.Popen([BIBOUMI, config], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    server.wait_stat('components', 1)
    yield
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)
    server.wait_stat('components', 0)


@pytest.mark.skipif(not BIBOUMI, reason='there is no biboumi here')
def test_biboumi(server, biboumi):
    """It is found, tells what it is, and answers commands (XEP-0050)."""
    async def run():
        person = await Person(server.account(), 'a').online(server)
        person.register_plugin('xep_0050')
        info = await person.plugin['xep_0030'].get_info('irc.example.org')
        assert ('conference', 'irc') in {i[:2] for i in info['disco_info']['identities']}
        items = await person.plugin['xep_0050'].get_commands('irc.example.org')
        nodes = {node for _, node, _ in items['disco_items']['items']}
        assert 'ping' in nodes
        pong = await person.plugin['xep_0050'].send_command('irc.example.org', 'ping')
        assert pong['command']['status'] == 'completed'
        assert 'Pong' in str(pong)
        with pytest.raises(IqError):
            await person.plugin['xep_0050'].send_command('irc.example.org', 'no such command')
        person.leave()
    asyncio.run(run())


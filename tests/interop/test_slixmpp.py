"""slixmpp against the server: logging in, talking, presence, offline messages."""
import asyncio
import ssl

import pytest
import slixmpp

from harness.server import Account

SECONDS = 60


class Person(slixmpp.ClientXMPP):
    """A session that keeps what comes."""

    def __init__(self, account, resource, tls='starttls', mech=None, version=None):
        address = f'{account.jid}/{resource}' if account.user else account.domain
        super().__init__(address, account.password, sasl_mech=mech)
        self.direct = tls == 'direct'
        self.messages, self.presences = asyncio.Queue(), asyncio.Queue()
        self.ready, self.refused = asyncio.Event(), asyncio.Event()
        for plugin in ('xep_0012', 'xep_0030', 'xep_0077', 'xep_0092', 'xep_0199', 'xep_0203'):
            self.register_plugin(plugin)
        context = self.ssl_context
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.maximum_version = version
        self.add_event_handler('session_start', self.begin)
        self.add_event_handler('failed_all_auth', lambda _: self.refused.set())
        self.add_event_handler('message', self.messages.put_nowait)
        self.add_event_handler('presence_available', self.presences.put_nowait)
        self.add_event_handler('presence_unavailable', self.presences.put_nowait)

    async def begin(self, _):
        self.send_presence()
        await self.get_roster()
        self.ready.set()

    def dial(self, server):
        self.enable_direct_tls, self.enable_starttls = self.direct, not self.direct
        self.enable_plaintext = False
        self.connect('127.0.0.1', server.ports['c2s_direct_tls' if self.direct else 'c2s'])
        return self

    async def online(self, server):
        self.dial(server)
        await asyncio.wait_for(self.ready.wait(), SECONDS)
        return self

    def leave(self):
        """At once; the client may have closed the connection itself by now."""
        if self.transport and not self.transport.is_closing():
            self.abort()

    async def next_message(self):
        return await asyncio.wait_for(self.messages.get(), SECONDS)

    async def until(self, holds):
        """Roster pushes come when the change is on disk, maybe behind the presence."""
        async with asyncio.timeout(SECONDS):
            while not holds():
                await asyncio.sleep(0.02)

    async def presence_of(self, jid):
        while True:
            presence = await asyncio.wait_for(self.presences.get(), SECONDS)
            if presence['from'].bare == jid:
                return presence


def mechanism(server, account):
    return server.log('auth', user=account.user)[-1]['mechanism']


@pytest.mark.parametrize('tls, version, mech, wanted', [
    ('starttls', None, None, 'SCRAM-SHA-512'),
    ('direct', None, None, 'SCRAM-SHA-512'),
    ('starttls', ssl.TLSVersion.TLSv1_2, None, 'SCRAM-SHA-512-PLUS'),
    ('direct', ssl.TLSVersion.TLSv1_2, 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256-PLUS'),
    ('starttls', None, 'SCRAM-SHA-1', 'SCRAM-SHA-1'),
    ('starttls', None, 'PLAIN', 'PLAIN'),
    ('direct', None, 'PLAIN', 'PLAIN'),
])
def test_login(server, tls, version, mech, wanted):
    """RFC 6120 sections 5 and 6, XEP-0368: every way to log in that this client knows."""
    account = server.account()

    async def run():
        person = await Person(account, 'r', tls, mech, version).online(server)
        await person.plugin['xep_0199'].ping(account.domain, timeout=SECONDS)
        await person.disconnect()

    asyncio.run(run())
    assert mechanism(server, account) == wanted


def test_wrong_password(server):
    """RFC 6120 section 6.5.10."""
    account = server.account()._replace(password='wrong')

    async def run():
        person = Person(account, 'r').dial(server)
        await asyncio.wait_for(person.refused.wait(), SECONDS)
        person.leave()

    asyncio.run(run())


def test_two_people(server):
    """RFC 6121: subscription both ways, presence, messages both ways, offline messages at the
    next login with the time they were sent; service discovery and version on the way."""
    one, two = server.two_accounts()

    async def run():
        juliet = await Person(one, 'balcony').online(server)
        romeo = await Person(two, 'orchard').online(server)

        romeo.send_presence_subscription(pto=one.jid)
        await romeo.presence_of(one.jid)
        await juliet.presence_of(two.jid)
        await romeo.until(lambda: romeo.client_roster[one.jid]['subscription'] == 'both')

        juliet.send_message(two.jid, 'Wherefore <art> thou & "why"?', mtype='chat')
        heard = await romeo.next_message()
        assert heard['body'] == 'Wherefore <art> thou & "why"?'
        assert heard['from'] == f'{one.jid}/balcony'
        heard.reply('\U0001f339 rose').send()
        assert (await juliet.next_message())['body'] == '\U0001f339 rose'

        last = await juliet.plugin['xep_0012'].get_last_activity(two.jid, timeout=SECONDS)
        assert last['last_activity']['seconds'] == 0
        info = await juliet.plugin['xep_0030'].get_info(one.domain, timeout=SECONDS)
        assert 'urn:xmpp:ping' in info['disco_info']['features']
        version = await juliet.plugin['xep_0092'].get_version(one.domain, timeout=SECONDS)
        assert version['software_version']['name'] == 'Stentor'

        await romeo.disconnect()
        while (await juliet.presence_of(two.jid))['type'] != 'unavailable':
            pass
        before = server.stats()['offline_stored']
        for text in ('first', 'second'):
            juliet.send_message(two.jid, text, mtype='chat')
        await asyncio.to_thread(server.wait_stat, 'offline_stored', before + 2)
        romeo = await Person(two, 'orchard').online(server)
        for text in ('first', 'second'):
            late = await romeo.next_message()
            assert late['body'] == text and late['delay']['stamp']
        await romeo.disconnect()
        await juliet.disconnect()

    asyncio.run(run())


def test_anonymous(server):
    """RFC 4505: somebody without an account."""

    async def run():
        guest = await Person(Account('', 'example.net', ''), 'r').online(server)
        assert guest.boundjid.domain == 'example.net' and guest.boundjid.user
        await guest.plugin['xep_0199'].ping('example.net', timeout=SECONDS)
        await guest.disconnect()

    asyncio.run(run())
    assert server.log('auth', mechanism='ANONYMOUS')


class Newcomer(Person):
    """Somebody who makes the account before logging in to it."""

    def __init__(self, account):
        super().__init__(account, 'r')
        self.add_event_handler('register', self.register)

    async def register(self, form):
        assert {'username', 'password'} <= form['register']['fields']
        iq = self.Iq()
        iq['type'] = 'set'
        iq['register']['username'] = self.boundjid.user
        iq['register']['password'] = self.password
        await iq.send(timeout=SECONDS)


async def is_refused(server, account):
    person = Person(account, 'r', mech='PLAIN').dial(server)
    await asyncio.wait_for(person.refused.wait(), SECONDS)
    person.leave()


def test_registration(server):
    """XEP-0077: an account is made, its password changed, and it is cancelled."""
    account = Account('newcomer', 'example.net', 'first')
    changed = account._replace(password='second')

    async def run():
        person = await Newcomer(account).online(server)
        await person.plugin['xep_0077'].change_password(changed.password, account.domain,
                                                        timeout=SECONDS)
        await person.disconnect()
        await is_refused(server, account)

        person = await Person(changed, 'r').online(server)
        await person.plugin['xep_0077'].cancel_registration(account.domain, timeout=SECONDS)
        await asyncio.wait_for(person.disconnected, SECONDS)
        await is_refused(server, changed)

    asyncio.run(run())
    assert account.jid not in server.ctl('users').stdout.split()

"""slixmpp against the server: blocking."""
import asyncio

import pytest
from slixmpp.exceptions import IqError

from test_slixmpp import SECONDS, Person


class Blocker(Person):
    """Somebody who looks after a block list."""

    def __init__(self, account, resource):
        super().__init__(account, resource)
        self.register_plugin('xep_0191')
        self.pushed, self.errors = asyncio.Queue(), asyncio.Queue()
        for event in ('blocked', 'unblocked'):
            self.add_event_handler(event, self.pushed.put_nowait)
        self.add_event_handler('message_error', self.errors.put_nowait)

    async def blocked(self):
        found = await self.plugin['xep_0191'].get_blocked_jids(timeout=SECONDS)
        return {str(jid) for jid in found}

    async def block(self, *jids):
        await self.plugin['xep_0191'].block(set(jids), timeout=SECONDS)

    async def unblock(self, *jids):
        await self.plugin['xep_0191'].unblock(set(jids), timeout=SECONDS)

    async def next_push(self):
        return await asyncio.wait_for(self.pushed.get(), SECONDS)

    async def next_error(self):
        return await asyncio.wait_for(self.errors.get(), SECONDS)

    async def presence_from(self, jid, kind):
        while (await self.presence_of(jid))['type'] != kind:
            pass


async def befriend(romeo, juliet):
    romeo.send_presence_subscription(pto=juliet.boundjid.bare)
    await romeo.until(lambda: romeo.client_roster[juliet.boundjid.bare]['subscription'] == 'both')
    await romeo.presence_from(juliet.boundjid.bare, 'available')


def test_block_and_unblock(server):
    """XEP-0191 sections 3.2 to 3.4: the list, pushes to both resources, presence, errors."""
    one, two = server.two_accounts()

    async def run():
        juliet = await Blocker(one, 'balcony').online(server)
        chamber = await Blocker(one, 'chamber').online(server)
        romeo = await Blocker(two, 'orchard').online(server)
        await befriend(romeo, juliet)
        assert await juliet.blocked() == set() == await chamber.blocked()

        await juliet.block(two.jid, 'spam.example')
        for session in (juliet, chamber):
            items = (await session.next_push())['block']
            assert {str(item['jid']) for item in items} == {two.jid, 'spam.example'}
        await romeo.presence_from(one.jid, 'unavailable')
        juliet.send_message(two.jid, 'out', mtype='chat')
        error = await juliet.next_error()
        assert error['error']['condition'] == 'not-acceptable'
        assert error.xml.find('.//{urn:xmpp:blocking:errors}blocked') is not None
        romeo.send_message(one.jid, 'in', mtype='chat')
        assert (await romeo.next_error())['error']['condition'] == 'service-unavailable'
        with pytest.raises(IqError) as refused:
            await romeo.plugin['xep_0012'].get_last_activity(one.jid, timeout=SECONDS)
        assert refused.value.condition == 'service-unavailable'

        await chamber.unblock(two.jid)
        for session in (juliet, chamber):
            items = (await session.next_push())['unblock']
            assert {str(item['jid']) for item in items} == {two.jid}
        await romeo.presence_from(one.jid, 'available')
        romeo.send_message(one.jid, 'again', mtype='chat')
        assert (await juliet.next_message())['body'] == 'again'
        assert await chamber.blocked() == {'spam.example'}
        for session in (juliet, chamber, romeo):
            await session.disconnect()

    asyncio.run(run())


def test_a_list_outlives_the_process(server):
    """Section 3.3: what was answered is on disk, and holds from the first stanza on."""
    one, two = server.two_accounts()

    async def block():
        juliet = await Blocker(one, 'balcony').online(server)
        await juliet.block(two.jid)
        server.kill()
        await asyncio.wait_for(juliet.disconnected, SECONDS)
        juliet.leave()

    async def look():
        romeo = await Blocker(two, 'orchard').online(server)
        romeo.send_message(one.jid, 'in', mtype='chat')
        assert (await romeo.next_error())['error']['condition'] == 'service-unavailable'
        juliet = await Blocker(one, 'balcony').online(server)
        assert await juliet.blocked() == {two.jid}
        await juliet.disconnect()
        await romeo.disconnect()

    asyncio.run(block())
    server.start()
    asyncio.run(look())

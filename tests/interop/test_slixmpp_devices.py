"""slixmpp with two devices of one person: copies, and a device that nobody looks at."""
import asyncio

from test_slixmpp import SECONDS, Person

QUIET = 0.3     # a while in which nothing comes


class Device(Person):
    """A device that has copies and tells its state."""

    def __init__(self, account, resource):
        super().__init__(account, resource)
        self.copies = asyncio.Queue()
        self.typing = asyncio.Queue()
        for plugin in ('xep_0085', 'xep_0280', 'xep_0352'):
            self.register_plugin(plugin)
        self.add_event_handler('carbon_received', self.note('carbon_received'))
        self.add_event_handler('carbon_sent', self.note('carbon_sent'))
        self.add_event_handler('chatstate_composing', self.typing.put_nowait)
        for show in ('away', 'chat', 'dnd', 'xa'):
            self.add_event_handler(f'presence_{show}', self.presences.put_nowait)

    def note(self, kind):
        return lambda copy: self.copies.put_nowait((kind, copy[kind]))

    async def begin(self, event):
        await self.plugin['xep_0280'].enable(timeout=SECONDS)
        await super().begin(event)

    async def next_copy(self):
        kind, copy = await asyncio.wait_for(self.copies.get(), SECONDS)
        return kind, str(copy['from']), copy['body']

    async def sync(self):
        """The answer to a ping comes behind what was sent before it."""
        await self.plugin['xep_0199'].ping(self.boundjid.domain, timeout=SECONDS)


def test_copies(server):
    """XEP-0280: what one device sends and gets comes to the other, each message once."""
    one, two = server.two_accounts()

    async def run():
        laptop = await Device(one, 'laptop').online(server)
        phone = await Device(one, 'phone').online(server)
        romeo = await Person(two, 'orchard').online(server)

        laptop.send_message(two.jid, 'hello', mtype='chat')
        assert (await romeo.next_message())['body'] == 'hello'
        assert await phone.next_copy() == ('carbon_sent', f'{one.jid}/laptop', 'hello')

        romeo.send_message(f'{one.jid}/laptop', 'and you', mtype='chat')
        assert (await laptop.next_message())['body'] == 'and you'
        assert await phone.next_copy() == ('carbon_received', f'{two.jid}/orchard', 'and you')

        romeo.send_message(one.jid, 'to both', mtype='chat')
        assert (await laptop.next_message())['body'] == 'to both'
        assert (await phone.next_message())['body'] == 'to both'

        secret = laptop.make_message(two.jid, 'secret', mtype='chat')
        secret.enable('carbon_private')
        secret.send()
        assert (await romeo.next_message())['body'] == 'secret'

        await phone.plugin['xep_0280'].disable(timeout=SECONDS)
        laptop.send_message(two.jid, 'alone', mtype='chat')
        await romeo.next_message()
        await phone.sync()
        await asyncio.sleep(QUIET)
        assert phone.copies.empty() and laptop.copies.empty()
        for person in (laptop, phone, romeo):
            await person.disconnect()

    asyncio.run(run())


def test_nobody_looks(server):
    """XEP-0352: presence waits, its newest alone; a message comes at once, behind it."""
    one, two = server.two_accounts()

    async def run():
        phone = await Device(one, 'phone').online(server)
        romeo = await Person(two, 'orchard').online(server)
        romeo.send_presence_subscription(pto=one.jid)
        await romeo.until(lambda: romeo.client_roster[one.jid]['subscription'] == 'both')
        romeo.send_presence(pshow='dnd')
        while (await phone.presence_of(two.jid))['type'] != 'dnd':
            pass    # those of the subscription

        phone.plugin['xep_0352'].send_inactive()
        await phone.sync()
        for show in ('away', 'xa', 'chat'):
            romeo.send_presence(pshow=show)
        typing = romeo.make_message(one.jid, mtype='chat')
        typing['chat_state'] = 'composing'
        typing.send()
        await asyncio.sleep(QUIET)
        assert phone.presences.empty() and phone.typing.empty()

        romeo.send_message(one.jid, 'wake up', mtype='chat')
        assert (await phone.next_message())['body'] == 'wake up'
        assert (await phone.presence_of(two.jid))['type'] == 'chat'
        assert phone.presences.empty() and phone.typing.empty()

        romeo.send_presence(pshow='away')
        await asyncio.sleep(QUIET)
        assert phone.presences.empty()
        phone.plugin['xep_0352'].send_active()
        assert (await phone.presence_of(two.jid))['type'] == 'away'
        for person in (phone, romeo):
            await person.disconnect()

    asyncio.run(run())

"""slixmpp with stream management and the archive: connections that break, and what was said."""
import asyncio

from test_slixmpp import SECONDS, Person


class Reliable(Person):
    """A client that comes back to its session."""

    def __init__(self, account, resource):
        super().__init__(account, resource)
        self.resumed, self.managed = asyncio.Event(), asyncio.Event()
        for plugin in ('xep_0059', 'xep_0198', 'xep_0297', 'xep_0313', 'xep_0359'):
            self.register_plugin(plugin)
        self.add_event_handler('session_resumed', lambda _: self.resumed.set())
        self.add_event_handler('sm_enabled', lambda _: self.managed.set())

    async def break_off(self, server):
        """The connection is gone without a word; the client connects again."""
        gone = asyncio.Event()
        self.add_event_handler('disconnected', lambda _: gone.set(), disposable=True)
        self.transport.abort()
        await asyncio.wait_for(gone.wait(), SECONDS)
        self.resumed.clear()
        return lambda: self.dial(server)

    async def archive(self, **query):
        """Bodies of all pages."""
        return [message['mam_result']['forwarded']['stanza']['body']
                async for message in self.plugin['xep_0313'].iterate(**query)]


def test_a_broken_connection_loses_nothing(server):
    """XEP-0198: messages that came meanwhile are there after the resumption, each once."""
    one, two = server.two_accounts()

    async def run():
        juliet = await Reliable(one, 'balcony').online(server)
        await asyncio.wait_for(juliet.managed.wait(), SECONDS)
        romeo = await Reliable(two, 'orchard').online(server)
        romeo.send_message(one.jid, 'before', mtype='chat')
        assert (await juliet.next_message())['body'] == 'before'

        come_back = await juliet.break_off(server)
        for word in ('meanwhile', 'and again'):
            romeo.send_message(one.jid, word, mtype='chat')
        await romeo.plugin['xep_0199'].ping(two.domain, timeout=SECONDS)
        come_back()
        await asyncio.wait_for(juliet.resumed.wait(), SECONDS)
        assert (await juliet.next_message())['body'] == 'meanwhile'
        assert (await juliet.next_message())['body'] == 'and again'
        juliet.send_message(two.jid, 'here I am', mtype='chat')
        assert (await romeo.next_message())['body'] == 'here I am'
        assert juliet.messages.empty()
        juliet.leave()
        romeo.leave()

    asyncio.run(run())


def test_paging(server):
    """XEP-0313: both sides page the same conversation, forwards and backwards."""
    one, two = server.two_accounts()
    words = [f'word {n}' for n in range(7)]

    async def run():
        juliet = await Reliable(one, 'balcony').online(server)
        romeo = await Reliable(two, 'orchard').online(server)
        ids = []
        for n, word in enumerate(words):
            if n % 2:
                juliet.send_message(two.jid, word, mtype='chat')
                await romeo.next_message()
            else:
                romeo.send_message(one.jid, word, mtype='chat')
                ids.append((await juliet.next_message())['stanza_id']['id'])
        assert await juliet.archive(rsm={'max': 3}) == words
        assert await romeo.archive(with_jid=juliet.boundjid.bare, rsm={'max': 2}) == words
        assert await romeo.archive(with_jid='nobody@' + one.domain) == []
        assert await juliet.archive(reverse=True, rsm={'max': 3}) == words[::-1]
        # What a client does that knows the conversation up to an id.
        assert await juliet.archive(rsm={'max': 3, 'after': ids[1]}) == words[3:]
        metadata = await juliet.plugin['xep_0313'].get_archive_metadata(timeout=SECONDS)
        assert metadata['mam_metadata']['start']['id'] == ids[0]
        juliet.leave()
        romeo.leave()

    asyncio.run(run())

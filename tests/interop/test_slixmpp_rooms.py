"""slixmpp in rooms: making and configuring one, inviting, moderating, paging its archive."""
import asyncio
import sqlite3

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError, PresenceError

from test_slixmpp import SECONDS
from test_slixmpp_reliable import Reliable


class Guest(Reliable):
    """A client that goes into rooms."""

    def __init__(self, account, resource):
        super().__init__(account, resource)
        for plugin in ('xep_0045', 'xep_0249', 'xep_0421', 'xep_0425', 'xep_0424'):
            self.register_plugin(plugin)
        self.muc = self.plugin['xep_0045']
        self.said, self.subjects, self.invitations = (asyncio.Queue() for _ in range(3))
        self.add_event_handler('groupchat_message', self.said.put_nowait)
        self.add_event_handler('groupchat_subject', self.subjects.put_nowait)
        self.add_event_handler('groupchat_invite', self.invitations.put_nowait)

    async def enter(self, room, nick, **options):
        """Own presence, subject, occupants, history."""
        return await self.muc.join_muc_wait(JID(room), nick, timeout=SECONDS, **options)

    def say(self, room, body):
        self.send_message(room, body, mtype='groupchat')

    async def hears(self):
        message = await asyncio.wait_for(self.said.get(), SECONDS)
        return message['from'].resource, message['body']


def play(server, run):
    """A room, its owner in it, and somebody who is online."""
    one, two = server.two_accounts()
    room = f'coven-{one.user}@rooms.{one.domain}'

    async def play_it():
        crone = await Guest(one, 'desktop').online(server)
        hag = await Guest(two, 'pda').online(server)
        presence, *_ = await crone.enter(room, 'firstwitch')
        assert 201 in presence['muc']['status_codes']
        form = await crone.muc.get_room_config(room)
        form['values'] = {**form.get_values(), 'muc#roomconfig_persistentroom': True,
                          'muc#roomconfig_roomname': 'A Dark Cave'}
        await crone.muc.set_room_config(room, form)
        await run(room, crone, hag)
        crone.leave()
        hag.leave()

    asyncio.run(play_it())


def test_a_room_that_is_found_and_talked_in(server):
    """XEP-0045 sections 6.3, 6.4, 7.2, 7.4, 7.5 and 8.1: discovery, entering with history,
    messages, private messages, the subject."""
    async def run(room, crone, hag):
        service = JID(room).domain
        disco = hag.plugin['xep_0030']
        hosts = await disco.get_items(jid=hag.boundjid.domain)
        assert service in [jid for jid, _, _ in hosts['disco_items']['items']]
        rooms = await disco.get_items(jid=service)
        assert (room, None, 'A Dark Cave') in rooms['disco_items']['items']
        info = await disco.get_info(jid=room)
        assert {'muc_persistent', 'urn:xmpp:mam:2', 'urn:xmpp:occupant-id:0'} <= set(
            info['disco_info']['features'])

        crone.say(room, "Thrice the brinded cat hath mew'd.")
        assert await crone.hears() == ('firstwitch', "Thrice the brinded cat hath mew'd.")
        crone.muc.set_subject(room, 'Fire Burn and Cauldron Bubble!')
        while (await asyncio.wait_for(crone.subjects.get(), SECONDS))['subject'] == '':
            pass
        _, subject, occupants, history = await hag.enter(room, 'thirdwitch', maxstanzas=5)
        assert [m['body'] for m in history] == ["Thrice the brinded cat hath mew'd."]
        assert subject['subject'] == 'Fire Burn and Cauldron Bubble!'
        assert [p['from'].resource for p in occupants] == ['firstwitch', 'thirdwitch']
        await hag.hears()
        hag.say(room, "Harpier cries: 'tis time, 'tis time.")
        assert await crone.hears() == ('thirdwitch', "Harpier cries: 'tis time, 'tis time.")
        assert await hag.hears() == ('thirdwitch', "Harpier cries: 'tis time, 'tis time.")
        hag.send_message(f'{room}/firstwitch', 'between us', mtype='chat')
        private = await crone.next_message()
        while private['type'] != 'chat':
            private = await crone.next_message()
        assert (private['from'], private['body']) == (f'{room}/thirdwitch', 'between us')

    play(server, run)


def test_members_invitations_and_powers(server):
    """XEP-0045 sections 7.2.6, 7.8.2, 8.2, 9.1, 9.3: a room for members, an invitation, a kick,
    a ban."""
    async def run(room, crone, hag):
        form = await crone.muc.get_room_config(room)
        form['values'] = {**form.get_values(), 'muc#roomconfig_membersonly': True}
        await crone.muc.set_room_config(room, form)
        crone.muc.invite(room, hag.boundjid.bare, 'Hey Hecate, this is the place!')
        invitation = await asyncio.wait_for(hag.invitations.get(), SECONDS)
        assert invitation['from'] == room
        assert invitation['muc']['invite']['reason'] == 'Hey Hecate, this is the place!'
        await crone.muc.set_affiliation(room, 'none', jid=hag.boundjid.bare)
        with pytest.raises(PresenceError) as refused:
            await hag.enter(room, 'thirdwitch')
        assert refused.value.condition == 'registration-required'
        await crone.muc.set_affiliation(room, 'member', jid=hag.boundjid.bare)
        await hag.enter(room, 'thirdwitch')
        assert hag.boundjid.bare in await crone.muc.get_affiliation_list(room, 'member')
        assert await crone.muc.get_roles_list(room, 'participant') == ['thirdwitch']

        gone = asyncio.Queue()
        hag.add_event_handler(f'muc::{room}::self-presence', gone.put_nowait)
        await crone.muc.set_role(room, 'thirdwitch', 'none', reason='Avaunt, you cullion!')
        presence = await asyncio.wait_for(gone.get(), SECONDS)
        assert presence['type'] == 'unavailable'
        assert {110, 307} <= set(presence['muc']['status_codes'])
        await crone.muc.set_affiliation(room, 'outcast', jid=hag.boundjid.bare)
        with pytest.raises(PresenceError) as refused:
            await hag.enter(room, 'thirdwitch')
        assert refused.value.condition == 'forbidden'
        with pytest.raises(IqError) as refused:
            await hag.muc.get_room_config(room)
        assert refused.value.condition == 'forbidden'
        await crone.muc.destroy(room, 'Macbeth doth come.')
        with pytest.raises(IqError) as refused:
            await hag.plugin['xep_0030'].get_info(jid=room)
        assert refused.value.condition == 'item-not-found'

    play(server, run)


def test_an_archive_that_is_paged_and_moderated(server):
    """XEP-0313: pages of a room both ways. XEP-0425: a message that a moderator takes back is in
    none of them. XEP-0410: who is in is told so."""
    words = [f'word {n}' for n in range(6)]

    async def run(room, crone, hag):
        await hag.enter(room, 'thirdwitch')
        ids = []
        for n, word in enumerate(words):
            (hag if n % 2 else crone).say(room, word)
            message = await asyncio.wait_for(crone.said.get(), SECONDS)
            assert message['body'] == word
            ids.append(message['stanza_id']['id'])
        assert await hag.archive(jid=JID(room), rsm={'max': 4}) == words
        assert await crone.archive(jid=JID(room), reverse=True, rsm={'max': 4}) == words[::-1]
        await crone.plugin['xep_0425'].moderate(JID(room), ids[1], 'not here')
        assert [body for body in await hag.archive(jid=JID(room)) if body] == \
            words[:1] + words[2:]
        await hag.plugin['xep_0199'].send_ping(f'{room}/thirdwitch', timeout=SECONDS)
        hag.muc.leave_muc(room, 'thirdwitch')
        with pytest.raises(IqError) as refused:
            await hag.plugin['xep_0199'].send_ping(f'{room}/thirdwitch', timeout=SECONDS)
        assert refused.value.condition == 'not-acceptable'

    play(server, run)


def test_a_broken_connection_stays_in_the_room(server):
    """XEP-0198: a session that is resumed never left its rooms, also when the server was restarted
    in order meanwhile; nobody was told that it was away, and it has what was said."""
    async def run(room, crone, hag):
        await hag.enter(room, 'thirdwitch')
        come_back = await hag.break_off(server)
        crone.say(room, 'while you were away')
        assert await crone.hears() == ('firstwitch', 'while you were away')
        come_back()
        await asyncio.wait_for(hag.resumed.wait(), SECONDS)
        assert await hag.hears() == ('firstwitch', 'while you were away')
        hag.say(room, 'here I am')
        assert await crone.hears() == ('thirdwitch', 'here I am')
        left = [p for p in crone.presences._queue if p['type'] == 'unavailable']
        assert not left

    play(server, run)


def test_a_room_does_not_come_into_what_another_left_behind(make_server):
    """A crash between deleting a room and erasing its archive, as its database would be left."""
    server = make_server()
    one, two = server.two_accounts()
    room = f'coven@rooms.{one.domain}'

    async def say_something():
        crone = await Guest(one, 'desktop').online(server)
        await crone.enter(room, 'firstwitch')
        await crone.muc.set_room_config(room, await crone.muc.get_room_config(room))
        crone.say(room, 'a secret')
        await crone.hears()
        assert await crone.archive(jid=JID(room)) == ['a secret']
        crone.leave()

    async def look():
        hag = await Guest(two, 'pda').online(server)
        presence, _, _, history = await hag.enter(room, 'thirdwitch')
        assert 201 in presence['muc']['status_codes']
        assert not history
        assert await hag.archive(jid=JID(room)) == []
        hag.leave()

    asyncio.run(say_something())
    server.kill()
    database = sqlite3.connect(server.data / 'stentor.db')
    assert database.execute('DELETE FROM rooms').rowcount == 1
    database.commit()
    database.close()
    server.start()
    asyncio.run(look())

"""slixmpp against the server: vCards, avatars, private storage."""
import asyncio
import hashlib

import pytest
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0048 import Bookmarks

from test_slixmpp import SECONDS, Person

PNG = (b'\x89PNG\r\n\x1a\n' + bytes(range(256))) * 40


class Somebody(Person):
    def __init__(self, account, resource, plugins=('xep_0054',)):
        super().__init__(account, resource)
        for plugin in plugins:
            self.register_plugin(plugin)

    async def photo_of(self, jid, photo):
        """Presence of a contact that shows this photo."""
        while True:
            presence = await self.presence_of(jid)
            shown = presence.xml.find('{vcard-temp:x:update}x/{vcard-temp:x:update}photo')
            if shown is not None and shown.text == photo:
                return


async def befriend(romeo, juliet):
    romeo.send_presence_subscription(pto=juliet.boundjid.bare)
    await romeo.until(lambda: romeo.client_roster[juliet.boundjid.bare]['subscription'] == 'both')


def test_vcard(server):
    """XEP-0054 section 3: seen by others, changed by the owner alone."""
    one, two = server.two_accounts()

    async def run():
        juliet = await Somebody(one, 'balcony').online(server)
        card = juliet.plugin['xep_0054'].make_vcard()
        card['FN'] = 'Juliet <Capulet> & nobody else'
        await juliet.plugin['xep_0054'].publish_vcard(card, timeout=SECONDS)
        await juliet.disconnect()
        romeo = await Somebody(two, 'orchard').online(server)
        card = await romeo.plugin['xep_0054'].get_vcard(one.jid, timeout=SECONDS)
        assert card['vcard_temp']['FN'] == 'Juliet <Capulet> & nobody else'
        with pytest.raises(IqError) as there_is_none:
            await romeo.plugin['xep_0054'].get_vcard(f'nobody@{one.domain}', timeout=SECONDS)
        assert there_is_none.value.condition == 'service-unavailable'
        with pytest.raises(IqError) as it_is_not_his:
            await romeo.plugin['xep_0054'].publish_vcard(card['vcard_temp'], one.jid,
                                                         timeout=SECONDS)
        assert it_is_not_his.value.condition == 'forbidden'
        await romeo.disconnect()

    asyncio.run(run())


def test_avatar(server):
    """XEP-0153: a client that knows avatars publishes one and shows it; a client of the same
    account that does not has it shown by the server; a contact gets the same image."""
    one, two = server.two_accounts()
    photo = hashlib.sha1(PNG).hexdigest()

    async def run():
        juliet = await Somebody(one, 'balcony', ('xep_0054', 'xep_0153')).online(server)
        romeo = await Somebody(two, 'orchard').online(server)
        await befriend(romeo, juliet)
        await juliet.plugin['xep_0153'].set_avatar(avatar=PNG, mtype='image/png',
                                                   timeout=SECONDS)
        await romeo.photo_of(one.jid, photo)
        card = await romeo.plugin['xep_0054'].get_vcard(one.jid, timeout=SECONDS)
        assert card['vcard_temp']['PHOTO']['BINVAL'] == PNG
        await juliet.disconnect()
        plain = await Somebody(one, 'chamber').online(server)
        await romeo.photo_of(one.jid, photo)
        await plain.disconnect()
        await romeo.disconnect()

    asyncio.run(run())


def test_private_storage(server):
    """XEP-0049, with bookmarks of XEP-0048 as clients keep them there."""
    account = server.account()

    async def run():
        person = await Somebody(account, 'r', ('xep_0048', 'xep_0049')).online(server)
        bookmarks = Bookmarks()
        bookmarks.add_conference('council@rooms.example.org', 'juliet', autojoin=True,
                                 name='The <council>')
        await person.plugin['xep_0049'].store(bookmarks, timeout=SECONDS)
        found = await person.plugin['xep_0049'].retrieve('bookmarks', timeout=SECONDS)
        rooms = list(found['private']['bookmarks']['conferences'])
        assert [(room['jid'], room['name'], room['autojoin']) for room in rooms] == \
            [('council@rooms.example.org', 'The <council>', True)]
        await person.disconnect()

    asyncio.run(run())

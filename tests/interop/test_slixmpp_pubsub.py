"""slixmpp and nodes: a service of publish-subscribe, personal eventing between contacts, and what
stands on it: moods and tunes, avatars, bookmarks, a feed with comments, the
archive of a node."""
import asyncio
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0048 import Bookmarks
from slixmpp.plugins.xep_0059.stanza import Set
from slixmpp.plugins.xep_0060.stanza import Pubsub
from slixmpp.xmlstream import register_stanza_plugin
from slixmpp.xmlstream.handler import Collector
from slixmpp.xmlstream.matcher import StanzaPath

from test_slixmpp import SECONDS
from test_slixmpp_reliable import Reliable

PUBSUB = 'http://jabber.org/protocol/pubsub'
ATOM = '{http://www.w3.org/2005/Atom}'
PNG = bytes.fromhex('89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944'
                    '415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082')


def entry(title):
    el = ElementTree.Element(f'{ATOM}entry')
    ElementTree.SubElement(el, f'{ATOM}title').text = title
    return el


def titles(items):
    return [item['payload'].findtext(f'{ATOM}title') for item in items['pubsub']['items']]


class Reader(Reliable):
    """A client with nodes, which keeps what it is notified of. feeds: nodes that it wants."""

    def __init__(self, account, resource, *feeds):
        super().__init__(account, resource)
        for plugin in ('xep_0004', 'xep_0048', 'xep_0049', 'xep_0054', 'xep_0060', 'xep_0084',
                       'xep_0115', 'xep_0118', 'xep_0153', 'xep_0163', 'xep_0172', 'xep_0223',
                       'xep_0402'):
            self.register_plugin(plugin)
        register_stanza_plugin(Pubsub, Set)
        self.pubsub = self.plugin['xep_0060']
        self.published, self.retracted, self.deleted, self.tunes, self.avatars, self.nicks = (
            asyncio.Queue() for _ in range(6))
        self.forms = asyncio.Queue()
        for feed in feeds:
            self.plugin['xep_0163'].add_interest(feed)
        self.add_event_handler('pubsub_publish', self.published.put_nowait)
        self.add_event_handler('pubsub_retract', self.retracted.put_nowait)
        self.add_event_handler('pubsub_delete', self.deleted.put_nowait)
        self.add_event_handler('message_xform', self.forms.put_nowait)
        self.add_event_handler('user_tune_publish', self.tunes.put_nowait)
        self.add_event_handler('avatar_metadata_publish', self.avatars.put_nowait)
        self.add_event_handler('user_nick_publish', self.nicks.put_nowait)

    async def next(self, queue, holds=lambda _: True):
        """The next one that this holds for."""
        while True:
            message = await asyncio.wait_for(queue.get(), SECONDS)
            if holds(message):
                return message

    async def next_item(self, node):
        """The next item of a node: whose, its id, and its payload."""
        message = await self.next(self.published,
                                  lambda m: m['pubsub_event']['items']['node'] == node)
        item = next(iter(message['pubsub_event']['items']))
        return message['from'].bare, item['id'], item['payload']


def form_of(person, kind, **fields):
    """A form that is filled in; names without pubsub#."""
    form = person.plugin['xep_0004'].make_form(ftype='submit')
    form.add_field(var='FORM_TYPE', ftype='hidden', value=f'{PUBSUB}#{kind}')
    for name, value in fields.items():
        form.add_field(var=f'pubsub#{name}', value=value)
    return form


async def befriend(one, two):
    """Each sees the other's presence."""
    one.send_presence_subscription(pto=two.boundjid.bare)
    two.send_presence_subscription(pto=one.boundjid.bare)
    await one.presence_of(two.boundjid.bare)
    await two.presence_of(one.boundjid.bare)


def play(server, run, *feeds):
    """Two friends who are online."""
    accounts = server.two_accounts()

    async def play_it():
        people = [await Reader(account, 'desktop', *feeds).online(server) for account in accounts]
        await befriend(*people)
        await run(*people)
        for person in people:
            person.leave()

    asyncio.run(play_it())


def test_a_node_of_a_service(server):
    """XEP-0060 sections 5, 6, 7 and 8: finding, making, configuring, publishing, reading, paging,
    subscribing, retracting, deleting."""
    async def run(bard, reader):
        service, node = f'pubsub.{bard.boundjid.domain}', f'princely_musings/{bard.boundjid.user}'
        pubsub = bard.pubsub
        services = await bard.plugin['xep_0030'].get_items(jid=bard.boundjid.domain)
        assert service in [jid for jid, _, _ in services['disco_items']['items']]
        info = await bard.plugin['xep_0030'].get_info(jid=service)
        assert ('pubsub', 'service') in {i[:2] for i in info['disco_info']['identities']}
        assert {'http://jabber.org/protocol/pubsub', 'http://jabber.org/protocol/pubsub#publish',
                'http://jabber.org/protocol/pubsub#retrieve-items'} <= set(
                    info['disco_info']['features'])

        form = (await pubsub.get_node_config(service))['pubsub_owner']['default']['form']
        form.reply()
        form['values'] = {**form.get_values(), 'pubsub#title': 'Princely Musings',
                          'pubsub#notify_retract': True, 'pubsub#max_items': '3'}
        form['type'] = 'submit'
        await pubsub.create_node(service, node, config=form)
        with pytest.raises(IqError) as refused:
            await pubsub.create_node(service, node)
        assert refused.value.condition == 'conflict'
        listed = await reader.plugin['xep_0030'].get_items(jid=service)
        assert (service, node, 'Princely Musings') in listed['disco_items']['items']

        state = await reader.pubsub.subscribe(service, node)
        assert state['pubsub']['subscription']['subscription'] == 'subscribed'
        for number in range(5):
            done = await pubsub.publish(service, node, id=f'item{number}',
                                        payload=entry(f'Act {number}'))
            assert done['pubsub']['publish']['item']['id'] == f'item{number}'
            whose, item, payload = await reader.next_item(node)
            assert (whose, item) == (service, f'item{number}')
            assert payload.findtext(f'{ATOM}title') == f'Act {number}'

        assert titles(await reader.pubsub.get_items(service, node)) == ['Act 2', 'Act 3', 'Act 4']
        assert titles(await reader.pubsub.get_items(service, node, max_items=1)) == ['Act 4']
        assert titles(await reader.pubsub.get_item(service, node, 'item3')) == ['Act 3']
        ids = await reader.pubsub.get_item_ids(service, node)
        assert {name for _, _, name in ids['disco_items']['items']} == {'item2', 'item3', 'item4'}
        with pytest.raises(IqError) as refused:
            await reader.pubsub.publish(service, node, payload=entry('Forged'))
        assert refused.value.condition == 'forbidden'

        await pubsub.retract(service, node, 'item3', notify=True)
        gone = await reader.next(reader.retracted)
        assert gone['pubsub_event']['items']['retract']['id'] == 'item3'
        mine = await reader.pubsub.get_subscriptions(service)
        assert node in [s['node'] for s in mine['pubsub']['subscriptions']]
        await pubsub.delete_node(service, node)
        assert (await reader.next(reader.deleted))['pubsub_event']['delete']['node'] == node

    play(server, run)


def test_what_contacts_hear(server):
    """XEP-0163 sections 3 and 4, XEP-0118, XEP-0172: contacts who want a node are notified, those
    who do not are not; who comes later gets the last item; own devices hear of it too."""
    async def run(juliet, romeo):
        await juliet.plugin['xep_0118'].publish_tune(artist='Yes', title='Heart of the Sunrise')
        tune = await romeo.next(romeo.tunes)
        assert tune['from'] == juliet.boundjid.bare
        item = next(iter(tune['pubsub_event']['items']))
        assert item['tune']['title'] == 'Heart of the Sunrise'
        await juliet.next(juliet.tunes)
        await juliet.plugin['xep_0172'].publish_nick('Jule')
        nick = await romeo.next(romeo.nicks)
        assert next(iter(nick['pubsub_event']['items']))['nick']['nick'] == 'Jule'

        # Not wanted by anybody: only who asks gets it.
        await juliet.pubsub.publish(juliet.boundjid.bare, 'urn:example:quiet',
                                    payload=entry('Hush'))
        found = await romeo.pubsub.get_items(juliet.boundjid.bare, 'urn:example:quiet')
        assert titles(found) == ['Hush']
        await romeo.plugin['xep_0199'].ping(romeo.boundjid.domain, timeout=SECONDS)
        while not romeo.published.empty():
            message = romeo.published.get_nowait()
            assert message['pubsub_event']['items']['node'] != 'urn:example:quiet'

        romeo.tunes = asyncio.Queue()
        romeo.del_event_handler('user_tune_publish', romeo.tunes.put_nowait)
        romeo.add_event_handler('user_tune_publish', romeo.tunes.put_nowait)
        romeo.send_presence(ptype='unavailable')
        await juliet.presence_of(romeo.boundjid.bare)
        romeo.send_presence()
        last = await romeo.next(romeo.tunes, lambda m: m['from'] == juliet.boundjid.bare)
        assert next(iter(last['pubsub_event']['items']))['tune']['artist'] == 'Yes'
        assert last['delay']['stamp']

    play(server, run)


def test_a_stranger_hears_nothing(server):
    """XEP-0163 section 3.1: the access model of an account's nodes is presence."""
    one, two = server.two_accounts()

    async def run():
        juliet = await Reader(one, 'desktop').online(server)
        stranger = await Reader(two, 'desktop').online(server)
        await juliet.plugin['xep_0118'].publish_tune(title='Heart of the Sunrise')
        with pytest.raises(IqError) as refused:
            await stranger.pubsub.get_items(juliet.boundjid.bare, 'http://jabber.org/protocol/tune')
        assert refused.value.condition == 'not-authorized'
        await juliet.pubsub.publish(
            juliet.boundjid.bare, 'urn:example:open', payload=entry('For all'),
            options=open_to_all(juliet))
        found = await stranger.pubsub.get_items(juliet.boundjid.bare, 'urn:example:open')
        assert titles(found) == ['For all']
        juliet.leave()
        stranger.leave()

    asyncio.run(run())


def open_to_all(person, **more):
    """XEP-0060 section 7.1.5."""
    return form_of(person, 'publish-options', access_model='open', **more)


def test_publish_options_are_preconditions(server):
    """XEP-0060 section 7.1.5: a node that is otherwise refuses, and says what is the matter; the
    request is repeated in the error."""
    async def run(juliet, _):
        me, node = juliet.boundjid.bare, 'urn:xmpp:omemo:2:bundles'
        for number in range(3):
            await juliet.pubsub.publish(me, node, id=str(number), payload=entry(str(number)),
                                        options=open_to_all(juliet, max_items='max'))
        assert titles(await juliet.pubsub.get_items(me, node)) == ['0', '1', '2']
        with pytest.raises(IqError) as refused:
            await juliet.pubsub.publish(me, node, id='3', payload=entry('3'),
                                        options=open_to_all(juliet, max_items='1'))
        assert refused.value.condition == 'conflict'
        error = refused.value.iq.xml
        assert error.find(f'.//{{{PUBSUB}#errors}}precondition-not-met') is not None
        assert error.find(f'{{{PUBSUB}}}pubsub') is not None

    play(server, run)


def test_an_avatar(server):
    """XEP-0084: data and metadata; a contact is told, and fetches it."""
    async def run(juliet, romeo):
        avatar = juliet.plugin['xep_0084']
        name = avatar.generate_id(PNG)
        await avatar.publish_avatar(PNG)
        await avatar.publish_avatar_metadata([{'id': name, 'type': 'image/png',
                                               'bytes': str(len(PNG))}])
        told = await romeo.next(romeo.avatars, lambda m: m['from'].bare == juliet.boundjid.bare)
        item = next(iter(told['pubsub_event']['items']))
        assert item['avatar_metadata']['items'][0]['id'] == name
        found = await romeo.plugin['xep_0084'].retrieve_avatar(juliet.boundjid.bare, name)
        assert next(iter(found['pubsub']['items']))['avatar_data']['value'] == PNG

    play(server, run)


def test_an_avatar_in_the_vcard(server):
    """XEP-0398 section 3: a picture that is published in the nodes is in the vCard too."""
    async def run(juliet, romeo):
        avatar = juliet.plugin['xep_0084']
        name = avatar.generate_id(PNG)
        await avatar.publish_avatar(PNG)
        await avatar.publish_avatar_metadata([{'id': name, 'type': 'image/png',
                                               'bytes': str(len(PNG))}])
        card = await romeo.plugin['xep_0054'].get_vcard(juliet.boundjid.bare, cached=False)
        assert card['vcard_temp']['PHOTO']['BINVAL'] == PNG

    play(server, run)


def test_bookmarks_are_for_oneself(server):
    """XEP-0402 sections 3 and 4, with the options of XEP-0223: own devices are told, a
    contact is not."""
    async def run(juliet, romeo):
        me, node = juliet.boundjid.bare, 'urn:xmpp:bookmarks:1'
        form = form_of(juliet, 'publish-options', persist_items='true', max_items='max',
                       send_last_published_item='never', access_model='whitelist')
        conference = ElementTree.Element('{urn:xmpp:bookmarks:1}conference',
                                         name="The Play's the Thing", autojoin='true')
        await juliet.pubsub.publish(me, node, id='theplay@conference.shakespeare.lit',
                                    payload=conference, options=form)
        whose, room, payload = await juliet.next_item(node)
        assert (whose, room) == (me, 'theplay@conference.shakespeare.lit')
        assert payload.get('autojoin') == 'true'
        with pytest.raises(IqError) as refused:
            await romeo.pubsub.get_items(me, node)
        assert refused.value.condition == 'not-allowed'
        assert romeo.published.empty()

    play(server, run, 'urn:xmpp:bookmarks:1')


def test_who_has_to_wait(server):
    """XEP-0060 sections 6.1.4, 8.6, 8.9: whose subscription an owner has to approve gets nothing
    until he has; affiliations; the configuration is changed."""
    async def run(bard, reader):
        service, node = f'pubsub.{bard.boundjid.domain}', f'closed/{bard.boundjid.user}'
        await bard.pubsub.create_node(
            service, node, config=form_of(bard, 'node_config', access_model='authorize'))
        await bard.pubsub.publish(service, node, id='first', payload=entry('First'))
        state = await reader.pubsub.subscribe(service, node)
        assert state['pubsub']['subscription']['subscription'] == 'pending'
        with pytest.raises(IqError) as refused:
            await reader.pubsub.get_items(service, node)
        assert refused.value.condition == 'not-authorized'
        asked = await bard.next(bard.forms)
        assert asked['from'] == service
        values = asked['form'].get_values()
        assert values['pubsub#subscriber_jid'] == reader.boundjid.bare
        asked['form'].reply()
        asked['form']['values'] = {**values, 'pubsub#allow': True}
        answer = bard.Message()
        answer['to'] = service
        answer.append(asked['form'])
        answer.send()
        async with asyncio.timeout(SECONDS):
            state = 'pending'
            while state == 'pending':
                mine = await reader.pubsub.get_subscriptions(service)
                (state,) = [s['subscription'] for s in mine['pubsub']['subscriptions']]
        assert state == 'subscribed'
        assert titles(await reader.pubsub.get_items(service, node)) == ['First']

        await bard.pubsub.modify_affiliations(service, node,
                                              [(reader.boundjid.bare, 'publisher')])
        mine = await reader.pubsub.get_affiliations(service)
        assert [(a['node'], a['affiliation']) for a in mine['pubsub']['affiliations']] == [
            (node, 'publisher')]
        await reader.pubsub.publish(service, node, id='second', payload=entry('Second'))
        await bard.pubsub.set_node_config(
            service, node, form_of(bard, 'node_config', max_items='1', title='New'))
        config = (await bard.pubsub.get_node_config(service, node))['pubsub_owner']['configure']
        values = config['form'].get_values()
        assert values['pubsub#title'] == 'New' and values['pubsub#max_items'] == '1'
        assert values['pubsub#access_model'] == 'authorize'
        assert titles(await bard.pubsub.get_items(service, node)) == ['Second']

    play(server, run)


def bookmarks_of(*rooms):
    """In the shape of XEP-0048."""
    storage = Bookmarks()
    for room in rooms:
        storage.add_conference(room, 'jule', autojoin=True, name=room.partition('@')[0])
    return storage


def test_one_list_of_bookmarks(server):
    """XEP-0402 section 5.3: what is written as XEP-0048 has it in private storage (XEP-0049) or in
    a node, or as a node with an item for each room, is read in each of the three ways."""
    async def run(juliet, _):
        me, node = juliet.boundjid.bare, 'urn:xmpp:bookmarks:1'
        marks = juliet.plugin['xep_0048']

        async def seen():
            """By each way of looking."""
            private = await marks.get_bookmarks(method='xep_0049')
            stored = await marks.get_bookmarks(method='xep_0223')
            native = await juliet.pubsub.get_items(me, node)
            return [{str(c['jid']) for c in private['private']['bookmarks']['conferences']},
                    {str(c['jid']) for item in stored['pubsub']['items']
                     for c in item['bookmarks']['conferences']},
                    {item['id'] for item in native['pubsub']['items']}]

        rooms = {'garden@rooms.example.org'}
        await marks.set_bookmarks(bookmarks_of(*rooms), method='xep_0049')
        assert await seen() == [rooms] * 3
        rooms.add('hall@rooms.example.org')
        conference = ElementTree.Element('{urn:xmpp:bookmarks:1}conference', autojoin='true')
        await juliet.pubsub.publish(me, node, id='hall@rooms.example.org', payload=conference,
                                    options=form_of(juliet, 'publish-options', max_items='max',
                                                    access_model='whitelist'))
        assert await seen() == [rooms] * 3
        await juliet.pubsub.retract(me, node, 'garden@rooms.example.org', notify=True)
        rooms.discard('garden@rooms.example.org')
        assert await seen() == [rooms] * 3

    play(server, run)


def test_a_feed(server):
    """XEP-0277 sections 3 and 4: entries of a weblog for everybody, and a node for comments on one
    of them, where everybody may write and its owner is told."""
    async def run(juliet, romeo):
        me, feed = juliet.boundjid.bare, 'urn:xmpp:microblog:0'
        await juliet.pubsub.publish(me, feed, id='1', payload=entry('hanging out'),
                                    options=open_to_all(juliet, max_items='max'))
        assert (await romeo.next_item(feed))[:2] == (me, '1')
        comments = f'{feed}:comments/1'
        await juliet.pubsub.create_node(me, comments, config=form_of(
            juliet, 'node_config', access_model='open', publish_model='open', max_items='max'))
        await juliet.pubsub.subscribe(me, comments)
        await romeo.pubsub.publish(me, comments, id='c1', payload=entry('She is so pretty!'))
        whose, item, payload = await juliet.next_item(comments)
        assert (whose, item) == (me, 'c1')
        assert payload.findtext(f'{ATOM}title') == 'She is so pretty!'
        with pytest.raises(IqError) as refused:
            await romeo.pubsub.publish(me, feed, payload=entry('Forged'))
        assert refused.value.condition == 'forbidden'

    play(server, run, 'urn:xmpp:microblog:0')


def test_options_of_a_subscription(server):
    """XEP-0060 sections 6.3.2 and 6.3.7: who does not want to be told of what he has subscribed to
    is not, until he does."""
    async def run(bard, reader):
        service, node = f'pubsub.{bard.boundjid.domain}', f'optional/{bard.boundjid.user}'
        await bard.pubsub.create_node(service, node)
        options = reader.Iq(sto=service, stype='set')
        options['pubsub']['subscribe']['node'] = node
        options['pubsub']['subscribe']['jid'] = reader.boundjid.bare
        options['pubsub']['options']['options'] = form_of(reader, 'subscribe_options', deliver='0')
        await options.send()
        await bard.pubsub.publish(service, node, id='unheard', payload=entry('Unheard'))
        found = await reader.pubsub.get_subscription_options(service, node, reader.boundjid.bare)
        values = found['pubsub']['options']['options'].get_values()
        assert not values['pubsub#deliver']
        change = reader.Iq(sto=service, stype='set')
        change['pubsub']['options']['node'] = node
        change['pubsub']['options']['jid'] = reader.boundjid.bare
        change['pubsub']['options']['options'] = form_of(reader, 'subscribe_options', deliver='1')
        await change.send()
        await bard.pubsub.publish(service, node, id='heard', payload=entry('Heard'))
        assert (await reader.next_item(node))[1] == 'heard'

    play(server, run)


async def archive_of(person, service, node, **page):
    """Ids of the items that a page of a node's archive has, and whether it is the last one."""
    query = person.Iq(sto=service, stype='set')
    query['mam']['queryid'] = query['id']
    query['mam'].xml.set('node', node)
    for name, value in page.items():
        query['mam']['rsm'][name] = value
    results = Collector('archive', StanzaPath(f"message/mam_result@queryid={query['id']}"))
    person.register_handler(results)
    answer = await query.send()
    found = [next(message.xml.iter(f'{{{PUBSUB}#event}}item')).get('id')
             for message in results.stop()]
    return found, answer['mam_fin']['complete'], answer['mam_fin']['rsm']['last']


def test_pages_of_a_node(server):
    """XEP-0060 section 6.5.4 with XEP-0059; XEP-0442 section 3, the archive of the node."""
    async def run(bard, reader):
        service, node = f'pubsub.{bard.boundjid.domain}', f'long/{bard.boundjid.user}'
        await bard.pubsub.create_node(service, node)
        names = [f'item{number}' for number in range(7)]
        for name in names:
            await bard.pubsub.publish(service, node, id=name, payload=entry(name))
        paged, last = [], None
        while len(paged) < len(names):
            query = reader.Iq(sto=service, stype='get')
            query['pubsub']['items']['node'] = node
            query['pubsub']['rsm']['max'] = '3'
            if last:
                query['pubsub']['rsm']['after'] = last
            page = (await query.send())['pubsub']
            ids = [item['id'] for item in page['items']]
            assert 0 < len(ids) <= 3 and page['rsm']['count'] == '7'
            paged += ids
            last = page['rsm']['last']
        assert paged == names

        first, complete, last = await archive_of(reader, service, node, max='3')
        assert first == names[:3] and not complete
        rest, complete, _ = await archive_of(reader, service, node, after=last)
        assert rest == names[3:] and complete

    play(server, run)

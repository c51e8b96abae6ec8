"""Publish-subscribe and personal eventing between people of two servers of ours: subscriptions,
what is told of, retrieved and refused, contacts who want to hear, and what holds over restarts."""
import pytest

from harness.federation import StentorSite, World
from harness.person import Person, both
from test_pep import SHOWS, answer_capabilities
from test_pubsub import bare, create, events, item, items, publish, pubsub, subscribe

pytestmark = pytest.mark.skipif(bool(World.missing()), reason=World.missing() or '')

MOOD = 'http://jabber.org/protocol/mood'


@pytest.fixture(name='sites', params=[False, True], ids=['two streams', 'bidi'])
def fixture_sites(request):
    """Two servers, over a stream for each way or one for both."""
    with World() as world:
        made = [world.site(StentorSite, domain, bidi=request.param)
                for domain in ('capulet.example', 'montague.example')]
        world.start()
        yield made


def mood(word):
    return f"<item id='current'><mood xmlns='{MOOD}'><{word}/></mood></item>"


def told_mood(client, sender):
    """The next mood that a notification of theirs has."""
    while True:
        message = client.message(from_=sender)
        for found in message.iter(f'{{{MOOD}}}mood'):
            return found[0].tag.partition('}')[2]


def test_a_node_of_a_service(sites):
    """XEP-0060: somebody from elsewhere subscribes, is told of all in its order, retrieves, may not
    publish until he is a publisher, and unsubscribes."""
    near, far = sites
    juliet, romeo = near.somebody(), far.somebody()
    node, service = 'musings', near.nodes
    juliet.set(create(node), to=service)
    romeo.set(subscribe(node, bare(romeo)), to=service)
    names = [f'i{number}' for number in range(100)]
    for name in names:
        juliet.set(publish(node, item(name, name)), to=service)
    assert events(romeo, node, len(names), service) == names
    assert items(romeo, node, service) == [(name, name) for name in names]

    assert romeo.refused(publish(node, item('his')), 'set', service) == 'forbidden'
    assert romeo.refused(create('his'), 'set', service) == 'forbidden'
    assert romeo.refused(subscribe(node, juliet.jid), 'set', service) == 'bad-request'
    juliet.set(pubsub(f"<affiliations node='{node}'><affiliation jid='{bare(romeo)}' "
                      "affiliation='publisher'/></affiliations>", '#owner'), to=service)
    romeo.set(publish(node, item('his')), to=service)
    assert events(romeo, node, 1, service) == ['his']

    romeo.set(pubsub(f"<unsubscribe node='{node}' jid='{bare(romeo)}'/>"), to=service)
    juliet.set(publish(node, item('unheard')), to=service)
    assert items(romeo, node, service)[-1] == ('unheard', None)
    assert not [e for e in romeo.sync() if e.get('from') == service]


def test_over_restarts(sites):
    """Subscriptions from elsewhere stay when the server of the node is killed, and when that of the
    subscriber was away."""
    near, far = sites
    juliet, romeo = near.somebody(), far.somebody()
    service = near.nodes
    juliet.set(create('musings', send_last_published_item='never'), to=service)
    romeo.set(subscribe('musings', bare(romeo)), to=service)
    near.kill()
    near.start()
    juliet = near.online(juliet.account)
    juliet.set(publish('musings', item('after')), to=service)
    assert events(romeo, 'musings', 1, service) == ['after']
    account = romeo.account
    far.stop()
    far.start()
    romeo = far.online(account)
    juliet.set(publish('musings', item('again')), to=service)
    assert events(romeo, 'musings', 1, service) == ['again']


def test_contacts(sites):
    """XEP-0163 sections 4.3 and 3, XEP-0115: a contact elsewhere whose client wants moods hears of
    one, gets the last one when it comes, and may ask; a stranger may not."""
    near, far = sites
    juliet, romeo = (Person(site, site.new_account()) for site in sites)
    both(juliet, romeo)
    juliet.client.set(publish(MOOD, mood('sad')))
    assert romeo.client.get(pubsub(f"<items node='{MOOD}'/>"), to=juliet.bare) is not None
    wanting = far.login(romeo.account, presence=f'<presence>{SHOWS}</presence>')
    for _ in sites:
        answer_capabilities(wanting)    # each server asks
    assert told_mood(wanting, juliet.bare) == 'sad'
    juliet.client.set(publish(MOOD, mood('happy')))
    assert told_mood(wanting, juliet.bare) == 'happy'
    assert not [e for e in romeo.client.sync() if e.find(f'.//{{{MOOD}}}mood') is not None]
    stranger = far.somebody()
    assert stranger.refused(pubsub(f"<items node='{MOOD}'/>"), to=juliet.bare) == 'not-authorized'

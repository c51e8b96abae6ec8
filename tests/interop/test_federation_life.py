"""What people of different servers do with each other: talk, see each other's presence, meet in
rooms, look at what the other shows, and keep away who is not wanted."""
import asyncio

import pytest
from slixmpp import JID

from harness import find, findall, text_of
from harness.federation import EjabberdSite, ProsodySite, StentorSite, World
from harness.person import Person, both
from harness.xmpp import condition, show
from test_slixmpp_rooms import Guest

pytestmark = pytest.mark.skipif(bool(World.missing()), reason=World.missing() or '')

OURS = 'capulet.example'
MAM = '{urn:xmpp:mam:2}'
MANY = 300


@pytest.fixture(name='world', scope='module')
def fixture_world():
    with World() as world:
        world.near = world.site(StentorSite, OURS, world.issue(OURS, client=True), bidi=True)
        world.far = {kind.package: world.site(kind, domain, bidi=kind is ProsodySite)
                     for kind, domain in ((ProsodySite, 'montague.example'),
                                          (EjabberdSite, 'verona.example'))
                     if not kind.missing()}
        yield world.start()


@pytest.fixture
def near(world):
    return world.near


@pytest.fixture(params=['prosody', 'ejabberd'])
def far(world, request):
    if request.param not in world.far:
        pytest.skip(f'{request.param} is not installed')
    return world.far[request.param]


@pytest.fixture
def juliet(near):
    return near.somebody(roster=True)


@pytest.fixture
def romeo(far):
    return far.somebody(roster=True)


def chat(sender, receiver, text, type='chat'):
    """A message that arrives."""
    sender.send(f"<message to='{receiver.bare}' type='{type}' id='{text}'><body>{text}</body>"
                '</message>')
    message = receiver.message(id=text)
    assert (message.get('from'), text_of(message, 'body')) == (sender.jid, text), show(message)
    return message


# ---- messages ----

def test_many_messages_in_order(juliet, romeo):
    """RFC 6120 section 10.1, both ways at once. Not from the first stanza of theirs on: when its
    stream opens, Prosody lets what comes just then overtake what waited for it."""
    chat(romeo, juliet, 'first')
    for sender, receiver in ((juliet, romeo), (romeo, juliet)):
        sender.send(''.join(f"<message to='{receiver.jid}' type='chat' id='m{n}'><body>{n}</body>"
                            '</message>' for n in range(MANY)))
    for sender, receiver in ((juliet, romeo), (romeo, juliet)):
        got = [receiver.message(from_=sender.jid) for _ in range(MANY)]
        assert [text_of(message, 'body') for message in got] == [str(n) for n in range(MANY)]


def test_kinds_of_stanzas(juliet, romeo):
    """RFC 6120 section 8: what a stanza is comes over unchanged: IQs with their answers, types,
    languages, threads, what nobody knows."""
    romeo.send(f"<message to='{juliet.jid}' type='headline' id='h' xml:lang='it'>"
               "<subject>Due case</subject><body>&lt;&amp;\U0001f339</body><thread>t1</thread>"
               "<x xmlns='urn:example:x' a='1'><y>z</y></x></message>")
    message = juliet.message(id='h')
    assert message.get('type') == 'headline'
    assert message.get('{http://www.w3.org/XML/1998/namespace}lang') == 'it'
    assert text_of(message, 'subject') == 'Due case'
    assert text_of(message, 'body') == '<&\U0001f339'
    assert text_of(message, 'thread') == 't1'
    unknown = message.find('{urn:example:x}x')
    assert unknown.get('a') == '1' and unknown.find('{urn:example:x}y').text == 'z'
    juliet.send(f"<presence to='{romeo.jid}'/>")  # else he may ask her nothing (section 8.5.3.1)
    romeo.presence(from_=juliet.jid)
    for asker, answerer in ((juliet, romeo), (romeo, juliet)):
        asker.send(f"<iq to='{answerer.jid}' type='get' id='q1'><q xmlns='urn:example:q'/></iq>")
        assert answerer.iq(id='q1').get('from') == asker.jid
        answerer.send(f"<iq to='{asker.jid}' type='result' id='q1'><a xmlns='urn:example:q'/></iq>")
        assert asker.iq(id='q1').find('{urn:example:q}a') is not None


def test_nobody_there(juliet, romeo, near, far):
    """RFC 6121 sections 8.5.1 and 8.5.3.2: errors come back from the other server, once each."""
    for asker, site in ((juliet, far), (romeo, near)):
        asker.send(f"<message to='nobody@{site.domain}' type='chat' id='n1'><body>x</body>"
                   '</message>')
        assert condition(asker.message(id='n1')) == 'service-unavailable'
        assert asker.refused("<q xmlns='urn:example:q'/>", to=f'nobody@{site.domain}/x') == \
            'service-unavailable'


def test_no_such_server(juliet):
    """RFC 6120 section 8.3.3.16: a domain that does not exist."""
    juliet.send("<message to='a@nowhere.example' type='chat' id='n1'><body>x</body></message>"
                "<presence to='a@nowhere.example' id='n2'/>"
                "<message to='a@nowhere.example' type='error' id='n3'/>")
    assert condition(juliet.message(id='n1')) == 'remote-server-not-found'
    assert condition(juliet.presence(id='n2')) == 'remote-server-not-found'
    assert juliet.refused("<ping xmlns='urn:xmpp:ping'/>", to='nowhere.example') == \
        'remote-server-not-found'
    assert not [e for e in juliet.sync() if e.get('type') == 'error']


def test_archives_of_both(juliet, romeo):
    """XEP-0313: a chat across servers is in the archive of each, for the other's address."""
    lines = ['What man art thou', 'By a name', 'My ears have not yet drunk']
    for n, line in enumerate(lines):
        sender, receiver = (romeo, juliet) if n % 2 else (juliet, romeo)
        chat(sender, receiver, line)
    for reader, other in ((juliet, romeo), (romeo, juliet)):
        reader.set(f"<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
                   "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>"
                   f"<field var='with'><value>{other.bare}</value></field></x></query>")
        kept = [text_of(m.find(f'{MAM}result/{{urn:xmpp:forward:0}}forwarded'), 'message/body')
                for m in reader.inbox if m.find(f'{MAM}result') is not None]
        assert kept == lines


def test_offline(near, far, juliet):
    """XEP-0160: what somebody of another server wrote waits, with when it was."""
    romeo = far.somebody()
    account = near.new_account()
    romeo.send(f"<message to='{account.jid}' type='chat' id='w'><body>wait</body></message>")
    chat(romeo, juliet, 'behind it')
    sleeper = near.online(account)
    message = sleeper.message(id='w')
    assert message.get('from') == romeo.jid
    assert find(message, 'delay:delay') is not None


def test_copies(near, romeo):
    """XEP-0280: the other device has what comes from another server, and what goes there."""
    account = near.new_account()
    desk, phone = near.online(account, 'desk'), near.online(account, 'phone', priority=-1)
    for client in (desk, phone):
        client.set("<enable xmlns='urn:xmpp:carbons:2'/>")
    romeo.send(f"<message to='{desk.jid}' type='chat' id='c1'><body>x</body></message>")
    desk.message(id='c1')
    copy = phone.message(from_=account.jid).find(
        '{urn:xmpp:carbons:2}received/{urn:xmpp:forward:0}forwarded')
    assert find(copy, 'message').get('from') == romeo.jid
    desk.send(f"<message to='{romeo.jid}' type='chat' id='c2'><body>y</body></message>")
    copy = phone.message(from_=account.jid).find(
        '{urn:xmpp:carbons:2}sent/{urn:xmpp:forward:0}forwarded')
    assert find(copy, 'message').get('to') == romeo.jid


# ---- presence ----

class Foreigner(Person):
    """ejabberd names the resource when it delivers what is for a bare address."""

    def takes(self, type, other):
        stanza = self.client.presence(type=type, from_=other.bare)
        assert stanza.get('to').partition('/')[0] == self.bare
        return stanza


def person(site):
    kind = Person if site.domain == OURS else Foreigner
    return kind(site, site.new_account())


def test_subscriptions(near, far):
    """RFC 6121 sections 3 and 4: asked for and granted both ways; each sees the other come and go,
    also by a probe; and taken back again."""
    juliet, romeo = person(near), person(far)
    both(juliet, romeo)
    assert juliet.state(romeo)[0] == romeo.state(juliet)[0] == 'both'
    romeo.client.send('<presence><show>away</show></presence>')
    while text_of(juliet.sees(romeo), 'show') != 'away':
        pass
    for one, other in ((romeo, juliet), (juliet, romeo)):
        one.leave()
        while other.sees(one).get('type') != 'unavailable':
            pass
        one.come()
        assert other.sees(one).get('type') is None
        assert one.sees(other).get('type') is None
    romeo.send('unsubscribed', juliet)
    juliet.takes('unsubscribed', romeo)
    while juliet.sees(romeo).get('type') != 'unavailable':
        pass
    juliet.push(romeo)
    assert juliet.state(romeo) == ('from', None)
    assert romeo.state(juliet) == ('to', None)


def test_refused_subscription(near, far):
    """RFC 6121 section 3.2: no."""
    for one, other in ((near, far), (far, near)):
        asker, asked = person(one), person(other)
        asker.send('subscribe', asked)
        asker.push(asked)
        asked.takes('subscribe', asker)
        asked.send('unsubscribed', asker)
        asker.takes('unsubscribed', asked)
        asker.push(asked)
        assert asker.state(asked) == ('none', None)


def test_directed_presence(juliet, romeo):
    """RFC 6121 section 4.6: who was told without a subscription hears of the end, too."""
    juliet.send(f"<presence to='{romeo.jid}'><status>here</status></presence>")
    assert text_of(romeo.presence(from_=juliet.jid), 'status') == 'here'
    juliet.send('</stream:stream>')
    assert romeo.presence(from_=juliet.jid).get('type') == 'unavailable'


# ---- what others show ----

def test_discovery(juliet, romeo, near, far):
    """XEP-0030, XEP-0199, XEP-0092, XEP-0202: of servers and of clients."""
    for asker, site in ((juliet, far), (romeo, near)):
        info = find(asker.get("<query xmlns='http://jabber.org/protocol/disco#info'/>",
                              to=site.domain), 'info:query')
        assert ('server', 'im') in {(i.get('category'), i.get('type'))
                                    for i in findall(info, 'info:identity')}
        items = find(asker.get("<query xmlns='http://jabber.org/protocol/disco#items'/>",
                               to=site.domain), 'items:query')
        assert site.rooms in {i.get('jid') for i in findall(items, 'items:item')}
        asker.get("<ping xmlns='urn:xmpp:ping'/>", to=site.domain)
    assert text_of(romeo.get("<query xmlns='jabber:iq:version'/>", to=near.domain),
                   'version:query/version:name') == 'Stentor'
    assert text_of(romeo.get("<time xmlns='urn:xmpp:time'/>", to=near.domain), 'time:time/time:utc')


def test_vcards(juliet, romeo):
    """XEP-0054: each sees the other's."""
    for owner, reader in ((juliet, romeo), (romeo, juliet)):
        owner.set(f"<vCard xmlns='vcard-temp'><FN>{owner.bare}</FN></vCard>")
        card = reader.get("<vCard xmlns='vcard-temp'/>", to=owner.bare)
        assert card.findtext('{vcard-temp}vCard/{vcard-temp}FN') == owner.bare


# ---- blocking ----

@pytest.mark.parametrize('whom', ['bare', 'domain'])
def test_blocking(juliet, romeo, whom):
    """XEP-0191 sections 3.2 to 3.4: of somebody, or of a whole server."""
    address = romeo.bare if whom == 'bare' else romeo.bare.partition('@')[2]
    item = f"<item jid='{address}'/>"
    chat(romeo, juliet, 'before')
    juliet.set(f"<block xmlns='urn:xmpp:blocking'>{item}</block>")
    romeo.send(f"<message to='{juliet.bare}' type='chat' id='b1'><body>x</body></message>")
    assert condition(romeo.message(id='b1')) == 'service-unavailable'
    assert romeo.refused("<ping xmlns='urn:xmpp:ping'/>", to=juliet.jid) == 'service-unavailable'
    juliet.send(f"<message to='{romeo.bare}' type='chat' id='b2'><body>x</body></message>")
    assert find(juliet.message(id='b2', type='error'), 'error/stanzas:not-acceptable') is not None
    juliet.set(f"<unblock xmlns='urn:xmpp:blocking'>{item}</unblock>")
    chat(romeo, juliet, 'after')
    assert not [m for m in juliet.inbox if m.get('id') == 'b1']


# ---- rooms ----

def meet(host, guest):
    """A room of the host's server; both go in and talk, then the guest asks for what was said,
    whispers, and is thrown out."""
    async def run():
        owner = await Guest(host.new_account(), 'desk').online(host)
        visitor = await Guest(guest.new_account(), 'pda').online(guest)
        room = JID(f'room-{owner.boundjid.user}@{host.rooms}')
        await owner.enter(room, 'owner')
        await owner.muc.set_room_config(room, await owner.muc.get_room_config(room))
        owner.say(room, 'anybody here?')
        assert await owner.hears() == ('owner', 'anybody here?')
        _, _, occupants, history = await visitor.enter(room, 'visitor', maxstanzas=5)
        assert {p['from'].resource for p in occupants} == {'owner', 'visitor'}
        assert [m['body'] for m in history] == ['anybody here?']
        await visitor.hears()
        for n in range(20):
            speaker, nick = ((visitor, 'visitor'), (owner, 'owner'))[n % 2]
            speaker.say(room, str(n))
            assert await owner.hears() == await visitor.hears() == (nick, str(n))
        visitor.send_message(f'{room}/owner', 'psst', mtype='chat')
        whispered = await owner.next_message()
        while whispered['type'] != 'chat':
            whispered = await owner.next_message()
        assert (whispered['from'], whispered['body']) == (f'{room}/visitor', 'psst')
        await visitor.plugin['xep_0199'].send_ping(f'{room}/visitor', timeout=60)
        gone = asyncio.Queue()
        visitor.add_event_handler(f'muc::{room}::self-presence', gone.put_nowait)
        await owner.muc.set_role(room, 'visitor', 'none')
        presence = await asyncio.wait_for(gone.get(), 60)
        assert presence['type'] == 'unavailable'
        assert 307 in presence['muc']['status_codes']
        owner.leave()
        visitor.leave()
    asyncio.run(run())


def test_their_people_in_our_room(near, far):
    """XEP-0045 sections 7.2, 7.4, 7.5, 8.2, with XEP-0410."""
    meet(near, far)


def test_our_people_in_their_room(near, far):
    """XEP-0045, the same from the other side."""
    meet(far, near)

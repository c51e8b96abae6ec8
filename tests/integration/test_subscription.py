"""Presence subscriptions, between accounts of different shards (RFC 6121 section 3, appendix A)."""
import pytest

from harness import condition, find
from harness.person import Person, both, subscribe

pytestmark = pytest.mark.usefixtures('others_are_served')

@pytest.fixture
def people(server):
    return [Person(server, account) for account in server.two_accounts()]


def test_handshake(people):
    """RFC 6121 section 3.1: request, approval, pushes on both sides, presence; both ways."""
    juliet, romeo = people
    juliet.send('subscribe', romeo)
    assert juliet.push(romeo) == ('none', 'subscribe')
    romeo.takes('subscribe', juliet)
    assert romeo.state(juliet) is None, 'a request makes no roster item for who is asked'
    romeo.send('subscribed', juliet)
    assert romeo.push(juliet) == ('from', None)
    juliet.takes('subscribed', romeo)
    assert juliet.push(romeo) == ('to', None)
    assert juliet.sees(romeo).get('type') is None
    subscribe(romeo, juliet)
    assert juliet.state(romeo) == ('both', None)
    assert romeo.state(juliet) == ('both', None)


def test_request_waits_for_the_contact(people):
    """RFC 6121 section 3.1.3: it comes at each login until it is answered, with what was in
    it."""
    juliet, romeo = people
    romeo.leave()
    juliet.client.send(f"<presence type='subscribe' to='{romeo.bare}'><status>It is I</status>"
                       "<nick xmlns='http://jabber.org/protocol/nick'>J</nick></presence>")
    juliet.push(romeo)
    for _ in range(2):
        romeo.come()
        request = romeo.takes('subscribe', juliet)
        assert find(request, 'status').text == 'It is I'
        assert request.find('{http://jabber.org/protocol/nick}nick').text == 'J'
        romeo.leave()
    romeo.come()
    romeo.takes('subscribe', juliet)
    romeo.send('subscribed', juliet)
    juliet.takes('subscribed', romeo)
    romeo.leave()
    romeo.come()
    assert [e for e in romeo.client.sync() if e.get('type') == 'subscribe'] == []


def test_request_is_delivered_once(people):
    """RFC 6121 section 3.1.3: a second request changes nothing."""
    juliet, romeo = people
    juliet.send('subscribe', romeo)
    romeo.takes('subscribe', juliet)
    juliet.send('subscribe', romeo)
    assert romeo.client.sync_from(juliet.client) == []


def test_refusal(people):
    """RFC 6121 section 3.1.5: unsubscribed; the request is over."""
    juliet, romeo = people
    juliet.send('subscribe', romeo)
    romeo.takes('subscribe', juliet)
    romeo.send('unsubscribed', juliet)
    juliet.takes('unsubscribed', romeo)
    assert juliet.state(romeo) == ('none', None)
    assert romeo.state(juliet) is None
    romeo.leave()
    romeo.come()
    assert [e for e in romeo.client.sync() if e.get('type') == 'subscribe'] == []


def test_request_to_who_approved_already(people):
    """RFC 6121 section 3.1.3: the server answers for the contact."""
    juliet, romeo = people
    subscribe(juliet, romeo)
    juliet.send('subscribe', romeo)
    assert [e for e in romeo.client.sync_from(juliet.client) if e.tag.endswith('presence')] == []
    assert juliet.state(romeo) == ('to', None)


def test_cancel_by_the_contact(people):
    """RFC 6121 section 3.2: unavailable presence, unsubscribed, pushes."""
    juliet, romeo = people
    both(juliet, romeo)
    romeo.send('unsubscribed', juliet)
    assert juliet.sees(romeo).get('type') == 'unavailable'
    juliet.takes('unsubscribed', romeo)
    assert juliet.push(romeo) == ('from', None)
    assert romeo.push(juliet) == ('to', None)
    romeo.client.send('<presence><status>unseen</status></presence>')
    assert [e for e in juliet.client.sync_from(romeo.client) if e.tag.endswith('presence')] == []


def test_unsubscribe(people):
    """RFC 6121 section 3.3: who is subscribed goes; no presence comes any more."""
    juliet, romeo = people
    both(juliet, romeo)
    juliet.send('unsubscribe', romeo)
    assert juliet.push(romeo) == ('from', None)
    romeo.takes('unsubscribe', juliet)
    assert romeo.push(juliet) == ('to', None)
    assert juliet.sees(romeo).get('type') == 'unavailable'
    romeo.client.send('<presence><status>unseen</status></presence>')
    assert [e for e in juliet.client.sync_from(romeo.client)
            if e.tag.endswith('presence') and e.get('type') is None] == []


def test_removal_cancels_both_ways(people):
    """RFC 6121 section 2.5.2: removing a contact unsubscribes from it and it from the user."""
    juliet, romeo = people
    both(juliet, romeo)
    juliet.client.set(f"<query xmlns='jabber:iq:roster'><item jid='{romeo.bare}' "
                      "subscription='remove'/></query>")
    romeo.takes('unsubscribe', juliet)
    romeo.takes('unsubscribed', juliet)
    assert romeo.sees(juliet).get('type') == 'unavailable'
    romeo.client.sync_from(juliet.client)
    assert romeo.state(juliet) == ('none', None)
    assert juliet.state(romeo) is None


def test_pre_approval(people):
    """RFC 6121 section 3.4: an approval before the request; nobody is asked then."""
    juliet, romeo = people
    romeo.send('subscribed', juliet)
    item = find(romeo.client.iq(type='set'), 'roster:query/roster:item')
    assert (item.get('subscription'), item.get('approved')) == ('none', 'true')
    assert juliet.client.sync_from(romeo.client) == [], 'an approval that nobody asked for'
    juliet.send('subscribe', romeo)
    juliet.takes('subscribed', romeo)
    assert juliet.sees(romeo).get('type') is None
    assert [e for e in romeo.client.sync_from(juliet.client) if e.get('type') == 'subscribe'] == []
    assert romeo.state(juliet) == ('from', None)


def test_pre_approval_is_taken_back(people):
    """RFC 6121 section 3.4.2: by unsubscribed."""
    juliet, romeo = people
    romeo.send('subscribed', juliet)
    romeo.push(juliet)
    romeo.send('unsubscribed', juliet)
    romeo.push(juliet)
    juliet.send('subscribe', romeo)
    romeo.takes('subscribe', juliet)


@pytest.mark.parametrize('type', ['subscribed', 'unsubscribed', 'unsubscribe'])
def test_out_of_state(people, type):
    """RFC 6121 appendix A.3: what nobody asked for is not delivered and changes nothing."""
    juliet, romeo = people
    juliet.send(type, romeo)
    assert [e for e in romeo.client.sync_from(juliet.client)] == []
    assert romeo.state(juliet) is None


@pytest.mark.parametrize('type', ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'])
def test_oneself(people, type):
    """RFC 6121 section 3.1.1: one has no subscription to oneself."""
    juliet = people[0]
    juliet.client.send(f"<presence type='{type}' to='{juliet.bare}' id='s'/>")
    assert [condition(e) for e in juliet.client.sync()] in ([], ['bad-request'])
    assert juliet.state(juliet) is None


def test_full_jid_is_made_bare(people):
    """RFC 6121 section 3.1.1: a subscription is between bare JIDs."""
    juliet, romeo = people
    juliet.client.send(f"<presence type='subscribe' to='{romeo.client.jid}'/>")
    juliet.push(romeo)
    romeo.takes('subscribe', juliet)


def test_to_nobody(people, server):
    """RFC 6121 section 8.5.1: an account that does not exist takes no request; the item waits."""
    juliet = people[0]
    juliet.client.send("<presence type='subscribe' to='nobody@example.org'/>")
    item = find(juliet.client.iq(type='set'), 'roster:query/roster:item')
    assert item.get('ask') == 'subscribe'
    assert [e for e in juliet.client.sync() if e.get('type') == 'subscribed'] == []


def test_subscriptions_survive_a_restart(make_server):
    """RFC 6121 section 3: requests, approvals and states are durable."""
    server = make_server()
    juliet, romeo = (Person(server, account) for account in server.two_accounts())
    tybalt = Person(server, server.account('tybalt'))
    both(juliet, romeo)
    tybalt.send('subscribe', juliet)
    tybalt.push(juliet)
    juliet.takes('subscribe', tybalt)
    tybalt.send('subscribed', romeo)
    tybalt.push(romeo)
    for person in (juliet, romeo, tybalt):
        person.leave()
    server.stop()
    server.start()
    romeo.come()
    juliet.come()
    assert romeo.sees(juliet).get('type') is None
    assert juliet.state(romeo) == ('both', None)
    juliet.takes('subscribe', tybalt)
    romeo.send('subscribe', tybalt)
    romeo.takes('subscribed', tybalt)


def test_contacts_learn_of_a_deleted_account(people, server):
    """XEP-0077 section 3.2 and RFC 6121 section 2.5.2: as if it had removed them all."""
    juliet, romeo = people
    both(juliet, romeo)
    server.ctl('deluser', romeo.bare)
    assert romeo.client.stream_error() == 'not-authorized'
    juliet.takes('unsubscribe', romeo)
    juliet.takes('unsubscribed', romeo)
    juliet.client.sync()
    assert juliet.state(romeo) == ('none', None)

"""stanza against the server, over direct TLS by a transport of the test's own."""
from node_clients import play


def test_vcard_private_storage_and_blocking(server):
    """XEP-0054, XEP-0049 and XEP-0191 as this client speaks them."""
    one, two = server.two_accounts()
    assert play('personal_stanza.mjs', server, one, two) == [
        'vcard Juliet <Capulet> & co Juliet', 'room council@rooms.example.org true',
        'list []', f'push {two.jid}', f'blocked {two.jid}', 'out not-acceptable',
        'in service-unavailable', f'push {two.jid}', 'heard again']


def test_two_devices(server):
    """XEP-0280: each message once on each device. XEP-0352: the newest presence alone, and it
    comes before a message."""
    one, two = server.two_accounts()
    assert play('devices_stanza.mjs', server, one, two) == [
        'laptop: orchard said hello',
        'phone: orchard said hello, laptop sent yes',
        'laptop: phone sent me',
        'phone: nothing',
        'romeo: laptop said yes, phone said me',
        'phone: orchard is xa',
        'phone: orchard is chat, orchard said wake up']


def test_broken_connections(server):
    """XEP-0198 section 5: twice the session goes on, and nothing is lost or doubled in either
    direction. XEP-0313 section 4.3: pages forwards and backwards."""
    one, two = server.two_accounts()
    assert play('reliable_stanza.mjs', server, one, two) == [
        'she heard: before',
        'she heard: meanwhile one, again one',
        'he heard: written offline one',
        'she heard: meanwhile two, again two',
        'he heard: written offline two',
        'page: before, meanwhile one, again one false',
        'page: written offline one, meanwhile two, again two false',
        'page: written offline two true',
        'page: written offline one, meanwhile two, again two false',
        'page: before, meanwhile one, again one true']


def test_a_room(server):
    """XEP-0045 sections 7.2.6, 7.8.2, 8.2, 8.4, 9.3, 10.1.3, 10.9 and XEP-0313 in a room, as this
    client speaks them."""
    one, two = server.two_accounts()
    room = f'heath-{one.user}'
    assert play('rooms_stanza.mjs', server, one, two) == [
        'made: 110 201 owner moderator',
        'form: true',
        'refused: registration-required',
        # By the room, since there is a new member, and by the owner.
        f'she heard: invited to {room}, invited to {room}',
        'a visitor: forbidden',
        'the visitors: thirdwitch',
        'page: word 1, word 2, word 3 true',
        'she left: thirdwitch left 110,307',
        'anew: 110 201']


def test_nodes(server):
    """XEP-0060 sections 6, 7 and 8, XEP-0163 sections 3 and 4, as this client speaks them."""
    one, two = server.two_accounts()
    assert play('nodes_stanza.mjs', server, one, two) == [
        f'made: musings-{one.user}',
        'again: conflict',
        'subscribed: true subscribed',
        'heard: one one', 'heard: two two', 'heard: three three',
        'his: forbidden',
        'all: one, two, three',
        'first: one',
        'retracted: two',
        'none: item-not-found',
        'deleted: item-not-found',
        'tune: Heart of the Sunrise',
        'later: Yes']

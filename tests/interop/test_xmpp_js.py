"""@xmpp/client against the server, over STARTTLS and direct TLS."""
import pytest

from node_clients import play


@pytest.mark.parametrize('scheme', ['xmpp', 'xmpps'])
def test_two_people(server, scheme):
    """RFC 6120 and 6121 as this client speaks them: login, roster, messages, offline."""
    one, two = server.two_accounts()
    assert play('chat.mjs', server, one, two, scheme) == [
        'roster result', 'heard hello <you> true', 'answer and you', 'late later true']


def test_two_devices(server):
    """XEP-0280: each message once on each device. XEP-0352: the newest presence alone, and it
    comes before a message."""
    one, two = server.two_accounts()
    assert play('devices_xmpp.mjs', server, one, two) == [
        'laptop: orchard said hello',
        'phone: account received orchard said hello, account sent laptop said yes',
        'laptop: account sent phone said me',
        'phone: nothing',
        'romeo: laptop said yes, laptop said hush, phone said me',
        'phone: orchard is xa',
        'phone: orchard is chat, orchard said wake up']


def test_a_broken_connection(server):
    """XEP-0198 section 5: the session goes on, nothing is lost or doubled. XEP-0313 section 4.3:
    pages both ways."""
    one, two = server.two_accounts()
    assert play('reliable_xmpp.mjs', server, one, two) == [
        'came: before, meanwhile, again',
        'first page: before, meanwhile false',
        'next page: again true',
        'last page: again false']


def test_vcard_and_blocking(server):
    """XEP-0054 section 3: seen by others. XEP-0191 sections 3.2 to 3.5: the list, pushes to both
    resources, unavailable presence, errors both ways; and all is as before once it is lifted."""
    one, two = server.two_accounts()
    assert play('personal_xmpp.mjs', server, one, two) == [
        'vcard Juliet <Capulet> & co image/png 3',
        'not his: forbidden',
        'list: nothing', 'list: nothing',
        f'pushed: block spam.example {two.jid}, block spam.example {two.jid}',
        'he sees: unavailable',
        f'list: spam.example {two.jid}',
        'out: not-acceptable blocked',
        'in: service-unavailable',
        'ping: service-unavailable',
        f'pushed: unblock {two.jid}, unblock {two.jid}',
        'he sees: available',
        'she hears: again',
        'pushed: unblock all, unblock all',
        'list: nothing']

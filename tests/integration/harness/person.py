"""People with rosters, for tests of subscriptions."""
from harness.xmpp import find, findall

ROSTER = "<query xmlns='jabber:iq:roster'/>"


class Person:
    """A client whose roster is watched."""

    def __init__(self, server, account):
        self.server, self.account, self.bare = server, account, account.jid
        self.client = None
        self.come()

    def come(self):
        self.client = self.server.login(self.account)
        self.client.get(ROSTER)
        self.client.send('<presence/>')
        self.client.presence(from_=self.client.jid)

    def leave(self):
        self.client.send('</stream:stream>')
        self.client.wait_end()

    def send(self, type, other):
        self.client.send(f"<presence type='{type}' to='{other.bare}'/>")

    def takes(self, type, other):
        """The subscription stanza that comes next, from bare to bare."""
        stanza = self.client.presence(type=type)
        assert stanza.get('from') == other.bare
        assert stanza.get('to') == self.bare
        return stanza

    def push(self, other):
        """(subscription, ask) of the next push."""
        item = find(self.client.iq(type='set'), 'roster:query/roster:item')
        assert item.get('jid') == other.bare
        return item.get('subscription'), item.get('ask')

    def state(self, other):
        """(subscription, ask) as the roster has it, or None."""
        for item in findall(self.client.get(ROSTER), 'roster:query/roster:item'):
            if item.get('jid') == other.bare:
                return item.get('subscription'), item.get('ask')
        return None

    def sees(self, other):
        """Presence of the other's resource."""
        return self.client.presence(from_=other.client.jid)


def subscribe(juliet, romeo):
    """juliet subscribes to romeo, the whole way."""
    juliet.send('subscribe', romeo)
    assert juliet.push(romeo)[1] == 'subscribe'
    romeo.takes('subscribe', juliet)
    romeo.send('subscribed', juliet)
    juliet.takes('subscribed', romeo)
    juliet.push(romeo)
    romeo.push(juliet)
    assert juliet.sees(romeo).get('type') is None


def both(juliet, romeo):
    subscribe(juliet, romeo)
    subscribe(romeo, juliet)

"""Two shards, and accounts on both: what the other tests lean on."""
from harness import text_of


def crossings(server, sender, receiver):
    """How many mails between shards one message is."""
    before = server.stats()['stanzas_between_shards']
    sender.send(f"<message to='{receiver.jid}' id='m'><body>Hist!</body></message>")
    assert text_of(receiver.message(id='m'), 'body') == 'Hist!'
    return server.stats()['stanzas_between_shards'] - before


def test_two_accounts_live_on_different_shards(server):
    """two_accounts() keeps its promise, by the server's own count."""
    assert server.stats()['shards'] == 2
    juliet, romeo = (server.online(account) for account in server.two_accounts())
    assert crossings(server, juliet, romeo) == 1
    assert crossings(server, romeo, juliet) == 1


def test_one_account_lives_on_one_shard(server):
    """Messages between the resources of an account cross nothing."""
    account = server.account()
    first, second = server.online(account), server.online(account)
    assert crossings(server, first, second) == 0

"""Push end to end (XEP-0357): slixmpp registers, contrib/push-relay is the push service, and a web
server stands for what wakes the device."""
import asyncio
import json
import queue
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from test_slixmpp import SECONDS, Person

RELAY = Path(__file__).parents[2] / 'contrib' / 'push-relay'
SECRET = 'eruio234vzxc2kla-91'
SERVER = {'hosts': {'example.org': '', 'example.net': 'push_sender = true\npush_body = true'}}


class Device(BaseHTTPRequestHandler):
    """Takes what is posted to /here; is not to be found elsewhere."""

    def do_POST(self):
        notice = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.server.notices.put((self.path, notice))
        self.send_response(204 if self.path == '/here' else 410)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(name='device')
def fixture_device():
    web = HTTPServer(('127.0.0.1', 0), Device)
    web.notices = queue.Queue()
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield web
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture(name='relay')
def fixture_relay(server, device, tmp_path):
    """The JID of a push service that runs."""
    account = server.account()
    url = f'http://127.0.0.1:{device.server_port}'
    config = tmp_path / 'push-relay.ini'
    config.write_text(f"""
[relay]
jid = {account.jid}/relay
password = {account.password}
serves = example.org example.net
host = 127.0.0.1
port = {server.ports['c2s']}
ca_file = {server.certificate('example.org')}

[node here]
secret = {SECRET}
url = {url}/here

[node gone]
secret = {SECRET}
url = {url}/gone
""")
    process = subprocess.Popen([sys.executable, str(RELAY), str(config)],
                               stdout=subprocess.PIPE, text=True)
    ready = json.loads(process.stdout.readline())
    yield ready['ready']
    process.terminate()
    process.wait()
    process.stdout.close()


class Phone(Person):
    async def push(self, name, relay, node, secret=None):
        options = f"""<x xmlns='jabber:x:data' type='submit'>
            <field var='FORM_TYPE'>
            <value>http://jabber.org/protocol/pubsub#publish-options</value></field>
            <field var='secret'><value>{secret}</value></field></x>""" if secret else ''
        iq = self.make_iq_set()
        iq.append(ElementTree.fromstring(
            f"<{name} xmlns='urn:xmpp:push:0' jid='{relay}' node='{node}'>{options}</{name}>"))
        await iq.send(timeout=SECONDS)


def test_a_device_is_woken(server, device, relay):
    """Sections 4 to 7: it is told what the host tells, once it is not there, until it says so."""
    one, two = server.two_accounts('example.net')

    async def next_notice():
        return await asyncio.to_thread(device.notices.get, timeout=SECONDS)

    async def run():
        juliet = await Person(two, 'balcony').online(server)
        romeo = await Phone(one, 'phone').online(server)
        info = await romeo.plugin['xep_0030'].get_info(one.jid, timeout=SECONDS)
        assert 'urn:xmpp:push:0' in info['disco_info']['features']
        await romeo.push('enable', relay, 'here', SECRET)
        await romeo.disconnect()
        await asyncio.to_thread(server.gone_offline, one.jid)

        juliet.send_message(one.jid, 'Wherefore?', mtype='chat')
        assert await next_notice() == ('/here', {
            'node': 'here', 'message-count': '1', 'last-message-body': 'Wherefore?',
            'last-message-sender': f'{two.jid}/balcony'})
        juliet.send_message(one.jid, 'Romeo?', mtype='chat')
        path, notice = await next_notice()
        assert path == '/here' and notice['message-count'] == '2'

        romeo = await Phone(one, 'phone').online(server)
        for wanted in ('Wherefore?', 'Romeo?'):
            assert (await romeo.next_message())['body'] == wanted
        await romeo.push('disable', relay, 'here')
        await romeo.push('enable', relay, 'gone', SECRET)
        await romeo.disconnect()
        await asyncio.to_thread(server.gone_offline, one.jid)
        juliet.send_message(one.jid, 'still there?', mtype='chat')
        assert (await next_notice())[0] == '/gone'
        await asyncio.to_thread(server.wait_log, 'push_disabled', account=one.jid, service=relay)
        await juliet.disconnect()

    asyncio.run(run())
    assert device.notices.empty()


@pytest.mark.parametrize('node, secret', [('here', 'wrong'), ('here', None), ('none', SECRET)])
def test_who_does_not_know_the_secret_is_refused(server, device, relay, node, secret):
    """Sections 3.2 and 5: the node is for who has its credentials; 7.1: the server takes no for
    an answer."""
    one, two = server.two_accounts()

    async def run():
        romeo = await Phone(one, 'phone').online(server)
        juliet = await Person(two, 'balcony').online(server)
        await romeo.push('enable', relay, node, secret)
        await romeo.disconnect()
        await asyncio.to_thread(server.gone_offline, one.jid)
        juliet.send_message(one.jid, 'hello', mtype='chat')
        await asyncio.to_thread(server.wait_log, 'push_disabled', account=one.jid, service=relay)
        await juliet.disconnect()

    asyncio.run(run())
    assert device.notices.empty()


def test_the_service_says_what_it_is(server, relay):
    """Section 4.2, to who is subscribed to its presence; section 3.2: others cannot publish, and
    nobody can read."""
    romeo = server.account()

    async def run():
        person = await Phone(romeo, 'phone').online(server)
        bare = relay.partition('/')[0]
        person.send_presence_subscription(pto=bare)
        await person.presence_of(bare)
        info = await person.plugin['xep_0030'].get_info(relay, timeout=SECONDS)
        assert ('pubsub', 'push') in {each[:2] for each in info['disco_info']['identities']}
        assert 'urn:xmpp:push:0' in info['disco_info']['features']
        iq = person.make_iq_set(ito=relay)
        iq.append(ElementTree.fromstring(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='here'><item>"
            "<notification xmlns='urn:xmpp:push:0'/></item></publish></pubsub>"))
        with pytest.raises(IqError) as refused:
            await iq.send(timeout=SECONDS)
        assert refused.value.condition == 'not-allowed'
        await person.disconnect()

    asyncio.run(run())

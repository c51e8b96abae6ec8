"""Components made with libstentor, used by slixmpp: discovery, commands and forms as a client of
others sees them."""
import asyncio

import pytest

from harness.component import LISTENERS, section
from harness.program import Program, example
from test_slixmpp import Person

BOT = 'echo.example.org'
SERVER = {'top': LISTENERS + section(BOT)}


@pytest.fixture
def bot(server, tmp_path):
    program = example('echo-bot', tmp_path, BOT, '127.0.0.1', server.ports['component']).ready()
    yield program
    program.stop()


@pytest.fixture(autouse=True)
def no_program_stays():
    yield
    for program in list(Program.running):
        program.kill()


async def visitor(server):
    person = Person(server.account(), 'a')
    person.register_plugin('xep_0050')
    return await person.online(server)


def test_discovery(server, bot):
    """XEP-0030: among the services of the host, and by itself."""
    async def run():
        person = await visitor(server)
        items = await person.plugin['xep_0030'].get_items('example.org')
        assert BOT in {jid for jid, _, _ in items['disco_items']['items']}
        info = await person.plugin['xep_0030'].get_info(f'x@{BOT}')
        assert ('client', 'bot', None, 'Echo') in info['disco_info']['identities']
        version = await person.plugin['xep_0092'].get_version(BOT)
        assert version['software_version']['name'] == 'echo-bot'
        assert await person.plugin['xep_0199'].ping(f'x@{BOT}')
        person.leave()
    asyncio.run(run())


def test_commands(server, bot):
    """XEP-0050: listed, then one with two forms, which slixmpp reads and fills in."""
    async def run():
        person = await visitor(server)
        adhoc = person.plugin['xep_0050']
        listed = await adhoc.get_commands(BOT)
        assert {node for _, node, _ in listed['disco_items']['items']} == {'repeat', 'manners'}
        first = (await adhoc.send_command(BOT, 'manners'))['command']
        style = first['form'].get_fields()['style']
        assert style['type'] == 'list-single' and style['required']
        assert [option['value'] for option in style['options']] == ['plain', 'loud']
        assert first['actions'] == {'next'}
        session = first['sessionid']
        second = (await adhoc.send_command(BOT, 'manners', action='next', sessionid=session,
                                           payload=filled(person, style='loud')))['command']
        assert second['actions'] == {'prev', 'complete'}
        done = (await adhoc.send_command(BOT, 'manners', action='complete', sessionid=session,
                                         payload=filled(person, prefix='> ')))['command']
        assert done['status'] == 'completed'
        assert done['form'].get_values()['style'] == 'loud'
        person.send_message(f'x@{BOT}', 'hello', mtype='chat')
        assert (await person.next_message())['body'] == '> hello!'
        person.leave()
    asyncio.run(run())


def filled(person, **values):
    form = person.plugin['xep_0004'].make_form('submit')
    for var, value in values.items():
        form.add_field(var=var, value=value)
    return form

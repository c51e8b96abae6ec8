"""Fixtures that the folders of tests share."""
import pytest

from harness.client import Client
from harness.server import Server


def close_all():
    for client in list(Client.open_ones):
        client.close()


@pytest.fixture(scope='module')
def server(request):
    """One server for a module of tests; SERVER of the module holds its options."""
    made = Server(**getattr(request.module, 'SERVER', {}))
    try:
        yield made.start()
        close_all()
        made.stop()
    finally:
        made.remove()


@pytest.fixture
def make_server():
    """Makes servers for one test, by the options of Server. Those that still run at its end
    are stopped in order."""
    made = []

    def make(start=True, **options):
        server = Server(**options)
        made.append(server)
        return server.start() if start else server

    try:
        yield make
        close_all()
        for server in made:
            server.stop()
    finally:
        for server in made:
            server.remove()


@pytest.fixture(autouse=True)
def close_clients():
    yield
    close_all()


@pytest.fixture(scope='module')
def witness(server):
    """A client that stays online during all tests of the module."""
    client = server.online(server.account('witness'))
    Client.open_ones.discard(client)
    yield client
    client.close()


@pytest.fixture
def others_are_served(witness):
    """Whatever the test does, the server goes on serving another client."""
    yield
    witness.sync()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the servers of the test had to say."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for value in item.funcargs.values():
        for server in getattr(value, 'sites', [value]):
            if isinstance(server, Server) and server.starts and server.log_file.exists():
                report.sections.append(('log of the server', server.tail()))

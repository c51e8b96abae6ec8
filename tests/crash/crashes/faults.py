"""What else goes wrong, besides the crash."""
import asyncio


class Fault:
    """None."""

    expected = ()    # events of level error that the server may log

    def __init__(self, seed):
        pass

    def environment(self, folder):
        """Variables for the server."""
        return {}

    async def during(self, server, seconds):
        """The time of a load."""
        await asyncio.sleep(seconds)

    def after_kill(self, server):
        """Before the server starts again."""


FAULTS = {'none': Fault}

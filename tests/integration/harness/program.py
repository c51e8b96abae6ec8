"""Programs that stand on libstentor: the examples of the build that is tested."""
import os
import subprocess
import time
from pathlib import Path

from harness.server import Failed, environment

SECONDS = 60


def build_folder():
    return Path(os.environ['STENTORD']).resolve().parents[2]


class Program:
    """Runs, with its secret on standard input; what it says is kept."""

    running = set()

    def __init__(self, path, folder, *arguments, secret='test'):
        self.output = Path(folder) / f'{Path(path).name}-{time.monotonic_ns()}'
        with self.output.open('w') as out:
            self.process = subprocess.Popen([str(path), *map(str, arguments)], stdout=out,
                                            stderr=out, stdin=subprocess.PIPE, text=True,
                                            env=environment())
        self.process.stdin.write(f'{secret}\n')
        self.process.stdin.close()
        Program.running.add(self)

    def lines(self):
        return self.output.read_text().splitlines()

    def wait_line(self, wanted, count=1):
        """Until so many lines begin so."""
        deadline = time.monotonic() + SECONDS
        while sum(line.startswith(wanted) for line in self.lines()) < count:
            if time.monotonic() > deadline:
                raise Failed(f'never said {wanted!r}: {self.lines()}')
            time.sleep(0.02)
        return self

    def ready(self, count=1):
        return self.wait_line('ready', count)

    def wait(self):
        """The exit code."""
        code = self.process.wait(SECONDS)
        Program.running.discard(self)
        return code

    def stop(self):
        """In order."""
        self.process.terminate()
        code = self.wait()
        if code:
            raise Failed(f'ended with {code}: {self.lines()}')

    def kill(self):
        self.process.kill()
        self.wait()

    def memory(self):
        """Resident bytes that are its own."""
        rollup = Path(f'/proc/{self.process.pid}/smaps_rollup').read_text()
        fields = dict(line.split(':', 1) for line in rollup.splitlines()[1:])
        return sum(int(fields[name].split()[0]) * 1024
                   for name in ('Private_Clean', 'Private_Dirty'))


def example(name, folder, *arguments, **options):
    return Program(build_folder() / 'examples/component' / name, folder, *arguments, **options)

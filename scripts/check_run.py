"""The steps of ./check, each with its line, and the sum of what passed and failed.

A test is what its runner calls one: a program of Meson's, a case of pytest's, a fuzz target, a
script. A step that cannot run is one failed test, so that nothing that is missing passes.
"""
import argparse
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / 'build-logs'
TOTAL_SECONDS = 50 * 60
TAIL = 60  # lines of a log that are shown after a failure

# Tests with more than one thread, which ThreadSanitizer is to see.
THREADED = ['base/mailbox', 'net/*', 'store/*', 'core/*', 'server/*', 'lib/component']

# Rounds of tests/crash/run. An acknowledgement that comes too early shows where syncs take time.
CRASHES = [('none', 20), ('power-cut', 5), ('slow-sync', 5)]
MONKEY_SECONDS = 25

# Tests of the running server that ThreadSanitizer is to see.
SHARDS = [f'tests/integration/test_{name}.py' for name in
          ('shards', 'messages', 'offline', 'presence', 'registration', 'subscription', 'commands',
           'ctl_rooms', 'routes')]

SANITIZERS = {
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:abort_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}

# GCC takes the checks that its sanitizers put in for paths that the program can go.
NOT_FATAL = '-Dc_args=-Wno-error=format-truncation'

MESON_PASSED = {'OK', 'EXPECTEDFAIL'}


class Result(namedtuple('Result', 'passed failed skipped')):
    """How many passed, the names of those that failed, how many were skipped."""


class CannotRun(Exception):
    """A step that could not run, with the reason."""


def count_meson(text):
    """Of Meson's testlog.json: an object a line."""
    passed, failed, skipped = 0, [], 0
    for line in text.splitlines():
        test = json.loads(line)
        if test['result'] in MESON_PASSED:
            passed += 1
        elif test['result'] == 'SKIP':
            skipped += 1
        else:
            failed.append(f'{test["name"]} ({test["result"]})')
    return Result(passed, failed, skipped)


def count_junit(text):
    """Of pytest's report. A case can have both a failure and an error in its teardown."""
    passed, failed, skipped = 0, [], 0
    for case in ET.fromstring(text).iter('testcase'):
        found = {child.tag for child in case}
        if found & {'failure', 'error'}:
            failed.append(f'{case.get("classname", "")}::{case.get("name")}')
        elif 'skipped' in found:
            skipped += 1
        else:
            passed += 1
    return Result(passed, failed, skipped)


def count_unittest(text):
    """Of Python's unittest, run with -v."""
    passed = len(re.findall(r' \.\.\. ok$', text, re.M))
    failed = re.findall(r'^(\S+ .*) \.\.\. (?:FAIL|ERROR)$', text, re.M)
    return Result(passed, failed, 0)


def count_words(text):
    """Of run-fuzz: `ok NAME: ...` and `FAILED NAME: ...`."""
    return Result(len(re.findall(r'^ok \S+:', text, re.M)),
                  re.findall(r'^FAILED (\S+):', text, re.M), 0)


class Check:
    """One run: where the time goes, and the log that the current step writes."""

    def __init__(self):
        self.deadline = time.monotonic() + TOTAL_SECONDS
        self.log = None

    def run(self, *command, env=None, cwd=ROOT):
        """The exit code and the output, which also goes to the step's log. A command that
        is still running when the time is up is ended with all that it started."""
        command = [str(c) for c in command]
        with self.log.open('a') as log:
            log.write(f'$ {" ".join(command)}\n')
            log.flush()
            start = log.tell()
            process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True,
                                       env={**os.environ, **SANITIZERS, **(env or {})})
            try:
                code = process.wait(max(1, self.deadline - time.monotonic()))
            except BaseException as e:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if isinstance(e, subprocess.TimeoutExpired):
                    raise CannotRun(f'{command[0]} was not done in time') from None
                raise
        with self.log.open(errors='replace') as log:
            log.seek(start)
            return code, log.read()

    def need(self, *command, env=None):
        code, _ = self.run(*command, env=env)
        if code:
            raise CannotRun(f'{" ".join(map(str, command[:3]))} failed')

    def script(self, *command):
        """A program whose exit code says it all."""
        code, _ = self.run(*command)
        name = Path(command[0]).name
        return Result(0, [name], 0) if code else Result(1, [], 0)

    def setup(self, build, *options, env=None):
        """Configures a build folder, again if the options are not those of the last time."""
        stamp = ROOT / build / 'check-options'
        wanted = ' '.join([*options, *(f'{k}={v}' for k, v in (env or {}).items())])
        if not stamp.exists() or stamp.read_text() != wanted:
            again = ['--wipe'] if (ROOT / build / 'meson-private').exists() else []
            self.need('meson', 'setup', *again, build, '-Dwerror=true', *options, env=env)
            stamp.write_text(wanted)

    def ninja(self, build, *targets):
        self.need('ninja', '-C', build, *targets)

    def meson_test(self, build, *arguments):
        report = ROOT / build / 'meson-logs/testlog.json'
        report.unlink(missing_ok=True)
        code, _ = self.run(*steady(), 'meson', 'test', '-C', build, '--print-errorlogs', *arguments)
        if not report.exists():
            raise CannotRun('meson test left no report')
        result = count_meson(report.read_text())
        if code and not result.failed:
            raise CannotRun(f'meson test ended with {code}, but its report has no failure')
        return result


def steady():
    """The sanitizers of older compilers do not start where the kernel spreads addresses
    wider than they know; without that they do."""
    setarch = ['setarch', os.uname().machine, '-R']
    works = shutil.which('setarch') and subprocess.run([*setarch, 'true'],
                                                       capture_output=True).returncode == 0
    return setarch if works else []


def step_layers(check):
    return check.script('scripts/check-layers')


def step_scripts(check):
    passed, failed = 0, []
    for folder in ('scripts', 'tests/soak', 'tests/monkey'):
        code, out = check.run(sys.executable, '-m', 'unittest', 'discover', '-v', '-s', folder,
                              '-p', '*_test.py')
        result = count_unittest(out)
        if code and not result.failed:
            raise CannotRun(f'the tests of {folder}/ cannot be run')
        passed += result.passed
        failed += result.failed
    return Result(passed, failed, 0)


def step_headers(check):
    return check.script('scripts/check-headers')


def step_docs(check):
    return check.script('scripts/check-docs')


def setup_checked(check):
    """The build that the unit and integration tests share."""
    check.setup('build-check', '-Db_sanitize=address,undefined', NOT_FATAL)
    check.ninja('build-check')


def step_unit(check):
    setup_checked(check)
    return check.meson_test('build-check')


def step_tsan(check):
    check.setup('build-tsan', '-Db_sanitize=thread', NOT_FATAL)
    _, out = check.run('meson', 'introspect', '--tests', 'build-tsan')
    names = sorted({t['name'] for t in json.loads(out)
                    if any(fnmatch.fnmatch(t['name'], p) for p in THREADED)})
    if not names:
        raise CannotRun('there are no tests with threads')
    return check.meson_test('build-tsan', '--timeout-multiplier', '5', *names)


def run_pytest(check, build, name, *targets):
    """These folders and files against the server of a build."""
    for target in targets:
        if not (ROOT / target).exists():
            raise CannotRun(f'{target} is missing')
    report = LOGS / f'{name}.xml'
    report.unlink(missing_ok=True)
    server = ROOT / build / 'src/server'
    env = {'STENTORD': str(server / 'stentord'), 'STENTORCTL': str(server / 'stentorctl')}
    node = subprocess.run(['node', '--version'], capture_output=True, text=True).stdout
    if node.startswith('v18.'):
        env['NODE_OPTIONS'] = '--experimental-global-webcrypto'
    code, _ = check.run(*steady(), '.venv/bin/pytest', '-q', '--timeout=120',
                        f'--junitxml={report}', *targets, env=env)
    if not report.exists():
        raise CannotRun('pytest left no report')
    result = count_junit(report.read_text())
    if code and not result.failed:
        raise CannotRun(f'pytest ended with {code}, but its report has no failure')
    return result


def step_integration(check):
    setup_checked(check)
    return run_pytest(check, 'build-check', 'integration', 'tests/integration', 'tests/interop')


def step_crash(check):
    """Crashes under load, and the tests of what judges them; mischief in rooms."""
    setup_checked(check)
    build = ROOT / 'build-check'
    env = {'STENTORD': str(build / 'src/server/stentord'),
           'CRASH_SHIM': str(build / 'tests/crash/crash-shim.so')}
    code, out = check.run(sys.executable, '-m', 'unittest', 'discover', '-v', '-s', 'tests/crash',
                          '-p', '*_test.py', env=env)
    result = count_unittest(out)
    if code and not result.failed:
        raise CannotRun('the tests of tests/crash cannot be run')
    passed, failed = result.passed, result.failed
    commands = [('tests/crash/run', '--fault', fault, '--rounds', rounds)
                for fault, rounds in CRASHES]
    for command in [*commands, ('tests/monkey/run', '--seconds', MONKEY_SECONDS)]:
        code, out = check.run(*steady(), *command, env=env)
        result = count_words(out)
        if code and not result.failed:
            raise CannotRun(f'{" ".join(map(str, command[:3]))} failed')
        passed, failed = passed + result.passed, failed + result.failed
    return Result(passed, failed, 0)


def step_shards(check):
    """The whole server under ThreadSanitizer, with what makes stanzas cross between shards."""
    check.setup('build-tsan', '-Db_sanitize=thread', NOT_FATAL)
    check.ninja('build-tsan', 'src/server/stentord', 'src/server/stentorctl')
    return run_pytest(check, 'build-tsan', 'shards', *SHARDS)


def step_release(check):
    """What ./run builds, warnings being errors."""
    check.setup('build-release', '--buildtype=release')
    check.ninja('build-release')
    return Result(1, [], 0)


def setup_clang(check):
    check.setup('build-fuzz', '-Dfuzz=true', '-Db_sanitize=address,undefined', '-Db_lundef=false',
                '-Dc_args=-fsanitize=fuzzer-no-link', env={'CC': 'clang'})


def step_clang(check):
    setup_clang(check)
    check.ninja('build-fuzz')
    return Result(1, [], 0)


def step_fuzz(check):
    targets = sorted(ROOT.glob('tests/fuzz/*_fuzz.c'))
    if not targets:
        raise CannotRun('there are no fuzz targets')
    setup_clang(check)
    check.ninja('build-fuzz', *(f'tests/fuzz/fuzz_{t.name[:-len("_fuzz.c")]}' for t in targets))
    code, out = check.run(*steady(), 'tests/fuzz/run-fuzz', 'build-fuzz', '--seconds',
                          os.environ.get('FUZZ_SECONDS', '30'))
    result = count_words(out)
    if code and not result.failed:
        raise CannotRun('run-fuzz failed')
    return result


STEPS = {'layers': step_layers, 'scripts': step_scripts, 'headers': step_headers,
         'docs': step_docs, 'unit': step_unit,
         'integration': step_integration, 'crash': step_crash, 'release': step_release,
         'clang': step_clang, 'fuzz': step_fuzz, 'tsan': step_tsan, 'shards': step_shards}


def run_step(check, name):
    check.log = LOGS / f'{name}.log'
    check.log.unlink(missing_ok=True)
    print(f'{name:12} ', end='', flush=True)
    start = time.monotonic()
    try:
        result = STEPS[name](check)
        if not (result.passed or result.failed):
            raise CannotRun('no test ran')
    except CannotRun as e:
        result = Result(0, [f'{name}: {e}'], 0)
    skipped = f', {result.skipped} skipped' if result.skipped else ''
    print(f'{result.passed} passed, {len(result.failed)} failed{skipped}'
          f' ({time.monotonic() - start:.0f} s)', flush=True)
    if result.failed:
        for test in result.failed:
            print(f'    failed: {test}')
        text = check.log.read_text(errors='replace') if check.log.exists() else ''
        print(f'    {check.log.relative_to(ROOT)} ends:')
        for line in text.splitlines()[-TAIL:]:
            print(f'    | {line}')
    return result


def main():
    parser = argparse.ArgumentParser(prog='check', description='Runs the tests.')
    parser.add_argument('--list', action='store_true', help='name the steps')
    parser.add_argument('steps', nargs='*', metavar='STEP', help='only these')
    args = parser.parse_args()
    unknown = [s for s in args.steps if s not in STEPS]
    if unknown:
        parser.error(f'no step is named {unknown[0]}; there are: {" ".join(STEPS)}')
    if args.list:
        print('\n'.join(STEPS))
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    check = Check()
    results = [run_step(check, name) for name in args.steps or STEPS]
    passed = sum(r.passed for r in results)
    failed = sum(len(r.failed) for r in results)
    skipped = sum(r.skipped for r in results)
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())

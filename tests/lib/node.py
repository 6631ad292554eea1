# SPDX-License-Identifier: Apache-2.0
"""A node of a test's own, and the command line that talks to it."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Whoever runs tests in the background: what they start is to hear a Ctrl-C all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
START_S, COMMAND_S = 60, 60     # a sanitizer on a busy machine is slow; no command hangs for ever


def run(microburst, *args, stdin=b'', timeout=COMMAND_S):
    """A command: (exit code, standard output, standard error)."""
    done = subprocess.run([microburst, *args], input=stdin, capture_output=True, timeout=timeout,
                          check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors='replace')


def until(condition, seconds, what):
    """Waits until condition() is true; returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        late = time.monotonic() > end   # a look at what is so then counts, however long it takes
        result = condition()
        if result:
            return result
        if late:
            raise TimeoutError(what)
        time.sleep(0.02)


def children_of(parent):
    """{process id: (name, state)}, in the order in which they were started."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
                name, rest = f.read().split('(', 1)[1].rsplit(')', 1)
        except OSError:     # it has ended
            continue
        fields = rest.split()
        if int(fields[1]) == parent:
            found[int(pid)] = (int(fields[19]), name, fields[0])
    return {pid: row[1:] for pid, row in sorted(found.items(), key=lambda one: one[1][0])}


class Node:
    """`microburst up` in a folder that goes with it; within: a command that runs it elsewhere."""

    def __init__(self, microburst, *args, within=()):
        self.microburst = microburst
        self.folder = tempfile.mkdtemp(prefix='microburst-test-')
        self.socket = os.path.join(self.folder, 'socket')
        self.log = open(os.path.join(self.folder, 'log'), 'w+b')
        self.process = subprocess.Popen([*within, microburst, 'up', '--socket', self.socket, *args],
                                        stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True)
        try:
            until(lambda: self.process.poll() is not None or self.run('status')[0] == 0, START_S,
                  'a node that answers')
            if self.process.poll() is not None:
                raise RuntimeError('it ended')
        except (RuntimeError, TimeoutError) as error:
            self.stop()
            said = self.said()
            self.clear()
            raise RuntimeError('the node did not start:\n' + said) from error

    def run(self, *args, stdin=b''):
        return run(self.microburst, *args, '--socket', self.socket, stdin=stdin)

    def json(self, *args):
        return json.loads(self.run(*args, '--json')[1])

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode(errors='replace')

    def children(self):
        """Its zygote, executors, and what nobody has reaped."""
        return children_of(self.process.pid)

    def zygote(self):
        """Its process id; None while there is none. It is older than the executors that it forks,
        which change their name as they start."""
        return next((pid for pid, (name, state) in self.children().items()
                     if name.startswith('microburst-exe') and state != 'Z'), None)

    def executors(self):
        """Process ids of those that serve."""
        return [e['pid'] for e in self.json('ps')['executors'] if e['state'] == 'serving']

    def deploy(self, text, *args, name='functions.c'):
        """Deploys the functions of a C source; RuntimeError with what was said when that fails."""
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        code, _, said = self.run('deploy', path, *args)
        if code != 0:
            raise RuntimeError(said)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def clear(self):
        self.log.close()
        shutil.rmtree(self.folder)

    def remove(self):
        """The one way to be done with it: ends it, and its folder goes."""
        code = self.process.poll()
        if code:    # what else would be seen is that nobody can connect
            print(f'the node ended with {code}:\n' + self.said(), file=sys.stderr)
        self.stop()
        self.clear()

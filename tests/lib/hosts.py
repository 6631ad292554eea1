#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine: network namespaces, each with a link to one bridge.

    hosts.py up N [NAME]        NAME1 .. NAMEn with 10.77.0.1 .. and fd77::1 .. ; a shell in one:
                                ip netns exec NAME1 bash
    hosts.py down [NAME]        gone again

Their offloads are set: sums are complete and packets as long as the MTU, as on a wire. A cable is
made worse by badlink.c: hosts.worse(2, 'loss', '1%'). Rejected: netem, which not every kernel has,
and whose choices no seed repeats.
"""
import os
import re
import shutil
import subprocess
import sys

NET4, NET6 = '10.77.0.', 'fd77::'
HOSTS_MAX = 254     # of the addresses of NET4
# With a number behind it a link has 15 letters at most; and no name is another's with a number.
NAME_RE = '[A-Za-z]([A-Za-z0-9]{0,9}[A-Za-z])?'


def ip(*args):
    subprocess.run(['ip', *args], check=True, capture_output=True, text=True)


def missing():
    """Why there can be none here; None if there can."""
    if os.geteuid() != 0:
        return 'needs root'
    for tool in ('ip', 'ethtool'):
        if shutil.which(tool) is None:
            return f'needs {tool}'
    name = f'mbprobe{os.getpid()}'
    for words in ('add', name), ('exec', name, 'true'):     # a chroot has them, and cannot enter
        probe = subprocess.run(['ip', 'netns', *words], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            break
    subprocess.run(['ip', 'netns', 'del', name], capture_output=True, check=False)
    return 'no network namespaces: ' + probe.stderr.strip() if probe.returncode != 0 else None


def naming(file, *args):
    """A command line that runs with this file as its /etc/hosts: in a mount namespace."""
    return ['unshare', '-m' if os.geteuid() == 0 else '-rm', 'sh', '-c',
            'mount --bind "$0" /etc/hosts && exec "$@"', file, *args]


def no_naming(file, name, first):
    """Why there is none here, or why the name's first address is another; None if all is well."""
    done = subprocess.run(naming(file, 'getent', 'ahosts', name), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        return 'no mount namespaces: ' + done.stderr.strip()
    if not done.stdout.startswith(first + ' '):
        return 'names are looked up elsewhere, or in another order: ' + done.stdout
    return None


class Hosts:
    """n hosts, until down(). badlink: the program of that name, for worse()."""

    def __init__(self, n, name='mbh', badlink=None):
        self.name, self.n, self.badlink = name, n, badlink
        self.relays = {}
        self.down()
        try:
            self.up()
        except subprocess.CalledProcessError as error:
            self.down()
            raise RuntimeError(f'{error.cmd}: {error.stderr}') from error
        except BaseException:   # a Ctrl-C
            self.down()
            raise

    def space(self, i):
        return f'{self.name}{i}'

    def link(self, i):
        """The host's end is eth0 in its namespace; this is the bridge's, in a space of its own."""
        return f'{self.name}p{i}'

    def up(self):
        hub = self.name + 'hub'
        ip('netns', 'add', hub)
        for which in ('all', 'default'):    # nobody here speaks, all pass on
            self.run(hub, 'sh', '-c', f'echo 1 >/proc/sys/net/ipv6/conf/{which}/disable_ipv6')
        ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge')
        ip('-n', hub, 'link', 'set', 'br0', 'up')
        for i in range(1, self.n + 1):
            space, link = self.space(i), self.link(i)
            ip('netns', 'add', space)
            ip('-n', hub, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns',
               space)
            for where, dev in ((space, 'eth0'), (hub, link)):
                self.plain(where, dev)
            ip('-n', hub, 'link', 'set', link, 'master', 'br0')
            ip('-n', hub, 'link', 'set', link, 'up')
            ip('-n', space, 'link', 'set', 'lo', 'up')
            ip('-n', space, 'addr', 'add', f'{NET4}{i}/24', 'dev', 'eth0')
            ip('-n', space, 'addr', 'add', f'{NET6}{i}/64', 'dev', 'eth0', 'nodad')
            ip('-n', space, 'link', 'set', 'eth0', 'up')

    def run(self, space, *args):
        done = subprocess.run(['ip', 'netns', 'exec', space, *args], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f'{args}: {done.stderr}')

    def within(self, i, *args):
        """A command line that runs in host i."""
        return ['ip', 'netns', 'exec', self.space(i), *args]

    def plain(self, space, dev):
        """No offloads: what is sent is what comes."""
        self.run(space, 'ethtool', '-K', dev, 'tx', 'off', 'rx', 'off', 'tso', 'off', 'gso', 'off',
                 'gro', 'off', 'txvlan', 'off', 'rxvlan', 'off')

    def worse(self, i, *how, seed=1):
        """What goes to host i is lost, late, doubled ... as badlink.c says; well with nothing.
        Returns: what the bad cable before had done, {'passed': 5, 'lost': 1, ...}."""
        hub, link, to = self.name + 'hub', self.link(i), f'{self.name}q{i}'
        counts = self.well(i)
        if how:
            far = f'{self.name}r{i}'
            ip('-n', hub, 'link', 'add', to, 'type', 'veth', 'peer', 'name', far)
            for dev in (to, far):
                self.plain(hub, dev)
                ip('-n', hub, 'link', 'set', dev, 'up')
            relay = subprocess.Popen(['ip', 'netns', 'exec', hub, self.badlink, link, far,
                                      str(seed), *how], stdout=subprocess.PIPE, text=True)
            self.relays[i] = relay
            if relay.stdout.readline() != 'ready\n':
                self.well(i)
                raise RuntimeError(f'badlink {how} did not start')
            ip('-n', hub, 'link', 'set', link, 'nomaster')
            ip('-n', hub, 'link', 'set', to, 'master', 'br0')
        return counts

    def well(self, i):
        """Host i's link is at the bridge again."""
        relay = self.relays.pop(i, None)
        if relay is None:
            return {}
        relay.terminate()
        words = relay.communicate(timeout=30)[0].split()
        hub = self.name + 'hub'
        ip('-n', hub, 'link', 'del', f'{self.name}q{i}')
        ip('-n', hub, 'link', 'set', self.link(i), 'master', 'br0')
        return dict(zip(words[::2], map(int, words[1::2])))

    def cut(self, i, off=True):
        """Host i's cable is pulled, or put in again."""
        ip('-n', self.name + 'hub', 'link', 'set', self.link(i), 'down' if off else 'up')

    def down(self):
        for relay in self.relays.values():
            relay.terminate()
            relay.communicate(timeout=30)
        self.relays = {}
        listed = subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True,
                                check=False).stdout.split()
        for space in listed:
            rest = space[len(self.name):]
            if space.startswith(self.name) and (rest.isdigit() or rest == 'hub'):
                ip('netns', 'del', space)


def main():
    args = sys.argv[1:]
    if not args or args[0] not in ('up', 'down'):
        sys.exit(__doc__)
    if args[0] == 'up' and (not args[1:2] or not args[1].isdecimal() or
                            not 0 < int(args[1]) <= HOSTS_MAX):
        sys.exit(f'hosts: N is a number from 1 to {HOSTS_MAX}')
    name = (args[2:] if args[0] == 'up' else args[1:]) or ['mbh']
    if len(name) > 1 or not re.fullmatch(NAME_RE, name[0]):
        sys.exit('hosts: NAME is 1 to 11 letters and digits, a letter first and last')
    why = missing()
    if why:
        sys.exit('hosts: ' + why)
    if args[0] == 'up':
        made = Hosts(int(args[1]), *name)
        for i in range(1, made.n + 1):
            print(f'{made.space(i)}: {NET4}{i}, {NET6}{i}')
    else:
        made = Hosts.__new__(Hosts)
        made.name, made.relays = name[0], {}
        made.down()


if __name__ == '__main__':
    main()

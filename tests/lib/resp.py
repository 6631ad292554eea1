# SPDX-License-Identifier: Apache-2.0
"""A Redis client that says bytes and hears them, and what it takes to find a node's gate."""
import re
import socket
import unittest

from node import Node

ANSWER_S = 60


def port_of(node, over=''):
    """Where a node serves Redis clients (gate.listen ends with :0); over ' over TLS': encrypted."""
    return int(re.search(f'^Redis clients{over}: port ([0-9]+)', node.said(), re.M).group(1))


class Raw:
    """A client that says bytes."""

    def __init__(self, port=None, path=None, tls=None):
        if path:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.connect(path)
        else:
            self.s = socket.create_connection(('127.0.0.1', port))
        self.s.settimeout(ANSWER_S)
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname='localhost')
        self.buffer = bytearray()

    def send(self, data):
        self.s.sendall(data)

    def say(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.send(b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words))

    def fill(self):
        got = self.s.recv(1 << 16)
        if not got:
            raise EOFError
        self.buffer += got

    def line(self):
        while b'\r\n' not in self.buffer:
            self.fill()
        return self.cut(self.buffer.index(b'\r\n') + 2)[:-2]

    def cut(self, n):
        out = bytes(self.buffer[:n])
        del self.buffer[:n]
        return out

    def take(self, n):
        while len(self.buffer) < n:
            self.fill()
        return self.cut(n)

    def answer(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind in (b'$', b'='):
            if rest == b'-1':
                return None
            value = self.take(int(rest) + 2)
            return value[:-2]
        if kind == b':':
            return int(rest)
        if kind in (b'+', b'-', b',', b'#'):
            return line.decode(errors='replace')
        if kind == b'_':
            return None
        if kind in (b'*', b'~', b'>'):
            return None if rest == b'-1' else [self.answer() for _ in range(int(rest))]
        if kind == b'%':
            return {self.key(): self.answer() for _ in range(int(rest))}
        raise AssertionError(f'no reply: {line!r}')

    def key(self):
        return self.answer()

    def __call__(self, *words):
        self.say(*words)
        return self.answer()

    def ended(self):
        """True when the server has closed the connection."""
        try:
            while True:
                self.fill()
        except (EOFError, ConnectionResetError):
            return True
        except socket.timeout:
            return False

    def close(self):
        self.s.close()


class Typed(Raw):
    """One that also tells what each answer is: (the first byte of its line, value)."""

    def answer(self):
        line = self.line()
        kind, rest = chr(line[0]), line[1:]
        if kind in '$=' and rest != b'-1':
            return kind, self.take(int(rest) + 2)[:-2]
        if kind in '*~>' and rest != b'-1':
            return kind, [self.answer() for _ in range(int(rest))]
        if kind == '%':
            return kind, [(self.answer(), self.answer()) for _ in range(int(rest))]
        return kind, rest


# A function that counts a key up: fcall next 1 KEY.
NEXT = r"""
#include <microburst/function.h>

MB_FUNCTION(next)
{
    struct mb_slice key;
    int64_t n;

    MB_TRY(mb_arg_utf8(call, 0, &key));
    MB_TRY(mb_incr(call, key, 1, &n));
    return mb_return_i64(call, n);
}
"""


class GateTest(unittest.TestCase):
    """A node with a gate, and clients of it, for a test."""

    def start(self, microburst, *settings):
        self.node = Node(microburst, *(x for s in ('gate.listen=127.0.0.1:0', *settings)
                                       for x in ('--set', s)))
        self.addCleanup(self.node.remove)
        self.port = port_of(self.node)

    def client(self):
        c = Raw(self.port)
        self.addCleanup(c.close)
        return c

    def metric(self, name):
        return sum(t['metrics'].get(name, 0) for t in self.node.json('status')['tiles'])

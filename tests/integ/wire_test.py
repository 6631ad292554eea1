#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""wire_test.py MICROBURST

Goal:   who writes a client from dataplane/net/flow/wire.h, seal.h and executor/call/rpc.h alone is
        served, with a key and without: a greeting, requests of one segment and of many, what a
        node says of a session that it does not know.
Method: such a client, of Python's; nothing of the library's.
"""
import ctypes
import ctypes.util
import os
import random
import socket
import struct
import sys
import time
import unittest

MICROBURST = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, COMMAND_S    # pylint: disable=wrong-import-position

PROTO, HEAD = 0xb1, struct.Struct('<BBBBHHQQIIII')
HELLO, WELCOME, REQUEST, REPLY, ACK, _, RESET = range(1, 8)
OPEN, TO_ACK, OF_REPLY = 1, 2, 4
LOOK, KEYS, RPC_HELLO = 4, 8, 10
NOT_FOUND = -3
ASK, ANSWER = struct.Struct('<BBHIQqQ'), struct.Struct('<hHIqII')
NONCE, TAG = 24, 16
KEY = random.Random(6).randbytes(32)
SODIUM = ctypes.util.find_library('sodium')


def sealed(encrypt, text, head, by_server, nonce):
    """text encrypted, or decrypted; None if it is not what was sealed."""
    lib = ctypes.CDLL(SODIUM)
    name = 'crypto_aead_xchacha20poly1305_ietf_' + ('encrypt' if encrypt else 'decrypt')
    out, out_len = ctypes.create_string_buffer(len(text) + TAG), ctypes.c_ulonglong()
    more, size = head + bytes([by_server]), ctypes.c_ulonglong
    tail = more, size(len(more))
    args = ((text, size(len(text)), *tail, None) if encrypt else
            (None, text, size(len(text)), *tail))
    rc = getattr(lib, name)(out, ctypes.byref(out_len), *args, nonce, KEY)
    return out.raw[:out_len.value] if rc == 0 else None


class Client:
    """One session with one tile."""

    def __init__(self, port, key=0):
        self.key, self.mss = key, 1120
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(COMMAND_S)
        self.socket.connect(('127.0.0.1', port))
        self.client, self.session, self.id, self.flags = random.randrange(1, 1 << 32), 0, 0, OPEN

    def send(self, kind, body=b'', flags=0, number=0, **more):
        head = HEAD.pack(PROTO, kind, flags, self.key, len(body), more.get('mss', self.mss),
                         self.session, number, self.client, more.get('off', 0),
                         more.get('total', 0), more.get('word', 0))
        if self.key:
            nonce = os.urandom(NONCE)
            text = sealed(True, body, head, 0, nonce)
            body = text[:-TAG] + nonce + text[-TAG:]
        self.socket.send(head + body)

    def recv(self):
        """(kind, flags, mss, id, off, total, word, body)"""
        data = self.socket.recv(65536)
        head, body = data[:HEAD.size], data[HEAD.size:]
        proto, kind, flags, key, length, mss, session, number, client, off, total, word = \
            HEAD.unpack(head)
        if self.key:
            text, nonce, tag = body[:length], body[length:length + NONCE], body[length + NONCE:]
            body = sealed(False, text + tag, head, 1, nonce)
        if (proto, key, client, len(body)) != (PROTO, self.key, self.client, length):
            raise ValueError(data.hex())
        if kind == WELCOME:
            self.session = session
        elif session != self.session:
            raise ValueError(data.hex())
        return kind, flags, mss, number, off, total, word, body

    def greet(self):
        """Returns: the node's incarnation."""
        self.send(HELLO, bytes(self.mss), number=77)
        kind, _, mss, number, _, _, word, body = self.recv()
        if (kind, mss, number, word, len(body)) != (WELCOME, self.mss, 77, 256, self.mss):
            raise ValueError((kind, mss, number, word))
        return int.from_bytes(body[:8], 'little')

    def begin(self, message):
        """Sends the first segment of a request, of one that is short all."""
        self.id += 1
        self.send(REQUEST, message[:self.mss], self.flags, self.id, total=len(message),
                  word=self.id - 1)

    def ask(self, rpc, name=b'', payload=b''):
        """Returns: (error, n, payload)"""
        self.begin(request(rpc, name, payload))
        return self.answer()

    def answer(self):
        kind, flags, _, number, off, total, _, body = self.recv()
        if (kind, flags, number, off, total) != (REPLY, 0, self.id, 0, len(body)):
            raise ValueError((kind, flags, number, off, total))
        self.flags = 0
        err, _, _, n, length, zero = ANSWER.unpack(body[:ANSWER.size])
        if (length, zero) != (len(body) - ANSWER.size, 0):
            raise ValueError((length, zero))
        return err, n, body[ANSWER.size:]


def request(rpc, name=b'', payload=b''):
    pad = bytes(-(ASK.size + len(name)) % 8)
    return ASK.pack(rpc, 0, len(name), len(payload), 0, 0, 0) + name + pad + payload


def two_ports():
    """The first of two beside each other that nobody has."""
    while True:
        port = random.randrange(20000, 32000)
        try:
            for p in port, port + 1:
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                    s.bind(('::', p))
            return port
        except OSError:
            continue


class Wire(unittest.TestCase):
    KEYS = 0

    @classmethod
    def setUpClass(cls):
        cls.port = two_ports()
        args = ['--set', f'net.listen=udp://127.0.0.1:{cls.port}', '--set', 'net.tiles=2']
        if cls.KEYS:
            if SODIUM is None:
                raise unittest.SkipTest('needs libsodium.so')
            cls.file = f'/tmp/microburst-wire-{os.getpid()}'
            with open(os.open(cls.file, os.O_WRONLY | os.O_CREAT, 0o600), 'w',
                      encoding='ascii') as f:
                f.write(f'{cls.KEYS} {KEY.hex()}\n')
            cls.addClassCleanup(os.unlink, cls.file)
            args += ['--set', 'net.keys=' + cls.file]
        cls.node = Node(MICROBURST, *args)
        cls.addClassCleanup(cls.node.remove)
        cls.node.run('set', 'there', 'value')

    def client(self, tile=0):
        client = Client(self.port + tile, self.KEYS)
        self.addCleanup(client.socket.close)
        return client

    def test_requests(self):
        client = self.client()
        client.greet()
        err, node, told = client.ask(RPC_HELLO)
        ms, us, _, *ways = struct.unpack('<QQIIHH', told)
        self.assertEqual((err, ways), (0, [2, self.port, self.port + 1]))
        for seconds in ms / 1e3, us / 1e6:
            self.assertAlmostEqual(seconds, time.time(), delta=COMMAND_S)
        self.assertNotEqual(node, 0)
        self.assertEqual(client.ask(LOOK, b'not there')[0], NOT_FOUND)
        err, _, envelope = client.ask(LOOK, b'there')
        self.assertEqual((err, b'value' in envelope), (0, True))
        err, _, keys = client.ask(KEYS, payload=b'the')
        self.assertEqual((err, b'there' in keys), (0, True))

    def test_a_long_one(self):
        """Its first segment is granted all; the others come in the wrong order."""
        client = self.client()
        client.greet()
        message = request(KEYS, payload=b'x' * 5000)
        client.begin(message)
        kind, flags, mss, number, off, total, word, _ = client.recv()
        self.assertEqual((kind, flags, mss, number, off, total, word),
                         (ACK, 0, client.mss, 1, client.mss, len(message), len(message)))
        for at in range(client.mss * (len(message) // client.mss), 0, -client.mss):
            client.send(REQUEST, message[at:at + client.mss], OPEN, 1, off=at, total=len(message))
            if at == 3 * client.mss:    # the last two are there
                told = client.recv()
                while told[7][0] != 0b1100:
                    self.assertEqual((told[0], told[4]), (ACK, client.mss))
                    told = client.recv()
        kind = ACK
        while kind == ACK:
            kind, _, _, number, _, total, _, body = client.recv()
        self.assertEqual((kind, number, len(body)), (REPLY, 1, total))

    def test_of_a_session_that_is_not_known(self):
        """Another tile says so, and that it is another; whose request is not run."""
        first, second = self.client(0), self.client(1)
        known = first.greet()
        self.assertEqual(second.greet() ^ known, 1)
        second.client, second.session = first.client, first.session
        second.begin(request(RPC_HELLO))
        kind, _, _, number, off, total, word, body = second.recv()
        self.assertEqual((kind, number, body), (RESET, 1, b''))
        self.assertEqual((total << 32 | off) ^ known, 1)
        self.assertLessEqual(word, 10000)
        self.assertEqual(first.ask(RPC_HELLO)[0], 0)


class Sealed(Wire):
    KEYS = 9

    def test_another_key(self):
        """Its number is one that the node has not: no answer comes before that of who has it."""
        stranger = Client(self.port, 8)
        self.addCleanup(stranger.socket.close)
        stranger.send(HELLO, bytes(1120), number=5)
        self.client().greet()
        stranger.socket.setblocking(False)
        self.assertRaises(BlockingIOError, stranger.recv)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)

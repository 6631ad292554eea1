# SPDX-License-Identifier: Apache-2.0
"""The client library, as far as tests call DAGs by it: many at a time, with options."""
import ctypes
import json

WAIT_NS = 60 * 10**9
I64, UTF8, INVALID = 2, 4, 9    # enum mb_type


class Value(ctypes.Structure):
    _fields_ = [('type', ctypes.c_int), ('i64', ctypes.c_int64), ('f64', ctypes.c_double),
                ('p', ctypes.c_void_p), ('len', ctypes.c_size_t)]


class Reply(ctypes.Structure):
    _fields_ = [('call', ctypes.c_uint64), ('err', ctypes.c_int), ('cnt', ctypes.c_uint32),
                ('value', ctypes.POINTER(Value)), ('text', ctypes.c_char_p),
                ('run_ns', ctypes.c_uint32), ('executor', ctypes.c_uint32),
                ('name', ctypes.c_uint64), ('internal', ctypes.c_void_p)]


class DagArg(ctypes.Structure):
    _fields_ = [('function', ctypes.c_char_p), ('arg', ctypes.POINTER(Value)),
                ('arg_cnt', ctypes.c_size_t)]


class Options(ctypes.Structure):
    _fields_ = [('deadline_ns', ctypes.c_uint64), ('level', ctypes.c_int), ('ack', ctypes.c_int),
                ('request_id', ctypes.c_uint64), ('trace', ctypes.c_bool)]


def value_of(x):
    """An integer or a text."""
    if isinstance(x, int):
        return Value(type=I64, i64=x)
    text = x.encode()
    return Value(type=UTF8, p=ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p), len=len(text))


class Client:
    """The client library, as far as it is needed here."""

    def __init__(self, library, where):
        self.lib = ctypes.CDLL(library)
        self.lib.mb_err_name.restype = ctypes.c_char_p
        self.lib.mb_call_wait.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(Reply))
        self.lib.mb_dag_start.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(DagArg),
                                          ctypes.c_size_t, ctypes.POINTER(Options),
                                          ctypes.POINTER(ctypes.c_uint64))
        self.lib.mb_request_id.restype = ctypes.c_uint64
        self.lib.mb_request_id.argtypes = (ctypes.c_void_p,)
        self.lib.mb_client_now_us.restype = ctypes.c_int64
        self.libc = ctypes.CDLL(None)
        self.c = ctypes.c_void_p()
        err = self.lib.mb_client_open(ctypes.byref(self.c), where.encode())
        if err != 0:
            raise RuntimeError(self.name(err))

    def close(self):
        self.lib.mb_client_close(self.c)

    def name(self, err):
        return self.lib.mb_err_name(err).decode()

    def admin(self, **request):
        """Its answer; with "error" if it was refused."""
        at = ctypes.c_void_p()
        err = self.lib.mb_client_admin(self.c, json.dumps(request).encode(), None,
                                       ctypes.c_size_t(0), ctypes.byref(at))
        if not at:
            return {'error': self.name(err), 'text': 'too long to be sent'}
        answer = json.loads(ctypes.string_at(at))
        self.libc.free(at)
        return answer

    def now_us(self):
        return self.lib.mb_client_now_us(self.c)

    def request_id(self):
        return self.lib.mb_request_id(self.c)

    def start(self, dag, args, **options):
        """args: vertex name to integers and texts. Returns the call's id, or an error's name."""
        rows = []
        for vertex, own in args.items():
            values = (Value * len(own))(*map(value_of, own))
            rows.append(DagArg(vertex.encode(), values, len(own)))
        call = ctypes.c_uint64()
        err = self.lib.mb_dag_start(self.c, dag.encode(), (DagArg * len(rows))(*rows), len(rows),
                                    ctypes.byref(Options(**options)), ctypes.byref(call))
        return call.value if err == 0 else self.name(err)

    def wait(self):
        """An answer: (call, what it returned or its error's name, what is said to that)."""
        reply = Reply()
        if self.lib.mb_call_wait(self.c, WAIT_NS, ctypes.byref(reply)) != 1:
            return None, 'no answer', ''
        values = [reply.value[i] for i in range(reply.cnt)] if reply.err == 0 else ()
        result = tuple(v.i64 if v.type == I64 else None if v.type == INVALID else ('type', v.type)
                       for v in values)
        answer = (reply.call, result if reply.err == 0 else self.name(reply.err),
                  reply.text.decode(errors='replace'))
        self.lib.mb_reply_free(self.c, ctypes.byref(reply))
        return answer

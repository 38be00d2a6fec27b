# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's C functions, out of the shared library of the PyPI package xllamacpp: logits and tokens of a GGUF file.

The package's own class serves completions only. Parameters are structures that change with every version: they are taken as they come
from llama.cpp and passed back, and only the leading numbers of the context's, which are old, are set. x86-64's calling convention gives
such structures in memory, where being longer than they are does no harm.
"""

import ctypes
import importlib.util
import pathlib

import numpy as np


class Parameters(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint32 * 256)]


class Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def open_library():
    spec = importlib.util.find_spec("xllamacpp")
    (path,) = pathlib.Path(spec.origin).parent.glob("xllamacpp*.so")
    library = ctypes.CDLL(str(path))
    pointer, integer = ctypes.c_void_p, ctypes.c_int32
    for name, result, arguments in (
        ("llama_model_default_params", Parameters, []),
        ("llama_context_default_params", Parameters, []),
        ("llama_model_load_from_file", pointer, [ctypes.c_char_p, Parameters]),
        ("llama_init_from_model", pointer, [pointer, Parameters]),
        ("llama_model_get_vocab", pointer, [pointer]),
        ("llama_vocab_n_tokens", integer, [pointer]),
        ("llama_batch_init", Batch, [integer] * 3),
        ("llama_batch_free", None, [Batch]),
        ("llama_decode", integer, [pointer, Batch]),
        ("llama_get_logits", ctypes.POINTER(ctypes.c_float), [pointer]),
        ("llama_tokenize", integer, [pointer, ctypes.c_char_p, integer, ctypes.POINTER(integer), integer, ctypes.c_bool, ctypes.c_bool]),
        ("llama_free", None, [pointer]),
        ("llama_model_free", None, [pointer]),
        ("llama_log_set", None, [LOG, pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class LlamaCpp:
    """One model. Texts of at most `length` tokens."""

    library = None
    quiet = LOG(lambda level, text, data: None)

    def __init__(self, path, length=512):
        if LlamaCpp.library is None:
            LlamaCpp.library = open_library()
            self.library.llama_log_set(self.quiet, None)
        self.length = length
        self.model = self.library.llama_model_load_from_file(str(path).encode(), self.library.llama_model_default_params())
        if not self.model:
            raise ValueError(f"llama.cpp does not load {path}")
        self.vocab = self.library.llama_model_get_vocab(self.model)
        self.vocab_size = self.library.llama_vocab_n_tokens(self.vocab)

    def close(self):
        self.library.llama_model_free(self.model)

    def tokenize(self, text, special=True):
        data = text.encode()
        ids = (ctypes.c_int32 * (len(data) + 8))()
        count = self.library.llama_tokenize(self.vocab, data, len(data), ids, len(ids), special, True)
        return list(ids[:count])

    def logits(self, tokens):
        """[tokens, vocabulary] fp32, of one pass over at most `length` tokens."""
        parameters = self.library.llama_context_default_params()
        for place, value in enumerate((self.length, self.length, self.length, 1)):  # n_ctx, n_batch, n_ubatch, n_seq_max
            parameters.words[place] = value
        context = self.library.llama_init_from_model(self.model, parameters)
        batch = self.library.llama_batch_init(self.length, 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, i, 1, 0, 1
        try:
            if self.library.llama_decode(context, batch) != 0:
                raise ValueError("llama_decode failed")
            return np.ctypeslib.as_array(self.library.llama_get_logits(context), (len(tokens), self.vocab_size)).copy()
        finally:
            self.library.llama_batch_free(batch)
            self.library.llama_free(context)

    def greedy(self, tokens, count):
        tokens = list(tokens)
        for _ in range(count):
            tokens.append(int(self.logits(tokens)[-1].argmax()))
        return tokens[-count:]


def mean_loss(logits, tokens):
    """Mean cross entropy of each token but the first, in fp64."""
    rows = logits[:-1].astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    scores = rows[np.arange(len(rows)), tokens[1:]] - np.log(np.exp(rows).sum(axis=1))
    return -scores.mean()

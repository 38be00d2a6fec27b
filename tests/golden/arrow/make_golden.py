#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files that tests/engine/calibration/arrow_file_test.cc reads, with PyPI `pyarrow` (scripts/requirements-arrow.txt)."""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

HERE = Path(__file__).resolve().parent


def texts():
    table = {
        "id": pa.array([1, 2, 3, 4]),
        "text": pa.array([" one\n", "zwei é", None, "vier"]),
        "note": pa.array(["a", "b", "a", "c"]).dictionary_encode(),
        "when": pa.array([0, 1, 2, 3], pa.timestamp("s")),
    }
    return pa.table(table)


def chats():
    turn = pa.struct([("role", pa.string()), ("content", pa.large_string()), ("score", pa.float64()), ("seen", pa.bool_())])
    first = [{"role": "user", "content": "Hi", "score": 0.5, "seen": True}, {"role": "assistant", "content": "Ho", "score": None, "seen": None}]
    return pa.table({"messages": pa.array([first, [first[0]]], pa.list_(turn)), "n": pa.array([1, 2])})


def ids():
    return pa.table({"input_ids": pa.array([[1, 2, 3], [4], []], pa.list_(pa.int32()))})


def main():
    pyarrow.parquet.write_table(texts(), HERE / "texts.parquet", compression="zstd", row_group_size=3)
    pyarrow.parquet.write_table(chats(), HERE / "chats.parquet", compression="snappy")
    pyarrow.parquet.write_table(ids(), HERE / "ids.parquet", compression="none")
    pyarrow.feather.write_feather(texts(), HERE / "texts.feather", compression="lz4")
    with pa.OSFile(str(HERE / "stream.arrow"), "wb") as file, pyarrow.ipc.new_stream(file, texts().schema) as writer:
        writer.write_table(texts(), max_chunksize=2)


main()

"""The agent's threads share one heap, and what they free goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Eight threads take memory at once; then the C library says which heaps there are, and the kernel what is resident.
_PROGRAM = """
import ctypes, os, sys, threading
from gitrelease.edges import heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

heap.share_one()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.fopen.restype = [ctypes.c_void_p], ctypes.c_void_p
together = threading.Barrier(8)

def work():
    together.wait()
    taken = [libc.malloc(4000) for _ in range(1000)]
    for one in taken:
        ctypes.memset(one, 1, 4000)
    together.wait()
    for one in taken[:-1]:  # the last one stays: what is below it does not go back by itself
        libc.free(one)

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
held = resident()
heap.give_back()
print(held - resident())
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc: it has no such heaps")
def test_threads_share_a_heap_that_gives_back_what_they_freed(tmp_path: Path) -> None:
    told = tmp_path / "heaps.xml"

    ran = subprocess.run([sys.executable, "-c", _PROGRAM, told], capture_output=True, text=True, check=True)

    assert int(ran.stdout) > 16_000_000  # of 32
    assert told.read_text().count("<heap nr=") == 1

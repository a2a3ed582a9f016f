"""Start one program, wait for it, and write to descriptor 1 what it took: seconds, peak memory, status.

`python -I -S launch.py OUT ARGV...`. This stands between the benchmark and what it measures because the
kernel counts the memory of whoever starts a process as that process's peak: a child of a big one looks big.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Run `ARGV` with stdout in the file `OUT`."""
    out, argv = sys.argv[1], sys.argv[2:]
    target = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, target, 1)])
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    # ru_maxrss is in KiB on Linux.
    told = {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

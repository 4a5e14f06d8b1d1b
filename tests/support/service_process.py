"""A service process as a user starts it, and what the operating system says of it."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Service:
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    grpc_url: str = ""

    def worker_pids(self) -> list[int]:
        """The process itself and all its descendants."""
        found, parents = [self.process.pid], {self.process.pid}
        for status in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda p: int(p.parent.name)):
            try:
                fields = status.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) in parents:
                parents.add(int(status.parent.name))
                found.append(int(status.parent.name))
        return found

    def resident_bytes(self) -> int:
        """Memory of the service, of all its processes."""
        pages = 0
        for pid in self.worker_pids():
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue
        return pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

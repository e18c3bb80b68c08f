"""A disk on which the power goes off at any system call; what was not synced may then be gone.

It stands between a test and `os`, counts the calls that change something, and stops everything at
the one that it was told. `settle` then makes of the folder what a disk may hold after a power cut:
files whose content was not synced are cut, renames whose folder was not synced may be undone.
"""

import os
from pathlib import Path


class PowerCutError(BaseException):
    """Nobody catches it: there is nobody left."""


class CrashingDisk:
    """`CrashingDisk(monkeypatch, at=3)`: the third call does not happen, nor any after it."""

    CALLS = ("open", "write", "fsync", "replace", "unlink")

    def __init__(self, monkeypatch, at=None, *, torn=False):
        self.at, self.torn, self.calls = at, torn, []
        self._unsynced = {}  # file (inode): bytes that are certainly on the disk
        self._renamed = {}  # target: what stood there before, until its folder is synced
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._between(name, getattr(os, name)))

    def _between(self, name, real):
        def call(*arguments, **options):
            if name == "open" and not arguments[1] & os.O_WRONLY:
                return real(*arguments, **options)  # reading changes nothing
            self.calls.append(name)
            if self.at is not None and len(self.calls) >= self.at:
                if name == "write" and self.torn and len(self.calls) == self.at:
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise PowerCutError(name)
            before = self._before(name, arguments)
            result = real(*arguments, **options)
            self._after(name, arguments, before)
            return result

        return call

    def _before(self, name, arguments):
        if name == "replace":
            target = Path(arguments[1])
            return target.read_bytes() if target.exists() else None
        return None

    def _after(self, name, arguments, before):
        if name == "write":
            self._unsynced.setdefault(os.fstat(arguments[0]).st_ino, 0)
        elif name == "fsync":
            self._synced(arguments[0])
        elif name == "replace":
            self._renamed[Path(arguments[1])] = before

    def _synced(self, descriptor):
        status = os.fstat(descriptor)
        self._unsynced.pop(status.st_ino, None)
        for target in list(self._renamed):
            if target.parent.stat().st_ino == status.st_ino:
                del self._renamed[target]

    def settle(self, folder, *, undo_renames):
        """Leave in `folder` what the disk may hold; to be called after the patches are undone."""
        for path in folder.iterdir():
            if path.is_file() and path.stat().st_ino in self._unsynced:
                os.truncate(path, self._unsynced[path.stat().st_ino])
        for target, before in self._renamed.items():
            if undo_renames:
                target.unlink() if before is None else target.write_bytes(before)

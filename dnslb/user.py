"""Privileges: they are for taking ports, and given up once that is done."""

from __future__ import annotations

import grp
import logging
import os
import pwd
from typing import TYPE_CHECKING

from dnslb.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["give_up", "trusted"]

log = logging.getLogger("dnslb.server")


def trusted(user: str | None) -> frozenset[int]:
    """The numbers of the users that the server may run as."""
    own = {0, os.geteuid()}
    return frozenset(own if user is None else {*own, _user(user).pw_uid})


def give_up(user: str | None, group: str | None, state: Path) -> None:
    """Be `user` and `group` (default: the user's own) from now on, in all threads.

    The folder `state` is theirs then. Does nothing when neither is said, or the process is them.

    Raises:
        UserError: there is no such user or group, or this one may not become it.
    """
    if user is None and group is None:
        return
    entry = None if user is None else _user(user)
    uid = os.geteuid() if entry is None else entry.pw_uid
    gid = _group(group) if group is not None else entry.pw_gid if entry else os.getegid()
    if (os.getresuid(), os.getresgid()) == ((uid,) * 3, (gid,) * 3):
        return
    if os.geteuid() != 0:
        who = user or group
        raise UserError(
            f"only root can become {who}; start as root, or leave `user` and `group` out"
        )
    _own(state, uid, gid)
    if entry is not None:
        os.initgroups(entry.pw_name, gid)
    else:
        os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    log.info("running as user %d, group %d", uid, gid)


def _own(folder: Path, uid: int, gid: int) -> None:
    """Have `folder` and what the server keeps in it belong to the user."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (folder, *_kept(folder)):
            os.chown(path, uid, gid, follow_symlinks=False)
    except OSError as error:
        log.warning("state: %s cannot be given to user %d: %s", folder, uid, error.strerror)


def _kept(folder: Path) -> Iterator[Path]:
    for name in ("health.json", "lock"):
        path = folder / name
        # a link would give away what it leads to; so would a further name of another file
        if path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1:
            yield path


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"there is no user {name}; create it, or correct `user`") from None


def _group(name: str) -> int:
    try:
        return grp.getgrgid(int(name)).gr_gid if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise UserError(f"there is no group {name}; create it, or correct `group`") from None

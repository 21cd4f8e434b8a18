"""What is told of interfaces whose queries are taken past the kernel's sockets."""

from __future__ import annotations

import errno
import os

import pytest

from dnslb.errors import ListenError
from dnslb.fastpath import prepare, vlans

TABLE = """\
VLAN Dev name    | VLAN ID
Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD
eth0.7         | 7  | eth0
guests         | 12  | eth0
eth1.7         | 7  | eth1
"""


def test_the_vlans_of_each_interface():
    assert vlans(TABLE) == {"eth0": ["eth0.7", "guests"], "eth1": ["eth1.7"]}
    assert vlans("") == {}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EPERM, "CAP_NET_ADMIN"),
        (errno.EACCES, "CAP_NET_ADMIN"),
        (errno.ENODEV, "ip link"),
        (errno.ENOBUFS, "LimitMEMLOCK"),
        (errno.EBUSY, "another program"),
        (errno.EOPNOTSUPP, "to answer by sockets alone"),
    ],
)
def test_what_to_do_about_an_interface_that_cannot_be_had(code, advice):
    class Engine:
        def prepare(self, interfaces):
            raise OSError(code, f"no: {os.strerror(code)}", interfaces[0])

    with pytest.raises(ListenError, match=advice) as raised:
        prepare(Engine(), ("eth0",))
    assert str(raised.value).startswith(f"xdp: eth0: no: {os.strerror(code)}; ")

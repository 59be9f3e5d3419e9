# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: what a share of the list says becomes a map, and the map's daemon that of the share."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter import shares

SHARE = {"name": "homes", "domains": ["vm1"], "path": "/srv/homes"}


def test_a_share_with_a_map_gets_its_daemon():
    listed = [{**SHARE, "map_users": [{"guest": 1000, "host": "alice"}]}, {**SHARE, "name": "other"}]
    assert shares.user_maps(listed) == [{"name": "homes", "users": [{"guest": 1000, "host": "alice"}]}]
    items = shares.domain_shares(listed, binaries={"homes": "/usr/sbin/virtiofsd-map-1", "other": "/x"})
    assert [each.get("binary") for each in items] == ["/usr/sbin/virtiofsd-map-1", None]


@pytest.mark.parametrize("binaries", [None, {}, {"other": "/x"}, {"homes": ""}])
def test_a_share_whose_map_is_not_known_is_not_shared_without_it(binaries: dict[str, str] | None):
    listed = [{**SHARE, "map_users": [{"guest": 1000, "host": "alice"}]}]
    with pytest.raises(AnsibleFilterError, match="'homes' has map_users, and the daemon for it is not known"):
        shares.domain_shares(listed, binaries=binaries)
    (unprepared,) = shares.domain_shares(listed, binaries=binaries, unprepared=True)
    assert "binary" not in unprepared


def test_a_share_that_goes_has_no_map():
    listed = [{**SHARE, "state": "absent", "map_users": [{"guest": 1000, "host": "alice"}]}]
    assert shares.user_maps(listed) == []
    assert "binary" not in shares.domain_shares(listed, binaries={"homes": "/x"})[0]
    assert "binary" not in shares.domain_shares(listed)[0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"map_users": [{"guest": 1000}]}, "write guest, a number, and host, a name"),
        ({"map_users": {"alice": 1000}}, "write a list"),
        ({"map_groups": [{"guest": 1000, "host": "alice"}]}, "map_groups without map_users"),
        ({"map_users": [], "binary": "/usr/bin/virtiofsd"}, "map_users and binary"),
        ({"map_users": [], "idmap": {"uid": []}}, "map_users and idmap"),
    ],
)
def test_a_share_says_who_is_who_in_one_way(more: dict[str, Any], message: str):
    with pytest.raises(Exception, match="the share 'homes'") as error:
        shares.user_maps([{**SHARE, **more}])
    assert message in str(error.value)

# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of share options: every row is read, written, documented and offered by the role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as share_elements
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import (
    BY_NAME,
    ID_MAP,
    NUMBER,
    OF_DAEMON,
    ON_OFF,
    PRESENCE,
    SHARE_OPTIONS,
    IdMap,
    IdRange,
    Option,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.modules import virtiofs_domain

ROLE = Path(__file__).resolve().parents[5] / "roles/virtiofs_host"
each_option = pytest.mark.parametrize("option", SHARE_OPTIONS, ids=lambda option: option.name)
IN_XML = [option for option in SHARE_OPTIONS if not option.of_daemon]
each_in_xml = pytest.mark.parametrize("option", IN_XML, ids=lambda option: option.name)
each_of_daemon = pytest.mark.parametrize("name", OF_DAEMON)


def sample(option: Option) -> Any:
    """A value that is not the default."""
    if option.kind is ID_MAP:
        return IdMap(uid=(IdRange(0, 1000, 1),), gid=(IdRange(0, 1000, 1), IdRange(5, 5, 2)))
    values = {NUMBER: 64, ON_OFF: True, PRESENCE: True}
    return values.get(option.kind, option.choices[-1] if option.choices else "/usr/bin/daemon")


def element(share: Share) -> Any:
    return share_elements.new_element(parse("<devices/>"), share)


@each_in_xml
def test_what_is_written_is_read_again(option: Option) -> None:
    share = Share("data", "/srv/data", **{option.name: sample(option)})
    assert share_elements.read(element(share)) == share


@each_in_xml
def test_it_is_written_where_the_row_says_and_nowhere_else(option: Option) -> None:
    without, with_it = element(Share("data", "/srv/data")), element(Share("data", "/srv/data"))
    share_elements.write(with_it, Share("data", **{option.name: sample(option)}))
    assert not without.xpath(option.path)
    assert len(with_it.xpath(option.path)) == 1
    others = [other for other in IN_XML if other is not option and with_it.xpath(other.path)]
    assert others == []


@each_in_xml
def test_its_default_is_no_difference_and_is_not_written(option: Option) -> None:
    if option.default is None:
        assert Share("data", **{option.name: sample(option)}).differences(Share("data")) == (option.name,)
        return
    share = Share("data", "/srv/data", **{option.name: option.default})
    assert share.differences(Share("data", "/srv/data")) == ()
    assert not element(share).xpath(option.path)
    assert Share("data", "/srv/data", **{option.name: sample(option)}).differences(share) == (option.name,)


@each_in_xml
def test_what_is_taken_back_to_its_default_reads_as_the_default(option: Option) -> None:
    if option.default is None:
        return
    given = element(Share("data", "/srv/data", **{option.name: sample(option)}))
    share_elements.write(given, Share("data", **{option.name: option.default}))
    assert share_elements.read(given).differences(Share("data", "/srv/data")) == ()


@each_option
def test_the_module_documents_what_the_row_has(option: Option) -> None:
    documented = yaml.safe_load(virtiofs_domain.DOCUMENTATION)["options"]["shares"]["suboptions"]
    assert option.name in documented, "it lacks in the documentation of virtiofs_domain"
    assert _plain(documented[option.name]) == _plain(option.spec)


def _plain(spec: Any) -> Any:
    """A spec, or a documented option, without its words."""
    kept = {key: spec[key] for key in ("type", "elements", "choices", "required", "default") if key in spec}
    inner = spec.get("suboptions", spec.get("options"))
    return {**kept, "options": {name: _plain(one) for name, one in inner.items()}} if inner else kept


@each_option
def test_the_role_offers_it_and_its_page_names_it(option: Option) -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert option.name in specs["virtiofs_host_shares"]["options"], "it lacks in the argument spec of the role"
    assert f"`{option.name}`" in (ROLE / "README.md").read_text(), "it lacks on the page of the role"


def test_an_option_that_the_table_lacks_is_an_error() -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        Share("data", no_such_option=True)


def test_names_and_places_are_used_once() -> None:
    assert len({option.name for option in SHARE_OPTIONS}) == len(SHARE_OPTIONS)
    assert len({option.path for option in IN_XML}) == len(IN_XML)
    told = [option.argument for option in SHARE_OPTIONS if option.argument]
    assert len({*told}) == len(told)


@each_of_daemon
def test_what_is_for_the_daemon_has_an_argument_and_no_place_in_a_document(name: str) -> None:
    assert BY_NAME[name].argument.startswith("--")
    with pytest.raises(ValueError, match=f"{name} is for virtiofsd"):
        element(Share("data", "/srv/data", **{name: BY_NAME[name].default or True}).but(**{name: "given"}))

"""Names of the images that records of a real Engine's build cache share their layers with."""

from __future__ import annotations

import pytest

from hygiene_core.model.request import ObserveRequest
from hygiene_core.transport.local import LocalTransport
from tests.lab import images
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")


def test_a_shared_record_names_an_image_that_holds_its_layer(lab_host: LabHost):
    images.import_base(lab_host)
    steps = "RUN dd if=/dev/zero of=/a bs=1000 count=300\nWORKDIR /w\nCOPY Dockerfile /c\n"
    images.build(lab_host, f"FROM {images.BASE}\n{steps}", tag="one:1")
    images.build(lab_host, "FROM one:1\nRUN dd if=/dev/zero of=/d bs=1000 count=77\n", tag="two:1")
    request = ObserveRequest(docker_socket=str(lab_host.socket), data_root=str(lab_host.data_root))
    shared = [one for one in LocalTransport().observe(request).build_cache if one.shared]
    if lab_host.store == "containerd":
        assert shared  # its sizes are measured in another way than those of the history
        return
    named = {one.size_bytes: one.shared_with for one in shared if one.size_bytes}
    assert named[77_000] == "two:1"
    assert named[300_000] in {"one:1", "two:1"}
    # The layer that the base came with is of every image on it; a sibling stage stays without a name.
    below = {parent for one in shared if one.shared_with for parent in one.parents}
    assert all(one.shared_with in {"one:1", "two:1"} for one in shared if one.id in below)

"""Real Docker engines for tests and for a person.

Each engine runs in mount, pid, net and uts namespaces of its own, over a tree that `debootstrap` built, with
a data root and a socket of its own. Nothing here knows the machine's own engine, its socket or `DOCKER_HOST`.

    trees.py    the three Debian trees the engines come from
    host.py     `LabHost`: one engine, from start to the last trace removed
    leftovers.py  what a killed run left, found and removed
    images.py   images, volumes and containers without a registry
    scene.py    a host with traps, each id by its role
    api.py      plain calls to the Engine's API
"""

from __future__ import annotations

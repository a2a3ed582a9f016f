"""How fast and how small: tables of ratios, measured in one run. Nothing here fails by being slow.

measure.py   child processes timed from outside, subjects interleaved, medians
launch.py    the small process that starts what is measured
table.py     one row a figure, its goal beside it
host.py      a report of a big lab host, beside the bare HTTP calls and `docker system df -v`
judge.py     100,000 resources judged and written
fleet.py     years of runs of a fleet, as ledger
history.py   the history queries over them
walk.py      one volume whose files take long to count
pruning.py   the bounded prune beside what `docker` has for it
"""

from __future__ import annotations

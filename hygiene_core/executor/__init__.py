"""hygiene-executor: the one process that removes anything, behind the host's own limits.

`main` reads a verb and at most one digest; `asking` finds out which host and Engine this is; `staging` keeps
plans and approvals; `applying` starts a run, `execution` goes through it, `settling` ends one that was cut
off, and `sealing` records either.
"""

"""The only code that removes anything. Only `executor` imports it; each module handles one kind of action.

Every module has two functions: one that reads again, right before the act, whether what was planned still
holds, and one that acts and says how it ended. None of them decides that something may go.
"""

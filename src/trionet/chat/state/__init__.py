"""What everyone can observe, as a replicated state machine. Pure.

`operations` change it, `events` are what follows from them, and `state` has the rules. The rest are
its parts: `rooms` and `vacancies`, `members` and `taken_names`, and `held`, `receipts` and
`private_messages`, which a member with `hold` comes back to.
"""

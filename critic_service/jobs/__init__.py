"""Durable jobs: many items judged one by one in the background, across restarts of the process.

jobs.py       what the routes call: take in, report, cancel, retry
intake.py     JSON lines of a request to stored items
kinds.py      what the items of each kind are, and how one is judged
runner.py     feeds waiting items to the core, behind whoever waits for an answer
store.py      the SQLite file: jobs, items, results
tables.py     its tables, and what goes in and comes out
files.py      the clips of stored items, by the hash of their bytes
retention.py  what has to go to make room, and when
schemas.py    the wire
routes.py     HTTP
"""

"""Decode clips in processes of their own: what a hostile file can reach is that process.

    decoder.py   what the service calls: a clip, or a stream of frames, from bytes
    warden.py    one helper process, as its parent sees it
    worker.py    that process: it forks one child for each clip, which decodes and ends
    confine.py   what is taken from the helper and from its children
    wire.py      the messages between them: JSON and plain arrays, never pickle

Nothing is imported here: a helper must not load more than it needs.
"""

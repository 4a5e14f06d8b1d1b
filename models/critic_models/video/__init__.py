"""Clips: decode, sample and size video from bytes that nobody vouches for.

Nothing is imported here: the engine reads only the pure modules, without any decoder installed.
"""

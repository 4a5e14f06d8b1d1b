"""Doors that speak the protocols of trainers that exist, as thin translations to our own calls.

They are closed unless the operator opens them (`CRITIC_COMPAT=1`, `critic serve --compat`). What a
peer's protocol cannot say is an error and never a number that stands for a failure.
"""

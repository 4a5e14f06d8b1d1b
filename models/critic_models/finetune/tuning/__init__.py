"""Training of any Qwen-VL checkpoint on labelled rows: the second recipe of `critic train`.

Everything that decides what a critic sees is the serving path's own: sampling, resizing, questions,
positions and packing. `README.md` beside this file says how a run is written down.
"""

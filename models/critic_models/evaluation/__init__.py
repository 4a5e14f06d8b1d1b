"""Many clips, many dimensions, one folder of results that a killed run goes on with.

manifest, full_info    what is to be measured: folders, VBench's list, JSON lines
measuring              one clip: decoded once, every number read from it
run, ray_pool          all clips, in threads here or on a Ray cluster
results                the durable file of rows
summary, vbench_files  what the rows add up to, for us and for VBench's own scripts
statistics, comparing  runs against each other
report                 all of it as one HTML file
"""

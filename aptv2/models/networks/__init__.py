"""The networks: a file each, or one for a family, with what it is (`SPECS`) and how it is built.

Nothing here imports torch before a network is built.
"""

"""The paper's tracks: each table's cells, their store of results, and the paper's own numbers.

`tracks` names the five tracks, one file each; `run` does their cells; `store` and `leases` keep
the results and share the work; `published` holds the paper's numbers.
"""

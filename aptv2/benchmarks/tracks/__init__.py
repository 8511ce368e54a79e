"""The paper's tracks, one file each."""

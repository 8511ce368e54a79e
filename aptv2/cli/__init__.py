"""The command `aptv2`: one file a command, no logic."""

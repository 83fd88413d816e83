"""The `netcordon` command: one file a group of commands, over the HTTP client."""

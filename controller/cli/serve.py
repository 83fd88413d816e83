"""`serve`: the daemon."""

from __future__ import annotations

from controller.cli.options import Config


def serve(config: Config = None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C. Containments stand while it is away.

    Example: netcordon serve --config netcordon.yaml
    """
    from controller import daemon

    daemon.serve(config)

"""`serve`: the daemon."""

from __future__ import annotations

import gc
import os

from controller.cli.options import Config, Json


def serve(config: Config = None, as_json: Json = False) -> None:
    """Run the daemon until SIGTERM or Ctrl-C. Containments stand while it is away. With --json, one object
    once it answers.

    Example: netcordon serve --config netcordon.yaml
    """
    gc.disable()  # until it serves: nearly all that is imported stays, and looking through it again and again took a third of the start
    from controller import daemon
    from controller.cli.output import print_json

    def ready(url: str) -> None:
        if as_json:
            print_json({"serving": url, "pid": os.getpid()})

    try:
        daemon.serve(config, ready)
    finally:
        gc.enable()

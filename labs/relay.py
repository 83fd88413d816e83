"""Carries connections from one network namespace into another: Unix sockets with a path cross them, TCP does not.

python -m labs.relay LISTEN CONNECT      each of them tcp:ADDRESS:PORT or unix:PATH
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def serve(listen: str, connect: str) -> None:
    """For ever."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await _open(connect)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    kind, where = listen.split(":", 1)
    if kind == "unix":
        server: asyncio.Server = await asyncio.start_unix_server(carry, where)
    else:
        address, port = where.rsplit(":", 1)
        server = await asyncio.start_server(carry, address, int(port))
    await server.serve_forever()


async def _open(connect: str) -> Ends:
    kind, where = connect.split(":", 1)
    if kind == "unix":
        return await asyncio.open_unix_connection(where)
    address, port = where.rsplit(":", 1)
    return await asyncio.open_connection(address, int(port))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(serve(*sys.argv[1:]))

"""Which controller a device belongs to for now. Only the database's clock counts, and each claim is a new epoch: what an older one
still wants to write is not written."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select, update

from controller.store.sql import database_clock
from controller.store.tables import device
from controller.store.writer import Transaction

_FREE = or_(device.c.owner.is_(None), device.c.owner == bindparam("me"), device.c.lease_until <= database_clock())
_CLAIMABLE = select(device.c.epoch).where(device.c.id == bindparam("which"), _FREE).with_for_update(skip_locked=True)
_UNTIL = database_clock() + bindparam("seconds", type_=device.c.lease_until.type)
_CLAIM = (
    update(device)
    .where(device.c.id == bindparam("which"))
    .values(owner=bindparam("me"), epoch=bindparam("next"), lease_until=_UNTIL)
)
_NONE = {"owner": None, "lease_until": None}


def claim(transaction: Transaction, id: str, owner: str, seconds: float) -> int | None:
    """The new epoch, or None while another owner's lease lasts, or for a device that there is not."""
    epoch = transaction.execute(_CLAIMABLE, {"which": id, "me": owner}).scalar()
    if epoch is None:
        return None
    transaction.execute(_CLAIM, {"which": id, "me": owner, "next": epoch + 1, "seconds": seconds})
    return int(epoch) + 1


def release_all(transaction: Transaction) -> None:
    """On SQLite, at open: the file's one daemon is us, so every lease is from before a crash."""
    transaction.execute(update(device).where(device.c.owner.is_not(None)).values(_NONE))

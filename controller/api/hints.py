"""What to do next, by an error's code: data, shown to whoever got the error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from controller.errors import RefusalCode

HINTS: Mapping[str, str] = MappingProxyType(
    {
        RefusalCode.PROTECTED: "an approver or admin may insist: --override with a --reason; others put that to one, with --propose too",
        RefusalCode.AMBIGUOUS: "`netcordon locate TARGET` shows the evidence; name the MAC or switch:port that you mean",
        RefusalCode.UNKNOWN_PLACE: "`netcordon endpoints` lists what was seen; name a MAC or switch:port, or let the device send something",
        RefusalCode.BEHIND_ROUTER: "contain it at its own edge port; an uplink, or a router's port, serves others too",
        RefusalCode.NOT_AN_ENDPOINT: "find the device behind the NAT, proxy or pool (its logs say who), and name that one",
        RefusalCode.UNPLACEABLE: "ask what terminates the tunnel (the wireless controller), or name one device's MAC or address",
        RefusalCode.BUDGET: "look at `netcordon proposals`; contain by hand what is really guilty, or raise budget in the configuration",
        RefusalCode.PAUSED: "`netcordon status` says who paused automatic action and why; `netcordon resume` ends that",
        RefusalCode.FROZEN: "what cannot wait, a person contains: `netcordon contain TARGET --reason WHY`; release and --shorten always go",
        RefusalCode.UNCONFIRMED: "look at `netcordon proposals`: whoever approves it, or contains by hand, is to confirm it in time",
        RefusalCode.UNSUPPORTED: "`netcordon devices` shows the drivers; choose another profile",
        RefusalCode.MANAGEMENT: "declare the device's management path (devices.management) if it is out of band",
        RefusalCode.CHANGED: "ask again: it is decided anew from what is known now",
        RefusalCode.UNDECIDED: "add an incriminate rule to the policy, or say which end is guilty: `netcordon approve ID --device ADDRESS`",
        "unauthorized": "give a token: NETCORDON_TOKEN, or ~/.config/netcordon/token; `netcordon token add` makes one",
        "forbidden": "an admin makes a token of such a role: `netcordon token add NAME --role ROLE`",
        "invalid-input": "`netcordon COMMAND --help` has an example",
        "too-large": "send it in several requests",
        "store-unavailable": "nothing was accepted: ask again with the same Idempotency-Key; /readyz says what is wrong",
        "device": "`netcordon devices` shows the device's state",
        "internal": "the daemon's log has the details under this id",
    }
)


def hint_for(code: str) -> str:
    return HINTS.get(code, "")

"""Raw events become alerts: one file a source. A reader is pure; a source that is not in the table does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from controller.intake import (
    cef,
    crowdsec,
    defender,
    discovery,
    elastic,
    generic,
    graph,
    ocsf,
    stix,
    stix_bundle,
    suricata,
    wazuh,
    zeek,
)
from controller.intake.body import RawEvent, split_body
from controller.intake.event import NotAnAlert
from controller.intake.mapping import source_of
from controller.intake.source import Source, one_each
from controller.mapping_file import MappingFile

__all__ = ["SOURCES", "NotAnAlert", "RawEvent", "Source", "split_body", "with_mappings"]

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        source.name: source
        for source in (
            one_each(suricata.SOURCE, "Suricata's EVE JSON, event type alert", suricata.parse),
            one_each(generic.SOURCE, "Netcordon's own alert in JSON", generic.parse),
            one_each(discovery.SOURCE, "the alarms of our own passive sensor (netcordon discover)", discovery.parse),
            one_each(zeek.SOURCE, "Zeek's notice log, JSON or tab-separated", zeek.parse, zeek.split, zeek.heading),
            Source(defender.SOURCE, "Microsoft Defender for Endpoint, GET /api/alerts", defender.read, defender.split),
            Source(graph.SOURCE, "Microsoft Graph security alerts, GET /security/alerts_v2", graph.read, graph.split),
            one_each(wazuh.SOURCE, "Wazuh's alerts.json", wazuh.parse),
            Source(elastic.SOURCE, "Elastic Security's alerts, and others in ECS", elastic.read, elastic.split),
            Source(ocsf.SOURCE, "OCSF findings, class 2004 (and 2001)", ocsf.read),
            Source(crowdsec.SOURCE, "CrowdSec's alerts and decisions", crowdsec.read, crowdsec.split),
            one_each(
                cef.SOURCE, "ArcSight's Common Event Format, with or without syslog around it", cef.parse, cef.split
            ),
            Source(stix.SOURCE, "STIX 2.1 bundles: sightings, observed data, indicators", stix.read, stix_bundle.split),
        )
    }
)


def with_mappings(mappings: Iterable[MappingFile]) -> Mapping[str, Source]:
    """The sources that there are anyway, and these of the configuration's own. `Config` saw to it that no name is taken twice."""
    return MappingProxyType({**SOURCES, **{one.name: source_of(one) for one in mappings}})

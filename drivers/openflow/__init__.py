"""OpenFlow 1.3 through os-ken (or Ryu). `driver` is what the controller sees; `speaker` is a process of its own that holds the
OpenFlow sessions. Reading order: flows, overlaps, converge (pure); driver, link (controller's side); speaker, server, app, session,
tracker, lldp, packets, messages, runtime (speaker's side)."""

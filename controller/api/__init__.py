"""The HTTP API: what it needs from the daemon is `service`, its words are `schemas` and `views`, `app.create_app` puts
it together."""

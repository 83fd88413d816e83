"""How a database gets from one release to the next. There is no way back: restore a backup instead."""

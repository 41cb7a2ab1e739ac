"""Who executes? One process per production checkout: it serves clients, looks after production, notices changes."""

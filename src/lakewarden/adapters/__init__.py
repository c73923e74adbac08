"""Where one room's port is answered by the services of others. Only ``bootstrap`` uses these."""

"""Real traffic, as the gateway itself counts it: its metrics, scraped and read."""

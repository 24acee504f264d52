"""The journal: every fact and event, kept in the store, and a flight record of each turn for the worse."""

"""The ledger: what is known of releases, rollbacks and this replica, kept in the store and read from it again."""

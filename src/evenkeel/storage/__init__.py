"""The database: how it is opened, what its tables are, how it grows from version to version."""

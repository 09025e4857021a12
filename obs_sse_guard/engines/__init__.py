"""What engines need to guard their workers, and users should not have to write. docs/engines.md has their settings."""

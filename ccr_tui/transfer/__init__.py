"""What comes into the database from elsewhere, and what leaves it for elsewhere."""

"""What a terminal shows: findings as plain text tables."""

"""Framework releases as environments of their own, made with uv in the user's cache folder."""

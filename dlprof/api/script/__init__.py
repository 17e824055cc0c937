"""The user's own scripts: one recorded, two compared in lockstep."""

"""Scripts of the user's own: started unchanged, found at their steps, held there, recorded."""

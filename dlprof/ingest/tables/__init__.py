"""Reports that consist of tables, whatever they are stored as: what each one is to its reader, and batches of their rows."""

"""Reports that are folders of Parquet files, one a table: told by the names of the files, read by Arrow a batch at a time."""

"""PostgreSQL into Parquet files in a bucket by dlt: python dlt_copy.py BACKEND"""
import os, sys

import dlt
from dlt.sources.sql_database import sql_table

backend = sys.argv[1]
rows = sql_table(os.environ["BENCH_SOURCE"], table="rows", schema="bench", backend=backend, reflection_level="minimal")
pipeline = dlt.pipeline("bench", destination=dlt.destinations.filesystem(os.environ["BENCH_BUCKET"]), dataset_name="bench")
pipeline.run(rows, loader_file_format="parquet", write_disposition="replace")

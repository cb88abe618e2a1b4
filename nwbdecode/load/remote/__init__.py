"""Recordings over the network: the web, public S3 buckets and DANDI, streamed or fetched."""

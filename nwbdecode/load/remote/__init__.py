"""Recordings over the network: HTTP(S), public S3 buckets and DANDI archives, streamed or fetched."""

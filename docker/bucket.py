"""Make the bucket for MLflow's artifacts where it is missing: `bucket.py NAME`."""

from __future__ import annotations

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def make(name: str, endpoint: str) -> None:
    """Make a bucket of an S3 server; one that is there is left as it is.

    Raises:
        ClientError: the server refuses it.
    """
    client = boto3.client(
        "s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"})
    )
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        client.create_bucket(Bucket=name)


if __name__ == "__main__":
    make(sys.argv[1], os.environ["MLFLOW_S3_ENDPOINT_URL"])

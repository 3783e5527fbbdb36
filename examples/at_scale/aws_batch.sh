#!/bin/bash
# A library on EFS by an array job of AWS Batch:
#
#     IMAGE=... FILE_SYSTEM=fs-... ./aws_batch.sh QUEUE [SHARDS]
#
# The image has dubkit and its models, and no entry point, which a job of Batch cannot replace. From
# one of the Dockerfile: printf 'FROM dubkit\nENTRYPOINT []\n' | docker build -t IMAGE -
# What fails or is reclaimed (Spot) is tried three times, and goes on where it was.
set -euo pipefail
queue=${1:?usage: aws_batch.sh QUEUE [SHARDS]}
shards=${2:-20}
here=$(cd "$(dirname "$0")" && pwd)
definition=$(sed -e "s|\"IMAGE\"|\"${IMAGE:?}\"|" -e "s|FILE_SYSTEM|${FILE_SYSTEM:?}|" \
    "$here/aws_batch.json")
aws batch register-job-definition --cli-input-json "$definition"
aws batch submit-job --job-name dubkit --job-queue "$queue" --job-definition dubkit \
    --array-properties "size=$shards" \
    --container-overrides "environment=[{name=SHARDS,value=$shards}]"

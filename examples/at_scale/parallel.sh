#!/bin/bash
# A library on the GPUs of one machine, by GNU parallel:
#
#     ./parallel.sh 4 /srv/films --subs --no-video
#
# With `--sshloginfile machines` added to parallel it is many machines that see the same folder.
set -euo pipefail
gpus=${1:?usage: parallel.sh GPUS FOLDER [OPTIONS]}
shift
seq 0 $((gpus - 1)) | parallel --jobs "$gpus" --line-buffer --tagstring "gpu {}" \
    CUDA_VISIBLE_DEVICES={} dubkit "$(printf '%q ' "$@")" \
    --shard "{}/$gpus" --summary "dubkit-{}.jsonl"

#!/bin/bash
# A library by an array of SLURM jobs, each with a GPU:
#
#     sbatch --array=0-19 slurm.sh /srv/films --subs --no-video
#
# A job that is preempted or killed is begun again and goes on where it was.
#SBATCH --job-name=dubkit
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=dubkit-%A-%a.log
set -euo pipefail
library=${1:?usage: sbatch --array=0-19 slurm.sh FOLDER [OPTIONS]}
shift
# Arrays may begin at any number; shards begin at 0.
shard=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))
exec srun dubkit "$library" "$@" \
    --shard "$shard/$SLURM_ARRAY_TASK_COUNT" \
    --summary "dubkit-$SLURM_ARRAY_JOB_ID-$shard.jsonl"

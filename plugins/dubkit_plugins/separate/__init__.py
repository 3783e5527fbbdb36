"""Engines that part speech from all else."""

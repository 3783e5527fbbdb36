"""The engines that come with dubkit, one module each; ``plugins/README.md`` is the tour."""

"""What every Whisper engine shares, so that an engine is only a way to run the network.

``models`` finds the weights, ``windows`` cuts the sound where nobody speaks, ``recognize`` feeds
the windows to an :class:`~dubkit_plugins.whisper.engine.Engine` and joins what comes back, and
``guards`` throws out text that nobody said.
"""

"""Other people's programs and servers as engines, driven by presets.

- ``presets``: the TOML files that describe how a tool is called, and their placeholders.
- ``installation``: how their tools are installed, and whether they start.
- ``engines``: what both adapters share: settings, voices, what a tool is given.
- ``command``: programs; ``process`` runs one, once or as a worker that stays.
- ``http``: servers; ``http_client`` sends one request.
- ``media``: sound and video on their way to a tool and back.
- ``speaking``: many texts at once.
"""

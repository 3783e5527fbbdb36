"""Other people's programs and servers as engines, driven by presets.

- ``presets``: the TOML files that describe how a tool is called, as data; ``load_preset`` loads
  one, and ``placeholders`` are what it leaves open.
- ``installation``: how their tools are installed, and whether they start; ``requirements``: what a
  program needs to be there.
- ``engines``: what both adapters share: settings, voices, what a tool is given.
- ``command``: programs; ``items`` runs one on its inputs, and ``process`` starts and ends it, once
  or as a worker that stays.
- ``http``: servers; ``http_client`` sends one request.
- ``media``: sound and video on their way to a tool and back.
- ``speaking``: many texts at once.
"""

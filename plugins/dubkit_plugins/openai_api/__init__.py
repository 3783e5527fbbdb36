"""Engines on any server with OpenAI's API: OpenAI's own, another provider's, or a self-hosted one.

- ``translator``: the translator ``openai``; ``prompt`` writes its requests, ``reply`` reads what
  comes back, with ``completion`` for the text in an answer and ``near_json`` for JSON that is none.
- ``speech``: the synthesizer ``openai-speech``.
- ``event_stream``: answers that arrive in parts.
- ``server``: the connection that both share: address, key, retries, and what errors mean.
"""

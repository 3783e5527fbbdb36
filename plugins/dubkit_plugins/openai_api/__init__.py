"""Engines on any server with OpenAI's API: OpenAI's own, another provider's, or a self-hosted one.

- ``translator``: the translator ``openai``; ``prompt`` writes its requests and reads the replies.
- ``speech``: the synthesizer ``openai-speech``.
- ``server``: the connection that both share: address, key, retries, and what errors mean.
"""

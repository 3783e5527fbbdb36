"""The engines that come with dubkit. They use dubkit's public names alone, as any plugin does.

- ``whisper``: the transcribers, and Whisper's translation to English.
- ``translate``: translators that run on this machine.
- ``openai_api``: a translator and a synthesizer on any server with OpenAI's API.
- ``kokoro``: the offline synthesizer.
- ``diarize``, ``separate``: who speaks when; speech apart from the rest of the sound.
- ``tools``: other people's programs and servers, driven by presets.
- ``packaged_models``, ``get_models``: model weights from Python packages, or the same files from
  where they were published.

``plugins/README.md`` lists the engines and shows how to write one.
"""

import dubkit  # noqa: F401 - first, since it asks the libraries that engines import not to report

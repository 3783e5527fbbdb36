"""``dubkit serve``: the API that other programs already know how to call, beside the page.

command      the command: options, key, what is served
guard        who may call, with how many bytes
bodies       JSON objects, and forms whose file goes straight to the disk
calls        what routes share: a request as a job, from its file to its result
errors       refusals and failures, in the shape that clients of each API expect
openai_audio OpenAI's audio API: transcriptions, translations, speech, models
realtime     live captions: OpenAI's realtime API
whisper_asr  the API of whisper-asr-webservice, which Bazarr calls
jobs         everything that the command can make, followed and fetched later
webhooks     who is to know when a job ends, and which addresses are never called
schema       bodies, for the API's description
transcript   a track in the formats of that API
models       which models a request may name
mcp_command, mcp_tools
             ``dubkit mcp``: tools for assistants
detect       ``python -m dubkit.api.detect``: the language of a file
speak        ``python -m dubkit.api.speak``: a text to a sound file

Requests are jobs in the page's queue (:mod:`dubkit.web.jobs`), in a process that keeps its engines.
"""

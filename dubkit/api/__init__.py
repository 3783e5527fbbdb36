"""``dubkit serve``: the API that other programs already know how to call, beside the page.

command      the command: options, key, what is served
guard        who may call, with how many bytes
multipart    a form whose file goes straight to the disk
calls        what routes share: a request as a job, from its file to its result
errors       refusals and failures, in the shape that clients of each API expect
openai_audio OpenAI's audio API: transcriptions, translations, speech, models
whisper_asr  the API of whisper-asr-webservice, which Bazarr calls
transcript   a track in the formats of that API
models       which models a request may name
detect       ``python -m dubkit.api.detect``: the language of a file
speak        ``python -m dubkit.api.speak``: a text to a sound file

Requests are jobs in the page's queue (:mod:`dubkit.web.jobs`), in a process that keeps its engines.
"""

"""Media files: probing, decoding, muxing and loudness, through ffmpeg and PyAV.

- :mod:`.ffmpeg`: which ffmpeg is run, and which formats it may open.
- :mod:`.process`: run an external program, with progress and a clean stop.
- :mod:`.run_ffmpeg`: run ffmpeg, and check what it wrote.
- :mod:`.integrity`: whether a written media file is whole.
- :mod:`.probe`: open a file safely, list its streams, pick its audio.
- :mod:`.extract`: write the sound to a file, a long film's in sections side by side.
- :mod:`.audio`: put an audio stream onto the video's timeline.
- :mod:`.decode`: decode it, several parts side by side.
- :mod:`.downmix`: keep stereo from cancelling itself out on the way to one channel.
- :mod:`.loudness`: measure loudness by EBU R 128.
- :mod:`.subtitle_streams`: extract a subtitle track that a video already has.
- :mod:`.mux`: write a video with more tracks, or with subtitles burned in.
- :mod:`.mux_command`: the ffmpeg command line for that.
- :mod:`.picture`: how burning keeps what the picture is.
- :mod:`.fonts`: whether an installed font has the glyphs that burning needs.

Nothing here knows of cues, engines or the workspace.
"""

"""Media files: probing, decoding, muxing and loudness, through ffmpeg and PyAV."""

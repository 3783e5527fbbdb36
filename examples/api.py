"""dubkit from Python: subtitle a video, translate the text, print both.

python examples/api.py examples/data/austen.mp4 pt
"""

import sys

import dubkit


def main(video: str, target: str) -> None:
    try:
        result = dubkit.run(video, subs=True, to=target, video=False)
    except dubkit.DubkitError as failure:
        sys.exit(f"{failure.message}\n{failure.hint}")
    (translation,) = result.translations
    for track in (result.track, translation.track):
        for cue in track.cues:
            print(f"{track.language} {cue.start:7.2f}  {' '.join(cue.text.split())}")
    for line in translation.failed:
        print(f"not translated: {line.text} ({line.reason})")
    print("written:", *result.outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])

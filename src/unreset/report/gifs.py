"""Pictures with captions, and GIFs of them that are small enough for a page."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from unreset.runs.files import write_bytes

FRAMES_PER_SECOND = 20
MOST_BYTES = 400_000  # of one GIF
_LONG = 120  # steps from which only every other one is shown
_STRIP = 0.12  # height of the strip with the role's name, in heights of the picture

Frames = list[Image.Image]


def with_strip(frame: Image.Image, text: str, colour: str) -> Image.Image:
    """The picture above a coloured strip with a caption."""
    width, height = frame.size
    strip = round(_STRIP * height)
    whole = Image.new("RGB", (width, height + strip), ImageColor.getrgb(colour))
    whole.paste(frame, (0, 0))
    font = ImageFont.load_default(size=max(8, round(0.62 * strip)))
    middle = (round(0.04 * width), height + strip // 2)
    ImageDraw.Draw(whole).text(middle, text, fill="white", font=font, anchor="lm")
    return whole


def _gif(frames: Frames) -> bytes:
    """An endlessly repeated GIF; all frames share one palette, made from some of them."""
    samples = [frames[i] for i in np.linspace(0, len(frames) - 1, min(6, len(frames))).astype(int)]
    width, height = frames[0].size
    together = Image.new("RGB", (width, height * len(samples)))
    for number, sample in enumerate(samples):
        together.paste(sample, (0, height * number))
    palette = together.quantize(128, method=Image.Quantize.MAXCOVERAGE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=drawn[1:],
        duration=1000 // FRAMES_PER_SECOND,
        loop=0,
        optimize=True,  # what stays as it was takes next to nothing: a quarter of the bytes
    )
    return buffer.getvalue()


def save(path: Path, frames: Frames) -> int:
    """Write a GIF that is small enough; returns how many steps lie between its frames."""
    stride = 2 if len(frames) > _LONG else 1
    while True:
        chosen = frames[::stride]
        if (len(frames) - 1) % stride:
            chosen.append(frames[-1])
        content = _gif(chosen)
        if len(content) <= MOST_BYTES or len(chosen) <= 2:
            write_bytes(path, content)
            return stride
        stride += 1


def faster(stride: int) -> str:
    """What a caption says of a video that shows every so manieth step."""
    return f" ({stride} times as fast)" if stride > 1 else ""

"""Pictures of what broke an image classifier: clean, attacked, and their difference amplified."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from sparring.core.goal import decisions
from sparring.core.panel import Panel

_LEAST_SIDE = 96  # pixels; small images are enlarged to it without smoothing


def exhibit(
    cleans: Tensor, attacked: Tensor, before: Tensor, after: Tensor, classes: Sequence[str] | None
) -> list[tuple[Panel, ...]]:
    """Three panels per case.

    Args:
        cleans, attacked: images in [0, 1], shape (batch, channel, height, width), one or three channels.
        before, after: the target's answers, (batch, class) scores or (batch,) labels.
        classes: names of the classes, or None for their numbers.
    """
    rows: list[tuple[Panel, ...]] = []
    for clean, attempt, was, now in zip(
        cleans, attacked, _captions(before, classes), _captions(after, classes), strict=True
    ):
        change = (attempt - clean).detach().cpu()
        size = float(change.abs().max())
        shown = 0.5 + change / (2 * size) if size > 0 else change + 0.5
        rows.append(
            (
                Panel(f"clean: {was}", png=png(clean)),
                Panel(f"attacked: {now}", png=png(attempt)),
                Panel(f"difference x {0.5 / size:.1f}" if size > 0 else "no difference", png=png(shown)),
            )
        )
    return rows


def png(image: Tensor) -> str:
    """Base64 of a PNG of one image, shape (channel, height, width), clipped to [0, 1]; other shapes give nothing."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return ""
    pixels = (image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    scale = max(1, -(-_LEAST_SIDE // max(picture.size)))
    buffer = io.BytesIO()
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _captions(outputs: Tensor, classes: Sequence[str] | None) -> list[str]:
    labels = decisions(outputs).tolist()
    names = [classes[label] if classes else str(label) for label in labels]
    if outputs.ndim != 2:
        return names
    scores = outputs.detach().float()
    likely = bool((scores >= 0).all()) and bool(((scores.sum(1) - 1).abs() < 1e-3).all())
    chances = scores if likely else scores.softmax(1)
    return [f"{name} ({100 * float(chance):.0f} %)" for name, chance in zip(names, chances.amax(1), strict=True)]


def sheet(images: Tensor, columns: int) -> str:
    """Base64 of a PNG of many images of one shape (batch, channel, height, width), so many to a row."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    page = images.new_ones(rows * columns, channels, height + 1, width + 1)  # a white line between neighbours
    page[:count, :, :height, :width] = images.detach()
    page = page.reshape(rows, columns, channels, height + 1, width + 1).permute(2, 0, 3, 1, 4)
    return png(page.reshape(channels, rows * (height + 1), columns * (width + 1)))

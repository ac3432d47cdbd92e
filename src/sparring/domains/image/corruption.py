"""Natural corruptions of images: twelve kinds, each in five severities, for any size and number of channels."""

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Stream

SEVERITIES = 5


def corrupt(kind: str, inputs: Tensor, severity: int, stream: Stream) -> Tensor:
    """Images after one corruption; the same stream draws the same noise, direction or place at every severity.

    Source: Hendrycks and Dietterich, 2019, arXiv:1903.12261. The kinds are theirs or close to them; the strengths are
    ours, in shares of the image's side, so that they suit 8 x 8 as well as 224 x 224. Figures do not compare to
    CIFAR-10-C or ImageNet-C.

    Args:
        kind: one of `KINDS`.
        inputs: in [0, 1], shape (batch, channel, height, width).
        severity: 0 (untouched) to 5.
        stream: one per image.

    Returns:
        Images in [0, 1], of the same shape.

    Raises:
        InvalidSpec: for an unknown kind or severity.
    """
    check_kind(kind)
    if severity not in range(SEVERITIES + 1):
        raise InvalidSpec(f"severity must be a whole number from 0 to {SEVERITIES}; got {severity!r}.")
    if severity == 0:
        return inputs.clone()
    function, strengths = _CORRUPTIONS[kind]
    return function(inputs, strengths[severity - 1], stream).clamp_(0.0, 1.0)


def check_kind(kind: str) -> None:
    """Raises InvalidSpec unless this is one of the kinds."""
    if kind not in _CORRUPTIONS:
        raise InvalidSpec(f"corruption must be one of {', '.join(_CORRUPTIONS)}; got {kind!r}.")


def _gaussian_noise(images: Tensor, sigma: float, stream: Stream) -> Tensor:
    return images + sigma * stream.normal(images.shape[1:])


def _shot_noise(images: Tensor, photons: float, stream: Stream) -> Tensor:
    """Poisson noise of so many photons at full brightness, by its normal approximation."""
    return images + (images / photons).sqrt() * stream.normal(images.shape[1:])


def _impulse_noise(images: Tensor, share: float, stream: Stream) -> Tensor:
    """Salt and pepper on a share of the values."""
    drawn = stream.uniform((2, *images.shape[1:]))
    return torch.where(drawn[:, 0] < share, (drawn[:, 1] < 0.5).to(images.dtype), images)


def _gaussian_blur(images: Tensor, share: float, stream: Stream) -> Tensor:
    """Gaussian blur; sigma is a share of the image's side."""
    sigma = share * _side(images)
    reach = min(max(1, math.ceil(3 * sigma)), min(images.shape[2:]) - 1)
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights = weights / weights.sum()
    channels = images.shape[1]
    padded = functional.pad(images, (reach, reach, reach, reach), mode="reflect")
    across = functional.conv2d(padded, weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return functional.conv2d(across, weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def _motion_blur(images: Tensor, share: float, stream: Stream) -> Tensor:
    """The mean along a straight line of that share of the side, in a direction drawn per image."""
    angle = 2 * math.pi * stream.uniform()
    direction = torch.stack([torch.cos(angle), torch.sin(angle)], 1) * (2 * share)  # the side is 2 in grid units
    plain = torch.eye(2, 3, dtype=images.dtype, device=images.device).expand(len(images), 2, 3)
    total = torch.zeros_like(images)
    taps = 9
    for tap in range(taps):
        theta = plain.clone()
        theta[:, :, 2] = direction * (tap / (taps - 1) - 0.5)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        total += functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return total / taps


def _pixelate(images: Tensor, share: float, stream: Stream) -> Tensor:
    """Fewer and larger pixels: the side shrinks to that share and is blown up again."""
    size = [max(1, round(share * side)) for side in images.shape[2:]]
    small = functional.interpolate(images, size, mode="area")
    return functional.interpolate(small, images.shape[2:], mode="nearest")


def _contrast(images: Tensor, share: float, stream: Stream) -> Tensor:
    """Each channel drawn towards its mean; that share of its contrast is left."""
    mean = images.mean((2, 3), keepdim=True)
    return mean + share * (images - mean)


def _brightness(images: Tensor, more: float, stream: Stream) -> Tensor:
    return images + more


def _darkness(images: Tensor, share: float, stream: Stream) -> Tensor:
    """That share of the light is left."""
    return images * share


def _haze(images: Tensor, density: float, stream: Stream) -> Tensor:
    """Fog: a bright cloud of three octaves, drawn per image, over a picture that fades by the density."""
    cloud = torch.zeros_like(images[:, :1])
    for octave, cells in enumerate((2, 4, 8)):
        coarse = stream.uniform((1, cells, cells), at=octave)
        cloud += functional.interpolate(coarse, images.shape[2:], mode="bilinear", align_corners=True) * 0.5**octave
    cloud = 0.65 + 0.35 * cloud / 1.75
    return images * (1 - density) + density * cloud


def _jpeg(images: Tensor, quality: float, stream: Stream) -> Tensor:
    """JPEG at that quality; grey and colour as they are, other numbers of channels as so many grey pictures."""
    if images.shape[1] not in (1, 3):
        planes = images.reshape(-1, 1, *images.shape[2:])
        return _jpeg(planes, quality, stream).reshape(images.shape)
    from PIL import Image

    pixels = (images.detach().cpu().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    decoded = []
    for picture in pixels:
        buffer = io.BytesIO()
        Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(
            buffer, "JPEG", quality=int(quality)
        )
        decoded.append(np.asarray(Image.open(buffer)).reshape(picture.shape))
    result = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).to(images.dtype) / 255
    return result.to(images.device).contiguous()


def _occlusion(images: Tensor, share: float, stream: Stream) -> Tensor:
    """A square of that share of the side, in a grey and a place drawn per image."""
    height, width = images.shape[2:]
    drawn = stream.uniform((3,))
    rows = torch.arange(height, dtype=images.dtype, device=images.device) + 0.5
    columns = torch.arange(width, dtype=images.dtype, device=images.device) + 0.5
    half = share * _side(images) / 2
    inside_rows = (rows[None] - drawn[:, :1] * height).abs() <= half
    inside_columns = (columns[None] - drawn[:, 1:2] * width).abs() <= half
    covered = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return torch.where(covered, drawn[:, 2].view(-1, 1, 1, 1), images)


def _side(images: Tensor) -> int:
    return min(images.shape[2:])


_CORRUPTIONS: dict[str, tuple[Callable[[Tensor, float, Stream], Tensor], tuple[float, ...]]] = {
    "gaussian_noise": (_gaussian_noise, (0.04, 0.07, 0.10, 0.14, 0.20)),
    "shot_noise": (_shot_noise, (150, 75, 40, 20, 10)),
    "impulse_noise": (_impulse_noise, (0.01, 0.03, 0.06, 0.10, 0.16)),
    "gaussian_blur": (_gaussian_blur, (0.030, 0.038, 0.047, 0.057, 0.070)),
    "motion_blur": (_motion_blur, (0.10, 0.14, 0.19, 0.24, 0.30)),
    "pixelate": (_pixelate, (0.80, 0.65, 0.52, 0.42, 0.32)),
    "contrast": (_contrast, (0.75, 0.55, 0.40, 0.30, 0.20)),
    "brightness": (_brightness, (0.10, 0.20, 0.30, 0.40, 0.50)),
    "darkness": (_darkness, (0.80, 0.65, 0.50, 0.38, 0.28)),
    "haze": (_haze, (0.25, 0.38, 0.50, 0.60, 0.70)),
    "jpeg": (_jpeg, (70, 50, 30, 18, 10)),
    "occlusion": (_occlusion, (0.15, 0.22, 0.29, 0.36, 0.43)),
}

KINDS = tuple(_CORRUPTIONS)

"""A picture of a page as it came from a scanner or camera -> the page as a reader holds it.

Three questions, each answered by what needs no model where that suffices: along which axis the lines
run (letters stand closer to their neighbours in the line than to other lines), how far they are
tilted (the angle at which the profile of the ink is sharpest), and which end is up (in Latin script
feet stand on one line, heads do not; else an OCR component reads a sample both ways).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asbuilt.pages import Word
from asbuilt.roles import Image, Ocr

__all__ = ["Upright", "straightened", "upright"]

Points = NDArray[np.float32]
Letters = NDArray[np.float64]
"""Left, top, width, height of each connected piece of ink that may be a letter, one a row."""

_SIDE = 1600
"""Pixels of the longest side of the copy that is looked at."""
_FEW = 12
_MAX_SKEW = 15.0
_STILL = 0.05
"""Degrees of skew that are left alone: to undo them would blur more than it straightens."""
_SURE = 0.12
_SAMPLE_LINES = 4
_SAMPLE_WIDTH = 30
"""What is read both ways: lines, and heights of a letter along each."""


@dataclass(frozen=True, slots=True)
class Upright:
    """`image` is upright. `rotation` (0, 90, 180, 270) and `skew` are the degrees clockwise that the
    page lay turned by. `to_upright` (2, 3) takes a source pixel (x, y, 1) to one of `image`.
    """

    image: Image
    rotation: int
    skew: float
    to_upright: NDArray[np.float64]


def upright(image: Image, *, ocr: Ocr | None = None) -> Upright:
    """Turn `image` upright and straighten it; a page without text is left as it is.

    What the straightened page leaves free has the page's background. With `ocr`, pages whose letters
    do not tell which end is up (capitals, digits) are decided by reading some lines both ways.
    """
    small = _small(image)
    letters, ink = _letters(small)
    if len(letters) < _FEW:
        return Upright(image, 0, 0.0, np.eye(2, 3))
    sideways = _sideways(letters, ink)
    quarter = 1 if sideways else 0
    if sideways:
        small, letters, ink = _turned(small, letters, ink)
    skew = _skew(ink)
    straight, matrix = _straight(small, skew)
    if _upside_down(letters, matrix, straight, ocr):
        quarter += 2
    # `quarter` counts the quarter turns clockwise that bring the page upright.
    rotation = (360 - 90 * quarter) % 360
    turned = np.ascontiguousarray(np.rot90(image, -quarter))
    if abs(skew) < _STILL:
        return Upright(turned, rotation, 0.0, _quarter_matrix(image, quarter))
    result, tilt = _straight(turned, skew)
    both = np.vstack((tilt, [0, 0, 1])) @ np.vstack((_quarter_matrix(image, quarter), [0, 0, 1]))
    return Upright(result, rotation, round(skew, 2), both[:2])


def straightened(image: Image, *, rotation: int, skew: float) -> Image:
    """`image` as `upright` gives it, where these are the `rotation` and `skew` that it found."""
    turned = np.ascontiguousarray(np.rot90(image, rotation // 90))
    return turned if abs(skew) < _STILL else _straight(turned, skew)[0]


def _small(image: Image) -> Image:
    import cv2

    scale = min(1.0, _SIDE / max(image.shape[:2]))
    if scale == 1.0:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _letters(image: Image) -> tuple[Letters, Points]:
    """Letters, and the places (x, y) of their ink, at most about 40,000."""
    import cv2

    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    dark = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 25, 12)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    width, height, area = stats[:, 2:].T
    longest, shortest = np.maximum(width, height), np.minimum(width, height)
    keep = (longest >= 4) & (longest <= 80) & (longest <= 8 * shortest) & (area >= 6)
    keep[0] = False
    if keep.any():
        # Specks of noise and the dots of letters are much smaller than what most ink belongs to.
        usual = np.median(np.repeat(longest[keep], np.minimum(area[keep], 100)))
        keep &= (longest >= 0.35 * usual) & (longest <= 4 * usual)
    y, x = np.nonzero(keep[labels])
    stride = max(1, len(x) // 40_000)
    ink = np.stack((x[::stride], y[::stride]), axis=1).astype(np.float32)
    return stats[keep, :4].astype(np.float64), ink


def _sideways(letters: Letters, ink: Points) -> bool:
    """Whether lines run from top to bottom."""
    from scipy.spatial import cKDTree

    middles = letters[:, :2] + letters[:, 2:] / 2
    _, near = cKDTree(middles).query(middles, k=2)
    across, down = np.abs(middles - middles[near[:, 1]]).T
    along = math.log(
        (1 + np.count_nonzero(across > 1.7 * down)) / (1 + np.count_nonzero(down > 1.7 * across))
    )
    rows = max(_sharpness(ink, angle) for angle in np.arange(-15.0, 15.1, 1.0))
    columns = max(_sharpness(ink[:, ::-1], angle) for angle in np.arange(-15.0, 15.1, 1.0))
    return along + 2 * math.log(rows / columns) < 0


def _sharpness(ink: Points, angle: float) -> float:
    """Sum of squared steps of the ink's profile over rows that are tilted by `angle` degrees (Postl 1986)."""
    turn = math.radians(angle)
    rows = ink[:, 1] * math.cos(turn) - ink[:, 0] * math.sin(turn)
    counts = np.bincount((rows - rows.min()).astype(np.int64))
    steps = np.diff(counts, prepend=0, append=0).astype(np.float64)
    return float((steps * steps).sum())


def _skew(ink: Points) -> float:
    """Degrees clockwise that lines are tilted by."""
    best, width = 0.0, _MAX_SKEW
    for step in (0.5, 0.1, 0.02):
        angles = np.arange(best - width, best + width + step / 2, step)
        best = float(angles[np.argmax([_sharpness(ink, angle) for angle in angles])])
        width = step
    return best


def _turned(image: Image, letters: Letters, ink: Points) -> tuple[Image, Letters, Points]:
    """A quarter turn clockwise."""
    height = image.shape[0]
    left, top, wide, high = letters.T
    turned = np.stack((height - top - high, left, high, wide), axis=1)
    points = np.stack((height - 1 - ink[:, 1], ink[:, 0]), axis=1)
    return np.ascontiguousarray(np.rot90(image, -1)), turned, points


def _quarter_matrix(image: Image, quarter: int) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    return (
        np.array([[1.0, 0, 0], [0, 1, 0]]),
        np.array([[0.0, -1, height - 1], [1, 0, 0]]),
        np.array([[-1.0, 0, width - 1], [0, -1, height - 1]]),
        np.array([[0.0, 1, 0], [-1, 0, width - 1]]),
    )[quarter]


def _straight(image: Image, skew: float) -> tuple[Image, NDArray[np.float64]]:
    """Turned back by `skew`, on a canvas that holds all of it, and the matrix to it."""
    import cv2

    height, width = image.shape[:2]
    turn = math.radians(skew)
    cos, sin = math.cos(turn), math.sin(turn)
    wide, high = (
        math.ceil(width * cos + height * abs(sin)),
        math.ceil(height * cos + width * abs(sin)),
    )
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix[:, 2] = np.array([(wide - 1) / 2, (high - 1) / 2]) - matrix[:, :2] @ middle
    background = tuple(float(each) for each in np.median(image[::8, ::8].reshape(-1, 3), axis=0))
    result = cv2.warpAffine(image, matrix, (wide, high), flags=cv2.INTER_LINEAR, borderValue=background)
    return np.asarray(result, np.uint8), matrix


def _upside_down(letters: Letters, matrix: NDArray[np.float64], straight: Image, ocr: Ocr | None) -> bool:
    """Whether the straightened page stands on its head. Upright unless there is evidence."""
    lines = _lines(letters, matrix)
    feet, heads, count = 0, 0, 0
    for line in lines:
        top, bottom, size = line[:, 1], line[:, 1] + line[:, 3], float(np.median(line[:, 3]))
        near = max(1.5, 0.12 * size)
        feet += int(np.count_nonzero(np.abs(bottom - np.median(bottom)) <= near))
        heads += int(np.count_nonzero(np.abs(top - np.median(top)) <= near))
        count += len(line)
    asymmetry = (feet - heads) / count if count else 0.0
    if count >= 80 and abs(asymmetry) >= _SURE:
        return asymmetry < 0
    if ocr is None:
        return False
    sample = _sample(straight, lines)
    return _read_amount(ocr, np.ascontiguousarray(sample[::-1, ::-1])) > 1.2 * _read_amount(ocr, sample)


def _lines(letters: Letters, matrix: NDArray[np.float64]) -> list[Letters]:
    """Letters of each line, the longest lines first; boxes as they are when straightened."""
    middles = (letters[:, :2] + letters[:, 2:] / 2) @ matrix[:, :2].T + matrix[:, 2]
    placed: Letters = np.concatenate((middles - letters[:, 2:] / 2, letters[:, 2:]), axis=1)
    placed = placed[np.argsort(middles[:, 1], kind="stable")]
    tall: NDArray[np.float64] = placed[:, 3]
    jumps = np.flatnonzero(np.diff(placed[:, 1] + tall / 2) > 0.35 * float(np.median(tall)))
    found = [part for part in np.split(placed, jumps + 1) if len(part) >= 4]
    return sorted(found, key=lambda line: -len(line))


def _sample(image: Image, lines: list[Letters]) -> Image:
    """Some lines of the page, one below the other."""
    strips: list[Image] = []
    for line in lines[:_SAMPLE_LINES]:
        size = float(np.median(line[:, 3]))
        left, top = (line[:, :2].min(axis=0) - 0.6 * size).clip(0).astype(int).tolist()
        bottom = math.ceil(float((line[:, 1] + line[:, 3]).max()) + 0.6 * size)
        strip = image[top:bottom, left : left + math.ceil(_SAMPLE_WIDTH * size)]
        strips.append(strip)
    width = max(strip.shape[1] for strip in strips) if strips else 0
    padded = [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), mode="edge") for each in strips]
    return np.ascontiguousarray(np.concatenate(padded)) if padded else image


def _read_amount(ocr: Ocr, image: Image) -> float:
    """Characters that were read, weighted by confidence."""
    words: list[Word] = ocr.recognize(image, dpi=150)
    return sum(word.confidence * sum(each.isalnum() for each in word.text) for word in words)

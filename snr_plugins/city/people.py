"""People on foot and in the saddle, from a small skeleton and a random outfit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snr_plugins.city.geometry import box, cylinder, ellipsoid
from snr_plugins.city.mesh import Material, Mesh, join, place

SKIN_TONES = np.array(
    [(0.58, 0.38, 0.28), (0.48, 0.30, 0.21), (0.30, 0.17, 0.11), (0.14, 0.075, 0.05)]
)
HAIR_TONES = np.array(
    [(0.02, 0.015, 0.012), (0.08, 0.045, 0.02), (0.28, 0.17, 0.06), (0.3, 0.3, 0.3)]
)


@dataclass(frozen=True)
class Outfit:
    """Colours and cut of one person's clothes."""

    skin: np.ndarray
    hair: np.ndarray
    top: np.ndarray
    trousers: np.ndarray
    shoes: np.ndarray
    coat_length: float  # metres below the hip that the top reaches
    skirt: bool
    bag: str  # "none", "backpack" or "handbag"


@dataclass(frozen=True)
class Pose:
    """Joints in metres for a person 1.75 m tall, hip at the origin of the legs' chain.

    Left and right limbs are lists of three points each: shoulder, elbow, hand; hip, knee, ankle.
    """

    hip: np.ndarray
    neck: np.ndarray
    arms: tuple[np.ndarray, np.ndarray]
    legs: tuple[np.ndarray, np.ndarray]


def random_outfit(rng: np.random.Generator) -> Outfit:
    """Clothes as one meets them: tops of any colour, trousers mostly dark."""
    hue = rng.random()
    vivid = 0.5 + 0.5 * np.cos(2 * np.pi * (hue + np.array([0.0, 0.33, 0.67])))
    top = np.clip(rng.uniform(0.04, 0.55) * (0.25 + rng.uniform(0, 1.0) * vivid), 0.015, 0.7)
    if rng.random() < 0.3:
        top = np.full(3, rng.choice([0.02, 0.06, 0.2, 0.65]))
    blue = np.array([0.05, 0.08, 0.17]) * rng.uniform(0.5, 1.6)
    trousers = blue if rng.random() < 0.45 else np.array([1.0, 0.93, 0.82]) * rng.uniform(0.02, 0.3)
    return Outfit(
        skin=SKIN_TONES[rng.integers(len(SKIN_TONES))] * rng.uniform(0.85, 1.15),
        hair=HAIR_TONES[rng.integers(len(HAIR_TONES))],
        top=top,
        trousers=trousers,
        shoes=np.full(3, rng.uniform(0.02, 0.2)),
        coat_length=float(rng.choice([0.0, 0.0, 0.12, 0.4])),
        skirt=bool(rng.random() < 0.15),
        bag=str(rng.choice(["none", "none", "backpack", "handbag"])),
    )


def walking_pose(phase: float, stride: float) -> Pose:
    """One moment of a step.

    Args:
        phase: radians; half a turn swaps the legs.
        stride: 0 stands still, 1 walks fast.
    """
    hip, neck = np.array([0, 0.92, 0.0]), np.array([0, 1.47, 0.03 * stride])
    arms, legs = [], []
    for side in (-1, 1):
        swing = np.sin(phase) * stride * side
        thigh, shin = 0.42 * swing, 0.42 * swing - 0.5 * stride * max(0.0, -swing)
        start = hip + [side * 0.095, 0, 0]
        knee = start + 0.43 * np.array([0, -np.cos(thigh), np.sin(thigh)])
        ankle = knee + 0.42 * np.array([0, -np.cos(shin), np.sin(shin)])
        legs.append(np.stack([start, knee, ankle]))
        upper, lower = -0.5 * swing, -0.5 * swing + 0.25 * stride
        shoulder = neck + [side * 0.2, -0.07, 0]
        elbow = shoulder + 0.3 * np.array([side * 0.15, -np.cos(upper), np.sin(upper)])
        hand = elbow + 0.27 * np.array([0, -np.cos(lower), np.sin(lower)])
        arms.append(np.stack([shoulder, elbow, hand]))
    return Pose(hip, neck, tuple(arms), tuple(legs))


def riding_pose(
    seat: np.ndarray, handlebar: np.ndarray, pedals: np.ndarray, lean: float, crank: float
) -> Pose:
    """Seated on a cycle.

    Args:
        seat: (3,) where the hip rests.
        handlebar: (3,) middle of the grips; pedals: (3,) middle of the foot rests.
        lean: radians of the trunk towards the front.
        crank: radius of the circle of the pedals in metres, 0 for foot rests.
    """
    hip = np.asarray(seat) + [0, 0.06, 0]
    neck = hip + 0.55 * np.array([0, np.cos(lean), np.sin(lean)])
    arms, legs = [], []
    for side in (-1, 1):
        shoulder = neck + [side * 0.19, -0.07, 0]
        hand = np.asarray(handlebar) + [side * 0.26, 0.03, 0]
        elbow = (shoulder + hand) / 2 + [side * 0.07, -0.09, 0]
        arms.append(np.stack([shoulder, elbow, hand]))
        start = hip + [side * 0.1, -0.03, 0]
        ankle = np.asarray(pedals) + [side * 0.13, 0.07 + side * crank, 0]
        knee = (start + ankle) / 2 + [side * 0.06, 0.1, 0.2]
        legs.append(np.stack([start, knee, ankle]))
    return Pose(hip, neck, tuple(arms), tuple(legs))


def person(pose: Pose, outfit: Outfit, helmet: np.ndarray | None = None) -> Mesh:
    """The body in its clothes; ``helmet`` is a colour, or None for hair."""
    hip, neck = pose.hip, pose.neck
    head = neck + [0, 0.17, 0.025]
    cloth = Material.CLOTH
    waist = hip + 0.35 * (neck - hip)
    parts = [
        cylinder(hip - [0, 0.06, 0], waist, (0.165, 0.15), outfit.trousers, cloth, 9, 0.68),
        cylinder(hip - [0, 0.02, 0], waist, (0.178, 0.165), outfit.top, cloth, 9, 0.7),
        cylinder(waist, neck - [0, 0.03, 0], (0.165, 0.2), outfit.top, cloth, 9, 0.62),
        ellipsoid(neck - [0, 0.04, 0], (0.19, 0.07, 0.11), outfit.top, cloth, (4, 8)),
        cylinder(neck - [0, 0.04, 0], neck + [0, 0.1, 0.01], 0.055, outfit.skin, sides=6),
        ellipsoid(head, (0.082, 0.115, 0.098), outfit.skin),
        ellipsoid(head + [0, 0.035, -0.022], (0.092, 0.098, 0.098), outfit.hair)
        if helmet is None
        else ellipsoid(head + [0, 0.04, -0.01], (0.12, 0.115, 0.14), helmet, Material.PAINT),
    ]
    if outfit.coat_length:
        hem = hip - [0, outfit.coat_length, 0]
        parts.append(cylinder(hem, waist, (0.22, 0.17), outfit.top, cloth, 9, 0.75))
    if outfit.skirt:
        hem = hip - [0, 0.42, 0]
        parts.append(cylinder(hem, hip, (0.25, 0.17), outfit.trousers, cloth, 9, 0.8))
    leg_colour = outfit.skin if outfit.skirt else outfit.trousers
    for leg in pose.legs:
        hip_joint, knee, ankle = leg
        parts.append(cylinder(hip_joint, knee, (0.095, 0.07), leg_colour, cloth, 7))
        parts.append(cylinder(knee, ankle, (0.072, 0.05), leg_colour, cloth, 7))
        parts.append(
            ellipsoid(ankle + [0, -0.04, 0.06], (0.05, 0.05, 0.13), outfit.shoes, detail=(4, 6))
        )
    for shoulder, elbow, hand in pose.arms:
        parts.append(cylinder(shoulder, elbow, (0.06, 0.05), outfit.top, cloth, 6))
        parts.append(cylinder(elbow, hand, (0.052, 0.04), outfit.top, cloth, 6))
        parts.append(ellipsoid(hand, (0.04, 0.055, 0.045), outfit.skin, detail=(3, 5)))
    if outfit.bag == "backpack":
        at = (neck + hip) / 2 + [0, -0.12, -0.2]
        parts.append(box(at, (0.3, 0.42, 0.16), outfit.shoes * 2 + outfit.top[::-1] * 0.5, cloth))
    elif outfit.bag == "handbag":
        parts.append(box(pose.arms[0][2] - [0.03, 0.32, 0], (0.1, 0.26, 0.3), outfit.shoes, cloth))
    return join(parts)


def pedestrian(rng: np.random.Generator) -> Mesh:
    """A walking or standing person of random height; one in eight is a child."""
    stride = float(rng.choice([0.0, 0.7, 1.0]))
    height = rng.uniform(1.15, 1.4) if rng.random() < 0.12 else rng.uniform(1.58, 1.9)
    body = person(walking_pose(rng.uniform(0, 2 * np.pi), stride), random_outfit(rng))
    return place(body, scale=height / 1.75)

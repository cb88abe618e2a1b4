"""An animal that runs: in an open field, with a place and a direction, or on a wheel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nwbdecode.simulate.noise import slow_drift

#: Tracking rate of a common overhead camera, Hz.
TRACKING_RATE = 50.0
#: Typical and largest speed of a running rodent, m/s.
RUNNING_SPEED, TOP_SPEED = 0.2, 0.5
#: Spread of the running speed, natural log units, and how long it lasts, s.
SPEED_SPREAD, SPEED_TIMESCALE = 0.5, 2.0
#: Mean length of a run and of a rest, s.
RUN_BOUT, REST_BOUT = 10.0, 3.0
#: Time the animal needs to come up to speed or to stop, s.
INERTIA = 0.3
#: Spread of the turning rate, rad/s, and how long a turn lasts, s.
TURN_SPREAD, TURN_TIMESCALE = 1.5, 0.5
#: Distance at which a wall starts to turn the animal, m, and how hard it does, rad/s.
WALL_REACH, WALL_TURN = 0.15, 8.0
#: Spread of the head's angle from the body's, rad, and how long it is held, s.
HEAD_SPREAD, HEAD_TIMESCALE = 0.7, 1.5


@dataclass(frozen=True, eq=False)
class OpenField:
    """What the animal did, sampled by a camera.

    Attributes
    ----------
    rate : float
        Samples per second; the first sample is at time 0.
    size : float
        Side of the square box in meters; its corner lies at (0, 0).
    position : numpy.ndarray, shape (n, 2)
        Meters.
    heading : numpy.ndarray, shape (n,)
        Direction of the body, radians, unwrapped.
    head_direction : numpy.ndarray, shape (n,)
        Direction of the head, radians in [0, 2 pi): the heading plus an angle
        that drifts, so that neither can stand in for the other.
    speed : numpy.ndarray, shape (n,)
        Meters per second, of the actual displacement.
    """

    rate: float
    size: float
    position: np.ndarray
    heading: np.ndarray
    head_direction: np.ndarray
    speed: np.ndarray

    @property
    def time(self) -> np.ndarray:
        """Seconds, shape (n,)."""
        return np.arange(len(self.speed)) / self.rate


def open_field(
    duration: float,
    rng: np.random.Generator,
    *,
    rate: float = TRACKING_RATE,
    size: float = 1.0,
) -> OpenField:
    """Let an animal run and rest in a square box.

    Parameters
    ----------
    duration : float
        Seconds.
    rng : numpy.random.Generator
    rate : float, default 50
        Samples per second.
    size : float, default 1
        Side of the box in meters.

    Returns
    -------
    OpenField

    Examples
    --------
    >>> import numpy as np
    >>> field = open_field(20.0, np.random.default_rng(0))
    >>> field.position.shape
    (1000, 2)
    >>> bool(field.speed.max() <= 0.51)
    True
    """
    n = math.ceil(duration * rate)
    wanted = running_speed(n, rate, rng)
    turning = TURN_SPREAD * slow_drift(n, rate, TURN_TIMESCALE, rng)
    position, heading = _walk(wanted, turning, rate, size, rng)
    # A wall shortens a step, so speed is what was covered, not what was wanted.
    velocity = np.gradient(position, 1 / rate, axis=0) if n > 1 else np.zeros((n, 2))
    offset = HEAD_SPREAD * slow_drift(n, rate, HEAD_TIMESCALE, rng)
    return OpenField(
        rate=rate,
        size=size,
        position=position,
        heading=heading,
        head_direction=np.mod(heading + _with_inertia(offset, rate), 2 * np.pi),
        speed=np.hypot(*velocity.T),
    )


def running_speed(
    n: int, rate: float, rng: np.random.Generator, *, rest: float = REST_BOUT
) -> np.ndarray:
    """Draw the speed of an animal that alternates runs and rests of random length.

    Parameters
    ----------
    n : int
        Number of samples.
    rate : float
        Samples per second.
    rng : numpy.random.Generator
    rest : float, default 3
        Mean length of a rest in seconds.

    Returns
    -------
    numpy.ndarray, shape (n,)
        Meters per second.
    """
    spread = SPEED_SPREAD * slow_drift(n, rate, SPEED_TIMESCALE, rng)
    wanted = np.minimum(RUNNING_SPEED * np.exp(spread), TOP_SPEED)
    return _with_inertia(wanted * _running(n, rate, rng, rest), rate)


def _running(n: int, rate: float, rng: np.random.Generator, mean_rest: float) -> np.ndarray:
    """Alternate runs and rests: 1.0 while running, 0.0 at rest."""
    state = np.ones(n)
    at = rng.exponential(RUN_BOUT)
    while at * rate < n:
        rest = rng.exponential(mean_rest)
        state[int(at * rate) : int((at + rest) * rate)] = 0.0
        at += rest + rng.exponential(RUN_BOUT)
    return state


def _with_inertia(values: np.ndarray, rate: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, INERTIA * rate / 2, mode="nearest"))


def _walk(
    speed: np.ndarray, turning: np.ndarray, rate: float, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate speed and turning; walls turn the animal away and are never crossed."""
    margin = min(WALL_REACH, size / 4)
    x, y = rng.uniform(margin, size - margin, 2).tolist()
    heading = rng.uniform(0, 2 * math.pi)
    position, headings = np.empty((len(speed), 2)), np.empty(len(speed))
    for i, (pace, turn) in enumerate(zip(speed.tolist(), turning.tolist(), strict=True)):
        position[i], headings[i] = (x, y), heading
        # A resting animal does not spin on the spot.
        turn *= min(pace / RUNNING_SPEED, 1.0)
        away_x = _push(x, size)
        away_y = _push(y, size)
        cos, sin = math.cos(heading), math.sin(heading)
        if away_x * cos + away_y * sin < 0:
            # The cross product picks the shorter way round.
            side = math.copysign(1.0, cos * away_y - sin * away_x)
            strength = math.hypot(away_x, away_y) * min(pace / RUNNING_SPEED, 1.0)
            turn += side * WALL_TURN * strength
        heading += turn / rate
        x = min(max(x + pace * math.cos(heading) / rate, 0.0), size)
        y = min(max(y + pace * math.sin(heading) / rate, 0.0), size)
    return position, headings


def _push(coordinate: float, size: float) -> float:
    """How strongly the two walls across one axis push inward, in [-1, 1]."""
    reach = min(WALL_REACH, size / 2)
    low = max(0.0, 1 - coordinate / reach)
    high = max(0.0, 1 - (size - coordinate) / reach)
    return low - high

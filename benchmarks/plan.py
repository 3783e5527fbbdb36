"""A library on more machines than are at hand: a simulation of ``--cluster``.

    python benchmarks/plan.py [--films 10000] [--gpus 20] [--storage 10] [--set NAME=VALUE ...]
    python benchmarks/plan.py --table

Events in the order of their times, and no random number but the lengths of the films (seeded). A
film is handed out by the command on the head node, the longest first, to a worker that is free. Its
file is read from the storage that all nodes share, while the sound is extracted; then its speech is
recognized by the worker's GPU, one film at a time; then the results are written. A worker has
``jobs`` films, so that one is read while the speech of another is recognized.

:class:`Costs` has what each step takes, and says which values were measured
(``benchmarks/README.md``) and which are assumed. Nodes that die, other users of the storage, and
films that fail are left out.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from dubkit.media.extract import SECTION

DIVIDED = 2 * SECTION
"""Seconds of a film from which on its sound is extracted in sections."""
SATURATED = 0.8
"""The part of the time for which a resource is at work that holds up the others."""


@dataclass(frozen=True)
class Costs:
    """What a run has, and what its steps take."""

    # Measured, on one H200 with 16 CPU cores, two of which extract as fast as two here.
    extract: float = 2.6
    """Seconds an hour of media, in which the sound of a film of 20 minutes and more is extracted,
    in sections side by side: with no wait for the file."""
    extract_whole: float = 13.0
    """The same for shorter films, which are not divided."""
    recognize: float = 27.0
    """Seconds an hour of media: voice activity, recognition with second looks, times of words, by
    Whisper tiny.en. Larger models were measured without real weights, so this is varied."""
    load: float = 19.0
    """Seconds in which a worker imports its libraries and loads its model, once."""
    probe: float = 0.022
    """Seconds in which the command looks at one film before it begins, eight at once."""
    head: float = 0.02
    """Seconds of one core of the head node for each film."""
    film: float = 0.2
    """Seconds of a worker for each film, whatever its length."""
    # Assumed.
    minutes: float = 45.0
    """Length of a film, on average."""
    spread: float = 0.6
    """Of the logarithm of the length: most films have 20 to 90 minutes."""
    megabits: float = 5.0
    """A second of a film's file."""
    video: bool = False
    """Whether a copy of the film with its subtitles is written too."""
    storage: float = 10.0
    """Gbit/s of the shared storage, read and written, for all nodes together."""
    port: float = 10.0
    """Gbit/s of a node's network."""
    gpus: int = 20
    gpus_of_node: int = 4
    jobs: int = 2
    price: float = 5.41
    """Dollars for an hour of a GPU with its share of a node."""


@dataclass
class _Transfer:
    """A file on its way between the storage and a node."""

    film: int
    worker: int
    left: float
    """Bits."""
    most: float
    """Bits a second that whoever takes them can take."""
    writes: bool
    rate: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What a run took."""

    hours: float
    dollars: float
    shares: dict[str, float]
    """The part of the time in which each resource was at work, weighted by how much of it was."""

    @property
    def limit(self) -> str:
        """The resource that more of would help; none where steps only wait for each other."""
        name = max(self.shares, key=lambda name: self.shares[name])
        return name if self.shares[name] >= SATURATED else "none"


def lengths(count: int, costs: Costs, seed: int = 1) -> list[float]:
    """Seconds of each film, the longest first."""
    chance = random.Random(seed)
    middle = -(costs.spread**2) / 2  # so that the mean is what it should be
    found = [chance.lognormvariate(middle, costs.spread) * costs.minutes * 60 for _ in range(count)]
    return sorted(found, reverse=True)


def simulate(films: Sequence[float], costs: Costs) -> Plan:
    """Do the films (seconds of each, in the order in which they are begun)."""
    events: list[tuple[float, int, str, int, int]] = []
    number = 0

    def at(when: float, what: str, film: int = -1, worker: int = -1) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (when, number, what, film, worker))

    waiting = deque(range(len(films)))
    begin = len(films) * costs.probe / 8
    free = [costs.jobs] * costs.gpus
    ready: list[deque[int]] = [deque() for _ in range(costs.gpus)]
    """Films whose sound waits for the GPU of a worker."""
    busy = [False] * costs.gpus
    transfers: list[_Transfer] = []
    now = last = head_free = begin
    work = {"GPUs": 0.0, "storage": 0.0, "network of a node": 0.0, "head node": 0.0}
    for worker in range(costs.gpus):
        at(begin + costs.load, "free", worker=worker)

    def hand_out(worker: int) -> None:
        nonlocal head_free
        while waiting and free[worker]:
            free[worker] -= 1
            head_free = max(head_free, now) + costs.head
            work["head node"] += costs.head
            at(head_free, "read", waiting.popleft(), worker)

    def recognize(worker: int) -> None:
        if ready[worker] and not busy[worker]:
            film = ready[worker].popleft()
            busy[worker] = True
            seconds = films[film] / 3600 * costs.recognize + costs.film
            work["GPUs"] += seconds
            at(now + seconds, "recognized", film, worker)

    def transfer(film: int, worker: int, writes: bool) -> None:
        bits = films[film] * costs.megabits * 1e6
        extract = costs.extract if films[film] >= DIVIDED else costs.extract_whole
        most = bits / max(films[film] / 3600 * extract, 1e-9)
        transfers.append(
            _Transfer(film, worker, bits, costs.port * 1e9 if writes else most, writes)
        )

    def done(worker: int) -> None:
        free[worker] += 1
        hand_out(worker)

    while events or transfers:
        _share(transfers, costs)
        first = min((one.left / one.rate for one in transfers), default=float("inf"))
        upto = min(now + first, events[0][0] if events else float("inf"))
        passed = upto - now
        for one in transfers:
            one.left -= one.rate * passed
        flow = sum(one.rate for one in transfers)
        work["storage"] += flow / (costs.storage * 1e9) * passed
        nodes = -(-costs.gpus // costs.gpus_of_node)
        work["network of a node"] += flow / nodes / (costs.port * 1e9) * passed
        now = upto
        arrived = [one for one in transfers if one.left <= 1.0]
        transfers[:] = [one for one in transfers if one.left > 1.0]
        for one in arrived:
            if one.writes:
                done(one.worker)
            else:
                ready[one.worker].append(one.film)
                recognize(one.worker)
        while events and events[0][0] <= now:
            _, _, what, film, worker = heapq.heappop(events)
            if what == "free":
                hand_out(worker)
            elif what == "read":
                transfer(film, worker, writes=False)
            else:
                busy[worker] = False
                if costs.video:
                    transfer(film, worker, writes=True)
                else:
                    done(worker)
                recognize(worker)
        last = now
    parts = {"GPUs": costs.gpus}
    shares = {name: seconds / last / parts.get(name, 1) for name, seconds in work.items()}
    return Plan(last / 3600, last / 3600 * costs.gpus * costs.price, shares)


def _share(transfers: Sequence[_Transfer], costs: Costs) -> None:
    """The rate of each transfer: all get the same of the storage and of their node's port, but none
    more than it can take."""
    on_node: dict[int, int] = {}
    for one in transfers:
        node = one.worker // costs.gpus_of_node
        on_node[node] = on_node.get(node, 0) + 1
    left = costs.storage * 1e9

    def most(one: _Transfer) -> float:
        return min(one.most, costs.port * 1e9 / on_node[one.worker // costs.gpus_of_node])

    for number, one in enumerate(sorted(transfers, key=most)):
        one.rate = min(most(one), left / (len(transfers) - number))
        left -= one.rate


def row(films: int, costs: Costs, what: str) -> str:
    found = simulate(lengths(films, costs), costs)
    shares = " | ".join(f"{100 * share:.0f} %" for share in found.shares.values())
    return f"| {what} | {found.hours:.1f} | {found.dollars:,.0f} | {shares} | {found.limit} |"


def table(films: int, costs: Costs) -> None:
    """Some plans around the one that is asked for, in Markdown."""
    shares = " | ".join(("GPUs", "storage", "network of a node", "head node"))
    print(f"| | hours | dollars | {shares} | holds it up |")
    print("|---|---|---|---|---|---|---|---|")
    print(row(films, costs, "as above"))
    for storage in (25.0, 100.0):
        print(row(films, replace(costs, storage=storage), f"storage of {storage:g} Gbit/s"))
    print(row(films, replace(costs, jobs=1), "one film a worker"))
    print(row(films, replace(costs, video=True), "with a copy of each film"))
    print(row(films, replace(costs, megabits=20.0), "films of 20 Mbit/s"))
    slow = replace(costs, recognize=3 * costs.recognize)
    print(row(films, slow, "recognition three times as slow"))
    print(row(films, replace(costs, minutes=1.0), "films of a minute"))
    for gpus in (5, 10, 40, 80):
        print(row(films, replace(costs, gpus=gpus), f"{gpus} GPUs"))
    fast = replace(costs, storage=100.0)
    for gpus in (40, 80, 160):
        print(row(films, replace(fast, gpus=gpus), f"{gpus} GPUs, 100 Gbit/s"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--gpus", type=int, default=Costs.gpus)
    parser.add_argument("--storage", type=float, default=Costs.storage, help="Gbit/s")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="of Costs")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    costs = Costs(gpus=given.gpus, storage=given.storage)
    known = {one.name: type(one.default) for one in fields(Costs)}
    for text in given.set:
        name, _, value = text.partition("=")
        kind = known[name]
        costs = replace(costs, **{name: value == "True" if kind is bool else kind(value)})
    if given.table:
        table(given.films, costs)
        return
    found = simulate(lengths(given.films, costs), costs)
    print(f"{given.films} films on {costs.gpus} GPUs: {found.hours:.1f} hours, "
          f"${found.dollars:,.0f}; held up by: {found.limit}")  # fmt: skip
    for name, share in found.shares.items():
        print(f"  {name}: {100 * share:.0f} % of the time")


if __name__ == "__main__":
    main()

"""The loss around the network of a run, saved in its folder every few seconds, so that you can stop and continue."""

import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from mlp.diagnostics.landscape import explore, loss_in_plane
from mlp.diagnostics.landscape.plane import PointLoss
from mlp.engine import make_engine
from mlp.engine.cpu.threads import at_once
from mlp.experiments.build import make_loss
from mlp.experiments.estimate import format_seconds
from mlp.experiments.probes.places import KINDS, LandscapeSettings, Place, prepare
from mlp.experiments.probes.stored import LandscapeFile
from mlp.experiments.probes.workers import points_from_workers
from mlp.files.locks import only_writer
from mlp.progress import progress_bar
from mlp.typing import PathLike

SAVE_EVERY = 15.0  # seconds


def compute(
    run: PathLike,
    settings: LandscapeSettings,
    name: str = "landscape",
    jobs: int = 1,
    *,
    threads: int | None = None,
    data_dir: PathLike | None = None,
    device: str | None = None,
    trust_code: bool = False,
    later: int = 0,
) -> Iterator[Place]:
    """Compute a landscape into RUN/NAME.npz; yield after each save, and at the end, when all points were visited.

    After an error or Ctrl-C, the visited points are saved too.

    Args:
        jobs: processes that share the points. threads: of the cpu engine of each; None for its share of the cores.
        later: how many other runs get the same landscape after this one, for the estimate.

    Raises:
        FolderInUseError: another process computes the landscape of this name.
    """
    at_once("jobs", jobs, "--jobs")
    if threads is not None:
        at_once("threads", threads, "--threads")
    prepared = partial(prepare, run, settings, data_dir, device, trust_code=trust_code)  # for each process
    place = prepared()
    file = LandscapeFile(Path(run) / f"{name}.npz", settings, place)
    file.require_own(name)
    found = place.found
    with ExitStack() as ending:
        lock = Path(run) / f".{name}.npz.lock"
        ending.enter_context(only_writer(lock, lambda: "it computes the landscape of this --name"))
        ending.callback(lock.unlink, missing_ok=True)
        replaced = file.resume()
        if replaced:
            print(f"{file.path} is replaced: {replaced}")
        left, start, saved = int((~found.visited).sum()), time.monotonic(), time.monotonic()
        print(f"{run}: {left} of {found.visited.size} points to visit, {KINDS[settings.kind]}", flush=True)
        ending.callback(file.save)
        bar = ending.enter_context(progress_bar(total=left, desc="points", unit="point"))
        visits = (
            visit(place, settings, threads)
            if jobs == 1
            else points_from_workers(found, (prepared, settings), jobs, threads, target=serve_points)
        )
        ending.enter_context(closing(visits))
        for number, _ in enumerate(visits, start=1):
            bar.update()
            if number == min(1 + jobs, left):
                each = (time.monotonic() - start) / number
                print(estimate_text(each, left - number, later, found.visited.size), flush=True)
            if time.monotonic() - saved > SAVE_EVERY:
                file.save()
                saved = time.monotonic()
                yield place
    yield place


def estimate_text(each: float, left: int, later: int, points: int) -> str:
    """Return the line that says how long it will take.

    Args:
        each: seconds for a point. left: points of this run. later: how many runs come after it, with `points` each.
    """
    text = f"estimate: {format_seconds(each * left)} for the rest"
    if later:
        text += f" of this run, {format_seconds(each * (left + later * points))} with the {later} after it if they are "
        text += "as large"
    return f"{text}; a smaller --points or --images makes it shorter"


def visit(place: Place, settings: LandscapeSettings, threads: int | None) -> Generator[tuple[int, int], None, None]:
    """Visit all points that are left, in this process; yield each."""
    with point_losses(place, settings, threads) as at:
        yield from explore(at, place.found)


def point_losses(place: Place, settings: LandscapeSettings, threads: int | None) -> AbstractContextManager[PointLoss]:
    """Return the context of `loss_in_plane` at a Place."""
    config, directions = place.config, place.found.directions
    engine, loss = make_engine(config.engine, threads, config.device, config.precision), make_loss(config)
    return loss_in_plane(
        place.model, loss, place.images, directions, settings.statistics, config.batch_size, engine=engine
    )


def serve_points(connection: Any, arguments: tuple[Any, ...], threads: int) -> None:
    """Run in a worker: receive points (x, y) until None comes, and send back (loss, accuracy) for each."""
    prepared, settings = arguments
    with point_losses(prepared(), settings, threads) as at:
        while (point := connection.recv()) is not None:
            connection.send(at(*point))

"""What is left to do when an application ends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI


def at_end(app: FastAPI, end: Callable[[], Awaitable[None]]) -> None:
    """Have ``end`` called when an application ends, before what it does then itself."""
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state:
            try:
                yield state
            finally:
                await end()

    app.router.lifespan_context = lifespan

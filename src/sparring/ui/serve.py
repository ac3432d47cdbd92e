"""The server: on this machine alone, with an address that holds a token of this launch."""

import contextlib
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from sparring.core.errors import InvalidSpec, MissingExtra
from sparring.red_recipe import RedRecipe

_HOST = "127.0.0.1"


def serve(
    workspace: Path,
    port: int = 0,
    given: RedRecipe | None = None,
    *,
    told: Callable[[str], None],
) -> None:
    """Serves the pages until it is stopped.

    Args:
        workspace: folder with the folders of runs, or one of these.
        port: 0 for any that is free.
        given: a recipe from the command line.
        told: hears the address, once it can be opened.

    Raises:
        InvalidSpec: if the port is taken.
        MissingExtra: without the packages of the pages.
    """
    try:
        import uvicorn

        from sparring.ui.app import make_app
    except ModuleNotFoundError as error:
        raise MissingExtra(f'the pages need {error.name}: pip install "sparring[ui]"') from error

    with listening(port) as door:
        token, place = secrets.token_urlsafe(24), door.getsockname()[1]
        if (workspace / "recipe.json").is_file():
            workspace = workspace.parent
        app = make_app(workspace, token=token, hosts=hosts(place), given=given)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        )
        told(f"http://{_HOST}:{place}/?token={token}")
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it is meant to end
            server.run(sockets=[door])


def listening(port: int) -> socket.socket:
    """A socket that only this machine can reach.

    Raises:
        InvalidSpec: if the port is taken or none.
    """
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((_HOST, port))
        door.listen(64)
    except (OSError, OverflowError) as error:
        door.close()
        raise InvalidSpec(f"port {port} cannot be used ({error}). Name another one, or --port 0 for any.") from error
    return door


def hosts(port: int) -> tuple[str, str]:
    """The names under which the pages answer."""
    return f"{_HOST}:{port}", f"localhost:{port}"

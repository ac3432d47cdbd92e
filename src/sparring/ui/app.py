"""The pages: what each address answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from sparring.core.errors import InvalidSpec, SparringError
from sparring.red_recipe import RedRecipe
from sparring.ui.attempt import Attempt, attempt
from sparring.ui.campaign import Campaigns
from sparring.ui.guard import Guard, form_token
from sparring.ui.record import bout_rows, card_names, open_card, words
from sparring.ui.rendering import Pages
from sparring.ui.scene import Scene, books, people

_HERE = Path(__file__).parent
_LARGEST = 1_000_000  # bytes of a form
_KEPT = 1000  # attempts in memory; the oldest goes first


class TooLarge(SparringError):
    """A form past what anybody types."""


class Forged(SparringError):
    """A form without the token that every page puts into its own."""


def make_app(workspace: Path, *, token: str, hosts: Sequence[str], given: RedRecipe | None = None) -> Guard:
    """The application behind its guard.

    Args:
        workspace: folder with the folders of runs.
        token: of this launch.
        hosts: `name:port` under which it is reached.
        given: a recipe from the command line.
    """
    app = FastAPI(title="sparring", docs_url=None, redoc_url=None, openapi_url=None)
    campaigns, pages, secret = Campaigns(workspace, given), Pages(form_token(token)), form_token(token)
    attempts: dict[str, Attempt] = {}

    def known(key: str) -> Attempt:
        if key not in attempts:
            raise InvalidSpec("that attempt is no longer in memory: send it again.")
        return attempts[key]

    def scene(told: Mapping[str, str], **more: Any) -> Response:
        """The page to attack from; what is wrong becomes a sentence on it and keeps what was typed."""
        found = Scene.of(campaigns, told)
        problem = str(more.pop("problem", "")) or found.problem
        return pages.render("attack.html", 400 if problem else 200, scene=found, problem=problem, **more)

    async def form(request: Request) -> dict[str, str]:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST:
                raise TooLarge(f"the form holds more than {_LARGEST:,} bytes; nothing was sent. Shorten the text.")
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if fields.pop("token", "") != secret:
            raise Forged(
                "the form has no token of this launch; nothing was done. Open the page again and send it from there."
            )
        return {key: value.replace("\r\n", "\n") for key, value in fields.items()}

    @app.get("/")
    def start(request: Request) -> Response:
        return scene(request.query_params)

    @app.post("/choose")
    async def choose(request: Request) -> Response:
        return await run_in_threadpool(scene, await form(request))

    @app.post("/attempts")
    async def send(request: Request) -> Response:
        told = await form(request)

        def asked() -> Response:
            try:
                found = Scene.of(campaigns, told)
                if found.campaign is None or found.problem:
                    raise InvalidSpec(found.problem or "choose a target first.")
                before = known(told["after"]) if told.get("after") else None
                one = attempt(found.campaign, found.target, found.case, told.get("text", ""), before)
            except SparringError as error:
                after = attempts.get(told.get("after", ""))
                return scene(told, problem=error, tried=after)
            attempts[one.key] = one
            while len(attempts) > _KEPT:
                del attempts[next(iter(attempts))]
            return RedirectResponse(f"/attempts/{one.key}", 303)

        return await run_in_threadpool(asked)

    @app.get("/attempts/{key}")
    def tried(key: str) -> Response:
        return _shown(known(key))

    @app.post("/attempts/{key}/verdict")
    async def judge(request: Request, key: str) -> Response:
        told = await form(request)

        def added() -> Response:
            one = known(key)
            try:
                verdict = one.judged(told.get("person", ""), told.get("by", ""))
                campaigns.named(one.campaign).add(verdict, replace=told.get("replace") == "yes")
            except (SparringError, OSError) as error:
                return _shown(one, problem=error, status=400)
            pages.by = verdict.by
            return RedirectResponse(f"/attempts/{key}", 303)

        return await run_in_threadpool(added)

    def _shown(one: Attempt, problem: object = "", status: int = 200) -> Response:
        text = one.text if one.conversation.turn == 1 else ""
        found = Scene.of(campaigns, {"target": f"{one.campaign}/{one.target}", "case": one.case, "text": text})
        try:
            standing = found.standing(one)
        except SparringError as error:
            standing, problem = None, problem or error
        return pages.render("attack.html", status, scene=found, problem=str(problem), tried=one, standing=standing)

    @app.get("/books")
    def case_books() -> Response:
        return pages.render("books.html", books=books(campaigns))

    @app.get("/runs")
    def runs() -> Response:
        _, troubles = campaigns.found()
        return pages.render("runs.html", names=card_names(workspace), workspace=str(workspace), troubles=troubles)

    @app.get("/card")
    def card(of: str = "") -> Response:
        folder, found = open_card(workspace, of, people(campaigns))
        spoken = bool(found.groups) or any(bout.opinions for bout in found.bouts)
        return pages.render("card.html", name=of, card=found, rows=bout_rows(found), spoken=spoken, folder=str(folder))

    @app.get("/compare")
    def compare(before: str = "", after: str = "") -> Response:
        (_, first), (_, second) = open_card(workspace, before), open_card(workspace, after)
        return pages.render("compare.html", before=before, after=after, comparison=first.compare(second))

    @app.get("/words")
    def said(of: str = "", bout: str = "", start: int = 0, broken: str = "") -> Response:
        folder, found = open_card(workspace, of)
        page, more = words(folder, found, bout, max(0, start), broken == "yes")
        return pages.render("words.html", name=of, bout=bout, said=page, more=more, start=max(0, start), broken=broken)

    @app.exception_handler(SparringError)
    def refused(request: Request, error: Exception) -> Response:
        status = 413 if isinstance(error, TooLarge) else 403 if isinstance(error, Forged) else 404
        return pages.render("problem.html", status, problem=str(error))

    @app.exception_handler(HTTPException)
    def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return pages.render("problem.html", status, problem="There is no such page. Use the links above.")

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        told = f"this page failed: {type(error).__name__}: {error}. Nothing was added to a case book."
        return pages.render("problem.html", 500, problem=told)

    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    return Guard(app, token=token, hosts=hosts)  # outside of everything, so that no answer goes without its headers

"""The handlers of the notes extension: which call does what."""

import notes

from web import Request, Response, Router, empty, json_response, problem

router = Router()


@router.on("GET", "/notes")
def list_notes(request: Request) -> Response:
    found = notes.page(after=request.query.get("cursor"))
    return json_response({"notes": found, "next_cursor": found[-1]["id"] if found else None})


@router.on("POST", "/notes")
def create_note(request: Request) -> Response:
    draft, faults = notes.validate(request.json())
    if draft is None:
        return problem(422, "The note cannot be stored.", errors=faults)
    note = notes.create(draft)
    return json_response(note, status=201, headers={"location": f"/notes/{note['id']}"})


@router.on("GET", "/notes/:id")
def read_note(request: Request) -> Response:
    note = notes.find(request.params["id"])
    return problem(404, "There is no such note.") if note is None else json_response(note)


@router.on("DELETE", "/notes/:id")
def delete_note(request: Request) -> Response:
    return empty(204) if notes.delete(request.params["id"]) else problem(404, "There is no such note.")


class WitWorld:
    """What the guest contract asks an extension to export."""

    def handler(self, request):
        return router.answer(request)

"""Scans: made, changed, started, watched, shared, deleted."""

from __future__ import annotations

import io
import json
import threading
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.service.api.pictures import picture
from tests.service.conftest import TUS, Client, RunningService, serving


def finish(service: RunningService, scan: str, kinds: dict[str, bytes]) -> None:
    """Do a worker's part: results of a run that is done."""
    for name, data in kinds.items():
        kind, _, file = name.partition(":")
        result = uuid.uuid4()
        key = f"scans/{scan}/results/{result}"
        service.put(key, data)
        media = {"html": "text/html", "jpg": "image/jpeg", "glb": "model/gltf-binary"}
        suffix = file.rpartition(".")[2]
        service.execute(
            "insert into results (id, scan_id, revision, kind, format, name, bytes, media_type, "
            "object_key) select %s, id, revision, %s, %s, %s, %s, %s, %s from scans where id = %s",
            [result, kind, suffix, file, len(data),
             media.get(suffix, "application/octet-stream"), key, scan],
        )  # fmt: skip
    service.execute(
        "update scans set state = 'done', finished_at = now(), progress = 1 where id = %s", [scan]
    )


def test_a_scan_is_a_draft_first(ada: Client) -> None:
    answer = ada.post(
        "/api/v1/scans",
        json={"title": "  A vase ", "options": {"faces": 5000, "quality": "draft", "pbr": None}},
    )
    scan = answer.json()
    assert answer.status_code == 201
    assert (scan["title"], scan["state"], scan["mode"]) == ("A vase", "draft", "photo")
    assert scan["options"] == {"faces": 5000, "quality": "draft"}
    assert scan["privacy"] == "private"
    assert scan["share_url"] is None
    assert ada.get(f"/api/v1/scans/{scan['id']}").json() == scan


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "x", "mode": "sonar"}, "mode"),
        ({"title": "x", "colour": 1}, "colour"),
        ({"title": "x", "options": {"faces": 5}}, "options.faces"),
        ({"title": "x", "options": {"faces": "many"}}, "options.faces"),
        ({"title": "x", "options": {"output": "/etc/passwd"}}, "options.output"),
        ({"title": "x", "options": {"mask": "/etc"}}, "options.mask"),
        ({"title": "x", "options": {"workspace": "/tmp"}}, "options.workspace"),
        ({"title": "x", "options": {"cameras": "/etc/passwd"}}, "options.cameras"),
        ({"title": "x", "options": {"splats": 5000}}, "options.splats"),
        ({"title": "x", "options": {"format": ["spz"]}}, "options.format"),
        ({"title": "x", "options": {"format": [["glb"]]}}, "options.format"),
        ({"title": "x", "privacy": "secret"}, "privacy"),
    ],
)
def test_what_can_not_be_asked_for(ada: Client, body: dict[str, Any], field: str) -> None:
    answer = ada.post("/api/v1/scans", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert field in [error["field"] for error in problem["errors"]]


def test_the_options_describe_themselves(ada: Client) -> None:
    described = ada.get("/api/v1/options").json()
    for mode in described["modes"]:
        assert mode["accepts"]
        for option in mode["options"]:
            assert option["help"]
            assert option["name"] not in ("output", "workspace", "mask_model", "threads")
            if option["type"] in ("integer", "number"):
                assert option["minimum"] is not None
                assert option["maximum"] is not None
            if option["type"] == "choice":
                assert len(option["choices"]) >= 2
                usual = option["default"] or option["choices"][0]
                body = {"title": "x", "mode": mode["name"], "options": {option["name"]: usual}}
                if option["needs_format"]:
                    body["options"]["format"] = option["needs_format"][:1]
                assert ada.post("/api/v1/scans", json=body).status_code == 201, option
    names = {mode["name"]: [o["name"] for o in mode["options"]] for mode in described["modes"]}
    assert "splats" in names["splat"]
    assert "splats" not in names["photo"]
    assert "plan" in names["lidar"]
    assert "plan" not in names["photo"]


def test_a_list_in_pages(service: RunningService) -> None:
    person = service.person()
    made = [person.scan(title=f"Vase {number} %") for number in range(5)]
    person.scan(title="A chair")
    found: list[str] = []
    query: dict[str, Any] = {"q": "vase", "limit": 2}
    while True:
        page = person.get("/api/v1/scans", params=query).json()
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == made[::-1]
    assert len(person.get("/api/v1/scans", params={"q": "%"}).json()["items"]) == 5
    assert person.get("/api/v1/scans", params={"state": "done"}).json()["items"] == []
    assert person.get("/api/v1/scans", params={"cursor": "rubbish"}).status_code == 422


def test_a_repeated_request_makes_one_scan(service: RunningService) -> None:
    person = service.person()
    headers = {"Idempotency-Key": "key-1"}
    first = person.post("/api/v1/scans", json={"title": "x"}, headers=headers)
    again = person.post("/api/v1/scans", json={"title": "x"}, headers=headers)
    other = person.post("/api/v1/scans", json={"title": "y"}, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422
    assert len(person.get("/api/v1/scans").json()["items"]) == 1


def test_the_same_request_twice_at_once_makes_one_scan(service: RunningService) -> None:
    person = service.person()

    def post(_number: int) -> str:
        headers = {"Idempotency-Key": "key-2"}
        return str(person.post("/api/v1/scans", json={"title": "x"}, headers=headers).json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(16)))) == 1


def test_a_scan_needs_files_to_start(ada: Client) -> None:
    scan = ada.scan()
    assert ada.post(f"/api/v1/scans/{scan}/start").status_code == 409
    ada.announce(scan, "a.jpg", 10)
    problem = ada.post(f"/api/v1/scans/{scan}/start").json()
    assert problem["type"] == "urn:gypsum:uploading"


def test_start_cancel_and_start_again(service: RunningService) -> None:
    person = service.person()
    scan = person.scan()
    person.upload(scan, "a.jpg", picture())
    started = person.post(f"/api/v1/scans/{scan}/start", headers={"Idempotency-Key": "s"})
    assert started.json()["state"] == "queued"
    again = person.post(f"/api/v1/scans/{scan}/start", headers={"Idempotency-Key": "s"})
    assert again.json() == started.json()
    assert person.post(f"/api/v1/scans/{scan}/start").status_code == 409
    late = person.announce(scan, "late.jpg", 5)
    assert late.status_code == 409, "files of a scan that runs stay as they are"
    cancelled = person.post(f"/api/v1/scans/{scan}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert person.post(f"/api/v1/scans/{scan}/cancel").status_code == 409
    person.upload(scan, "b.jpg", picture(number=1))
    started = person.post(f"/api/v1/scans/{scan}/start")
    assert started.json()["revision"] == 2


def test_revising_changes_options_and_keeps_the_others(service: RunningService) -> None:
    person = service.person()
    scan = person.scan(options={"faces": 5000, "quality": "draft"})
    person.upload(scan, "a.jpg", picture())
    assert person.post(f"/api/v1/scans/{scan}/revise", json={}).status_code == 409
    finish(service, scan, {"model:vase.glb": b"glTF"})
    assert person.post(f"/api/v1/scans/{scan}/start").status_code == 409
    options = {"faces": None, "format": ["obj"]}
    revised = person.post(f"/api/v1/scans/{scan}/revise", json={"options": options})
    assert revised.json()["options"] == {"quality": "draft", "format": ["obj"]}
    assert revised.json()["revision"] == 2
    bad = person.post(f"/api/v1/scans/{scan}/revise", json={"options": {"faces": 1}})
    assert bad.status_code in (409, 422)


def test_only_drafts_change_their_mode(service: RunningService) -> None:
    person = service.person()
    scan = person.scan(options={"faces": 5000, "marker_size": "5cm"})
    changed = person.patch(f"/api/v1/scans/{scan}", json={"mode": "splat", "title": "Garden"})
    assert changed.json()["mode"] == "splat"
    assert changed.json()["title"] == "Garden"
    assert changed.json()["options"] == {}, "faces are for meshes"
    finish(service, scan, {})
    refused = person.patch(f"/api/v1/scans/{scan}", json={"mode": "photo"})
    assert refused.status_code == 409


def test_how_many_scans_may_wait(service: RunningService) -> None:
    settings = service.settings.model_copy(update={"user_waiting": 1, "user_scans": 2})
    with serving(settings) as running:
        person = running.person()
        scans = [person.scan(), person.scan()]
        third = person.post("/api/v1/scans", json={"title": "x"})
        assert third.status_code == 409
        for scan in scans:
            person.upload(scan, "a.jpg", picture())
        assert person.post(f"/api/v1/scans/{scans[0]}/start").status_code == 200
        assert person.post(f"/api/v1/scans/{scans[1]}/start").json()["type"] == "urn:gypsum:quota"


def test_results_are_downloaded_by_links(service: RunningService) -> None:
    person = service.person()
    scan = person.scan(title="Väse / 1")
    finish(service, scan, {"model:vase.glb": bytes(range(256)), "report:report.html": b"<p>",
                           "model:vase.stl": b"solid"})  # fmt: skip
    items = {i["name"]: i for i in person.get(f"/api/v1/scans/{scan}/results").json()["items"]}
    link = items["vase.glb"]["url"]
    anybody = service.client()
    whole = anybody.get(link)
    assert whole.content == bytes(range(256))
    assert whole.headers["content-type"] == "model/gltf-binary"
    part = anybody.get(link, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/256"
    assert anybody.get(link, headers={"Range": "bytes=-6"}).content == bytes(range(250, 256))
    assert anybody.get(link, headers={"Range": "bytes=256-"}).status_code == 416
    assert anybody.get(link, headers={"Range": "bytes=3-1,4"}).status_code == 200
    cached = anybody.get(link, headers={"If-None-Match": whole.headers["etag"]})
    assert cached.status_code == 304
    forged = link[:-2] + ("AA" if link[-2:] != "AA" else "BB")
    assert anybody.get(forged).status_code == 404
    report = anybody.get(items["report.html"]["url"])
    assert report.headers["content-security-policy"].startswith("sandbox")
    archive = person.get(f"/api/v1/scans/{scan}/archive")
    assert "filename*=UTF-8''V%C3%A4se%20-%201.zip" in archive.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.testzip() is None
        assert sorted(opened.namelist()) == ["vase.glb", "vase.stl"]
        assert opened.read("vase.glb") == bytes(range(256))


def test_links_expire(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    from gypsum.service.api import records

    person = service.person()
    scan = person.scan()
    finish(service, scan, {"model:vase.glb": b"glTF"})
    monkeypatch.setattr(records, "LINK_SECONDS", -1000)
    item = person.get(f"/api/v1/scans/{scan}/results").json()["items"][0]
    assert service.client().get(item["url"]).status_code == 404


def test_sharing_and_taking_it_back(service: RunningService) -> None:
    person = service.person("Ada")
    scan = person.scan(title="Owl", mode="lidar")
    finish(service, scan, {
        "model:owl.glb": b"glTF", "model:owl.las": b"LASF", "model:owl.place.json": b"{}",
        "model:owl.ply": b"ply", "model:owl_ground.tif": b"II", "model:p.dxf": b"0",
        "model:owl_contours.geojson": b"{}",
        "report:report.html": b"<p>Berlin", "log:log.txt": b"52.5", "thumbnail:t.jpg": b"\xff\xd8",
    })  # fmt: skip
    anybody = service.client()
    shared = person.patch(f"/api/v1/scans/{scan}", json={"privacy": "unlisted"}).json()
    token = shared["share_url"].rsplit("/", 1)[1]
    seen = anybody.get(f"/api/v1/shared/{token}").json()
    assert (seen["title"], seen["author"], seen["licence"]) == ("Owl", "Ada", None)
    # Nothing that tells where the scan was made.
    assert sorted(item["name"] for item in seen["results"]) == ["owl.glb", "t.jpg"]
    assert anybody.get(seen["results"][0]["url"]).status_code == 200
    with zipfile.ZipFile(io.BytesIO(anybody.get(f"/api/v1/shared/{token}/archive").content)) as z:
        assert z.namelist() == ["owl.glb"]
    assert scan not in json.dumps(seen)
    assert person.email not in json.dumps(seen)
    assert "Owl" not in anybody.get("/api/v1/gallery", params={"q": "owl"}).text
    public = person.patch(f"/api/v1/scans/{scan}", json={"privacy": "public"}).json()
    assert public["share_url"] == shared["share_url"]
    assert public["licence"] == "CC BY 4.0"
    item = anybody.get("/api/v1/gallery", params={"q": "owl"}).json()["items"][0]
    assert (item["share_token"], item["author"]) == (token, "Ada")
    person.patch(f"/api/v1/scans/{scan}", json={"privacy": "private"})
    assert anybody.get(f"/api/v1/shared/{token}").status_code == 404
    assert anybody.get("/api/v1/gallery", params={"q": "owl"}).json()["items"] == []
    again = person.patch(f"/api/v1/scans/{scan}", json={"privacy": "unlisted"}).json()
    assert again["share_url"] != shared["share_url"], "an old link does not come back"


def test_the_gallery_in_pages(service: RunningService) -> None:
    person = service.person()
    for number in range(5):
        scan = person.scan(title=f"Gallery {number}", privacy="public")
        finish(service, scan, {})
    anybody = service.client()
    found: list[str] = []
    query: dict[str, Any] = {"q": "gallery", "limit": 2}
    while True:
        page = anybody.get("/api/v1/gallery", params=query).json()
        found += [item["title"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == [f"Gallery {number}" for number in range(5)][::-1]


def test_deleting_really_deletes(service: RunningService) -> None:
    person = service.person()
    scan = person.scan()
    person.upload(scan, "a.jpg", picture())
    half = person.announce(scan, "b.jpg", 100).headers["location"]
    person.append(half, 0, b"\xff\xd8\xff")
    partial = service.settings.uploads / half.rsplit("/", 1)[1]
    # On this machine's disk, or in the bucket, where a worker erases it with all else.
    assert partial.exists() or service.settings.storage_url
    assert person.head(half, headers=TUS).headers["upload-offset"] == "3"
    used = person.get("/api/v1/me/usage").json()
    assert used["bytes"] > 100
    assert person.delete(f"/api/v1/scans/{scan}").status_code == 204
    assert person.get(f"/api/v1/scans/{scan}").status_code == 404
    assert not partial.exists()
    assert person.get("/api/v1/me/usage").json()["bytes"] == 0
    jobs = service.execute("select args::text from procrastinate_jobs")
    assert any(f"scans/{scan}/" in row[0] for row in jobs), "a worker erases what is stored"


def read_events(client: Client, url: str, count: int, **headers: str) -> list[tuple[str, str, Any]]:
    """The first events of a stream as (id, event, data)."""
    found = []
    number, name = "", ""
    with client.stream("GET", url, headers=headers, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            key, _, value = line.partition(": ")
            if key == "id":
                number = value
            elif key == "event":
                name = value
            elif key == "data":
                found.append((number, name, json.loads(value)))
                if len(found) == count:
                    break
    return found


def test_events_as_they_come_and_after_a_break(service: RunningService) -> None:
    person = service.person()
    scan = person.scan()
    url = f"/api/v1/scans/{scan}/events"
    service.execute(
        "insert into scan_events (scan_id, event, data) values (%s, 'before', '{}')", [scan]
    )

    def tell() -> None:
        for number in range(3):
            service.execute(
                "insert into scan_events (scan_id, event, data) values (%s, 'stage_started', %s)",
                [scan, json.dumps({"number": number})],
            )
            service.execute("select pg_notify('gypsum_events', %s)", [scan])

    timer = threading.Timer(0.3, tell)
    timer.start()
    events = read_events(person, url, 4)
    timer.join()
    assert events[0][1] == "scan"
    assert events[0][2]["id"] == scan
    assert [data for _, _, data in events[1:]] == [{"number": n} for n in range(3)]
    later = read_events(person, url, 3, **{"Last-Event-ID": events[1][0]})
    assert [data["number"] for _, name, data in later if name != "scan"] == [1, 2]


def test_events_end_with_the_session(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gypsum.service.api.routes import events

    monkeypatch.setattr(events, "_HEARTBEAT", 0.2)
    person = service.person()
    scan = person.scan()
    with person.stream("GET", f"/api/v1/scans/{scan}/events", timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        service.execute(
            "delete from sessions using users u where user_id = u.id and u.email = %s",
            [person.email],
        )
        for line in lines:  # The stream ends; else this waits until it times out.
            assert not line.startswith(":")


def test_progress_is_told_once(service: RunningService) -> None:
    person = service.person()
    scan = person.scan()
    for number in range(50):
        service.execute(
            "insert into scan_events (scan_id, event, data) values (%s, 'progress', %s)",
            [scan, json.dumps({"done": number / 50})],
        )
    events = read_events(person, f"/api/v1/scans/{scan}/events", 2, **{"Last-Event-ID": "0"})
    assert [name for _, name, _ in events] == ["scan", "progress"]
    assert events[1][2] == {"done": 0.98}


def test_webhooks(service: RunningService) -> None:
    person = service.person()
    body = {"url": "https://example.org/hook", "events": ["scan.done", "scan.done"]}
    made = person.post("/api/v1/webhooks", json=body).json()
    assert made["secret"].startswith("whsec_")
    listed = person.get("/api/v1/webhooks").json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "secret" not in listed[0]
    assert listed[0]["events"] == ["scan.done"]
    assert person.post(f"/api/v1/webhooks/{made['id']}/test").status_code == 202
    assert person.delete(f"/api/v1/webhooks/{made['id']}").status_code == 204
    assert person.post(f"/api/v1/webhooks/{made['id']}/test").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org", "https://127.0.0.1/x", "http://169.254.169.254/latest", "http://[::1]/",
        "https://user:pw@example.org/", "javascript:alert(1)", "https://", "x", "http://10.0.0.1:22",
    ],
)  # fmt: skip
def test_webhooks_do_not_reach_inside(ada: Client, url: str) -> None:
    body = {"url": url, "events": ["scan.done"]}
    assert ada.post("/api/v1/webhooks", json=body).status_code == 422


def test_keys_are_told_once_and_end_at_once(service: RunningService) -> None:
    person = service.person()
    made = person.post("/api/v1/keys", json={"name": "ci", "scopes": ["scans:read"]}).json()
    assert made["key"].startswith("gyp_")
    assert "key" not in person.get("/api/v1/keys").json()["items"][0]
    program = service.client(headers={"Authorization": f"Bearer {made['key']}"})
    assert program.get("/api/v1/scans").status_code == 200
    assert program.post("/api/v1/scans", json={"title": "x"}).status_code == 403
    assert person.delete(f"/api/v1/keys/{made['id']}").status_code == 204
    assert program.get("/api/v1/scans").status_code == 401
    assert person.delete(f"/api/v1/keys/{made['id']}").status_code == 404


def test_expired_keys(service: RunningService) -> None:
    person = service.person()
    body = {"name": "ci", "scopes": ["scans:read"], "expires_in_days": 1}
    made = person.post("/api/v1/keys", json=body).json()
    program = service.client(headers={"Authorization": f"Bearer {made['key']}"})
    assert program.get("/api/v1/scans").status_code == 200
    service.execute("update api_keys set expires_at = now() where id = %s", [made["id"]])
    assert program.get("/api/v1/scans").status_code == 401


def test_quota(service: RunningService) -> None:
    person = service.person()
    service.execute("update users set quota_bytes = 1000 where email = %s", [person.email])
    scan = person.scan()
    assert person.announce(scan, "a.jpg", 900).status_code == 201
    refused = person.announce(scan, "b.jpg", 101)
    assert refused.status_code == 413
    assert refused.json()["type"] == "urn:gypsum:quota"


def test_the_secret_is_the_owners_alone(service: RunningService) -> None:
    path: Path = service.settings.data / "secret"
    assert path.stat().st_mode & 0o777 == 0o600

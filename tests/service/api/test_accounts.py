"""Accounts: from signing up to being deleted, and what must not work on the way."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid

import pytest
from tests.service.conftest import PASSWORD, TUS, Client, RunningService, fresh_database, serving

from gypsum.service.accounts import factors


def address() -> str:
    """An e-mail address that nobody has."""
    return f"{uuid.uuid4().hex}@example.org"


def sign_up(client: Client, **changes: object) -> int:
    """The status with which a new account is answered."""
    body = {"email": address(), "password": PASSWORD, "name": "Ada", **changes}
    return client.post("/api/v1/accounts", json=body).status_code


def test_signing_up_signs_in(service: RunningService) -> None:
    person = service.person("Ada Lovelace")
    me = person.get("/api/v1/me").json()
    assert (me["name"], me["email"]) == ("Ada Lovelace", person.email)
    cookie = next(iter(person.cookies.jar))
    assert cookie.name == "gypsum_session"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"


def test_the_cookie_is_bound_to_the_host_over_tls(service: RunningService) -> None:
    secure = service.settings.model_copy(update={"public_url": "https://scan.example.org"})
    with serving(secure) as running:
        answer = running.client().post(
            "/api/v1/accounts", json={"email": address(), "password": PASSWORD, "name": "Ada"}
        )
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-gypsum_session=")
        assert "Secure" in cookie
        assert "HttpOnly" in cookie
        assert "Path=/" in cookie
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "10 characters at least"),
        ("1234567890", "guessed first"),
        ("password123", "guessed first"),
        ("gypsumgypsum", "guessed first"),
        ("x" * 201, "200 characters at most"),
    ],
)
def test_weak_passwords_are_refused(service: RunningService, password: str, sentence: str) -> None:
    answer = service.client().post(
        "/api/v1/accounts", json={"email": address(), "password": password, "name": "Ada"}
    )
    assert answer.status_code == 422
    problem = answer.json()
    assert sentence in problem["detail"]
    assert problem["errors"][0]["field"] == "password"


def test_a_password_with_the_own_name_in_it_is_refused(service: RunningService) -> None:
    status = sign_up(
        service.client(), email="wilhelmina@example.org", password="wilhelmina", name="W"
    )
    assert status == 422


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.org", "a da@example.org", "ada@exa\nmple.org", "ada@b@c", "\0@b"],
)
def test_what_is_no_address_is_refused(service: RunningService, email: str) -> None:
    assert sign_up(service.client(), email=email) == 422


def test_one_account_for_an_address_whatever_its_case(service: RunningService) -> None:
    email = address()
    assert sign_up(service.client(), email=email) == 201
    assert sign_up(service.client(), email=email.upper()) == 409


def test_passwords_are_kept_as_argon2id(service: RunningService, ada: Client) -> None:
    stored = service.execute("select password_hash from users where email = %s", [ada.email])
    assert stored[0][0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_tokens_are_not_in_the_database(service: RunningService, ada: Client) -> None:
    token = next(iter(ada.cookies.jar)).value
    assert token
    rows = service.execute("select id from sessions")
    assert all(token.encode() not in bytes(row[0]) for row in rows)


def test_signing_in_and_out(service: RunningService) -> None:
    person = service.person()
    other = service.client()
    body = {"email": person.email.upper(), "password": PASSWORD}
    assert other.post("/api/v1/session", json=body).status_code == 201
    assert other.get("/api/v1/me").json()["email"] == person.email
    answer = other.delete("/api/v1/session")
    assert answer.status_code == 204
    assert "storage" in answer.headers["clear-site-data"]
    assert other.get("/api/v1/me").status_code == 401
    assert person.get("/api/v1/me").status_code == 200


def test_a_new_sign_in_ends_the_session_before(service: RunningService) -> None:
    person = service.person()
    old = next(iter(person.cookies.jar)).value
    body = {"email": person.email, "password": PASSWORD}
    assert person.post("/api/v1/session", json=body).status_code == 201
    assert next(iter(person.cookies.jar)).value != old
    thief = service.client(cookies={"gypsum_session": old or ""})
    assert thief.get("/api/v1/me").status_code == 401


def test_wrong_passwords_and_unknown_people_look_alike(service: RunningService) -> None:
    person = service.person()
    wrong = service.client().post(
        "/api/v1/session", json={"email": person.email, "password": "wrong-wrong-wrong"}
    )
    unknown = service.client().post(
        "/api/v1/session", json={"email": address(), "password": "wrong-wrong-wrong"}
    )
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_guessing_is_slowed_down(service: RunningService) -> None:
    person = service.person()
    client = service.client()
    body = {"email": person.email, "password": "wrong-wrong-wrong"}
    answers = [client.post("/api/v1/session", json=body) for _ in range(12)]
    assert [a.status_code for a in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 60
    # Also the right password has to wait: else a guess would be told by it.
    right = client.post("/api/v1/session", json={**body, "password": PASSWORD})
    assert right.status_code == 429
    service.execute("update rate_limits set began = began - interval '1 hour'")
    assert client.post("/api/v1/session", json={**body, "password": PASSWORD}).status_code == 201


def test_changing_the_password_ends_other_sessions(service: RunningService) -> None:
    person = service.person()
    other = service.client()
    body = {"email": person.email, "password": PASSWORD}
    assert other.post("/api/v1/session", json=body).status_code == 201
    refused = person.post("/api/v1/me/password", json={"current": "wrong", "new": PASSWORD + "x"})
    assert refused.status_code == 403
    changed = person.post("/api/v1/me/password", json={"current": PASSWORD, "new": PASSWORD + "x"})
    assert changed.status_code == 204
    assert person.get("/api/v1/me").status_code == 200
    assert other.get("/api/v1/me").status_code == 401
    assert other.post("/api/v1/session", json=body).status_code == 401


def test_sessions_are_listed_and_ended_from_afar(service: RunningService) -> None:
    person = service.person()
    other = service.client(headers={"User-Agent": "Other browser"})
    other.post("/api/v1/session", json={"email": person.email, "password": PASSWORD})
    items = person.get("/api/v1/me/sessions").json()["items"]
    assert [item["current"] for item in items].count(True) == 1
    far = next(item for item in items if not item["current"])
    assert far["agent"] == "Other browser"
    assert person.delete(f"/api/v1/me/sessions/{far['id']}").status_code == 204
    assert other.get("/api/v1/me").status_code == 401
    assert person.delete(f"/api/v1/me/sessions/{far['id']}").status_code == 404


def test_old_sessions_end(service: RunningService) -> None:
    person = service.person()
    query = "update sessions set seen_at = now() - interval '31 days' from users u " \
        "where u.id = user_id and u.email = %s"  # fmt: skip
    service.execute(query, [person.email])
    assert person.get("/api/v1/me").status_code == 401


def test_another_address_needs_the_password(service: RunningService) -> None:
    person = service.person()
    email = address()
    assert person.patch("/api/v1/me", json={"email": email}).status_code == 403
    assert person.patch("/api/v1/me", json={"name": "Countess"}).json()["name"] == "Countess"
    changed = person.patch("/api/v1/me", json={"email": email, "password": PASSWORD})
    assert changed.json()["email"] == email
    taken = person.patch("/api/v1/me", json={"email": service.person().email, "password": PASSWORD})
    assert taken.status_code == 409


def test_deleting_an_account_leaves_nothing(service: RunningService) -> None:
    person = service.person()
    user = person.get("/api/v1/me").json()["id"]
    key = person.post("/api/v1/keys", json={"name": "k", "scopes": ["account"]}).json()["key"]
    scan = person.post("/api/v1/scans", json={"title": "vase"}).json()["id"]
    half = person.announce(scan, "a.jpg", 100).headers["location"]
    person.append(half, 0, b"\xff\xd8\xff")
    partial = service.settings.uploads / half.rsplit("/", 1)[1]
    # On this machine's disk, or in the bucket, where a worker erases it with all else.
    assert partial.exists() or service.settings.storage_url
    assert person.head(half, headers=TUS).headers["upload-offset"] == "3"
    refused = person.request("DELETE", "/api/v1/me", json={"password": "wrong"})
    assert refused.status_code == 403
    answer = person.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204
    assert not partial.exists()
    assert person.get("/api/v1/me").status_code == 401
    program = service.client(headers={"Authorization": f"Bearer {key}"})
    assert program.get("/api/v1/me").status_code == 401
    for table, column in (("users", "id"), ("sessions", "user_id"), ("api_keys", "user_id"),
                          ("scans", "owner"), ("letters", "user_id")):  # fmt: skip
        assert not service.execute(f"select 1 from {table} where {column} = %s", [user]), table
    # What is stored of its scans is erased by a worker.
    jobs = service.execute("select args::text from procrastinate_jobs")
    assert any(scan in row[0] for row in jobs)
    # The address is free again.
    again = {"email": person.email, "password": PASSWORD, "name": "Ada"}
    assert service.client().post("/api/v1/accounts", json=again).status_code == 201


def test_a_closed_service_takes_its_first_account_only(
    database_server: str, database_template: str, service: RunningService, tmp_path: object
) -> None:
    with fresh_database(database_server, database_template) as url:
        closed = service.settings.model_copy(
            update={"closed": True, "database_url": url, "data": tmp_path}
        )
        with serving(closed) as running:
            assert running.client().get("/api/v1/options").json()["features"]["sign_up"] is False
            assert sign_up(running.client()) == 201
            assert sign_up(running.client()) == 403


def test_what_happened_is_written_down(service: RunningService) -> None:
    person = service.person()
    user = person.get("/api/v1/me").json()["id"]
    service.client().post("/api/v1/session", json={"email": person.email, "password": "wrong"})
    actions = service.execute(
        "select action, address from audit where user_id = %s order by id", [user]
    )
    assert [action for action, _ in actions] == ["account.create", "session.refused"]
    assert all(address == "127.0.0.1" for _, address in actions)


class TestLetters:
    """With a mail server, addresses are confirmed and passwords chosen anew."""

    @pytest.fixture
    def mailing(
        self, service: RunningService, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[RunningService, list[tuple[str, str, str]]]:
        from gypsum.service import notify

        sent: list[tuple[str, str, str]] = []

        async def send(_settings: object, to: str, subject: str, text: str) -> bool:
            sent.append((to, subject, text))
            return True

        monkeypatch.setattr(notify, "send_mail", send)
        return service, sent

    def test_from_letter_to_new_password(
        self, mailing: tuple[RunningService, list[tuple[str, str, str]]]
    ) -> None:
        service, sent = mailing
        settings = service.settings.model_copy(update={"smtp_url": "smtp://localhost"})
        with serving(settings) as running:
            person = running.person()
            scan = person.post("/api/v1/scans", json={"title": "vase"}).json()
            public = person.patch(f"/api/v1/scans/{scan['id']}", json={"privacy": "public"})
            assert public.status_code == 403, "unconfirmed people can't publish"
            assert sent[0][0] == person.email
            token = sent[0][2].split("/verify/")[1].split()[0]
            verify = {"token": token}
            assert person.post("/api/v1/verify", json=verify).status_code == 204
            assert person.post("/api/v1/verify", json=verify).status_code == 404
            assert person.get("/api/v1/me").json()["verified"] is True
            public = person.patch(f"/api/v1/scans/{scan['id']}", json={"privacy": "public"})
            assert public.status_code == 200

            stranger = running.client()
            unknown = stranger.post("/api/v1/password-resets", json={"email": address()})
            known = stranger.post("/api/v1/password-resets", json={"email": person.email})
            assert (unknown.status_code, unknown.content) == (known.status_code, known.content)
            assert known.status_code == 202
            deadline = time.monotonic() + 5
            while len(sent) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)  # Letters go out beside the answers.
            assert len(sent) == 2
            token = sent[1][2].split("/reset/")[1].split()[0]
            body = {"token": token, "password": "another-lantern-meadow-5"}
            assert stranger.post("/api/v1/password-resets/confirm", json=body).status_code == 204
            assert stranger.post("/api/v1/password-resets/confirm", json=body).status_code == 404
            assert person.get("/api/v1/me").status_code == 401, "all browsers are signed out"
            sign_in = {"email": person.email, "password": "another-lantern-meadow-5"}
            assert stranger.post("/api/v1/session", json=sign_in).status_code == 201

    def test_without_a_mail_server(self, service: RunningService, ada: Client) -> None:
        body = {"email": ada.email}
        assert service.client().post("/api/v1/password-resets", json=body).status_code == 409
        assert ada.post("/api/v1/me/verify").status_code == 409


def shown(key: str, steps: int = 0) -> str:
    """What an authenticator with this key shows, so many half minutes from now."""
    step = int(time.time()) // factors.SECONDS + steps
    return factors.code_at(base64.b32decode(key), step)


def test_a_second_factor_from_its_key_to_its_end(service: RunningService) -> None:
    person = service.person()
    elsewhere = service.client()
    signing_in = {"email": person.email, "password": PASSWORD}
    assert elsewhere.post("/api/v1/session", json=signing_in).status_code == 201
    begun = "/api/v1/me/second-factor"
    assert person.post(begun, json={"password": "wrong"}).status_code == 403
    key = person.post(begun, json={"password": PASSWORD}).json()["key"]
    # Until a code came, nothing is different.
    assert person.get("/api/v1/me").json()["second_factor"] is False
    assert service.client().post("/api/v1/session", json=signing_in).status_code == 201
    assert person.post(f"{begun}/confirm", json={"code": "000000"}).status_code == 403
    made = person.post(f"{begun}/confirm", json={"code": shown(key, -1)})
    assert made.status_code == 200, made.text
    codes = made.json()["codes"]
    assert len(set(codes)) == 10
    assert person.get("/api/v1/me").json()["second_factor"] is True
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert person.post(begun, json={"password": PASSWORD}).status_code == 409

    def sign_in(code: str | None = None) -> tuple[int, str]:
        body = signing_in if code is None else {**signing_in, "code": code}
        answer = service.client().post("/api/v1/session", json=body)
        return answer.status_code, answer.json().get("type", "")

    assert sign_in() == (401, "urn:gypsum:code-wanted")
    # The one that confirmed it is used up.
    assert sign_in(shown(key, -1)) == (401, "urn:gypsum:wrong-code")
    code = shown(key)
    assert sign_in(f"{code[:3]} {code[3:]}")[0] == 201
    assert sign_in(code) == (401, "urn:gypsum:wrong-code")
    assert sign_in(codes[0].lower())[0] == 201
    assert sign_in(codes[0]) == (401, "urn:gypsum:wrong-code")
    wrong = {"email": person.email, "password": "wrong", "code": codes[1]}
    assert service.client().post("/api/v1/session", json=wrong).json()["type"].endswith("password")

    ending = {"password": PASSWORD, "code": codes[0]}
    assert person.request("DELETE", begun, json=ending).status_code == 403
    ending["code"] = codes[1]
    assert person.request("DELETE", begun, json=ending).status_code == 204
    assert sign_in()[0] == 201


def test_what_the_database_holds_makes_no_codes(service: RunningService) -> None:
    person = service.person()
    key = person.post("/api/v1/me/second-factor", json={"password": PASSWORD}).json()["key"]
    made = person.post("/api/v1/me/second-factor/confirm", json={"code": shown(key)}).json()
    rows = service.execute("select factor_seed from users where email = %s", [person.email])
    assert bytes(rows[0][0]) != base64.b32decode(key)
    kept = service.execute("select hash from recovery_codes")
    plain = {code.replace("-", "").encode() for code in made["codes"]}
    for row in kept:
        assert bytes(row[0]) not in {hashlib.sha256(code).digest() for code in plain}


def test_guessing_codes_ends_soon(service: RunningService) -> None:
    person = service.person()
    key = person.post("/api/v1/me/second-factor", json={"password": PASSWORD}).json()["key"]
    person.post("/api/v1/me/second-factor/confirm", json={"code": shown(key)})
    body = {"email": person.email, "password": PASSWORD, "code": "000000"}
    found = [service.client().post("/api/v1/session", json=body).status_code for _ in range(12)]
    assert found[0] == 401
    assert found[-1] == 429

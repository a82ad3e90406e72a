"""Accounts, sessions, passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from gypsum.service import jobs, notify
from gypsum.service.accounts import audit, factors, letters, passwords, rates, sessions, users
from gypsum.service.accounts.rates import Rate
from gypsum.service.api.access import Holder, Person, Principal, cookie_name, identify
from gypsum.service.api.models import (
    AddressIn,
    DeleteIn,
    FactorDropIn,
    FactorIn,
    FactorOut,
    PasswordIn,
    RecoveryOut,
    ResetIn,
    SessionOut,
    SessionsOut,
    SignInIn,
    SignUpIn,
    TokenIn,
    UsageOut,
    UserOut,
    UserPatch,
)
from gypsum.service.api.problems import Problem, documented, invalid, not_found, too_many
from gypsum.service.api.state import Here, Service, address_of
from gypsum.service.database import Connection

router = APIRouter(prefix="/api/v1", tags=["accounts"])

#: Of the lock under which the first account is made.
_FIRST_ACCOUNT = 0x67797001
_TAKEN = "There is an account with this e-mail address already; sign in, or take another."

SessionId = Annotated[UUID, Field(description="From the list of sessions.")]


@router.post("/accounts", status_code=201, responses=documented(403, 409, 413))
async def create_account(
    body: SignUpIn, request: Request, response: Response, service: Here
) -> UserOut:
    """Make an account and sign in.

    Where the service is closed to newcomers, only its first account can be made.
    """
    await _spend(service, (rates.SIGN_UP_ADDRESS, address_of(request)))
    await _check_new_password(body.password, [body.email, body.name], "password")
    hashed = await passwords.hash_password(body.password)
    async with service.pool.connection() as connection:
        await _check_open(connection, service)
        try:
            user = await users.create(connection, body.email, body.name, hashed)
        except users.TakenError:
            raise Problem(409, "taken", _TAKEN, errors=[("email", _TAKEN)]) from None
        await audit.note(connection, user.id, "account.create", address=address_of(request))
        await _sign_in(connection, service, user, request, response)
        token = await letters.write(connection, user.id, "verify")
    await _send_verification(service, user, token)
    return _user_out(user)


@router.post("/session", status_code=201, responses=documented(401, 413))
async def sign_in(body: SignInIn, request: Request, response: Response, service: Here) -> UserOut:
    """Sign in: the answer sets the session's cookie.

    Accounts with a second factor are answered `code-wanted` until the request has a `code`.
    """
    address = address_of(request)
    person = f"{body.email.lower()} {address}"
    await _spend(
        service,
        (rates.SIGN_IN_PERSON, person),
        (rates.SIGN_IN_ACCOUNT, body.email.lower()),
        (rates.SIGN_IN_ADDRESS, address),
    )
    async with service.pool.connection() as connection:
        found = await users.with_password(connection, body.email.strip())
    # Without an account it takes as long.
    right = await passwords.verify_password(found[1] if found else None, body.password)
    if found is None or not right:
        async with service.pool.connection() as connection:
            target = found[0].id if found else None
            await audit.note(connection, target, "session.refused", address=address)
        raise Problem(401, "wrong-password", "The e-mail address or the password is wrong.")
    user, stored = found
    if user.second_factor:
        await _check_code(service, user, body.code, address)
    renewed = await passwords.hash_password(body.password) if passwords.outdated(stored) else None
    former = await identify(request, service)
    async with service.pool.connection() as connection:
        if renewed is not None:
            await users.set_password(connection, user.id, renewed)
        if former is not None and former.session is not None:
            await sessions.end(connection, former.session)
        await rates.forgive(connection, rates.SIGN_IN_PERSON, person)
        await audit.note(connection, user.id, "session.create", address=address)
        await _sign_in(connection, service, user, request, response)
    return _user_out(user)


@router.delete("/session", status_code=204, response_class=Response, responses=documented(401, 403))
async def sign_out(principal: Person, request: Request, response: Response, service: Here) -> None:
    """Sign this browser out."""
    assert principal.session is not None
    async with service.pool.connection() as connection:
        await sessions.end(connection, principal.session)
        await audit.note(connection, principal.id, "session.end", address=address_of(request))
    _drop_cookie(service, response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


@router.get("/me", responses=documented(401, 403))
async def get_me(principal: Holder) -> UserOut:
    """Who is signed in."""
    return _user_out(principal.user)


@router.patch("/me", responses=documented(401, 403, 409, 413))
async def change_me(body: UserPatch, principal: Person, request: Request, service: Here) -> UserOut:
    """Change the name that others see, or, with the password, the e-mail address."""
    token = None
    readdressed = body.email is not None and body.email != principal.user.email
    if readdressed:
        await _check_password(service, principal, body.password or "", "password")
    async with service.pool.connection() as connection:
        if body.name is not None:
            await users.rename(connection, principal.id, body.name)
        if readdressed and body.email is not None:
            try:
                await users.readdress(connection, principal.id, body.email)
            except users.TakenError:
                raise Problem(409, "taken", _TAKEN, errors=[("email", _TAKEN)]) from None
            await audit.note(
                connection, principal.id, "account.address", address=address_of(request)
            )
            token = await letters.write(connection, principal.id, "verify")
        user = await users.by_id(connection, principal.id)
    if user is None:
        raise not_found("account")
    if token is not None:
        await _send_verification(service, user, token)
    return _user_out(user)


@router.delete("/me", status_code=204, response_class=Response, responses=documented(401, 403, 413))
async def delete_me(
    body: DeleteIn, principal: Person, request: Request, response: Response, service: Here
) -> None:
    """Delete the account with all scans, files, keys and webhooks. There is no way back."""
    await _check_password(service, principal, body.password, "password")
    async with service.pool.connection() as connection:
        found = await connection.execute(
            "select f.id from files f join scans s on s.id = f.scan_id where s.owner = %s",
            [principal.id],
        )
        files = await found.fetchall()
        await jobs.forget_user(connection, principal.id, service.settings)
        await connection.execute("delete from users where id = %s", [principal.id])
        await audit.note(connection, principal.id, "account.delete", address=address_of(request))
    for file in files:  # What had arrived of those that were on their way.
        await service.uploads.discard(file["id"])
    _drop_cookie(service, response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


@router.post(
    "/me/password", status_code=204, response_class=Response, responses=documented(401, 403, 413)
)
async def change_password(
    body: PasswordIn, principal: Person, request: Request, service: Here
) -> None:
    """Change the password. All other browsers are signed out."""
    await _check_password(service, principal, body.current, "current")
    known = [principal.user.email, principal.user.name]
    await _check_new_password(body.new, known, "new")
    hashed = await passwords.hash_password(body.new)
    async with service.pool.connection() as connection:
        await users.set_password(connection, principal.id, hashed)
        await sessions.end_all(connection, principal.id, but=principal.session)
        await audit.note(connection, principal.id, "password.change", address=address_of(request))
    await _tell(service, principal.user.email, "Your password was changed", _CHANGED)


@router.post("/me/second-factor", status_code=201, responses=documented(401, 403, 409, 413))
async def begin_second_factor(body: DeleteIn, principal: Person, service: Here) -> FactorOut:
    """Get a key for an authenticator app (TOTP). Nothing changes until a code confirms it."""
    await _check_password(service, principal, body.password, "password")
    async with service.pool.connection() as connection:
        key = await factors.begin(connection, service.key, principal.id)
    if key is None:
        raise Problem(409, "state", "There is a second factor already; turn it off first.")
    uri = factors.uri(key, principal.user.email)
    return FactorOut(key=factors.shown(key), uri=uri, qr=factors.picture(uri))


@router.post("/me/second-factor/confirm", responses=documented(401, 403, 413))
async def confirm_second_factor(
    body: FactorIn, principal: Person, request: Request, service: Here
) -> RecoveryOut:
    """Ask for codes from now on. All other browsers are signed out."""
    await _spend(service, (rates.PASSWORD_PERSON, str(principal.id)))
    async with service.pool.connection() as connection:
        codes = await factors.confirm(connection, service.key, principal.id, body.code)
        if codes is None:
            raise _wrong_code(403)
        await sessions.end_all(connection, principal.id, but=principal.session)
        await audit.note(connection, principal.id, "factor.create", address=address_of(request))
    await _tell(service, principal.user.email, "A second factor", _FACTOR_ON)
    return RecoveryOut(codes=codes)


@router.delete(
    "/me/second-factor",
    status_code=204,
    response_class=Response,
    responses=documented(401, 403, 413),
)
async def end_second_factor(
    body: FactorDropIn, principal: Person, request: Request, service: Here
) -> None:
    """Ask for the password alone from now on."""
    await _check_password(service, principal, body.password, "password")
    await _spend(service, (rates.PASSWORD_PERSON, f"code {principal.id}"))
    async with service.pool.connection() as connection:
        if not await factors.spend(connection, service.key, principal.id, body.code):
            raise _wrong_code(403)
        await factors.drop(connection, principal.id)
        await audit.note(connection, principal.id, "factor.delete", address=address_of(request))
    await _tell(service, principal.user.email, "No second factor any more", _FACTOR_OFF)


@router.get("/me/sessions", responses=documented(401, 403))
async def list_sessions(principal: Person, service: Here) -> SessionsOut:
    """Where one is signed in."""
    async with service.reader.connection() as connection:
        found = await sessions.of_user(connection, principal.id, service.idle)
    return SessionsOut(
        items=[
            SessionOut(
                id=row["public_id"],
                current=row["id"] == principal.session,
                **{name: row[name] for name in ("created_at", "seen_at", "agent", "address")},
            )
            for row in found
        ]
    )


@router.delete(
    "/me/sessions/{session_id}",
    status_code=204,
    response_class=Response,
    responses=documented(401, 403, 404),
)
async def end_session(
    session_id: SessionId, principal: Person, request: Request, service: Here
) -> None:
    """Sign a browser out from afar."""
    async with service.pool.connection() as connection:
        if not await sessions.end_listed(connection, principal.id, session_id):
            raise not_found("session")
        await audit.note(connection, principal.id, "session.end", address=address_of(request))


@router.get("/me/usage", responses=documented(401, 403))
async def get_usage(principal: Holder, service: Here) -> UsageOut:
    """What is stored, and what may be."""
    async with service.reader.connection() as connection:
        used = await users.used_bytes(connection, principal.id)
        found = await connection.execute(
            "select count(*) as count from scans where owner = %s", [principal.id]
        )
        row = await found.fetchone()
    return UsageOut(
        bytes=used,
        quota_bytes=principal.user.quota_bytes or service.settings.user_bytes,
        scans=row["count"] if row else 0,
        quota_scans=service.settings.user_scans,
    )


@router.post(
    "/me/verify", status_code=202, response_class=Response, responses=documented(401, 403, 409)
)
async def send_verification(principal: Person, service: Here) -> None:
    """Send the letter again that confirms the e-mail address."""
    if not service.settings.smtp_url:
        raise Problem(409, "no-mail", "This service sends no mail, so nothing is to be confirmed.")
    if principal.user.verified:
        raise Problem(409, "verified", "The e-mail address is confirmed already.")
    await _spend(service, (rates.LETTER_PERSON, str(principal.id)))
    async with service.pool.connection() as connection:
        token = await letters.write(connection, principal.id, "verify")
    await _send_verification(service, principal.user, token)


@router.post("/verify", status_code=204, response_class=Response, responses=documented(404, 413))
async def verify_address(body: TokenIn, service: Here) -> None:
    """Confirm an e-mail address by the token of its letter."""
    async with service.pool.connection() as connection:
        user = await letters.answer(connection, body.token, "verify")
        if user is None:
            raise _used_up()
        await connection.execute("update users set verified = true where id = %s", [user])
        await audit.note(connection, user, "account.verify")


@router.post(
    "/password-resets", status_code=202, response_class=Response, responses=documented(409, 413)
)
async def request_reset(body: AddressIn, request: Request, service: Here) -> None:
    """Send a letter with which a new password can be chosen.

    The answer is the same whether there is such an account or not.
    """
    if not service.settings.smtp_url:
        raise Problem(409, "no-mail", "This service sends no mail; ask whoever runs it.")
    await _spend(
        service,
        (rates.LETTER_PERSON, body.email),
        (rates.LETTER_ADDRESS, address_of(request)),
    )
    async with service.pool.connection() as connection:
        found = await users.with_password(connection, body.email)
        token = await letters.write(connection, found[0].id, "reset") if found else None
        if found:
            await audit.note(
                connection, found[0].id, "password.letter", address=address_of(request)
            )
    if token is not None:
        text = (
            "Somebody, probably you, asked for a new password. Choose it here within an hour:\n\n"
            f"{service.settings.url}/reset/{token}\n\n"
            "If it was not you, do nothing: your password stays as it is.\n"
        )
        # Not waited for: how long it takes would tell whether there is such an account.
        _later(notify.send_mail(service.settings, body.email, "A new password", text))


@router.post(
    "/password-resets/confirm",
    status_code=204,
    response_class=Response,
    responses=documented(404, 413),
)
async def confirm_reset(body: ResetIn, request: Request, service: Here) -> None:
    """Choose a new password by the token of a letter. All browsers are signed out."""
    await _spend(service, (rates.LETTER_ADDRESS, f"confirm {address_of(request)}"))
    await _check_new_password(body.password, [], "password")
    hashed = await passwords.hash_password(body.password)
    async with service.pool.connection() as connection:
        user = await letters.answer(connection, body.token, "reset")
        if user is None:
            raise _used_up()
        await users.set_password(connection, user, hashed)
        await sessions.end_all(connection, user)
        # Whoever reads the letter reads the address's mail.
        await connection.execute("update users set verified = true where id = %s", [user])
        await audit.note(connection, user, "password.reset", address=address_of(request))


_FACTOR_ON = (
    "From now on your account asks for a code of your authenticator beside the password.\n\n"
    "If it was not you, choose a new password and ask whoever runs the service for help.\n"
)
_FACTOR_OFF = (
    "Your account asks for no code of an authenticator any more.\n\n"
    "If it was not you, choose a new password at once and turn the second factor on again.\n"
)
_CHANGED = (
    "The password of your account was changed, and all other browsers were signed out.\n\n"
    "If it was not you, ask for a new password at once, on the page where one signs in.\n"
)


async def _spend(service: Service, *attempts: tuple[Rate, str]) -> None:
    """Count attempts, whatever becomes of the request. Raises Problem 429."""
    async with service.pool.connection() as connection:
        waits = [await rates.spend(connection, rate, subject) for rate, subject in attempts]
    if any(waits):
        raise too_many(max(waits))


async def _check_new_password(password: str, known: list[str], field: str) -> None:
    sentence = await asyncio.to_thread(passwords.weakness, password, known)
    if sentence is not None:
        raise invalid(field, sentence)


async def _check_password(
    service: Service, principal: Principal, password: str, field: str
) -> None:
    """Whoever found a browser signed in does not know it. Raises Problem 403."""
    await _spend(service, (rates.PASSWORD_PERSON, str(principal.id)))
    async with service.pool.connection() as connection:
        found = await users.with_password(connection, principal.user.email)
    if not await passwords.verify_password(found[1] if found else None, password):
        text = "The password is wrong."
        raise Problem(403, "wrong-password", text, errors=[(field, text)])
    async with service.pool.connection() as connection:
        await rates.forgive(connection, rates.PASSWORD_PERSON, str(principal.id))


async def _check_code(service: Service, user: users.User, code: str | None, address: str) -> None:
    """Of an account with a second factor, after the password. Raises Problem 401."""
    if code is None:
        text = "Enter the code that your authenticator app shows, or a recovery code."
        raise Problem(401, "code-wanted", text, errors=[("code", text)])
    async with service.pool.connection() as connection:
        if await factors.spend(connection, service.key, user.id, code):
            return
        await audit.note(connection, user.id, "session.refused", address=address)
    raise _wrong_code(401)


def _wrong_code(status: int) -> Problem:
    text = "The code is wrong, or it was used already; wait for the next one."
    return Problem(status, "wrong-code", text, errors=[("code", text)])


async def _check_open(connection: Connection, service: Service) -> None:
    if not service.settings.closed:
        return
    await connection.execute("select pg_advisory_xact_lock(%s)", [_FIRST_ACCOUNT])
    found = await connection.execute("select 1 from users limit 1")
    if await found.fetchone() is not None:
        raise Problem(403, "closed", "This service takes no new accounts; ask whoever runs it.")


async def _sign_in(
    connection: Connection,
    service: Service,
    user: users.User,
    request: Request,
    response: Response,
) -> None:
    agent = request.headers.get("user-agent", "")
    token = await sessions.begin(connection, user.id, agent, address_of(request))
    response.set_cookie(
        cookie_name(service),
        token,
        max_age=int(sessions.LONGEST.total_seconds()),
        httponly=True,
        secure=service.settings.secure,
        samesite="lax",
    )


def _drop_cookie(service: Service, response: Response) -> None:
    response.delete_cookie(
        cookie_name(service), httponly=True, secure=service.settings.secure, samesite="lax"
    )


async def _send_verification(service: Service, user: users.User, token: str) -> None:
    text = (
        f"Welcome, {user.name}!\n\nConfirm that this is your address:\n\n"
        f"{service.settings.url}/verify/{token}\n\n"
        "If you made no account, do nothing.\n"
    )
    await _tell(service, user.email, "Confirm your address", text)


async def _tell(service: Service, address: str, subject: str, text: str) -> None:
    if service.settings.smtp_url:
        _later(notify.send_mail(service.settings, address, subject, text))


_LETTERS: set[asyncio.Task[bool]] = set()


def _later(letter: Coroutine[Any, Any, bool]) -> None:
    """Send a letter while the answer goes out; one that can't be sent is in the log."""
    task = asyncio.create_task(letter)
    _LETTERS.add(task)
    task.add_done_callback(_LETTERS.discard)


def _used_up() -> Problem:
    return Problem(404, "not-found", "This link was used already, or it is too old; ask anew.")


def _user_out(user: users.User) -> UserOut:
    return UserOut(**{name: getattr(user, name) for name in UserOut.model_fields})

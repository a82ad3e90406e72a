"""Letters, by the mail server that the settings name."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol
from urllib.parse import unquote, urlsplit

from gypsum.errors import ResourceError

log = logging.getLogger(__name__)

#: Seconds for each wait for the mail server.
_WAIT = 20.0
_PORTS = {"smtp": 587, "smtps": 465}


class Posting(Protocol):
    """Settings that say how letters go out."""

    @property
    def smtp_url(self) -> str | None:
        """``smtp://user:password@host:587`` (STARTTLS where offered), ``smtps://…``; None: not."""

    @property
    def mail_from(self) -> str:
        """The sender's address."""


class MailError(ResourceError):
    """The mail server can't be reached or does not take the letter."""


async def send_mail(settings: Posting, to: str, subject: str, text: str) -> bool:
    """Send a letter; returns False where no mail server is set.

    Raises:
        MailError: the server does not take it.
    """
    if not settings.smtp_url:
        log.info("no mail server is set: “%s” was not sent", subject)
        return False
    message = _message(settings.mail_from, to, subject, text)
    try:
        await asyncio.to_thread(_send, settings.smtp_url, message)
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"The mail server does not take letters ({error}).") from error
    return True


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = Address(addr_spec=to)
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=sender.rsplit("@", 1)[-1].strip("> "))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _send(url: str, message: EmailMessage) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_WAIT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=_WAIT)
    with server:
        if parts.scheme == "smtp":
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif parts.username:
                raise OSError("it offers no TLS, and the password is not sent without")
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)

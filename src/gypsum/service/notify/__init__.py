"""Word of what happened: letters by e-mail, signed calls to users' webhooks."""

from gypsum.service.notify.announce import announce, test_webhook, wake
from gypsum.service.notify.mail import send_mail
from gypsum.service.notify.signature import sign, verify

__all__ = ["announce", "send_mail", "sign", "test_webhook", "verify", "wake"]

"""Scans as jobs: the queue, the workers, what they write, and what happens when they die."""

from gypsum.service.jobs.metrics import metrics_text
from gypsum.service.jobs.news import log_lines
from gypsum.service.jobs.queue import enqueue, forget, forget_user, request_cancel

__all__ = ["enqueue", "forget", "forget_user", "log_lines", "metrics_text", "request_cancel"]

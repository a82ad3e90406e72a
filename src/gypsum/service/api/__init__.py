"""The service's requests: JSON for programs and pages alike, one router for each resource."""

from gypsum.service.api.app import create_app

__all__ = ["create_app"]

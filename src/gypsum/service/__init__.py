"""The web service: accounts, uploads, scans and their results, for browsers and for programs.

``gypsum serve`` runs all of it on one machine; ``gypsum worker`` adds machines. Only
:mod:`gypsum.service.settings` can be imported without the extra ``gypsum[server]``.
"""
